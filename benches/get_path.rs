//! GET end to end over loopback: throughput and server CPU-seconds per GB, beside the floor of this machine
//! (cached reads, CRC, socket) measured in the same run.

#![allow(clippy::print_stdout, missing_docs, reason = "a bench prints")]

mod measure;

use measure::load::{Ground, SIZES, STREAMS, Wire, throughput};
use measure::record::{self, Chart};
use measure::support::noise;
use measure::{floors, size, unless_quick};

const FLOOR: &str = "socket + CRC + cached reads";

/// `each` downloads of `bytes` on each of `streams` connections: GB per second, CPU-seconds per GB.
fn download(ground: &Ground, streams: usize, each: usize, bytes: usize) -> (f64, f64) {
    let client = ground.server.client();
    throughput(&ground.server, streams, each * bytes, |_, stream, wire| {
        for _ in 0..each {
            let target = format!("/bench/{bytes}/{}", stream % STREAMS);
            assert_eq!(wire.drain(&client, &target), bytes, "a whole object comes");
        }
    })
}

fn main() {
    let ground = Ground::new("128MiB");
    let (socket, crc, file) =
        (floors::socket_write_floor(), floors::crc_floor(), floors::file_read_floor(ground.scratch.path()));
    let floor = socket + crc + file;
    println!(
        "floor of this machine, CPU-s/GB: socket {socket:.3} + CRC {crc:.3} + cached reads {file:.3} = {floor:.3}"
    );
    let client = ground.server.client();
    for bytes in SIZES {
        for index in 0..STREAMS {
            Wire::new(&client).put(&client, &format!("/bench/{bytes}/{index}"), &noise(index as u64, bytes));
        }
    }
    println!("{:>8} {:>10} {:>10} {:>12} {:>8}", "streams", "object", "GB/s", "CPU-s/GB", "/floor");
    let show = |streams: usize, bytes: usize, each: usize| {
        let (rate, cost) = download(&ground, streams, unless_quick(each, each.div_ceil(4)), bytes);
        println!("{streams:>8} {:>10} {rate:>10.3} {cost:>12.3} {:>8.2}", size(bytes), cost / floor);
        (rate, cost)
    };
    for (streams, each) in [(1, 16), (8, 4), (32, 1)] {
        let bytes = 64 << 20;
        let (rate, cost) = show(streams, bytes, each);
        let with = format!("{streams} × {}", size(bytes));
        record::row("GET, in the page cache", &with, "CPU-s/GB", cost, Some((floor, FLOOR)));
        record::row("GET, in the page cache", &with, "GB/s", rate, None);
    }
    for bytes in SIZES {
        let (_, cost) = show(STREAMS, bytes, ((256 << 20) / bytes).clamp(4, 2000));
        record::point(Chart::CpuBySize, "GET", bytes as f64, cost);
        record::point(Chart::CpuBySize, "floor of GET", bytes as f64, floor);
    }
}
