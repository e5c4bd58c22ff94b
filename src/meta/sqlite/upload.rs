//! Multipart uploads while they are open: creating, filling, reading, aborting and expiring them.
//!
//! The parts of an upload hang on a manifest of their own, which the completed object takes over. The body
//! of a part is inline or a manifest, so that replacing or dropping a part costs the same whatever its
//! size.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::metadata::{metadata, metadata_blob};
use super::row::{
    array, blob, blob_or_null, checksum_choice, checksum_code, count, key, part_checksum, part_checksum_blob, signed,
    storage_class, storage_class_code,
};
use super::transaction::Transaction;
use super::{body, bucket, sql, usage, version};
use crate::meta::{CommitPart, MetaError, NewBody, NewUpload, PartExtents, StoredPart, UploadRecord};
use crate::rules::Growth;
use crate::types::{
    BucketId, ChunkId, ListedPart, ListedUpload, ManifestId, ObjectKey, OwnerId, PartListing, Timestamp, UploadId,
};

/// Names an upload: its bucket, its key, its id.
#[derive(Clone, Copy)]
pub(super) struct UploadName<'a> {
    pub(super) bucket: BucketId,
    pub(super) key: &'a ObjectKey,
    pub(super) id: UploadId,
}

/// Creates an upload.
pub(super) fn create(tx: &Transaction<'_>, new: &NewUpload) -> Result<(), Failure> {
    const INSERT: &str = "INSERT INTO upload
        (bucket_id, key, id, initiated, initiator, storage_class, checksum, manifest_id, metadata, owner)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    bucket::versioning(tx.connection(), new.bucket)?;
    let manifest = body::new_manifest(tx, new.now, true)?;
    let row = params![
        new.bucket.0,
        new.key.as_str().as_bytes(),
        new.upload.0.as_slice(),
        new.now.0,
        new.initiator.0,
        storage_class_code(new.metadata.storage_class),
        new.checksum.map(|(algorithm, kind)| checksum_code(algorithm, kind)),
        manifest,
        metadata_blob(&new.metadata),
        new.metadata.attributes.owner.as_ref().map(|owner| &owner.0),
    ];
    sql::execute(tx.connection(), INSERT, row)?;
    Ok(())
}

/// Reads a `ListedUpload` from columns key, id, initiated, initiator, storage_class, checksum, owner.
pub(super) fn read_listed(row: &Row<'_>) -> Result<ListedUpload, Failure> {
    Ok(ListedUpload {
        key: key(row, 0)?,
        upload: UploadId(array(row, 1)?),
        initiated: Timestamp(row.get(2)?),
        initiator: OwnerId(row.get(3)?),
        storage_class: storage_class(row.get(4)?)?,
        checksum: row.get::<_, Option<i64>>(5)?.map(checksum_choice).transpose()?,
        owner: row.get::<_, Option<String>>(6)?.map(OwnerId),
    })
}

/// Finds an open upload and its manifest.
pub(super) fn find(connection: &Connection, name: UploadName<'_>) -> Result<Option<(UploadRecord, i64)>, Failure> {
    const FIND: &str = "SELECT key, id, initiated, initiator, storage_class, checksum, owner, metadata, manifest_id
        FROM upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    sql::first(connection, FIND, name, |row| {
        let upload = read_listed(row)?;
        let metadata = metadata(blob(row, 7)?, upload.storage_class)?;
        Ok((UploadRecord { upload, metadata }, row.get(8)?))
    })
}

/// The manifest of an open upload; `NoSuchUpload`.
fn manifest_of(connection: &Connection, name: UploadName<'_>) -> Result<i64, Failure> {
    const FIND: &str = "SELECT manifest_id FROM upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    let manifest = sql::first(connection, FIND, name, |row| Ok(row.get(0)?))?;
    manifest.ok_or(Failure::Refused(MetaError::NoSuchUpload))
}

/// Bytes of an upload's parts.
pub(super) fn bytes(connection: &Connection, name: UploadName<'_>) -> Result<u64, Failure> {
    const BYTES: &str = "SELECT bytes FROM upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    sql::first(connection, BYTES, name, |row| count(row, 0))?.ok_or(Failure::Refused(MetaError::NoSuchUpload))
}

/// In whose name an upload is, and the bytes of its part of that number.
pub(super) fn charged_part(
    connection: &Connection,
    name: UploadName<'_>,
    number: u16,
) -> Result<(Option<OwnerId>, u64), Failure> {
    const SIZE: &str = "SELECT size FROM part WHERE manifest_id = ?1 AND number = ?2";
    let manifest = manifest_of(connection, name)?;
    let size = sql::first(connection, SIZE, params![manifest, number], |row| count(row, 0))?;
    Ok((owner_of(connection, name)?, size.unwrap_or(0)))
}

fn owner_of(connection: &Connection, name: UploadName<'_>) -> Result<Option<OwnerId>, Failure> {
    const OWNER: &str = "SELECT owner FROM upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    Ok(sql::first(connection, OWNER, name, version::read_owner)?.flatten())
}

/// Counts that an upload's parts changed from `old` to `new` bytes.
fn count_parts(
    tx: &Transaction<'_>,
    name: UploadName<'_>,
    charged: usage::Charged<'_>,
    sizes: (u64, u64),
) -> Result<(), Failure> {
    const BYTES: &str = "UPDATE upload SET bytes = bytes + ?4 WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let (old, new) = sizes;
    let grown = signed(new) - signed(old);
    let row = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice(), grown];
    sql::execute(tx.connection(), BYTES, row)?;
    usage::count_growth(tx, charged, Growth { bytes: grown, objects: 0 })
}

/// Commits a part; one of the same number goes.
pub(super) fn commit_part(tx: &Transaction<'_>, part: &CommitPart) -> Result<(), Failure> {
    const OLD: &str = "SELECT body_manifest, inline_id, size FROM part WHERE manifest_id = ?1 AND number = ?2";
    const INSERT: &str = "INSERT OR REPLACE INTO part
        (manifest_id, number, size, md5, sha256, checksum, modified, body_manifest, inline_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let connection = tx.connection();
    let name = UploadName { bucket: part.bucket, key: &part.key, id: part.upload };
    let manifest = manifest_of(connection, name)?;
    body::require_shared(connection, &part.body)?;
    let old = sql::first(connection, OLD, params![manifest, part.number], |row| {
        Ok((row.get(0)?, row.get(1)?, count(row, 2)?))
    })?;
    let owner = owner_of(connection, name)?;
    let (charged, old_size) = ((part.bucket, owner.as_ref()), old.map_or(0, |(_, _, size)| size));
    usage::admit_part(tx, charged, part.size, old_size)?;

    // The new body is stored before the old one goes: they may share chunks.
    let (body_manifest, inline) = match &part.body {
        NewBody::Inline(data) if data.is_empty() => (None, None),
        NewBody::Inline(data) => (None, Some(body::store_inline(tx, part.now, data)?)),
        NewBody::Extents(extents) => (body::store_extents(tx, part.now, extents)?, None),
    };
    let row = params![
        manifest,
        part.number,
        signed(part.size),
        part.md5.as_slice(),
        part.sha256.as_ref().map(<[u8; 32]>::as_slice),
        part.checksum.as_ref().map(part_checksum_blob),
        part.now.0,
        body_manifest,
        inline,
    ];
    sql::execute(connection, INSERT, row)?;
    count_parts(tx, name, charged, (old_size, part.size))?;
    match old {
        Some((body_manifest, inline, _)) => drop_part_body(tx, body_manifest, inline),
        None => Ok(()),
    }
}

/// Drops the body of a part whose row goes.
pub(super) fn drop_part_body(
    tx: &Transaction<'_>,
    body_manifest: Option<i64>,
    inline: Option<i64>,
) -> Result<(), Failure> {
    if let Some(manifest) = body_manifest {
        body::release(tx, manifest)?;
    }
    inline.map_or(Ok(()), |row| body::remove_inline(tx, row))
}

/// Parts of a manifest with numbers above `after`, and whether more follow.
fn parts(connection: &Connection, manifest: i64, after: u16, max: u32) -> Result<(Vec<StoredPart>, bool), Failure> {
    const PARTS: &str = "SELECT number, size, md5, checksum, modified, IFNULL(offset, 0) FROM part
        WHERE manifest_id = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let one_more = i64::from(max) + 1;
    let mut parts = sql::all(connection, PARTS, params![manifest, after, one_more], |row| {
        let part = ListedPart {
            number: row.get(0)?,
            size: count(row, 1)?,
            md5: array(row, 2)?,
            checksum: blob_or_null(row, 3)?.map(part_checksum).transpose()?,
            modified: Timestamp(row.get(4)?),
        };
        Ok(StoredPart { part, offset: count(row, 5)? })
    })?;
    let more = parts.len() > max as usize;
    parts.truncate(max as usize);
    Ok((parts, more))
}

/// Parts of the manifest of a multipart object.
pub(super) fn manifest_parts(
    connection: &Connection,
    manifest: ManifestId,
    after: u16,
    max: u32,
) -> Result<Vec<StoredPart>, Failure> {
    Ok(parts(connection, manifest.0, after, max)?.0)
}

/// A page of parts of an open upload.
pub(super) fn list_parts(
    connection: &Connection,
    name: UploadName<'_>,
    after: u16,
    max: u32,
) -> Result<PartListing, Failure> {
    let (record, manifest) = find(connection, name)?.ok_or(MetaError::NoSuchUpload)?;
    let (parts, more) = parts(connection, manifest, after, max)?;
    let next_after = parts.last().filter(|_| more).map(|last| last.part.number);
    let parts = parts.into_iter().map(|stored| stored.part).collect();
    Ok(PartListing { upload: record.upload, parts, next_after })
}

/// A page of parts of an open upload, and where their bytes are.
pub(super) fn part_extents(
    connection: &Connection,
    name: UploadName<'_>,
    after: u16,
    max: u32,
) -> Result<Vec<PartExtents>, Failure> {
    const EXTENTS: &str = "SELECT e.chunk_id, e.chunk_offset, e.length FROM part p
        JOIN extent e ON e.manifest_id = p.body_manifest
        WHERE p.manifest_id = ?1 AND p.number = ?2 ORDER BY e.offset";
    let manifest = manifest_of(connection, name)?;
    let (parts, _) = parts(connection, manifest, after, max)?;
    let with_extents = |part: ListedPart| {
        let extents = sql::all(connection, EXTENTS, params![manifest, part.number], |row| {
            Ok((ChunkId::from_i64(row.get(0)?), count(row, 1)?, count(row, 2)?))
        })?;
        Ok(PartExtents { part, extents })
    };
    parts.into_iter().map(|stored| with_extents(stored.part)).collect()
}

/// Ends an upload without an object.
pub(super) fn abort(tx: &Transaction<'_>, name: UploadName<'_>) -> Result<(), Failure> {
    let manifest = manifest_of(tx.connection(), name)?;
    let owner = owner_of(tx.connection(), name)?;
    let freed = Growth::of_bytes(bytes(tx.connection(), name)?).reversed();
    usage::count_growth(tx, (name.bucket, owner.as_ref()), freed)?;
    forget(tx, name)?;
    body::release(tx, manifest)
}

/// Removes the row of an upload, whose manifest somebody else takes over.
pub(super) fn forget(tx: &Transaction<'_>, name: UploadName<'_>) -> Result<(), Failure> {
    const DELETE: &str = "DELETE FROM upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    sql::execute(tx.connection(), DELETE, name)?;
    Ok(())
}

/// Aborts uploads that were initiated before `before` and forgets completions older than that, at most
/// `max` of each; returns how many uploads were aborted.
pub(super) fn expire(tx: &Transaction<'_>, before: Timestamp, max: u32) -> Result<u32, Failure> {
    const OLD: &str = "SELECT bucket_id, key, id FROM upload WHERE initiated < ?1 ORDER BY initiated LIMIT ?2";
    const FORGET: &str = "DELETE FROM completed_upload WHERE (bucket_id, key, id) IN
        (SELECT bucket_id, key, id FROM completed_upload WHERE finished < ?1 ORDER BY finished LIMIT ?2)";
    let connection = tx.connection();
    let old = sql::all(connection, OLD, params![before.0, max], |row| {
        Ok((BucketId(row.get(0)?), key(row, 1)?, UploadId(array(row, 2)?)))
    })?;
    for (bucket, key, id) in &old {
        abort(tx, UploadName { bucket: *bucket, key, id: *id })?;
    }
    sql::execute(connection, FORGET, params![before.0, max])?;
    Ok(u32::try_from(old.len()).expect("at most `max` were read"))
}
