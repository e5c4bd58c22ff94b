//! A gateway, and clients that ask it one thing after another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::floors::observed;
use super::support::client::read_answer;
use super::support::{Client, Server};

/// A gateway on a directory that goes with it, with a bucket `bench`.
pub struct Ground {
    pub server: Server,
    pub scratch: tempfile::TempDir,
}

impl Ground {
    pub fn new(memory: &str) -> Self {
        let scratch = super::scratch();
        let server = Server::start_in(&scratch.path().join("data"), &["--memory", memory, "--log", "warn"]);
        server.client().bucket("bench");
        Self { server, scratch }
    }
}

/// As many descriptors as the system gives, for many connections.
pub fn many_descriptors() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("raise the limit of descriptors");
}

/// A connection of a client, kept alive.
pub struct Wire {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Wire {
    pub fn new(client: &Client) -> Self {
        let stream = client.connect();
        let reader = BufReader::with_capacity(256 * 1024, stream.try_clone().expect("clone"));
        Self { stream, reader }
    }

    /// Uploads `body` and requires success.
    pub fn put(&mut self, client: &Client, target: &str, body: &[u8]) {
        let call = client.call("PUT", target).payload("UNSIGNED-PAYLOAD");
        self.stream.write_all(&call.header("content-length", body.len().to_string()).head()).expect("send head");
        self.stream.write_all(body).expect("send body");
        read_answer(&mut self.reader, "PUT").expect(200);
    }

    /// Downloads an object, keeps nothing of it, and says how long it is.
    pub fn drain(&mut self, client: &Client, target: &str) -> usize {
        self.stream.write_all(&client.call("GET", target).head()).expect("send");
        let (mut line, mut length) = (String::new(), 0);
        while self.reader.read_line(&mut line).expect("receive") > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut left = length;
        while left > 0 {
            let count = self.reader.fill_buf().expect("receive").len().min(left);
            assert!(count > 0, "a whole answer comes");
            self.reader.consume(count);
            left -= count;
        }
        length
    }
}

/// Sizes of objects that a curve shows, with `STREAMS` of them at a time.
pub const SIZES: [usize; 8] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];
pub const STREAMS: usize = 8;

/// GB per second and CPU-seconds of the server per GB while `streams` connections move `bytes` each; medians. `work`
/// gets the numbers of round and stream, and the connection.
pub fn throughput(
    server: &Server,
    streams: usize,
    bytes: usize,
    work: impl Fn(usize, usize, &mut Wire) + Sync,
) -> (f64, f64) {
    let client = server.client();
    let rows: Vec<_> = (0..super::unless_quick(3, 1))
        .map(|round| {
            let (wall, cpu) = observed(server.pid(), || {
                std::thread::scope(|scope| {
                    for stream in 0..streams {
                        let (client, work) = (&client, &work);
                        scope.spawn(move || work(round, stream, &mut Wire::new(client)));
                    }
                });
            });
            let gb = (streams * bytes) as f64 / 1e9;
            (gb / wall, cpu / gb)
        })
        .collect();
    (super::median(rows.iter().map(|row| row.0)), super::median(rows.iter().map(|row| row.1)))
}

/// What a while of requests came to.
pub struct Load {
    pub per_second: f64,
    /// CPU of the server for each.
    pub cpu_micros: f64,
    pub p99: Duration,
}

/// A client for each of `wires` sends these requests, which are signed already, one after another over a connection of
/// its own: each once, or again and again for a while.
pub fn load(pid: u32, client: &Client, method: &str, wires: &[Vec<Vec<u8>>], time: Option<Duration>) -> Load {
    let mut times = Vec::new();
    let ask = |wires: &[Vec<u8>]| {
        let mut stream = client.connect();
        let mut reader = BufReader::new(stream.try_clone().expect("clone"));
        let (begun, mut times) = (Instant::now(), Vec::new());
        for wire in wires.iter().cycle() {
            let over = time.map_or(times.len() == wires.len(), |time| begun.elapsed() >= time);
            if over {
                break;
            }
            let asked = Instant::now();
            stream.write_all(wire).expect("send");
            let answer = read_answer(&mut reader, method);
            assert!(answer.status < 500 && answer.status != 403, "{}", answer.text());
            times.push(asked.elapsed());
        }
        times
    };
    let (wall, cpu) = observed(pid, || {
        std::thread::scope(|scope| {
            let threads: Vec<_> = wires.iter().map(|wires| scope.spawn(|| ask(wires))).collect();
            threads.into_iter().for_each(|thread| times.extend(thread.join().expect("a client")));
        });
    });
    times.sort_unstable();
    let count = times.len() as f64;
    Load { per_second: count / wall, cpu_micros: cpu / count * 1e6, p99: times[(times.len() - 1) * 99 / 100] }
}
