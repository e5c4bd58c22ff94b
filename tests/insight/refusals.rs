//! Every kind of refusal but wrong signatures: its kind and its sentence, and that none tells a secret.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::support::{Credentials, Server};
use crate::{expect_explained, fact, got, remembered};

#[test]
fn keys_regions_and_clocks_are_told_apart() {
    let server = Server::start();
    let client = server.client();
    client.bucket("bkt");
    let mut unknown = client.clone();
    unknown.credentials = Some(Credentials::new("AKIANOBODY", "secret"));
    let answer = unknown.get("/bkt").expect_error(403, "InvalidAccessKeyId");
    expect_explained(&server, &answer, "key", "no access key \"AKIANOBODY\"");
    assert_eq!(remembered(&server, &answer)["access_key_id"], "AKIANOBODY");

    let mut elsewhere = client.clone();
    elsewhere.region = "eu-central-1".to_owned();
    let answer = elsewhere.get("/bkt").expect_error(400, "AuthorizationHeaderMalformed");
    let explanation = expect_explained(&server, &answer, "signature", "signed for the region \"eu-central-1\"");
    assert_eq!(fact(&explanation, "region here"), "us-east-1");

    let old = SystemTime::now() - Duration::from_secs(7_200);
    let presigned = client.call("GET", "/bkt/k").presign_at(60, old);
    let answer = server.anonymous().get(&presigned).expect_error(403, "AccessDenied");
    expect_explained(&server, &answer, "clock", "The presigned URL expired 119 min before it was used.");
    let request = remembered(&server, &answer);
    assert!(!request["path"].as_str().unwrap().contains(&signature_of(&presigned)), "{request}");
    assert_eq!(request["access_key_id"], client.credentials.as_ref().unwrap().id.as_str());

    let future = SystemTime::now() + Duration::from_secs(7_200);
    let presigned = client.call("GET", "/bkt/k").presign_at(60, future);
    let answer = server.anonymous().get(&presigned).expect_error(403, "AccessDenied");
    expect_explained(&server, &answer, "clock", "is not valid yet");

    let answer = client.call("GET", "/bkt").at(old).send().expect_error(403, "RequestTimeTooSkewed");
    expect_explained(&server, &answer, "clock", "2 h behind");

    let answer = client.call("GET", "/bkt").send_with_unsigned(&[("x-amz-acl", "private")]);
    let answer = answer.expect_error(403, "AccessDenied");
    expect_explained(&server, &answer, "signature", "arrived and were not signed");
}

fn signature_of(presigned: &str) -> String {
    presigned.split("X-Amz-Signature=").nth(1).unwrap().split('&').next().unwrap().to_owned()
}

#[test]
fn policies_are_told_with_the_statement_that_decided() {
    let server = Server::start();
    let client = server.client_of("ann");
    client.bucket("bkt");
    client.put("/bkt/k", "x").expect(200);
    let reader = server.client_with("reader", &["--for", "ann", "--policy", "read-only"]);
    let answer = reader.put("/bkt/new", "x").expect_error(403, "AccessDenied");
    let explanation = expect_explained(&server, &answer, "policy", "s3:PutObject");
    assert_eq!(fact(&explanation, "action"), "s3:PutObject");
    let request = remembered(&server, &answer);
    assert_eq!((request["name"].as_str(), request["bucket"].as_str()), (Some("reader"), Some("bkt")));
    assert_eq!((request["operation"].as_str(), request["key"].as_str()), (Some("PutObject"), Some("new")));

    let policy = r#"{"Statement":[{"Sid":"NoReading","Effect":"Deny","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::bkt/*"}]}"#;
    client.put("/bkt?policy", policy).expect(204);
    let answer = reader.get("/bkt/k").expect_error(403, "AccessDenied");
    expect_explained(&server, &answer, "policy", "bucket policy, statement \"NoReading\"");

    let answer = server.anonymous().put("/bkt/k", "x").expect_error(403, "AccessDenied");
    expect_explained(&server, &answer, "policy", "Nothing allows s3:PutObject");
}

#[test]
fn conditions_and_missing_things_are_explained_too() {
    let server = Server::start();
    let client = server.client();
    client.bucket("bkt");
    client.put("/bkt/k", "x").expect(200);
    let answer = client.call("PUT", "/bkt/k").header("if-none-match", "*").body("y").send();
    expect_explained(&server, &answer.expect(412), "other", "A condition of the request");
    let answer = client.get("/bkt/none").expect_error(404, "NoSuchKey");
    expect_explained(&server, &answer, "other", "no object of that key");
    let answer = client.get("/nowhere").expect_error(404, "NoSuchBucket");
    expect_explained(&server, &answer, "other", "no bucket of that name");
    let sts = client.call("POST", "/").service("sts").header("content-type", "application/x-www-form-urlencoded");
    let answer = sts.body("Action=Nothing&Version=2011-06-15").send().expect(400);
    expect_explained(&server, &answer, "other", ".");
}

#[test]
fn requests_that_were_served_are_remembered_without_an_explanation() {
    let server = Server::start();
    let client = server.client();
    let answer = client.call("PUT", "/bkt").header("user-agent", "unit/1").send().expect(200);
    let request = remembered(&server, &answer);
    assert_eq!((request["status"].as_u64(), request["explanation"].is_null()), (Some(200), true));
    assert_eq!((request["name"].as_str(), request["user_agent"].as_str()), (Some("root"), Some("unit/1")));
    assert_eq!(request["has_explanation"], false);
    client.get("/bkt/none").expect(404);
    let count = |query: &str| got(&server, &format!("/v1/requests?{query}"))["requests"].as_array().unwrap().len();
    server.eventually("both are listed", || count("status=all") == 2);
    assert_eq!((count("status=refused"), count("status=4xx"), count("status=5xx")), (1, 1, 0));
    assert_eq!((count("bucket=bkt"), count("bucket=c"), count("key=root"), count("key=nobody")), (2, 0, 2, 0));
    assert_eq!(count("limit=1"), 1);
}

#[test]
fn the_command_line_explains() {
    let server = Server::start();
    let answer = server.anonymous().put("/bkt", "").expect(403);
    let id = answer.header("x-amz-request-id").unwrap().to_owned();
    remembered(&server, &answer);
    let shown = server.command(&["explain", &id]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.starts_with("PUT /bkt 403 AccessDenied\n"), "{text}");
    let listed = server.command(&["explain"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains(&id) && text.contains("AccessDenied"), "{text}");
    let json = server.command(&["explain", "--json", &id]);
    let document: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["explanation"]["kind"], "policy");
    let unknown = server.command(&["explain", "nothing"]);
    assert!(!unknown.status.success());
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("No request of that id"));
    let nobody = server.data().with_extension("nobody");
    let mut command = crate::support::server::binary();
    let nobody = command.args(["explain", "--data-dir"]).arg(nobody).output().unwrap();
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no server answers at"), "{nobody:?}");
}

#[test]
fn no_secret_is_told_by_what_is_remembered() {
    let server = Server::start();
    let root = server.client();
    root.bucket("bkt");
    let ann = server.client_of("ann");
    let session = ann.call("POST", "/").service("sts").header("content-type", "application/x-www-form-urlencoded");
    let session = session.body("Action=GetSessionToken&Version=2011-06-15").send().expect(200);
    let (token, temporary) = (session.one("SessionToken"), session.one("SecretAccessKey"));
    let mut holder = ann.clone();
    holder.credentials =
        Some(Credentials { id: session.one("AccessKeyId"), secret: temporary.clone(), token: Some(token.clone()) });
    let customer = BASE64.encode([0xa5_u8; 32]);
    let customer_md5 = BASE64.encode(<md5::Md5 as md5::Digest>::digest([0xa5_u8; 32]));
    let sse = |call: crate::support::client::Call| {
        call.header("x-amz-server-side-encryption-customer-algorithm", "AES256")
            .header("x-amz-server-side-encryption-customer-key", &customer)
            .header("x-amz-server-side-encryption-customer-key-md5", &customer_md5)
    };
    // Everything that has a secret in it fails in some way, through a proxy and without.
    let address = crate::proxy::start(server.address(), |head| {
        crate::proxy::retarget(&head, |target| {
            let separator = if target.contains('?') { '&' } else { '?' };
            format!("{target}{separator}added=1")
        })
    });
    let (mut behind, mut visitor) = (holder.clone(), server.anonymous());
    (behind.address, visitor.address) = (address, address);
    let presigned = holder.call("GET", "/bkt/k").presign(60);
    let mut answers = vec![
        sse(holder.call("GET", "/bkt/k")).send(),
        sse(behind.call("GET", "/bkt/k")).send(),
        behind.get("/bkt/k"),
        visitor.get(&presigned),
        server.anonymous().get(&presigned.replace("X-Amz-Signature", "%58-Amz-Signature")),
        server.anonymous().get(&presigned.replace("/bkt/k", "/bkt/z")),
    ];
    let mut wrong = holder;
    wrong.credentials.as_mut().unwrap().secret = "wrong".to_owned();
    answers.push(wrong.get("/bkt/k"));
    let v2 = [("authorization", "AWS AKIA000000000000ANN:c2lnbmF0dXJl"), ("date", "Sat, 01 Jan 2000 00:00:00 GMT")];
    answers.push(server.anonymous().call("GET", "/bkt/k").send_with_unsigned(&v2));
    let mut told = String::new();
    for answer in &answers {
        assert!(answer.status >= 400, "{}", answer.text());
        told.push_str(&remembered(&server, answer).to_string());
    }
    told.push_str(&got(&server, "/v1/requests?status=all&limit=1000").to_string());
    let escaped = crate::support::client::escape_value(&token);
    let signature = signature_of(&presigned);
    let root_secret = root.credentials.unwrap().secret;
    let ann_secret = ann.credentials.unwrap().secret;
    for secret in [&*root_secret, &ann_secret, &temporary, &token, &escaped, &customer, &signature, "c2lnbmF0dXJl"] {
        assert!(!told.contains(secret), "{secret} is told: {told}");
    }
}
