//! Stored bytes and forged requests have no power over the console.

use std::time::Duration;

use crate::browser::Page;
use crate::support::Client;

const EVIL: &str = "<!doctype html><title>harmless</title><h1>still here</h1>\
    <script>document.title = 'owned'; fetch('/v1/keys', {method: 'POST', headers: {'x-sluicegate-csrf': '1'}, \
    body: JSON.stringify({name: 'thief'})})</script><img src=x onerror=\"document.title = 'owned'\">";

#[test]
fn a_stored_page_that_is_opened_cannot_run_its_script() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("evil");
    client.call("PUT", "/evil/page.html").header("content-type", "text/html").body(EVIL).send().expect(200);
    let picture = "<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='owned'</script><text y='20'>still here</text></svg>";
    client.call("PUT", "/evil/picture.svg").header("content-type", "image/svg+xml").body(picture).send().expect(200);
    page.enter();
    page.web.goto(&format!("{}/s3/evil/page.html", page.origin));
    page.see("still here");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(page.web.title(), "harmless");
    page.web.goto(&format!("{}/s3/evil/picture.svg", page.origin));
    std::thread::sleep(Duration::from_millis(500));
    assert_ne!(page.web.title(), "owned");
    // In the console it is shown as text.
    page.open("#/buckets/evil/object/page.html");
    page.see("document.title = 'owned'");
    assert_eq!(page.web.title(), "page.html – Sluicegate");
    let keys = page.server.command(&["key", "list"]);
    assert!(!String::from_utf8_lossy(&keys.stdout).contains("thief"));
}

#[test]
fn the_console_is_sent_with_the_headers_that_keep_it_safe() {
    let page = Page::start();
    let address = page.origin.strip_prefix("http://").unwrap().parse().unwrap();
    let web = Client::new(address, None);
    let home = web.get("/");
    assert_eq!((home.status, home.header("location")), (302, Some("/console/")));
    let answer = web.get("/console/").expect(200);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self'; ") && policy.contains("object-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let tag = answer.header("etag").unwrap().to_owned();
    let again = web.call("GET", "/console/").header("if-none-match", tag.as_str()).send();
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(web.call("GET", "/console/").header("if-none-match", "\"other\"").send().status, 200);
    let head = web.head("/console/js/main.js");
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/javascript; charset=utf-8")));
    assert_eq!(web.get("/console/js/nothing.js").status, 404);
    assert_eq!(web.get("/console/%2e%2e/secret").status, 404);
    assert_eq!(web.post("/console/", "").status, 405);
    // All that the pages load is there; that nobody is signed in at first is how they know to ask.
    page.enter();
    let failed = page.script(
        "return performance.getEntriesByType('resource').filter((one) => one.responseStatus >= 400)
             .map((one) => new URL(one.name).pathname).filter((path) => path !== '/v1/session')",
    );
    assert_eq!(failed, serde_json::json!([]));
}
