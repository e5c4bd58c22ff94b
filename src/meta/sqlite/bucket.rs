//! Buckets: creating, finding, listing and removing them, and their versioning state.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::failure::Failure;
use super::transaction::Transaction;
use super::{document, row, sql, usage, version};
use crate::limits::BUCKETS_PER_OWNER_MAX;
use crate::meta::{MetaError, NewBucket};
use crate::rules::{Growth, Versioning, lock};
use crate::types::{Bucket, BucketId, BucketListing, BucketName, DocumentKind, OwnerId, Timestamp};

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
        document::set(tx, id, *kind, Some(body))?;
    }
    find(connection, &new.name)?.ok_or(Failure::Corrupt("new bucket"))
}

/// Finds a bucket by its name.
pub(super) fn find(connection: &Connection, name: &BucketName) -> Result<Option<Bucket>, Failure> {
    const FIND: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket WHERE name = ?1";
    sql::first(connection, FIND, [name.as_str()], read)
}

/// Reads a `Bucket` from columns id, name, owner, created, location, generation.
pub(super) fn read(row: &Row<'_>) -> Result<Bucket, Failure> {
    let name = row.get_ref(1)?.as_str().map_err(|_| Failure::Corrupt("bucket name"))?;
    Ok(Bucket {
        id: BucketId(row.get(0)?),
        name: BucketName::parse(name).map_err(|_| Failure::Corrupt("bucket name"))?,
        owner: OwnerId(row.get(2)?),
        created: Timestamp(row.get(3)?),
        location: row.get(4)?,
        generation: row::unsigned(row.get(5)?)?,
        is_versioned: row::versioning(row.get(6)?)? != Versioning::Unversioned,
    })
}

/// A page of buckets by name.
pub(super) fn list(
    connection: &Connection,
    owner: Option<&OwnerId>,
    (prefix, after): (&str, &str),
    max: u32,
) -> Result<BucketListing, Failure> {
    const EVERYBODY: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket
        WHERE name >= ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    const OWNED: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket
        WHERE name >= ?1 AND name > ?2 AND owner = ?4 ORDER BY name LIMIT ?3";
    let mut listing = BucketListing::default();
    if max == 0 {
        return Ok(listing);
    }
    let one_more = i64::from(max) + 1;
    let mut statement = connection.prepare_cached(if owner.is_some() { OWNED } else { EVERYBODY })?;
    let mut rows = match owner {
        Some(owner) => statement.query(params![prefix, after, one_more, owner.0])?,
        None => statement.query(params![prefix, after, one_more])?,
    };
    while let Some(row) = rows.next()? {
        let bucket = read(row)?;
        // Names with the prefix are neighbours, so the first without it ends them.
        if !bucket.name.as_str().starts_with(prefix) {
            break;
        }
        if listing.buckets.len() == max as usize {
            listing.next_after = listing.buckets.last().map(|last| last.name.as_str().to_owned());
            break;
        }
        listing.buckets.push(bucket);
    }
    Ok(listing)
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

/// The versioning state of a bucket; `NoSuchBucket`.
pub(super) fn versioning(connection: &Connection, bucket: BucketId) -> Result<Versioning, Failure> {
    let mut statement = connection.prepare_cached("SELECT versioning FROM bucket WHERE id = ?1")?;
    let code: Option<i64> = statement.query_row([bucket.0], |row| row.get(0)).optional()?;
    row::versioning(code.ok_or(MetaError::NoSuchBucket)?)
}

/// Sets the versioning state of a bucket.
pub(super) fn set_versioning(tx: &Transaction<'_>, bucket: BucketId, state: Versioning) -> Result<(), Failure> {
    const UPDATE: &str = "UPDATE bucket SET versioning = ?2, generation = generation + 1 WHERE id = ?1";
    let has_lock = document::find(tx.connection(), bucket, DocumentKind::ObjectLock)?.is_some();
    lock::judge_versioning(state, has_lock).map_err(MetaError::BucketState)?;
    let updated = sql::execute(tx.connection(), UPDATE, [bucket.0, row::versioning_code(state)])?;
    if updated == 0 { Err(MetaError::NoSuchBucket.into()) } else { Ok(()) }
}
