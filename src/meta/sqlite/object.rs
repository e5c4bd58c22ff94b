//! The transactions of objects: put, copy, delete. Each judges everything first and changes rows after, so
//! that a refusal leaves nothing to roll back.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::metadata::metadata_blob;
use super::placing::NewVersion;
use super::row::{array, blob, blob_or_null, signed};
use super::transaction::Transaction;
use super::version::{Before, VersionRow};
use super::{admission, body, bucket, damage, event, placing, retiring, sql, version};
use crate::meta::{
    ChangeAttributes, CommitCopy, CommitDelete, CommitPut, DeleteOutcome, MetaError, NewBody, PutOutcome,
};
use crate::rules::{Versioning, WritePlan, lock};
use crate::types::{EventKind, VersionId};

/// Commits a PUT.
pub(super) fn put(tx: &Transaction<'_>, put: &CommitPut) -> Result<PutOutcome, Failure> {
    let connection = tx.connection();
    let state = bucket::versioning(connection, put.bucket)?;
    let newest = version::newest(connection, put.bucket, &put.key)?;
    put.precondition.judge(version::current_facts(newest.as_ref()).as_ref())?;
    body::require_shared(connection, &put.body)?;
    let before = Before { state, newest: newest.as_ref() };
    admission::admit_version(
        tx,
        (put.bucket, put.metadata.attributes.owner.as_ref()),
        (before, &put.key),
        put.size,
        0,
    )?;

    let (manifest, inline) = match &put.body {
        NewBody::Inline(data) => (None, Some(data.as_ref())),
        NewBody::Extents(extents) => (body::store_extents(tx, put.now, extents)?, None),
    };
    let new = NewVersion {
        bucket: put.bucket,
        key: &put.key,
        size: put.size,
        etag: put.etag,
        checksum: put.checksum.as_ref(),
        sha256: put.sha256.as_ref(),
        metadata: &put.metadata,
        manifest,
        inline,
        now: put.now,
    };
    let outcome = placing::place(tx, before, &new)?;
    event::tell_created(tx, EventKind::CreatedByPut, (put.bucket, &put.key), &outcome)?;
    Ok(outcome)
}

/// What a copy takes from its source's side row.
struct SourceSide {
    sha256: Option<[u8; 32]>,
    data: Option<Vec<u8>>,
}

/// Commits a copy. The source's body is referenced (or read, if it is inline) before room is made for the
/// target, so that a copy of a key onto itself does not lose it.
pub(super) fn copy(tx: &Transaction<'_>, copy: &CommitCopy) -> Result<PutOutcome, Failure> {
    let connection = tx.connection();
    let state = bucket::versioning(connection, copy.bucket)?;
    let newest = version::newest(connection, copy.bucket, &copy.key)?;
    copy.precondition.judge(version::current_facts(newest.as_ref()).as_ref())?;
    let source = version::by_order(connection, copy.source_bucket, &copy.source_key, copy.source_order)?;
    let source = source.filter(|row| !row.is_delete_marker).ok_or(MetaError::SourceChanged)?;
    if let Some(manifest) = source.manifest {
        damage::require_sound(connection, manifest)?;
    }
    let side = source_side(connection, &source)?;
    let before = Before { state, newest: newest.as_ref() };
    let owner = copy.metadata.attributes.owner.as_ref();
    admission::admit_version(tx, (copy.bucket, owner), (before, &copy.key), source.size, 0)?;

    if let Some(manifest) = source.manifest {
        body::retain(tx, manifest)?;
    }
    let new = NewVersion {
        bucket: copy.bucket,
        key: &copy.key,
        size: source.size,
        etag: source.etag,
        checksum: copy.checksum.as_ref(),
        sha256: side.sha256.as_ref(),
        metadata: &copy.metadata,
        manifest: source.manifest,
        inline: side.data.as_deref(),
        now: copy.now,
    };
    let outcome = placing::place(tx, before, &new)?;
    event::tell_created(tx, EventKind::CreatedByCopy, (copy.bucket, &copy.key), &outcome)?;
    Ok(outcome)
}

fn source_side(connection: &Connection, source: &VersionRow) -> Result<SourceSide, Failure> {
    const SIDE: &str = "SELECT sha256 IS NOT NULL, sha256, data FROM side WHERE id = ?1";
    let side = sql::first(connection, SIDE, params![signed(source.order)], |row| {
        let sha256 = if row.get(0)? { Some(array(row, 1)?) } else { None };
        let data = match blob_or_null(row, 2)? {
            Some(_) => Some(blob(row, 2)?.to_vec()),
            None => None,
        };
        Ok(SourceSide { sha256, data })
    })?;
    side.ok_or(Failure::Corrupt("side row"))
}

/// Commits a DELETE.
pub(super) fn delete(tx: &Transaction<'_>, delete: &CommitDelete) -> Result<DeleteOutcome, Failure> {
    let connection = tx.connection();
    let state = bucket::versioning(connection, delete.bucket)?;
    let newest = version::newest(connection, delete.bucket, &delete.key)?;
    let target = match delete.version {
        None => newest,
        Some(id) => version::by_id(connection, delete.bucket, &delete.key, id)?,
    };
    delete.precondition.judge(version::current_facts(target.as_ref()).as_ref())?;
    if let (Some(_), Some(row)) = (delete.version, &target) {
        // Only a removal for good: a delete marker hides what is locked and removes nothing.
        let attributes = version::metadata_of(connection, delete.bucket, &delete.key, row)?.attributes;
        lock::judge_removal(&attributes, delete.bypass_governance, delete.lock_time).map_err(MetaError::Locked)?;
    }

    let plan = if delete.version.is_some() { None } else { state.plan_delete() };
    match plan {
        Some(plan) => place_marker(tx, delete, Before { state, newest: newest.as_ref() }, plan),
        None if delete.version.is_some() => remove(tx, delete, state, target),
        None => {
            let null = version::null_given_newest(connection, delete.bucket, &delete.key, newest.as_ref())?;
            remove(tx, delete, state, null)
        }
    }
}

/// Changes attributes of a version.
pub(super) fn change_attributes(tx: &Transaction<'_>, change: &ChangeAttributes) -> Result<Option<VersionId>, Failure> {
    const UPDATE: &str = "UPDATE side SET metadata = ?2 WHERE id = ?1";
    let connection = tx.connection();
    let asked = change;
    let ChangeAttributes { bucket, key, version, change, lock_time } = asked;
    let state = bucket::versioning(connection, *bucket)?;
    let row = match version {
        None => version::newest(connection, *bucket, key)?.ok_or(MetaError::NoSuchKey)?,
        Some(id) => version::by_id(connection, *bucket, key, *id)?.ok_or(MetaError::NoSuchVersion)?,
    };
    if row.is_delete_marker {
        return Err(MetaError::IsDeleteMarker { version: row.id(), modified: row.modified }.into());
    }
    let mut metadata = version::metadata_of(connection, *bucket, key, &row)?;
    lock::apply_change(&mut metadata.attributes, change, *lock_time).map_err(MetaError::Locked)?;
    sql::execute(connection, UPDATE, params![signed(row.order), metadata_blob(&metadata)])?;
    let shown = (state != Versioning::Unversioned).then(|| row.id());
    event::tell_changed(tx, asked, (row.size, row.etag), shown)?;
    Ok(shown)
}

fn place_marker(
    tx: &Transaction<'_>,
    delete: &CommitDelete,
    before: Before<'_>,
    plan: WritePlan,
) -> Result<DeleteOutcome, Failure> {
    let (id, removed) = placing::place_marker(tx, (delete.bucket, &delete.key), before, plan, delete.now)?;
    let outcome = DeleteOutcome { removed, version: Some(id), delete_marker: true };
    event::tell_deleted(tx, EventKind::MarkerCreated, delete, &outcome)?;
    Ok(outcome)
}

fn remove(
    tx: &Transaction<'_>,
    delete: &CommitDelete,
    state: Versioning,
    target: Option<VersionRow>,
) -> Result<DeleteOutcome, Failure> {
    let Some(target) = target else {
        return Ok(DeleteOutcome::default());
    };
    retiring::retire(tx, delete.bucket, &delete.key, &target, delete.now)?;
    let outcome = DeleteOutcome {
        removed: true,
        version: (state != Versioning::Unversioned).then(|| target.id()),
        delete_marker: target.is_delete_marker,
    };
    event::tell_deleted(tx, EventKind::Removed, delete, &outcome)?;
    Ok(outcome)
}
