//! Pages of a large bucket: the store's seeks against `OFFSET` paging and against folding keys one by one.
//!
//! Run with `cargo bench --bench list`; `-- --keys N` chooses the number of keys (default one million),
//! `-- --dir DIR` the disk.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, and stops at the first error"
)]

mod measure;

use std::path::Path;
use std::time::Instant;

use measure::record;
use rusqlite::{Connection, params};
use sluicegate::meta::{MetaStore, NewBucket, SqliteMeta, SqliteSettings};
use sluicegate::types::{BucketId, BucketName, ListQuery, OwnerId, Timestamp};

const PAGE: u32 = 1000;
const ROUNDS: u32 = 20;

/// A thousand keys in each directory, ten of them in each of its own, in order.
fn key(number: u64) -> String {
    format!("backup/{:06}/{:02}/object-{number:010}.bin", number / 1000, number / 10 % 100)
}

/// Rows as the store writes them, but a hundred thousand per transaction.
fn fill(path: &Path, bucket: BucketId, keys: u64) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536").unwrap();
    let mut number = 0;
    while number < keys {
        let transaction = connection.unchecked_transaction().unwrap();
        let end = keys.min(number + 100_000);
        for number in number..end {
            let order = 1_700_000_000_000_000 + number as i64;
            let key = key(number);
            transaction
                .prepare_cached(
                    "INSERT INTO version (bucket_id, key, rank, salt, delete_marker, size, modified, etag, etag_parts,
                         storage_class, checksum, manifest_id)
                     VALUES (?1, ?2, ?3, NULL, 0, 0, ?4, ?5, NULL, 0, 4, NULL)",
                )
                .unwrap()
                .execute(params![bucket.0, key.as_bytes(), -order, order, [number as u8; 16].as_slice()])
                .unwrap();
            transaction
                .prepare_cached("INSERT INTO side (id, sha256, checksum, metadata) VALUES (?1, ?2, ?3, ?4)")
                .unwrap()
                .execute(params![order, [1_u8; 32].as_slice(), [1_u8; 8].as_slice(), [].as_slice()])
                .unwrap();
        }
        transaction.commit().unwrap();
        number = end;
    }
    connection.execute_batch("UPDATE state SET value = 1800000000000000; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Milliseconds per call, the best of `rounds`: others share this machine.
fn best_ms(rounds: u32, mut call: impl FnMut()) -> f64 {
    let time = |()| {
        let start = Instant::now();
        call();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..rounds).map(|_| ()).map(time).fold(f64::INFINITY, f64::min)
}

/// A page by `OFFSET`.
fn offset_page(connection: &Connection, bucket: BucketId, offset: u64) -> usize {
    let sql = "SELECT key, size, etag, modified FROM version
               WHERE bucket_id = ?1 AND delete_marker = 0 ORDER BY key LIMIT ?2 OFFSET ?3";
    let mut statement = connection.prepare_cached(sql).unwrap();
    let rows = statement.query_map(params![bucket.0, PAGE, offset as i64], |row| row.get::<_, Vec<u8>>(0)).unwrap();
    rows.map(Result::unwrap).map(|key| key.len()).sum()
}

/// A page of common prefixes by reading every key and folding it; in this bench all fold at the same byte.
fn folded_page(connection: &Connection, bucket: BucketId, end: usize) -> usize {
    let sql = "SELECT key, size, etag, modified FROM version WHERE bucket_id = ?1 AND delete_marker = 0 ORDER BY key";
    let mut statement = connection.prepare_cached(sql).unwrap();
    let mut rows = statement.query(params![bucket.0]).unwrap();
    let mut prefixes: Vec<Vec<u8>> = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let key = row.get_ref(0).unwrap().as_blob().unwrap();
        if prefixes.last().is_none_or(|last| last != &key[..end]) {
            if prefixes.len() == PAGE as usize {
                break;
            }
            prefixes.push(key[..end].to_vec());
        }
    }
    prefixes.len()
}

fn report(keys: u64, title: &str, store_ms: f64, baseline: &str, baseline_ms: f64) {
    let ratio = baseline_ms / store_ms;
    println!("{title:<34} {store_ms:>10.3} {baseline:>22} {baseline_ms:>10.3} {ratio:>9.2}x");
    record::row(&format!("list page in {keys} keys"), title, "ms", store_ms, Some((baseline_ms, baseline)));
}

fn main() {
    let keys: u64 = measure::option("--keys").unwrap_or(measure::unless_quick(1_000_000, 20_000));
    let directory = measure::scratch();
    let path = directory.path().join("meta.sqlite");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let new = NewBucket::new(BucketName::parse("bench").unwrap(), OwnerId("bench".to_owned()), Timestamp(0));
    let open = || SqliteMeta::open(&path, SqliteSettings::default()).unwrap();
    let id = runtime.block_on(async {
        let store = open();
        let id = store.create_bucket(new).await.unwrap().id;
        store.close().await.unwrap();
        id
    });
    let start = Instant::now();
    fill(&path, id, keys);
    println!("{keys} keys in {:.1} s", start.elapsed().as_secs_f64());

    let store = open();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA cache_size = -1024").unwrap();
    println!("{:<34} {:>10} {:>22} {:>10} {:>10}", "page of 1000", "store ms", "baseline", "ms", "ratio");
    for (title, at) in
        [("flat, at the start", 0), ("flat, in the middle", keys / 2), ("flat, at the end", keys - u64::from(PAGE))]
    {
        let after = at.checked_sub(1).map(key).unwrap_or_default();
        let query = ListQuery { after, max_keys: PAGE, ..ListQuery::default() };
        let store_ms = best_ms(ROUNDS, || {
            let page = runtime.block_on(store.list_objects(id, &query)).unwrap();
            assert_eq!(page.objects.len(), PAGE as usize);
        });
        let offset_ms = best_ms(5, || assert!(offset_page(&connection, id, at) > 0));
        report(keys, title, store_ms, "OFFSET", offset_ms);
    }
    for (title, delimiter, end) in
        [("1000 prefixes of 1000 keys", "/", 14), ("1000 prefixes of 10 keys", "/object", 24)]
    {
        let query = ListQuery {
            prefix: "backup/".to_owned(),
            delimiter: delimiter.to_owned(),
            max_keys: PAGE,
            ..ListQuery::default()
        };
        let mut prefixes = 0;
        let store_ms = best_ms(ROUNDS, || {
            prefixes = runtime.block_on(store.list_objects(id, &query)).unwrap().prefixes.len();
            assert!(prefixes > 0);
        });
        let folded_ms = best_ms(3, || assert_eq!(folded_page(&connection, id, end), prefixes));
        report(keys, title, store_ms, "fold every key", folded_ms);
    }
    let query = ListQuery { delimiter: "/".to_owned(), max_keys: PAGE, ..ListQuery::default() };
    let store_ms = best_ms(ROUNDS, || {
        let page = runtime.block_on(store.list_objects(id, &query)).unwrap();
        assert_eq!(page.prefixes, ["backup/"]);
    });
    let scan = "SELECT COUNT(DISTINCT substr(key, 1, 7)) FROM version WHERE bucket_id = ?1";
    let scan_ms = best_ms(3, || {
        let prefixes: i64 = connection.query_row(scan, [id.0], |row| row.get(0)).unwrap();
        assert_eq!(prefixes, 1);
    });
    report(keys, "1 prefix of all keys", store_ms, "full scan", scan_ms);
    runtime.block_on(store.close()).unwrap();
}
