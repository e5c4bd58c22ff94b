//! Tickets for requests and slots for connections, counted from the memory sum.
//!
//! Owns how many there are and how long one waits for a ticket. Must never know what a request is: callers put a
//! ticket or a slot inside the thing that it pays for, so that it comes back when that thing is dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use crate::limits::ADMISSION_WAIT_MS;

/// Why `acquire` cannot fail: nobody closes these semaphores.
const NEVER_CLOSED: &str = "admission semaphores are never closed";

/// The right to have one request in flight. Held until the response body has ended.
#[derive(Debug)]
pub struct Ticket {
    _permit: OwnedSemaphorePermit,
}

/// The right to have one connection open. Taken before accept.
#[derive(Debug)]
pub struct ConnectionSlot {
    /// `None` only while the slot is being dropped.
    permit: Option<OwnedSemaphorePermit>,
    admission: Admission,
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.admission.note_connections();
    }
}

/// No ticket came free within `ADMISSION_WAIT_MS`: `503 SlowDown`.
#[derive(Debug, thiserror::Error)]
#[error("too many requests in flight")]
pub struct Refused;

/// Counts what is in flight. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {
    requests: Arc<Semaphore>,
    connections: Arc<Semaphore>,
    changed: Arc<Notify>,
    scarcity: watch::Sender<bool>,
    requests_max: usize,
    connections_max: usize,
}

impl Admission {
    /// At most so many requests and connections.
    pub fn new(requests_max: usize, connections_max: usize) -> Self {
        let requests_max = requests_max.min(Semaphore::MAX_PERMITS);
        let connections_max = connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(requests_max)),
            connections: Arc::new(Semaphore::new(connections_max)),
            changed: Arc::default(),
            scarcity: watch::Sender::new(false),
            requests_max,
            connections_max,
        }
    }

    /// Waits for a ticket, at most `ADMISSION_WAIT_MS`. Tickets are handed out in the order of asking.
    ///
    /// # Errors
    /// `Refused` after that.
    pub async fn ticket(&self) -> Result<Ticket, Refused> {
        // The common case costs no timer.
        if let Ok(permit) = Arc::clone(&self.requests).try_acquire_owned() {
            return Ok(Ticket { _permit: permit });
        }
        let wait = Duration::from_millis(ADMISSION_WAIT_MS);
        match tokio::time::timeout(wait, Arc::clone(&self.requests).acquire_owned()).await {
            Ok(permit) => Ok(Ticket { _permit: permit.expect(NEVER_CLOSED) }),
            Err(_elapsed) => Err(Refused),
        }
    }

    /// Waits for a connection slot. Without one nothing is accepted: clients wait in the kernel's backlog.
    pub async fn connection(&self) -> ConnectionSlot {
        let permit = Arc::clone(&self.connections).acquire_owned().await.expect(NEVER_CLOSED);
        self.note_connections();
        ConnectionSlot { permit: Some(permit), admission: self.clone() }
    }

    /// Whether connections are scarce: from seven eighths of the slots taken until a quarter is free again.
    pub fn scarcity(&self) -> watch::Receiver<bool> {
        self.scarcity.subscribe()
    }

    /// As `scarcity`, now.
    pub fn is_scarce(&self) -> bool {
        *self.scarcity.borrow()
    }

    fn note_connections(&self) {
        self.changed.notify_one();
        self.scarcity.send_if_modified(|is_scarce| {
            let (taken, all) = (self.connections(), self.connections_max);
            let now = if *is_scarce { taken * 4 > all * 3 } else { taken * 8 >= all * 7 };
            std::mem::replace(is_scarce, now) != now
        });
    }

    /// Resolves when connections came or went since it last did. For one listener.
    pub async fn connections_changed(&self) {
        self.changed.notified().await;
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> usize {
        self.requests_max - self.requests.available_permits()
    }

    /// Requests that may be in flight.
    pub fn requests_max(&self) -> usize {
        self.requests_max
    }

    /// Connections that may be open.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// Connection slots taken now: connections open, and the one that the accept loop keeps ready.
    pub fn connections(&self) -> usize {
        self.connections_max - self.connections.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::Admission;

    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_the_bound_waits_and_is_then_refused() {
        let admission = Admission::new(2, 1);
        let first = admission.ticket().await.expect("the first of two");
        let _second = admission.ticket().await.expect("the second of two");
        assert_eq!(admission.in_flight(), 2);
        assert!(admission.ticket().await.is_err());
        drop(first);
        assert_eq!(admission.in_flight(), 1);
        assert!(admission.ticket().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_that_comes_back_goes_to_who_waits() {
        let admission = Admission::new(1, 1);
        let held = admission.ticket().await.expect("the only one");
        let waiting = tokio::spawn({
            let admission = admission.clone();
            async move { admission.ticket().await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert!(waiting.await.expect("no panic"));
        assert_eq!(admission.in_flight(), 0);
    }

    #[tokio::test]
    async fn whoever_watches_hears_of_connections_that_come_and_go() {
        let admission = Admission::new(1, 2);
        let slot = admission.connection().await;
        admission.connections_changed().await;
        assert_eq!(admission.connections(), 1);
        drop(slot);
        admission.connections_changed().await;
        assert_eq!(admission.connections(), 0);
    }

    #[tokio::test]
    async fn connections_are_scarce_from_seven_eighths_to_three_quarters() {
        let admission = Admission::new(1, 16);
        let scarcity = admission.scarcity();
        let mut slots = Vec::new();
        for taken in 1..=16 {
            slots.push(admission.connection().await);
            assert_eq!(*scarcity.borrow(), taken >= 14, "{taken} taken");
        }
        for taken in (0..16).rev() {
            slots.pop();
            assert_eq!(*scarcity.borrow(), taken > 12, "{taken} left");
        }
    }

    #[tokio::test]
    async fn connection_slots_come_back_when_dropped() {
        let admission = Admission::new(1, 2);
        let first = admission.connection().await;
        let second = admission.connection().await;
        assert_eq!(admission.connections(), 2);
        drop((first, second));
        assert_eq!(admission.connections(), 0);
    }
}
