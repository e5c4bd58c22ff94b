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

/// Lets everybody read the objects of `site`, and, if asked for, see what is missing.
fn open_to_all(client: &Client, listing: bool) {
    let allow = |action: &str, resource: &str| {
        format!(r#"{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"arn:aws:s3:::{resource}"}}"#)
    };
    let mut statements = vec![allow("s3:GetObject", "site/*")];
    if listing {
        statements.push(allow("s3:ListBucket", "site"));
    }
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    client.put("/site?policy", policy).expect(204);
}

fn published(listing: bool) -> (Server, Client) {
    let (server, client) = started();
    open_to_all(&client, listing);
    client.put("/site?website", SITE.replace("403\n    ", "403")).expect(200);
    for (key, body) in [("index.html", "home"), ("blog/index.html", "blog"), ("errors/sorry.html", "apologies")] {
        let call = client.call("PUT", &format!("/site/{key}")).header("content-type", "text/html");
        call.body(body).send().expect(200);
    }
    (server, client)
}

#[test]
fn visitors_read_what_is_open_to_everybody() {
    let (server, client) = published(false);
    for (path, body) in [("/", "home"), ("/index.html", "home"), ("/blog/", "blog"), ("/?versionId=x&acl", "home")] {
        let page = visit(&server, "GET", path).expect(200);
        assert_eq!(page.text(), body, "{path}");
        assert_eq!(page.header("content-type"), Some("text/html"));
        assert_eq!(page.header("x-amz-error-code"), None);
    }
    let head = visit(&server, "HEAD", "/").expect(200);
    assert!(head.body.is_empty() && head.header("content-length") == Some("4"));
    let to_folder = visit(&server, "GET", "/blog").expect(302);
    assert_eq!(to_folder.header("location"), Some("/blog/"));
    // Conditions and ranges count, and what is not changed has no page.
    let conditional = |name: &str, value: &str| {
        let call = server.anonymous().call("GET", "/").header("host", "site.web.test").header(name, value);
        call.send()
    };
    let etag = head.header("etag").unwrap();
    let fresh = conditional("if-none-match", etag).expect(304);
    assert!(fresh.body.is_empty() && fresh.header("content-type") != Some("text/html; charset=utf-8"));
    assert_eq!(conditional("range", "bytes=1-2").expect(206).text(), "om");
    // An object may stand for another place, here and not at the API.
    let moved = client.call("PUT", "/site/old.html").header("x-amz-website-redirect-location", "/blog/");
    moved.body("gone").send().expect(200);
    assert_eq!(visit(&server, "GET", "/old.html").expect(301).header("location"), Some("/blog/"));
    assert_eq!(client.get("/site/old.html").expect(200).text(), "gone");
}

#[test]
fn the_error_document_takes_the_place_of_errors() {
    for (listing, status, code) in [(false, 403, "AccessDenied"), (true, 404, "NoSuchKey")] {
        let (server, client) = published(listing);
        let missing = visit(&server, "GET", "/none.html").expect(status);
        assert_eq!(missing.text(), "apologies");
        assert_eq!(missing.header("x-amz-error-code"), Some(code));
        let conditional = server.anonymous().call("GET", "/none.html").header("host", "site.web.test");
        // It is answered as it is, whatever the visitor has of it.
        let conditional = conditional.header("if-none-match", "*").header("range", "bytes=0-1").send().expect(status);
        assert_eq!(conditional.text(), "apologies");
        let head = visit(&server, "HEAD", "/none.html").expect(status);
        assert!(head.body.is_empty() && head.header("content-length") == Some("9"));
        client.delete("/site/errors/sorry.html").expect(204);
        let bare = visit(&server, "GET", "/none.html").expect(status);
        assert!(bare.text().contains("Retrieve a Custom Error Document"), "{}", bare.text());
        assert!(bare.text().contains(&format!("<li>Code: {code}</li>")), "{}", bare.text());
    }
}

#[test]
fn pages_of_a_website_are_read_across_origins_as_its_rules_say() {
    let (server, client) = published(false);
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>https://app.example</AllowedOrigin>\
        <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    client.put("/site?cors", rules).expect(200);
    let ask = |method: &str, path: &str| {
        let call = server.anonymous().call(method, path).header("host", "site.web.test");
        call.header("origin", "https://app.example").header("access-control-request-method", "GET").send()
    };
    for answer in [ask("OPTIONS", "/").expect(200), ask("GET", "/").expect(200), ask("GET", "/none").expect(403)] {
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    }
}
