//! A group of commands in one transaction on the writer's connection: begun, run, committed, rolled back; and the
//! log that its commits leave. Who is in a group and how it is told is the business of `writer`.

use rusqlite::Connection;

use super::errno;
use super::failure::Failure;
use super::sql;
use super::transaction::Transaction;
use super::usage;
use super::writer::{Command, Commit, Verdict};
use crate::limits::{SQLITE_CHECKPOINT_BYTES, SQLITE_PAGE_BYTES};
use crate::meta::MetaError;
use crate::telemetry::record;

/// Groups between two looks at the length of the log.
const GROUPS_PER_LOG_CHECK: u32 = 16;

/// What became of one command within its transaction.
enum Step {
    /// It did what it had to do, if the group commits.
    Done,
    /// A rule refused it, or SQLite failed in it alone. Its own answer is ready.
    Undone,
}

/// Commits groups to the database.
pub(super) struct Committer {
    connection: Connection,
    groups_unchecked: u32,
}

impl Committer {
    /// Commits through this connection, and closes it at the end.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, groups_unchecked: 0 }
    }

    /// Copies the log into the database if it is long.
    fn checkpoint_if_due(&self) {
        let checkpoint = || -> Result<(), Failure> {
            let pages = sql::first(&self.connection, "PRAGMA wal_checkpoint(NOOP)", [], |row| {
                Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })?;
            let (logged, copied) = pages.unwrap_or_default();
            // On a disk that is nearly full the log must begin anew while there is room for it to be copied: else
            // it takes what is left, and not even a delete can be recorded.
            let bytes_max = SQLITE_CHECKPOINT_BYTES.min(free_bytes(&self.connection) / 2);
            let due = u64::try_from(logged - copied).unwrap_or(0) * SQLITE_PAGE_BYTES >= bytes_max;
            if due {
                sql::first(&self.connection, "PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            }
            Ok(())
        };
        if let Err(failure) = checkpoint() {
            tracing::warn!(error = %failure.into_meta("checkpoint the metadata log"), "metadata checkpoint failed");
        }
    }
}

impl Commit for Committer {
    fn commit(&mut self, group: &mut [Box<dyn Command>]) -> Verdict {
        run_group(&self.connection, group)
    }

    fn tidy(&mut self) {
        self.groups_unchecked += 1;
        if self.groups_unchecked == GROUPS_PER_LOG_CHECK {
            self.groups_unchecked = 0;
            self.checkpoint_if_due();
        }
    }

    /// Leaves a database without a log. A log that stays is no loss: the next start reads it.
    fn close(self) {
        let busy = sql::first(&self.connection, "PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)?));
        match busy {
            Ok(Some(0) | None) => tracing::info!("metadata store closed"),
            Ok(Some(_)) => tracing::warn!("metadata store closed; its log stays because another process reads it"),
            Err(failure) => {
                tracing::warn!(error = %failure.into_meta("checkpoint the metadata log"), "metadata checkpoint failed");
            }
        }
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "close the metadata database");
        }
    }
}

/// Bytes free on the disk of the database; all there are if nobody can tell.
fn free_bytes(connection: &Connection) -> u64 {
    let status = connection.path().and_then(|path| rustix::fs::statvfs(path).ok());
    status.map_or(u64::MAX, |status| status.f_bavail.saturating_mul(status.f_frsize))
}

/// How commands of a group are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// They are not: fast, and right as long as no command fails after it has changed something.
    None,
    /// Each has a savepoint. SQLite then copies each page that a command touches first, which adds about a
    /// quarter to the CPU per row (`benches/meta_commit.rs`).
    Savepoints,
}

/// What came of an attempt to commit a group.
pub(super) enum Attempt {
    /// It ended.
    Ended(Verdict),
    /// A command failed half-way and everything was rolled back: try again, with savepoints.
    Tainted,
}

/// Runs and commits a group. Commands judge before they change, so a refusal almost never leaves anything
/// behind; when it does, the group is rolled back and runs again with a savepoint around each command.
pub(super) fn run_group(connection: &Connection, group: &mut [Box<dyn Command>]) -> Verdict {
    for isolation in [Isolation::None, Isolation::Savepoints] {
        match attempt(connection, group, isolation) {
            Ok(Attempt::Ended(verdict)) => return verdict,
            Ok(Attempt::Tainted) => {}
            Err(failure) => return give_up(connection, failure),
        }
    }
    unreachable!("with savepoints no command taints its neighbours")
}

/// Rolls back what an attempt that failed as a whole has left, and says what its members are told.
fn give_up(connection: &Connection, failure: Failure) -> Verdict {
    // Asked first: what follows may fail in its turn.
    let failure = match failure {
        Failure::Sql(error) if errno::is_quota(connection, &error) => Failure::Refused(MetaError::Full),
        failure => failure,
    };
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "roll back a metadata group");
    }
    let rolled_back = connection.is_autocommit();
    let error = failure.into_meta("commit a metadata group");
    tracing::error!(%error, "metadata group lost");
    match error {
        // The commit record is the last that is written: without space for it nothing is committed.
        MetaError::Full if rolled_back => Verdict::Full,
        MetaError::Storage(detail) => Verdict::Storage(detail),
        other => Verdict::Storage(other.to_string()),
    }
}

pub(super) fn attempt(
    connection: &Connection,
    group: &mut [Box<dyn Command>],
    isolation: Isolation,
) -> Result<Attempt, Failure> {
    sql::execute(connection, "BEGIN IMMEDIATE", [])?;
    // Read in every group: another process may have moved it.
    let order = sql::first(connection, "SELECT value FROM state WHERE name = 'order'", [], |row| {
        Ok(row.get::<_, i64>(0)?.cast_unsigned())
    })?;
    let order = order.ok_or(Failure::Corrupt("order"))?;
    let transaction = Transaction::begun(connection, order);
    let unchanged = connection.total_changes();
    let alone = group.len() == 1;
    for command in group.iter_mut() {
        let before = connection.total_changes();
        let step = match isolation {
            Isolation::None => run_bare(&transaction, command.as_mut())?,
            Isolation::Savepoints => run_in_savepoint(&transaction, command.as_mut())?,
        };
        let tainted =
            matches!(step, Step::Undone) && isolation == Isolation::None && connection.total_changes() != before;
        if tainted {
            sql::execute(connection, "ROLLBACK", [])?;
            return Ok(if alone { Attempt::Ended(Verdict::Answered) } else { Attempt::Tainted });
        }
    }
    if connection.total_changes() == unchanged {
        sql::execute(connection, "ROLLBACK", [])?;
        return Ok(Attempt::Ended(Verdict::Answered));
    }
    if transaction.order() != order {
        let order = transaction.order().cast_signed();
        sql::execute(connection, "UPDATE state SET value = ?1 WHERE name = 'order'", [order])?;
    }
    usage::write(connection, &transaction.book().borrow())?;
    sql::execute(connection, "COMMIT", [])?;
    record::metadata_committed(group.len() as u64);
    Ok(Attempt::Ended(Verdict::Answered))
}

fn run_bare(transaction: &Transaction<'_>, command: &mut dyn Command) -> Result<Step, Failure> {
    match command.run(transaction) {
        Ok(()) => Ok(Step::Done),
        Err(error) => {
            still_open(transaction, error)?;
            Ok(Step::Undone)
        }
    }
}

fn run_in_savepoint(transaction: &Transaction<'_>, command: &mut dyn Command) -> Result<Step, Failure> {
    let connection = transaction.connection();
    sql::execute(connection, "SAVEPOINT command", [])?;
    let book = transaction.book().borrow().clone();
    let step = match command.run(transaction) {
        Ok(()) => Step::Done,
        Err(error) => {
            still_open(transaction, error)?;
            sql::execute(connection, "ROLLBACK TO command", [])?;
            transaction.book().replace(book);
            Step::Undone
        }
    };
    sql::execute(connection, "RELEASE command", [])?;
    Ok(step)
}

/// After some failures (no space, I/O, memory) SQLite has rolled back the whole transaction by itself, and
/// with it the neighbours.
fn still_open(transaction: &Transaction<'_>, error: MetaError) -> Result<(), Failure> {
    if transaction.connection().is_autocommit() { Err(Failure::Refused(error)) } else { Ok(()) }
}
