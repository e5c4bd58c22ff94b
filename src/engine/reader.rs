//! The bounded reader: verified blocks, ranges, read-ahead of one block.
//!
//! A block that is handed to a client comes back when that client has taken it, which may be never. So a
//! stream leaves a block with its client only under a `Linger` of the pool; without one it copies a little
//! from a block that it returns at once, and stalled clients pin nothing that others wait for.

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::buffer::{Block, BlockPool, Linger, PoolShare};
use crate::chunk::{ChunkError, ChunkReader, ChunkRecord, ChunkStore};
use crate::engine::EngineError;
use crate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, EXTENTS_PAGE, READ_COPY_BYTES_MAX, STALL_FLUSH_MS};
use crate::meta::{BodyRef, BodySource, Extent, MetaError, MetaStore, StoredVersion};
use crate::telemetry::record;
use crate::types::{ListedPart, ManifestId, ObjectVersion, ResolvedRange};

/// A piece of a body. If it wraps a leased block, dropping the last clone returns the block.
pub type BodySlice = Bytes;

/// Keeps a version from being collected while it lives.
pub(crate) type VersionPin = Box<dyn Any + Send + Sync>;

/// A version that was resolved and that cannot be collected while this value lives.
pub struct OpenObject {
    stored: StoredVersion,
    meta: Arc<dyn MetaStore>,
    chunks: Arc<dyn ChunkStore>,
    pool: BlockPool,
    pin: VersionPin,
}

impl OpenObject {
    /// A resolved version, which stays while `pin` lives.
    pub(crate) fn new(
        stored: StoredVersion,
        meta: Arc<dyn MetaStore>,
        chunks: Arc<dyn ChunkStore>,
        pool: BlockPool,
        pin: VersionPin,
    ) -> Self {
        Self { stored, meta, chunks, pool, pin }
    }

    /// The facts.
    pub fn version(&self) -> &ObjectVersion {
        &self.stored.version
    }

    /// What tells this version from every other, those that have the same name before or after it too.
    pub fn order(&self) -> u64 {
        self.stored.order
    }

    /// The facts, and where the body is.
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
        let version = &self.stored.version;
        if self.part_count().is_none() {
            let whole = ListedPart {
                number: 1,
                size: version.size,
                md5: version.etag.md5,
                checksum: version.checksum.as_ref().map(|checksum| checksum.value.clone()),
                modified: version.modified,
            };
            return Ok((number == 1).then_some((whole, 0)));
        }
        let (Some(manifest), Some(after)) = (self.manifest(), number.checked_sub(1)) else { return Ok(None) };
        let found = self.meta.manifest_parts(manifest, after, 1).await.map_err(EngineError::Meta)?;
        let found = found.into_iter().find(|stored| stored.part.number == number);
        Ok(found.map(|stored| (stored.part, stored.offset)))
    }

    /// Parts with numbers above `after`, at most `max`; empty if the body was written in one piece.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn parts(&self, after: u16, max: u32) -> Result<Vec<ListedPart>, EngineError> {
        let (Some(_), Some(manifest)) = (self.part_count(), self.manifest()) else { return Ok(Vec::new()) };
        let parts = self.meta.manifest_parts(manifest, after, max).await.map_err(EngineError::Meta)?;
        Ok(parts.into_iter().map(|stored| stored.part).collect())
    }

    fn manifest(&self) -> Option<ManifestId> {
        match self.stored.body {
            BodyRef::Manifest(manifest) => Some(manifest),
            BodyRef::Empty | BodyRef::Inline(_) => None,
        }
    }

    /// Reads the whole body, or a range of it. The reader keeps the version from being collected.
    ///
    /// # Panics
    /// If the range does not lie inside the body: `ByteRange::resolve` makes no other.
    pub fn read(self, range: Option<ResolvedRange>) -> BodyReader {
        let size = self.stored.version.size;
        let (start, end) = range.map_or((0, size), |range| (range.start, range.end()));
        assert!(start <= end && end <= size, "a resolved range lies inside its body");
        let bytes = match self.stored.body {
            BodyRef::Empty => BodyBytes::Inline(Bytes::new()),
            BodyRef::Inline(bytes) => BodyBytes::Inline(bytes),
            BodyRef::Manifest(manifest) => BodyBytes::Extents(ExtentReader::new(
                Arc::new(Manifest { meta: self.meta, manifest }),
                self.chunks,
                self.pool,
            )),
        };
        BodyReader { position: start, end, bytes, failed: false, _pin: self.pin }
    }
}

/// Where extents and inline parts come from: the metadata store, or a test's list.
#[async_trait]
trait BodyIndex: Send + Sync + 'static {
    /// Extents that overlap the bytes from `from` on, in order.
    async fn extents(&self, from: u64) -> Result<Vec<Extent>, MetaError>;
    /// The bytes of an inline part.
    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError>;
}

struct Manifest {
    meta: Arc<dyn MetaStore>,
    manifest: ManifestId,
}

#[async_trait]
impl BodyIndex for Manifest {
    async fn extents(&self, from: u64) -> Result<Vec<Extent>, MetaError> {
        self.meta.extents(self.manifest, from, EXTENTS_PAGE).await
    }

    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError> {
        self.meta.inline_part(row).await
    }
}

/// A body that is being read. Holds at most `BLOCKS_PER_STREAM` blocks.
pub struct BodyReader {
    position: u64,
    end: u64,
    bytes: BodyBytes,
    failed: bool,
    /// Dropped last: while blocks are being read, the version must not be collected.
    _pin: VersionPin,
}

enum BodyBytes {
    /// The whole body.
    Inline(Bytes),
    Extents(ExtentReader),
}

impl BodyReader {
    /// Bytes that are still to come.
    pub fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// The next piece, `None` at the end. Every byte of it has matched its checksum. After an error comes
    /// `None`, with bytes remaining.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodySlice, EngineError>>> {
        if self.failed || self.position == self.end {
            return Poll::Ready(None);
        }
        let range = self.position..self.end;
        let next = match &mut self.bytes {
            BodyBytes::Inline(bytes) => slice_of(bytes, 0, &range),
            BodyBytes::Extents(extents) => ready!(extents.poll_piece(cx, &range)),
        };
        match &next {
            Ok(piece) => self.position += piece.len() as u64,
            Err(_) => self.failed = true,
        }
        if let BodyBytes::Extents(extents) = &mut self.bytes
            && !self.failed
        {
            extents.read_ahead(&(self.position..self.end));
        }
        Poll::Ready(Some(next))
    }
}

/// The part of `bytes`, which start at `offset` of the body, that lies in `range`, which starts inside them.
fn slice_of(bytes: &Bytes, offset: u64, range: &Range<u64>) -> Result<Bytes, EngineError> {
    let start = range.start - offset;
    let end = (range.end - offset).min(bytes.len() as u64);
    if start >= end {
        return Err(inconsistent("a body has fewer bytes than its row says"));
    }
    Ok(bytes.slice(start as usize..end as usize))
}

/// Rows that contradict each other: nothing that a client did.
fn inconsistent(what: &str) -> EngineError {
    EngineError::Meta(MetaError::Storage(what.to_owned()))
}

type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send>>;

/// Reads extents span by span.
struct ExtentReader {
    index: Arc<dyn BodyIndex>,
    chunks: Arc<dyn ChunkStore>,
    pool: BlockPool,
    /// Extents that were fetched and not yet passed, in order, without gaps.
    extents: VecDeque<Extent>,
    /// The chunk that was read last, so that it is opened once.
    reader: Option<Arc<dyn ChunkReader>>,
    /// Blocks of this stream that are being filled or are with the client.
    blocks: Arc<AtomicUsize>,
    step: Step,
}

enum Step {
    Idle,
    Page(Fetching<Vec<Extent>>),
    Piece(Fetching<Piece>),
    /// Started before anybody asked for it.
    Ahead(JoinHandle<Result<Piece, EngineError>>),
}

/// Verified bytes, and the chunk that they came from.
struct Piece {
    bytes: Bytes,
    reader: Option<Arc<dyn ChunkReader>>,
}

/// Which bytes of which span are wanted.
struct Wanted {
    record: ChunkRecord,
    span: usize,
    within: Range<usize>,
}

/// Counts a block of the stream.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn count(blocks: &Arc<AtomicUsize>) -> Self {
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
struct LendingRight {
    _linger: Linger,
    _counted: Counted,
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

impl ExtentReader {
    fn new(index: Arc<dyn BodyIndex>, chunks: Arc<dyn ChunkStore>, pool: BlockPool) -> Self {
        Self {
            index,
            chunks,
            pool,
            extents: VecDeque::new(),
            reader: None,
            blocks: Arc::new(AtomicUsize::new(0)),
            step: Step::Idle,
        }
    }

    /// The piece at the start of `range`; not empty, and not beyond its end.
    fn poll_piece(&mut self, cx: &mut Context<'_>, range: &Range<u64>) -> Poll<Result<Bytes, EngineError>> {
        loop {
            let piece = match &mut self.step {
                Step::Idle => {
                    self.step = self.begin(range);
                    continue;
                }
                Step::Page(page) => {
                    let page = ready!(page.as_mut().poll(cx));
                    self.step = Step::Idle;
                    match page.and_then(|page| self.accept(page, range.start)) {
                        Ok(()) => continue,
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
                Step::Piece(piece) => ready!(piece.as_mut().poll(cx)),
                Step::Ahead(job) => match ready!(Pin::new(job).poll(cx)) {
                    Ok(piece) => piece,
                    Err(error) => Err(interrupted(error)),
                },
            };
            self.step = Step::Idle;
            return Poll::Ready(piece.map(|piece| {
                self.reader = piece.reader;
                piece.bytes
            }));
        }
    }

    /// What has to be fetched to serve the start of `range`.
    fn begin(&mut self, range: &Range<u64>) -> Step {
        while self.extents.front().is_some_and(|extent| extent.offset + extent.length <= range.start) {
            self.extents.pop_front();
        }
        let index = Arc::clone(&self.index);
        let Some(extent) = self.extents.front().copied() else {
            let from = range.start;
            return Step::Page(Box::pin(async move { index.extents(from).await.map_err(EngineError::Meta) }));
        };
        match wanted(&extent, range) {
            Place::Inline(row) => {
                let range = range.start..range.end.min(extent.offset + extent.length);
                Step::Piece(Box::pin(async move {
                    let bytes = index.inline_part(row).await.map_err(EngineError::Meta)?;
                    Ok(Piece { bytes: slice_of(&bytes, extent.offset, &range)?, reader: None })
                }))
            }
            Place::Span(wanted) => Step::Piece(self.fetch(wanted)),
        }
    }

    /// Takes a page of extents in, if it is what was asked for.
    fn accept(&mut self, page: Vec<Extent>, from: u64) -> Result<(), EngineError> {
        let mut next = None;
        for extent in page.into_iter().filter(|extent| extent.length > 0) {
            let fits = match next {
                None => extent.offset <= from && from < extent.offset + extent.length,
                Some(next) => extent.offset == next,
            };
            let inside = match extent.source {
                BodySource::Chunk { length, .. } => extent.chunk_offset + extent.length <= length,
                BodySource::InlinePart { .. } => extent.chunk_offset == 0,
            };
            if !fits || !inside {
                return Err(inconsistent("the extents of a body have gaps or leave their chunks"));
            }
            next = Some(extent.offset + extent.length);
            self.extents.push_back(extent);
        }
        if next.is_none() {
            return Err(inconsistent("the extents of a body end before it does"));
        }
        Ok(())
    }

    fn open_reader(&self, record: &ChunkRecord) -> Option<Arc<dyn ChunkReader>> {
        self.reader.as_ref().filter(|reader| reader.record() == record).map(Arc::clone)
    }

    /// Fetches a span: waits for a block, and a little for the right to leave it with the client.
    fn fetch(&self, wanted: Wanted) -> Fetching<Piece> {
        let (pool, blocks, chunks) = (self.pool.clone(), Arc::clone(&self.blocks), Arc::clone(&self.chunks));
        let reader = self.open_reader(&wanted.record);
        Box::pin(async move {
            let lends = wanted.within.len() > READ_COPY_BYTES_MAX && blocks.load(Ordering::Relaxed) < BLOCKS_PER_STREAM;
            let right = if lends {
                let patience = Duration::from_millis(STALL_FLUSH_MS);
                let linger = tokio::time::timeout(patience, pool.linger()).await.ok();
                linger.map(|linger| LendingRight { _linger: linger, _counted: Counted::count(&blocks) })
            } else {
                None
            };
            let block = pool.lease(PoolShare::Read).await;
            match spawn_blocking(move || read(&*chunks, reader, &wanted, block, right)).await {
                Ok(piece) => piece,
                Err(error) => Err(interrupted(error)),
            }
        })
    }

    /// Starts to read the next span while the client takes this one, if that takes a block from nobody.
    fn read_ahead(&mut self, range: &Range<u64>) {
        let next = self.extents.iter().find(|extent| extent.offset + extent.length > range.start).copied();
        let (Step::Idle, false, Some(extent)) = (&self.step, range.is_empty(), next) else { return };
        let Place::Span(wanted) = wanted(&extent, range) else { return };
        if wanted.within.len() <= READ_COPY_BYTES_MAX
            || self.blocks.load(Ordering::Relaxed) >= BLOCKS_PER_STREAM
            || self.pool.is_contended()
        {
            return;
        }
        let Some(linger) = self.pool.try_linger() else { return };
        let Some(block) = self.pool.try_lease(PoolShare::Read) else { return };
        let right = LendingRight { _linger: linger, _counted: Counted::count(&self.blocks) };
        let (chunks, reader) = (Arc::clone(&self.chunks), self.open_reader(&wanted.record));
        self.step = Step::Ahead(spawn_blocking(move || read(&*chunks, reader, &wanted, block, Some(right))));
    }
}

/// Where the start of a range is.
enum Place {
    Inline(i64),
    Span(Wanted),
}

/// Where the start of `range`, which lies in `extent`, is, and how much of it is there.
fn wanted(extent: &Extent, range: &Range<u64>) -> Place {
    let (id, length, seal) = match extent.source {
        BodySource::InlinePart { row } => return Place::Inline(row),
        BodySource::Chunk { id, length, seal } => (id, length, seal),
    };
    let start = extent.chunk_offset + (range.start - extent.offset);
    let rest = range.end.min(extent.offset + extent.length) - range.start;
    let within_start = (start % BLOCK_BYTES as u64) as usize;
    let within_length = rest.min((BLOCK_BYTES - within_start) as u64) as usize;
    Place::Span(Wanted {
        record: ChunkRecord { id, length, seal },
        span: (start / BLOCK_BYTES as u64) as usize,
        within: within_start..within_start + within_length,
    })
}

/// Reads and verifies a span. Blocks. Without a right to lend the block, copies a little of it.
fn read(
    chunks: &dyn ChunkStore,
    reader: Option<Arc<dyn ChunkReader>>,
    wanted: &Wanted,
    mut block: Block,
    right: Option<LendingRight>,
) -> Result<Piece, EngineError> {
    let reader = match reader {
        Some(reader) => reader,
        None => Arc::from(chunks.open(&wanted.record).inspect_err(count_damage)?),
    };
    let length = reader.read_span(wanted.span, block.spare()).inspect_err(count_damage)?;
    block.set_filled(length);
    let within = wanted.within.clone();
    let bytes = match right {
        Some(right) => Bytes::from_owner(LentBlock { block, _right: right }).slice(within),
        None => {
            let end = within.end.min(within.start + READ_COPY_BYTES_MAX);
            Bytes::copy_from_slice(&block.filled()[within.start..end])
        }
    };
    Ok(Piece { bytes, reader: Some(reader) })
}

/// The first sign of a failing disk that an operator can alert on.
fn count_damage(error: &ChunkError) {
    match error {
        ChunkError::Damaged { .. } => record::block_corrupt(),
        ChunkError::Full(_) | ChunkError::Io { .. } => {}
    }
}

/// The error of a blocking job that did not end. A panic in it goes on here.
fn interrupted(error: tokio::task::JoinError) -> EngineError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => EngineError::Stopped,
    }
}

#[cfg(test)]
mod tests;
