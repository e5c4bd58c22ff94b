//! The pace at which server access logs are delivered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use crate::engine::{Engine, EngineError, LogStyle};
use crate::limits::ACCESS_LOG_REFRESH_MS;
use crate::worker::{Pace, Worker};

/// Delivers the access log lines of this process. Not leased: each process has lines of its own.
pub struct AccessLogDelivery {
    engine: Arc<Engine>,
    style: LogStyle,
    interval: Duration,
    due: Mutex<Instant>,
}

impl AccessLogDelivery {
    /// Delivers every `interval`, and what is much at once.
    pub fn new(engine: Arc<Engine>, style: LogStyle, interval: Duration) -> Self {
        Self { engine, style, interval, due: Mutex::new(Instant::now() + interval) }
    }

    /// Whether the interval has passed.
    fn is_due(&self, now: Instant) -> bool {
        *self.due.lock().unwrap_or_else(PoisonError::into_inner) <= now
    }
}

#[async_trait]
impl Worker for AccessLogDelivery {
    fn name(&self) -> &str {
        "access-logs"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        self.engine.refresh_logged_buckets().await?;
        let now = Instant::now();
        let is_due = self.is_due(now);
        self.engine.deliver_access_logs(&self.style, is_due).await?;
        if is_due {
            *self.due.lock().unwrap_or_else(PoisonError::into_inner) = now + self.interval;
        }
        // A step may be dropped while it rests: nothing is taken then.
        let rest = Duration::from_millis(ACCESS_LOG_REFRESH_MS);
        let _ = timeout(rest, self.engine.access_log_is_enough()).await;
        Ok(Pace::Busy)
    }

    async fn stop(&self) -> Result<(), EngineError> {
        self.engine.deliver_access_logs(&self.style, true).await?;
        Ok(())
    }
}
