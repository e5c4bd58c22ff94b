//! Every page fits a phone and a desktop, in light and dark; with SLUICEGATE_SCREENSHOTS=DIR the pictures of the
//! documentation are taken.

use std::path::Path;

use serde_json::json;

use crate::browser::Page;
use crate::support::server::ROOT_ID;
use crate::support::{Client, Credentials, noise};

const PAGES: [(&str, &str); 9] = [
    ("overview", "#/overview"),
    ("buckets", "#/buckets"),
    ("files", "#/buckets/photos"),
    ("object", "#/buckets/photos/object/2026%2Fharbour-at-dawn-with-a-rather-long-name-that-does-not-end.svg"),
    ("settings", "#/buckets/photos/settings/lifecycle"),
    ("keys", "#/keys"),
    ("uploads", "#/uploads"),
    ("jobs", "#/jobs"),
    ("requests", "#/logs"),
];

const PICTURE: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 320 160'><rect width='320' height='160' fill='#f7c59f'/>\
    <circle cx='230' cy='90' r='34' fill='#ef6f53'/><path d='M0 100q40-12 80 0t80 0t80 0t80 0v60H0z' fill='#27607f'/></svg>";

/// Something to look at.
fn furnish(page: &Page) {
    let client = page.server.client();
    for bucket in ["backups", "photos", "media-archive-of-the-whole-family", "site"] {
        client.bucket(bucket);
    }
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/photos?versioning", on).expect(200);
    let rules = "<LifecycleConfiguration><Rule><ID>old-versions</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>\
        <NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>";
    client.put("/photos?lifecycle", rules).expect(200);
    let picture = "/photos/2026/harbour-at-dawn-with-a-rather-long-name-that-does-not-end.svg";
    for _ in 0..2 {
        let put =
            client.call("PUT", picture).header("content-type", "image/svg+xml").header("x-amz-meta-camera", "X100");
        put.body(PICTURE).send().expect(200);
    }
    for (name, size) in [("readme.txt", 1200), ("summer.mp4", 3 << 20), ("winter.mp4", 9 << 20), ("list.csv", 48_000)] {
        client.put(&format!("/photos/{name}"), noise(size as u64, size)).expect(200);
    }
    client.put("/backups/data/1", noise(9, 5 << 20)).expect(200);
    let id = client.post("/backups/film.mkv?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/backups/film.mkv?partNumber=1&uploadId={id}"), noise(1, 5 << 20)).expect(200);
    page.server
        .client_with("laptop-restic", &["--for", "root", "--policy", "restic-append-only", "--bucket", "backups"]);
    let wrong = Client::new(page.server.address(), Some(Credentials::new(ROOT_ID, "a-wrong-secret-a-wrong-secret")));
    wrong.get("/photos/readme.txt").expect(403);
}

fn shoot(page: &Page, name: &str) {
    let Some(directory) = std::env::var_os("SLUICEGATE_SCREENSHOTS") else { return };
    let bytes = page.web.screenshot();
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory).unwrap();
    std::fs::write(directory.join(format!("console-{name}.png")), bytes).unwrap();
}

/// Requires that nothing is wider than the window.
fn assert_no_sideways_scroll(page: &Page, what: &str) {
    let widths = page.script("const e = document.scrollingElement; return [e.scrollWidth, e.clientWidth]");
    let (inner, outer) = (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap());
    if inner > outer {
        let wide = page
            .script(
                "return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)\
                 .slice(0, 8).map((e) => `${e.tagName}.${e.className}`)",
            )
            ;
        panic!("{what}: {inner} pixels in a window of {outer}: {wide}");
    }
}

fn walk(page: &Page, look: &str, colours: &str) {
    page.web.prefer_colours(colours);
    page.open("");
    page.heading("Sign in to Sluicegate");
    assert_no_sideways_scroll(page, "sign-in");
    shoot(page, &format!("sign-in-{look}"));
    furnish(page);
    page.enter();
    if std::env::var_os("SLUICEGATE_SCREENSHOTS").is_some() {
        // Some life for the charts.
        for round in 0..40_u64 {
            let client = page.server.client();
            client.put(&format!("/backups/data/{round}"), noise(round, (round as usize % 7) << 19)).expect(200);
            client.get("/photos/winter.mp4").expect(200);
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
    }
    for (name, hash) in PAGES {
        page.go("#/nowhere");
        page.heading("Overview");
        page.go(hash);
        page.see_not("Loading");
        page.find("//main//h1");
        std::thread::sleep(std::time::Duration::from_millis(400));
        assert_no_sideways_scroll(page, &format!("{name}, {look}"));
        shoot(page, &format!("{name}-{look}"));
    }
    let ground = page.script("return getComputedStyle(document.body).backgroundColor");
    let is_dark =
        ground.as_str().unwrap().trim_start_matches("rgb(").split(',').next().unwrap().parse::<u8>().unwrap() < 100;
    assert_eq!(is_dark, colours == "dark", "{ground}");
}

#[test]
fn every_page_fits_a_phone_in_the_dark() {
    walk(&Page::with_window((360, 740)), "phone", "dark");
}

#[test]
fn every_page_fits_a_desktop_in_the_light() {
    walk(&Page::with_window((1280, 860)), "light", "light");
}

#[test]
fn the_colours_that_were_chosen_win_over_those_of_the_system() {
    let page = Page::with_window((1280, 860));
    page.web.prefer_colours("light");
    page.open("");
    page.choose_option("Colours", "Dark");
    let dark = "return getComputedStyle(document.body).backgroundColor === 'rgb(15, 20, 25)'";
    assert_eq!(page.script(dark), true);
    page.web.refresh();
    page.heading("Sign in to Sluicegate");
    assert_eq!(page.script(dark), true, "the choice is kept");
    furnish(&page);
    page.enter();
    std::thread::sleep(std::time::Duration::from_secs(1));
    shoot(&page, "overview-dark");
}

/// The contrast of every text that can be seen, by the formula of WCAG 2.
const CONTRAST: &str = r"
const channel = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (node) => {
  for (let at = node; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
const poor = [];
for (const node of document.querySelectorAll('body *')) {
  const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim() !== '');
  if (!own || !node.checkVisibility() || node.closest(':disabled, .unseen, svg')) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} ${node.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
}
return poor;";

#[test]
fn text_can_be_read_in_light_and_dark() {
    let page = Page::with_window((1280, 860));
    furnish(&page);
    page.enter();
    for colours in ["light", "dark"] {
        page.web.prefer_colours(colours);
        for (name, hash) in PAGES {
            page.go(hash);
            page.see_not("Loading");
            std::thread::sleep(std::time::Duration::from_millis(300));
            assert_eq!(page.script(CONTRAST), json!([]), "{name}, {colours}");
        }
    }
}

/// What assistive technology needs on every page: one main, one first heading, a name for each control.
const NAMELESS: &str = "
const named = (node) => node.getAttribute('aria-label') || node.getAttribute('aria-labelledby') || node.textContent.trim()
  || (node.labels && node.labels.length > 0) || node.title;
const faults = [...document.querySelectorAll('button, a, input, select, textarea')].filter((node) => node.checkVisibility() && !named(node))
  .map((node) => node.outerHTML.slice(0, 120));
if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
if (document.querySelectorAll('main h1').length !== 1) faults.push('not one h1');
const ids = [...document.querySelectorAll('[id]')].map((node) => node.id);
if (new Set(ids).size !== ids.length) faults.push('an id twice');
return faults;";

#[test]
fn every_control_has_a_name_and_every_page_one_heading() {
    let page = Page::with_window((1280, 860));
    furnish(&page);
    page.enter();
    for (name, hash) in PAGES {
        page.go(hash);
        page.see_not("Loading");
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(page.script(NAMELESS), json!([]), "{name}");
    }
}
