//! How far the clocks of clients are from ours. If most of them differ alike, it is ours that is wrong.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::insight::{CLIENT_CLOCK_MINUTES_MAX, CLIENT_CLOCKS};

/// Requests of one clock take a different time to arrive.
const SAME_SECONDS: u32 = 5;

/// The difference that each client had last. Clients are told apart by a hash of their key, so that there is nothing to
/// grow, and two that share a place only count as one.
#[derive(Debug)]
pub struct ClientClocks {
    /// The minute since 1970 in which a client was seen, and by how many seconds its clock was ahead: 32 bits each.
    seen: [AtomicU64; CLIENT_CLOCKS],
    places: RandomState,
}

/// What the clocks say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// Clients that were seen lately.
    pub clients: usize,
    /// Seconds by which the one in the middle is ahead of us; negative if it is behind.
    pub median_seconds: i32,
    /// The same of the one that differs most.
    pub farthest_seconds: i32,
}

impl Default for ClientClocks {
    fn default() -> Self {
        Self { seen: [const { AtomicU64::new(0) }; CLIENT_CLOCKS], places: RandomState::new() }
    }
}

impl ClientClocks {
    /// Notes that `client` signed at `its_seconds` by its clock what arrived at `our_seconds` by ours, both since 1970.
    /// Most requests only read: a clock is noted once in a minute, and when it differs from what was noted.
    pub fn note(&self, client: &str, its_seconds: i64, our_seconds: i64) {
        let place = self.places.hash_one(client) % CLIENT_CLOCKS as u64;
        let Some(place) = usize::try_from(place).ok().and_then(|place| self.seen.get(place)) else { return };
        let ahead = its_seconds.saturating_sub(our_seconds).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
        let (minute, noted) = (u64::from(minute(our_seconds)), place.load(Ordering::Relaxed));
        if noted >> 32 != minute || (noted as u32).cast_signed().abs_diff(ahead) > SAME_SECONDS {
            place.store(minute << 32 | u64::from(ahead.cast_unsigned()), Ordering::Relaxed);
        }
    }

    /// What the clients of the last day say; `None` if there were none.
    pub fn difference(&self, our_seconds: i64) -> Option<ClockDifference> {
        let oldest = u64::from(minute(our_seconds).saturating_sub(CLIENT_CLOCK_MINUTES_MAX)).max(1);
        let seen = self.seen.iter().map(|place| place.load(Ordering::Relaxed)).filter(|seen| seen >> 32 >= oldest);
        let mut ahead: Vec<_> = seen.map(|seen| (seen as u32).cast_signed()).collect();
        ahead.sort_unstable();
        let median_seconds = *ahead.get(ahead.len() / 2)?;
        let farthest_seconds = ahead.iter().copied().max_by_key(|ahead| ahead.unsigned_abs())?;
        Some(ClockDifference { clients: ahead.len(), median_seconds, farthest_seconds })
    }
}

fn minute(seconds: i64) -> u32 {
    u32::try_from(seconds / 60).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{ClientClocks, ClockDifference};

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn one_wrong_clock_among_many_is_not_ours() {
        let clocks = ClientClocks::default();
        assert_eq!(clocks.difference(NOW), None);
        for client in 0..20 {
            clocks.note(&format!("client {client}"), NOW + 2, NOW);
        }
        clocks.note("late", NOW - 7200, NOW + 60);
        let found = clocks.difference(NOW + 60).unwrap();
        assert_eq!((found.median_seconds, found.farthest_seconds), (2, -7260));
        assert!((5..=21).contains(&found.clients), "{found:?}");
    }

    #[test]
    fn the_last_minute_of_a_client_counts_for_a_day() {
        let clocks = ClientClocks::default();
        clocks.note("a", NOW, NOW);
        clocks.note("a", NOW - 89, NOW + 1);
        clocks.note("a", NOW - 89, NOW + 2);
        let told = |seconds| Some(ClockDifference { clients: 1, median_seconds: seconds, farthest_seconds: seconds });
        assert_eq!(clocks.difference(NOW), told(-90), "the first that was different");
        clocks.note("a", NOW + 60, NOW + 60);
        assert_eq!(clocks.difference(NOW + 24 * 3600), told(0));
        assert_eq!(clocks.difference(NOW + 24 * 3600 + 120), None);
    }
}
