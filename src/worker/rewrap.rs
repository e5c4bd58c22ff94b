//! The pace of wrapping data keys anew.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::engine::{Engine, EngineError, RewrapPass, Rewrapped};
use crate::limits::REWRAP_LOOK_MS;
use crate::worker::{Pace, Progress, Worker};

/// Wraps the data keys of all objects under the active key, when somebody asks for it. It needs no lease: a pass that
/// another process makes at the same time finds less to do.
pub struct Rewrapper {
    engine: Arc<Engine>,
    is_asked: AtomicBool,
    passes: Mutex<Passes>,
}

/// What is known of passes. In memory only: whoever wants one goes on asking after a restart.
#[derive(Default)]
struct Passes {
    now: Option<RewrapPass>,
    last: Option<Rewrapped>,
}

impl Rewrapper {
    /// Rests until somebody hurries it.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, is_asked: AtomicBool::new(false), passes: Mutex::default() }
    }

    fn passes(&self) -> MutexGuard<'_, Passes> {
        self.passes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pass under way, or a new one if that was asked for. One that was asked for while another was under way begins
    /// after it: the key may have become active only then.
    fn pass(&self) -> Option<RewrapPass> {
        let mut passes = self.passes();
        if passes.now.is_none() && self.is_asked.swap(false, Ordering::AcqRel) {
            passes.now = Some(RewrapPass::default());
        }
        passes.now.clone()
    }
}

#[async_trait]
impl Worker for Rewrapper {
    fn name(&self) -> &'static str {
        "rewrap"
    }

    fn hurry(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    async fn progress(&self) -> Progress {
        let passes = self.passes();
        let detail = match (&passes.now, &passes.last) {
            (Some(pass), _) => format!("so far {}", pass.found.describe()),
            (None, Some(last)) => last.describe(),
            (None, None) => "nobody asked for it".to_owned(),
        };
        Progress { part: None, detail: Some(detail) }
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let Some(pass) = self.pass() else { return Ok(Pace::Idle(Duration::from_millis(REWRAP_LOOK_MS))) };
        let began = Instant::now();
        // A step that fails or is dropped leaves the pass where it was.
        let pass = self.engine.rewrap_step(pass).await?;
        let mut passes = self.passes();
        if pass.is_over() {
            tracing::info!(found = pass.found.describe(), "data keys are wrapped under the active key");
            (passes.now, passes.last) = (None, Some(pass.found));
            return Ok(Pace::Busy);
        }
        passes.now = Some(pass);
        // Half of the time belongs to everybody else.
        Ok(Pace::Idle(began.elapsed()))
    }
}
