//! A metadata store in memory, for tests: the reference that other stores are compared with.
//!
//! Simple and obviously right rather than fast: one lock around plain maps, and listings that look at every
//! key. Keeps nothing across a restart.

mod body;
mod damage;
mod event;
mod key;
mod listing;
mod object;
mod port;
mod small;
mod state;
mod upkeep;
mod upload;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::meta::{MetaError, current_origin};
use state::State;

/// A metadata store in memory.
#[derive(Default)]
pub struct MemoryMeta {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    state: State,
    is_closed: bool,
}

impl MemoryMeta {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one transaction. There is nothing to roll back: each judges everything before it changes
    /// anything.
    fn transact<T>(&self, work: impl FnOnce(&mut State) -> Result<T, MetaError>) -> Result<T, MetaError> {
        let mut slot: MutexGuard<'_, Slot> = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_closed {
            return Err(MetaError::Closed);
        }
        slot.state.origin = current_origin();
        work(&mut slot.state)
    }

    fn shut(&self) {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
    }
}
