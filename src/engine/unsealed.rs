//! One chunk of a body that is being written, sealed or plain.

use std::sync::Arc;

use crate::chunk::{ChunkStore, ChunkWriter};
use crate::cipher::{BodyKey, ChunkSealer};
use crate::digest::Digests;
use crate::engine::EngineError;
use crate::engine::label::{self, BodyLabel};
use crate::engine::sealed::{UnclaimedChunks, drop_off_reactor};
use crate::limits::CHUNK_BYTES_MAX;
use crate::meta::NewExtent;

/// A chunk that is being written; dropped, it is discarded off the reactor.
pub(crate) struct UnsealedChunk {
    writer: Option<Box<dyn ChunkWriter>>,
    sealer: Option<ChunkSealer>,
    label: Option<Arc<BodyLabel>>,
    /// Where it starts in the body.
    start: u64,
}

const UNTIL_SEALED: &str = "the writer is there until the chunk is sealed or dropped";

impl UnsealedChunk {
    /// Begins the chunk that starts at `start` of the body.
    pub(crate) fn begin(
        store: &dyn ChunkStore,
        key: Option<&BodyKey>,
        label: Option<Arc<BodyLabel>>,
        start: u64,
    ) -> Result<Self, EngineError> {
        let sealer = key.map(|key| ChunkSealer::begin(key, start)).transpose()?;
        Ok(Self { writer: Some(store.create()?), sealer, label, start })
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

    /// Seals the chunk; with `end`, which are the body's digests, as its last. Blocks. The result removes the chunk if
    /// nobody takes it.
    pub(crate) fn seal(
        mut self,
        store: Arc<dyn ChunkStore>,
        end: Option<&Digests>,
    ) -> Result<UnclaimedChunks, EngineError> {
        let mut writer = self.writer.take().expect(UNTIL_SEALED);
        let sealed = self.sealer.take().map(|sealer| sealer.finish(end.is_some())).unwrap_or_default();
        let label = self.label.as_ref().map(|label| label.chunk(self.start, end)).unwrap_or_default();
        let appendix = label::join(&label, &sealed);
        if !appendix.is_empty() {
            writer.attach(appendix);
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
