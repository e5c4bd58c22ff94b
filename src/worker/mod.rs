//! Background work: one trait, one runner, and the workers. Each asks the engine for one bounded step at a
//! time; its pace is a value that the step returns. Knows nothing of metadata, chunks or HTTP.

pub mod access_log;
pub mod collector;
pub mod delivery;
pub mod disk;
pub mod expiry;
pub mod job;
pub mod lease;
pub mod lifecycle;
pub mod lock_clock;
pub mod rewrap;
pub mod runner;
pub mod scrub;
pub mod snapshot;
pub mod sweeper;

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::EngineError;

pub use access_log::AccessLogDelivery;
pub use collector::Collector;
pub use delivery::EventDelivery;
pub use disk::DiskTrial;
pub use expiry::UploadExpiry;
pub use job::{JobFacts, JobState, Jobs};
pub use lease::Leased;
pub use lifecycle::{LifecycleRules, UndeleteCollector};
pub use lock_clock::LockClockKeeper;
pub use rewrap::Rewrapper;
pub use runner::Runner;
pub use scrub::Scrubber;
pub use snapshot::SnapshotKeeper;
pub use sweeper::EpochSweeper;

/// When a worker wants its next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// At once: there is more to do.
    Busy,
    /// After this rest.
    Idle(Duration),
    /// Never: its work is done.
    Done,
}

/// How far a background job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// From 0 to 1; `None` for work that has no end.
    pub part: Option<f64>,
    /// In words.
    pub detail: Option<String>,
}

/// A background job.
#[async_trait]
pub trait Worker: Send + Sync + 'static {
    /// Its name: of its log lines and of its lease.
    fn name(&self) -> &str;

    /// Does a bounded piece of work. The runner drops the step when it is stopped: what was not finished must
    /// be found again.
    ///
    /// # Errors
    /// Any: the runner logs it, rests and tries again.
    async fn step(&self) -> Result<Pace, EngineError>;

    /// An operator wants its work to begin now, and not when it is due. The next step comes at once.
    fn hurry(&self) {}

    /// How far a piece of work is, from 0 to 1, and more about it in words. Asked when somebody looks.
    async fn progress(&self) -> Progress {
        Progress::default()
    }

    /// Gives back what the worker holds. Called once, after its last step.
    ///
    /// # Errors
    /// Any: the runner logs it.
    async fn stop(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
