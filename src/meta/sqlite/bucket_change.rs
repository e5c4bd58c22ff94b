//! Buckets as they change: created, configured, removed.

use rusqlite::params;

use super::bucket::{find, versioning};
use super::failure::Failure;
use super::transaction::Transaction;
use super::{document, event, row, sql, usage, version};
use crate::limits::BUCKETS_PER_OWNER_MAX;
use crate::meta::{MetaError, NewBucket};
use crate::rules::{Growth, Versioning, lock};
use crate::types::{Bucket, BucketId, DocumentKind};

/// Creates a bucket.
pub(super) fn create(tx: &Transaction<'_>, new: &NewBucket) -> Result<Bucket, Failure> {
    const OWNED: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM bucket WHERE owner = ?1 LIMIT ?2)";
    const INSERT: &str = "INSERT INTO bucket (name, owner, created, location, versioning) VALUES (?1, ?2, ?3, ?4, ?5)";
    let connection = tx.connection();
    if let Some(existing) = find(connection, &new.name)? {
        return Err(MetaError::BucketExists { owner: existing.owner }.into());
    }
    let owned = params![new.owner.0, BUCKETS_PER_OWNER_MAX];
    let owned = sql::first(connection, OWNED, owned, |row| Ok(row.get::<_, u32>(0)?))?;
    if owned >= Some(BUCKETS_PER_OWNER_MAX) {
        return Err(MetaError::TooManyBuckets.into());
    }
    let state = row::versioning_code(new.versioning);
    let values = params![new.name.as_str(), new.owner.0, new.now.0, new.location, state];
    sql::execute(connection, INSERT, values)?;
    let id = BucketId(connection.last_insert_rowid());
    sql::execute(connection, "INSERT INTO bucket_usage (bucket_id, bytes, objects) VALUES (?1, 0, 0)", [id.0])?;
    for (kind, body) in &new.documents.0 {
        set_document(tx, id, *kind, Some(body))?;
    }
    find(connection, &new.name)?.ok_or(Failure::Corrupt("new bucket"))
}

/// Removes an empty bucket.
pub(super) fn delete(tx: &Transaction<'_>, bucket: BucketId) -> Result<(), Failure> {
    const IN_USE: &str = "SELECT EXISTS (SELECT 1 FROM version WHERE bucket_id = ?1)";
    // Statements over all of them at once, so that memory does not grow with their number. Only an upload
    // refers to its manifest.
    const RELEASE_UPLOADS: &str = "INSERT INTO garbage_manifest (manifest_id)
        SELECT manifest_id FROM upload WHERE bucket_id = ?1";
    const UPLOADS: &str = "SELECT owner, SUM(bytes) FROM upload WHERE bucket_id = ?1 GROUP BY owner";
    const UNREFER_UPLOADS: &str = "UPDATE manifest SET refs = refs - 1 WHERE id IN
        (SELECT manifest_id FROM upload WHERE bucket_id = ?1)";
    let connection = tx.connection();
    versioning(connection, bucket)?;
    if sql::first(connection, IN_USE, [bucket.0], |row| Ok(row.get(0)?))? == Some(true) {
        return Err(MetaError::BucketNotEmpty.into());
    }
    let freed = sql::all(connection, UPLOADS, [bucket.0], |row| Ok((version::read_owner(row)?, row::count(row, 1)?)))?;
    for (owner, bytes) in &freed {
        usage::count_growth(tx, (bucket, owner.as_ref()), Growth::of_bytes(*bytes).reversed())?;
    }
    sql::execute(connection, UNREFER_UPLOADS, [bucket.0])?;
    sql::execute(connection, RELEASE_UPLOADS, [bucket.0])?;
    sql::execute(connection, "DELETE FROM upload WHERE bucket_id = ?1", [bucket.0])?;
    sql::execute(connection, "DELETE FROM bucket_document WHERE bucket_id = ?1", [bucket.0])?;
    usage::forget_bucket(tx, bucket)?;
    sql::execute(connection, "DELETE FROM bucket WHERE id = ?1", [bucket.0])?;
    Ok(())
}

/// Sets the versioning state of a bucket.
pub(super) fn set_versioning(tx: &Transaction<'_>, bucket: BucketId, state: Versioning) -> Result<(), Failure> {
    const UPDATE: &str = "UPDATE bucket SET versioning = ?2, generation = generation + 1 WHERE id = ?1";
    let has_lock = document::find(tx.connection(), bucket, DocumentKind::ObjectLock)?.is_some();
    lock::judge_versioning(state, has_lock).map_err(MetaError::BucketState)?;
    let updated = sql::execute(tx.connection(), UPDATE, [bucket.0, row::versioning_code(state)])?;
    if updated == 0 { Err(MetaError::NoSuchBucket.into()) } else { Ok(()) }
}

/// Replaces a document, or removes it; `NoSuchBucket`.
pub(super) fn set_document(
    tx: &Transaction<'_>,
    bucket: BucketId,
    kind: DocumentKind,
    body: Option<&[u8]>,
) -> Result<(), Failure> {
    const CHANGED: &str = "UPDATE bucket SET generation = generation + 1 WHERE id = ?1";
    const REPLACE: &str = "INSERT OR REPLACE INTO bucket_document (bucket_id, kind, body) VALUES (?1, ?2, ?3)";
    const REMOVE: &str = "DELETE FROM bucket_document WHERE bucket_id = ?1 AND kind = ?2";
    let connection = tx.connection();
    if kind == DocumentKind::ObjectLock {
        let state = versioning(connection, bucket)?;
        lock::judge_lock(state, body.is_some()).map_err(MetaError::BucketState)?;
    }
    if sql::execute(connection, CHANGED, [bucket.0])? == 0 {
        return Err(MetaError::NoSuchBucket.into());
    }
    usage::reopen(tx, bucket)?;
    match body {
        Some(body) => sql::execute(connection, REPLACE, params![bucket.0, kind.name(), body])?,
        None => sql::execute(connection, REMOVE, params![bucket.0, kind.name()])?,
    };
    if kind == DocumentKind::Notification { event::tell_test(tx, bucket) } else { Ok(()) }
}
