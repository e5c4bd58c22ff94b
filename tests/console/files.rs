//! Objects: uploads that arrive byte for byte, looks, links, versions, ends.

use std::io::Write as _;
use std::time::Duration;

use crate::browser::Page;
use crate::support::server::Server;
use crate::support::{Client, noise};

/// A file for the browser to choose.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

fn choose_file(page: &Page, path: &str) {
    page.find("//button[text() = 'Upload files']");
    let input = page.web.find_all("//input[@id = 'pick-files']").remove(0);
    page.web.type_into(&input, path).unwrap();
}

fn eventually_has(server: &Server, path: &str, bytes: &[u8]) {
    server.eventually("the object is there", || server.client().head(path).status == 200);
    assert!(server.client().get(path).expect(200).body == bytes, "{path} has the bytes of the file");
}

#[test]
fn files_arrive_byte_for_byte_small_by_one_put_and_large_in_parts() {
    let page = Page::start();
    page.server.client().bucket("uploads");
    let large = noise(1, 20 * 1024 * 1024 + 7);
    let (_large, path) = file("large file é.bin", &large);
    let (_small, small) = file("small.txt", b"few bytes");
    page.enter();
    page.go("#/buckets/uploads/files/in%2Fside%2F");
    choose_file(&page, &path);
    page.see("1 of 1 file, 20.0 MiB of 20.0 MiB.");
    eventually_has(&page.server, "/uploads/in/side/large%20file%20%C3%A9.bin", &large);
    let head = page.server.client().head("/uploads/in/side/large%20file%20%C3%A9.bin");
    assert!(head.etag().ends_with("-3"), "three parts: {}", head.etag());
    choose_file(&page, &small);
    eventually_has(&page.server, "/uploads/in/side/small.txt", b"few bytes");
    assert_eq!(page.server.client().head("/uploads/in/side/small.txt").header("content-type"), Some("text/plain"));
    // The list shows them without a reload.
    page.see("large file é.bin");
    page.see("small.txt");
    let left = page.script("return Object.keys(localStorage).filter((name) => name.includes('upload'))");
    assert_eq!(left, serde_json::json!([]), "what has ended is forgotten");
}

/// Part 2 is refused until the page was reloaded, as if the network had gone in the middle.
#[test]
fn an_upload_goes_on_after_a_reload_with_the_parts_that_are_there() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("resumed");
    let bytes = noise(2, 30 * 1024 * 1024);
    let (_kept, path) = file("big.bin", &bytes);
    page.enter();
    page.go("#/buckets/resumed");
    page.find("//button[text() = 'Upload files']");
    page.script(
        "const open = XMLHttpRequest.prototype.open;
         XMLHttpRequest.prototype.open = function (method, url) {
             open.call(this, method, url.includes('partNumber=2') ? '/s3/resumed/big.bin?partNumber=99999&uploadId=x' : url);
         };",
    )
    ;
    choose_file(&page, &path);
    page.see("failed:");
    let uploads = client.get("/resumed?uploads").expect(200);
    let id = uploads.one("UploadId");
    let parts = || client.get(&format!("/resumed/big.bin?uploadId={id}")).expect(200).all("PartNumber");
    page.server.eventually("the other parts arrive", || !parts().is_empty());
    assert!(!parts().contains(&"2".to_owned()));
    page.web.refresh();
    page.see("1 upload did not finish: big.bin.");
    choose_file(&page, &path);
    eventually_has(&page.server, "/resumed/big.bin", &bytes);
    assert!(client.get("/resumed?uploads").expect(200).all("UploadId").is_empty(), "it was the same upload");
}

#[test]
fn a_cancelled_upload_leaves_no_parts() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("cancelled");
    let (_kept, path) = file("huge.bin", &noise(3, 40 * 1024 * 1024));
    page.enter();
    page.go("#/buckets/cancelled");
    page.find("//button[text() = 'Upload files']");
    // So slow that nothing is done before the button is pressed.
    page.slow_down(2_000_000);
    choose_file(&page, &path);
    page.server.eventually("it began", || !client.get("/cancelled?uploads").all("UploadId").is_empty());
    page.press("Cancel huge.bin");
    page.see("cancelled");
    page.server.eventually("it is aborted", || client.get("/cancelled?uploads").all("UploadId").is_empty());
    assert_eq!(client.head("/cancelled/huge.bin").status, 404);
}

#[test]
fn an_object_is_looked_at_shared_deleted_and_brought_back() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("docs");
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/docs?versioning", on).expect(200);
    client
        .call("PUT", "/docs/notes/plan.txt")
        .header("content-type", "text/plain")
        .body("the first plan")
        .send()
        .expect(200);
    client
        .call("PUT", "/docs/notes/plan.txt")
        .header("content-type", "text/plain")
        .body("the second plan")
        .send()
        .expect(200);
    page.enter();
    page.go("#/buckets/docs");
    page.press("notes/");
    page.press("plan.txt");
    page.heading("plan.txt");
    page.see("the second plan");

    page.press("Share link…");
    page.fill("Valid for", "2");
    page.press("Make link");
    let link = page.value("Link");
    let target = link.strip_prefix(&page.server.endpoint()).unwrap_or_else(|| panic!("{link}"));
    let shared = page.server.anonymous().get(target).expect(200);
    assert_eq!(shared.text(), "the second plan");
    assert!(target.contains("X-Amz-Expires=7200"), "{target}");
    page.press("Close");

    edit_metadata(&page, &client);

    page.press("Edit tags…");
    page.fill("Name", "stage");
    page.fill("Value", "draft: two @ home");
    page.press("Save tags");
    page.see("draft: two @ home");
    let tags = client.get("/docs/notes/plan.txt?tagging").expect(200);
    assert_eq!((tags.one("Key"), tags.one("Value")), ("stage".to_owned(), "draft: two @ home".to_owned()));

    let old = client.get("/docs?versions&prefix=notes/").expect(200).all("VersionId").remove(2);
    page.press(&format!("Restore version {old}"));
    page.see("the first plan");
    assert_eq!(client.get("/docs/notes/plan.txt").text(), "the first plan");

    let delete = page.find("//div[contains(@class, 'title')]//button[text() = 'Delete…']");
    page.web.click(&delete).unwrap();
    page.press("Delete");
    page.see("This object is deleted.");
    assert_eq!(client.get("/docs/notes/plan.txt").status, 404);
    let marker =
        client.get("/docs?versions&prefix=notes/").expect(200).elements(&["DeleteMarker"]).remove(0).1.one("VersionId");
    page.press(&format!("Undelete: remove the delete marker {marker}"));
    page.see("the first plan");
    assert_eq!(client.get("/docs/notes/plan.txt").expect(200).text(), "the first plan");

    bring_many_back(&page, &client);
}

/// The second of two versions of a text gets another type and an author.
fn edit_metadata(page: &Page, client: &Client) {
    page.press("Edit metadata…");
    page.fill("Content type", "text/markdown");
    page.press("Add metadata");
    page.fill("Name", "author");
    page.fill("Value", "Zoë");
    page.press("Save metadata");
    page.see("author: only letters, digits and signs of ASCII can be sent.");
    page.fill("Value", "Zoe & co");
    page.press("Save metadata");
    page.see("Metadata saved.");
    let head = client.head("/docs/notes/plan.txt");
    assert_eq!(head.header("content-type"), Some("text/markdown"));
    assert_eq!(head.header("x-amz-meta-author"), Some("Zoe & co"));
    assert_eq!(client.get("/docs/notes/plan.txt").text(), "the second plan");
}

/// Of many that were deleted, all come back by one button.
fn bring_many_back(page: &Page, client: &Client) {
    for key in ["notes/plan.txt", "notes/deep/er.txt", "top.txt"] {
        client.put(&format!("/docs/{key}"), key).expect(200);
        client.delete(&format!("/docs/{key}")).expect(204);
    }
    page.go("#/buckets/docs?deleted=1");
    page.choose("Pick all on this page");
    page.press("Restore 2");
    page.see("3 objects restored.");
    page.see_not("top.txt");
    assert_eq!(client.get("/docs/notes/deep/er.txt").expect(200).text(), "notes/deep/er.txt");
    assert_eq!(client.get("/docs/top.txt").expect(200).text(), "top.txt");
}

#[test]
fn many_objects_come_in_pages_and_go_with_one_confirmation() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("many");
    for number in 0..1003 {
        client.put(&format!("/many/n{number:04}"), "").expect(200);
    }
    for key in ["folder/a", "folder/b%3Cc%3E", "folder/deep/c%01d"] {
        client.put(&format!("/many/{key}"), "x").expect(200);
    }
    page.enter();
    page.go("#/buckets/many");
    page.see("1 to 1,000 of more");
    assert_eq!(page.script("return document.querySelectorAll('tbody tr').length"), 1000);
    page.press("Next page");
    page.see("1,001 to 1,004");
    page.see("n1002");
    page.press("Previous page");
    page.see("1 to 1,000 of more");
    page.choose("Pick folder/");
    page.choose("Pick n0000");
    page.press("Delete 2…");
    page.see("Deletes 1 object and everything in 1 folder.");
    page.press("Delete");
    page.see("4 objects deleted.");
    let left = client.get("/many?list-type=2&prefix=folder/").expect(200);
    assert_eq!(left.one("KeyCount"), "0", "{}", left.text());
    assert_eq!(client.head("/many/n0000").status, 404);
    assert_eq!(client.head("/many/n0001").status, 200);
    page.fill("Find by the beginning of the name", "n100");
    page.press("Find");
    page.see("3 entries");
    assert_eq!(page.value("Find by the beginning of the name"), "n100");
    page.fill("Find by the beginning of the name", "N");
    page.press("Find");
    page.see("No name here begins like that.");
}

/// Names that mean something to browsers, to XML or to a path.
#[test]
fn names_of_all_kinds_are_shown_and_reached() {
    let page = Page::start();
    let client: Client = page.server.client();
    client.bucket("names");
    let names =
        ["a/../b.txt", "./dot", "q?x=1#y", "plus+and %20", "<img src=x onerror=alert(1)>.txt", "é/ü", "bell\u{7}"];
    for name in names {
        let target = format!("/names/{}", crate::support::client::escape_path(name));
        client
            .call("PUT", &target)
            .header("content-type", "text/plain")
            .body(format!("I am {name}"))
            .send()
            .expect(200);
    }
    page.enter();
    for name in names {
        let place = crate::support::client::escape_value(name);
        page.go(&format!("#/buckets/names/object/{place}"));
        let shown = name.replace('\u{7}', "‹07›");
        let base = shown.rsplit('/').next().unwrap().to_owned();
        page.heading(&base);
        page.see(&format!("I am {}", name.trim_end_matches('\u{7}')));
    }
    page.go("#/buckets/names");
    page.see("<img src=x onerror=alert(1)>.txt");
    page.see("bell‹07›");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(page.script("return document.querySelectorAll('td img').length"), 0);
}
