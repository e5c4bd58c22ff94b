//! Rows of versions: finding and reading them.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::metadata::metadata;
use super::row::{blob, blob_or_null, count, etag, object_checksum, signed, storage_class, unsigned, version_id};
use super::sql;
use crate::meta::{BodyRef, StoredVersion};
use crate::rules::{CurrentFacts, Versioning};
use crate::types::{
    BucketId, ETag, ManifestId, ObjectKey, ObjectMetadata, ObjectVersion, OwnerId, Timestamp, VersionId,
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

/// In whose name a row is, from its only column; nobody's in particular if that is the bucket's owner.
pub(super) fn read_owner(row: &Row<'_>) -> Result<Option<OwnerId>, Failure> {
    Ok(row.get::<_, Option<String>>(0)?.map(OwnerId))
}

/// What the bucket and the key are like before a write.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) state: Versioning,
    pub(super) newest: Option<&'a VersionRow>,
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
