//! PUT end to end over loopback: throughput and server CPU-seconds per GB, beside the floor of this machine
//! (socket, both digests and the CRC, buffered synced files) measured in the same run.

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

use std::io::{BufReader, Write as _};

use support::client::read_answer;
use support::{Client, Server, noise};

fn put(client: &Client, key: &str, body: &[u8]) {
    let call = client.call("PUT", key).payload("UNSIGNED-PAYLOAD").header("content-length", body.len().to_string());
    let mut stream = client.connect();
    stream.write_all(&call.head()).expect("send head");
    stream.write_all(body).expect("send body");
    read_answer(&mut BufReader::new(stream), "PUT").expect(200);
}

fn main() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch directory");
    let (socket, digests, file) = (
        measure::floors::socket_read_floor(),
        measure::floors::digest_floor(),
        measure::floors::file_write_floor(scratch.path()),
    );
    let floor = socket + digests + file;
    println!(
        "floor of this machine, CPU-s/GB: socket {socket:.3} + digests {digests:.3} + synced files {file:.3} = {floor:.3}"
    );
    let server = Server::start_in(&scratch.path().join("data"), &["--memory", "128MiB", "--log", "warn"]);
    let client = server.client();
    client.bucket("bench");
    let body = noise(1, 64 << 20);
    put(&client, "/bench/warm", &body);
    println!("{:>8} {:>10} {:>10} {:>12} {:>8}", "streams", "object", "GB/s", "CPU-s/GB", "/floor");
    for (streams, size, each) in [(1, 64 << 20, 8), (8, 64 << 20, 2), (32, 16 << 20, 2), (8, 1 << 20, 40)] {
        let mut rows = Vec::new();
        for round in 0..3 {
            let (wall, cpu) = measure::floors::observed(server.pid(), || {
                std::thread::scope(|scope| {
                    for stream in 0..streams {
                        let (client, body) = (&client, &body[..size]);
                        scope.spawn(move || {
                            for index in 0..each {
                                put(client, &format!("/bench/{round}-{stream}-{index}"), body);
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
    println!("small objects: durable PUTs, {} bytes each", 4096);
    println!("{:>8} {:>10} {:>14}", "clients", "PUT/s", "CPU µs each");
    for clients in [1usize, 16, 64] {
        let each = 2000 / clients;
        let (wall, cpu) = measure::floors::observed(server.pid(), || small(&client, clients, each));
        let count = (clients * each) as f64;
        println!("{clients:>8} {:>10.0} {:>14.1}", count / wall, cpu / count * 1e6);
    }
}

/// `clients` connections that are kept alive, each sending `each` objects of 4 KiB one after another.
fn small(client: &Client, clients: usize, each: usize) {
    let body = noise(2, 4096);
    std::thread::scope(|scope| {
        for thread in 0..clients {
            let body = &body;
            scope.spawn(move || {
                let mut stream = client.connect();
                let mut reader = BufReader::new(stream.try_clone().expect("clone"));
                for index in 0..each {
                    let call =
                        client.call("PUT", &format!("/bench/small-{thread}-{index}")).payload("UNSIGNED-PAYLOAD");
                    let mut wire = call.header("content-length", "4096").head();
                    wire.extend_from_slice(body);
                    stream.write_all(&wire).expect("send");
                    read_answer(&mut reader, "PUT").expect(200);
                }
            });
        }
    });
}
