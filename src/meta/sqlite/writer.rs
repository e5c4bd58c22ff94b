//! The writer: one thread, one bounded queue, commits in groups.
//!
//! A sync costs the same for one row and for two hundred, so the writer takes whatever has queued while it
//! was busy and commits it together. There is no timer: under load groups fill by themselves, and a lone
//! request is not held up. (A wait for those who wrote lately was measured: fewer syncs, but fewer commits, too.) Owns who is in a group and what each is told; knows nothing of what a command does, nor of
//! how a group is committed (see `group`).

use super::failure::Failure;
use super::transaction::Transaction;
use crate::limits::{META_GROUP_MAX, META_QUEUE_MAX};
use crate::meta::MetaError;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, PoisonError, mpsc, oneshot};

/// What became of a group.
pub(super) enum Verdict {
    /// Each command gets its own answer.
    Answered,
    /// Nothing was committed because there is no space.
    Full,
    /// The database failed; carries the text for each command.
    Storage(String),
}

/// Commits groups. Its thread is that of the writer.
pub(super) trait Commit {
    /// Runs the commands of a group and commits them: all or none.
    fn commit(&mut self, group: &mut [Box<dyn Command>]) -> Verdict;
    /// What is left to do when a group has been answered, so that no request waits for it that is already durable.
    fn tidy(&mut self);
    /// No more groups come.
    fn close(self);
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
    ///
    /// Commands that a requester submits at once have no order: where one waits for room in the queue, the next may
    /// find some.
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

/// The writer as the store holds it: runs until it is stopped.
pub(super) struct Writer {
    /// `None` once it is stopped.
    running: Mutex<Option<Running>>,
}

/// The thread, and the queue to it that the store holds.
pub(super) struct Running {
    queue: WriterQueue,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Starts the writer thread.
    pub(super) fn start(committer: impl Commit + Send + 'static) -> Result<Self, MetaError> {
        let (commands, queue) = mpsc::channel(META_QUEUE_MAX);
        let thread = thread::Builder::new()
            .name("meta-writer".to_owned())
            .spawn(move || run(committer, queue))
            .map_err(|error| MetaError::Storage(format!("start the metadata writer: {error}")))?;
        let running = Running { queue: WriterQueue { commands }, thread };
        Ok(Self { running: Mutex::new(Some(running)) })
    }

    /// The queue, to submit a command to.
    pub(super) fn queue(&self) -> Result<WriterQueue, MetaError> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|running| running.queue.clone()).ok_or(MetaError::Closed)
    }

    /// Hands out no queue from now on; `None` if that was so already.
    pub(super) fn stop(&self) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Running {
    /// Lets the thread end once everybody who had the queue is through, and waits for it.
    pub(super) fn join(self) -> Result<(), MetaError> {
        drop(self.queue);
        self.thread.join().map_err(|_| MetaError::Storage("join the metadata writer: it panicked".to_owned()))
    }
}

/// Commits what comes through the queue until every sender is gone and it is empty.
pub(super) fn run(mut committer: impl Commit, mut queue: mpsc::Receiver<Box<dyn Command>>) {
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
        let verdict = committer.commit(&mut group);
        for command in group.drain(..) {
            match &verdict {
                Verdict::Answered => command.answer(),
                Verdict::Full => command.fail(MetaError::Full),
                Verdict::Storage(detail) => command.fail(MetaError::Storage(detail.clone())),
            }
        }
        committer.tidy();
    }
    committer.close();
}
