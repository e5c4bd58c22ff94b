//! Documents of buckets.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::row::blob;
use super::{bucket, sql};
use crate::rules::ObjectLock;
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
