//! S3 through the console's door, and presigned URLs.

use serde_json::json;

use crate::support::server::{ROOT_ID, ROOT_SECRET};
use crate::support::{Client, Server, noise};
use crate::{Browser, add_key, address, json, refused};

#[test]
fn a_session_does_what_its_key_may_do() {
    let server = Server::start();
    server.client().bucket("photos");
    let browser = Browser::root(&server);
    let body = noise(1, 300_000);
    browser.call("PUT", "/s3/photos/a%20b/c%2Bd.bin").body(body.clone()).send().expect(200);
    assert_eq!(server.client().get("/photos/a%20b/c%2Bd.bin").expect(200).body, body);
    let answer = browser.get("/s3/photos/a%20b/c%2Bd.bin").expect(200);
    assert_eq!(answer.body, body);
    assert_eq!(browser.get("/s3/photos?list-type=2&prefix=a%20b/").expect(200).one("Key"), "a b/c+d.bin");
    assert_eq!(browser.get("/s3").expect(200).one("Name"), "photos");
    let ranged = browser.bare("GET", "/s3/photos/a%20b/c%2Bd.bin").header("range", "bytes=5-9").send().expect(206);
    assert_eq!(ranged.body, body[5..10]);
    let upload = browser.call("POST", "/s3/photos/big?uploads").send().expect(200).one("UploadId");
    let part =
        browser.call("PUT", &format!("/s3/photos/big?partNumber=1&uploadId={upload}")).body("part").send().expect(200);
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.etag()
    );
    browser.call("POST", &format!("/s3/photos/big?uploadId={upload}")).body(list).send().expect(200);
    assert_eq!(server.client().get("/photos/big").expect(200).text(), "part");
    browser.call("DELETE", "/s3/photos/big").send().expect(204);

    let (id, secret) = add_key(&server, "reader", &["--for", "root", "--policy", "read-only"]);
    let reader = Browser::sign_in(&server, &id, &secret);
    assert_eq!(reader.get("/s3/photos/a%20b/c%2Bd.bin").expect(200).body, body);
    reader.call("PUT", "/s3/photos/mine").body("x").send().expect_error(403, "AccessDenied");
    reader.call("DELETE", "/s3/photos/a%20b/c%2Bd.bin").send().expect_error(403, "AccessDenied");
    let stranger = add_key(&server, "stranger", &[]);
    Browser::sign_in(&server, &stranger.0, &stranger.1).get("/s3/photos").expect_error(403, "AccessDenied");
}

#[test]
fn nobody_passes_without_a_session() {
    let server = Server::start();
    server.client().bucket("photos");
    let nobody = Client::new(address(&server), None);
    refused(nobody.get("/s3/photos"), 401, "not-signed-in");
    refused(nobody.put("/s3/photos/k", "x"), 401, "not-signed-in");
    let signed = server.client().call("GET", "/photos").presign(60);
    refused(nobody.get(&format!("/s3{signed}")), 401, "not-signed-in");
    let forged = nobody.call("GET", "/s3/photos").header("cookie", format!("sluicegate_session={}", "0".repeat(64)));
    refused(forged.send(), 401, "not-signed-in");
}

#[test]
fn a_stored_page_cannot_run_where_the_console_is() {
    let server = Server::start_with(&["--domain", "127.0.0.1.example"]);
    server.client().bucket("photos");
    let page =
        server.client().call("PUT", "/photos/page").header("content-type", "text/html").body("<script>1</script>");
    page.send().expect(200);
    let browser = Browser::root(&server);
    let answer = browser.bare("GET", "/s3/photos/page").header("host", "photos.127.0.0.1.example").send().expect(200);
    assert_eq!(answer.text(), "<script>1</script>", "no host names a bucket here");
    assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let missing = browser.get("/s3/photos/none").expect_error(404, "NoSuchKey");
    assert!(missing.header("content-security-policy").is_some());
}

#[test]
fn a_presigned_url_works_for_whoever_has_it() {
    let server = Server::start();
    server.client().bucket("photos");
    let browser = Browser::root(&server);
    let url = |method: &str, key: &str| {
        let wanted = json!({"method": method, "bucket": "photos", "key": key, "expires_seconds": 60});
        let answer = browser.send("POST", "/v1/presign", &wanted).expect(200);
        json(&answer)["url"].as_str().unwrap().to_owned()
    };
    let target = |url: &str| {
        let base = server.endpoint();
        url.strip_prefix(&base).unwrap_or_else(|| panic!("{url} is not of {base}")).to_owned()
    };
    let key = "a b/ü+&?.txt";
    server.anonymous().put(&target(&url("PUT", key)), "hello").expect(200);
    assert_eq!(server.anonymous().get(&target(&url("GET", key))).expect(200).text(), "hello");
    server.anonymous().get(&target(&url("PUT", key))).expect_error(403, "SignatureDoesNotMatch");
    for (field, value, error) in [
        ("method", json!("POST"), "bad-method"),
        ("expires_seconds", json!(604_801), "bad-expires"),
        ("expires_seconds", json!(0), "bad-expires"),
        ("bucket", json!("A"), "bad-bucket"),
        ("key", json!(""), "bad-object-key"),
        ("more", json!(1), "bad-json"),
    ] {
        let mut wanted = json!({"method": "GET", "bucket": "photos", "key": "k", "expires_seconds": 60});
        wanted[field] = value;
        refused(browser.send("POST", "/v1/presign", &wanted), 400, error);
    }
    let (id, secret) = add_key(&server, "stranger", &[]);
    let stranger = Browser::sign_in(&server, &id, &secret);
    let wanted = json!({"method": "GET", "bucket": "photos", "key": key, "expires_seconds": 60});
    let url = json(&stranger.send("POST", "/v1/presign", &wanted).expect(200))["url"].as_str().unwrap().to_owned();
    server.anonymous().get(&target(&url)).expect_error(403, "AccessDenied");
}

#[test]
fn urls_begin_where_the_operator_says() {
    let server = Server::start_with(&["--public-url", "https://s3.example.com/"]);
    let browser = Browser::sign_in(&server, ROOT_ID, ROOT_SECRET);
    assert_eq!(json(&browser.get("/v1/overview").expect(200))["s3_url"], "https://s3.example.com");
    let wanted = json!({"method": "GET", "bucket": "photos", "key": "k", "version_id": "a/b", "expires_seconds": 60});
    let url = json(&browser.send("POST", "/v1/presign", &wanted).expect(200))["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("https://s3.example.com/photos/k?versionId=a%2Fb&X-Amz-"), "{url}");
}
