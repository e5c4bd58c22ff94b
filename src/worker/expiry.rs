//! Aborts uploads that nobody finishes, so that their parts do not stay for ever.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::limits::UPLOAD_EXPIRY_INTERVAL_SECONDS;
use crate::worker::{Pace, Worker};

/// Aborts uploads of a certain age.
pub struct UploadExpiry {
    engine: Arc<Engine>,
    age_seconds: u64,
}

impl UploadExpiry {
    /// Aborts `engine`'s uploads that were initiated more than `age_seconds` ago.
    pub fn new(engine: Arc<Engine>, age_seconds: u64) -> Self {
        Self { engine, age_seconds }
    }
}

#[async_trait]
impl Worker for UploadExpiry {
    fn name(&self) -> &'static str {
        "upload-expiry"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        let has_more = self.engine.expire_uploads_step(self.age_seconds).await?;
        Ok(if has_more { Pace::Busy } else { Pace::Idle(Duration::from_secs(UPLOAD_EXPIRY_INTERVAL_SECONDS)) })
    }
}
