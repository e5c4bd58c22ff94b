//! Buckets are made and set up.

use crate::browser::with_page;

#[tokio::test]
async fn a_versioned_bucket_is_made_set_up_and_removed() {
    with_page(async |page| {
        let client = page.server.client();
        page.enter().await;
        page.press("Buckets").await;
        page.press("Create bucket…").await;
        page.fill("Name", "fresh").await;
        page.choose("Versioned").await;
        page.press("Create bucket").await;
        page.see("Bucket fresh was created.").await;
        assert_eq!(client.get("/fresh?versioning").expect(200).one("Status"), "Enabled");
        page.press("Settings of fresh").await;
        page.heading("Settings of fresh").await;

        page.fill("Bytes at most", "10 MiB").await;
        page.press("Save quota").await;
        page.see("Quota saved.").await;
        client.put("/fresh/big", vec![7; 11 << 20]).expect_error(403, "QuotaExceeded");

        page.press("Lifecycle").await;
        page.press("Keep old versions for 30 days").await;
        page.press("Save rules").await;
        page.press("Save rules").await;
        page.see("Rules saved.").await;
        let rules = client.get("/fresh?lifecycle").expect(200);
        assert_eq!(rules.one("NoncurrentDays"), "30");
        client.put("/fresh/kept", "one").expect(200);
        client.put("/fresh/kept", "two").expect(200);
        page.fill("As if it were in days from now", "40").await;
        page.press("Rehearse").await;
        page.see("1 action.").await;
        page.see("old-versions").await;
        assert_eq!(client.get("/fresh?versions").expect(200).all("VersionId").len(), 2, "a rehearsal deletes nothing");

        page.press("Policy").await;
        page.fill("Policy", "{\"Statement\": ").await;
        page.see("Not yet right").await;
        page.press("Everybody may read").await;
        page.press("Save policy").await;
        page.see("Policy saved.").await;
        assert_eq!(page.server.anonymous().get("/fresh/kept").expect(200).text(), "two");
        let wrong = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Nonsense","Resource":"arn:aws:s3:::fresh/*"}]}"#;
        page.fill("Policy", wrong).await;
        page.press("Save policy").await;
        page.find("//form//p[@role = 'alert'][string-length() > 0]").await;

        page.press("CORS").await;
        page.press("Begin with an example").await;
        page.press("Save rules").await;
        page.see("CORS rules saved.").await;
        assert_eq!(client.get("/fresh?cors").expect(200).one("AllowedOrigin"), "https://example.com");
    })
    .await;
}

#[tokio::test]
async fn a_bucket_for_backups_has_object_lock_and_one_for_a_site_is_public() {
    with_page(async |page| {
        let client = page.server.client();
        page.enter().await;
        page.press("Buckets").await;
        page.press("Create bucket…").await;
        page.fill("Name", "vault").await;
        page.choose("Backup with object lock").await;
        page.fill("Retention in days", "14").await;
        page.press("Create bucket").await;
        page.see("Bucket vault was created.").await;
        let lock = client.get("/vault?object-lock").expect(200);
        assert_eq!((lock.one("Mode"), lock.one("Days")), ("GOVERNANCE".to_owned(), "14".to_owned()));
        page.see("object lock").await;

        page.press("Create bucket…").await;
        page.fill("Name", "site").await;
        page.choose("Public website").await;
        page.press("Create bucket").await;
        page.see("Bucket site was created.").await;
        client.put("/site/index.html", "welcome").expect(200);
        assert_eq!(page.server.anonymous().get("/site/index.html").expect(200).text(), "welcome");
        assert_eq!(client.get("/site?website").expect(200).one("Suffix"), "index.html");
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_comes_back_from_the_undelete_window() {
    with_page(async |page| {
        let client = page.server.client();
        client.bucket("window");
        page.enter().await;
        page.go("#/buckets/window/settings/undelete").await;
        page.fill("Days", "7").await;
        page.press("Save window").await;
        page.see("Undelete window saved.").await;
        page.server.eventually("the window is in force", || {
            client.put("/window/lost", "not for good").expect(200);
            client.delete("/window/lost").expect(204);
            let listed = page.server.command(&["bucket", "undelete", "list", "window"]);
            String::from_utf8_lossy(&listed.stdout).contains("lost")
        });
        page.press("Find").await;
        page.press("Restore lost").await;
        page.see("1 object restored.").await;
        assert_eq!(client.get("/window/lost").expect(200).text(), "not for good");

        page.press("General").await;
        page.press("Delete bucket…").await;
        page.fill("Type window to confirm", "window").await;
        page.press("Delete bucket").await;
        // It is not empty: the server says so, and it stays.
        page.see("not empty").await;
        assert_eq!(client.head("/window").status, 200);
    })
    .await;
}
