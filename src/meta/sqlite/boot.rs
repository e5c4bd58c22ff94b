//! Boots and leases: which process is which, and who may do what only one may do.

use rusqlite::params;

use super::failure::Failure;
use super::sql;
use super::writer::Transaction;
use crate::meta::EpochStart;
use crate::types::{Epoch, Timestamp};

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
