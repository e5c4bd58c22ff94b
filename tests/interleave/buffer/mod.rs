//! The block pool.

#[path = "../../../src/buffer/pool.rs"]
#[allow(dead_code, reason = "the laws need a part of it")]
pub(crate) mod pool;
#[path = "../../../src/buffer/region.rs"]
mod region;

mod laws;
