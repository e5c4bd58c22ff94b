//! Keys: one for backups that cannot delete, a new secret, and its end.

use crate::browser::with_page;
use crate::support::{Client, Credentials};

#[tokio::test]
async fn a_key_for_restic_adds_and_cannot_delete() {
    with_page(async |page| {
        let root = page.server.client();
        root.bucket("backups");
        root.bucket("private");
        page.enter().await;
        page.press("Keys").await;
        page.press("Add key…").await;
        page.fill("Name", "laptop").await;
        page.choose("restic-append-only").await;
        page.choose("backups").await;
        page.press("Add key").await;
        page.see("shown this once").await;
        let (id, secret) = (page.value("Access key ID").await, page.value("Secret access key").await);
        let snippet = page.value("aws").await;
        assert!(snippet.contains(&id) && snippet.contains(&page.server.endpoint()), "{snippet}");
        page.press("restic").await;
        assert!(page.value("restic").await.contains(&format!("s3:{}/backups", page.server.endpoint())));
        page.press("I have copied it").await;
        page.see("laptop").await;

        let client = Client::new(page.server.address(), Some(Credentials::new(&id, &secret)));
        page.server.eventually("the key works", || client.put("/backups/data/1", "x").status == 200);
        client.delete("/backups/data/1").expect_error(403, "AccessDenied");
        client.put("/private/1", "x").expect_error(403, "AccessDenied");

        page.press("laptop").await;
        page.heading("laptop").await;
        page.press("New secret…").await;
        page.press("Make a new secret").await;
        page.see("shown this once").await;
        let newer = page.value("Secret access key").await;
        assert_ne!(newer, secret);
        page.press("I have copied it").await;
        let renewed = Client::new(page.server.address(), Some(Credentials::new(&id, &newer)));
        page.server.eventually("the new secret works", || renewed.get("/backups/data/1").status == 200);
        page.server.eventually("the old one does not", || client.get("/backups/data/1").status == 403);

        page.fill("Requests per second", "50:200").await;
        page.press("Save").await;
        page.see("Limits saved.").await;
        page.press("Remove key…").await;
        page.fill("Type laptop to confirm", "laptop").await;
        page.press("Remove key").await;
        page.heading("Keys").await;
        page.server.eventually("the key is gone", || {
            renewed.get("/backups/data/1").text().contains("InvalidAccessKeyId")
        });
    })
    .await;
}
