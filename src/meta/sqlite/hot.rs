//! Whether a row may be looked up where the caller stands. Rows that are in use are in memory, and reading them costs
//! less than waking another thread twice; but whoever waits for a disk must not keep the reactor waiting.
//!
//! So one look-up at a time, which leaves the other threads of the reactor to everybody else however long it takes; and
//! after one that was slow none for a while: then rows come from a disk, or the machine is short of something.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits::{LOOK_UP_REST_MS, LOOK_UP_US_MAX};

/// Admits look-ups.
pub(super) struct HotRows {
    began: Instant,
    is_taken: AtomicBool,
    /// Milliseconds since `began` until which nobody is admitted.
    rests_until_ms: AtomicU64,
}

/// The right to look up. Dropped, it goes to the next.
pub(super) struct Turn<'a> {
    rows: &'a HotRows,
    began: Instant,
}

impl HotRows {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), is_taken: AtomicBool::new(false), rests_until_ms: AtomicU64::new(0) }
    }

    /// The right to look up now, unless somebody has it or it is not the time.
    pub(super) fn turn(&self, now: Instant) -> Option<Turn<'_>> {
        if self.millis(now) < self.rests_until_ms.load(Ordering::Relaxed) {
            return None;
        }
        let is_free = self.is_taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
        is_free.then_some(Turn { rows: self, began: now })
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from((now - self.began).as_millis()).unwrap_or(u64::MAX)
    }
}

impl Turn<'_> {
    /// It ended at `now`.
    pub(super) fn end(self, now: Instant) {
        if now - self.began > Duration::from_micros(LOOK_UP_US_MAX) {
            let until = self.rows.millis(now).saturating_add(LOOK_UP_REST_MS);
            self.rows.rests_until_ms.store(until, Ordering::Relaxed);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.rows.is_taken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::HotRows;
    use crate::limits::{LOOK_UP_REST_MS, LOOK_UP_US_MAX};

    #[test]
    fn one_looks_up_at_a_time_and_nobody_after_a_slow_one() {
        let rows = HotRows::new();
        let now = rows.began;
        let turn = rows.turn(now).expect("nobody has it");
        assert!(rows.turn(now).is_none(), "somebody has it");
        turn.end(now + Duration::from_micros(LOOK_UP_US_MAX));
        let turn = rows.turn(now).expect("it was quick");
        let slow = now + Duration::from_micros(LOOK_UP_US_MAX + 1000);
        turn.end(slow);
        assert!(rows.turn(slow).is_none(), "it was slow");
        let later = slow + Duration::from_millis(LOOK_UP_REST_MS);
        drop(rows.turn(later).expect("it has rested, and the turn that was given up is free"));
        assert!(rows.turn(later).is_some());
    }
}
