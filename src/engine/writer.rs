//! The bounded chunk writer: a stream of any length becomes sealed chunks and digests, holding at most
//! `BLOCKS_PER_STREAM` blocks.

use std::sync::Arc;

use bytes::Bytes;

use crate::buffer::BlockPool;
use crate::chunk::ChunkStore;
use crate::digest::Digests;
use crate::engine::{ByteSource, EngineError};
use crate::meta::NewExtent;
use crate::types::ChecksumAlgorithm;

/// Sealed chunks that nothing refers to yet. Dropped, it removes their files; `disarm` leaves them to
/// whoever committed them.
pub struct UnclaimedChunks {
    pub(crate) store: Arc<dyn ChunkStore>,
    pub(crate) extents: Vec<NewExtent>,
}

impl UnclaimedChunks {
    /// Leaves the files to whoever commits them.
    pub fn disarm(self) -> Vec<NewExtent> {
        let _ = (&self.store, &self.extents);
        unimplemented!()
    }
}

/// A body that is durable, but that no metadata refers to yet.
pub enum StoredBody {
    /// At most `INLINE_BYTES_MAX` bytes, which go beside the row.
    Inline(Bytes),
    /// Sealed chunks.
    Chunks(UnclaimedChunks),
}

/// What the writer needs.
pub struct WriterContext<'a> {
    /// The block pool.
    pub pool: &'a BlockPool,
    /// Where chunks go.
    pub chunks: &'a Arc<dyn ChunkStore>,
    /// Algorithm of the stored checksum.
    pub checksum: ChecksumAlgorithm,
    /// Most bytes accepted: `TooLarge` beyond.
    pub bytes_max: u64,
}

/// Pulls `source` to its end and stores it durably. A body of at most `INLINE_BYTES_MAX` bytes never leases
/// a block; a longer one leases a block only while bytes are at hand.
///
/// # Errors
/// `Source`, `Chunk`, `TooLarge`; whatever was written is removed.
pub async fn write_body(
    context: WriterContext<'_>,
    source: &mut dyn ByteSource,
) -> Result<(StoredBody, Digests), EngineError> {
    let _ = (context.pool, context.chunks, context.checksum, context.bytes_max, source);
    unimplemented!()
}
