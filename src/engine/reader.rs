//! The bounded reader: verified blocks, ranges, read-ahead of one block.

use std::any::Any;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::buffer::BlockPool;
use crate::chunk::ChunkStore;
use crate::engine::EngineError;
use crate::meta::{MetaStore, StoredVersion};
use crate::types::{ListedPart, ObjectVersion, ResolvedRange};

/// A piece of a body. If it wraps a leased block, dropping the last clone returns the block.
pub type BodySlice = Bytes;

/// A version that was resolved and that cannot be collected while this value lives.
pub struct OpenObject {
    pub(crate) stored: StoredVersion,
}

impl OpenObject {
    /// The facts.
    pub fn version(&self) -> &ObjectVersion {
        &self.stored.version
    }

    /// A version that was resolved and pinned.
    pub fn new(
        stored: StoredVersion,
        meta: Arc<dyn MetaStore>,
        chunks: Arc<dyn ChunkStore>,
        pool: BlockPool,
        pin: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let _ = (meta, chunks, pool, pin);
        Self { stored }
    }

    /// The version and where its body is.
    pub(crate) fn stored(&self) -> &StoredVersion {
        &self.stored
    }

    /// How many parts the body has; `None` if it was written in one piece.
    pub fn part_count(&self) -> Option<u16> {
        self.stored.version.etag.parts
    }

    /// Part `number` and its place in the body; `None` if there is no such part. A body that was written in
    /// one piece has part 1 only, and that is the whole body.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn part(&self, number: u16) -> Result<Option<(ListedPart, u64)>, EngineError> {
        let _ = number;
        unimplemented!()
    }

    /// Parts with numbers above `after`, at most `max`; empty if the body was written in one piece.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn parts(&self, after: u16, max: u32) -> Result<Vec<ListedPart>, EngineError> {
        let _ = (after, max);
        unimplemented!()
    }

    /// Reads the whole body, or a range of it. The reader keeps the version from being collected.
    pub fn read(self, range: Option<ResolvedRange>) -> BodyReader {
        let _ = range;
        unimplemented!()
    }
}

/// A body that is being read. Holds at most `BLOCKS_PER_STREAM` blocks.
pub struct BodyReader {}

impl BodyReader {
    /// Bytes that are still to come.
    pub fn remaining(&self) -> u64 {
        unimplemented!()
    }

    /// The next piece, `None` at the end. Every byte of it has matched its checksum.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodySlice, EngineError>>> {
        let _ = cx;
        unimplemented!()
    }
}
