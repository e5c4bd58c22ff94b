//! Resident memory with `--memory 64MiB` and `--memory 256MiB`: at rest, with 64 and with 1,000 connections that rest,
//! upload or trickle, and after gigabytes of uploads. Allowed is what `--memory` says and 32 MiB of fixed cost.
//!
//! With `--memory 64MiB` half of the thousand are served at a time. `-- --gigabytes N` sets how much is uploaded
//! (default 4), `--seconds N` how long each load lasts (default 8).

#![allow(clippy::print_stdout, missing_docs, reason = "a bench prints")]

mod measure;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use measure::floors::process_memory_kib;
use measure::load::{Ground, Wire, many_descriptors};
use measure::record;
use measure::support::{Client, noise};

/// What the process costs beside `--memory`.
const FIXED_MIB: usize = 32;

/// What each connection of a load does until it is over.
#[derive(Clone, Copy)]
enum Load {
    /// Nothing, after a request.
    Rest,
    /// Sends pieces of an object without end, with a pause between them.
    Upload { piece: usize, pause: Duration },
}

impl Load {
    fn run(self, client: &Client, number: usize, until: Instant) {
        let (piece, pause) = match self {
            Self::Rest => {
                let mut wire = Wire::new(client);
                wire.drain(client, "/bench/small");
                return std::thread::sleep(until.saturating_duration_since(Instant::now()));
            }
            Self::Upload { piece, pause } => (noise(number as u64, piece), pause),
        };
        let call = client.call("PUT", &format!("/bench/{number}")).payload("UNSIGNED-PAYLOAD");
        let mut stream = client.connect();
        let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
        // More is announced than will be sent, so that all uploads are under way until the end.
        let head = call.header("content-length", (4u64 << 30).to_string()).head();
        let _ = stream.write_all(&head);
        while Instant::now() < until {
            // The gateway's back-pressure shows as a timeout.
            let _ = stream.write(&piece);
            std::thread::sleep(pause);
        }
    }
}

/// Resident MiB at the end of a load of so many connections, and the most that there were.
fn under(ground: &Ground, connections: usize, load: Load, time: Duration) -> (f64, f64) {
    let (client, pid, until) = (ground.server.client(), ground.server.pid(), Instant::now() + time);
    std::thread::scope(|scope| {
        for number in 0..connections {
            let client = &client;
            let run = move || load.run(client, number, until);
            std::thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, run).expect("spawn");
        }
        std::thread::sleep(time.mul_f64(0.9));
        (mib(pid, "VmRSS"), mib(pid, "VmHWM"))
    })
}

fn mib(pid: u32, line: &str) -> f64 {
    process_memory_kib(pid, line) as f64 / 1024.0
}

/// Resident MiB after so many bytes in objects of 64 MiB and of 64 KiB, by eight clients; and the most that there were.
fn after_uploads(ground: &Ground, bytes: usize) -> (f64, f64) {
    let (client, pid, sent, body) =
        (ground.server.client(), ground.server.pid(), AtomicUsize::new(0), noise(1, 64 << 20));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (client, sent, body) = (&client, &sent, &body);
            scope.spawn(move || {
                let mut wire = Wire::new(client);
                let length = if number % 2 == 0 { 64 << 20 } else { 64 << 10 };
                while sent.fetch_add(length, Ordering::Relaxed) < bytes {
                    wire.put(client, &format!("/bench/{number}"), &body[..length]);
                }
            });
        }
    });
    std::thread::sleep(Duration::from_secs(1));
    (mib(pid, "VmRSS"), mib(pid, "VmHWM"))
}

fn main() {
    many_descriptors();
    let time = Duration::from_secs_f64(measure::option("--seconds").unwrap_or(measure::unless_quick(8.0, 1.5)));
    let gigabytes: f64 = measure::option("--gigabytes").unwrap_or(measure::unless_quick(4.0, 0.5));
    let upload = Load::Upload { piece: 256 * 1024, pause: Duration::ZERO };
    let trickle = Load::Upload { piece: 100, pause: Duration::from_millis(100) };
    println!("{:<12} {:<28} {:>10} {:>10} {:>12}", "--memory", "load", "at end", "peak MiB", "of allowed");
    for memory in [64, 256] {
        let (name, allowed) = (format!("{memory}MiB"), (memory + FIXED_MIB) as f64);
        let tell = |load: &str, now: f64, peak: f64| {
            println!("{name:<12} {load:<28} {now:>10.1} {peak:>10.1} {:>11.0}%", peak / allowed * 100.0);
            let floor = Some((allowed, "--memory and 32 MiB, not to be exceeded"));
            record::row(&format!("memory, --memory {name}"), load, "MiB", peak, floor);
        };
        let ground = || {
            let ground = Ground::new(&name);
            ground.server.client().put("/bench/small", "small").expect(200);
            ground
        };
        let rest = ground();
        std::thread::sleep(time.mul_f64(0.3));
        tell("at rest", mib(rest.server.pid(), "VmRSS"), mib(rest.server.pid(), "VmHWM"));
        for (what, load) in [("resting", Load::Rest), ("uploading", upload), ("trickling", trickle)] {
            for connections in [64, 1000] {
                let (now, peak) = under(&ground(), connections, load, time);
                tell(&format!("{connections} connections, {what}"), now, peak);
            }
        }
        let (now, peak) = after_uploads(&rest, (gigabytes * 1e9) as usize);
        tell(&format!("after {gigabytes} GB of uploads"), now, peak);
    }
}
