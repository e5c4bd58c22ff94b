//! Everything that takes memory, all at once, under `--memory 64MiB`.

use std::io::{Read as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Client, Server, noise};
use crate::{alone, duration, p99, spawn, stock};

const MIB: usize = 1024 * 1024;
const UPLOADS: usize = 256;
const TRICKLING: usize = 1_000;
const DOWNLOADS: usize = 256;
/// Clients with long documents and pages.
const READERS: usize = 4;
/// What was promised, and what the process costs without any client, in KiB.
const BOUND_KIB: u64 = (64 + 32) * 1024;
/// Until when an ordinary client must have its answer, whatever the others do.
const DEADLINE: Duration = Duration::from_secs(30);

/// KiB of the server's memory that are its own: neither its code nor the page cache.
fn own_memory_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("read /proc");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("the line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

/// Keeps an upload going, one piece after the other, until it is over or refused.
fn upload(client: &Client, number: usize, piece: &[u8], pause: Duration, over: &AtomicBool) {
    let call = client.call("PUT", &format!("/load/up{number}")).payload("UNSIGNED-PAYLOAD");
    let head = call.header("content-length", (1u64 << 40 >> 8).to_string()).head();
    let mut stream = client.connect();
    let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
    if stream.write_all(&head).is_err() {
        return;
    }
    while !over.load(Ordering::Relaxed) {
        match stream.write(piece) {
            Ok(_) => std::thread::sleep(pause),
            // The gateway's back-pressure shows as a timeout.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// Reads a large object slowly, again and again.
fn download(client: &Client, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let mut stream = client.connect();
        if stream.write_all(&client.call("GET", "/load/large").head()).is_err() {
            continue;
        }
        let mut piece = [0; 16 * 1024];
        while !over.load(Ordering::Relaxed) && matches!(stream.read(&mut piece), Ok(count) if count > 0) {
            std::thread::sleep(Duration::from_millis(200));
        }
        // Refused, or at its end.
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Sends what the gateway must read with care, and asks for what is long: lists, heads, pages. `reader` is one of a few.
fn documents(client: &Client, reader: usize, over: &AtomicBool) {
    let entry = |number: usize| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>d41d8cd98f00b204e9800998ecf8427e</ETag></Part>")
    };
    let parts: String = (1..=stock::PARTS).map(entry).collect();
    let complete = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let long = |number: usize| format!("<Object><Key>{}{number}</Key></Object>", "k".repeat(1000));
    let longest = (0..1000).map(long).collect::<String>();
    for round in (reader..).step_by(READERS) {
        if over.load(Ordering::Relaxed) {
            break;
        }
        // Each deletes whole directories of its own, and lists from somewhere in all of them.
        let directory = stock::PER_DIRECTORY * (round % (stock::KEYS / stock::PER_DIRECTORY));
        let there = |number: usize| format!("<Object><Key>{}</Key></Object>", stock::key(directory + number));
        let deletion = |keys: &str| format!("<Delete><Quiet>true</Quiet>{keys}</Delete>");
        let somewhere = stock::key(round * 7_919 % stock::KEYS).replace('/', "%2F");
        let delete = |bucket: &str| {
            client.call("POST", &format!("/{bucket}?delete")).header("x-amz-checksum-algorithm", "CRC32")
        };
        let calls = [
            client.call("POST", "/load/none?uploadId=none").body(complete.as_str()),
            delete("load").body(deletion(&longest)),
            delete("many").body(deletion(&(0..stock::PER_DIRECTORY).map(there).collect::<String>())),
            client.call("GET", "/load").header("x-long", "h".repeat(6 * 1024)),
            client.call("GET", &format!("/many?list-type=2&start-after={somewhere}")),
            client.call("GET", &format!("/many?list-type=2&start-after={somewhere}&delimiter=/")),
            client.call("GET", &format!("/many?versions&key-marker={somewhere}")),
        ];
        for call in calls {
            // Refusals count as well as answers.
            let _ = call.try_send();
        }
    }
}

/// Completes the upload of ten thousand parts in the midst of everything, as a client does: again after a refusal.
fn complete(client: &Client, target: &str, body: &str) {
    let begun = Instant::now();
    loop {
        match client.post(target, body.to_owned()) {
            answer if answer.status == 503 => std::thread::sleep(Duration::from_millis(500)),
            answer => {
                let etag = answer.expect(200).one("ETag");
                assert!(etag.contains(&format!("-{}", stock::PARTS)), "{etag}");
                break;
            }
        }
        assert!(begun.elapsed() < 4 * DEADLINE, "it is completed");
    }
    eprintln!("memory: the upload of {} parts was completed in {:?}", stock::PARTS, begun.elapsed());
}

#[test]
fn all_loads_together_stay_within_the_bound_and_an_ordinary_client_gets_through() {
    let _alone = alone();
    let mut server = Server::start_with(&["--memory", "64MiB", "--log", "info,access=off"]);
    let client = server.client();
    client.bucket("load");
    client.put("/load/large", noise(1, 8 * MIB)).expect(200);
    client.put("/load/small", "small").expect(200);
    stock::fill_many(&mut server);
    let client = server.client();
    let (target, completion) = stock::begin_upload(&client);
    let (over, peak) = (AtomicBool::new(false), AtomicU64::new(0));
    let times = Mutex::new(Vec::new());
    let (large, drop) = (noise(2, 64 * 1024), noise(3, 10));
    std::thread::scope(|scope| {
        let (client, over, server, peak, times) = (&client, &over, &server, &peak, &times);
        let (large, drop) = (&large, &drop);
        spawn(scope, move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(own_memory_kib(server), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        for number in 0..UPLOADS {
            spawn(scope, move || upload(client, number, large, Duration::ZERO, over));
        }
        for number in 0..TRICKLING {
            spawn(scope, move || upload(client, UPLOADS + number, drop, Duration::from_millis(100), over));
        }
        for _ in 0..DOWNLOADS {
            spawn(scope, move || download(client, over));
        }
        for reader in 0..READERS {
            spawn(scope, move || documents(client, reader, over));
        }
        spawn(scope, || complete(client, &target, &completion));
        let begun = Instant::now();
        while begun.elapsed() < duration() {
            let asked = Instant::now();
            assert_eq!(client.get("/load/small").expect(200).body, b"small");
            times.lock().unwrap().push(asked.elapsed());
        }
        over.store(true, Ordering::Relaxed);
    });
    let times = times.into_inner().unwrap();
    let (count, slowest) = (times.len(), times.iter().max().copied().unwrap());
    let peak_kib = peak.into_inner();
    eprintln!(
        "memory: peak {:.1} MiB of {} under {UPLOADS} uploads, {TRICKLING} trickling ones, {DOWNLOADS} slow downloads, \
         long documents and pages of a million keys; an ordinary client: {count} answers, p99 {:?}, slowest {slowest:?}",
        peak_kib as f64 / 1024.0,
        BOUND_KIB / 1024,
        p99(times),
    );
    assert!(peak_kib <= BOUND_KIB, "{peak_kib} KiB");
    assert!(slowest <= DEADLINE, "{slowest:?}");
    server.eventually("no request is left", || server.metric("sluicegate_requests_in_flight") == Some(0.0));
    server.stop_and_check();
}
