//! Leases: of all processes on the same stores, one does each background job. A lease spares double work; it
//! does not guard correctness: a step that outlives its lease may run twice, and every step allows that.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError};
use crate::limits::WORKER_LEASE_SECONDS;
use crate::types::Epoch;
use crate::worker::{Pace, Progress, Worker};

/// Runs a worker only while this process has the lease of its name.
pub struct Leased<W> {
    worker: W,
    engine: Arc<Engine>,
    holder: Epoch,
    /// Boots whose processes are gone for certain; their leases are given back before the first step.
    gone: Mutex<Vec<Epoch>>,
    /// While the lease is held: when half of it has passed and it is to be renewed.
    renew_at: Mutex<Option<Instant>>,
}

impl<W: Worker> Leased<W> {
    /// Puts `worker` under the lease of its name, held in the name of this boot. `gone` are earlier boots that
    /// crashed: the caller knows (by the lock of the data directory) that none of them still runs.
    pub fn new(worker: W, engine: Arc<Engine>, holder: Epoch, gone: Vec<Epoch>) -> Self {
        Self { worker, engine, holder, gone: Mutex::new(gone), renew_at: Mutex::new(None) }
    }

    /// Without this, work would rest after a crash until the lease of the crashed process runs out.
    async fn give_back_leases_of_the_gone(&self) -> Result<(), EngineError> {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for epoch in gone {
            self.engine.take_lease(self.worker.name(), epoch, 0).await?;
        }
        // Only now: a step that failed or was dropped gives back again.
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    async fn hold(&self) -> Result<bool, EngineError> {
        let now = Instant::now();
        let renew_at = *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner);
        if renew_at.is_some_and(|at| now < at) {
            return Ok(true);
        }
        self.give_back_leases_of_the_gone().await?;
        let held = self.engine.take_lease(self.worker.name(), self.holder, WORKER_LEASE_SECONDS).await?;
        let renew_at = held.then(|| now + Duration::from_secs(WORKER_LEASE_SECONDS / 2));
        *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = renew_at;
        Ok(held)
    }
}

#[async_trait]
impl<W: Worker> Worker for Leased<W> {
    fn name(&self) -> &str {
        self.worker.name()
    }

    fn hurry(&self) {
        self.worker.hurry();
    }

    async fn progress(&self) -> Progress {
        self.worker.progress().await
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        if self.hold().await? {
            return self.worker.step().await;
        }
        // Another process works, or one crashed and its lease runs out soon.
        Ok(Pace::Idle(Duration::from_secs(WORKER_LEASE_SECONDS / 4)))
    }

    async fn stop(&self) -> Result<(), EngineError> {
        self.worker.stop().await?;
        // Given back, so that the next boot does not wait for it to run out; also when this boot does not know
        // of it, because the step that took it was dropped before it heard so.
        self.engine.take_lease(self.worker.name(), self.holder, 0).await?;
        Ok(())
    }
}
