//! Events on their way out, and the requests on whose behalf changes are made.

use std::time::Duration;

use crate::engine::{Engine, EngineError};
use crate::types::{EventBacklog, EventSettlement, QueuedEvent, Timestamp};

pub use crate::meta::{carrying_origin, current_origin, on_behalf_of};

impl Engine {
    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Events of a target that are due, oldest first, at most `max`; see `MetaStore::due_events`.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn due_events(&self, target: &str, max: u32) -> Result<Vec<QueuedEvent>, EngineError> {
        Ok(self.meta.due_events(target, self.clock.now(), max).await?)
    }

    /// Records what became of events.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn settle_events(&self, target: &str, settlement: EventSettlement) -> Result<(), EngineError> {
        Ok(self.meta.settle_events(target, settlement).await?)
    }

    /// How many events wait for each target.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn event_backlog(&self) -> Result<Vec<EventBacklog>, EngineError> {
        Ok(self.meta.event_backlog().await?)
    }

    /// The point in time after `rest`.
    pub fn after(&self, rest: Duration) -> Timestamp {
        let micros = i64::try_from(rest.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.clock.now().0.saturating_add(micros))
    }
}
