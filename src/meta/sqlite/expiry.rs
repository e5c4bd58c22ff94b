//! What lifecycle removes, guarded by everything by which it was judged; and the cursors of workers.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::row::{blob, signed};
use super::transaction::Transaction;
use super::version::{self, Before, VersionRow};
use super::{bucket, event, placing, retiring, sql};
use crate::meta::{ExpireVersion, ExpiryOutcome, MetaError};
use crate::rules::lifecycle::Action;
use crate::rules::{Versioning, lock};
use crate::types::{EventKind, Timestamp};

/// Does what a lifecycle rule asks for, if the rules, the version and its neighbours are what was judged.
pub(super) fn expire(tx: &Transaction<'_>, expire: &ExpireVersion) -> Result<ExpiryOutcome, Failure> {
    let connection = tx.connection();
    let Some(row) = judged(connection, expire)? else { return Ok(ExpiryOutcome::Changed) };
    let state = bucket::versioning(connection, expire.bucket)?;
    let newest = version::newest(connection, expire.bucket, &expire.key)?;
    let attributes = version::metadata_of(connection, expire.bucket, &expire.key, &row)?.attributes;
    if attributes.tags != expire.tags {
        return Ok(ExpiryOutcome::Changed);
    }
    // A lock forbids removal; a delete marker hides what is locked and removes nothing.
    let hides = expire.action == Action::Expire && state.plan_delete().is_some();
    if !hides && lock::judge_removal(&attributes, false, expire.lock_time).is_err() {
        return Ok(ExpiryOutcome::Locked);
    }
    let (kind, id) = match (expire.action, state.plan_delete()) {
        (Action::Expire, Some(plan)) => {
            let before = Before { state, newest: newest.as_ref() };
            let (id, _) = placing::place_marker(tx, (expire.bucket, &expire.key), before, plan, expire.now)?;
            (EventKind::ExpiredByMarker, id)
        }
        (Action::Expire, None) => {
            retiring::retire(tx, expire.bucket, &expire.key, &row, expire.now)?;
            (EventKind::Expired, row.id())
        }
        (Action::RemoveNoncurrent { .. } | Action::RemoveMarker, _) => {
            retiring::remove(tx, expire.bucket, &expire.key, &row)?;
            (EventKind::Expired, row.id())
        }
    };
    event::tell_expired(tx, kind, expire, (state != Versioning::Unversioned).then_some(id))?;
    Ok(ExpiryOutcome::Done)
}

/// The row, if it is still where it was judged.
fn judged(connection: &Connection, expire: &ExpireVersion) -> Result<Option<VersionRow>, Failure> {
    const GENERATION: &str = "SELECT generation FROM bucket WHERE id = ?1";
    const CURRENT: &str = "SELECT modified FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank < ?3
        ORDER BY rank LIMIT 1";
    // The current version is the first of those before it and is not counted.
    const NEWER: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank < ?3
        AND delete_marker = 0 AND rank > (SELECT MIN(rank) FROM version WHERE bucket_id = ?1 AND key = ?2) LIMIT ?4)";
    const OLDER: &str = "SELECT EXISTS (SELECT 1 FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank > ?3)";
    let generation = sql::first(connection, GENERATION, [expire.bucket.0], |row| Ok(row.get::<_, i64>(0)?))?;
    if generation.ok_or(MetaError::NoSuchBucket)? != signed(expire.generation) {
        return Ok(None);
    }
    let Some(row) = version::by_order(connection, expire.bucket, &expire.key, expire.order)? else { return Ok(None) };
    let (key, rank) = (expire.key.as_str().as_bytes(), -signed(expire.order));
    let place = params![expire.bucket.0, key, rank];
    let current = sql::first(connection, CURRENT, place, |row| Ok(Timestamp(row.get(0)?)))?;
    let is_same = match expire.action {
        Action::Expire => current.is_none() && !row.is_delete_marker,
        Action::RemoveMarker => {
            let older = sql::first(connection, OLDER, place, |row| Ok(row.get(0)?))?;
            current.is_none() && row.is_delete_marker && older == Some(false)
        }
        Action::RemoveNoncurrent { newer_min } => {
            let limited = params![expire.bucket.0, key, rank, newer_min];
            let newer = sql::first(connection, NEWER, limited, |row| Ok(row.get::<_, u32>(0)?))?;
            current.is_some() && current == expire.current && newer >= Some(newer_min)
        }
    };
    Ok(is_same.then_some(row))
}

/// How far a worker has come.
pub(super) fn cursor(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, Failure> {
    let find = "SELECT body FROM worker_cursor WHERE name = ?1";
    sql::first(connection, find, [name], |row| Ok(blob(row, 0)?.to_vec()))
}

/// Notes how far a worker has come.
pub(super) fn set_cursor(tx: &Transaction<'_>, name: &str, body: Option<&[u8]>) -> Result<(), Failure> {
    const SET: &str = "INSERT OR REPLACE INTO worker_cursor (name, body) VALUES (?1, ?2)";
    match body {
        Some(body) => sql::execute(tx.connection(), SET, params![name, body])?,
        None => sql::execute(tx.connection(), "DELETE FROM worker_cursor WHERE name = ?1", [name])?,
    };
    Ok(())
}
