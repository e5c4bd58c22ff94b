//! Placing versions. Every write of an object ends here, so what versioning means for rows is decided in one place.

use std::borrow::Cow;

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::metadata::metadata_blob;
use super::row::{checksum_code, signed, storage_class_code, version_id};
use super::transaction::Transaction;
use super::version::{Before, null_given_newest};
use super::{boot, document, retiring, sql, usage};
use crate::meta::PutOutcome;
use crate::rules::{Growth, Undelete, Versioning, WritePlan};
use crate::types::{BucketId, ETag, ObjectChecksum, ObjectKey, ObjectMetadata, Timestamp, VersionId};

/// A version that is about to be placed. Its manifest already counts the reference.
pub(super) struct NewVersion<'a> {
    pub(super) bucket: BucketId,
    pub(super) key: &'a ObjectKey,
    pub(super) size: u64,
    pub(super) etag: ETag,
    pub(super) checksum: Option<&'a ObjectChecksum>,
    pub(super) sha256: Option<&'a [u8; 32]>,
    pub(super) metadata: &'a ObjectMetadata,
    pub(super) manifest: Option<i64>,
    pub(super) inline: Option<&'a [u8]>,
    pub(super) now: Timestamp,
}

/// Places a version where the bucket's versioning says.
pub(super) fn place(tx: &Transaction<'_>, before: Before<'_>, new: &NewVersion<'_>) -> Result<PutOutcome, Failure> {
    const SIDE: &str =
        "INSERT INTO side (id, sha256, checksum, checksum_parts, metadata, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let plan = before.state.plan_write();
    let Room { order, salt, .. } = make_room(tx, (new.bucket, new.key), before, plan, new.now)?;
    insert(tx, new, order, salt)?;
    let metadata = locked_metadata(tx.connection(), (new.bucket, before.state), new.metadata, new.now)?;
    let side = params![
        signed(order),
        new.sha256.map(<[u8; 32]>::as_slice),
        new.checksum.map(|checksum| checksum.value.bytes()),
        new.checksum.and_then(|checksum| checksum.parts),
        metadata_blob(metadata.as_ref()),
        new.inline.filter(|data| !data.is_empty()),
    ];
    sql::execute(tx.connection(), SIDE, side)?;
    Ok(PutOutcome {
        version: version_id(order, salt),
        shows_version: before.state.names_writes(),
        etag: new.etag,
        checksum: new.checksum.cloned(),
        size: new.size,
        modified: new.now,
    })
}

/// The metadata of a new version, with the retention that the bucket gives those whose makers say nothing.
pub(super) fn locked_metadata<'a>(
    connection: &Connection,
    (bucket, state): (BucketId, Versioning),
    metadata: &'a ObjectMetadata,
    now: Timestamp,
) -> Result<Cow<'a, ObjectMetadata>, Failure> {
    // An object lock needs versioning: other buckets are spared the look.
    if state != Versioning::Enabled || metadata.attributes.retention.is_some() {
        return Ok(Cow::Borrowed(metadata));
    }
    let Some(default) = document::object_lock(connection, bucket)?.and_then(|lock| lock.default) else {
        return Ok(Cow::Borrowed(metadata));
    };
    // A clock that was turned back must not make retentions that have ended already.
    let kept = boot::lock_clock(connection)?.map_or(now, |seen| seen.time);
    let mut metadata = metadata.clone();
    metadata.attributes.retention = Some(default.retention(now.max(kept)));
    Ok(Cow::Owned(metadata))
}

/// Places a delete marker according to `plan`; returns its id and whether a null version went for it.
pub(super) fn place_marker(
    tx: &Transaction<'_>,
    (bucket, key): (BucketId, &ObjectKey),
    before: Before<'_>,
    plan: WritePlan,
    now: Timestamp,
) -> Result<(VersionId, bool), Failure> {
    const MARKER: &str = "INSERT INTO version
        (bucket_id, key, rank, salt, delete_marker, size, modified, etag, storage_class)
        VALUES (?1, ?2, ?3, ?4, 1, 0, ?5, zeroblob(16), 0)";
    let Room { order, salt, replaced } = make_room(tx, (bucket, key), before, plan, now)?;
    let row = params![bucket.0, key.as_str().as_bytes(), -signed(order), salt, now.0];
    sql::execute(tx.connection(), MARKER, row)?;
    Ok((version_id(order, salt), replaced))
}

/// Where a new version goes.
struct Room {
    order: u64,
    salt: Option<i64>,
    /// Whether a null version was removed for it.
    replaced: bool,
}

/// Makes room for a version that is not new; returns its order and salt.
pub(super) fn make_place(
    tx: &Transaction<'_>,
    name: (BucketId, &ObjectKey),
    before: Before<'_>,
    now: Timestamp,
) -> Result<(u64, Option<i64>), Failure> {
    let Room { order, salt, .. } = make_room(tx, name, before, before.state.plan_write(), now)?;
    Ok((order, salt))
}

/// Whether a write would remove a version for good.
pub(super) fn loses_version(
    connection: &Connection,
    (bucket, key): (BucketId, &ObjectKey),
    before: Before<'_>,
    undelete: Undelete,
) -> Result<bool, Failure> {
    let replaced = match before.state.plan_write() {
        WritePlan::Append => None,
        WritePlan::ReplaceNull => null_given_newest(connection, bucket, key, before.newest)?,
    };
    Ok(undelete.days == 0 && replaced.is_some_and(|row| !row.is_delete_marker))
}

/// Removes the null version if `plan` replaces it.
fn make_room(
    tx: &Transaction<'_>,
    (bucket, key): (BucketId, &ObjectKey),
    before: Before<'_>,
    plan: WritePlan,
    now: Timestamp,
) -> Result<Room, Failure> {
    match plan {
        WritePlan::Append => Ok(Room { order: tx.tick(now), salt: Some(rand::random()), replaced: false }),
        WritePlan::ReplaceNull => {
            let old = null_given_newest(tx.connection(), bucket, key, before.newest)?;
            if let Some(old) = &old {
                retiring::retire(tx, bucket, key, old, now)?;
            }
            Ok(Room { order: tx.tick(now), salt: None, replaced: old.is_some() })
        }
    }
}

fn insert(tx: &Transaction<'_>, new: &NewVersion<'_>, order: u64, salt: Option<i64>) -> Result<(), Failure> {
    const VERSION: &str = "INSERT INTO version
        (bucket_id, key, rank, salt, delete_marker, size, modified, etag, etag_parts, storage_class, checksum,
         manifest_id, owner)
        VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let owner = new.metadata.attributes.owner.as_ref();
    let row = params![
        new.bucket.0,
        new.key.as_str().as_bytes(),
        -signed(order),
        salt,
        signed(new.size),
        new.now.0,
        new.etag.md5.as_slice(),
        new.etag.parts,
        storage_class_code(new.metadata.storage_class),
        new.checksum.map(|checksum| checksum_code(checksum.value.algorithm(), checksum.kind)),
        new.manifest,
        owner.map(|owner| &owner.0),
    ];
    sql::execute(tx.connection(), VERSION, row)?;
    usage::count_growth(tx, (new.bucket, owner), Growth::of_version(new.size))
}
