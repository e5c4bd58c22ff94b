//! The pace of the database's snapshots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError, Snapshots};
use crate::limits::{SNAPSHOT_FIRST_SECONDS, SNAPSHOT_LOOK_MS};
use crate::worker::{Pace, Worker};

/// Takes snapshots and removes the oldest.
pub struct SnapshotKeeper {
    engine: Arc<Engine>,
    snapshots: Snapshots,
    interval: Duration,
    keep: usize,
    begins: Instant,
    /// Whether one is to be taken although none is due.
    is_asked: AtomicBool,
}

impl SnapshotKeeper {
    /// Takes one of `snapshots` every `interval` and keeps the newest `keep`.
    pub fn new(engine: Arc<Engine>, snapshots: Snapshots, interval: Duration, keep: usize) -> Self {
        // Not at once: a start has other things to do, and one that fails again and again needs no snapshots.
        let begins = Instant::now() + interval.min(Duration::from_secs(SNAPSHOT_FIRST_SECONDS));
        Self { engine, snapshots, interval, keep, begins, is_asked: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Worker for SnapshotKeeper {
    fn name(&self) -> &'static str {
        "snapshots"
    }

    fn hurry(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let rest = Pace::Idle(Duration::from_millis(SNAPSHOT_LOOK_MS));
        if self.is_asked.swap(false, Ordering::AcqRel) {
            self.engine.snapshot_step(&self.snapshots, 0, self.keep).await?;
        } else if Instant::now() >= self.begins {
            self.engine.snapshot_step(&self.snapshots, self.interval.as_secs(), self.keep).await?;
        }
        Ok(rest)
    }
}
