//! What keeps the process within its bounds: admission tickets, connection slots and the drain.

pub mod admission;
pub mod breaker;
pub mod drain;

pub use admission::{Admission, ConnectionSlot, Refused, Ticket};
pub use breaker::{Breaker, Circuit};
pub use drain::{Drain, EndCause};
