//! Many clients that ask again as soon as they have an answer, each request on a connection of its own.

use std::io::{BufReader, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::{Client, try_read_answer};
use super::noise;

/// Keys that are asked for: `/load/0` and so on, of `BODY_BYTES` each.
const KEYS: usize = 64;
const BODY_BYTES: usize = 4096;

/// What became of the requests of a while.
#[derive(Debug, Default)]
pub struct Tally {
    /// Answers with what was asked for.
    pub served: usize,
    /// Those of them that came before the while was over.
    pub served_in_time: usize,
    /// `503` that says when to come back.
    pub refused: usize,
    /// Anything else, by what it was.
    pub wrong: Vec<String>,
    /// How long each answer took.
    pub times: Vec<Duration>,
}

/// Takes as many descriptors as the system gives.
pub fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("raise the limit of descriptors");
}

/// Runs `work` on a thread that needs little.
pub fn spawn<'scope>(scope: &'scope std::thread::Scope<'scope, '_>, work: impl FnOnce() + Send + 'scope) {
    std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, work).expect("spawn a client");
}

/// The value below which 99 of 100 lie.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}

/// So many clients, or as many as the kernel keeps for a server: what it cannot keep it drops, and those clients are
/// late without any fault of the server's.
pub fn no_more_than_the_backlog(clients: usize) -> usize {
    let backlog = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    clients.min(backlog.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(clients))
}

/// Makes what the clients ask for.
pub fn furnish(client: &Client) {
    client.bucket("load");
    for number in 0..KEYS {
        client.put(&format!("/load/{number}"), noise(1, BODY_BYTES)).expect(200);
    }
}

/// What a client asks again and again, as it goes over the wire. Signed once: seventeen hundred threads that sign keep
/// each other from the processor for so long that they look like clients that say nothing.
fn wire(client: &Client, number: usize, body: &[u8]) -> Vec<u8> {
    let target = format!("/load/{}", number % KEYS);
    let call =
        if number.is_multiple_of(4) { client.call("PUT", &target).body(body) } else { client.call("GET", &target) };
    [call.head().as_slice(), call.bytes()].concat()
}

/// Asks once; what the answer was.
fn ask(client: &Client, wire: &[u8], tally: &Mutex<Tally>, over: &AtomicBool) {
    let begun = Instant::now();
    let mut stream = client.connect();
    let sent = stream.write_all(wire);
    let answer = try_read_answer(&mut BufReader::new(stream), "GET");
    let mut tally = tally.lock().unwrap();
    tally.times.push(begun.elapsed());
    match answer {
        Ok(answer) if answer.status == 200 => {
            tally.served += 1;
            tally.served_in_time += usize::from(!over.load(Ordering::Relaxed));
        }
        Ok(answer) if answer.status == 503 && answer.header("retry-after").is_some() => tally.refused += 1,
        Ok(answer) => tally.wrong.push(format!("{}: {}", answer.status, answer.text())),
        Err(error) => tally.wrong.push(format!("no answer: {error}; sent: {sent:?}")),
    }
}

/// So many clients ask for a while: three of four read, the others write.
pub fn besiege(client: &Client, clients: usize, time: Duration) -> Tally {
    let (tally, over, body) = (Mutex::default(), AtomicBool::new(false), noise(1, BODY_BYTES));
    std::thread::scope(|scope| {
        let (tally, over, body) = (&tally, &over, &body);
        for number in 0..clients {
            spawn(scope, move || {
                let wire = wire(client, number, body);
                while !over.load(Ordering::Relaxed) {
                    ask(client, &wire, tally, over);
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
    tally.into_inner().unwrap()
}
