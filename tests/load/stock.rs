//! What a server has to stand: a million keys, and an upload of ten thousand parts.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::spawn;
use crate::support::{Client, Server, noise};

/// Keys of the bucket `many`, in directories of `PER_DIRECTORY`.
pub const KEYS: usize = 1_000_000;
pub const PER_DIRECTORY: usize = 1_000;
/// Most parts that an upload has.
pub const PARTS: usize = 10_000;
const PART_BYTES: usize = 5 * 1024 * 1024;

/// The key of that number.
pub fn key(number: usize) -> String {
    format!("{:03}/{:03}", number / PER_DIRECTORY, number % PER_DIRECTORY)
}

/// Fills the bucket `many`. A million requests would take longer than everything else here: the first key is put, the
/// others are rows like its own.
pub fn fill_many(server: &mut Server) {
    server.client().bucket("many");
    server.client().put(&format!("/many/{}", key(0)), "").expect(200);
    assert!(server.stop().success());
    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    let script = format!(
        "BEGIN;
         CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {last})
             SELECT i FROM n;
         CREATE TEMP TABLE first AS SELECT v.*, b.owner AS pays FROM version v JOIN bucket b ON b.id = v.bucket_id
             WHERE b.name = 'many';
         INSERT INTO side (id, sha256, checksum, checksum_parts, metadata, data)
             SELECT s.id + i, s.sha256, s.checksum, s.checksum_parts, s.metadata, s.data
             FROM n, side s WHERE s.id = (SELECT -rank FROM first);
         INSERT INTO version (bucket_id, key, rank, delete_marker, size, modified, etag, storage_class, checksum)
             SELECT bucket_id, CAST(printf('%03d/%03d', i / {directory}, i % {directory}) AS BLOB), rank - i,
                 delete_marker, size, modified, etag, storage_class, checksum
             FROM n, first;
         UPDATE state SET value = value + {last} WHERE name = 'order';
         UPDATE bucket_usage SET objects = objects + {last} WHERE bucket_id = (SELECT bucket_id FROM first);
         UPDATE owner_usage SET objects = objects + {last} WHERE owner = (SELECT pays FROM first);
         COMMIT;",
        last = KEYS - 1,
        directory = PER_DIRECTORY,
    );
    database.execute_batch(&script).expect("rows like the first");
    drop(database);
    server.restart();
}

/// Begins an upload of as many parts as there may be, and gives its completion: target and body.
pub fn begin_upload(client: &Client) -> (String, String) {
    client.put("/load/part", noise(4, PART_BYTES)).expect(200);
    let id = client.post("/load/whole?uploads", "").expect(200).one("UploadId");
    let next = AtomicUsize::new(1);
    let etags = std::sync::Mutex::new(vec![String::new(); PARTS]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            spawn(scope, || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > PARTS {
                        break;
                    }
                    let target = format!("/load/whole?partNumber={number}&uploadId={id}");
                    let copy = client.call("PUT", &target).header("x-amz-copy-source", "load/part").send().expect(200);
                    etags.lock().unwrap()[number - 1] = copy.one("ETag");
                }
            });
        }
    });
    let etags = etags.into_inner().unwrap();
    let parts = etags.iter().zip(1..);
    let parts = parts.map(|(etag, n)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"));
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    (format!("/load/whole?uploadId={id}"), body)
}
