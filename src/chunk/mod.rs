//! Chunk files: where body bytes live on disk. Owns their layout and every durable file step; knows nothing
//! of objects, keys or metadata.

mod cached;
#[cfg(test)]
mod contract;
mod durable;
mod layout;
pub mod local;
pub mod memory;
pub mod store;
#[cfg(test)]
mod tests;

pub use local::LocalChunks;
pub use memory::MemoryChunks;
pub use store::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
