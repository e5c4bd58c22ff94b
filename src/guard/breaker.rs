//! The circuit breaker: leaves alone what fails again and again, and asks with one call whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{BREAKER_FAILURES, BREAKER_REST_MS_MAX, BREAKER_REST_MS_MIN};

/// A circuit breaker. Its caller asks before each call, and tells how it went.
#[derive(Debug)]
pub struct Breaker {
    rest_ms_max: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// While it is open: until when.
    open_until: Option<Instant>,
}

/// Whether a call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Calls go through.
    Closed,
    /// One call may ask whether it is back.
    Trial,
    /// No call for so long.
    Open(Duration),
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(BREAKER_REST_MS_MAX)
    }
}

impl Breaker {
    /// A closed circuit that rests no longer than `rest_ms_max` between two trials.
    pub fn new(rest_ms_max: u64) -> Self {
        Self { rest_ms_max, state: Mutex::default() }
    }

    /// Whether a call may be made at `now`.
    pub fn circuit(&self, now: Instant) -> Circuit {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            None => Circuit::Closed,
            Some(until) if until <= now => Circuit::Trial,
            Some(until) => Circuit::Open(until - now),
        }
    }

    /// A call went well.
    pub fn succeeded(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// A call failed at `now`. True if that opened a closed circuit.
    pub fn failed(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // It began before the circuit opened, and tells nothing new.
        if state.open_until.is_some_and(|until| now < until) {
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        let Some(tries) = state.failures.checked_sub(BREAKER_FAILURES) else {
            return false;
        };
        let was_closed = state.open_until.is_none();
        let rest_ms = BREAKER_REST_MS_MIN.saturating_mul(1 << tries.min(32)).min(self.rest_ms_max);
        state.open_until = Some(now + Duration::from_millis(rest_ms));
        was_closed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Breaker, Circuit};
    use crate::limits::{BREAKER_FAILURES, BREAKER_REST_MS_MAX, BREAKER_REST_MS_MIN};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_forgets_them() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 1..BREAKER_FAILURES {
            assert!(!breaker.failed(now));
        }
        breaker.succeeded();
        for _ in 1..BREAKER_FAILURES {
            assert!(!breaker.failed(now));
        }
        assert_eq!(breaker.circuit(now), Circuit::Closed);
        assert!(breaker.failed(now));
        assert!(!breaker.failed(now), "a call that was under way");
        assert_eq!(breaker.circuit(now), Circuit::Open(ms(BREAKER_REST_MS_MIN)));
    }

    #[test]
    fn it_asks_again_later_and_later_but_never_too_late() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        for _ in 0..BREAKER_FAILURES {
            breaker.failed(now);
        }
        let mut rests = Vec::new();
        for _ in 0..40 {
            let Circuit::Open(rest) = breaker.circuit(now) else { panic!("it is open") };
            rests.push(rest);
            now += rest;
            assert_eq!(breaker.circuit(now), Circuit::Trial);
            assert!(!breaker.failed(now), "it was open before");
        }
        assert_eq!(rests[..3], [ms(BREAKER_REST_MS_MIN), ms(2 * BREAKER_REST_MS_MIN), ms(4 * BREAKER_REST_MS_MIN)]);
        assert_eq!(rests.last(), Some(&ms(BREAKER_REST_MS_MAX)));
        breaker.succeeded();
        assert_eq!(breaker.circuit(now), Circuit::Closed);
    }
}
