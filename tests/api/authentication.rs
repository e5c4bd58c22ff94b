//! Signatures: every way of signing, and the exact refusal of every fault.

use std::io::{BufReader, Write as _};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use hmac::{KeyInit as _, Mac as _};

use super::support::client::{escape_value, read_answer};
use super::support::{Answer, Client, Server};

fn with_object() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("guarded");
    client.put("/guarded/k", "value").expect(200);
    (server, client)
}

/// Sends a head as it is.
fn raw(client: &Client, head: &[u8], method: &str) -> Answer {
    let mut stream = client.connect();
    stream.write_all(head).unwrap();
    read_answer(&mut BufReader::new(stream), method)
}

/// The head of a signed GET with one line changed.
fn changed(client: &Client, from: &str, to: &str) -> Answer {
    let head = String::from_utf8(client.call("GET", "/guarded/k").head()).unwrap();
    assert!(head.contains(from), "{head}");
    raw(client, head.replacen(from, to, 1).as_bytes(), "GET")
}

#[test]
fn anonymous_is_refused() {
    let (server, _) = with_object();
    let anonymous = server.anonymous();
    anonymous.get("/guarded/k").expect_error(403, "AccessDenied");
    anonymous.get("/").expect_error(403, "AccessDenied");
    anonymous.put("/guarded/k", "mine").expect_error(403, "AccessDenied");
    anonymous.get("/no-such-bucket/k").expect_error(404, "NoSuchBucket");
    anonymous.delete("/guarded/k").expect_error(403, "AccessDenied");
}

#[test]
fn wrong_keys_and_secrets_have_their_codes() {
    let (_server, client) = with_object();
    let mut unknown = client.clone();
    unknown.credentials.as_mut().unwrap().id = "AKIANOBODY".to_owned();
    unknown.get("/guarded/k").expect_error(403, "InvalidAccessKeyId");
    let mut wrong = client;
    wrong.credentials.as_mut().unwrap().secret.push('x');
    let refused = wrong.get("/guarded/k").expect_error(403, "SignatureDoesNotMatch");
    assert!(refused.one("StringToSign").starts_with("AWS4-HMAC-SHA256"), "{}", refused.text());
    assert!(refused.one("CanonicalRequest").starts_with("GET\n/guarded/k\n"), "{}", refused.text());
    wrong.head("/guarded/k").expect(403);
}

#[test]
fn scopes_are_checked() {
    let (_server, mut client) = with_object();
    client.region = "eu-central-1".to_owned();
    let refused = client.get("/guarded/k").expect_error(400, "AuthorizationHeaderMalformed");
    assert_eq!(refused.one("Region"), "us-east-1");
    client.region = "us-east-1".to_owned();
    changed(&client, "/s3/aws4_request", "/ec2/aws4_request").expect_error(400, "AuthorizationHeaderMalformed");
    changed(&client, "/aws4_request", "/aws5_request").expect_error(400, "AuthorizationHeaderMalformed");
    changed(&client, "Credential=", "Credentials=").expect(400);
    changed(&client, "AWS4-HMAC-SHA256 Cred", "AWS5-HMAC-MD5 Cred").expect(400);
}

#[test]
fn clocks_are_checked() {
    let (_server, client) = with_object();
    let head = String::from_utf8(client.call("GET", "/guarded/k").head()).unwrap();
    let date = head.split("x-amz-date: ").nth(1).unwrap().split('\r').next().unwrap().to_owned();
    let (day, old) = (&date[..8], "20200101T000000Z");
    let old = head.replace(&date, old).replace(&format!("/{day}/"), "/20200101/");
    let refused = raw(&client, old.as_bytes(), "GET").expect_error(403, "RequestTimeTooSkewed");
    assert!(!refused.one("ServerTime").is_empty() && !refused.one("RequestTime").is_empty(), "{}", refused.text());
    // Altered after it was signed, all of it from one head: another one might be of the next second, or day.
    let other_day = raw(&client, head.replace(&format!("/{day}/"), "/20200101/").as_bytes(), "GET");
    assert!([400, 403].contains(&other_day.status), "{}", other_day.text());
    let garbled = head.replace(&format!("x-amz-date: {date}"), "x-amz-date: yesterday");
    let garbled = raw(&client, garbled.as_bytes(), "GET");
    assert!([400, 403].contains(&garbled.status), "{}", garbled.text());
}

#[test]
fn what_is_not_signed_is_not_obeyed() {
    let (_server, client) = with_object();
    let put = client.call("PUT", "/guarded/new").body("x");
    put.send_with_unsigned(&[("x-amz-copy-source", "/guarded/k")]).expect_error(403, "AccessDenied");
    client.get("/guarded/new").expect(404);
    let presigned = client.call("PUT", "/guarded/new").presign(60);
    let call = server_call(&client, "PUT", &presigned);
    call.send_with_unsigned(&[("x-amz-meta-a", "b")]).expect_error(403, "AccessDenied");
    changed(&client, "GET /guarded/k", "GET /guarded/other").expect_error(403, "SignatureDoesNotMatch");
    changed(&client, "GET /guarded/k", "GET /guarded/k?versionId=null").expect_error(403, "SignatureDoesNotMatch");
}

fn server_call(client: &Client, method: &str, target: &str) -> super::support::client::Call {
    Client::new(client.address, None).call(method, target)
}

#[test]
fn presigned_urls_work_until_they_expire() {
    let (_server, client) = with_object();
    let get = |target: &str| server_call(&client, "GET", target).send();
    assert_eq!(get(&client.call("GET", "/guarded/k").presign(60)).expect(200).body, b"value");
    let put = client.call("PUT", "/guarded/up").presign(60);
    server_call(&client, "PUT", &put).body("uploaded").send().expect(200);
    assert_eq!(client.get("/guarded/up").expect(200).body, b"uploaded");
    let typed = client.call("GET", "/guarded/k?response-content-type=text%2Fhtml").presign(60);
    assert_eq!(get(&typed).expect(200).header("content-type"), Some("text/html"));
    let ago = SystemTime::now() - Duration::from_secs(120);
    get(&client.call("GET", "/guarded/k").presign_at(60, ago)).expect_error(403, "AccessDenied");
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    get(&client.call("GET", "/guarded/k").presign_at(60, ahead)).expect_error(403, "AccessDenied");
    get(&client.call("GET", "/guarded/k").presign(604_801)).expect_error(400, "AuthorizationQueryParametersError");
    let good = client.call("GET", "/guarded/k").presign(60);
    get(&good.replace("/guarded/k", "/guarded/up")).expect_error(403, "SignatureDoesNotMatch");
    server_call(&client, "DELETE", &good).send().expect_error(403, "SignatureDoesNotMatch");
    get(&good.replace("X-Amz-Expires=60", "X-Amz-Expires=600")).expect_error(403, "SignatureDoesNotMatch");
}

fn hmac_sha1(secret: &str, text: &str) -> String {
    let mut mac = hmac::Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

#[test]
fn signature_version_2_works_in_header_and_url() {
    let (server, client) = with_object();
    let key = client.credentials.unwrap();
    let now = SystemTime::now();
    let date = httpdate::fmt_http_date(now);
    let signature = hmac_sha1(&key.secret, &format!("GET\n\n\n{date}\n/guarded/k"));
    let anonymous = server.anonymous();
    let call = anonymous.call("GET", "/guarded/k").header("date", &date);
    let signed = call.clone().header("authorization", format!("AWS {}:{signature}", key.id));
    assert_eq!(signed.send().expect(200).body, b"value");
    let wrong = call.header("authorization", format!("AWS {}:{}", key.id, hmac_sha1("no", "no")));
    wrong.send().expect_error(403, "SignatureDoesNotMatch");
    let expires = now.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() + 60;
    let url = |expires: u64| {
        let signature = escape_value(&hmac_sha1(&key.secret, &format!("GET\n\n\n{expires}\n/guarded/k")));
        format!("/guarded/k?AWSAccessKeyId={}&Signature={signature}&Expires={expires}", key.id)
    };
    assert_eq!(anonymous.get(&url(expires)).expect(200).body, b"value");
    anonymous.get(&url(expires - 120)).expect_error(403, "AccessDenied");
    drop(server);
    let strict = Server::start_with(&["--allow-signature-v2=false"]);
    let address_only = strict.anonymous();
    let refused = address_only.get(&url(expires));
    assert!([400, 403].contains(&refused.status), "{}", refused.text());
}

#[test]
fn broken_heads_never_hurt() {
    let (_server, client) = with_object();
    for head in [
        "GET / HTTP/1.1\r\nhost: x\r\nauthorization: \r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nauthorization: AWS4-HMAC-SHA256 Credential=////, SignedHeaders=;;, Signature=\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nauthorization: AWS :\r\n\r\n",
        "GET /%ff%fe HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /a%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /?X-Amz-Credential=%00&X-Amz-Signature=%00 HTTP/1.1\r\nhost: x\r\n\r\n",
        "PUT /guarded/k HTTP/1.1\r\nhost: x\r\nx-amz-content-sha256: \u{fc}\r\ncontent-length: 0\r\n\r\n",
        "BREW / HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        let answer = raw(&client, head.as_bytes(), "GET");
        assert!((400..500).contains(&answer.status), "{head:?}: {} {}", answer.status, answer.text());
    }
    client.get("/guarded/k").expect(200);
}

#[test]
fn virtual_host_style_names_the_bucket() {
    let server = Server::start_with(&["--domain", "s3.example.test"]);
    let client = server.client();
    client.bucket("virtual");
    let call = |method: &str, target: &str| client.call(method, target).header("host", "virtual.s3.example.test");
    call("PUT", "/dir/k").body("x").send().expect(200);
    assert_eq!(call("GET", "/dir/k").send().expect(200).body, b"x");
    assert_eq!(call("GET", "/?list-type=2").send().expect(200).all("Key"), ["dir/k"]);
    assert_eq!(client.get("/virtual/dir/k").expect(200).body, b"x");
    let base = client.call("GET", "/virtual/dir/k").header("host", "s3.example.test:9000").send();
    assert_eq!(base.expect(200).body, b"x");
}
