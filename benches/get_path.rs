//! GET end to end over loopback: throughput and server CPU-seconds per GB, beside the floor of this machine
//! (cached reads, CRC, socket) measured in the same run.

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

use std::io::{Read as _, Write as _};

use support::{Client, Server, noise};

/// Reads a whole answer without keeping it; returns how many bytes came.
fn drain(client: &Client, target: &str) -> usize {
    let mut stream = client.connect();
    stream.write_all(&client.call("GET", target).header("connection", "close").head()).expect("send");
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    loop {
        match stream.read(&mut buffer).expect("receive") {
            0 => return total,
            count => total += count,
        }
    }
}

fn main() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch directory");
    let (socket, crc, file) = (
        measure::floors::socket_write_floor(),
        measure::floors::crc_floor(),
        measure::floors::file_read_floor(scratch.path()),
    );
    let floor = socket + crc + file;
    println!(
        "floor of this machine, CPU-s/GB: socket {socket:.3} + CRC {crc:.3} + cached reads {file:.3} = {floor:.3}"
    );
    let server = Server::start_in(&scratch.path().join("data"), &["--memory", "128MiB", "--log", "warn"]);
    let client = server.client();
    client.bucket("bench");
    let size = 64 << 20;
    for index in 0..8 {
        client.put(&format!("/bench/{index}"), noise(index, size)).expect(200);
    }
    assert!(drain(&client, "/bench/0") > size, "a whole answer came");
    println!("{:>8} {:>10} {:>10} {:>12} {:>8}", "streams", "object", "GB/s", "CPU-s/GB", "/floor");
    for (streams, each) in [(1usize, 16usize), (8, 4), (32, 1)] {
        let mut rows = Vec::new();
        for _ in 0..3 {
            let (wall, cpu) = measure::floors::observed(server.pid(), || {
                std::thread::scope(|scope| {
                    for stream in 0..streams {
                        let client = &client;
                        scope.spawn(move || {
                            for _ in 0..each {
                                assert!(drain(client, &format!("/bench/{}", stream % 8)) > size);
                            }
                        });
                    }
                });
            });
            let gb = (streams * each * size) as f64 / 1e9;
            rows.push((gb / wall, cpu / gb));
        }
        let rate = measure::median(rows.iter().map(|row| row.0));
        let cost = measure::median(rows.iter().map(|row| row.1));
        println!("{streams:>8} {:>6} MiB {rate:>10.3} {cost:>12.3} {:>8.2}", size >> 20, cost / floor);
    }
}
