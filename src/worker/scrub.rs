//! The pace of scrub.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError, ScrubBudget};
use crate::limits::{SCRUB_LOOK_MS, SCRUB_RATE_MIN};
use crate::rules::scrub;
use crate::worker::{Pace, Worker};

/// Reads all chunks again and again, and at once those that showed damage to a reader.
pub struct Scrubber {
    engine: Arc<Engine>,
    rate: u64,
    interval: Duration,
}

impl Scrubber {
    /// Reads at most `rate` bytes a second; with 0 only what showed damage. Passes begin an `interval` after each other.
    pub fn new(engine: Arc<Engine>, rate: u64, interval: Duration) -> Self {
        Self { engine, rate, interval }
    }
}

#[async_trait]
impl Worker for Scrubber {
    fn name(&self) -> &'static str {
        "scrub"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let began = Instant::now();
        let budget = ScrubBudget { step_bytes: self.rate, interval_seconds: self.interval.as_secs() };
        let step = self.engine.scrub_step(budget).await?;
        if step.is_waiting {
            return Ok(Pace::Idle(Duration::from_millis(SCRUB_LOOK_MS)));
        }
        let rate = if self.rate == 0 { SCRUB_RATE_MIN } else { self.rate };
        Ok(Pace::Idle(scrub::rest(step.cost, began.elapsed(), rate)))
    }
}
