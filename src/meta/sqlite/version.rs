//! Rows of versions: finding, placing and removing them. Every write of an object ends here, so what
//! versioning means for rows is decided in one place.

use std::borrow::Cow;

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::metadata::{metadata, metadata_blob};
use super::row::{
    blob, blob_or_null, checksum_code, count, etag, object_checksum, signed, storage_class, storage_class_code,
    unsigned, version_id,
};
use super::transaction::Transaction;
use super::{body, boot, document, sql, undelete, usage};
use crate::meta::{BodyRef, PutOutcome, StoredVersion};
use crate::rules::{CurrentFacts, Growth, Undelete, Versioning, WritePlan};
use crate::types::{
    BucketId, ETag, ManifestId, ObjectChecksum, ObjectKey, ObjectMetadata, ObjectVersion, OwnerId, Timestamp, VersionId,
};

/// A row of `version` as decisions need it.
#[derive(Clone, Copy)]
pub(super) struct VersionRow {
    /// Its order.
    pub(super) order: u64,
    salt: Option<i64>,
    /// Whether it is a delete marker.
    pub(super) is_delete_marker: bool,
    /// Body length in bytes.
    pub(super) size: u64,
    /// When it was committed.
    pub(super) modified: Timestamp,
    /// ETag of the body.
    pub(super) etag: ETag,
    /// Manifest of the body, if it has one.
    pub(super) manifest: Option<i64>,
}

impl VersionRow {
    fn read(row: &Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            order: unsigned(-row.get::<_, i64>(0)?)?,
            salt: row.get(1)?,
            is_delete_marker: row.get(2)?,
            size: count(row, 3)?,
            modified: Timestamp(row.get(4)?),
            etag: etag(row, 5)?,
            manifest: row.get(7)?,
        })
    }

    /// Its id.
    pub(super) fn id(&self) -> VersionId {
        version_id(self.order, self.salt)
    }

    /// What conditions are judged against; nothing for a delete marker.
    pub(super) fn facts(&self) -> Option<CurrentFacts> {
        let facts = CurrentFacts { etag: self.etag, size: self.size, modified: self.modified };
        (!self.is_delete_marker).then_some(facts)
    }
}

/// What conditions on the current version are judged against.
pub(super) fn current_facts(newest: Option<&VersionRow>) -> Option<CurrentFacts> {
    newest.and_then(VersionRow::facts)
}

/// The newest version of a key.
pub(super) fn newest(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<VersionRow>, Failure> {
    const NEWEST: &str = "SELECT rank, salt, delete_marker, size, modified, etag, etag_parts, manifest_id
        FROM version WHERE bucket_id = ?1 AND key = ?2 ORDER BY rank LIMIT 1";
    sql::first(connection, NEWEST, params![bucket.0, key.as_str().as_bytes()], VersionRow::read)
}

/// The version of a key with that order.
pub(super) fn by_order(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    order: u64,
) -> Result<Option<VersionRow>, Failure> {
    const EXACT: &str = "SELECT rank, salt, delete_marker, size, modified, etag, etag_parts, manifest_id
        FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank = ?3";
    // Clients can name any 64 bits as an order; those that no row can have name no row.
    let Ok(order) = i64::try_from(order) else {
        return Ok(None);
    };
    sql::first(connection, EXACT, params![bucket.0, key.as_str().as_bytes(), -order], VersionRow::read)
}

/// The version of a key with that id.
pub(super) fn by_id(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    id: VersionId,
) -> Result<Option<VersionRow>, Failure> {
    match id {
        VersionId::Null => null(connection, bucket, key),
        VersionId::Ordered { order, .. } => {
            let row = by_order(connection, bucket, key, order)?;
            Ok(row.filter(|row| row.id() == id))
        }
    }
}

/// The null version of a key, which may be older than others: the key's versions are scanned for it.
fn null(connection: &Connection, bucket: BucketId, key: &ObjectKey) -> Result<Option<VersionRow>, Failure> {
    const NULL: &str = "SELECT rank, salt, delete_marker, size, modified, etag, etag_parts, manifest_id
        FROM version WHERE bucket_id = ?1 AND key = ?2 AND salt IS NULL ORDER BY rank LIMIT 1";
    sql::first(connection, NULL, params![bucket.0, key.as_str().as_bytes()], VersionRow::read)
}

/// The null version of a key whose newest version is known, which mostly is the null version itself.
pub(super) fn null_given_newest(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    newest: Option<&VersionRow>,
) -> Result<Option<VersionRow>, Failure> {
    match newest {
        None => Ok(None),
        Some(row) if row.salt.is_none() => Ok(Some(*row)),
        Some(_) => null(connection, bucket, key),
    }
}

/// Removes a version for good: its rows, and its reference to a manifest. What a client deletes or overwrites
/// goes through `undelete::retire`.
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

/// In whose name a row is, from its only column; nobody's in particular if that is the bucket's owner.
pub(super) fn read_owner(row: &Row<'_>) -> Result<Option<OwnerId>, Failure> {
    Ok(row.get::<_, Option<String>>(0)?.map(OwnerId))
}

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

/// What the bucket and the key are like before a write.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) state: Versioning,
    pub(super) newest: Option<&'a VersionRow>,
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
                undelete::retire(tx, bucket, key, old, now)?;
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

/// The metadata of a version; none for a delete marker.
pub(super) fn metadata_of(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    row: &VersionRow,
) -> Result<ObjectMetadata, Failure> {
    const METADATA: &str = "SELECT v.storage_class, s.metadata FROM version v JOIN side s ON s.id = -v.rank
        WHERE v.bucket_id = ?1 AND v.key = ?2 AND v.rank = ?3";
    if row.is_delete_marker {
        return Ok(ObjectMetadata::default());
    }
    let name = params![bucket.0, key.as_str().as_bytes(), -signed(row.order)];
    let found = sql::first(connection, METADATA, name, |row| metadata(blob(row, 1)?, storage_class(row.get(0)?)?))?;
    found.ok_or(Failure::Corrupt("side row"))
}

/// A version with everything that is stored beside it.
pub(super) fn stored(
    connection: &Connection,
    bucket: BucketId,
    key: &ObjectKey,
    id: Option<VersionId>,
) -> Result<Option<StoredVersion>, Failure> {
    const STORED: &str =
        "SELECT v.storage_class, v.checksum, s.sha256, s.checksum, s.checksum_parts, s.metadata, s.data
        FROM version v LEFT JOIN side s ON s.id = -v.rank
        WHERE v.bucket_id = ?1 AND v.key = ?2 AND v.rank = ?3";
    let latest = newest(connection, bucket, key)?;
    let row = match id {
        None => latest,
        Some(id) => by_id(connection, bucket, key, id)?,
    };
    let (Some(row), Some(latest)) = (row, latest) else {
        return Ok(None);
    };
    let params = params![bucket.0, key.as_str().as_bytes(), -signed(row.order)];
    let is_latest = row.order == latest.order;
    sql::first(connection, STORED, params, |side| read_stored(key, &row, is_latest, side))
}

fn read_stored(
    key: &ObjectKey,
    version: &VersionRow,
    is_latest: bool,
    side: &Row<'_>,
) -> Result<StoredVersion, Failure> {
    let sha256 = blob_or_null(side, 2)?.map(<[u8; 32]>::try_from).transpose();
    let class = storage_class(side.get(0)?)?;
    let fields = if version.is_delete_marker { &[] } else { blob(side, 5)? };
    let body = match (version.manifest, blob_or_null(side, 6)?) {
        (Some(manifest), _) => BodyRef::Manifest(ManifestId(manifest)),
        (None, Some(data)) => BodyRef::Inline(Bytes::copy_from_slice(data)),
        (None, None) => BodyRef::Empty,
    };
    let order = version.order;
    let version = ObjectVersion {
        key: key.clone(),
        version: version.id(),
        is_latest,
        is_delete_marker: version.is_delete_marker,
        size: version.size,
        etag: version.etag,
        modified: version.modified,
        checksum: object_checksum(side.get(1)?, blob_or_null(side, 3)?, side.get(4)?)?,
        sha256: sha256.map_err(|_| Failure::Corrupt("sha256"))?,
        metadata: metadata(fields, class)?,
    };
    Ok(StoredVersion { version, order, body })
}
