//! A deadline that many threads move and ask, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A deadline, to the millisecond. At first it has passed.
pub struct SharedDeadline {
    began: Instant,
    /// Milliseconds since `began`.
    at: AtomicU64,
}

impl Default for SharedDeadline {
    fn default() -> Self {
        Self { began: Instant::now(), at: AtomicU64::new(0) }
    }
}

impl SharedDeadline {
    /// Sets the deadline to `moment`; one that lies in the past has passed.
    pub fn set(&self, moment: Instant) {
        self.at.store(self.millis(moment), Ordering::Relaxed);
    }

    /// Whether the deadline is still ahead at `now`.
    pub fn is_ahead(&self, now: Instant) -> bool {
        self.millis(now) < self.at.load(Ordering::Relaxed)
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::SharedDeadline;

    #[test]
    fn it_is_ahead_until_its_moment() {
        let (deadline, now) = (SharedDeadline::default(), Instant::now());
        assert!(!deadline.is_ahead(now), "nobody set it yet");
        deadline.set(now + Duration::from_secs(1));
        assert!(deadline.is_ahead(now + Duration::from_millis(990)));
        assert!(!deadline.is_ahead(now + Duration::from_millis(1_010)));
        deadline.set(now);
        assert!(!deadline.is_ahead(now), "it was moved to now");
    }
}
