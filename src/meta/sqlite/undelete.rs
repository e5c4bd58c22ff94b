//! Versions that were deleted or overwritten and can be restored: kept in a table of their own, so that nothing
//! that reads versions sees them.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::metadata::{metadata, metadata_blob};
use super::row::{blob, count, etag, key, signed};
use super::transaction::Transaction;
use super::version::Before;
use super::{body, bucket, event, placing, sql, usage, version};
use crate::meta::{MetaError, PutOutcome, RestoreVersion, RetainedEnvelope, RetainedQuery, RetainedVersion};
use crate::rules::{Growth, Undelete, Versioning};
use crate::types::{BucketId, BucketName, EventKind, ObjectKey, OwnerId, StorageClass, Timestamp};

/// A page of restorable versions by key, the oldest of a key first.
pub(super) fn list(connection: &Connection, query: &RetainedQuery) -> Result<Vec<RetainedVersion>, Failure> {
    const LIST: &str = "SELECT id, key, size, etag, etag_parts, modified, deleted, until FROM retained
        WHERE bucket_name = ?1 AND (key, id) > (?2, ?3) ORDER BY key, id LIMIT ?4";
    let (after_key, after_id) = match &query.after {
        Some((key, id)) => (key.as_str().as_bytes(), i64::try_from(*id).unwrap_or(i64::MAX)),
        None => (query.prefix.as_bytes(), -1),
    };
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query(params![query.bucket.as_str(), after_key, after_id, query.max])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let retained = read(row)?;
        // Keys with the prefix are neighbours, so the first without it ends them.
        if !retained.key.as_str().starts_with(&query.prefix) {
            break;
        }
        found.push(retained);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<RetainedVersion, Failure> {
    Ok(RetainedVersion {
        id: count(row, 0)?,
        key: key(row, 1)?,
        size: count(row, 2)?,
        etag: etag(row, 3)?,
        modified: Timestamp(row.get(5)?),
        deleted: Timestamp(row.get(6)?),
        until: Timestamp(row.get(7)?),
    })
}

/// Ids and encryption envelopes of restorable versions with ids above `after`.
pub(super) fn envelopes(connection: &Connection, after: u64, max: u32) -> Result<Vec<RetainedEnvelope>, Failure> {
    const LIST: &str = "SELECT r.id, s.metadata FROM retained r JOIN side s ON s.id = r.id WHERE r.id > ?1
        ORDER BY r.id LIMIT ?2";
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query(params![i64::try_from(after).unwrap_or(i64::MAX), max])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let metadata = metadata(blob(row, 1)?, StorageClass::default())?;
        found.push((count(row, 0)?, metadata.attributes.encryption));
    }
    Ok(found)
}

/// What restoring needs of a row.
struct Retained {
    from: BucketId,
    size: u64,
    owner: OwnerId,
}

/// Puts a version back as the current one. In a bucket without versioning what is current now stays restorable
/// in its turn; if it could not, nothing is done.
pub(super) fn restore(tx: &Transaction<'_>, restore: &RestoreVersion) -> Result<PutOutcome, Failure> {
    const FIND: &str = "SELECT bucket_id, size, owner FROM retained WHERE id = ?1 AND bucket_name = ?2 AND key = ?3";
    const PLACE: &str = "INSERT INTO version
        (bucket_id, key, rank, salt, delete_marker, size, modified, etag, etag_parts, storage_class, checksum,
         manifest_id, owner)
        SELECT ?2, key, ?3, ?4, 0, size, ?5, etag, etag_parts, storage_class, checksum, manifest_id, ?6
        FROM retained WHERE id = ?1";
    let connection = tx.connection();
    let RestoreVersion { bucket, key, id, now } = restore;
    let state = bucket::versioning(connection, *bucket)?;
    let page = usage::bucket_page(tx, *bucket)?.ok_or(MetaError::NoSuchBucket)?;
    let id = i64::try_from(*id).map_err(|_| MetaError::NoSuchVersion)?;
    let name = params![id, page.name, key.as_str().as_bytes()];
    let found = sql::first(connection, FIND, name, |row| {
        Ok(Retained { from: BucketId(row.get(0)?), size: count(row, 1)?, owner: OwnerId(row.get(2)?) })
    })?;
    let found = found.ok_or(MetaError::NoSuchVersion)?;
    let newest = version::newest(connection, *bucket, key)?;
    let before = Before { state, newest: newest.as_ref() };
    if placing::loses_version(connection, (*bucket, key), before, page.undelete)? {
        return Err(MetaError::WouldLose.into());
    }

    let (order, salt) = placing::make_place(tx, (*bucket, key), before, *now)?;
    let owner = Some(&found.owner).filter(|owner| **owner != page.owner);
    sql::execute(connection, PLACE, params![id, bucket.0, -signed(order), salt, now.0, owner.map(|owner| &owner.0)])?;
    sql::execute(connection, "UPDATE side SET id = ?2 WHERE id = ?1", [id, signed(order)])?;
    sql::execute(connection, "DELETE FROM retained WHERE id = ?1", [id])?;
    renew_metadata(tx, (*bucket, key), (state, owner, *now))?;
    let was = Growth::of_bytes(found.size).reversed();
    usage::count_growth(tx, (found.from, Some(&found.owner)), was)?;
    usage::count_growth(tx, (*bucket, owner), Growth::of_version(found.size))?;
    let stored = version::stored(connection, *bucket, key, None)?.ok_or(Failure::Corrupt("restored version"))?;
    let outcome = PutOutcome {
        version: stored.version.version,
        shows_version: state.names_writes(),
        etag: stored.version.etag,
        checksum: stored.version.checksum,
        size: stored.version.size,
        modified: stored.version.modified,
    };
    // S3's own way to bring a version back is to copy it.
    event::tell_created(tx, EventKind::CreatedByCopy, (*bucket, key), &outcome)?;
    Ok(outcome)
}

/// Makes the metadata of a version that was just restored that of a new one: it has the retention that the
/// bucket gives new ones, and an owner of its own if the bucket was made again by somebody else.
fn renew_metadata(
    tx: &Transaction<'_>,
    (bucket, key): (BucketId, &ObjectKey),
    (state, owner, now): (Versioning, Option<&OwnerId>, Timestamp),
) -> Result<(), Failure> {
    const UPDATE: &str = "UPDATE side SET metadata = ?2 WHERE id = ?1";
    let connection = tx.connection();
    let row = version::newest(connection, bucket, key)?.ok_or(Failure::Corrupt("restored version"))?;
    let mut metadata = version::metadata_of(connection, bucket, key, &row)?;
    metadata.attributes.owner = owner.cloned();
    let metadata = placing::locked_metadata(connection, (bucket, state), &metadata, now)?;
    sql::execute(connection, UPDATE, params![signed(row.order), metadata_blob(&metadata)])?;
    Ok(())
}

/// Removes up to `max` versions for good whose time has come; returns how many.
pub(super) fn collect(tx: &Transaction<'_>, now: Timestamp, max: u32) -> Result<u32, Failure> {
    const DUE: &str = "SELECT id, bucket_id, size, owner, manifest_id FROM retained WHERE until <= ?1
        ORDER BY until, id LIMIT ?2";
    let due = sql::all(tx.connection(), DUE, params![now.0, max], read_gone)?;
    due.iter().try_for_each(|gone| remove_row(tx, gone))?;
    Ok(u32::try_from(due.len()).expect("at most `max` were read"))
}

/// Removes a version for good, whatever its time.
pub(super) fn remove(tx: &Transaction<'_>, id: u64) -> Result<(), Failure> {
    const FIND: &str = "SELECT id, bucket_id, size, owner, manifest_id FROM retained WHERE id = ?1";
    let found = sql::first(tx.connection(), FIND, [signed(id)], read_gone)?;
    found.map_or(Ok(()), |gone| remove_row(tx, &gone))
}

type Gone = (i64, Retained, Option<i64>);

fn read_gone(row: &Row<'_>) -> Result<Gone, Failure> {
    let retained = Retained { from: BucketId(row.get(1)?), size: count(row, 2)?, owner: OwnerId(row.get(3)?) };
    Ok((row.get(0)?, retained, row.get(4)?))
}

fn remove_row(tx: &Transaction<'_>, (id, retained, manifest): &Gone) -> Result<(), Failure> {
    let connection = tx.connection();
    sql::execute(connection, "DELETE FROM retained WHERE id = ?1", [id])?;
    sql::execute(connection, "DELETE FROM side WHERE id = ?1", [id])?;
    if let Some(manifest) = manifest {
        body::release(tx, *manifest)?;
    }
    usage::count_growth(tx, (retained.from, Some(&retained.owner)), Growth::of_bytes(retained.size).reversed())
}

/// Shortens the time of up to `max` versions of a bucket to what `window` gives; returns how many.
pub(super) fn shorten(tx: &Transaction<'_>, bucket: &BucketName, window: Undelete, max: u32) -> Result<u32, Failure> {
    const SHORTEN: &str = "UPDATE retained SET until = deleted + ?2 WHERE id IN
        (SELECT id FROM retained WHERE bucket_name = ?1 AND until > deleted + ?2 LIMIT ?3)";
    let span = window.until(Timestamp(0)).0;
    let shortened = sql::execute(tx.connection(), SHORTEN, params![bucket.as_str(), span, max])?;
    Ok(u32::try_from(shortened).expect("at most `max` were changed"))
}
