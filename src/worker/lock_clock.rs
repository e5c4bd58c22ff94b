//! Keeps the time by which locks are judged, so that a restart does not forget it. Every process does that for its
//! own clock: it needs no lease.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::limits::LOCK_CLOCK_LOOK_SECONDS;
use crate::worker::{Pace, Worker};

/// Keeps the time of locks.
pub struct LockClockKeeper {
    engine: Arc<Engine>,
}

impl LockClockKeeper {
    /// Keeps `engine`'s time of locks.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Worker for LockClockKeeper {
    fn name(&self) -> &'static str {
        "lock-clock"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        self.engine.keep_lock_clock_step().await?;
        Ok(Pace::Idle(Duration::from_secs(LOCK_CLOCK_LOOK_SECONDS)))
    }

    async fn stop(&self) -> Result<(), EngineError> {
        self.engine.keep_lock_clock(0).await
    }
}
