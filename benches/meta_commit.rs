//! Durable commits per second: the store's group commit against one SQLite transaction per row.
//!
//! Both sides write the same rows into the same schema with the same pragmas in the same run, so that the
//! ratio says something about the store and not about the disk. Run with `cargo bench --bench meta_commit`;
//! `-- --dir DIR` chooses the disk, `-- --seconds N` the length of each measurement.

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

use measure::{Cost, cost, record};
use rusqlite::{Connection, params};
use sluicegate::meta::{CommitPut, MetaStore, NewBody, NewBucket, SqliteMeta, SqliteSettings};
use sluicegate::rules::WritePrecondition;
use sluicegate::types::{
    BucketId, BucketName, ChecksumAlgorithm, ChecksumValue, ContentHeaders, ETag, ObjectChecksum, ObjectKey,
    ObjectMetadata, OwnerId, StorageClass, Timestamp, UserMetadata,
};

/// One measurement.
struct Measured {
    rows: u64,
    cost: Cost,
}

impl Measured {
    fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.cost.wall_seconds
    }

    fn cpu_micros_per_row(&self) -> f64 {
        self.cost.cpu_seconds * 1e6 / self.rows as f64
    }
}

fn measured(seconds: f64, run: impl FnOnce(Duration) -> u64) -> Measured {
    let (rows, cost) = cost(|| run(Duration::from_secs_f64(seconds)));
    Measured { rows, cost }
}

/// Keys as clients make them: a directory of a few, a name that is unique and falls anywhere in it.
fn key(number: u64) -> String {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!("photos/2024/{:02x}/{scattered:016x}-{number:08}.jpg", scattered >> 56)
}

fn put(bucket: BucketId, number: u64, body_bytes: usize) -> CommitPut {
    let metadata = ObjectMetadata {
        content: ContentHeaders { content_type: Some("image/jpeg".to_owned()), ..ContentHeaders::default() },
        user: UserMetadata(vec![("mtime".to_owned(), "1700000000.123456789".to_owned())]),
        storage_class: StorageClass::Standard,
        ..ObjectMetadata::default()
    };
    CommitPut {
        bucket,
        key: ObjectKey::parse(key(number)).unwrap(),
        precondition: WritePrecondition::default(),
        size: body_bytes as u64,
        etag: ETag::single([number as u8; 16]),
        sha256: Some([number as u8; 32]),
        checksum: ChecksumValue::new(ChecksumAlgorithm::Crc64Nvme, vec![1; 8]).map(ObjectChecksum::full),
        metadata,
        body: NewBody::Inline(vec![number as u8; body_bytes].into()),
        now: Timestamp(1_700_000_000_000_000),
    }
}

async fn bucket(store: &SqliteMeta) -> BucketId {
    let new = NewBucket::new(BucketName::parse("bench").unwrap(), OwnerId("bench".to_owned()), Timestamp(0));
    store.create_bucket(new).await.unwrap().id
}

/// The store, with `requesters` tasks that each wait for their commit before they send the next.
fn run_store(path: &Path, requesters: usize, body_bytes: usize, seconds: f64) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Arc::new(SqliteMeta::open(path, SqliteSettings::default()).unwrap());
    let id = runtime.block_on(bucket(&store));
    let numbers = Arc::new(AtomicU64::new(0));
    let measured = measured(seconds, |length| {
        let end = Instant::now() + length;
        let tasks: Vec<_> = (0..requesters)
            .map(|_| {
                let (store, numbers) = (Arc::clone(&store), Arc::clone(&numbers));
                runtime.spawn(async move {
                    let mut rows = 0;
                    while Instant::now() < end {
                        let number = numbers.fetch_add(1, Ordering::Relaxed);
                        store.commit_put(put(id, number, body_bytes)).await.unwrap();
                        rows += 1;
                    }
                    rows
                })
            })
            .collect();
        tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).sum()
    });
    runtime.block_on(store.close()).unwrap();
    measured
}

/// What one would write without a store: the same two rows in a transaction of their own.
fn run_plain(path: &Path, body_bytes: usize, seconds: f64) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let id = runtime.block_on(async {
        let store = SqliteMeta::open(path, SqliteSettings::default()).unwrap();
        let id = bucket(&store).await;
        store.close().await.unwrap();
        id
    });
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -4096; PRAGMA foreign_keys = ON").unwrap();
    measured(seconds, |length| {
        let end = Instant::now() + length;
        let mut rows = 0;
        while Instant::now() < end {
            insert_plain(&connection, &put(id, rows, body_bytes), rows);
            rows += 1;
        }
        rows
    })
}

fn insert_plain(connection: &Connection, put: &CommitPut, number: u64) {
    let NewBody::Inline(data) = &put.body else { unreachable!("bodies are inline here") };
    let order = put.now.0 + number as i64;
    let transaction = connection.unchecked_transaction().unwrap();
    transaction
        .prepare_cached(
            "INSERT INTO version (bucket_id, key, rank, salt, delete_marker, size, modified, etag, etag_parts,
                 storage_class, checksum, manifest_id)
             VALUES (?1, ?2, ?3, NULL, 0, ?4, ?5, ?6, NULL, 0, 4, NULL)",
        )
        .unwrap()
        .execute(params![
            put.bucket.0,
            put.key.as_str().as_bytes(),
            -order,
            put.size as i64,
            put.now.0,
            put.etag.md5.as_slice()
        ])
        .unwrap();
    transaction
        .prepare_cached(
            "INSERT INTO side (id, sha256, checksum, checksum_parts, metadata, data) VALUES (?1, ?2, ?3, NULL, ?4, ?5)",
        )
        .unwrap()
        .execute(params![order, [1_u8; 32].as_slice(), [1_u8; 8].as_slice(), [1_u8; 40].as_slice(), data.as_ref()])
        .unwrap();
    transaction.commit().unwrap();
}

fn main() {
    let seconds = measure::option("--seconds").unwrap_or(measure::unless_quick(3.0, 0.3));
    println!("{:<28} {:>12} {:>14} {:>10} {:>10}", "", "rows/s", "CPU us/row", "rows", "ratio");
    for (title, body_bytes) in [("row of about 300 B", 100), ("inline body of 4 KiB", 4096)] {
        let directory = measure::scratch();
        let plain = run_plain(&directory.path().join("meta.sqlite"), body_bytes, seconds);
        println!("{title}");
        report("  one transaction per row", &plain, &plain);
        for requesters in [1, 16, 64, 256] {
            let directory = measure::scratch();
            let store = run_store(&directory.path().join("meta.sqlite"), requesters, body_bytes, seconds);
            report(&format!("  store, {requesters} requesters"), &store, &plain);
            let (work, with) = (format!("durable commits, {title}"), format!("{requesters} at a time"));
            let floor = Some((plain.rows_per_second(), "SQLite, a transaction for each row"));
            record::row(&work, &with, "/s", store.rows_per_second(), floor);
        }
    }
}

fn report(title: &str, measured: &Measured, baseline: &Measured) {
    let ratio = measured.rows_per_second() / baseline.rows_per_second();
    println!(
        "{title:<28} {:>12.0} {:>14.1} {:>10} {ratio:>9.2}x",
        measured.rows_per_second(),
        measured.cpu_micros_per_row(),
        measured.rows
    );
}
