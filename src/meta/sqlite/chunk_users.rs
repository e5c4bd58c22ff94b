//! Whose bytes are in which chunk. Nothing leads from a chunk to those who use it: that is asked so seldom that no write
//! pays for an index, so the tables are walked once for many chunks.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{array, count, key, version_id};
use super::transaction::Transaction;
use super::upload::{self, UploadName};
use super::{retiring, sql, undelete, version};
use crate::meta::{BodyUse, ChunkUse, ChunkUser, LostBody};
use crate::rules::lock;
use crate::types::{BucketId, BucketName, ChunkId, ObjectKey, Timestamp, UploadId};

/// Finds the manifests that lead to the chunks of a JSON list, `hit (chunk, manifest)`.
const HIT: &str = "WITH direct (chunk, manifest) AS MATERIALIZED (
        SELECT DISTINCT chunk_id, manifest_id FROM extent WHERE chunk_id IN (SELECT value FROM json_each(?1))),
    hit (chunk, manifest) AS MATERIALIZED (
        SELECT chunk, manifest FROM direct
        UNION SELECT d.chunk, p.manifest_id FROM part p JOIN direct d ON d.manifest = p.body_manifest)";

/// Who has bytes in these chunks.
pub(super) fn uses(connection: &Connection, chunks: &[ChunkId], max: u32) -> Result<Vec<ChunkUse>, Failure> {
    let query = format!(
        "{HIT}
        SELECT h.chunk, b.name, v.key, 0, -v.rank, v.salt, NULL
            FROM version v JOIN hit h ON h.manifest = v.manifest_id JOIN bucket b ON b.id = v.bucket_id
        UNION ALL SELECT h.chunk, b.name, u.key, 1, 0, NULL, u.id
            FROM upload u JOIN hit h ON h.manifest = u.manifest_id JOIN bucket b ON b.id = u.bucket_id
        UNION ALL SELECT h.chunk, r.bucket_name, r.key, 2, r.id, NULL, NULL
            FROM retained r JOIN hit h ON h.manifest = r.manifest_id
        ORDER BY 1, 2, 3, 4, 5 LIMIT ?2"
    );
    sql::all(connection, &query, params![json_list(chunks), max], read_use)
}

fn read_use(row: &Row<'_>) -> Result<ChunkUse, Failure> {
    let BodyUse { bucket, key, of } = read_use_at(row, 1)?;
    Ok(ChunkUse { chunk: ChunkId::from_i64(row.get(0)?), bucket, key, of })
}

/// Somebody who has a body, from six columns: bucket, key, kind, order, salt, upload.
pub(super) fn read_use_at(row: &Row<'_>, first: usize) -> Result<BodyUse, Failure> {
    let name: String = row.get(first)?;
    let bucket = BucketName::parse(&name).map_err(|_| Failure::Corrupt("bucket name"))?;
    let of = match row.get::<_, i64>(first + 2)? {
        0 => ChunkUser::Version(version_id(count(row, first + 3)?, row.get(first + 4)?)),
        1 => ChunkUser::Upload(UploadId(array(row, first + 5)?)),
        _ => ChunkUser::Retained(count(row, first + 3)?),
    };
    Ok(BodyUse { bucket, key: key(row, first + 1)?, of })
}

fn json_list(chunks: &[ChunkId]) -> String {
    let ids: Vec<String> = chunks.iter().map(|chunk| chunk.to_i64().to_string()).collect();
    format!("[{}]", ids.join(","))
}

/// What of a key has bytes in a lost chunk, with the number that finds its row.
struct Loser {
    found: ChunkUse,
    bucket: BucketId,
    order: u64,
}

/// Removes everything that has bytes in one of these chunks, but for locked versions.
pub(super) fn drop_users(
    tx: &Transaction<'_>,
    chunks: &[ChunkId],
    lock_time: Timestamp,
) -> Result<Vec<LostBody>, Failure> {
    let mut lost = Vec::new();
    for Loser { found, bucket, order } in losers(tx.connection(), chunks)? {
        let is_kept = match found.of {
            ChunkUser::Version(_) => !drop_version(tx, bucket, &found.key, order, lock_time)?,
            ChunkUser::Upload(id) => {
                upload::abort(tx, UploadName { bucket, key: &found.key, id })?;
                false
            }
            ChunkUser::Retained(id) => {
                undelete::remove(tx, id)?;
                false
            }
        };
        lost.push(LostBody { bucket: found.bucket, key: found.key, of: found.of, is_kept });
    }
    Ok(lost)
}

/// False if a lock holds it.
fn drop_version(
    tx: &Transaction<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    order: u64,
    lock_time: Timestamp,
) -> Result<bool, Failure> {
    let row = version::by_order(tx.connection(), bucket, key, order)?.ok_or(Failure::Corrupt("version"))?;
    let attributes = version::metadata_of(tx.connection(), bucket, key, &row)?.attributes;
    if lock::judge_removal(&attributes, false, lock_time).is_err() {
        return Ok(false);
    }
    retiring::remove(tx, bucket, key, &row)?;
    Ok(true)
}

/// Each once, however many of the chunks it has bytes in.
fn losers(connection: &Connection, chunks: &[ChunkId]) -> Result<Vec<Loser>, Failure> {
    let query = format!(
        "{HIT}
        SELECT DISTINCT 0, b.name, v.key, 0, -v.rank, v.salt, NULL, b.id
            FROM version v JOIN hit h ON h.manifest = v.manifest_id JOIN bucket b ON b.id = v.bucket_id
        UNION ALL SELECT DISTINCT 0, b.name, u.key, 1, 0, NULL, u.id, b.id
            FROM upload u JOIN hit h ON h.manifest = u.manifest_id JOIN bucket b ON b.id = u.bucket_id
        UNION ALL SELECT DISTINCT 0, r.bucket_name, r.key, 2, r.id, NULL, NULL, r.bucket_id
            FROM retained r JOIN hit h ON h.manifest = r.manifest_id
        ORDER BY 2, 3, 4, 5"
    );
    sql::all(connection, &query, [json_list(chunks)], |row| {
        Ok(Loser { found: read_use(row)?, bucket: BucketId(row.get(7)?), order: count(row, 4)? })
    })
}
