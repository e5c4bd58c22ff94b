//! Boots, leases and the clock of locks: which process is which, who may do what only one may do, and how late
//! it is at least.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::sql;
use super::transaction::Transaction;
use crate::meta::EpochStart;
use crate::rules::Seen;
use crate::types::{Epoch, Timestamp, Uptime};

/// Hands out the next epoch.
pub(super) fn begin_epoch(tx: &Transaction<'_>) -> Result<EpochStart, Failure> {
    let connection = tx.connection();
    let crashed =
        sql::all(connection, "SELECT id FROM epoch WHERE running = 1 ORDER BY id", [], |row| Ok(Epoch(row.get(0)?)))?;
    sql::execute(connection, "INSERT INTO epoch (running) VALUES (1)", [])?;
    let epoch = u32::try_from(connection.last_insert_rowid()).map_err(|_| Failure::Corrupt("epoch"))?;
    Ok(EpochStart { epoch: Epoch(epoch), crashed })
}

/// Records that an epoch has no orphans, and frees the leases that it still holds.
pub(super) fn end_epoch(tx: &Transaction<'_>, epoch: Epoch) -> Result<(), Failure> {
    sql::execute(tx.connection(), "UPDATE epoch SET running = 0 WHERE id = ?1", [epoch.0])?;
    sql::execute(tx.connection(), "DELETE FROM lease WHERE holder = ?1", [epoch.0])?;
    Ok(())
}

/// Ends every epoch, and hands out none up to `last` any more.
pub(super) fn end_epochs(tx: &Transaction<'_>, last: Epoch) -> Result<(), Failure> {
    let connection = tx.connection();
    sql::execute(connection, "INSERT INTO epoch (id, running) VALUES (?1, 0) ON CONFLICT (id) DO NOTHING", [last.0])?;
    sql::execute(connection, "UPDATE epoch SET running = 0 WHERE running = 1", [])?;
    sql::execute(connection, "DELETE FROM lease", [])?;
    Ok(())
}

/// Takes a lease; false if another holder has it at `now`.
pub(super) fn take_lease(
    tx: &Transaction<'_>,
    name: &str,
    holder: Epoch,
    (now, until): (Timestamp, Timestamp),
) -> Result<bool, Failure> {
    const TAKE: &str = "INSERT INTO lease (name, holder, until) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
        WHERE holder = excluded.holder OR until <= ?4";
    let taken = sql::execute(tx.connection(), TAKE, params![name, holder.0, until.0, now.0])?;
    Ok(taken > 0)
}

/// The latest time that locks were judged by.
pub(super) fn lock_clock(connection: &Connection) -> Result<Option<Seen>, Failure> {
    const FIND: &str = "SELECT
        (SELECT value FROM state WHERE name = 'lock_time'),
        (SELECT value FROM state WHERE name = 'lock_boot'),
        (SELECT value FROM state WHERE name = 'lock_uptime')";
    let found = sql::first(connection, FIND, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(match found {
        Some((Some(time), Some(boot), Some(micros))) => {
            Some(Seen { time: Timestamp(time), uptime: Uptime { boot, micros } })
        }
        Some(_) | None => None,
    })
}

/// Keeps a time that locks are judged by, unless a later one is kept.
pub(super) fn keep_lock_clock(tx: &Transaction<'_>, seen: Seen) -> Result<(), Failure> {
    const KEEP: &str = "INSERT OR REPLACE INTO state (name, value) VALUES (?1, ?2)";
    let connection = tx.connection();
    if lock_clock(connection)?.is_some_and(|kept| kept.time >= seen.time) {
        return Ok(());
    }
    for (name, value) in
        [("lock_time", seen.time.0), ("lock_boot", seen.uptime.boot), ("lock_uptime", seen.uptime.micros)]
    {
        sql::execute(connection, KEEP, params![name, value])?;
    }
    Ok(())
}
