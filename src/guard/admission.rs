//! Tickets for requests and slots for connections, counted from the memory sum.

/// The right to have one request in flight. Held until the response body has ended.
#[derive(Debug)]
pub struct Ticket {}

/// The right to have one connection open. Taken before accept.
#[derive(Debug)]
pub struct ConnectionSlot {}

/// No ticket came free within `ADMISSION_WAIT_MS`: `503 SlowDown`.
#[derive(Debug, thiserror::Error)]
#[error("too many requests in flight")]
pub struct Refused;

/// Counts what is in flight. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admission {}

impl Admission {
    /// At most so many requests and connections.
    pub fn new(requests_max: usize, connections_max: usize) -> Self {
        let _ = (requests_max, connections_max);
        Self {}
    }

    /// Waits for a ticket, at most `ADMISSION_WAIT_MS`.
    ///
    /// # Errors
    /// `Refused` after that.
    pub async fn ticket(&self) -> Result<Ticket, Refused> {
        unimplemented!()
    }

    /// Waits for a connection slot.
    pub async fn connection(&self) -> ConnectionSlot {
        unimplemented!()
    }

    /// Requests in flight now.
    pub fn in_flight(&self) -> usize {
        unimplemented!()
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        unimplemented!()
    }
}
