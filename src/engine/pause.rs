//! The pause of writes that an operator asks for. Kept in memory only: a restart ends it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::Engine;
use crate::types::Timestamp;

/// Since when and why writes are paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Why, in the operator's words.
    pub reason: Option<Arc<str>>,
}

/// Whether writes are paused: one flag for every request to look at, and the rest for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct PauseSwitch {
    is_on: AtomicBool,
    pause: Mutex<Option<Pause>>,
}

impl PauseSwitch {
    fn set(&self, pause: Option<Pause>) {
        let mut slot = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_on.store(pause.is_some(), Ordering::Release);
        *slot = pause;
    }
}

impl Engine {
    /// Refuses everything that clients change from now on. What is under way finishes; background work goes on.
    pub fn pause(&self, reason: Option<&str>) {
        self.pausing.set(Some(Pause { since: self.clock.now(), reason: reason.map(Into::into) }));
    }

    /// Lets clients change things again.
    pub fn resume(&self) {
        self.pausing.set(None);
    }

    /// Whether writes are paused.
    pub fn is_paused(&self) -> bool {
        self.pausing.is_on.load(Ordering::Acquire)
    }

    /// Since when and why writes are paused, if they are.
    pub fn current_pause(&self) -> Option<Pause> {
        self.pausing.pause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
