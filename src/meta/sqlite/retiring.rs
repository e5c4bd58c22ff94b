//! Versions that go: for good, or kept restorable for a while.

use rusqlite::params;

use super::book::BucketPage;
use super::failure::Failure;
use super::row::signed;
use super::transaction::Transaction;
use super::version::{VersionRow, read_owner};
use super::{body, sql, usage};
use crate::meta::MetaError;
use crate::rules::Growth;
use crate::types::{BucketId, ObjectKey, Timestamp};

/// Takes a version away: it stays restorable if the bucket says so, and is removed otherwise.
pub(super) fn retire(
    tx: &Transaction<'_>,
    bucket: BucketId,
    key: &ObjectKey,
    row: &VersionRow,
    now: Timestamp,
) -> Result<(), Failure> {
    let page = usage::bucket_page(tx, bucket)?.ok_or(MetaError::NoSuchBucket)?;
    match page.undelete.keeps(row.id(), row.is_delete_marker, now) {
        None => remove(tx, bucket, key, row),
        Some(until) => retain(tx, (bucket, &page), key, row, (now, until)),
    }
}

fn retain(
    tx: &Transaction<'_>,
    (bucket, page): (BucketId, &BucketPage),
    key: &ObjectKey,
    row: &VersionRow,
    (now, until): (Timestamp, Timestamp),
) -> Result<(), Failure> {
    const RETAIN: &str = "INSERT INTO retained
        (id, bucket_id, bucket_name, key, size, modified, etag, etag_parts, storage_class, checksum, manifest_id,
         owner, deleted, until)
        SELECT -rank, bucket_id, ?4, key, size, modified, etag, etag_parts, storage_class, checksum, manifest_id,
            IFNULL(owner, ?5), ?6, ?7
        FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank = ?3";
    const VERSION: &str = "DELETE FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank = ?3 RETURNING owner";
    let connection = tx.connection();
    let (name, rank) = (key.as_str().as_bytes(), -signed(row.order));
    sql::execute(connection, RETAIN, params![bucket.0, name, rank, page.name, page.owner.0, now.0, until.0])?;
    let owner = sql::first(connection, VERSION, params![bucket.0, name, rank], read_owner)?.flatten();
    let growth = Growth::of_version(row.size).reversed().and(Growth::of_bytes(row.size));
    usage::count_growth(tx, (bucket, owner.as_ref()), growth)
}

/// Removes a version for good: its rows, and its reference to a manifest. What a client deletes or overwrites
/// goes through `retire`.
pub(super) fn remove(tx: &Transaction<'_>, bucket: BucketId, key: &ObjectKey, row: &VersionRow) -> Result<(), Failure> {
    const VERSION: &str = "DELETE FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank = ?3 RETURNING owner";
    let connection = tx.connection();
    let name = params![bucket.0, key.as_str().as_bytes(), -signed(row.order)];
    let owner = sql::first(connection, VERSION, name, read_owner)?.flatten();
    if !row.is_delete_marker {
        usage::count_growth(tx, (bucket, owner.as_ref()), Growth::of_version(row.size).reversed())?;
        sql::execute(connection, "DELETE FROM side WHERE id = ?1", [signed(row.order)])?;
    }
    row.manifest.map_or(Ok(()), |manifest| body::release(tx, manifest))
}
