//! The pace of lifecycle, and of the end of undelete windows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::limits::{LIFECYCLE_PASS_SECONDS, LIFECYCLE_STEP_REST_MS, UNDELETE_INTERVAL_SECONDS};
use crate::rules::DayLength;
use crate::worker::{Pace, Worker};

/// Passes per day: rules count in days, and what is due should not wait for most of another one.
const PASSES_PER_DAY: u64 = 24;

/// Expires what the lifecycle rules of buckets ask for.
pub struct LifecycleRules {
    engine: Arc<Engine>,
    day: DayLength,
}

impl LifecycleRules {
    /// Follows the rules of `engine`'s buckets; `day` is how long their days are.
    pub fn new(engine: Arc<Engine>, day: DayLength) -> Self {
        Self { engine, day }
    }

    /// From the end of one pass to the next. Short days have passes of their own.
    fn rest(&self) -> Duration {
        Duration::from_secs((self.day.seconds() / PASSES_PER_DAY).clamp(1, LIFECYCLE_PASS_SECONDS))
    }
}

#[async_trait]
impl Worker for LifecycleRules {
    fn name(&self) -> &'static str {
        "lifecycle"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let step = self.engine.lifecycle_step(self.day).await?;
        let rest = if step.is_pass_over { self.rest() } else { Duration::from_millis(LIFECYCLE_STEP_REST_MS) };
        Ok(Pace::Idle(rest))
    }
}

/// Removes what was deleted for good once its undelete window has ended.
pub struct UndeleteCollector {
    engine: Arc<Engine>,
}

impl UndeleteCollector {
    /// Looks after the undelete windows of `engine`'s buckets.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }
}

#[async_trait]
impl Worker for UndeleteCollector {
    fn name(&self) -> &'static str {
        "undelete"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let has_more = self.engine.collect_retained_step().await?;
        Ok(if has_more { Pace::Busy } else { Pace::Idle(Duration::from_secs(UNDELETE_INTERVAL_SECONDS)) })
    }
}
