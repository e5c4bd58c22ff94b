//! The way in and out.

use crate::browser::Page;
use crate::driver::{ENTER, TAB};
use crate::support::server::{ROOT_ID, ROOT_SECRET};

#[test]
fn a_wrong_secret_is_refused_and_the_right_one_enters_and_leaves() {
    let page = Page::start();
    page.enter_as(ROOT_ID, "not-the-secret-not-the-secret");
    page.see("This access key and secret do not belong together.");
    assert_eq!(page.value("Secret access key"), "", "the wrong secret is not kept");
    page.fill("Secret access key", ROOT_SECRET);
    page.press("Sign in");
    page.heading("Overview");
    page.see("Healthy");
    // A reload keeps the session; nothing of it can be read by scripts.
    page.web.refresh();
    page.heading("Overview");
    assert_eq!(page.script("return document.cookie"), "");
    let kept = page.script("return JSON.stringify({...localStorage, ...sessionStorage})").to_string();
    assert!(!kept.contains(ROOT_SECRET), "the browser keeps no secret: {kept}");
    page.press("Sign out");
    page.see("You are signed out.");
    page.open("#/keys");
    page.heading("Sign in to Sluicegate");
}

#[test]
fn a_keyboard_is_enough_to_sign_in_and_to_reach_a_page() {
    let page = Page::start();
    page.open("");
    page.heading("Sign in to Sluicegate");
    // The first field has the focus when the page opens.
    page.keys(ROOT_ID);
    page.keys(TAB);
    page.keys(ROOT_SECRET);
    page.keys(ENTER);
    page.heading("Overview");
    // The heading has the focus after a change of pages, so that the next tab goes on from there.
    assert_eq!(page.script("return document.activeElement.tagName"), "H1");
    let mut path = Vec::new();
    for _ in 0..40 {
        page.keys(TAB);
        let name = page.script("return document.activeElement.innerText || document.activeElement.tagName");
        path.push(name.to_string());
        if name == "Buckets" {
            let outline = page.script("return getComputedStyle(document.activeElement).outlineStyle");
            assert_eq!(outline, "solid", "the focus can be seen");
            page.keys(ENTER);
            page.heading("Buckets");
            return;
        }
    }
    panic!("no tab led to the buckets: {path:?}");
}

#[test]
fn another_key_sees_its_buckets_and_nothing_else() {
    let page = Page::with_window((1000, 800));
    let client = page.server.client_with("reader", &["--for", "root", "--policy", "read-only"]);
    page.server.client().bucket("shelf");
    page.server.client().put("/shelf/a.txt", "on the shelf").expect(200);
    let credentials = client.credentials.unwrap();
    page.enter_as(&credentials.id, &credentials.secret);
    page.heading("Buckets");
    let links = page.script("return [...document.querySelectorAll('nav a')].map((a) => a.textContent).join()");
    assert_eq!(links, "Buckets");
    page.press("shelf");
    page.press("a.txt");
    page.see("on the shelf");
    page.go("#/keys");
    page.heading("Buckets");
    // What it may not do is refused by the server, and said.
    page.go("#/buckets/shelf/object/a.txt");
    page.press("Delete…");
    page.press("Delete");
    page.see("Access Denied");
    assert_eq!(page.server.client().get("/shelf/a.txt").expect(200).text(), "on the shelf");
}
