//! The writer: one thread, one connection, one bounded queue, commits in groups.
//!
//! A sync costs the same for one row and for two hundred, so the writer takes whatever has queued while it
//! was busy and commits it together. There is no timer: under load groups fill by themselves, and a lone
//! request is not held up. Knows nothing of what a command does.

use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::errno;
use super::failure::Failure;
use super::sql;
use super::transaction::Transaction;
use super::usage;
use crate::limits::{META_GROUP_MAX, META_QUEUE_MAX, SQLITE_CHECKPOINT_BYTES, SQLITE_PAGE_BYTES};
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

/// What became of a group.
pub(super) enum Verdict {
    /// Each command gets its own answer.
    Answered,
    /// Nothing was committed because there is no space.
    Full,
    /// The database failed; carries the text for each command.
    Storage(String),
}

/// A command in the queue. May run more than once: only the last run counts.
pub(super) trait Command: Send {
    /// Whether its requester has gone away.
    fn is_abandoned(&self) -> bool;
    /// Runs it within the open transaction and keeps its answer. An error says what its neighbours are told
    /// should the failure have taken the whole transaction with it.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), MetaError>;
    /// Sends its own answer.
    fn answer(self: Box<Self>);
    /// Sends an error instead.
    fn fail(self: Box<Self>, error: MetaError);
}

/// A command made of a closure.
struct Request<T, F> {
    what: &'static str,
    work: F,
    outcome: Option<Result<T, MetaError>>,
    reply: oneshot::Sender<Result<T, MetaError>>,
}

impl<T, F> Command for Request<T, F>
where
    T: Send,
    F: Fn(&Transaction<'_>) -> Result<T, Failure> + Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), MetaError> {
        let outcome = (self.work)(transaction).map_err(|failure| failure.into_meta(self.what));
        let step = match &outcome {
            Ok(_) => Ok(()),
            Err(MetaError::Full) => Err(MetaError::Full),
            Err(error) => Err(MetaError::Storage(error.to_string())),
        };
        self.outcome = Some(outcome);
        step
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.expect("a command is answered after it ran");
        // A requester that went away needs no answer; what it asked for is committed.
        let _ = self.reply.send(outcome);
    }

    fn fail(self: Box<Self>, error: MetaError) {
        let _ = self.reply.send(Err(error));
    }
}

/// What its requester gets for a command.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, MetaError>>;

/// A command that runs `work`, and where its answer will be.
pub(super) fn command<T, F>(what: &'static str, work: F) -> (Box<dyn Command>, Answer<T>)
where
    T: Send + 'static,
    F: Fn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Request { what, work, outcome: None, reply }), answer)
}

/// The queue's end that requesters hold.
#[derive(Clone)]
pub(super) struct WriterQueue {
    commands: mpsc::Sender<Box<dyn Command>>,
}

impl WriterQueue {
    /// Runs `work` in a group and waits until it is committed; `what` names it in errors.
    pub(super) async fn submit<T, F>(&self, what: &'static str, work: F) -> Result<T, MetaError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (command, answer) = command(what, work);
        let stopped = || MetaError::Storage(format!("{what}: the metadata writer has stopped"));
        self.commands.send(command).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

/// Starts the writer thread. It ends when every `WriterQueue` is dropped and the queue is empty.
pub(super) fn start(connection: Connection) -> Result<(WriterQueue, JoinHandle<()>), MetaError> {
    let (commands, queue) = mpsc::channel(META_QUEUE_MAX);
    let thread = std::thread::Builder::new()
        .name("meta-writer".to_owned())
        .spawn(move || run(connection, queue))
        .map_err(|error| MetaError::Storage(format!("start the metadata writer: {error}")))?;
    Ok((WriterQueue { commands }, thread))
}

/// Commits what comes through the queue until it ends, then closes the connection.
pub(super) fn run(connection: Connection, queue: mpsc::Receiver<Box<dyn Command>>) {
    Writer { connection, groups_unchecked: 0 }.run(queue);
}

struct Writer {
    connection: Connection,
    groups_unchecked: u32,
}

impl Writer {
    fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Command>>) {
        let mut group: Vec<Box<dyn Command>> = Vec::with_capacity(META_GROUP_MAX);
        while let Some(command) = queue.blocking_recv() {
            group.push(command);
            while group.len() < META_GROUP_MAX
                && let Ok(command) = queue.try_recv()
            {
                group.push(command);
            }
            // Nothing of these has run: whoever asked has gone, and nobody will act on the result.
            group.retain(|command| !command.is_abandoned());
            if group.is_empty() {
                continue;
            }
            let verdict = run_group(&self.connection, &mut group);
            for command in group.drain(..) {
                match &verdict {
                    Verdict::Answered => command.answer(),
                    Verdict::Full => command.fail(MetaError::Full),
                    Verdict::Storage(detail) => command.fail(MetaError::Storage(detail.clone())),
                }
            }
            self.checkpoint_if_due();
        }
        self.finish();
    }

    /// Copies the log into the database once it is long. Done after answering, so that no request waits
    /// for it that is already durable.
    fn checkpoint_if_due(&mut self) {
        self.groups_unchecked += 1;
        if self.groups_unchecked < GROUPS_PER_LOG_CHECK {
            return;
        }
        self.groups_unchecked = 0;
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

    /// Leaves a database without a log. A log that stays is no loss: the next start reads it.
    fn finish(self) {
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
