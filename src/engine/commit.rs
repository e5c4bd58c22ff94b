//! The commit stage: from here on a request that goes away no longer stops its write.
//!
//! A body is durable before this stage; whether it becomes visible is one metadata transaction. With chunk files it
//! runs on a task that the engine owns, so that a dropped request can neither delete the chunks of a commit that goes
//! through nor leave those of a refused one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::chunk::ChunkStore;
use crate::engine::EngineError;
use crate::engine::disk::DiskCircuit;
use crate::engine::unclaimed::{Doubt, Unclaimed};
use crate::engine::writer::StoredBody;
use crate::limits::SETTLE_WAIT_MS;
use crate::meta::{MetaError, MetaStore, NewBody, NewExtent, carrying_origin};
use crate::telemetry::traces::{self, Step};
use crate::types::ChunkId;

/// A body that is ready to be committed.
pub(crate) enum PendingBody {
    /// What the writer made.
    Stored(StoredBody),
    /// Pieces of chunks that other bodies refer to.
    Shared(Vec<NewExtent>),
}

/// The commits under way.
pub(crate) struct Commits {
    meta: Arc<dyn MetaStore>,
    chunks: Arc<dyn ChunkStore>,
    tasks: TaskTracker,
    stopping: AtomicBool,
    unclaimed: Arc<Unclaimed>,
    disk: Arc<DiskCircuit>,
}

impl PendingBody {
    /// Whether nothing is left behind by a commit that does not happen.
    fn has_no_files(&self) -> bool {
        matches!(self, Self::Stored(StoredBody::Inline(_) | StoredBody::SealedInline(..)))
    }

    /// The body as the transaction takes it, and the chunks that nobody owns if the transaction refuses.
    fn disarm(self) -> (NewBody, Vec<ChunkId>) {
        let extents = match self {
            Self::Stored(StoredBody::Inline(bytes) | StoredBody::SealedInline(bytes, _)) => {
                return (NewBody::Inline(bytes), Vec::new());
            }
            Self::Stored(StoredBody::Chunks(chunks)) => chunks.disarm(),
            Self::Shared(extents) => extents,
        };
        let sealed = extents.iter().filter_map(|extent| match extent {
            NewExtent::Sealed { id, .. } => Some(*id),
            NewExtent::Shared { .. } => None,
        });
        let sealed = sealed.collect();
        (NewBody::Extents(extents), sealed)
    }
}

impl Commits {
    /// Commits to `meta`. `chunks` notes its files without a row in `unclaimed`; `disk` learns from each commit.
    pub(crate) fn new(
        meta: Arc<dyn MetaStore>,
        chunks: Arc<dyn ChunkStore>,
        unclaimed: Arc<Unclaimed>,
        disk: Arc<DiskCircuit>,
    ) -> Self {
        Self { meta, chunks, tasks: TaskTracker::new(), stopping: AtomicBool::new(false), unclaimed, disk }
    }

    /// Commits `body` with `transaction`. Dropping the returned future does not stop the commit of a body in chunk
    /// files; that of a body in the database it stops if the writer has not begun with it.
    ///
    /// When the transaction refuses for certain, the body's chunk files are removed; when it is in doubt they
    /// stay for the sweep of this epoch.
    ///
    /// # Errors
    /// Those of the transaction; `Stopped` once the engine shuts down.
    pub(crate) async fn run<T, C, F>(&self, body: PendingBody, transaction: C) -> Result<T, EngineError>
    where
        C: FnOnce(Arc<dyn MetaStore>, NewBody) -> F + Send + 'static,
        F: Future<Output = Result<T, MetaError>> + Send + 'static,
        T: Send + 'static,
    {
        self.commit(body, transaction).instrument(traces::step(Step::Commit)).await
    }

    async fn commit<T, C, F>(&self, body: PendingBody, transaction: C) -> Result<T, EngineError>
    where
        C: FnOnce(Arc<dyn MetaStore>, NewBody) -> F + Send + 'static,
        F: Future<Output = Result<T, MetaError>> + Send + 'static,
        T: Send + 'static,
    {
        // The token is taken before the flag is read and `finish` sets the flag before it waits: either this
        // commit sees the flag or `finish` waits for it.
        let token = self.tasks.token();
        if self.stopping.load(Ordering::SeqCst) {
            return Err(EngineError::Stopped);
        }
        let meta = Arc::clone(&self.meta);
        if body.has_no_files() {
            let result = transaction(meta, body.disarm().0).await;
            drop(token);
            self.disk.learn_of_metadata(&result);
            return result.map_err(EngineError::from);
        }
        let chunks = Arc::clone(&self.chunks);
        let unclaimed = Arc::clone(&self.unclaimed);
        // Until the task runs, the body still removes its own files, should the runtime drop the task.
        let task = self.tasks.spawn(carrying_origin(async move {
            let (body, sealed) = body.disarm();
            let doubt = Doubt::new(unclaimed, sealed);
            let result = transaction(meta, body).await;
            settle(doubt, chunks, result.as_ref().err()).await;
            result
        }));
        drop(token);
        match task.await {
            Ok(result) => {
                self.disk.learn_of_metadata(&result);
                result.map_err(EngineError::from)
            }
            Err(stopped) => {
                tracing::error!(error = %stopped, "a commit task ended early");
                Err(EngineError::Stopped)
            }
        }
    }

    /// Whether new commits are refused, so that no body should be received any more.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits until no chunk file is without a row, but for those in doubt.
    #[cfg(test)]
    pub(crate) async fn settled(&self) {
        self.unclaimed.settled().await;
    }

    /// Refuses new commits, waits for those under way, and then until no chunk file is without a row: also
    /// for the removals of bodies that were given up. True if that came to be.
    pub(crate) async fn finish(&self) -> bool {
        self.stopping.store(true, Ordering::SeqCst);
        self.tasks.close();
        self.tasks.wait().await;
        // A file that cannot be removed would hold the end for ever: the sweep of the next start gets it.
        let _ = timeout(Duration::from_millis(SETTLE_WAIT_MS), self.unclaimed.settled()).await;
        self.unclaimed.is_clean()
    }
}

async fn settle(doubt: Doubt, chunks: Arc<dyn ChunkStore>, refusal: Option<&MetaError>) {
    match refusal {
        None => doubt.claim(),
        Some(error) if error.is_in_doubt() => {
            tracing::error!(%error, "a commit is in doubt: its chunks stay for the sweep");
        }
        Some(_) => remove_files(chunks, doubt.refuse()).await,
    }
}

/// Removes files that no row refers to. Those that cannot be removed stay unclaimed.
async fn remove_files(chunks: Arc<dyn ChunkStore>, sealed: Vec<ChunkId>) {
    if sealed.is_empty() {
        return;
    }
    let removal = spawn_blocking(move || {
        for chunk in sealed {
            if let Err(error) = chunks.remove(chunk) {
                tracing::error!(%chunk, %error, "the chunk of a refused write could not be removed");
            }
        }
    });
    if let Err(error) = removal.await {
        tracing::error!(%error, "the chunks of a refused write could not be removed");
    }
}
