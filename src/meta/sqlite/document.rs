//! Documents of buckets.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::row::blob;
use super::transaction::Transaction;
use super::{bucket, event, sql, usage};
use crate::meta::MetaError;
use crate::rules::{ObjectLock, lock};
use crate::types::{BucketDocument, BucketId, DocumentKind, Documents};

/// All documents of a bucket; `NoSuchBucket`.
pub(super) fn all(connection: &Connection, bucket: BucketId) -> Result<Documents, Failure> {
    const ALL: &str = "SELECT kind, body FROM bucket_document WHERE bucket_id = ?1";
    bucket::versioning(connection, bucket)?;
    let rows = sql::all(connection, ALL, [bucket.0], |row| {
        let kind = row.get_ref(0)?.as_str().ok().and_then(DocumentKind::parse);
        Ok((kind.ok_or(Failure::Corrupt("document kind"))?, Arc::from(blob(row, 1)?)))
    })?;
    Ok(Documents(rows.into_iter().collect()))
}

/// The document of that kind.
pub(super) fn find(connection: &Connection, bucket: BucketId, kind: DocumentKind) -> Result<Option<Vec<u8>>, Failure> {
    const FIND: &str = "SELECT body FROM bucket_document WHERE bucket_id = ?1 AND kind = ?2";
    sql::first(connection, FIND, params![bucket.0, kind.name()], |row| Ok(blob(row, 0)?.to_vec()))
}

/// The object lock of a bucket.
pub(super) fn object_lock(connection: &Connection, bucket: BucketId) -> Result<Option<ObjectLock>, Failure> {
    let body = find(connection, bucket, DocumentKind::ObjectLock)?;
    body.map(|body| ObjectLock::from_document(&body).ok_or(Failure::Corrupt("object lock"))).transpose()
}

/// Replaces a document, or removes it; `NoSuchBucket`.
pub(super) fn set(
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
        let state = bucket::versioning(connection, bucket)?;
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

/// Buckets with a document of that kind, and the document.
pub(super) fn buckets_with(
    connection: &Connection,
    kind: DocumentKind,
    max: u32,
) -> Result<Vec<BucketDocument>, Failure> {
    const FIND: &str = "SELECT b.id, b.name, b.owner, b.created, b.location, b.generation, b.versioning, d.body
        FROM bucket_document d JOIN bucket b ON b.id = d.bucket_id WHERE d.kind = ?1 ORDER BY b.id LIMIT ?2";
    sql::all(connection, FIND, params![kind.name(), max], |row| {
        Ok(BucketDocument { bucket: bucket::read(row)?, body: Arc::from(blob(row, 7)?) })
    })
}
