//! Spans of chunks: opened, read, verified, and left with a client or copied for it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::buffer::{Block, Linger};
use crate::chunk::{ChunkReader, ChunkRecord, ChunkStore};
use crate::cipher::{BodyKey, ChunkOpener, CipherError};
use crate::engine::EngineError;
use crate::engine::label;
use crate::limits::READ_COPY_BYTES_MAX;
use crate::telemetry::record;

/// Verified bytes, and the chunk that they came from.
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) chunk: Option<Arc<OpenChunk>>,
}

/// Which bytes of which span are wanted.
pub(super) struct Wanted {
    pub(super) record: ChunkRecord,
    pub(super) span: usize,
    pub(super) within: Range<usize>,
    /// Where the chunk's first byte is in the body; before its start if an extent begins further on.
    pub(super) chunk_start: i128,
}

/// A chunk that is open.
pub(super) struct OpenChunk {
    reader: Box<dyn ChunkReader>,
    pub(super) opener: Option<ChunkOpener>,
    pub(super) start: i128,
}

impl OpenChunk {
    fn open(chunks: &dyn ChunkStore, wanted: &Wanted, key: Option<&BodyKey>) -> Result<Self, EngineError> {
        let mut reader = chunks.open(&wanted.record)?;
        let appendix = reader.take_appendix();
        let (_, sealed) = label::split(&appendix).ok_or(CipherError::Damaged("the appendix does not read"))?;
        let opener = match key {
            Some(key) => Some(ChunkOpener::parse(key, wanted.record.length, sealed)?),
            // What was sealed never goes out as if it were plain.
            None if !sealed.is_empty() => Err(CipherError::Damaged("the body has no key"))?,
            None => None,
        };
        Ok(Self { reader, opener, start: wanted.chunk_start })
    }

    pub(super) fn is_at(&self, wanted: &Wanted) -> bool {
        *self.reader.record() == wanted.record && self.start == wanted.chunk_start
    }

    /// Reads a span into `block`, verifies it, and opens those of its bytes that are wanted.
    fn read_span(&self, wanted: &Wanted, block: &mut Block) -> Result<(), EngineError> {
        let length = self.reader.read_span(wanted.span, block.spare())?;
        block.set_filled(length);
        if let Some(opener) = &self.opener {
            opener.open(wanted.span, block.filled_mut(), wanted.within.clone())?;
        }
        Ok(())
    }

    /// As `read_span`, if that takes no wait for the disk. What is sealed is not opened on the reactor.
    fn read_cached(&self, wanted: &Wanted, block: &mut Block) -> Option<Result<(), EngineError>> {
        if self.opener.is_some() {
            return None;
        }
        let length = match self.reader.read_span_cached(wanted.span, block.spare())? {
            Ok(length) => length,
            Err(error) => return Some(Err(error.into())),
        };
        block.set_filled(length);
        Some(Ok(()))
    }
}

/// Counts a block of the stream.
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(super) fn count(blocks: &Arc<AtomicUsize>) -> Self {
        blocks.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(blocks))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to leave a block with the client.
pub(super) struct LendingRight {
    pub(super) _linger: Linger,
    pub(super) _counted: Counted,
}

/// A block that is with the client.
struct LentBlock {
    block: Block,
    _right: LendingRight,
}

impl AsRef<[u8]> for LentBlock {
    fn as_ref(&self) -> &[u8] {
        self.block.filled()
    }
}

/// Reads, verifies and opens a span, of the chunk that is open or of another under the key. Blocks. Without a
/// right to lend the block, copies a little of it.
pub(super) fn read(
    chunks: &dyn ChunkStore,
    (chunk, key): (Option<Arc<OpenChunk>>, Option<BodyKey>),
    wanted: &Wanted,
    mut block: Block,
    right: Option<LendingRight>,
) -> Result<Piece, EngineError> {
    let chunk = match chunk {
        Some(chunk) => chunk,
        None => Arc::new(OpenChunk::open(chunks, wanted, key.as_ref()).inspect_err(count_damage)?),
    };
    chunk.read_span(wanted, &mut block).inspect_err(count_damage)?;
    Ok(hand_out(chunk, wanted, block, right))
}

/// What became of a span that was to be read at once.
pub(super) enum AtOnce {
    /// It was in memory.
    Read(Result<Piece, EngineError>),
    /// The disk has to be asked. What was to be used comes back.
    Waits(Block, Option<LendingRight>),
}

/// Reads and verifies a span of the chunk that is open if that takes no wait. Costs a copy and a checksum, which is less
/// than sending it to another thread.
pub(super) fn read_at_once(
    chunk: Option<&Arc<OpenChunk>>,
    wanted: &Wanted,
    mut block: Block,
    right: Option<LendingRight>,
) -> AtOnce {
    let Some((chunk, outcome)) = chunk.and_then(|chunk| Some((chunk, chunk.read_cached(wanted, &mut block)?))) else {
        return AtOnce::Waits(block, right);
    };
    let read = outcome.inspect_err(count_damage);
    AtOnce::Read(read.map(|()| hand_out(Arc::clone(chunk), wanted, block, right)))
}

/// What of a verified block goes out.
fn hand_out(chunk: Arc<OpenChunk>, wanted: &Wanted, block: Block, right: Option<LendingRight>) -> Piece {
    let within = wanted.within.clone();
    let bytes = match right {
        Some(right) => Bytes::from_owner(LentBlock { block, _right: right }).slice(within),
        None => {
            let end = within.end.min(within.start + READ_COPY_BYTES_MAX);
            Bytes::copy_from_slice(&block.filled()[within.start..end])
        }
    };
    Piece { bytes, chunk: Some(chunk) }
}

/// The first sign of a failing disk that an operator can alert on.
fn count_damage(error: &EngineError) {
    if error.is_damaged() {
        record::block_corrupt();
    }
}
