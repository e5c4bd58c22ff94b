//! Buckets are made and set up.

use crate::browser::Page;

#[test]
fn a_versioned_bucket_is_made_set_up_and_removed() {
    let page = Page::start();
    let client = page.server.client();
    page.enter();
    page.press("Buckets");
    page.press("Create bucket…");
    page.fill("Name", "fresh");
    page.choose("Versioned");
    page.press("Create bucket");
    page.see("Bucket fresh was created.");
    assert_eq!(client.get("/fresh?versioning").expect(200).one("Status"), "Enabled");
    page.press("Settings of fresh");
    page.heading("Settings of fresh");

    page.fill("Bytes at most", "10 MiB");
    page.press("Save quota");
    page.see("Quota saved.");
    // Whoever saved stays where they were.
    page.until("the focus is kept", "return document.activeElement?.textContent === 'Save quota'");
    client.put("/fresh/big", vec![7; 11 << 20]).expect_error(403, "QuotaExceeded");

    page.press("Lifecycle");
    page.press("Keep old versions for 30 days");
    page.press("Save rules");
    page.press("Save rules");
    page.see("Rules saved.");
    let rules = client.get("/fresh?lifecycle").expect(200);
    assert_eq!(rules.one("NoncurrentDays"), "30");
    client.put("/fresh/kept", "one").expect(200);
    client.put("/fresh/kept", "two").expect(200);
    page.fill("As if it were in days from now", "40");
    page.press("Rehearse");
    page.see("1 action.");
    page.see("old-versions");
    assert_eq!(client.get("/fresh?versions").expect(200).all("VersionId").len(), 2, "a rehearsal deletes nothing");

    page.press("Policy");
    page.fill("Policy", "{\"Statement\": ");
    page.see("Not yet right");
    for (policy, fault) in [
        ("[]", "Not yet right: a policy is an object"),
        (r#"{"Statement": [{"Sid": "one", "Effect": "allow"}]}"#, "statement one needs an Effect: Allow or Deny"),
        (r#"{"Statement": {"Effect": "Allow", "Action": "s3:*"}}"#, "statement 1 names no Resource"),
        (r#"{"Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}}"#, "statement 1 names no Principal"),
    ] {
        page.fill("Policy", policy);
        page.see(fault);
    }
    page.press("Everybody may read");
    page.see("It lets everybody in who reaches the server, without a key.");
    page.press("Save policy");
    page.see("Policy saved.");
    assert_eq!(page.server.anonymous().get("/fresh/kept").expect(200).text(), "two");
    let wrong = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:Nonsense","Resource":"arn:aws:s3:::fresh/*"}]}"#;
    page.fill("Policy", wrong);
    page.press("Save policy");

    page.find("//form//p[@role = 'alert'][string-length() > 0]");
    assert_eq!(page.server.anonymous().get("/fresh/kept").expect(200).text(), "two", "the old policy holds");

    page.press("CORS");
    for (rules, fault) in [
        ("{\"AllowedMethods\": [\"GET\"]}", "Not yet right: write a list of rules: [ … ]"),
        ("[{\"AllowedMethods\": [\"GET\"]}]", "Not yet right: a rule needs AllowedOrigins and AllowedMethods"),
        ("[{\"Origins\": [\"*\"]}]", "Not yet right: a rule has no Origins"),
    ] {
        page.fill("Rules", rules);
        page.see(fault);
    }
    page.fill("Rules", "[{\"AllowedOrigins\": [\"*\"], \"AllowedMethods\": [\"FETCH\"]}]");
    page.see("Reads as JSON.");
    page.press("Save rules");
    // What only the server knows is told in its words.
    page.find("//form//p[@role = 'alert'][contains(., 'FETCH')]");
    assert_eq!(client.get("/fresh?cors").status, 404);
    page.press("Begin with an example");
    page.press("Save rules");
    page.see("CORS rules saved.");
    assert_eq!(client.get("/fresh?cors").expect(200).one("AllowedOrigin"), "https://example.com");
}

#[test]
fn a_bucket_for_backups_has_object_lock_and_one_for_a_site_is_public() {
    let page = Page::start();
    let client = page.server.client();
    page.enter();
    page.press("Buckets");
    page.press("Create bucket…");
    page.fill("Name", "vault");
    page.choose("Backup with object lock");
    page.fill("Retention in days", "14");
    page.press("Create bucket");
    page.see("Bucket vault was created.");
    let lock = client.get("/vault?object-lock").expect(200);
    assert_eq!((lock.one("Mode"), lock.one("Days")), ("GOVERNANCE".to_owned(), "14".to_owned()));
    page.see("object lock");

    page.press("Create bucket…");
    page.fill("Name", "site");
    page.choose("Public website");
    page.press("Create bucket");
    page.see("Bucket site was created.");
    client.put("/site/index.html", "welcome").expect(200);
    assert_eq!(page.server.anonymous().get("/site/index.html").expect(200).text(), "welcome");
    assert_eq!(client.get("/site?website").expect(200).one("Suffix"), "index.html");
}

#[test]
fn what_was_deleted_comes_back_from_the_undelete_window() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("window");
    page.enter();
    page.go("#/buckets/window/settings/undelete");
    page.fill("Days", "7");
    page.press("Save window");
    page.see("Undelete window saved.");
    page.server.eventually("the window is in force", || {
        client.put("/window/lost", "not for good").expect(200);
        client.delete("/window/lost").expect(204);
        let listed = page.server.command(&["bucket", "undelete", "list", "window"]);
        String::from_utf8_lossy(&listed.stdout).contains("lost")
    });
    page.press("Find");
    page.press("Restore lost");
    page.see("1 object restored.");
    assert_eq!(client.get("/window/lost").expect(200).text(), "not for good");

    page.press("General");
    page.press("Delete bucket…");
    page.fill("Type window to confirm", "window");
    page.press("Delete bucket");
    // It is not empty: the server says so, and it stays.
    page.see("not empty");
    assert_eq!(client.head("/window").status, 200);
    page.press("Cancel");
    let id = client.post("/window/half?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/window/half?partNumber=1&uploadId={id}"), "part").expect(200);
    page.press("Empty bucket…");
    page.press("Delete everything in it");
    page.fill("Type window to confirm", "windows");
    page.press("Delete everything in it");
    page.see("Type exactly: window");
    assert_eq!(client.head("/window/lost").status, 200);
    page.fill("Type window to confirm", "window");
    page.press("Delete everything in it");
    page.see("1 object deleted.");
    page.see("It holds no objects.");
    page.press("Delete bucket…");
    page.fill("Type window to confirm", "window");
    page.press("Delete bucket");
    page.see("Bucket window is deleted.");
    assert_eq!(client.head("/window").status, 404);
}
