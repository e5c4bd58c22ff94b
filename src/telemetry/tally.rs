//! Plain counters of requests, for samples of the past. One addition for each thing that happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits::insight::LATENCY_BUCKETS;

/// Counts what ends.
#[derive(Debug)]
pub struct Tally {
    errors_4xx: AtomicU64,
    errors_5xx: AtomicU64,
    refused: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    /// How long requests took. Their number is the sum.
    latencies: [AtomicU64; LATENCY_BUCKETS],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            errors_4xx: AtomicU64::default(),
            errors_5xx: AtomicU64::default(),
            refused: AtomicU64::default(),
            received_bytes: AtomicU64::default(),
            sent_bytes: AtomicU64::default(),
            latencies: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

impl Tally {
    /// A request ended. `status` is 0 if it had no answer.
    pub fn ended(&self, status: u16, duration: Duration, received_bytes: u64, sent_bytes: u64) {
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.latencies[bucket_of(duration)], 1);
        if received_bytes > 0 {
            add(&self.received_bytes, received_bytes);
        }
        if sent_bytes > 0 {
            add(&self.sent_bytes, sent_bytes);
        }
        match status {
            400..500 => {
                add(&self.errors_4xx, 1);
            }
            500.. => {
                add(&self.errors_5xx, 1);
                if status == 503 {
                    add(&self.refused, 1);
                }
            }
            _ => {}
        }
    }

    /// What was counted so far.
    pub fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            errors_4xx: read(&self.errors_4xx),
            errors_5xx: read(&self.errors_5xx),
            refused: read(&self.refused),
            received_bytes: read(&self.received_bytes),
            sent_bytes: read(&self.sent_bytes),
            latencies: std::array::from_fn(|bucket| read(&self.latencies[bucket])),
        }
    }
}

/// What was counted up to some moment, or between two.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Answers with a 4xx status.
    pub errors_4xx: u64,
    /// Answers with a 5xx status.
    pub errors_5xx: u64,
    /// Of those, answers with 503.
    pub refused: u64,
    /// Bytes of bodies.
    pub received_bytes: u64,
    /// Bytes of answers.
    pub sent_bytes: u64,
    latencies: [u64; LATENCY_BUCKETS],
}

impl Default for Counts {
    fn default() -> Self {
        Tally::default().read()
    }
}

impl Counts {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            errors_4xx: self.errors_4xx.saturating_sub(earlier.errors_4xx),
            errors_5xx: self.errors_5xx.saturating_sub(earlier.errors_5xx),
            refused: self.refused.saturating_sub(earlier.refused),
            received_bytes: self.received_bytes.saturating_sub(earlier.received_bytes),
            sent_bytes: self.sent_bytes.saturating_sub(earlier.sent_bytes),
            latencies: std::array::from_fn(|at| self.latencies[at].saturating_sub(earlier.latencies[at])),
        }
    }

    /// Requests that ended.
    pub fn requests(&self) -> u64 {
        self.latencies.iter().sum()
    }

    /// The time in microseconds that `percent` of the requests did not exceed, to an eighth; `None` without requests.
    pub fn latency_micros(&self, percent: u64) -> Option<u64> {
        let rank = (self.requests() * percent).div_ceil(100);
        if rank == 0 {
            return None;
        }
        let mut passed = 0;
        let bucket = self.latencies.iter().position(|count| {
            passed += count;
            passed >= rank
        });
        bucket.map(middle_of)
    }
}

/// Four buckets for each doubling of a microsecond.
fn bucket_of(duration: Duration) -> usize {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros < 4 {
        return usize::try_from(micros).unwrap_or_default();
    }
    let doublings = micros.ilog2();
    let quarter = usize::try_from((micros >> (doublings - 2)) & 3).unwrap_or_default();
    (4 * (doublings as usize - 1) + quarter).min(LATENCY_BUCKETS - 1)
}

/// The middle of a bucket, in microseconds.
fn middle_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 4 {
        return bucket;
    }
    let (doublings, quarter) = (bucket / 4 + 1, bucket % 4);
    let width = 1 << (doublings - 2);
    (4 + quarter) * width + width / 2
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Tally, bucket_of, middle_of};
    use crate::limits::insight::LATENCY_BUCKETS;

    #[test]
    fn buckets_follow_one_another_and_hold_their_middle() {
        let mut last = 0;
        for micros in 0..1_000_000_u64 {
            let bucket = bucket_of(Duration::from_micros(micros));
            assert!(bucket == last || bucket == last + 1, "{micros}");
            last = bucket;
            let middle = middle_of(bucket);
            assert!(middle.abs_diff(micros) * 8 <= micros.max(8), "{micros} is told as {middle}");
        }
        assert_eq!(bucket_of(Duration::MAX), LATENCY_BUCKETS - 1);
        for bucket in 0..LATENCY_BUCKETS {
            assert_eq!(bucket_of(Duration::from_micros(middle_of(bucket))), bucket);
        }
    }

    #[test]
    fn counts_between_two_moments_are_of_what_happened_between_them() {
        let tally = Tally::default();
        tally.ended(200, Duration::from_millis(1), 5, 7);
        let earlier = tally.read();
        for millis in 1..=100 {
            tally.ended(200, Duration::from_millis(millis), 1, 2);
        }
        tally.ended(404, Duration::from_millis(1), 0, 0);
        tally.ended(500, Duration::from_millis(1), 0, 0);
        tally.ended(503, Duration::from_millis(1), 0, 0);
        tally.ended(0, Duration::from_millis(1), 0, 0);
        let counts = tally.read().since(&earlier);
        assert_eq!((counts.requests(), counts.errors_4xx, counts.errors_5xx, counts.refused), (104, 1, 2, 1));
        assert_eq!((counts.received_bytes, counts.sent_bytes), (100, 200));
        let near = |percent, millis: u64| {
            let micros = counts.latency_micros(percent).unwrap();
            assert!(micros.abs_diff(millis * 1_000) * 8 <= millis * 1_000, "p{percent} is {micros} us");
        };
        near(50, 48);
        near(99, 99);
        assert_eq!(earlier.since(&earlier).latency_micros(50), None);
    }
}
