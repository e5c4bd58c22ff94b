//! The primitives of concurrency that the block pool, the metadata writer and the drain are made of: those of std and
//! tokio, unchanged, under one roof.
//!
//! The roof is there for `tests/interleave`, which compiles the same source files against primitives of the same
//! names whose every step a scheduler orders. So whatever of these files waits or is shared takes its primitives from
//! here and nowhere else.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
pub(crate) use tokio::sync::{OwnedSemaphorePermit, Semaphore};
pub(crate) use tokio_util::sync::CancellationToken;
pub(crate) use tokio_util::task::TaskTracker;

/// Shared counters.
pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
}

/// Bounded queues.
pub(crate) mod mpsc {
    pub(crate) use tokio::sync::mpsc::{Receiver, Sender, channel};
}

/// One answer.
pub(crate) mod oneshot {
    pub(crate) use tokio::sync::oneshot::{Receiver, Sender, channel};
}

/// Tasks.
pub(crate) mod task {
    pub(crate) use tokio::task::{AbortHandle, JoinHandle, yield_now};
}

/// Threads.
pub(crate) mod thread {
    pub(crate) use std::thread::{Builder, JoinHandle};
}

/// Deadlines.
pub(crate) mod time {
    pub(crate) use tokio::time::timeout;
}
