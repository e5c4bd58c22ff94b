//! Small requests end to end over loopback: how many a second, what each costs the server, and how long the slowest of
//! a hundred takes; beside a bare hyper server that answers the same requests without doing anything, and beside
//! SQLite that commits the same bodies in groups of as many rows as there are clients.
//!
//! Run with `cargo bench --bench requests`; `-- --seconds N` chooses the length of each measurement (default 2).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, and stops at the first error"
)]

mod measure;

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use measure::load::{Ground, Load, load, many_descriptors};
use measure::record::{self, Chart};
use measure::support::{Client, noise};
use rusqlite::{Connection, params};

/// Objects that reads go round.
const THERE: usize = 100;
/// Keys that writes of all clients go round; a client has a few of its own.
const KEYS: usize = 4096;
/// The uploads that a curve shows.
const CURVE_BYTES: usize = 4 << 10;

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
            Self::Get | Self::Head => format!("/bench/there/{}", number % THERE),
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

/// `each` requests for each client, all about keys of their own.
fn wires(ask: Ask, client: &Client, clients: usize, each: usize) -> Vec<Vec<Vec<u8>>> {
    let body = noise(1, 64 << 10);
    let of = |thread| (0..each).map(|key| ask.wire(client, thread * each + key, &body)).collect();
    (0..clients).map(of).collect()
}

/// A gateway, and what it is compared with.
struct Bench {
    ground: Ground,
    bare: Bare,
    time: Duration,
}

impl Bench {
    fn run(&self, ask: Ask, clients: usize) {
        let (pid, client) = (self.ground.server.pid(), self.ground.server.client());
        let ours = match ask {
            // What is deleted must be there: so each once, and many.
            Ask::Delete => {
                let each = measure::unless_quick(2 * KEYS, KEYS / 4).div_ceil(clients);
                load(pid, &client, "PUT", &wires(Ask::Put(4 << 10), &client, clients, each), None);
                load(pid, &client, ask.method(), &wires(ask, &client, clients, each), None)
            }
            Ask::Put(_) | Ask::Get | Ask::Head | Ask::Missing | Ask::List => {
                load(pid, &client, ask.method(), &wires(ask, &client, clients, each(clients)), Some(self.time))
            }
        };
        let nobody = Client::new(self.bare.address, None);
        let asked = wires(ask, &nobody, clients, each(clients));
        let bare = load(self.bare.child.id(), &nobody, ask.method(), &asked, Some(self.time / 2));
        let rows = match ask {
            Ask::Put(bytes) => Some(sqlite_floor(self.ground.scratch.path(), bytes, clients, self.time / 2)),
            Ask::Get | Ask::Head | Ask::Missing | Ask::List | Ask::Delete => None,
        };
        tell(ask, clients, &ours, &bare, rows);
    }
}

/// Keys of a client that goes round them: few, so that those of all clients are about as many, however many there are.
fn each(clients: usize) -> usize {
    (KEYS / clients).clamp(4, 64)
}

/// Prints and records what was measured: beside the CPU of the bare server and, for uploads, the rows a second of
/// SQLite.
fn tell(ask: Ask, clients: usize, ours: &Load, bare: &Load, rows: Option<f64>) {
    let (name, p99) = (ask.name(), ours.p99.as_secs_f64() * 1e3);
    let share = rows.map(|rows| format!("{rows:.0} ({:.0} %)", ours.per_second / rows * 100.0)).unwrap_or_default();
    println!(
        "{name:<18} {clients:>8} {:>10.0} {:>12.1} {p99:>10.2} {:>22} {share:>22}",
        ours.per_second,
        ours.cpu_micros,
        format!("{:.1} ({:.1}x)", bare.cpu_micros, ours.cpu_micros / bare.cpu_micros),
    );
    let with = if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
    let sqlite = rows.map(|rows| (rows, "SQLite, the same rows in groups"));
    record::row(&name, &with, "/s", ours.per_second, sqlite);
    record::row(&name, &with, "µs CPU", ours.cpu_micros, Some((bare.cpu_micros, "hyper that does nothing")));
    record::row(&name, &with, "ms p99", p99, None);
    if let (Ask::Put(CURVE_BYTES), Some(rows)) = (ask, rows) {
        record::point(Chart::PutsByClients, "durable PUTs", clients as f64, ours.per_second);
        record::point(Chart::PutsByClients, "SQLite alone, in groups", clients as f64, rows);
        record::point(Chart::CpuByClients, "durable PUT", clients as f64, ours.cpu_micros);
        record::point(Chart::CpuByClients, "hyper that does nothing", clients as f64, bare.cpu_micros);
    }
}

fn main() {
    if measure::flag("--bare") {
        return serve_nothing();
    }
    many_descriptors();
    let seconds = measure::option("--seconds").unwrap_or(measure::unless_quick(2.0, 0.2));
    // Memory for more than a thousand connections.
    let bench = Bench { ground: Ground::new("256MiB"), bare: Bare::start(), time: Duration::from_secs_f64(seconds) };
    for key in 0..THERE {
        bench.ground.server.client().put(&format!("/bench/there/{key}"), noise(2, 4096)).expect(200);
    }
    println!(
        "{:<18} {:>8} {:>10} {:>12} {:>10} {:>22} {:>22}",
        "request", "clients", "per s", "CPU us each", "p99 ms", "bare hyper us (ratio)", "SQLite per s (share)"
    );
    let puts = [Ask::Put(1 << 10), Ask::Put(CURVE_BYTES), Ask::Put(16 << 10)];
    for ask in puts.into_iter().chain([Ask::Get, Ask::Head, Ask::Missing, Ask::List, Ask::Delete]) {
        let clients: &[usize] =
            if matches!(ask, Ask::Put(CURVE_BYTES)) { &[1, 4, 16, 64, 256, 1024] } else { &[1, 16, 64, 256] };
        clients.iter().for_each(|&clients| bench.run(ask, clients));
    }
}
