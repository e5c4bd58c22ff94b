//! Graceful stop: no new work, running work finishes until a deadline, the rest is cancelled with a cause.
//!
//! Owns the signals and the list of tasks that the stop waits for. Must never know what the tasks do.

use std::time::Duration;

use crate::limits::CANCEL_GRACE_MS;
use crate::sync::task::{AbortHandle, JoinHandle, yield_now};
use crate::sync::time::timeout;
use crate::sync::{Arc, CancellationToken, OnceLock, TaskTracker};

/// Why a request ended before its answer was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The client hung up.
    ClientGone,
    /// A timeout of ours.
    Deadline,
    /// Too slow for a time in which connections are scarce.
    Slow,
    /// The drain's deadline passed.
    Drain,
}

/// The drain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The drain has begun.
    draining: CancellationToken,
    /// Its deadline has passed: whoever listens ends by itself.
    cancelled: CancellationToken,
    /// The grace after that has passed too: tasks are dropped where they wait.
    abandoned: CancellationToken,
    tasks: TaskTracker,
}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner {
                draining: CancellationToken::new(),
                cancelled: CancellationToken::new(),
                abandoned: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        }
    }

    /// Spawns a task that the drain waits for. A task that has not ended `CANCEL_GRACE_MS` after
    /// `cancelled()` is dropped at the point where it waits; its handle then reports a cancelled task.
    ///
    /// Once the drain has begun, tasks are spawned by tasks of the drain only: it may be over for anybody else's.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // On the heap, because moving a future into another one makes room for it twice.
        let mut task = Box::pin(task);
        // A task learns its own abort handle only from whoever spawned it.
        let own = Arc::new(OnceLock::<AbortHandle>::new());
        let abandoned = self.inner.abandoned.clone();
        let handle = self.inner.tasks.spawn({
            let own = Arc::clone(&own);
            async move {
                tokio::select! {
                    biased;
                    output = &mut task => return output,
                    () = abandoned.cancelled() => {}
                }
                loop {
                    if let Some(own) = own.get() {
                        own.abort();
                    }
                    yield_now().await;
                }
            }
        });
        // The cell is set here only.
        let _ = own.set(handle.abort_handle());
        handle
    }

    /// Begins the drain: `draining()` resolves for everybody.
    pub fn begin(&self) {
        self.inner.draining.cancel();
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.is_cancelled()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        self.inner.draining.cancelled().await;
    }

    /// Resolves when the deadline of the drain has passed and what is left must stop.
    pub async fn cancelled(&self) {
        self.inner.cancelled.cancelled().await;
    }

    /// Begins the drain, waits for all tasks until `deadline`, then cancels the rest and waits for them.
    /// Returns how many had to be cancelled. Not to be called from a task of the drain itself.
    pub async fn finish(&self, deadline: Duration) -> usize {
        let Inner { cancelled, abandoned, tasks, .. } = &*self.inner;
        self.begin();
        tasks.close();
        let left = match timeout(deadline, tasks.wait()).await {
            Ok(()) => 0,
            Err(_elapsed) => tasks.len(),
        };
        cancelled.cancel();
        if left == 0 {
            return 0;
        }
        let grace = Duration::from_millis(CANCEL_GRACE_MS);
        if timeout(grace, tasks.wait()).await.is_err() {
            abandoned.cancel();
            if timeout(grace, tasks.wait()).await.is_err() {
                tracing::error!(tasks = tasks.len(), "tasks that never wait could not be cancelled");
            }
        }
        left
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}
