//! Signed requests, as curl makes them.

use crate::support::server::{ROOT_ID, ROOT_SECRET};
use crate::support::{Client, Credentials, Server};
use crate::{add_key, address, json, refused, root};

#[test]
fn a_signature_is_as_good_as_a_session_and_needs_no_header() {
    let server = Server::start();
    let client = root(&server);
    assert_eq!(json(&client.get("/v1/overview").expect(200))["ready"], true);
    client.post("/v1/control/pause", "{\"reason\":\"backup\"}").expect(200);
    client.post("/v1/control/resume", "").expect(200);
    let (id, secret) = add_key(&server, "ann", &[]);
    let ann = Client::new(address(&server), Some(Credentials::new(&id, &secret)));
    refused(ann.get("/v1/overview"), 403, "not-an-administrator");
    refused(ann.get("/s3/"), 401, "not-signed-in");
}

#[test]
fn what_is_not_what_was_signed_is_refused() {
    let server = Server::start();
    let client = root(&server);
    let wrong = Client::new(address(&server), Some(Credentials::new(ROOT_ID, "another-secret")));
    refused(wrong.get("/v1/overview"), 403, "wrong-signature");
    let elsewhere = Client { region: "eu-west-1".to_owned(), ..client.clone() };
    refused(elsewhere.get("/v1/overview"), 403, "wrong-signature");
    refused(client.call("GET", "/v1/overview").service("iam").send(), 403, "wrong-signature");
    let body = "{\"reason\":\"x\"}";
    let other = client.call("POST", "/v1/control/pause").body(body).payload(&"ab".repeat(32));
    refused(other.send(), 403, "wrong-signature");
    let unsigned = client.call("POST", "/v1/control/pause").body(body).payload("UNSIGNED-PAYLOAD");
    refused(unsigned.send(), 403, "wrong-signature");
    let presigned = client.call("GET", "/v1/overview").presign(60);
    refused(Client::new(address(&server), None).get(&presigned), 401, "not-signed-in");
    assert_eq!(json(&client.get("/v1/overview"))["is_paused"], false);
    assert!(!server.log().contains(ROOT_SECRET));
}

#[test]
fn curl_signs_for_it() {
    let server = Server::start();
    let user = format!("{ROOT_ID}:{ROOT_SECRET}");
    let url = format!("http://{}/v1/keys", address(&server));
    let curl = |arguments: &[&str]| {
        let mut command = std::process::Command::new("curl");
        command.args(["-sS", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user]).args(arguments).arg(&url);
        command.output().expect("curl is there")
    };
    for (arguments, word) in
        [(&[][..], "ready_made_policies"), (&["-d", "{\"name\":\"ann\"}"][..], "secret_access_key")]
    {
        let output = curl(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(word), "{text}{}", String::from_utf8_lossy(&output.stderr));
    }
}
