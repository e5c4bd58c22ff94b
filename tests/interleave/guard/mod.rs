//! The drain.

#[path = "../../../src/guard/drain.rs"]
#[allow(dead_code, reason = "the laws need a part of it")]
pub(crate) mod drain;

mod laws;
