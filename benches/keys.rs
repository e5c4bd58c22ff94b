//! A gateway with many keys: what uploads, pages, a start after a crash and the emptying of the bucket cost with a
//! million of them, and how large the database is.
//!
//! Keys are put through the metadata store, in groups, as the gateway puts them; everything else is asked over HTTP.
//! `-- --keys N` chooses how many (default one million), `--dir DIR` the disk.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, and stops at the first error"
)]

mod measure;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use measure::floors::process_memory_kib;
use measure::load::{Ground, Load, load};
use measure::record::{self, Chart};
use measure::support::{Client, noise};
use measure::{median, unless_quick};
use sluicegate::meta::{CommitPut, MetaStore, NewBody, SqliteMeta, SqliteSettings};
use sluicegate::rules::WritePrecondition;
use sluicegate::types::{BucketId, Clock as _, SystemClock, Timestamp};
use sluicegate::types::{
    BucketName, ChecksumAlgorithm, ChecksumValue, ETag, ObjectChecksum, ObjectKey, ObjectMetadata,
};

const MEMORY_MIB: u64 = 64;
/// What the process costs beside `--memory`.
const FIXED_MIB: u64 = 32;
const PER_DIRECTORY: u64 = 100;
/// Clients of the uploads that are measured.
const CLIENTS: usize = 64;
const PAGE: u64 = 1000;

fn directory(number: u64) -> String {
    format!("backup/{:08}/", number / PER_DIRECTORY)
}

fn key(number: u64) -> String {
    format!("{}object-{number:010}.bin", directory(number))
}

/// Objects without bytes, so that it is the keys that are many.
fn put(bucket: BucketId, number: u64, now: Timestamp) -> CommitPut {
    CommitPut {
        bucket,
        key: ObjectKey::parse(key(number)).unwrap(),
        precondition: WritePrecondition::default(),
        size: 0,
        etag: ETag::single([number as u8; 16]),
        sha256: Some([number as u8; 32]),
        checksum: ChecksumValue::new(ChecksumAlgorithm::Crc64Nvme, vec![1; 8]).map(ObjectChecksum::full),
        metadata: ObjectMetadata::default(),
        body: NewBody::Inline(Vec::new().into()),
        now,
    }
}

/// Puts the keys `from..to`; the gateway is stopped meanwhile. Returns by how many bytes the database grew.
fn fill(ground: &mut Ground, from: u64, to: u64) -> u64 {
    assert!(ground.server.stop().success());
    let data = ground.server.data();
    let before = database_bytes(data);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteMeta::open(&data.join("meta.sqlite"), SqliteSettings::default()).unwrap());
        let bucket = store.bucket(&BucketName::parse("bench").unwrap()).await.unwrap().unwrap().id;
        let (next, now) = (Arc::new(AtomicU64::new(from)), SystemClock.now());
        let tasks: Vec<_> = (0..256)
            .map(|_| {
                let (store, next) = (Arc::clone(&store), Arc::clone(&next));
                tokio::spawn(async move {
                    loop {
                        match next.fetch_add(1, Ordering::Relaxed) {
                            number if number < to => drop(store.commit_put(put(bucket, number, now)).await.unwrap()),
                            _ => break,
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        store.close().await.unwrap();
    });
    let grown = database_bytes(data) - before;
    ground.server.restart();
    grown
}

fn database_bytes(data: &Path) -> u64 {
    let files = std::fs::read_dir(data).unwrap().map(Result::unwrap);
    let database = files.filter(|file| file.file_name().to_string_lossy().starts_with("meta.sqlite"));
    database.map(|file| file.metadata().unwrap().len()).sum()
}

/// Many clients put new objects of 4 KiB anywhere among `keys` keys. `round` makes their names new.
fn uploads(ground: &Ground, keys: u64, round: usize) -> Load {
    let (client, body) = (ground.server.client(), noise(1, 4096));
    let wire = |number: usize| {
        let scattered = (round * 1_000_000 + number) as u64;
        let place = scattered.wrapping_mul(0x9E37_79B9_7F4A_7C15) % keys.max(1);
        let call =
            client.call("PUT", &format!("/bench/{}new-{scattered}", directory(place))).payload("UNSIGNED-PAYLOAD");
        [call.header("content-length", "4096").head(), body.clone()].concat()
    };
    let each = unless_quick(128, 16);
    let wires: Vec<Vec<_>> =
        (0..CLIENTS).map(|thread| (0..each).map(|index| wire(thread * each + index)).collect()).collect();
    load(ground.server.pid(), &client, "PUT", &wires, None)
}

/// Milliseconds until a page of a thousand has come, median.
fn page(client: &Client, delimiter: &str, after: &str) -> f64 {
    let target = format!(
        "/bench?list-type=2&max-keys={PAGE}&prefix=backup%2F&delimiter={}&start-after={}",
        delimiter.replace('/', "%2F"),
        after.replace('/', "%2F")
    );
    median((0..unless_quick(21, 5)).map(|_| {
        let begun = Instant::now();
        client.get(&target).expect(200);
        begun.elapsed().as_secs_f64() * 1e3
    }))
}

/// Uploads a second with so many keys, and what they are of those to a gateway that has none.
fn uploads_at(ground: &Ground, keys: u64) -> (f64, f64) {
    let empty = Ground::new(&format!("{MEMORY_MIB}MiB"));
    // What the first upload sets up is no cost of keys.
    let rounds = unless_quick(5, 1);
    let pairs: Vec<_> = (0..=rounds)
        .map(|round| {
            let salt = keys as usize * 100 + round;
            let rate = |ground| uploads(ground, keys, salt).per_second;
            if round % 2 == 0 {
                (rate(ground), rate(&empty))
            } else {
                let empty = rate(&empty);
                (rate(ground), empty)
            }
        })
        .skip(1)
        .collect();
    let filled = median(pairs.iter().map(|pair| pair.0));
    let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1));
    println!("{keys:>10} keys: {filled:>8.0} PUT/s, {ratio:.2} of an empty store");
    record::point(Chart::PutsByKeys, "among so many keys", keys as f64, filled);
    record::point(Chart::PutsByKeys, "empty store beside it", keys as f64, filled / ratio);
    (filled, ratio)
}

/// Milliseconds for pages at the start of so many keys, halfway, and at their end: flat, and by delimiter.
fn pages_at(ground: &Ground, keys: u64) -> [[f64; 3]; 2] {
    let client = ground.server.client();
    [("flat", "", PAGE), ("delimiter", "/", PAGE * PER_DIRECTORY)].map(|(kind, delimiter, span)| {
        let afters = [String::new(), key(keys / 2), key(keys.saturating_sub(span + 1))];
        let times = afters.map(|after| page(&client, delimiter, &after));
        let [first, halfway, last] = times;
        println!("{:>10}       page {kind}: first {first:.2} ms, halfway {halfway:.2}, last {last:.2}", "");
        record::point(Chart::PagesByKeys, &format!("{kind}, first page"), keys as f64, first);
        record::point(Chart::PagesByKeys, &format!("{kind}, halfway"), keys as f64, halfway);
        times
    })
}

/// Seconds from the start of a killed gateway to its first answer. It is killed in the midst of uploads.
fn start_after_crash(ground: &mut Ground) -> f64 {
    let client = ground.server.client();
    std::thread::scope(|scope| {
        for thread in 0..CLIENTS {
            let (client, length) = (&client, if thread % 8 == 0 { 4 << 20 } else { 4 << 10 });
            scope.spawn(move || {
                let body = noise(thread as u64, length);
                let mut number = 0;
                while client
                    .call("PUT", &format!("/bench/crash/{thread}-{number}"))
                    .body(body.clone())
                    .try_send()
                    .is_ok()
                {
                    number += 1;
                }
            });
        }
        std::thread::sleep(Duration::from_secs_f64(unless_quick(3.0, 0.5)));
        ground.server.kill();
    });
    let begun = Instant::now();
    ground.server.restart();
    ground.server.client().get("/bench?list-type=2&max-keys=1").expect(200);
    begun.elapsed().as_secs_f64()
}

/// Deletes everything, page by page; how many objects there were.
fn empty(client: &Client) -> usize {
    let mut count = 0;
    loop {
        let keys = client.get(&format!("/bench?list-type=2&max-keys={PAGE}")).expect(200).all("Key");
        if keys.is_empty() {
            return count;
        }
        count += keys.len();
        let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        let body = format!("<Delete><Quiet>true</Quiet>{objects}</Delete>");
        let md5 = STANDARD.encode(Md5::digest(&body));
        let answer = client.call("POST", "/bench?delete").header("content-md5", md5).body(body).send();
        assert!(answer.expect(200).all("Error").is_empty(), "all are deleted");
    }
}

fn main() {
    let keys: u64 = measure::option("--keys").unwrap_or(unless_quick(1_000_000, 20_000));
    let mut ground = Ground::new(&format!("{MEMORY_MIB}MiB"));
    let (mut filled, mut grown, mut fill_time) = (0, 0, Duration::ZERO);
    let (mut rate, mut ratio, mut pages) = Default::default();
    for target in [0, keys / 8, keys / 4, keys / 2, keys] {
        let begun = Instant::now();
        grown += fill(&mut ground, filled, target);
        (filled, fill_time) = (target, fill_time + begun.elapsed());
        (rate, ratio) = uploads_at(&ground, target);
        pages = pages_at(&ground, target);
    }
    let with = format!("{keys} keys");
    record::row("PUT 4 KiB, 64 clients", &with, "/s", rate, Some((rate / ratio, "an empty store beside it")));
    for (kind, [first, halfway, last]) in ["flat", "by delimiter"].into_iter().zip(pages) {
        for (place, time) in [("halfway", halfway), ("at the end", last)] {
            let with = format!("{with}, {place}");
            record::row(&format!("page of {PAGE}, {kind}"), &with, "ms", time, Some((first, "the first page")));
        }
    }
    let each = grown as f64 / keys as f64;
    println!("filled in {:.1} s; database: {each:.0} bytes for each object without a body", fill_time.as_secs_f64());
    record::row("database, for each key", &with, "bytes", each, None);

    let seconds = start_after_crash(&mut ground);
    println!("first answer after kill -9: {seconds:.2} s");
    record::row("start after kill -9", &with, "s", seconds, None);

    // Started just now, so that the peak is of this alone.
    let begun = Instant::now();
    let count = empty(&ground.server.client());
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    let peak = process_memory_kib(ground.server.pid(), "VmHWM") as f64 / 1024.0;
    println!("{count} objects deleted, {rate:.0} a second; peak {peak:.1} MiB of {}", MEMORY_MIB + FIXED_MIB);
    record::row("emptying a bucket, 1,000 keys each", &with, "/s", rate, None);
    let allowed = Some(((MEMORY_MIB + FIXED_MIB) as f64, "--memory and 32 MiB, not to be exceeded"));
    record::row("emptying a bucket, 1,000 keys each", &with, "MiB", peak, allowed);
}
