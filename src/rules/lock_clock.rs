//! The time by which locks are judged. A clock that is turned must not open a lock: this time never goes back,
//! and it does not believe a leap forward that the machine's uptime does not show.
//!
//! What is known is the last time that was seen, and the uptime at that moment. While the machine is up the
//! clock may be ahead of both together by `jump`. After a boot nobody knows how long the machine was off: once,
//! the clock may be ahead by `off`. A clock that is further ahead is not believed: time then goes on with the
//! uptime alone, until the clock is put right, time catches up, or an operator confirms the clock.

use crate::types::{Timestamp, Uptime};

/// A moment that was seen: what is kept across restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The time, as locks see it.
    pub time: Timestamp,
    /// The uptime at that moment.
    pub uptime: Uptime,
}

/// How far the clock may be ahead of what is known, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLimits {
    /// While the machine is up.
    pub jump_seconds: i64,
    /// Once after a boot.
    pub off_seconds: i64,
}

/// What the machine shows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its clock.
    pub clock: Timestamp,
    /// Its uptime.
    pub uptime: Uptime,
}

/// What the lock clock makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The time, as locks see it.
    pub time: Timestamp,
    /// False if the machine's clock is too far ahead to be believed.
    pub is_believed: bool,
}

/// The clock of locks in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockClock {
    limits: ClockLimits,
    /// Where time is counted from.
    base: Seen,
    /// Whether the clock was believed since the machine came up; until then it may have been off.
    is_settled: bool,
    /// The last time that was told.
    last: Timestamp,
}

impl LockClock {
    /// The clock of a process that starts now and knows `seen` from earlier ones. Without it the machine's clock
    /// is believed: nothing is locked yet.
    pub fn start(seen: Option<Seen>, shown: Shown, limits: ClockLimits) -> Self {
        let Some(seen) = seen else {
            let base = Seen { time: shown.clock, uptime: shown.uptime };
            return Self { limits, base, is_settled: true, last: shown.clock };
        };
        let is_same_boot =
            seen.uptime.boot == shown.uptime.boot && seen.uptime.boot != 0 && seen.uptime.micros <= shown.uptime.micros;
        let uptime = if is_same_boot { seen.uptime } else { shown.uptime };
        Self { limits, base: Seen { time: seen.time, uptime }, is_settled: is_same_boot, last: seen.time }
    }

    /// The time by which locks are judged.
    pub fn read(&mut self, shown: Shown) -> Reading {
        let expected = self.expected(shown.uptime);
        let slack = if self.is_settled { self.limits.jump_seconds } else { self.limits.off_seconds };
        let is_believed = shown.clock <= expected.plus_seconds(slack);
        if is_believed && !self.is_settled && shown.clock >= self.base.time {
            self.base = Seen { time: shown.clock, uptime: shown.uptime };
            self.is_settled = true;
        }
        self.last = self.last.max(if is_believed { shown.clock } else { expected });
        Reading { time: self.last, is_believed }
    }

    /// Takes over a later time that another process, or an operator who confirmed the clock, has kept.
    pub fn adopt(&mut self, seen: Seen, uptime: Uptime) {
        if seen.time > self.last {
            self.base = Seen { time: seen.time, uptime };
            self.is_settled = true;
            self.last = seen.time;
        }
    }

    /// What is to be kept of a time that was told at `uptime`. Until the clock was believed once since the boot, the
    /// boot is kept as unknown: the next process must not take for settled what this one only reckons.
    pub fn seen(&self, uptime: Uptime) -> Seen {
        let boot = if self.is_settled { uptime.boot } else { 0 };
        Seen { time: self.last, uptime: Uptime { boot, ..uptime } }
    }

    /// What is known, and the time that has passed since.
    fn expected(&self, uptime: Uptime) -> Timestamp {
        let passed = uptime.micros.saturating_sub(self.base.uptime.micros).max(0);
        Timestamp(self.base.time.0.saturating_add(passed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::{ClockLimits, LockClock, Seen, Shown};
    use crate::types::{Timestamp, Uptime};

    const LIMITS: ClockLimits = ClockLimits { jump_seconds: 60, off_seconds: 3_000 };
    const START: i64 = 1_000_000;

    fn shown(boot: i64, clock: i64, up: i64) -> Shown {
        Shown { clock: Timestamp::from_seconds(clock), uptime: Uptime { boot, micros: up * 1_000_000 } }
    }

    fn seen(boot: i64, time: i64, up: i64) -> Seen {
        let Shown { clock, uptime } = shown(boot, time, up);
        Seen { time: clock, uptime }
    }

    fn read(clock: &mut LockClock, shown: Shown) -> (i64, bool) {
        let reading = clock.read(shown);
        (reading.time.seconds(), reading.is_believed)
    }

    #[test]
    fn a_leap_of_a_running_machine_is_not_believed_until_it_is_put_right() {
        let mut clock = LockClock::start(None, shown(1, START, 0), LIMITS);
        assert_eq!(read(&mut clock, shown(1, START + 10, 10)), (START + 10, true));
        assert_eq!(read(&mut clock, shown(1, START + 70, 20)), (START + 70, true), "within the limit");
        assert_eq!(read(&mut clock, shown(1, START + 10_000, 30)), (START + 70, false));
        assert_eq!(read(&mut clock, shown(1, START + 10_000, 100)), (START + 100, false), "uptime goes on");
        assert_eq!(read(&mut clock, shown(1, START + 110, 110)), (START + 110, true), "put right");
        assert_eq!(read(&mut clock, shown(1, START + 10_000, 9_950)), (START + 10_000, true), "caught up");
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let mut clock = LockClock::start(None, shown(1, START, 0), LIMITS);
        assert_eq!(read(&mut clock, shown(1, START - 5_000, 10)), (START, true));
        assert_eq!(read(&mut clock, shown(1, START + 20, 20)), (START + 20, true));
    }

    #[test]
    fn a_restart_of_the_process_forgets_no_leap() {
        let mut clock = LockClock::start(Some(seen(1, START, 100)), shown(1, START + 2_000, 130), LIMITS);
        assert_eq!(read(&mut clock, shown(1, START + 2_000, 130)), (START + 30, false));
    }

    #[test]
    fn after_a_boot_the_machine_may_have_been_off_for_a_while() {
        let mut clock = LockClock::start(Some(seen(1, START, 100)), shown(2, START + 2_000, 5), LIMITS);
        assert_eq!(read(&mut clock, shown(2, START + 2_000, 5)), (START + 2_000, true));
        assert_eq!(read(&mut clock, shown(2, START + 4_000, 6)), (START + 2_001, false), "but only once");
        let mut clock = LockClock::start(Some(seen(1, START, 100)), shown(2, START + 9_000, 5), LIMITS);
        assert_eq!(read(&mut clock, shown(2, START + 9_000, 5)), (START, false));
    }

    #[test]
    fn a_clock_that_begins_in_the_past_is_set_later() {
        let mut clock = LockClock::start(Some(seen(1, START, 100)), shown(2, 0, 5), LIMITS);
        assert_eq!(read(&mut clock, shown(2, 0, 5)), (START, true));
        assert_eq!(read(&mut clock, shown(2, START + 2_500, 20)), (START + 2_500, true));
    }

    #[test]
    fn an_unknown_boot_is_another_boot() {
        let mut clock = LockClock::start(Some(seen(0, START, 100)), shown(0, START + 2_000, 130), LIMITS);
        assert_eq!(read(&mut clock, shown(0, START + 2_000, 130)), (START + 2_000, true));
    }

    #[test]
    fn a_restart_does_not_settle_what_was_only_reckoned() {
        let mut clock = LockClock::start(Some(seen(1, START, 100)), shown(2, START + 9_000, 5), LIMITS);
        assert_eq!(read(&mut clock, shown(2, START + 9_000, 25)), (START + 20, false));
        let kept = clock.seen(shown(2, 0, 25).uptime);
        assert_eq!(kept, seen(0, START + 20, 25));
        let right = shown(2, START + 2_000, 40);
        assert_eq!(read(&mut LockClock::start(Some(kept), right, LIMITS), right), (START + 2_000, true), "put right");
        let mut settled = LockClock::start(Some(seen(1, START, 100)), shown(1, START, 100), LIMITS);
        assert_eq!(read(&mut settled, shown(1, START + 7, 107)), (START + 7, true));
        assert_eq!(settled.seen(shown(1, 0, 107).uptime), seen(1, START + 7, 107));
    }

    #[test]
    fn a_confirmed_clock_is_believed() {
        let mut clock = LockClock::start(None, shown(1, START, 0), LIMITS);
        assert_eq!(read(&mut clock, shown(1, START + 10_000, 10)), (START + 10, false));
        clock.adopt(seen(1, START + 10_001, 11), shown(1, 0, 12).uptime);
        assert_eq!(read(&mut clock, shown(1, START + 10_002, 12)), (START + 10_002, true));
        clock.adopt(seen(1, START, 0), shown(1, 0, 13).uptime);
        assert_eq!(read(&mut clock, shown(1, START + 10_003, 13)), (START + 10_003, true), "never back");
    }

    proptest! {
        #[test]
        fn whatever_the_clock_shows_time_never_goes_back_nor_far_ahead_of_uptime(
            steps in prop::collection::vec((0..500_i64, -100_000..100_000_i64, any::<bool>()), 1..60)
        ) {
            let mut clock = LockClock::start(None, shown(1, START, 0), LIMITS);
            let (mut up, mut last, mut restarts) = (0, START, 0);
            for (pause, turned, restart) in steps {
                up += pause;
                let now = shown(1, START + up + turned, up);
                if restart {
                    clock = LockClock::start(Some(seen(1, last, up)), now, LIMITS);
                    restarts += 1;
                }
                let time = clock.read(now).time.seconds();
                assert!(time >= last, "time goes back");
                assert!(time <= START + up + LIMITS.jump_seconds * (restarts + 1), "time runs away");
                last = time;
            }
        }

        #[test]
        fn a_right_clock_is_told_as_it_is(pauses in prop::collection::vec((0..500_i64, any::<bool>()), 1..60)) {
            let mut clock = LockClock::start(None, shown(1, START, 0), LIMITS);
            let (mut boot, mut up, mut now) = (1, 0, START);
            for (pause, reboots) in pauses {
                let before = seen(boot, now, up);
                now += pause;
                up += pause;
                if reboots {
                    (boot, up) = (boot + 1, 1);
                    clock = LockClock::start(Some(before), shown(boot, now, up), LIMITS);
                }
                assert_eq!(read(&mut clock, shown(boot, now, up)), (now, true));
            }
        }
    }
}
