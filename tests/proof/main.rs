//! Proof of the promises: the real binary on a disk that kills it at any step, forgets what was not synced, fails,
//! fills up, stalls and lies. What was acknowledged must be there afterwards, what was not must be there whole or not
//! at all.
//!
//! Ordinary runs sample. `SLUICEGATE_PROOF=full` goes through everything, `SLUICEGATE_PROOF_POINTS=N` sets the number
//! of crash points, `SLUICEGATE_PROOF_SEED=N` repeats a run.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod cuts;
mod faults;
mod full;
mod gateway;
mod image;
mod journal;
mod power;
mod shim;
mod verify;
mod workload;

/// A number from the environment.
pub fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Whether everything is to be gone through.
pub fn is_full() -> bool {
    std::env::var("SLUICEGATE_PROOF").is_ok_and(|text| text == "full")
}

/// The seed of this run: shown with every failure.
pub fn seed() -> u64 {
    setting("SLUICEGATE_PROOF_SEED").unwrap_or(1)
}
