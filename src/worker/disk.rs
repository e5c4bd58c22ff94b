//! Asks a disk that keeps failing whether it is well again, so that a gateway that nobody writes to finds out too.
//! Every process has a circuit of its own: it needs no lease.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::limits::DISK_LOOK_MS;
use crate::worker::{Pace, Worker};

/// Makes the trial writes.
pub struct DiskTrial {
    engine: Arc<Engine>,
}

impl DiskTrial {
    /// Tries `engine`'s disk.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Worker for DiskTrial {
    fn name(&self) -> &'static str {
        "disk-trial"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let look = Duration::from_millis(DISK_LOOK_MS);
        Ok(Pace::Idle(self.engine.try_disk().await?.map_or(look, |rest| rest.min(look))))
    }
}
