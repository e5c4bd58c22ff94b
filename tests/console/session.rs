//! The way in and out.

use fantoccini::key::Key;

use crate::browser::{with_page, with_window};
use crate::support::server::{ROOT_ID, ROOT_SECRET};

#[tokio::test]
async fn a_wrong_secret_is_refused_and_the_right_one_enters_and_leaves() {
    with_page(async |page| {
        page.enter_as(ROOT_ID, "not-the-secret-not-the-secret").await;
        page.see("This access key and secret do not belong together.").await;
        assert_eq!(page.value("Secret access key").await, "", "the wrong secret is not kept");
        page.fill("Secret access key", ROOT_SECRET).await;
        page.press("Sign in").await;
        page.heading("Overview").await;
        page.see("Healthy").await;
        // A reload keeps the session; nothing of it can be read by scripts.
        page.web.refresh().await.unwrap();
        page.heading("Overview").await;
        assert_eq!(page.script("return document.cookie").await, "");
        let kept = page.script("return JSON.stringify({...localStorage, ...sessionStorage})").await.to_string();
        assert!(!kept.contains(ROOT_SECRET), "the browser keeps no secret: {kept}");
        page.press("Sign out").await;
        page.see("You are signed out.").await;
        page.open("#/keys").await;
        page.heading("Sign in to Sluicegate").await;
    })
    .await;
}

#[tokio::test]
async fn a_keyboard_is_enough_to_sign_in_and_to_reach_a_page() {
    with_page(async |page| {
        page.open("").await;
        page.heading("Sign in to Sluicegate").await;
        // The first field has the focus when the page opens.
        let active = page.web.active_element().await.unwrap();
        active.send_keys(ROOT_ID).await.unwrap();
        active.send_keys(&String::from(char::from(Key::Tab))).await.unwrap();
        let active = page.web.active_element().await.unwrap();
        active.send_keys(ROOT_SECRET).await.unwrap();
        active.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        page.heading("Overview").await;
        // The heading has the focus after a change of pages, so that the next tab goes on from there.
        assert_eq!(page.script("return document.activeElement.tagName").await, "H1");
        let mut path = Vec::new();
        for _ in 0..40 {
            let active = page.web.active_element().await.unwrap();
            active.send_keys(&String::from(char::from(Key::Tab))).await.unwrap();
            let name = page.script("return document.activeElement.innerText || document.activeElement.tagName").await;
            path.push(name.to_string());
            if name == "Buckets" {
                let outline = page.script("return getComputedStyle(document.activeElement).outlineStyle").await;
                assert_eq!(outline, "solid", "the focus can be seen");
                let active = page.web.active_element().await.unwrap();
                active.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
                page.heading("Buckets").await;
                return;
            }
        }
        panic!("no tab led to the buckets: {path:?}");
    })
    .await;
}

#[tokio::test]
async fn another_key_sees_its_buckets_and_nothing_else() {
    with_window((1000, 800), async |page| {
        let client = page.server.client_with("reader", &["--for", "root", "--policy", "read-only"]);
        page.server.client().bucket("shelf");
        page.server.client().put("/shelf/a.txt", "on the shelf").expect(200);
        let credentials = client.credentials.unwrap();
        page.enter_as(&credentials.id, &credentials.secret).await;
        page.heading("Buckets").await;
        let links = page.script("return [...document.querySelectorAll('nav a')].map((a) => a.textContent).join()").await;
        assert_eq!(links, "Buckets");
        page.press("shelf").await;
        page.press("a.txt").await;
        page.see("on the shelf").await;
        page.go("#/keys").await;
        page.heading("Buckets").await;
        // What it may not do is refused by the server, and said.
        page.go("#/buckets/shelf/object/a.txt").await;
        page.press("Delete…").await;
        page.press("Delete").await;
        page.see("Access Denied").await;
        assert_eq!(page.server.client().get("/shelf/a.txt").expect(200).text(), "on the shelf");
    })
    .await;
}
