//! Events: queued by the transaction that they tell of, and settled once they were delivered.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{blob, count, signed};
use super::transaction::Transaction;
use super::{document, sql};
use crate::limits::EVENTS_QUEUED_PER_TARGET_MAX;
use crate::meta::happening::{Happening, kind_of_change, moment, test_record};
use crate::meta::{ChangeAttributes, CommitDelete, CommitRename, DeleteOutcome, ExpireVersion, PutOutcome};
use crate::rules::Notification;
use crate::types::{
    BucketId, DocumentKind, ETag, EventBacklog, EventKind, EventRecord, EventSettlement, ObjectKey, QueuedEvent,
    Timestamp, VersionId,
};

/// Tells of a version that was placed.
pub(super) fn tell_created(
    tx: &Transaction<'_>,
    kind: EventKind,
    (bucket, key): (BucketId, &ObjectKey),
    outcome: &PutOutcome,
) -> Result<(), Failure> {
    let version = outcome.shows_version.then_some(outcome.version);
    tell(
        tx,
        bucket,
        &Happening { kind, key, object: Some((outcome.size, outcome.etag)), version, at: outcome.modified },
    )
}

/// Tells of a deletion that did something.
pub(super) fn tell_deleted(
    tx: &Transaction<'_>,
    kind: EventKind,
    delete: &CommitDelete,
    outcome: &DeleteOutcome,
) -> Result<(), Failure> {
    if *outcome == DeleteOutcome::default() {
        return Ok(());
    }
    let happening = Happening { kind, key: &delete.key, object: None, version: outcome.version, at: delete.now };
    tell(tx, delete.bucket, &happening)
}

/// Tells of a change of attributes.
pub(super) fn tell_changed(
    tx: &Transaction<'_>,
    change: &ChangeAttributes,
    object: (u64, ETag),
    version: Option<VersionId>,
) -> Result<(), Failure> {
    let Some(kind) = kind_of_change(&change.change) else {
        return Ok(());
    };
    let at = moment(tx.origin().as_deref(), change.lock_time);
    tell(tx, change.bucket, &Happening { kind, key: &change.key, object: Some(object), version, at })
}

/// Tells of what a lifecycle rule removed.
pub(super) fn tell_expired(
    tx: &Transaction<'_>,
    kind: EventKind,
    expire: &ExpireVersion,
    version: Option<VersionId>,
) -> Result<(), Failure> {
    tell(tx, expire.bucket, &Happening { kind, key: &expire.key, object: None, version, at: expire.now })
}

/// Tells of a rename: to whoever watches keys, one appeared and one went.
pub(super) fn tell_renamed(tx: &Transaction<'_>, rename: &CommitRename, outcome: &PutOutcome) -> Result<(), Failure> {
    let at = moment(tx.origin().as_deref(), rename.now);
    let object = Some((outcome.size, outcome.etag));
    let created = Happening { kind: EventKind::CreatedByCopy, key: &rename.key, object, version: None, at };
    tell(tx, rename.bucket, &created)?;
    let removed = Happening { kind: EventKind::Removed, key: &rename.source, object: None, version: None, at };
    tell(tx, rename.bucket, &removed)
}

/// Queues an event if the bucket's configuration asks for it.
pub(super) fn tell(tx: &Transaction<'_>, bucket: BucketId, happening: &Happening<'_>) -> Result<(), Failure> {
    let connection = tx.connection();
    let Some(notification) = notification(connection, bucket)? else {
        return Ok(());
    };
    let (name, owner) = names(connection, bucket)?;
    let origin = tx.origin();
    let Some((target, record)) = happening.told(&notification, (&name, &owner), origin.as_deref()) else {
        return Ok(());
    };
    queue(tx, &target, (bucket, happening.at), &record)
}

/// Queues an event for each target of a configuration that was just put: it says that the target is heard.
pub(super) fn tell_test(tx: &Transaction<'_>, bucket: BucketId) -> Result<(), Failure> {
    let connection = tx.connection();
    let Some(notification) = notification(connection, bucket)? else {
        return Ok(());
    };
    let (name, owner) = names(connection, bucket)?;
    let origin = tx.origin();
    let at = Timestamp(signed(tx.tick(Timestamp(0))));
    let record = test_record((&name, &owner), at.0, origin.as_deref());
    notification.targets().into_iter().try_for_each(|target| queue(tx, target, (bucket, at), &record))
}

fn notification(connection: &Connection, bucket: BucketId) -> Result<Option<Notification>, Failure> {
    let body = document::find(connection, bucket, DocumentKind::Notification)?;
    let read = |body: Vec<u8>| Notification::from_bytes(&body).ok_or(Failure::Corrupt("notification configuration"));
    body.map(read).transpose()
}

fn names(connection: &Connection, bucket: BucketId) -> Result<(String, String), Failure> {
    const NAMES: &str = "SELECT name, owner FROM bucket WHERE id = ?1";
    let names = sql::first(connection, NAMES, [bucket.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    names.ok_or(Failure::Corrupt("bucket"))
}

/// Queues a record, or counts it as dropped if too many wait: a target that is gone for good must not fill the
/// disk, and nobody's write is refused because somebody else's webhook is down.
fn queue(
    tx: &Transaction<'_>,
    target: &str,
    (bucket, at): (BucketId, Timestamp),
    record: &EventRecord,
) -> Result<(), Failure> {
    const COUNT: &str = "INSERT INTO event_target (name, queued, dropped) VALUES (?1, 1, 0)
        ON CONFLICT (name) DO UPDATE SET queued = queued + 1 WHERE queued < ?2";
    const DROP: &str = "UPDATE event_target SET dropped = dropped + 1 WHERE name = ?1";
    const QUEUE: &str = "INSERT INTO event (target, sequence, bucket_id, key, record) VALUES (?1, ?2, ?3, ?4, ?5)";
    let connection = tx.connection();
    if sql::execute(connection, COUNT, params![target, EVENTS_QUEUED_PER_TARGET_MAX])? == 0 {
        sql::execute(connection, DROP, [target])?;
        return Ok(());
    }
    let body = serde_json::to_vec(record).map_err(|_| Failure::Corrupt("event"))?;
    let row = params![target, signed(tx.tick(at)), bucket.0, record.key.as_bytes(), body];
    sql::execute(connection, QUEUE, row)?;
    Ok(())
}

/// Events that may be delivered at `now`.
pub(super) fn due(
    connection: &Connection,
    target: &str,
    now: Timestamp,
    max: u32,
) -> Result<Vec<QueuedEvent>, Failure> {
    // Whether a key must wait is written on its first event.
    const DUE: &str = "SELECT e.sequence, e.attempts, e.record FROM event e
        WHERE e.target = ?1 AND (SELECT f.not_before FROM event f INDEXED BY event_of_key
            WHERE f.target = e.target AND f.bucket_id = e.bucket_id AND f.key = e.key
            ORDER BY f.sequence LIMIT 1) <= ?2
        ORDER BY e.sequence LIMIT ?3";
    sql::all(connection, DUE, params![target, now.0, max], read)
}

fn read(row: &Row<'_>) -> Result<QueuedEvent, Failure> {
    let record = serde_json::from_slice(blob(row, 2)?).map_err(|_| Failure::Corrupt("event"))?;
    Ok(QueuedEvent { sequence: count(row, 0)?, attempts: row.get(1)?, record })
}

/// Forgets what was delivered or given up, and postpones what failed.
pub(super) fn settle(tx: &Transaction<'_>, target: &str, settlement: &EventSettlement) -> Result<(), Failure> {
    const FORGET: &str = "DELETE FROM event WHERE target = ?1 AND sequence = ?2";
    const POSTPONE: &str =
        "UPDATE event SET attempts = attempts + 1, not_before = ?3 WHERE target = ?1 AND sequence = ?2";
    const COUNT: &str = "UPDATE event_target SET queued = queued - ?2, dropped = dropped + ?3 WHERE name = ?1";
    let connection = tx.connection();
    let forget = |sequences: &[u64]| -> Result<usize, Failure> {
        let mut gone = 0;
        for sequence in sequences {
            gone += sql::execute(connection, FORGET, params![target, signed(*sequence)])?;
        }
        Ok(gone)
    };
    let delivered = forget(&settlement.delivered)?;
    let given_up = forget(&settlement.given_up)?;
    for (sequence, not_before) in &settlement.postponed {
        sql::execute(connection, POSTPONE, params![target, signed(*sequence), not_before.0])?;
    }
    sql::execute(connection, COUNT, params![target, signed((delivered + given_up) as u64), signed(given_up as u64)])?;
    Ok(())
}

/// How many events wait for each target.
pub(super) fn backlog(connection: &Connection) -> Result<Vec<EventBacklog>, Failure> {
    sql::all(connection, "SELECT name, queued, dropped FROM event_target ORDER BY name", [], |row| {
        Ok(EventBacklog { target: row.get(0)?, queued: count(row, 1)?, dropped: count(row, 2)? })
    })
}
