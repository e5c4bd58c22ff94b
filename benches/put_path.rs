//! PUT end to end over loopback: throughput and server CPU-seconds per GB, beside the floor of this machine
//! (socket, both digests and the CRC, buffered synced files) measured in the same run.

#![allow(clippy::print_stdout, missing_docs, reason = "a bench prints")]

mod measure;

use measure::load::{Ground, SIZES, STREAMS, throughput};
use measure::record::{self, Chart};
use measure::support::noise;
use measure::{floors, size, unless_quick};

const FLOOR: &str = "socket + digests + synced files";

/// `each` uploads of `body` on each of `streams` connections: GB per second, CPU-seconds per GB.
fn upload(ground: &Ground, streams: usize, each: usize, body: &[u8]) -> (f64, f64) {
    let client = ground.server.client();
    throughput(&ground.server, streams, each * body.len(), |round, stream, wire| {
        for index in 0..each {
            wire.put(&client, &format!("/bench/{round}-{stream}-{index}"), body);
        }
    })
}

fn main() {
    let ground = Ground::new("128MiB");
    let (socket, digests, file) =
        (floors::socket_read_floor(), floors::digest_floor(), floors::file_write_floor(ground.scratch.path()));
    let floor = socket + digests + file;
    println!(
        "floor of this machine, CPU-s/GB: socket {socket:.3} + digests {digests:.3} + synced files {file:.3} = {floor:.3}"
    );
    let body = noise(1, 64 << 20);
    upload(&ground, 1, 1, &body);
    println!("{:>8} {:>10} {:>10} {:>12} {:>8}", "streams", "object", "GB/s", "CPU-s/GB", "/floor");
    let show = |streams: usize, bytes: usize, each: usize| {
        let (rate, cost) = upload(&ground, streams, unless_quick(each, each.div_ceil(8)), &body[..bytes]);
        println!("{streams:>8} {:>10} {rate:>10.3} {cost:>12.3} {:>8.2}", size(bytes), cost / floor);
        (rate, cost)
    };
    for (streams, bytes, each) in [(1, 64 << 20, 8), (8, 64 << 20, 2), (32, 16 << 20, 2), (8, 1 << 20, 40)] {
        let (rate, cost) = show(streams, bytes, each);
        let with = format!("{streams} × {}", size(bytes));
        record::row("PUT", &with, "CPU-s/GB", cost, Some((floor, FLOOR)));
        record::row("PUT", &with, "GB/s", rate, None);
    }
    for bytes in SIZES {
        let (_, cost) = show(STREAMS, bytes, ((64 << 20) / bytes).clamp(2, 500));
        record::point(Chart::CpuBySize, "PUT", bytes as f64, cost);
        record::point(Chart::CpuBySize, "floor of PUT", bytes as f64, floor);
    }
}
