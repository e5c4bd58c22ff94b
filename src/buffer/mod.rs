//! The fixed pool of blocks: the only place where body bytes live in memory.

pub mod pool;

pub use pool::{Block, BlockPool, PoolShare};
