//! What `crate::sync` is here: the same names as in `src/sync.rs`, and before each call of a primitive, and before it is
//! dropped, the scheduler decides who goes on.
//!
//! Semaphores, queues, answers, signals and trackers are tokio's own, so that nothing about them has to be believed
//! of a model; only mutexes, counters, tasks and threads are the shuttle's, because they are what it schedules. Time
//! alone is made up: see `time`.

pub(crate) mod atomic;
pub(crate) mod mpsc;
pub(crate) mod oneshot;
mod semaphore;
mod signal;
mod step;
pub(crate) mod time;

pub(crate) use std::sync::{Arc, PoisonError};

pub(crate) use semaphore::{OwnedSemaphorePermit, Semaphore};
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
pub(crate) use signal::{CancellationToken, OnceLock, TaskTracker};
pub(crate) use step::{Stepped, point};

/// Tasks.
pub(crate) mod task {
    pub(crate) use shuttle::future::{AbortHandle, JoinHandle, spawn, yield_now};
}

/// Threads.
pub(crate) mod thread {
    pub(crate) use shuttle::thread::{Builder, JoinHandle};
}
