//! The chunk port.
//!
//! All calls block: callers run them off the reactor.

use std::io;

use rustix::io::Errno;

use crate::types::{ChunkId, Epoch};

/// A sealed chunk, as metadata refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRecord {
    /// Its id.
    pub id: ChunkId,
    /// Body bytes in it: 1..=`CHUNK_BYTES_MAX`.
    pub length: u64,
    /// CRC-64/NVME of the chunk's table of span checksums: ties the file to this row.
    pub seal: u64,
}

/// Why a chunk operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ChunkError {
    /// No space, inodes or quota left (ENOSPC, EDQUOT).
    #[error("no space left for chunk files")]
    Full(#[source] io::Error),
    /// The file is gone, too short, or its bytes do not match their checksum. Never served.
    #[error("chunk {chunk} is damaged: {detail}")]
    Damaged {
        /// Which chunk.
        chunk: ChunkId,
        /// What did not match.
        detail: String,
    },
    /// The disk failed. After a failed sync the data counts as lost and the file is discarded.
    #[error("{step}")]
    Io {
        /// Verb and object, as in "open chunk file".
        step: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl ChunkError {
    /// Whether the chunk itself is bad: its bytes are wrong, gone or cannot be read from the medium. Everything else
    /// (no file descriptors, no permission) may well be over at the next try.
    pub fn is_damage(&self) -> bool {
        // EIO, and what file systems with checksums of their own answer instead.
        const BAD_MEDIUM: [Errno; 3] = [Errno::IO, Errno::BADMSG, Errno::ILSEQ];
        match self {
            Self::Damaged { .. } => true,
            Self::Io { source, .. } => Errno::from_io_error(source).is_some_and(|errno| BAD_MEDIUM.contains(&errno)),
            Self::Full(_) => false,
        }
    }
}

/// Stores immutable chunks.
///
/// # Promises
/// - What `ChunkWriter::seal` returned survives a power cut, name and bytes.
/// - A writer that is dropped unsealed leaves no file.
/// - A reader returns bytes only after their checksum matched.
pub trait ChunkStore: Send + Sync + 'static {
    /// Starts a new chunk of this boot's epoch.
    ///
    /// # Errors
    /// `Full` or `Io`.
    fn create(&self) -> Result<Box<dyn ChunkWriter>, ChunkError>;

    /// Opens a sealed chunk; reads and checks its span table, so that the reader survives an unlink.
    ///
    /// # Errors
    /// `Damaged` if the file is missing or its table does not match `record.seal`; `Io`.
    fn open(&self, record: &ChunkRecord) -> Result<Box<dyn ChunkReader>, ChunkError>;

    /// What a chunk that no row knows says of itself: its record, and its appendix.
    ///
    /// # Errors
    /// `Damaged` if the file is missing or its end is not that of this chunk; `Io`.
    fn inspect(&self, chunk: ChunkId) -> Result<(ChunkRecord, Vec<u8>), ChunkError>;

    /// Removes a chunk file. A file that is already gone is no error. A power cut may bring it back until
    /// `sync_removals` has returned.
    ///
    /// # Errors
    /// `Io`.
    fn remove(&self, chunk: ChunkId) -> Result<(), ChunkError>;

    /// Makes every removal that was asked for before this call durable, also those of writers that were dropped.
    /// Whoever forgets a chunk, or that its epoch may have orphans, calls this before.
    ///
    /// # Errors
    /// `Io`: any of them may be undone by a power cut.
    fn sync_removals(&self) -> Result<(), ChunkError>;

    /// As `sync_removals`, for whatever went from `epoch`, also if a process that is gone removed it.
    ///
    /// # Errors
    /// `Io`: any of it may be undone by a power cut.
    fn sync_epoch(&self, epoch: Epoch) -> Result<(), ChunkError>;

    /// Calls `visit` for each chunk file of `epoch` until it returns false. Used to find orphans.
    ///
    /// # Errors
    /// `Io`.
    fn visit_epoch(&self, epoch: Epoch, visit: &mut dyn FnMut(ChunkId) -> bool) -> Result<(), ChunkError>;

    /// The epochs that have a directory, in ascending order.
    ///
    /// # Errors
    /// `Io`.
    fn epochs(&self) -> Result<Vec<Epoch>, ChunkError>;

    /// Bytes that new data may take: the free ones, without a reserve in which deletes can be recorded; less, if
    /// there is ample space. Never waits for the disk.
    ///
    /// # Errors
    /// `Io`.
    fn free_bytes(&self) -> Result<u64, ChunkError>;
}

/// A chunk that is being written. Dropped unsealed, it removes its file.
pub trait ChunkWriter: Send {
    /// The chunk's id.
    fn id(&self) -> ChunkId;

    /// Bytes appended so far.
    fn length(&self) -> u64;

    /// Appends `bytes`, of any length that keeps the chunk within `CHUNK_BYTES_MAX`.
    ///
    /// # Errors
    /// `Full` or `Io`; the chunk is then unusable.
    fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError>;

    /// Keeps `appendix`, at most `CHUNK_APPENDIX_BYTES_MAX`, with the chunk; the seal covers it. Replaces what was
    /// attached before.
    fn attach(&mut self, appendix: Vec<u8>);

    /// Writes the appendix and the span table, syncs the file, then syncs its directory.
    ///
    /// # Errors
    /// `Full` or `Io`; the file is then discarded, and never retried as if the kernel still had it.
    fn seal(self: Box<Self>) -> Result<ChunkRecord, ChunkError>;
}

/// An open, sealed chunk.
pub trait ChunkReader: Send + Sync {
    /// The record that it was opened with.
    fn record(&self) -> &ChunkRecord;

    /// What was attached to the chunk; empty if nothing was, and once it was taken: most readers need little of it.
    fn take_appendix(&mut self) -> Vec<u8>;

    /// Drops what memory holds of the chunk, as far as the system lets: what is read next comes from the medium.
    fn forget_cached(&self);

    /// Reads span `index` (bytes `index * BLOCK_BYTES ..`) into the front of `buffer` and checks it.
    /// Returns its length: `BLOCK_BYTES`, or less for the last span.
    ///
    /// # Errors
    /// `Damaged` if the checksum does not match; `Io`.
    fn read_span(&self, index: usize, buffer: &mut [u8]) -> Result<usize, ChunkError>;

    /// As `read_span`, if that takes no wait for a disk; `None` if it would, or if nobody can tell.
    ///
    /// # Errors
    /// `Damaged` if the checksum does not match.
    fn read_span_cached(&self, index: usize, buffer: &mut [u8]) -> Option<Result<usize, ChunkError>>;
}
