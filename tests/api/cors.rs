//! Cross-origin requests.

use super::support::{Answer, Client, Server};

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedOrigin>https://app.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><AllowedHeader>Content-Type</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-request-id</ExposeHeader><MaxAgeSeconds>300</MaxAgeSeconds>\
    </CORSRule><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>\
    </CORSConfiguration>";

fn with_rules() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("shared");
    client.put("/shared/k", "body").expect(200);
    client.get("/shared?cors").expect_error(404, "NoSuchCORSConfiguration");
    client.put("/shared?cors", RULES).expect(200);
    (server, client)
}

fn preflight(server: &Server, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = server.anonymous().call("OPTIONS", target);
    for (name, value) in headers {
        call = call.header(name, *value);
    }
    call.send()
}

#[test]
fn rules_are_put_shown_and_removed() {
    let (_server, client) = with_rules();
    let shown = client.get("/shared?cors").expect(200);
    assert_eq!(shown.all("AllowedOrigin"), ["https://app.example", "*"]);
    assert_eq!(shown.all("AllowedMethod"), ["GET", "PUT", "HEAD"]);
    assert_eq!(shown.one("MaxAgeSeconds"), "300");
    let patch = RULES.replace(">PUT<", ">PATCH<");
    client.put("/shared?cors", patch).expect_error(400, "InvalidRequest");
    client.put("/shared?cors", "<CORSConfiguration/>").expect_error(400, "MalformedXML");
    assert_eq!(client.get("/shared?cors").expect(200).all("CORSRule").len(), 2, "a refusal changes nothing");
    client.delete("/shared?cors").expect(204);
    client.delete("/shared?cors").expect(204);
    client.get("/shared?cors").expect_error(404, "NoSuchCORSConfiguration");
}

#[test]
fn a_preflight_is_answered_without_a_key() {
    let (server, _client) = with_rules();
    let (origin, method) = (("origin", "https://app.example"), ("access-control-request-method", "PUT"));
    let asked = ("access-control-request-headers", "X-Amz-Date, content-type");
    let granted = preflight(&server, "/shared/k", &[origin, method, asked]).expect(200);
    assert_eq!(granted.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(granted.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(granted.header("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(granted.header("access-control-allow-headers"), Some("x-amz-date, content-type"));
    assert_eq!(granted.header("access-control-expose-headers"), Some("ETag, x-amz-request-id"));
    assert_eq!(granted.header("access-control-max-age"), Some("300"));
    let varies = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    assert_eq!(granted.header("vary"), Some(varies));
    let everybody = preflight(&server, "/shared", &[("origin", "null"), ("access-control-request-method", "HEAD")]);
    let everybody = everybody.expect(200);
    assert_eq!(everybody.header("access-control-allow-origin"), Some("*"));
    assert_eq!(everybody.header("access-control-allow-credentials"), None);
}

#[test]
fn a_preflight_that_no_rule_allows_is_refused() {
    let (server, client) = with_rules();
    client.bucket("closed");
    let origin = ("origin", "https://app.example");
    let method = |name| ("access-control-request-method", name);
    let refused = |headers: &[(&str, &str)], target: &str, message: &str| {
        let answer = preflight(&server, target, headers).expect_error(403, "AccessForbidden");
        assert!(answer.one("Message").starts_with(message), "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-origin"), None);
        answer
    };
    let not_allowed = "CORSResponse: This CORS request is not allowed.";
    let answer = refused(&[origin, method("DELETE")], "/shared/k", not_allowed);
    assert_eq!((answer.one("Method").as_str(), answer.one("ResourceType").as_str()), ("DELETE", "OBJECT"));
    refused(&[("origin", "https://app.example.evil"), method("GET")], "/shared", not_allowed);
    refused(&[origin, method("GET"), ("access-control-request-headers", "range")], "/shared", not_allowed);
    let off = "CORSResponse: CORS is not enabled for this bucket.";
    refused(&[origin, method("GET")], "/closed/k", off);
    refused(&[origin, method("GET")], "/no-such-bucket/k", off);
    for headers in [&[][..], &[origin], &[method("GET")], &[origin, method("PATCH")]] {
        preflight(&server, "/shared/k", headers).expect_error(400, "BadRequest");
    }
}

#[test]
fn every_answer_tells_the_page_whether_it_may_read_it() {
    let (server, client) = with_rules();
    let page = |client: &Client, method: &str, target: &str| {
        client.call(method, target).header("origin", "https://app.example").send()
    };
    let allowed = |answer: &Answer| answer.header("access-control-allow-origin").map(str::to_owned);
    let ours = Some("https://app.example".to_owned());
    let got = page(&client, "GET", "/shared/k").expect(200);
    assert_eq!(got.body, b"body");
    assert_eq!(allowed(&got), ours);
    assert_eq!(got.header("access-control-expose-headers"), Some("ETag, x-amz-request-id"));
    assert_eq!(allowed(&page(&client, "GET", "/shared/none").expect_error(404, "NoSuchKey")), ours);
    assert_eq!(allowed(&page(&server.anonymous(), "GET", "/shared/k").expect_error(403, "AccessDenied")), ours);
    assert_eq!(allowed(&page(&client, "HEAD", "/shared/k").expect(200)), Some("*".to_owned()));
    let deleted = page(&client, "DELETE", "/shared/none").expect(204);
    assert_eq!(allowed(&deleted), None);
    assert!(deleted.header("vary").is_some(), "caches keep apart what rules may tell apart");
    let other = client.call("GET", "/shared/k").header("origin", "https://other.example").send().expect(200);
    assert_eq!(allowed(&other), None);
    assert_eq!(allowed(&client.get("/shared/k").expect(200)), None);
    client.bucket("closed");
    let closed = page(&client, "GET", "/closed").expect(200);
    assert!(allowed(&closed).is_none() && closed.header("vary").is_none());
}

#[test]
fn a_bucket_named_by_the_host_has_the_same_rules() {
    let server = Server::start_with(&["--domain", "s3.test"]);
    let client = server.client();
    client.bucket("shared");
    client.put("/shared/k", "body").expect(200);
    client.put("/shared?cors", RULES).expect(200);
    let (origin, method) = (("origin", "https://app.example"), ("access-control-request-method", "PUT"));
    for host in ["shared.s3.test", "shared.s3.test:9000", "SHARED.S3.TEST"] {
        let granted = preflight(&server, "/k", &[("host", host), origin, method]).expect(200);
        assert_eq!(granted.header("access-control-allow-origin"), Some("https://app.example"), "{host}");
        // The path is the key's alone: it names no bucket here.
        preflight(&server, "/shared/k", &[("host", host), origin, method]).expect(200);
    }
    preflight(&server, "/shared/k", &[("host", "closed.s3.test"), origin, method]).expect_error(403, "AccessForbidden");
    preflight(&server, "/kkk", &[("host", "s3.test"), origin, method]).expect_error(403, "AccessForbidden");
    let call = client.call("GET", "/k").header("host", "shared.s3.test").header("origin", "https://app.example");
    let got = call.send().expect(200);
    assert_eq!(got.body, b"body");
    assert_eq!(got.header("access-control-allow-origin"), Some("https://app.example"));
    let put = client.call("PUT", "/new").header("host", "shared.s3.test").header("origin", "https://app.example");
    let put = put.body("new").send().expect(200);
    assert_eq!(put.header("access-control-expose-headers"), Some("ETag, x-amz-request-id"));
    assert_eq!(client.get("/shared/new").expect(200).body, b"new");
}
