//! What may be done a number of times in each second, and no more often.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Counts within seconds. Never waits.
#[derive(Debug)]
pub struct PerSecond {
    began: Instant,
    /// The second since `began` in which something was last done, and how often: 32 bits each.
    taken: AtomicU64,
}

impl Default for PerSecond {
    fn default() -> Self {
        Self { began: Instant::now(), taken: AtomicU64::new(0) }
    }
}

impl PerSecond {
    /// Whether it may be done at `now`, and counts it if so. `max` has 32 bits.
    pub fn may(&self, now: Instant, max: u64) -> bool {
        let second = now.saturating_duration_since(self.began).as_secs() & u64::from(u32::MAX);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            match (last >> 32 == second, last & u64::from(u32::MAX)) {
                (true, taken) if taken >= max => None,
                (true, _) => Some(last + 1),
                (false, _) => Some(second << 32 | 1),
            }
        });
        taken.is_ok()
    }
}
