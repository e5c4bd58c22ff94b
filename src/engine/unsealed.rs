//! One chunk of a body that is being written, sealed or plain.

use std::sync::Arc;

use crate::chunk::{ChunkStore, ChunkWriter};
use crate::cipher::{BodyKey, ChunkSealer};
use crate::engine::EngineError;
use crate::engine::writer::{UnclaimedChunks, drop_off_reactor};
use crate::limits::CHUNK_BYTES_MAX;
use crate::meta::NewExtent;

/// A chunk that is being written; dropped, it is discarded off the reactor.
pub(crate) struct UnsealedChunk {
    writer: Option<Box<dyn ChunkWriter>>,
    sealer: Option<ChunkSealer>,
}

const UNTIL_SEALED: &str = "the writer is there until the chunk is sealed or dropped";

impl UnsealedChunk {
    /// Begins the chunk that starts at `start` of the body.
    pub(crate) fn begin(store: &dyn ChunkStore, key: Option<&BodyKey>, start: u64) -> Result<Self, EngineError> {
        let sealer = key.map(|key| ChunkSealer::begin(key, start)).transpose()?;
        Ok(Self { writer: Some(store.create()?), sealer })
    }

    /// Whether the next bytes belong to another chunk.
    pub(crate) fn is_full(&self) -> bool {
        let length = self.writer.as_ref().expect(UNTIL_SEALED).length();
        length == CHUNK_BYTES_MAX || self.sealer.as_ref().is_some_and(ChunkSealer::is_crowded)
    }

    /// Appends `bytes`, which stay within a span, and seals them in place before if the chunk is sealed.
    pub(crate) fn append(&mut self, bytes: &mut [u8]) -> Result<(), EngineError> {
        if let Some(sealer) = &mut self.sealer {
            sealer.seal(bytes);
        }
        Ok(self.writer.as_mut().expect(UNTIL_SEALED).append(bytes)?)
    }

    /// Seals the chunk. Blocks. The result removes the chunk if nobody takes it.
    pub(crate) fn seal(mut self, store: Arc<dyn ChunkStore>, is_last: bool) -> Result<UnclaimedChunks, EngineError> {
        let mut writer = self.writer.take().expect(UNTIL_SEALED);
        if let Some(sealer) = self.sealer.take() {
            writer.attach(sealer.finish(is_last));
        }
        let record = writer.seal()?;
        let extent = NewExtent::Sealed { id: record.id, length: record.length, seal: record.seal };
        Ok(UnclaimedChunks { store, extents: vec![extent] })
    }
}

impl Drop for UnsealedChunk {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            drop_off_reactor(writer);
        }
    }
}
