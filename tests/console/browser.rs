//! A browser on the console of a server of its own. Elements are found as people find them: by their label and text.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::driver::{Browser, Done, Element};
use crate::support::server::{ROOT_ID, ROOT_SECRET, Server, admin_address};
use crate::support::{Client, Credentials};

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A browser and the server that it looks at.
pub struct Page {
    /// The browser.
    pub web: Browser,
    /// The server.
    pub server: Server,
    /// `http://127.0.0.1:port` of the console.
    pub origin: String,
}

impl Drop for Page {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the page ---\n{}", self.text());
        }
    }
}

impl Page {
    /// A browser of the size of a desktop, and a server.
    pub fn start() -> Self {
        Self::with_window((1280, 900))
    }

    /// A browser whose pages are as wide and high as that, and a server.
    pub fn with_window(size: (u32, u32)) -> Self {
        let server = Server::start();
        let origin = format!("http://{}", admin_address(&server.log()));
        Self { web: Browser::open(size), server, origin }
    }

    /// What the admin API answers root.
    pub fn admin(&self, path: &str) -> Value {
        let address = admin_address(&self.server.log());
        let root = Client::new(address, Some(Credentials::new(ROOT_ID, ROOT_SECRET)));
        serde_json::from_slice(&root.get(path).expect(200).body).expect("JSON")
    }

    /// Opens a place of the console.
    pub fn open(&self, hash: &str) {
        self.web.goto(&format!("{}/console/{hash}", self.origin));
    }

    /// Signs in with root's key and waits for the overview.
    pub fn enter(&self) {
        self.enter_as(ROOT_ID, ROOT_SECRET);
        self.heading("Overview");
    }

    /// Signs in with a key.
    pub fn enter_as(&self, id: &str, secret: &str) {
        self.open("");
        self.fill("Access key ID", id);
        self.fill("Secret access key", secret);
        self.press("Sign in");
    }

    /// Goes to another place of the console, as a link would.
    pub fn go(&self, hash: &str) {
        self.script(&format!("location.hash = {}", json!(hash)));
    }

    /// Runs a script that may wait, and returns what it returns.
    pub fn script_that_waits(&self, script: &str) -> Value {
        self.script(&format!("return (async () => {{ {script} }})()"))
    }

    /// Runs a script and returns what it returns.
    pub fn script(&self, script: &str) -> Value {
        self.web.script(script).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits for an element that `path` finds and that can be seen; the last of them if there are more, because
    /// dialogs come after what they cover.
    pub fn find(&self, path: &str) -> Element {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = self.web.find_all(path).into_iter().rev().find(|one| self.web.is_displayed(one)) {
                return found;
            }
            assert!(Instant::now() < deadline, "nothing that can be seen is at {path}");
            std::thread::sleep(LOOK);
        }
    }

    /// The field with that label.
    pub fn field(&self, label: &str) -> Element {
        let label = quote(label);
        self.find(&format!("//*[@id = //label[normalize-space() = {label}]/@for] | //*[@aria-label = {label}]"))
    }

    /// Does something until it works: a message may still lie over an element, or the page may just be made anew.
    fn insist(&self, what: &str, mut act: impl FnMut() -> Done<()>) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = act() {
            assert!(Instant::now() < deadline, "{what}: {error}");
            std::thread::sleep(LOOK);
        }
    }

    /// Replaces what is in a field.
    pub fn fill(&self, label: &str, text: &str) {
        self.insist(&format!("fill {label}"), || {
            let field = self.field(label);
            self.web.clear(&field)?;
            if text.is_empty() { Ok(()) } else { self.web.type_into(&field, text) }
        });
    }

    /// Sets a field of a time, which each language writes in its own way, to what all browsers keep in it.
    pub fn set_time(&self, label: &str, time: &str) {
        let field = self.field(label);
        self.web.set_value(&field, time).unwrap_or_else(|error| panic!("set {label}: {error}"));
    }

    /// Chooses a radio button or a tick box.
    pub fn choose(&self, label: &str) {
        self.insist(&format!("choose {label}"), || self.web.click(&self.field(label)));
    }

    /// Chooses an option.
    pub fn choose_option(&self, label: &str, option: &str) {
        self.field(label);
        let path = format!("//select[@aria-label = {0} or @id = //label[normalize-space() = {0}]/@for]", quote(label));
        let path = format!("{path}/option[normalize-space() = {}]", quote(option));
        self.insist(&format!("choose {option}"), || self.web.click(&self.find(&path)));
    }

    /// Types where the focus is.
    pub fn keys(&self, text: &str) {
        self.web.type_into(&self.web.active(), text).expect("type");
    }

    /// Presses a button, follows a link or unfolds what is folded, by its text or its label.
    pub fn press(&self, name: &str) {
        let named = format!("normalize-space() = {0} or @aria-label = {0}", quote(name));
        let path = format!("//button[{named}] | //a[{named}] | //summary[{named}]");
        self.insist(&format!("press {name}"), || self.web.click(&self.find(&path)));
    }

    /// Waits for the heading of a page.
    pub fn heading(&self, text: &str) {
        self.find(&format!("//h1[normalize-space() = {}]", quote(text)));
    }

    /// Waits until a script returns what is true.
    pub fn until(&self, what: &str, script: &str) {
        self.insist(what, || match self.script(script) {
            Value::Bool(true) => Ok(()),
            other => Err(format!("{script} is {other}")),
        });
    }

    /// Lets so many bytes a second through to the server; 0 lets all of them through.
    pub fn slow_down(&self, bytes_per_second: u64) {
        let rate = if bytes_per_second == 0 { json!(-1) } else { json!(bytes_per_second) };
        let network = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate});
        self.web.tools("Network.enable", &json!({}));
        self.web.tools("Network.emulateNetworkConditions", &network);
    }

    /// Drops files and directories of the disk on the middle of an element, as a person does with a mouse.
    pub fn drop_on(&self, selector: &str, paths: &[&str]) {
        let middle = self.script(&format!(
            "const box = document.querySelector({}).getBoundingClientRect();
             return [box.x + box.width / 2, Math.min(box.y + box.height / 2, innerHeight - 5)]",
            json!(selector)
        ));
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({
                "type": kind, "x": middle[0], "y": middle[1],
                "data": {"items": [], "files": paths, "dragOperationsMask": 1},
            });
            self.web.tools("Input.dispatchDragEvent", &event);
        }
    }

    /// Waits until the page, as it can be seen, has that text.
    pub fn see(&self, text: &str) {
        self.wait_text(text, true);
    }

    /// Waits until the page, as it can be seen, has that text no more.
    pub fn see_not(&self, text: &str) {
        self.wait_text(text, false);
    }

    fn wait_text(&self, text: &str, wanted: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.text().contains(text) != wanted {
            assert!(Instant::now() < deadline, "waited for {text:?} to be seen: {wanted}");
            std::thread::sleep(LOOK);
        }
    }

    /// The text of the page as it can be seen.
    pub fn text(&self) -> String {
        let found = self.web.script("return document.body.innerText");
        found.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// What is in a field.
    pub fn value(&self, label: &str) -> String {
        self.web.property(&self.field(label), "value").expect("read it")
    }
}

/// A text as XPath writes it.
fn quote(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
