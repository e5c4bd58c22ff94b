//! Black-box tests of every operation, over TCP, against the real binary.

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

mod access;
mod append_only;
mod authentication;
mod bodies;
mod buckets;
mod conditions;
mod configurations;
mod copies;
mod cors;
mod durability;
mod encryption;
mod key_policies;
mod lifecycle;
mod listings;
mod logging;
mod multipart;
mod notifications;
mod object_lock;
mod objects;
mod operations;
mod post_object;
mod quota;
mod rates;
mod rebuild;
mod rename;
mod scrub;
mod snapshots;
mod sts;
mod tagging;
mod undelete;
mod versioning;
mod website;
