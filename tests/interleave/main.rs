//! The block pool, the metadata writer and the drain, in every order that a scheduler can think of: the product's own
//! source files, compiled a second time, with a choice of who goes next before each call of a primitive.
//!
//! What is checked: no wake-up is lost and nothing hangs, in whatever order tasks run and whoever is cancelled on the
//! way; and what each of the three promises holds at every moment. What is not: tokio's own insides, each call of which
//! is one step here, and memory orderings weaker than `SeqCst`.
//!
//! `SLUICEGATE_INTERLEAVE_ROUNDS` sets how many schedules each law is tried under, `SLUICEGATE_INTERLEAVE_SEED` which. A
//! law that breaks prints its schedule, which `shuttle::replay` takes.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

mod buffer;
mod explore;
mod fault;
mod guard;
mod meta;
mod sync;

/// What the bounds of the product are here: small, because what goes wrong between few goes wrong between many, and
/// between few every order can be tried.
mod limits {
    /// A page.
    pub(crate) const BLOCK_BYTES: usize = 4096;
    /// So that a pool of four can be lent from.
    pub(crate) const LOAN_BLOCKS: usize = 2;
    pub(crate) const CANCEL_GRACE_MS: u64 = sluicegate::limits::CANCEL_GRACE_MS;
    /// Groups fill.
    pub(crate) const META_GROUP_MAX: usize = 2;
    /// Senders wait.
    pub(crate) const META_QUEUE_MAX: usize = 2;
}

/// What `meta::sqlite::failure` names.
mod rules {
    pub(crate) use sluicegate::rules::WriteRefusal;
}
