//! Keys: one for backups that cannot delete, a new secret, and its end.

use crate::browser::Page;
use crate::driver::ESCAPE;
use crate::support::{Client, Credentials};

#[test]
fn a_key_for_restic_adds_and_cannot_delete() {
    let page = Page::start();
    let root = page.server.client();
    root.bucket("backups");
    root.bucket("private");
    page.enter();
    page.press("Keys");
    page.press("Add key…");
    page.fill("Name", "laptop");
    page.choose("restic-append-only");
    page.choose("backups");
    page.press("Add key");
    page.see("shown this once");
    let (id, secret) = (page.value("Access key ID"), page.value("Secret access key"));
    // The client that the key is for comes first.
    assert!(page.value("restic").contains(&format!("s3:{}/backups", page.server.endpoint())));
    page.press("aws");
    let snippet = page.value("aws");
    assert!(snippet.contains(&id) && snippet.contains(&page.server.endpoint()), "{snippet}");
    // What is shown once is not lost by a key that was hit by mistake.
    page.keys(ESCAPE);
    page.see("shown this once");
    page.press("I have copied it");
    page.see("laptop");

    let client = Client::new(page.server.address(), Some(Credentials::new(&id, &secret)));
    page.server.eventually("the key works", || client.put("/backups/data/1", "x").status == 200);
    client.delete("/backups/data/1").expect_error(403, "AccessDenied");
    client.put("/private/1", "x").expect_error(403, "AccessDenied");

    page.press("laptop");
    page.heading("laptop");
    page.press("New secret…");
    page.press("Make a new secret");
    page.see("shown this once");
    let newer = page.value("Secret access key");
    assert_ne!(newer, secret);
    page.press("I have copied it");
    let renewed = Client::new(page.server.address(), Some(Credentials::new(&id, &newer)));
    page.server.eventually("the new secret works", || renewed.get("/backups/data/1").status == 200);
    page.server.eventually("the old one does not", || client.get("/backups/data/1").status == 403);

    page.fill("Requests per second", "50:200");
    page.press("Save");
    page.see("Limits saved.");
    page.press("Remove key…");
    page.fill("Type laptop to confirm", "laptop");
    page.press("Remove key");
    page.heading("Keys");
    page.server.eventually("the key is gone", || renewed.get("/backups/data/1").text().contains("InvalidAccessKeyId"));
}

#[test]
fn a_key_ends_when_it_should_and_asks_as_often_as_it_may() {
    let page = Page::start();
    let root = page.server.client();
    root.bucket("shelf");
    root.put("/shelf/book", "to be read").expect(200);
    page.enter();
    page.go("#/keys?add=write-only&bucket=shelf");
    page.fill("Name", "camera");
    // Every ready-made policy says what it is for.
    let unsaid = "return [...document.querySelectorAll('dialog input[name^=policy]')].filter((one) => \
                  !document.getElementById(one.getAttribute('aria-describedby'))?.textContent).map((one) => one.value)";
    assert_eq!(page.script(unsaid), serde_json::json!([]));
    page.press("Expiry and limits");
    page.set_time("Expires", "2020-01-02T03:04");
    page.press("Add key");
    page.see("Expires: choose a time that is still to come.");
    page.set_time("Expires", "2041-05-06T07:08");
    page.fill("Requests per second", "many");
    page.press("Add key");
    page.see("Requests: write a rate as 50 or 50:200.");
    page.fill("Requests per second", "1:3");
    page.press("Add key");
    page.see("shown this once");
    let (id, secret) = (page.value("Access key ID"), page.value("Secret access key"));
    page.press("I have copied it");
    page.see("camera");

    let key = page.admin(&format!("/v1/keys/{id}"));
    assert_eq!(key["expires"], page.script("return new Date('2041-05-06T07:08').toISOString()"));
    let camera = Client::new(page.server.address(), Some(Credentials::new(&id, &secret)));
    page.server.eventually("it may upload", || camera.put("/shelf/photo", "x").status == 200);
    page.server.eventually("it may not read", || camera.get("/shelf/book").one("Code") == "AccessDenied");
    page.server.eventually("it asks too often", || camera.put("/shelf/photo", "x").one("Code") == "SlowDown");

    page.press("camera");
    assert_eq!(page.value("Requests per second"), "1:3");
    assert_eq!(page.value("Expires"), "2041-05-06T07:08");
    page.fill("Requests per second", "");
    page.press("Save");
    page.see("Limits saved.");
    assert_eq!(page.admin(&format!("/v1/keys/{id}"))["requests"], serde_json::Value::Null);
}
