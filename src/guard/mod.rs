//! What keeps the process within its bounds: admission tickets, connection slots, rates and the drain.

pub mod admission;
pub mod attempt;
pub mod breaker;
pub mod drain;
#[cfg(test)]
mod drain_tests;
pub mod rate;

pub use admission::{Admission, ConnectionSlot, Refused, Ticket};
pub use attempt::Attempts;
pub use breaker::{Breaker, Circuit};
pub use drain::{Drain, EndCause};
pub use rate::{Pace, RateLimiter, TooFast};
