//! The pace of scrub.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError, ScrubBudget};
use crate::limits::{SCRUB_LOOK_MS, SCRUB_RATE_MIN};
use crate::rules::scrub;
use crate::worker::{Pace, Progress, Worker};

/// Reads all chunks again and again, and at once those that showed damage to a reader.
pub struct Scrubber {
    engine: Arc<Engine>,
    rate: u64,
    interval: Duration,
    /// Whether a pass is to begin although none is due.
    is_asked: AtomicBool,
}

impl Scrubber {
    /// Reads at most `rate` bytes a second; with 0 only what showed damage. Passes begin an `interval` after each other.
    pub fn new(engine: Arc<Engine>, rate: u64, interval: Duration) -> Self {
        Self { engine, rate, interval, is_asked: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Worker for Scrubber {
    fn name(&self) -> &'static str {
        "scrub"
    }

    fn hurry(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    async fn progress(&self) -> Progress {
        // Who cannot be asked is told of by its steps.
        let Ok(scrub) = self.engine.scrub_progress().await else { return Progress::default() };
        Progress { part: scrub.part(), detail: Some(scrub.describe()) }
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let began = Instant::now();
        let is_asked = self.is_asked.load(Ordering::Acquire);
        // Who turned passes off and asks for one gets it at the least rate.
        let step_bytes = if is_asked { self.rate.max(SCRUB_RATE_MIN) } else { self.rate };
        let interval_seconds = if is_asked { 0 } else { self.interval.as_secs() };
        let step = self.engine.scrub_step(ScrubBudget { step_bytes, interval_seconds }).await?;
        if is_asked && (self.rate > 0 || !self.engine.is_scrub_under_way().await?) {
            // The pass has begun; with passes turned off, it has ended.
            self.is_asked.store(false, Ordering::Release);
        }
        if step.is_waiting {
            return Ok(Pace::Idle(Duration::from_millis(SCRUB_LOOK_MS)));
        }
        let rate = if self.rate == 0 { SCRUB_RATE_MIN } else { self.rate };
        Ok(Pace::Idle(scrub::rest(step.cost, began.elapsed(), rate)))
    }
}
