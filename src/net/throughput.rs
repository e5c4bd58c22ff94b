//! How fast a client gives or takes bytes while the server waits for it. No I/O.

use std::time::Duration;

use tokio::time::Instant;

/// How long clients may take while connections are scarce: each that hardly moves keeps another one out.
#[derive(Clone, Copy, Debug)]
pub struct Haste {
    /// Until when a head must be complete.
    pub head_timeout: Duration,
    /// How long a kept-alive connection may rest.
    pub idle_timeout: Duration,
    /// How long a client may make the server wait before its speed counts.
    pub patience: Duration,
    /// Least bytes in a second of waiting.
    pub bytes_per_second_min: u64,
}

/// Bytes that moved, and how long the server waited for them to. The server's own slowness does not count.
#[derive(Debug, Default)]
pub(crate) struct Throughput {
    bytes: u64,
    waited: Duration,
    since: Option<Instant>,
}

impl Throughput {
    /// The server waits from now on, if it did not; returns since when.
    pub(crate) fn wait(&mut self, now: Instant) -> Instant {
        *self.since.get_or_insert(now)
    }

    /// Since when it waits.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.since
    }

    /// Bytes moved: the waiting is over.
    pub(crate) fn moved(&mut self, bytes: usize, now: Instant, haste: &Haste) {
        self.waited += self.waiting(now);
        self.since = None;
        self.bytes += bytes as u64;
        // What was long ago counts less and less.
        if self.waited > 2 * haste.patience {
            self.waited /= 2;
            self.bytes /= 2;
        }
    }

    /// Whether the client is too slow for scarce times.
    pub(crate) fn is_slow(&self, now: Instant, haste: &Haste) -> bool {
        let waited = self.waited + self.waiting(now);
        let least = u128::from(haste.bytes_per_second_min) * waited.as_millis() / 1000;
        waited >= haste.patience && u128::from(self.bytes) < least
    }

    fn waiting(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Haste, Throughput};

    const HASTE: Haste = Haste {
        head_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        patience: Duration::from_secs(3),
        bytes_per_second_min: 1000,
    };

    /// Moves pieces of `bytes`, each after `wait`, for a minute; whether it was slow at any time.
    fn is_slow(bytes: usize, wait: Duration) -> bool {
        let (mut now, mut throughput) = (Instant::now(), Throughput::default());
        let end = now + Duration::from_secs(60);
        while now < end {
            throughput.wait(now);
            now += wait;
            if throughput.is_slow(now, &HASTE) {
                return true;
            }
            throughput.moved(bytes, now, &HASTE);
        }
        false
    }

    #[test]
    fn trickling_is_slow_and_bursts_are_not() {
        assert!(is_slow(100, Duration::from_millis(200)));
        assert!(!is_slow(300, Duration::from_millis(200)));
        assert!(!is_slow(100_000, Duration::from_millis(2900)), "one large piece now and then");
        assert!(is_slow(1, Duration::from_secs(4)));
    }

    #[test]
    fn a_fast_beginning_is_no_licence() {
        let (begun, mut throughput) = (Instant::now(), Throughput::default());
        throughput.moved(1_000_000, begun, &HASTE);
        let mut now = begun;
        while !throughput.is_slow(now, &HASTE) {
            throughput.wait(now);
            now += Duration::from_secs(1);
            throughput.moved(1, now, &HASTE);
            assert!(now - begun < Duration::from_secs(120), "forgotten after some halvings");
        }
    }

    #[test]
    fn time_in_which_nobody_waits_for_the_client_does_not_count() {
        let (now, mut throughput) = (Instant::now(), Throughput::default());
        throughput.moved(1, now, &HASTE);
        assert!(!throughput.is_slow(now + Duration::from_secs(3600), &HASTE));
        throughput.wait(now + Duration::from_secs(3600));
        assert!(throughput.is_slow(now + Duration::from_secs(3604), &HASTE));
    }
}
