//! Many clients at once, most of them bad ones: memory stays within its bound, ordinary clients get through, and the
//! server is as before when they are gone.
//!
//! `SLUICEGATE_LOAD_SECONDS` makes it last longer than the few seconds of an ordinary run.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod memory;
mod overload;
mod stock;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use support::siege::raise_descriptor_limit;
pub use support::siege::{p99, spawn};

/// One load at a time: each is measured by itself.
static ONE: Mutex<()> = Mutex::new(());

/// Waits for the turn of a load, and takes as many descriptors as the system gives.
pub fn alone() -> MutexGuard<'static, ()> {
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit();
    guard
}

/// How long a load lasts.
pub fn duration() -> Duration {
    let seconds = std::env::var("SLUICEGATE_LOAD_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(12))
}
