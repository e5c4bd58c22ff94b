//! Who may read on the reactor.
//!
//! A hop to another thread and back costs more than a look-up in the page cache. A look-up that has to wait for the disk
//! would hold up a worker of the reactor, though. So one worker always stays free of them, and after a slow look-up
//! they go to other threads for a while.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::limits::{LOOK_UP_HERE_MS_MAX, LOOK_UP_REST_MS, LOOK_UP_TURNS};
use crate::types::SharedDeadline;

/// The seats: one less than the reactor has workers.
#[derive(Default)]
pub(super) struct Seats {
    count: OnceLock<usize>,
    taken: AtomicUsize,
    /// Until when nobody may sit.
    rest: SharedDeadline,
}

/// The right to read on the reactor; measures how long that takes.
pub(super) struct Seat<'s> {
    seats: &'s Seats,
    since: Instant,
}

impl Seats {
    /// Waits for others to get up, for a few turns of the reactor. `None` if nobody did, or if somebody had to wait for
    /// the disk of late.
    pub(super) async fn wait(&self) -> Option<Seat<'_>> {
        for _ in 0..LOOK_UP_TURNS {
            let seat = self.take();
            if seat.is_some() || self.count() == 0 || self.rest.is_ahead(Instant::now()) {
                return seat;
            }
            tokio::task::yield_now().await;
        }
        None
    }

    /// A seat, if one is free and nobody had to wait for the disk of late.
    fn take(&self) -> Option<Seat<'_>> {
        let (count, since) = (self.count(), Instant::now());
        if count == 0 || self.rest.is_ahead(since) {
            return None;
        }
        let free = |taken: usize| (taken < count).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Seat { seats: self, since })
    }

    fn count(&self) -> usize {
        let workers = || Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
        *self.count.get_or_init(|| workers().saturating_sub(1))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.seats.taken.fetch_sub(1, Ordering::Relaxed);
        if self.since.elapsed() > Duration::from_millis(LOOK_UP_HERE_MS_MAX) {
            self.seats.rest.set(Instant::now() + Duration::from_millis(LOOK_UP_REST_MS));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Seats;
    use crate::limits::LOOK_UP_HERE_MS_MAX;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn one_worker_stays_free() {
        let seats = Seats::default();
        let first = seats.take().expect("the first of three");
        let second = seats.take().expect("the second of three");
        assert!(seats.take().is_none());
        drop(first);
        let third = seats.take().expect("one rose");
        drop((second, third));
        assert!(seats.take().is_some());
    }

    #[tokio::test]
    async fn the_only_worker_never_reads() {
        assert!(Seats::default().take().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_a_slow_look_up_nobody_sits_for_a_while() {
        let seats = Seats::default();
        let mut slow = seats.take().expect("one of two");
        slow.since =
            Instant::now().checked_sub(Duration::from_millis(LOOK_UP_HERE_MS_MAX + 1)).expect("it ran a while");
        drop(slow);
        assert!(seats.take().is_none());
        seats.rest.set(Instant::now());
        assert!(seats.take().is_some());
    }
}
