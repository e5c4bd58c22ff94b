//! The bounded reader: verified blocks, ranges, read-ahead of one block.
//!
//! A block that is handed to a client comes back when that client has taken it, which may be never. So a
//! stream leaves a block with its client only under a `Linger` of the pool; without one it copies a little
//! from a block that it returns at once, and stalled clients pin nothing that others wait for.

mod span;

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

use crate::buffer::{BlockPool, PoolShare};
use crate::chunk::{ChunkRecord, ChunkStore};
use crate::cipher::{BodyKey, CipherError, Sequence};
use crate::engine::EngineError;
use crate::engine::inline::require_part;
use crate::engine::pin::VersionPin;
use crate::engine::reader::span::{AtOnce, Counted, LendingRight, OpenChunk, Piece, Wanted, read, read_at_once};
use crate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, EXTENTS_PAGE, READ_COPY_BYTES_MAX, STALL_FLUSH_MS};
use crate::meta::{BodySource, Extent, MetaError, MetaStore};
use crate::telemetry::traces::ReadSteps;
use crate::types::ManifestId;

/// A piece of a body. If it wraps a leased block, dropping the last clone returns the block.
pub type BodySlice = Bytes;

/// What opens the chunks of a sealed body.
pub(crate) struct Seal {
    pub(crate) key: BodyKey,
    /// Of the whole body, in bytes.
    pub(crate) size: u64,
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
    waits: ReadSteps,
    /// Dropped last: while blocks are being read, the version must not be collected.
    _pin: VersionPin,
}

pub(crate) enum BodyBytes {
    /// The whole body.
    Inline(Bytes),
    Extents(ExtentReader),
    /// Why it cannot be opened, until that was told.
    Shut(Option<EngineError>),
}

impl BodyBytes {
    /// The bytes of a manifest, opened with `seal`.
    pub(crate) fn of_manifest(
        (meta, manifest): (Arc<dyn MetaStore>, ManifestId),
        chunks: Arc<dyn ChunkStore>,
        pool: BlockPool,
        seal: Option<Seal>,
    ) -> Self {
        Self::Extents(ExtentReader::new(Arc::new(Manifest { meta, manifest }), chunks, pool, seal))
    }
}

impl BodyReader {
    /// Reads `range` of `bytes`, while `pin` keeps their version.
    pub(crate) fn new(range: Range<u64>, bytes: BodyBytes, pin: VersionPin) -> Self {
        Self { position: range.start, end: range.end, bytes, failed: false, waits: ReadSteps::default(), _pin: pin }
    }

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
            BodyBytes::Extents(extents) => {
                let piece = extents.poll_piece(cx, &range);
                self.waits.note(piece.is_pending());
                ready!(piece)
            }
            BodyBytes::Shut(why) => Err(why.take().unwrap_or(CipherError::KeyNeeded.into())),
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
pub(crate) struct ExtentReader {
    index: Arc<dyn BodyIndex>,
    chunks: Arc<dyn ChunkStore>,
    pool: BlockPool,
    /// Extents that were fetched and not yet passed, in order, without gaps.
    extents: VecDeque<Extent>,
    /// The key of a sealed body, and the order in which its chunks have to come.
    seal: Option<(BodyKey, Sequence)>,
    /// The chunk that was read last, so that it is opened once.
    chunk: Option<Arc<OpenChunk>>,
    /// Blocks of this stream that are being filled or are with the client.
    blocks: Arc<AtomicUsize>,
    step: Step,
}

enum Step {
    Idle,
    Page(Fetching<Vec<Extent>>),
    Piece(Fetching<Piece>),
    /// Read before anybody asked for it; taken once.
    Read(Option<Result<Piece, EngineError>>),
    /// Started before anybody asked for it.
    Ahead(JoinHandle<Result<Piece, EngineError>>),
}

impl ExtentReader {
    fn new(index: Arc<dyn BodyIndex>, chunks: Arc<dyn ChunkStore>, pool: BlockPool, seal: Option<Seal>) -> Self {
        let seal = seal.map(|seal| (seal.key, Sequence::new(seal.size)));
        Self {
            index,
            chunks,
            pool,
            extents: VecDeque::new(),
            seal,
            chunk: None,
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
                Step::Read(piece) => piece.take().unwrap_or(Err(EngineError::Stopped)),
                Step::Ahead(job) => match ready!(Pin::new(job).poll(cx)) {
                    Ok(piece) => piece,
                    Err(error) => Err(interrupted(error)),
                },
            };
            self.step = Step::Idle;
            return Poll::Ready(piece.and_then(|piece| {
                self.follow(piece.chunk.as_deref())?;
                self.chunk = piece.chunk;
                Ok(piece.bytes)
            }));
        }
    }

    /// Takes the next chunk of a sealed body, if it is the one that was written there.
    fn follow(&mut self, chunk: Option<&OpenChunk>) -> Result<(), CipherError> {
        let (Some((_, sequence)), Some(chunk)) = (&mut self.seal, chunk) else { return Ok(()) };
        let opener = chunk.opener.as_ref().ok_or(CipherError::Damaged("a chunk of a sealed body is plain"))?;
        let start = u64::try_from(chunk.start).map_err(|_| CipherError::Damaged("a sealed chunk is used in part"))?;
        sequence.accept(start, opener.placement())
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
            Place::Inline(..) if self.seal.is_some() => {
                Step::Piece(Box::pin(async { Err(CipherError::Damaged("a part of a sealed body is plain").into()) }))
            }
            Place::Inline(row, md5) => {
                let range = range.start..range.end.min(extent.offset + extent.length);
                Step::Piece(Box::pin(async move {
                    let bytes = index.inline_part(row).await.map_err(EngineError::Meta)?;
                    require_part(&bytes, md5)?;
                    Ok(Piece { bytes: slice_of(&bytes, extent.offset, &range)?, chunk: None })
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
            if self.seal.is_some() && !is_whole(&extent) {
                return Err(CipherError::Damaged("a sealed chunk is used in part").into());
            }
            next = Some(extent.offset + extent.length);
            self.extents.push_back(extent);
        }
        if next.is_none() {
            return Err(inconsistent("the extents of a body end before it does"));
        }
        Ok(())
    }

    fn open_chunk(&self, wanted: &Wanted) -> Option<Arc<OpenChunk>> {
        self.chunk.as_ref().filter(|chunk| chunk.is_at(wanted)).map(Arc::clone)
    }

    fn key(&self) -> Option<BodyKey> {
        self.seal.as_ref().map(|(key, _)| key.clone())
    }

    /// Fetches a span: waits for a block, and a little for the right to leave it with the client.
    fn fetch(&self, wanted: Wanted) -> Fetching<Piece> {
        let (pool, blocks, chunks) = (self.pool.clone(), Arc::clone(&self.blocks), Arc::clone(&self.chunks));
        let (chunk, key) = (self.open_chunk(&wanted), self.key());
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
            match read_at_once(chunk.as_ref(), &wanted, block, right) {
                AtOnce::Read(piece) => piece,
                AtOnce::Waits(block, right) => {
                    let job = spawn_blocking(move || read(&*chunks, (chunk, key), &wanted, block, right));
                    job.await.unwrap_or_else(|error| Err(interrupted(error)))
                }
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
        let chunk = self.open_chunk(&wanted);
        self.step = match read_at_once(chunk.as_ref(), &wanted, block, Some(right)) {
            AtOnce::Read(piece) => Step::Read(Some(piece)),
            AtOnce::Waits(block, right) => {
                let (chunks, open) = (Arc::clone(&self.chunks), (chunk, self.key()));
                Step::Ahead(spawn_blocking(move || read(&*chunks, open, &wanted, block, right)))
            }
        };
    }
}

/// Whether an extent is a whole chunk. Those of a sealed body are: what is cut off would go unnoticed.
fn is_whole(extent: &Extent) -> bool {
    match extent.source {
        BodySource::Chunk { length, .. } => extent.chunk_offset == 0 && extent.length == length,
        BodySource::InlinePart { .. } => true,
    }
}

/// Where the start of a range is.
enum Place {
    Inline(i64, [u8; 16]),
    Span(Wanted),
}

/// Where the start of `range`, which lies in `extent`, is, and how much of it is there.
fn wanted(extent: &Extent, range: &Range<u64>) -> Place {
    let (id, length, seal) = match extent.source {
        BodySource::InlinePart { row, md5 } => return Place::Inline(row, md5),
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
        chunk_start: i128::from(extent.offset) - i128::from(extent.chunk_offset),
    })
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
