//! What the server does and did: unfinished uploads, jobs, requests and why they were refused, the pause of writes.

use crate::browser::with_page;
use crate::support::{Client, Credentials, noise};
use crate::support::server::ROOT_ID;

#[tokio::test]
async fn an_unfinished_upload_is_shown_with_its_bytes_and_aborted() {
    with_page(async |page| {
        let client = page.server.client();
        client.bucket("half");
        let id = client.post("/half/film.mkv?uploads", "").expect(200).one("UploadId");
        client.put(&format!("/half/film.mkv?partNumber=1&uploadId={id}"), noise(1, 6 << 20)).expect(200);
        page.enter().await;
        page.press("Uploads").await;
        page.see("half/film.mkv").await;
        page.see("6.00 MiB in 1 part").await;
        page.press("Abort the upload of film.mkv").await;
        page.press("Abort upload").await;
        page.see("Every upload has ended.").await;
        assert!(client.get("/half?uploads").expect(200).all("UploadId").is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_scrub_starts_by_hand() {
    with_page(async |page| {
        let client = page.server.client();
        client.bucket("data");
        client.put("/data/object", noise(4, 1 << 20)).expect(200);
        page.enter().await;
        page.press("Jobs").await;
        page.heading("Jobs").await;
        page.press("Start scrub now").await;
        page.see("The scrub runs.").await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_request_is_listed_and_explained() {
    with_page(async |page| {
        let client = page.server.client();
        client.bucket("closed");
        let wrong = Client::new(page.server.address(), Some(Credentials::new(ROOT_ID, "a-wrong-secret-a-wrong-secret")));
        wrong.get("/closed/secret.txt").expect_error(403, "SignatureDoesNotMatch");
        page.enter().await;
        page.see("403 SignatureDoesNotMatch").await;
        page.press("Requests").await;
        page.heading("Requests").await;
        page.press("Only refused").await;
        page.press("GET /closed/secret.txt").await;
        page.see("Why it was refused").await;
        let sentence = page.find("//p[@class = 'cause']").await.text().await.unwrap();
        assert!(sentence.len() > 20, "{sentence}");
        let canonical = page.value("Canonical request, as the server computed it").await;
        assert!(canonical.starts_with("GET\n/closed/secret.txt\n"), "{canonical}");
        assert!(!page.text().await.contains("a-wrong-secret"));
    })
    .await;
}

#[tokio::test]
async fn writes_are_paused_and_resumed_and_every_page_says_so() {
    with_page(async |page| {
        let client = page.server.client();
        client.bucket("calm");
        page.enter().await;
        page.press("Pause writes…").await;
        page.press("Pause writes").await;
        page.see("Writes are paused. Reading works").await;
        client.put("/calm/a", "x").expect_error(503, "ServiceUnavailable");
        page.press("Keys").await;
        page.heading("Keys").await;
        page.see("Writes are paused. Reading works").await;
        page.press("Resume writes").await;
        page.see_not("Writes are paused. Reading works").await;
        client.put("/calm/a", "x").expect(200);
    })
    .await;
}
