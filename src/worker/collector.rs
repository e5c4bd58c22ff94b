//! The garbage collector's pace.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::limits::GARBAGE_IDLE_MS;
use crate::worker::{Pace, Worker};

/// Frees what deletes, overwrites, aborts and expired uploads left behind.
pub struct Collector {
    engine: Arc<Engine>,
}

impl Collector {
    /// A collector of `engine`'s garbage.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Worker for Collector {
    fn name(&self) -> &'static str {
        "collector"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let collected = self.engine.collect_step().await?;
        if collected.chunks > 0 || collected.manifests > 0 {
            tracing::debug!(?collected, "collected garbage");
        }
        Ok(if collected.has_more { Pace::Busy } else { Pace::Idle(Duration::from_millis(GARBAGE_IDLE_MS)) })
    }
}
