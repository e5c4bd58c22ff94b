//! The sweep at start: removes the chunk files without rows that crashed boots left.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::types::Epoch;
use crate::worker::{Pace, Worker};

/// Sweeps the epochs that did not end cleanly, one per step, once.
pub struct EpochSweeper {
    engine: Arc<Engine>,
    crashed: Mutex<Vec<Epoch>>,
}

impl EpochSweeper {
    /// Sweeps `crashed`, which must not hold the running epoch.
    pub fn new(engine: Arc<Engine>, crashed: Vec<Epoch>) -> Self {
        Self { engine, crashed: Mutex::new(crashed) }
    }
}

#[async_trait]
impl Worker for EpochSweeper {
    fn name(&self) -> &'static str {
        "epoch-sweeper"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let next = self.crashed.lock().unwrap_or_else(PoisonError::into_inner).last().copied();
        let Some(epoch) = next else { return Ok(Pace::Done) };
        let swept = self.engine.sweep_epoch(epoch).await?;
        tracing::info!(epoch = epoch.0, files = swept.files, orphans = swept.orphans, "swept after a crash");
        // Only now: a sweep that failed or was dropped is done again.
        self.crashed.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Ok(Pace::Busy)
    }
}
