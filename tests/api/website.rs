//! Buckets as websites.

use super::support::{Answer, Client, Server};

const SITE: &str = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
    <ErrorDocument><Key>errors/sorry.html</Key></ErrorDocument><RoutingRules>\
    <RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals></Condition><Redirect>\
    <ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule>\
    <RoutingRule><Condition><KeyPrefixEquals>moved/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>403\
    </HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>new.example</HostName><Protocol>https</Protocol>\
    <HttpRedirectCode>307</HttpRedirectCode></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>";

fn started() -> (Server, Client) {
    let server = Server::start_with(&["--website-domain", "web.test", "--domain", "s3.test", "--allow-anonymous"]);
    let client = server.client();
    client.bucket("site");
    (server, client)
}

fn visit(server: &Server, method: &str, target: &str) -> Answer {
    server.anonymous().call(method, target).header("host", "site.web.test:8080").send()
}

#[test]
fn a_website_is_put_shown_and_removed() {
    let (_server, client) = started();
    client.get("/site?website").expect_error(404, "NoSuchWebsiteConfiguration");
    client.put("/site?website", SITE.replace("403\n", "403")).expect(200);
    let shown = client.get("/site?website").expect(200);
    assert_eq!(shown.one("Suffix"), "index.html");
    assert_eq!(shown.all("RoutingRule").len(), 2);
    client.put("/site?website", "<WebsiteConfiguration/>").expect_error(400, "InvalidArgument");
    client.put("/site?website", "<x/>").expect_error(400, "MalformedXML");
    assert_eq!(client.get("/site?website").expect(200).one("Suffix"), "index.html");
    client.delete("/site?website").expect(204);
    client.delete("/site?website").expect(204);
    client.get("/site?website").expect_error(404, "NoSuchWebsiteConfiguration");
}

#[test]
fn errors_are_pages() {
    let (server, client) = started();
    let page = |answer: Answer, status: u16, code: &str| {
        let answer = answer.expect(status);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("x-amz-error-code"), Some(code));
        assert!(answer.header("x-amz-request-id").is_some());
        answer
    };
    let bare = page(visit(&server, "GET", "/"), 404, "NoSuchWebsiteConfiguration");
    assert!(bare.text().contains("<li>BucketName: site</li>"), "{}", bare.text());
    let other = server.anonymous().call("GET", "/").header("host", "none.web.test").send();
    page(other, 404, "NoSuchBucket");
    client.put("/site?website", SITE).expect(200);
    for method in ["PUT", "POST", "DELETE"] {
        let refused = page(visit(&server, method, "/x"), 405, "MethodNotAllowed");
        assert!(refused.header("allow").is_some());
    }
    // Nothing is public yet, the error document included.
    client.put("/site/secret.html", "secret").expect(200);
    client.put("/site/errors/sorry.html", "apologies").expect(200);
    let denied = page(visit(&server, "GET", "/secret.html"), 403, "AccessDenied");
    assert!(
        denied.text().contains("<h1>403 Forbidden</h1>") && !denied.text().contains("apologies"),
        "{}",
        denied.text()
    );
    assert!(denied.text().contains("Retrieve a Custom Error Document"), "{}", denied.text());
    let head = page(visit(&server, "HEAD", "/secret.html"), 403, "AccessDenied");
    assert!(head.body.is_empty());
    // A signature means nothing here, and the host of the API is no website.
    let signed = client.call("GET", "/secret.html").header("host", "site.web.test").send();
    page(signed, 403, "AccessDenied");
    let api = client.call("GET", "/secret.html").header("host", "site.s3.test").send().expect(200);
    assert_eq!(api.body, b"secret");
}

#[test]
fn rules_redirect_before_and_after_reading() {
    let (server, client) = started();
    client.put("/site?website", SITE.replace("403\n    ", "403")).expect(200);
    let location = |answer: Answer| answer.header("location").unwrap_or_default().to_owned();
    let before = visit(&server, "GET", "/docs/a%20b?x").expect(301);
    assert_eq!(location(before), "http://site.web.test:8080/documents/a%20b");
    let after = visit(&server, "HEAD", "/moved/a").expect(307);
    assert_eq!(location(after), "https://new.example/moved/a");
    let injected = visit(&server, "GET", "/docs/%0D%0ASet-Cookie:%20a=b").expect(301);
    assert!(injected.header("set-cookie").is_none());
    let elsewhere = "<WebsiteConfiguration><RedirectAllRequestsTo><HostName>other.example</HostName>\
        </RedirectAllRequestsTo></WebsiteConfiguration>";
    client.put("/site?website", elsewhere).expect(200);
    assert_eq!(location(visit(&server, "GET", "/").expect(301)), "http://other.example/");
    assert_eq!(location(visit(&server, "GET", "/a/b").expect(301)), "http://other.example/a/b");
}
