//! The clock of locks in this process: read at every judgement, kept in the metadata store now and then, and
//! confirmed by an operator when the machine's clock was right to leap. What is believed is decided in `rules`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::engine::{Engine, EngineError};
use crate::limits::{LOCK_CLOCK_JUMP_SECONDS_MAX, LOCK_CLOCK_KEEP_SECONDS, LOCK_CLOCK_OFF_SECONDS_MAX};
use crate::meta::MetaStore;
use crate::rules::{ClockLimits, LockClock, Reading, Seen, Shown};
use crate::types::{Clock, Timestamp};

const LIMITS: ClockLimits =
    ClockLimits { jump_seconds: LOCK_CLOCK_JUMP_SECONDS_MAX, off_seconds: LOCK_CLOCK_OFF_SECONDS_MAX };

/// The clock of locks, made from what the metadata store has kept when it is first needed.
#[derive(Default)]
pub(crate) struct SharedLockClock {
    clock: OnceCell<Mutex<LockClock>>,
    /// Whether it was said that the machine's clock is not believed.
    is_reported: AtomicBool,
}

/// What an operator should know about the clock of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockClockReport {
    /// What the machine's clock shows.
    pub clock: Timestamp,
    /// The time by which locks are judged.
    pub time: Timestamp,
    /// False if the machine's clock is too far ahead to be believed.
    pub is_believed: bool,
}

impl Engine {
    /// The time by which locks are judged now.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn lock_time(&self) -> Result<Timestamp, EngineError> {
        let clock = self.lock_clock.clock.get_or_try_init(|| self.start_lock_clock()).await?;
        let Reading { time, is_believed } =
            clock.lock().unwrap_or_else(PoisonError::into_inner).read(shown(&*self.clock));
        if self.lock_clock.is_reported.swap(!is_believed, Ordering::Relaxed) == is_believed {
            if is_believed {
                tracing::info!("the clock is believed again: locks are judged by it");
            } else {
                tracing::warn!(
                    locks_see = %time.iso_millis(),
                    "the clock leapt ahead: locks are judged by the uptime until it is put right or `doctor --confirm-clock` confirms it"
                );
            }
        }
        Ok(time)
    }

    async fn start_lock_clock(&self) -> Result<Mutex<LockClock>, EngineError> {
        let kept = self.meta.lock_clock().await?;
        Ok(Mutex::new(LockClock::start(kept, shown(&*self.clock), LIMITS)))
    }

    /// Takes over a later time that was kept elsewhere, and keeps this process' own if that is old.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn keep_lock_clock_step(&self) -> Result<(), EngineError> {
        self.keep_lock_clock(LOCK_CLOCK_KEEP_SECONDS).await
    }

    /// Keeps the time of locks if it is at least `age_seconds` later than what is kept.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn keep_lock_clock(&self, age_seconds: i64) -> Result<(), EngineError> {
        let kept = self.meta.lock_clock().await?;
        let uptime = self.clock.uptime();
        if let (Some(kept), Some(clock)) = (kept, self.lock_clock.clock.get()) {
            clock.lock().unwrap_or_else(PoisonError::into_inner).adopt(kept, uptime);
        }
        let time = self.lock_time().await?;
        if kept.is_none_or(|kept| kept.time.plus_seconds(age_seconds) <= time) {
            let clock = self.lock_clock.clock.get_or_try_init(|| self.start_lock_clock()).await?;
            let seen = clock.lock().unwrap_or_else(PoisonError::into_inner).seen(uptime);
            self.meta.keep_lock_clock(seen).await?;
        }
        Ok(())
    }
}

/// What a process that started now would make of the machine's clock.
///
/// # Errors
/// `Meta`.
pub async fn look_at_lock_clock(meta: &dyn MetaStore, clock: &dyn Clock) -> Result<LockClockReport, EngineError> {
    let shown = shown(clock);
    let Reading { time, is_believed } = LockClock::start(meta.lock_clock().await?, shown, LIMITS).read(shown);
    Ok(LockClockReport { clock: shown.clock, time, is_believed })
}

/// Declares the machine's clock right: locks are judged by it from now on. Does nothing to a clock that is behind.
///
/// # Errors
/// `Meta`.
pub async fn confirm_lock_clock(meta: &dyn MetaStore, clock: &dyn Clock) -> Result<(), EngineError> {
    let Shown { clock: time, uptime } = shown(clock);
    Ok(meta.keep_lock_clock(Seen { time, uptime }).await?)
}

fn shown(clock: &dyn Clock) -> Shown {
    Shown { clock: clock.now(), uptime: clock.uptime() }
}
