//! Completing a multipart upload: the one moment in which parts become an object.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::placing::NewVersion;
use super::row::{array, blob_or_null, checksum_code, count, etag, object_checksum, signed, version_id};
use super::transaction::Transaction;
use super::upload::{self, UploadName};
use super::version::Before;
use super::{admission, body, bucket, event, placing, sql, usage, version};
use crate::meta::composite::Composite;
use crate::meta::fact::RECORD_PART;
use crate::meta::{CompleteUpload, Completed, MetaError, PartSelection, PutOutcome};
use crate::rules::Growth;
use crate::types::{EventKind, Timestamp, VersionId};

/// Completes an upload. Its manifest, with the chosen parts, becomes the object's; the object keeps them.
pub(super) fn complete(tx: &Transaction<'_>, complete: &CompleteUpload) -> Result<PutOutcome, Failure> {
    let connection = tx.connection();
    let name = UploadName { bucket: complete.bucket, key: &complete.key, id: complete.upload };
    let (record, manifest) = upload::find(connection, name)?.ok_or(MetaError::NoSuchUpload)?;
    require_parts(connection, manifest, complete)?;
    let state = bucket::versioning(connection, complete.bucket)?;
    let newest = version::newest(connection, complete.bucket, &complete.key)?;
    complete.precondition.judge(version::current_facts(newest.as_ref()).as_ref())?;
    let before = Before { state, newest: newest.as_ref() };
    let charged = (complete.bucket, record.metadata.attributes.owner.as_ref());
    let parts = upload::bytes(connection, name)?;
    admission::admit_version(tx, charged, (before, &complete.key), complete.size, parts)?;

    usage::count_growth(tx, charged, Growth::of_bytes(parts).reversed())?;
    settle_parts(tx, manifest, &complete.selection)?;
    keep_record(tx, manifest, complete)?;
    upload::forget(tx, name)?;
    let new = NewVersion {
        bucket: complete.bucket,
        key: &complete.key,
        size: complete.size,
        etag: complete.etag,
        checksum: complete.checksum.as_ref(),
        sha256: None,
        metadata: &record.metadata,
        manifest: Some(manifest),
        inline: None,
        now: complete.now,
    };
    let outcome = placing::place(tx, before, &new)?;
    remember(tx, name, &outcome)?;
    event::tell_created(tx, EventKind::CreatedByCompletion, (complete.bucket, &complete.key), &outcome)?;
    Ok(outcome)
}

/// Fails with `PartsChanged` unless the stored parts still are what the completion was made of.
fn require_parts(connection: &Connection, manifest: i64, complete: &CompleteUpload) -> Result<(), Failure> {
    const PARTS: &str = "SELECT number, size, md5 FROM part WHERE manifest_id = ?1 ORDER BY number";
    let mut composite = Composite::default();
    let mut statement = connection.prepare_cached(PARTS)?;
    let mut rows = statement.query([manifest])?;
    while let Some(row) = rows.next()? {
        if complete.selection.contains(row.get(0)?) {
            composite.push(&array(row, 2)?, count(row, 1)?);
        }
    }
    let expected = (complete.etag, complete.size, complete.selection.count());
    let is_same = composite.finish() == expected && complete.selection.count() > 0;
    if is_same { Ok(()) } else { Err(MetaError::PartsChanged.into()) }
}

/// A part of an upload that is being completed.
struct OpenPart {
    number: u16,
    size: u64,
    body_manifest: Option<i64>,
    inline: Option<i64>,
}

/// Gives the chosen parts their offsets and drops the others.
fn settle_parts(tx: &Transaction<'_>, manifest: i64, selection: &PartSelection) -> Result<(), Failure> {
    const PARTS: &str =
        "SELECT number, size, body_manifest, inline_id FROM part WHERE manifest_id = ?1 ORDER BY number";
    const PLACE: &str = "UPDATE part SET offset = ?3 WHERE manifest_id = ?1 AND number = ?2";
    const DROP: &str = "DELETE FROM part WHERE manifest_id = ?1 AND number = ?2";
    let connection = tx.connection();
    // Read before the first change: at most PART_NUMBER_MAX small rows.
    let parts = sql::all(connection, PARTS, [manifest], |row| {
        Ok(OpenPart { number: row.get(0)?, size: count(row, 1)?, body_manifest: row.get(2)?, inline: row.get(3)? })
    })?;
    let mut offset = 0;
    for part in parts {
        if selection.contains(part.number) {
            sql::execute(connection, PLACE, params![manifest, part.number, signed(offset)])?;
            offset += part.size;
        } else {
            sql::execute(connection, DROP, params![manifest, part.number])?;
            upload::drop_part_body(tx, part.body_manifest, part.inline)?;
        }
    }
    Ok(())
}

/// The record is a part that no offset leads to.
fn keep_record(tx: &Transaction<'_>, manifest: i64, complete: &CompleteUpload) -> Result<(), Failure> {
    const KEEP: &str = "INSERT INTO part (manifest_id, number, offset, size, md5, modified, body_manifest)
        VALUES (?1, ?2, NULL, 0, zeroblob(16), ?3, ?4)";
    if let Some(body) = body::store_extents(tx, complete.now, &complete.record)? {
        sql::execute(tx.connection(), KEEP, params![manifest, RECORD_PART, complete.now.0, body])?;
    }
    Ok(())
}

fn remember(tx: &Transaction<'_>, name: UploadName<'_>, outcome: &PutOutcome) -> Result<(), Failure> {
    const REMEMBER: &str = "INSERT OR REPLACE INTO completed_upload
        (bucket_id, key, id, finished, version_order, salt, shows_version, size, etag, etag_parts, checksum,
         checksum_value, checksum_parts)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let (order, salt) = match outcome.version {
        VersionId::Null => (0, None),
        VersionId::Ordered { order, salt } => (signed(order), Some(salt.cast_signed())),
    };
    let checksum = outcome.checksum.as_ref();
    let row = params![
        name.bucket.0,
        name.key.as_str().as_bytes(),
        name.id.0.as_slice(),
        outcome.modified.0,
        order,
        salt,
        outcome.shows_version,
        signed(outcome.size),
        outcome.etag.md5.as_slice(),
        outcome.etag.parts,
        checksum.map(|checksum| checksum_code(checksum.value.algorithm(), checksum.kind)),
        checksum.map(|checksum| checksum.value.bytes()),
        checksum.and_then(|checksum| checksum.parts),
    ];
    sql::execute(tx.connection(), REMEMBER, row)?;
    Ok(())
}

/// What a finished upload became, while it is remembered.
pub(super) fn completed(connection: &Connection, name: UploadName<'_>) -> Result<Option<Completed>, Failure> {
    const FIND: &str = "SELECT finished, version_order, salt, shows_version, size, etag, etag_parts, checksum,
            checksum_value, checksum_parts
        FROM completed_upload WHERE bucket_id = ?1 AND key = ?2 AND id = ?3";
    let name = params![name.bucket.0, name.key.as_str().as_bytes(), name.id.0.as_slice()];
    sql::first(connection, FIND, name, read_completed)
}

fn read_completed(row: &Row<'_>) -> Result<Completed, Failure> {
    let outcome = PutOutcome {
        version: version_id(count(row, 1)?, row.get(2)?),
        shows_version: row.get(3)?,
        etag: etag(row, 5)?,
        checksum: object_checksum(row.get(7)?, blob_or_null(row, 8)?, row.get(9)?)?,
        size: count(row, 4)?,
        modified: Timestamp(row.get(0)?),
    };
    Ok(Completed { outcome })
}
