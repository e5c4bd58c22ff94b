//! A webhook: an HTTP server that keeps what is posted to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A message that was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Path and query.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// What it was answered with.
    pub status: u16,
}

impl Posted {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The first record.
    pub fn record(&self) -> Value {
        self.json()["Records"][0].clone()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Shared {
    posted: Mutex<Vec<Posted>>,
    status: AtomicU16,
    delay_ms: AtomicU64,
    stopped: AtomicBool,
}

/// A running webhook.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// Starts on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind the receiver");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared { status: AtomicU16::new(200), ..Shared::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&accepting);
                if let Ok(stream) = stream {
                    std::thread::spawn(move || serve(&stream, &shared));
                }
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `NAME=URL` for `--webhook`.
    pub fn webhook(&self, name: &str) -> String {
        format!("{name}=http://{}/{name}", self.address)
    }

    /// Closes every connection without an answer from now on: to a sender, as if nobody listened. Its address stays
    /// its own, so that no other test is told instead.
    pub fn hang_up(&self) {
        self.answer(0);
    }

    /// Answers with that status from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Waits so long before each answer.
    pub fn delay(&self, delay: Duration) {
        self.shared.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// What was posted so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.shared.posted.lock().expect("the list").clone()
    }

    /// The records that were taken so far: event name and key.
    pub fn told(&self) -> Vec<(String, String)> {
        let taken = self.posted().into_iter().filter(|posted| posted.status == 200);
        let records = taken.map(|posted| posted.record()).filter(|record| !record.is_null());
        records
            .map(|record| {
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                (text(&record["eventName"]), text(&record["s3"]["object"]["key"]))
            })
            .collect()
    }

    /// Waits until that many records were taken.
    pub fn wait(&self, count: usize) -> Vec<(String, String)> {
        let deadline = Instant::now() + Duration::from_secs(45);
        loop {
            let told = self.told();
            if told.len() >= count {
                return told;
            }
            assert!(Instant::now() < deadline, "{count} events expected, told: {told:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops listening. Its address can be used again.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while !shared.stopped.load(Ordering::SeqCst) {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = Vec::new();
        loop {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(shared.delay_ms.load(Ordering::SeqCst)));
        // What comes over a connection that was kept alive is not taken any more either.
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let status = shared.status.load(Ordering::SeqCst);
        if status == 0 {
            return;
        }
        shared.posted.lock().expect("the list").push(Posted { target, headers, body, status });
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
        let mut out = stream;
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
