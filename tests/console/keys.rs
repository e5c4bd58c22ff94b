//! Keys: one for backups that cannot delete, a new secret, and its end.

use crate::browser::Page;
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
    let snippet = page.value("aws");
    assert!(snippet.contains(&id) && snippet.contains(&page.server.endpoint()), "{snippet}");
    page.press("restic");
    assert!(page.value("restic").contains(&format!("s3:{}/backups", page.server.endpoint())));
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
