//! The commit stage: from here on a request that goes away no longer stops its write.
//!
//! A body is durable before this stage; whether it becomes visible is one metadata transaction. That runs on
//! a task that the engine owns, so that a dropped request can neither delete the chunks of a commit that
//! goes through nor leave those of a refused one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;

use crate::chunk::ChunkStore;
use crate::engine::EngineError;
use crate::engine::writer::StoredBody;
use crate::meta::{MetaError, MetaStore, NewBody, NewExtent};
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
    /// Chunk files may exist whose row is not known to exist: the epoch must not end cleanly.
    in_doubt: Arc<AtomicBool>,
}

impl PendingBody {
    /// The body as the transaction takes it, and the chunks that nobody owns if the transaction refuses.
    fn disarm(self) -> (NewBody, Vec<ChunkId>) {
        let extents = match self {
            Self::Stored(StoredBody::Inline(bytes)) => return (NewBody::Inline(bytes), Vec::new()),
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
    pub(crate) fn new(meta: Arc<dyn MetaStore>, chunks: Arc<dyn ChunkStore>) -> Self {
        let in_doubt = Arc::new(AtomicBool::new(false));
        Self { meta, chunks, tasks: TaskTracker::new(), stopping: AtomicBool::new(false), in_doubt }
    }

    /// Commits `body` with `transaction`. Dropping the returned future does not stop the commit.
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
        // The token is taken before the flag is read and `finish` sets the flag before it waits: either this
        // commit sees the flag or `finish` waits for it.
        let token = self.tasks.token();
        if self.stopping.load(Ordering::SeqCst) {
            return Err(EngineError::Stopped);
        }
        let meta = Arc::clone(&self.meta);
        let chunks = Arc::clone(&self.chunks);
        let in_doubt = Arc::clone(&self.in_doubt);
        // Until the task runs, the body still removes its own files, should the runtime drop the task.
        let task = self.tasks.spawn(async move {
            let (body, sealed) = body.disarm();
            let doubt = Doubt { in_doubt, open: !sealed.is_empty() };
            let result = transaction(meta, body).await;
            settle(doubt, chunks, sealed, result.as_ref().err()).await;
            result
        });
        drop(token);
        match task.await {
            Ok(result) => result.map_err(EngineError::from),
            Err(stopped) => {
                tracing::error!(error = %stopped, "a commit task ended early");
                Err(EngineError::Stopped)
            }
        }
    }

    /// Refuses new commits and waits for those under way. True if no chunk file of this epoch can be without
    /// a row because of a commit.
    pub(crate) async fn finish(&self) -> bool {
        self.stopping.store(true, Ordering::SeqCst);
        self.tasks.close();
        self.tasks.wait().await;
        !self.in_doubt.load(Ordering::SeqCst)
    }
}

/// Remembers, unless it is settled, that a commit's outcome is unknown: also if its task is dropped or
/// panics between the request and the answer.
struct Doubt {
    in_doubt: Arc<AtomicBool>,
    open: bool,
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if self.open {
            self.in_doubt.store(true, Ordering::SeqCst);
        }
    }
}

async fn settle(mut doubt: Doubt, chunks: Arc<dyn ChunkStore>, sealed: Vec<ChunkId>, refusal: Option<&MetaError>) {
    match refusal {
        None => doubt.open = false,
        Some(error) if error.is_in_doubt() => {
            tracing::error!(%error, chunks = sealed.len(), "a commit is in doubt: its chunks stay for the sweep");
        }
        Some(_) if sealed.is_empty() => {}
        Some(_) => doubt.open = !remove_files(chunks, sealed).await,
    }
}

/// Removes files that no row refers to; true if all are gone.
async fn remove_files(chunks: Arc<dyn ChunkStore>, sealed: Vec<ChunkId>) -> bool {
    let removal = spawn_blocking(move || {
        let mut all_gone = true;
        for chunk in sealed {
            if let Err(error) = chunks.remove(chunk) {
                tracing::error!(%chunk, %error, "the chunk of a refused write could not be removed");
                all_gone = false;
            }
        }
        all_gone
    });
    removal.await.unwrap_or(false)
}
