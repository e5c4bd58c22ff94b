//! Small requests end to end over loopback: how many a second, what each costs the server, and how long the slowest of
//! a hundred takes; beside a bare hyper server that answers the same requests without doing anything, and beside
//! SQLite that commits the same bodies in groups of as many rows as there are clients.
//!
//! Run with `cargo bench --bench requests`; `-- --seconds N` chooses the length of each measurement (default 2).

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a bench prints, may die, and asks the real clock"
)]

mod measure;
#[path = "../tests/support/mod.rs"]
mod support;

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rusqlite::{Connection, params};
use support::client::read_answer;
use support::{Client, Server, noise};

/// Keys that the requests of one client go round.
const KEYS: usize = 64;

/// What a client asks, again and again.
#[derive(Clone, Copy)]
enum Ask {
    Put(usize),
    Get,
    Head,
    Missing,
    Delete,
    List,
}

impl Ask {
    fn name(self) -> String {
        match self {
            Self::Put(bytes) => format!("PUT {} KiB", bytes >> 10),
            Self::Get => "GET 4 KiB".to_owned(),
            Self::Head => "HEAD".to_owned(),
            Self::Missing => "GET, no such key".to_owned(),
            Self::Delete => "DELETE".to_owned(),
            Self::List => "LIST, 100 keys".to_owned(),
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Put(_) => "PUT",
            Self::Get | Self::Missing | Self::List => "GET",
            Self::Head => "HEAD",
            Self::Delete => "DELETE",
        }
    }

    /// The request as it goes over the wire. Signed before the clock runs: signing is the client's work.
    fn wire(self, client: &Client, number: usize, body: &[u8]) -> Vec<u8> {
        let target = match self {
            Self::Put(_) | Self::Delete => format!("/bench/own/{number}"),
            Self::Get | Self::Head => format!("/bench/there/{}", number % KEYS),
            Self::Missing => format!("/bench/missing/{number}"),
            Self::List => "/bench?list-type=2&max-keys=100".to_owned(),
        };
        let call = client.call(self.method(), &target).payload("UNSIGNED-PAYLOAD");
        match self {
            Self::Put(bytes) => {
                let mut wire = call.header("content-length", bytes.to_string()).head();
                wire.extend_from_slice(&body[..bytes]);
                wire
            }
            Self::Get | Self::Head | Self::Missing | Self::Delete | Self::List => call.head(),
        }
    }
}

/// What a while of requests came to.
struct Round {
    per_second: f64,
    cpu_micros: f64,
    p99: Duration,
}

/// So many clients, each on one connection, ask one thing for a while.
fn round(pid: u32, client: &Client, ask: Ask, clients: usize, time: Duration) -> Round {
    let body = noise(1, 64 << 10);
    let wires: Vec<Vec<Vec<u8>>> = (0..clients)
        .map(|thread| (0..KEYS).map(|key| ask.wire(client, thread * KEYS + key, &body)).collect())
        .collect();
    let mut times = Vec::new();
    let (wall, cpu) = measure::floors::observed(pid, || {
        std::thread::scope(|scope| {
            let ask = |wires: &[Vec<u8>]| {
                let mut stream = client.connect();
                let mut reader = BufReader::new(stream.try_clone().expect("clone"));
                let (begun, mut times) = (Instant::now(), Vec::new());
                for wire in wires.iter().cycle() {
                    let asked = Instant::now();
                    stream.write_all(wire).expect("send");
                    let answer = read_answer(&mut reader, ask.method());
                    assert!(answer.status < 500 && answer.status != 403, "{}", answer.text());
                    times.push(asked.elapsed());
                    if begun.elapsed() >= time {
                        break;
                    }
                }
                times
            };
            let threads: Vec<_> = wires.iter().map(|wires| scope.spawn(move || ask(wires))).collect();
            threads.into_iter().for_each(|thread| times.extend(thread.join().expect("a client")));
        });
    });
    times.sort_unstable();
    let count = times.len() as f64;
    Round { per_second: count / wall, cpu_micros: cpu / count * 1e6, p99: times[(times.len() - 1) * 99 / 100] }
}

/// Rows of `bytes` a second, `group` in each transaction, durable: what SQLite gives without anything around it.
fn sqlite_floor(directory: &Path, bytes: usize, group: usize, time: Duration) -> f64 {
    let path = directory.join(format!("floor-{bytes}-{group}"));
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(
            "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE body (id INTEGER PRIMARY KEY, key TEXT, data BLOB);
             CREATE UNIQUE INDEX body_by_key ON body (key);",
        )
        .unwrap();
    let body = noise(1, bytes);
    let (begun, mut rows) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let transaction = connection.unchecked_transaction().unwrap();
        for _ in 0..group {
            rows += 1;
            let key = format!("{:016x}", rows.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let insert = "INSERT INTO body (key, data) VALUES (?1, ?2)";
            transaction.prepare_cached(insert).unwrap().execute(params![key, body]).unwrap();
        }
        transaction.commit().unwrap();
    }
    rows as f64 / begun.elapsed().as_secs_f64()
}

/// A hyper server that reads each request and answers `404`.
fn serve_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                    let mut body = request.into_body();
                    while body.frame().await.is_some() {}
                    let answer = hyper::Response::builder().status(404).body(Empty::<Bytes>::new());
                    Ok::<_, Infallible>(answer.unwrap())
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
}

/// The bare server, in a process of its own.
struct Bare {
    child: Child,
    address: SocketAddr,
}

impl Bare {
    fn start() -> Self {
        let mut child =
            Command::new(std::env::current_exe().unwrap()).arg("--bare").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--bare") {
        return serve_nothing();
    }
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seconds");
    let seconds = arguments.nth(1).map_or(2.0, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch directory");
    let server = Server::start_in(&scratch.path().join("data"), &["--memory", "128MiB", "--log", "warn"]);
    let client = server.client();
    client.bucket("bench");
    for key in 0..KEYS.max(100) {
        client.put(&format!("/bench/there/{key}"), noise(2, 4096)).expect(200);
    }
    let bare = Bare::start();
    let nobody = Client::new(bare.address, None);
    println!(
        "{:<18} {:>8} {:>10} {:>12} {:>10} {:>22} {:>22}",
        "request", "clients", "per s", "CPU us each", "p99 ms", "bare hyper us (ratio)", "SQLite per s (share)"
    );
    for clients in [1, 16, 64, 256] {
        for ask in [
            Ask::Put(1 << 10),
            Ask::Put(4 << 10),
            Ask::Put(16 << 10),
            Ask::Get,
            Ask::Head,
            Ask::Missing,
            Ask::List,
            Ask::Delete,
        ] {
            let ours = round(server.pid(), &client, ask, clients, time);
            let floor = round(bare.child.id(), &nobody, ask, clients, time / 2);
            let share = match ask {
                Ask::Put(bytes) => {
                    let floor = sqlite_floor(scratch.path(), bytes, clients.min(256), time / 2);
                    format!("{floor:.0} ({:.0} %)", ours.per_second / floor * 100.0)
                }
                Ask::Get | Ask::Head | Ask::Missing | Ask::List | Ask::Delete => String::new(),
            };
            println!(
                "{:<18} {clients:>8} {:>10.0} {:>12.1} {:>10.2} {:>22} {share:>22}",
                ask.name(),
                ours.per_second,
                ours.cpu_micros,
                ours.p99.as_secs_f64() * 1e3,
                format!("{:.1} ({:.1}x)", floor.cpu_micros, ours.cpu_micros / floor.cpu_micros),
            );
        }
    }
}
