//! Resident memory under `--memory 64MiB` while 1, 64 and 512 uploads run, and 512 uploads that trickle. The
//! bound is 64 MiB + 32 MiB of fixed cost, and 64 and 512 uploads must not differ by more than 10%.

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

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use support::{Server, noise};

const SECONDS: u64 = 8;

/// Peak resident KiB while `uploads` connections send for a while, `pause` between pieces of `piece` bytes.
/// Each upload announces more than it will send, so that all of them are under way until the end.
fn peak(uploads: usize, piece: usize, pause: Duration) -> (u64, u64) {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch directory");
    let server = Server::start_in(&scratch.path().join("data"), &["--memory", "64MiB", "--log", "warn"]);
    let client = server.client();
    client.bucket("bench");
    let idle = measure::floors::process_memory_kib(server.pid(), "VmRSS");
    let (stop, body) = (AtomicBool::new(false), noise(1, piece));
    std::thread::scope(|scope| {
        for upload in 0..uploads {
            let (client, stop, body) = (&client, &stop, &body);
            let run = move || {
                let call = client.call("PUT", &format!("/bench/{upload}")).payload("UNSIGNED-PAYLOAD");
                let mut stream = client.connect();
                let _ = stream.set_write_timeout(Some(Duration::from_millis(500)));
                stream.write_all(&call.header("content-length", (4u64 << 30).to_string()).head()).expect("send head");
                while !stop.load(Ordering::SeqCst) {
                    // A pause of the gateway (its back-pressure) shows as a timeout here.
                    let _ = stream.write(body);
                    std::thread::sleep(pause);
                }
            };
            std::thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, run).expect("spawn");
        }
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(SECONDS) {
            std::thread::sleep(Duration::from_millis(50));
        }
        stop.store(true, Ordering::SeqCst);
    });
    (idle, measure::floors::process_memory_kib(server.pid(), "VmHWM"))
}

fn main() {
    println!("{:<28} {:>10} {:>10} {:>12}", "load", "idle MiB", "peak MiB", "of 96 MiB");
    let mut peaks = Vec::new();
    for (name, uploads, piece, pause) in [
        ("1 upload", 1, 256 * 1024, Duration::ZERO),
        ("64 uploads", 64, 256 * 1024, Duration::ZERO),
        ("512 uploads", 512, 256 * 1024, Duration::ZERO),
        ("512 trickling uploads", 512, 100, Duration::from_millis(100)),
    ] {
        let (idle, peak) = peak(uploads, piece, pause);
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!("{name:<28} {:>10.1} {:>10.1} {:>11.0}%", mib(idle), mib(peak), mib(peak) / 96.0 * 100.0);
        peaks.push(mib(peak));
    }
    println!("512 against 64 uploads: {:+.1}%", (peaks[2] / peaks[1] - 1.0) * 100.0);
}
