//! Ten times as many clients as are admitted: each gets its answer or a `503` that says when to come back.

use std::io::{BufReader, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::try_read_answer;
use crate::support::{Client, Server, noise};
use crate::{alone, duration, p99, spawn};

/// About ten times what `--memory 32MiB` admits.
const CLIENTS: usize = 1_700;
/// As many as are admitted easily, for comparison.
const FEW: usize = 32;
const DEADLINE: Duration = Duration::from_secs(30);

/// What became of the requests of a while.
#[derive(Debug, Default)]
struct Tally {
    served: usize,
    refused: usize,
    /// Anything else, by what it was.
    wrong: Vec<String>,
    times: Vec<Duration>,
}

/// What a client asks again and again, as it goes over the wire. Signed once: seventeen hundred threads that sign keep
/// each other from the processor for so long that they look like clients that say nothing.
fn wire(client: &Client, number: usize, body: &[u8]) -> Vec<u8> {
    let target = format!("/load/{}", number % 64);
    let call =
        if number.is_multiple_of(4) { client.call("PUT", &target).body(body) } else { client.call("GET", &target) };
    [call.head().as_slice(), call.bytes()].concat()
}

/// Asks once; what the answer was.
fn ask(client: &Client, wire: &[u8], tally: &Mutex<Tally>) {
    let begun = Instant::now();
    let mut stream = client.connect();
    let sent = stream.write_all(wire);
    let answer = try_read_answer(&mut BufReader::new(stream), "GET");
    let mut tally = tally.lock().unwrap();
    tally.times.push(begun.elapsed());
    match answer {
        Ok(answer) if answer.status == 200 => tally.served += 1,
        Ok(answer) if answer.status == 503 && answer.header("retry-after").is_some() => tally.refused += 1,
        Ok(answer) => tally.wrong.push(format!("{}: {}", answer.status, answer.text())),
        Err(error) => tally.wrong.push(format!("no answer: {error}; sent: {sent:?}")),
    }
}

/// So many clients ask for a while, each as soon as it has an answer.
fn besiege(client: &Client, clients: usize, time: Duration) -> Tally {
    let (tally, over, body) = (Mutex::default(), AtomicBool::new(false), noise(1, 4096));
    std::thread::scope(|scope| {
        let (tally, over, body) = (&tally, &over, &body);
        for number in 0..clients {
            spawn(scope, move || {
                let wire = wire(client, number, body);
                while !over.load(Ordering::Relaxed) {
                    ask(client, &wire, tally);
                }
            });
        }
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
    });
    tally.into_inner().unwrap()
}

#[test]
fn ten_times_too_many_clients_are_answered_and_leave_nothing_behind() {
    let _alone = alone();
    let mut server = Server::start_with(&["--memory", "32MiB", "--log", "info,access=off"]);
    let client = server.client();
    client.bucket("load");
    for number in 0..64 {
        client.put(&format!("/load/{number}"), noise(1, 4096)).expect(200);
    }
    let easy = besiege(&client, FEW, duration() / 3);
    // What the kernel cannot keep for the server it drops, and its clients are late without any fault of the server's.
    let backlog =
        std::fs::read_to_string("/proc/sys/net/core/somaxconn").ok().and_then(|text| text.trim().parse().ok());
    let clients = CLIENTS.min(backlog.unwrap_or(CLIENTS));
    let hard = besiege(&client, clients, duration());
    for tally in [&easy, &hard] {
        assert!(
            tally.wrong.is_empty(),
            "{} wrong, as {:?}",
            tally.wrong.len(),
            &tally.wrong[..tally.wrong.len().min(5)]
        );
        assert!(tally.served > 0, "{tally:?}");
    }
    let slowest = hard.times.iter().max().copied().unwrap();
    assert!(slowest <= DEADLINE, "{slowest:?}");
    let goodput = |tally: &Tally, time: Duration| tally.served as f64 / time.as_secs_f64();
    eprintln!(
        "overload: {FEW} clients {:.0}/s; {clients} clients {:.0}/s served, {} refused, p99 {:?}, slowest {slowest:?}",
        goodput(&easy, duration() / 3),
        goodput(&hard, duration()),
        hard.refused,
        p99(hard.times.clone()),
    );
    server.eventually("no request is left", || server.metric("sluicegate_requests_in_flight") == Some(0.0));
    let begun = Instant::now();
    client.get("/load/1").expect(200);
    assert!(begun.elapsed() < Duration::from_secs(5), "back to normal: {:?}", begun.elapsed());
    server.stop_and_check();
}
