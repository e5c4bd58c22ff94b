//! The fixed pool of blocks: the only place where body bytes live in memory. Owns the memory and the rules of
//! leasing it; knows nothing of streams, files or sockets.

pub mod pool;
#[cfg(test)]
mod pool_tests;
mod region;

pub use pool::{Block, BlockPool, Lent, Linger, PoolShare};
