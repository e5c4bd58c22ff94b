//! A browser on the console of a server of its own. Elements are found as people find them: by their label and text.

use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::panic::AssertUnwindSafe;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::server::{ROOT_ID, ROOT_SECRET, Server, admin_address};

/// How long anything may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// chromedriver, killed when dropped.
struct Driver {
    child: Child,
    port: u16,
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
        let port = loop {
            let line = lines.next().expect("chromedriver prints its port").expect("read its stdout");
            let Some((_, rest)) = line.split_once("started successfully on port ") else { continue };
            break rest.trim().trim_end_matches('.').parse().expect("a port");
        };
        std::thread::spawn(move || for _ in lines.by_ref() {});
        Self { child, port }
    }

    /// A browser with a window of that size, with the colours that the system is said to have.
    async fn open(&self, (width, height): (u32, u32)) -> Client {
        let size = format!("--window-size={width},{height}");
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", &size];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "unhandledPromptBehavior": "accept",
        });
        let Value::Object(capabilities) = capabilities else { unreachable!("an object was written") };
        let address = format!("http://127.0.0.1:{}", self.port);
        ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&address).await.expect("a browser")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser and the server that it looks at.
pub struct Page {
    /// The browser.
    pub web: Client,
    /// The server.
    pub server: Server,
    /// `http://127.0.0.1:port` of the console.
    pub origin: String,
}

/// Runs `work` with a browser of a window of `size`; the browser ends also when the test fails.
pub async fn with_window<F: Future<Output = ()>>(size: (u32, u32), work: impl FnOnce(Page) -> F) {
    let server = Server::start();
    let origin = format!("http://{}", admin_address(&server.log()));
    let driver = Driver::start();
    let web = driver.open(size).await;
    // chromedriver rounds a window up to what a desktop allows; the page itself can be made as narrow as a phone.
    let metrics = json!({"width": size.0, "height": size.1, "deviceScaleFactor": 1, "mobile": false});
    devtools(&web, "Emulation.setDeviceMetricsOverride", metrics).await;
    let page = Page { web: web.clone(), server, origin };
    let outcome = AssertUnwindSafe(work(page)).catch_unwind().await;
    if outcome.is_err() {
        if let Ok(Value::String(text)) = web.execute("return document.body.innerText", vec![]).await {
            eprintln!("--- the page ---\n{text}");
        }
    }
    let _ = web.close().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `work` with a browser of the size of a desktop.
pub async fn with_page<F: Future<Output = ()>>(work: impl FnOnce(Page) -> F) {
    with_window((1280, 900), work).await;
}

/// A command of the browser's own protocol.
pub async fn devtools(web: &Client, command: &str, parameters: Value) {
    let call = Devtools { command: command.to_owned(), parameters };
    web.issue_cmd(call).await.expect("the browser takes the command");
}

#[derive(Debug)]
struct Devtools {
    command: String,
    parameters: Value,
}

impl fantoccini::wd::WebDriverCompatibleCommand for Devtools {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.expect("a session")))
    }

    fn method_and_body(&self, _url: &url::Url) -> (http::Method, Option<String>) {
        let body = json!({"cmd": self.command, "params": self.parameters});
        (http::Method::POST, Some(body.to_string()))
    }
}

impl Page {
    /// Opens a place of the console.
    pub async fn open(&self, hash: &str) {
        self.web.goto(&format!("{}/console/{hash}", self.origin)).await.expect("open the console");
    }

    /// Signs in with root's key and waits for the overview.
    pub async fn enter(&self) {
        self.enter_as(ROOT_ID, ROOT_SECRET).await;
        self.heading("Overview").await;
    }

    /// Signs in with a key.
    pub async fn enter_as(&self, id: &str, secret: &str) {
        self.open("").await;
        self.fill("Access key ID", id).await;
        self.fill("Secret access key", secret).await;
        self.press("Sign in").await;
    }

    /// Goes to another place of the console, as a link would.
    pub async fn go(&self, hash: &str) {
        self.script(&format!("location.hash = {}", json!(hash))).await;
    }

    /// Runs a script and returns what it returns.
    pub async fn script(&self, script: &str) -> Value {
        self.web.execute(script, vec![]).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits for an element that `path` finds and that can be seen; the last of them if there are more, because
    /// dialogs come after what they cover.
    pub async fn find(&self, path: &str) -> Element {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for element in self.web.find_all(Locator::XPath(path)).await.unwrap_or_default().into_iter().rev() {
                if element.is_displayed().await.unwrap_or(false) {
                    return element;
                }
            }
            assert!(Instant::now() < deadline, "nothing that can be seen is at {path}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The field with that label.
    pub async fn field(&self, label: &str) -> Element {
        let label = quote(label);
        self.find(&format!("//*[@id = //label[normalize-space() = {label}]/@for] | //*[@aria-label = {label}]")).await
    }

    /// Replaces what is in a field.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap_or_else(|error| panic!("clear {label}: {error}"));
        if !text.is_empty() {
            field.send_keys(text).await.unwrap_or_else(|error| panic!("fill {label}: {error}"));
        }
    }

    /// Chooses a radio button or a tick box.
    pub async fn choose(&self, label: &str) {
        let field = self.field(label).await;
        field.click().await.unwrap_or_else(|error| panic!("choose {label}: {error}"));
    }

    /// Presses a button or follows a link, by its text or its label.
    pub async fn press(&self, name: &str) {
        let named = format!("normalize-space() = {0} or @aria-label = {0}", quote(name));
        let path = format!("//button[{named}] | //a[{named}]");
        let deadline = Instant::now() + PATIENCE;
        // A message may still lie over it, or the page may just have been made anew.
        while let Err(error) = self.find(&path).await.click().await {
            assert!(Instant::now() < deadline, "press {name}: {error}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the heading of a page.
    pub async fn heading(&self, text: &str) {
        self.find(&format!("//h1[normalize-space() = {}]", quote(text))).await;
    }

    /// Waits until the page, as it can be seen, has that text.
    pub async fn see(&self, text: &str) {
        self.wait_text(text, true).await;
    }

    /// Waits until the page, as it can be seen, has that text no more.
    pub async fn see_not(&self, text: &str) {
        self.wait_text(text, false).await;
    }

    async fn wait_text(&self, text: &str, wanted: bool) {
        let deadline = Instant::now() + PATIENCE;
        while self.text().await.contains(text) != wanted {
            assert!(Instant::now() < deadline, "waited for {text:?} to be seen: {wanted}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The text of the page as it can be seen.
    pub async fn text(&self) -> String {
        let found = self.web.execute("return document.body.innerText", vec![]).await;
        found.ok().and_then(|text| text.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// What is in a field.
    pub async fn value(&self, label: &str) -> String {
        self.field(label).await.prop("value").await.expect("read it").unwrap_or_default()
    }
}

/// A text as XPath writes it.
fn quote(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
