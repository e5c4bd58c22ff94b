//! WebDriver, as much of it as the tests need: chromedriver, a session of Chromium, and its elements.
//!
//! Source: W3C WebDriver, "Endpoints"; chromedriver's own command for the protocol of the browser's tools.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::support::Client;

/// Under which key WebDriver sends the id of an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// The tab key.
pub const TAB: &str = "\u{e004}";
/// The escape key.
pub const ESCAPE: &str = "\u{e00c}";
/// The enter key.
pub const ENTER: &str = "\u{e007}";

/// chromedriver, killed when dropped.
struct Driver {
    child: Child,
    client: Client,
}

impl Driver {
    fn start() -> Self {
        let mut child = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start chromedriver: are chromium and chromium-driver installed?");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let port: u16 = loop {
            let line = lines.next().expect("chromedriver prints its port").expect("read its stdout");
            let Some((_, rest)) = line.split_once("started successfully on port ") else { continue };
            break rest.trim().trim_end_matches('.').parse().expect("a port");
        };
        std::thread::spawn(move || for _ in lines.by_ref() {});
        Self { child, client: Client::new(SocketAddr::from(([127, 0, 0, 1], port)), None) }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let call = self.client.call(method, path).header("content-type", "application/json");
        let answer = if method == "POST" { call.body(body.to_string()) } else { call }.send();
        let mut told: Value = serde_json::from_slice(&answer.body).expect("chromedriver answers in JSON");
        let value = told["value"].take();
        if answer.status == 200 { Ok(value) } else { Err(value["message"].as_str().unwrap_or("?").to_owned()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser; it ends when this is dropped.
pub struct Browser {
    driver: Driver,
    session: String,
}

/// An element of its page, as long as that page lives.
#[derive(Clone)]
pub struct Element(String);

/// What chromedriver could not do.
pub type Done<T> = Result<T, String>;

impl Browser {
    /// A browser whose pages are as wide and high as that.
    pub fn open((width, height): (u32, u32)) -> Self {
        let driver = Driver::start();
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-prefers-reduced-motion",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments},
            "unhandledPromptBehavior": "accept",
        }}});
        let opened = driver.call("POST", "/session", &wanted).expect("a browser");
        let session = format!("/session/{}", opened["sessionId"].as_str().expect("an id"));
        let browser = Self { driver, session };
        // A window is never narrower than a desktop allows; the page in it can be.
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.tools("Emulation.setDeviceMetricsOverride", &metrics);
        browser
    }

    fn post(&self, path: &str, body: &Value) -> Done<Value> {
        self.driver.call("POST", &format!("{}{path}", self.session), body)
    }

    fn get(&self, path: &str) -> Done<Value> {
        self.driver.call("GET", &format!("{}{path}", self.session), &Value::Null)
    }

    /// A command of the protocol of the browser's tools.
    pub fn tools(&self, command: &str, parameters: &Value) {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters})).expect("the browser takes it");
    }

    /// What the system is said to want: `light` or `dark`.
    pub fn prefer_colours(&self, colours: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": colours}]});
        self.tools("Emulation.setEmulatedMedia", &features);
    }

    /// Opens an address.
    pub fn goto(&self, url: &str) {
        self.post("/url", &json!({"url": url})).unwrap_or_else(|error| panic!("open {url}: {error}"));
    }

    /// Loads the page again.
    pub fn refresh(&self) {
        self.post("/refresh", &json!({})).expect("load the page again");
    }

    /// The page's title.
    pub fn title(&self) -> String {
        self.get("/title").expect("the title").as_str().expect("a text").to_owned()
    }

    /// The page as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let picture = self.get("/screenshot").expect("a picture");
        BASE64_STANDARD.decode(picture.as_str().expect("a text")).expect("base 64")
    }

    /// What a script returns.
    pub fn script(&self, script: &str) -> Done<Value> {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// All elements that an XPath finds.
    pub fn find_all(&self, path: &str) -> Vec<Element> {
        let found = self.post("/elements", &json!({"using": "xpath", "value": path})).unwrap_or_default();
        found.as_array().into_iter().flatten().filter_map(element).collect()
    }

    /// The element that has the focus.
    pub fn active(&self) -> Element {
        element(&self.get("/element/active").expect("an element has the focus")).expect("an element")
    }

    /// Whether people can see it.
    pub fn is_displayed(&self, Element(id): &Element) -> bool {
        self.get(&format!("/element/{id}/displayed")) == Ok(Value::Bool(true))
    }

    /// Clicks on it, in the middle of the window: at its edge, what stays there would lie over it.
    pub fn click(&self, Element(id): &Element) -> Done<()> {
        let middle = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})";
        self.post("/execute/sync", &json!({"script": middle, "args": [{ELEMENT: id}]}))?;
        self.post(&format!("/element/{id}/click"), &json!({})).map(drop)
    }

    /// Empties a field.
    pub fn clear(&self, Element(id): &Element) -> Done<()> {
        self.post(&format!("/element/{id}/clear"), &json!({})).map(drop)
    }

    /// Types into it; into a field of files: their paths.
    pub fn type_into(&self, Element(id): &Element, text: &str) -> Done<()> {
        self.post(&format!("/element/{id}/value"), &json!({"text": text})).map(drop)
    }

    /// Sets what is in a field, as the browser's own picker does.
    pub fn set_value(&self, Element(id): &Element, value: &str) -> Done<()> {
        let set = "arguments[0].value = arguments[1];
            for (const name of ['input', 'change']) arguments[0].dispatchEvent(new Event(name, {bubbles: true}))";
        self.post("/execute/sync", &json!({"script": set, "args": [{ELEMENT: id}, value]})).map(drop)
    }

    /// A property of it as text.
    pub fn property(&self, Element(id): &Element, name: &str) -> Done<String> {
        let value = self.get(&format!("/element/{id}/property/{name}"))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    /// Its text as people see it.
    pub fn text_of(&self, Element(id): &Element) -> Done<String> {
        Ok(self.get(&format!("/element/{id}/text"))?.as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // chromedriver ends the browser's processes; killed, it would leave them.
        let _ = self.driver.call("DELETE", &self.session, &Value::Null);
    }
}

fn element(value: &Value) -> Option<Element> {
    value[ELEMENT].as_str().map(|id| Element(id.to_owned()))
}
