//! Chunk files: where body bytes live on disk. Owns their layout and every durable file step; knows nothing
//! of objects, keys or metadata.

pub mod store;

pub use store::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
