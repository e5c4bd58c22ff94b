//! What the server does and did: unfinished uploads, jobs, requests and why they were refused, the pause of writes.

use crate::browser::Page;
use crate::support::server::ROOT_ID;
use crate::support::{Client, Credentials, noise};

#[test]
fn an_unfinished_upload_is_shown_with_its_bytes_and_aborted() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("half");
    let id = client.post("/half/film.mkv?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/half/film.mkv?partNumber=1&uploadId={id}"), noise(1, 6 << 20)).expect(200);
    page.enter();
    page.press("Uploads");
    page.see("half/film.mkv");
    page.see("6.00 MiB in 1 part");
    page.press("Abort the upload of film.mkv");
    page.press("Abort upload");
    page.see("Every upload has ended.");
    assert!(client.get("/half?uploads").expect(200).all("UploadId").is_empty());
}

#[test]
fn a_scrub_starts_by_hand() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("data");
    client.put("/data/object", noise(4, 1 << 20)).expect(200);
    page.enter();
    page.press("Jobs");
    page.heading("Jobs");
    page.press("Start scrub now");
    page.see("The scrub runs.");
}

#[test]
fn a_refused_request_is_listed_and_explained() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("closed");
    let wrong = Client::new(page.server.address(), Some(Credentials::new(ROOT_ID, "a-wrong-secret-a-wrong-secret")));
    wrong.get("/closed/secret.txt").expect_error(403, "SignatureDoesNotMatch");
    page.enter();
    page.see("403 SignatureDoesNotMatch");
    page.press("Requests");
    page.heading("Requests");
    page.press("Only refused");
    page.press("GET /closed/secret.txt");
    page.see("Why it was refused");
    let sentence = page.web.text_of(&page.find("//p[@class = 'cause']")).unwrap();
    assert!(sentence.len() > 20, "{sentence}");
    let canonical = page.value("Canonical request, as the server computed it");
    assert!(canonical.starts_with("GET\n/closed/secret.txt\n"), "{canonical}");
    assert!(!page.text().contains("a-wrong-secret"));
}

#[test]
fn writes_are_paused_and_resumed_and_every_page_says_so() {
    let page = Page::start();
    let client = page.server.client();
    client.bucket("calm");
    page.enter();
    page.press("Pause writes…");
    page.press("Pause writes");
    page.see("Writes are paused. Reading works");
    client.put("/calm/a", "x").expect_error(503, "ServiceUnavailable");
    page.press("Keys");
    page.heading("Keys");
    page.see("Writes are paused. Reading works");
    page.press("Resume writes");
    page.see_not("Writes are paused. Reading works");
    client.put("/calm/a", "x").expect(200);
}
