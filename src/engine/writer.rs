//! The bounded chunk writer: a stream of any length becomes sealed chunks and digests, holding at most
//! `BLOCKS_PER_STREAM` blocks.
//!
//! Two sides take turns. The async side pulls the source and fills a block; the block before it is hashed together
//! with those of other streams, and then a blocking job writes it, so that network and disk overlap. What that needs
//! (hashes, open chunk) moves along and comes back at the end, so that there is nothing to lock, and a cancelled
//! stream leaves each thing with exactly one owner that cleans it up.

mod job;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tracing::Instrument as _;

use crate::buffer::{Block, BlockPool, PoolShare};
use crate::chunk::ChunkStore;
use crate::cipher::{BodyKey, InlineTag};
use crate::digest::{Digests, Tee};
use crate::engine::hashing::Hashing;
use crate::engine::label::BodyLabel;
use crate::engine::sealed::UnclaimedChunks;
use crate::engine::stash::Stash;
use crate::engine::unsealed::UnsealedChunk;
use crate::engine::writer::job::{Load, Running, Sink};
use crate::engine::{ByteSource, EngineError, SourceError};
use crate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, STALL_FLUSH_MS};
use crate::telemetry::traces::{self, Step};
use crate::types::ChecksumAlgorithm;

const _: () = assert!(BLOCKS_PER_STREAM == 2, "one block fills while one job runs");

/// A body that is durable, but that no metadata refers to yet.
pub enum StoredBody {
    /// At most `INLINE_BYTES_MAX` bytes, which go beside the row.
    Inline(Bytes),
    /// The same, sealed: opens with its tag only.
    SealedInline(Bytes, InlineTag),
    /// Sealed chunks.
    Chunks(UnclaimedChunks),
}

impl StoredBody {
    /// The tag of a sealed body that goes beside the row.
    pub(crate) fn inline_tag(&self) -> Option<InlineTag> {
        match self {
            Self::SealedInline(_, tag) => Some(*tag),
            Self::Inline(_) | Self::Chunks(_) => None,
        }
    }
}

/// What the writer needs.
pub struct WriterContext<'a> {
    /// The block pool.
    pub pool: &'a BlockPool,
    /// Where chunks go.
    pub chunks: &'a Arc<dyn ChunkStore>,
    /// Where blocks are hashed.
    pub hashing: &'a Arc<Hashing>,
    /// Algorithm of the stored checksum.
    pub checksum: ChecksumAlgorithm,
    /// Bytes that were announced, if any were.
    pub announced: Option<u64>,
    /// Most bytes accepted: `TooLarge` beyond.
    pub bytes_max: u64,
    /// Seals the body; what it hashes to is that of the plaintext. `None` stores the plaintext.
    pub key: Option<BodyKey>,
    /// What its chunks say of it.
    pub label: Option<Arc<BodyLabel>>,
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
    let mut body = IncomingBody {
        pool: context.pool,
        announced: context.announced,
        bytes_max: context.bytes_max,
        received: 0,
        stash: Stash::default(),
        block: None,
        is_slow: false,
        written: WriteBehind::new(&context),
    };
    body.receive(source).instrument(traces::step(Step::ReceiveBody)).await?;
    body.finish().instrument(traces::step(Step::StoreBody)).await
}

/// What the source did.
enum Pulled {
    Piece(Bytes),
    Failed(SourceError),
    /// It had nothing for a while, and a block is held.
    Stalled,
    End,
}

/// The async side: gathers small and slow bodies in a stash, fast ones in blocks.
struct IncomingBody<'a> {
    pool: &'a BlockPool,
    announced: Option<u64>,
    bytes_max: u64,
    received: u64,
    stash: Stash,
    block: Option<Block>,
    /// The client stalled, and has not filled a block since.
    is_slow: bool,
    written: WriteBehind,
}

impl IncomingBody<'_> {
    /// Takes all of the source in.
    async fn receive(&mut self, source: &mut dyn ByteSource) -> Result<(), EngineError> {
        loop {
            self.lease_ahead().await;
            match self.pull(source).await {
                Pulled::Piece(piece) => self.take(piece).await?,
                Pulled::Failed(error) => return Err(error.into()),
                Pulled::Stalled => self.stall().await?,
                Pulled::End => return Ok(()),
            }
        }
    }

    /// Leases a block before asking for bytes that the stash has no room for. An upload that waits for its turn
    /// then holds no bytes, however many wait; only a slow one gathers some first, to be worth a block.
    async fn lease_ahead(&mut self) {
        let missing = self.announced.map_or(0, |announced| announced.saturating_sub(self.received));
        if self.block.is_none() && !self.is_slow && missing > self.stash.room() as u64 {
            self.block = Some(self.pool.lease(PoolShare::Write).await);
        }
    }

    /// Gives the block back for as long as the client makes us wait: what is in it goes to the stash, if that has
    /// room, else to the job side.
    async fn stall(&mut self) -> Result<(), EngineError> {
        self.is_slow = true;
        match &self.block {
            // The stash is empty unless the block is, so that the order of the bytes stays.
            Some(block) if block.filled().len() <= self.stash.room() => {
                self.stash.push(block.filled());
                self.block = None;
                Ok(())
            }
            Some(_) | None => self.hand_over().await,
        }
    }

    /// Asks the source for more. While a block is held, waits only so long: a lease is never held across the
    /// idle time of a client.
    async fn pull(&mut self, source: &mut dyn ByteSource) -> Pulled {
        let next = poll_fn(|cx| source.poll_next(cx));
        let next = if self.block.is_none() {
            next.await
        } else {
            // No patience still is one tick of the timer, in which a client that is not slow has sent more.
            let patience = if self.pool.is_contended() { 0 } else { STALL_FLUSH_MS };
            match tokio::time::timeout(Duration::from_millis(patience), next).await {
                Ok(next) => next,
                Err(_) => return Pulled::Stalled,
            }
        };
        match next {
            Some(Ok(piece)) => Pulled::Piece(piece),
            Some(Err(error)) => Pulled::Failed(error),
            None => Pulled::End,
        }
    }

    /// Takes a piece in. Waits for a block if none is free: the source is not polled meanwhile, and that is
    /// the back-pressure.
    async fn take(&mut self, mut piece: Bytes) -> Result<(), EngineError> {
        self.received += piece.len() as u64;
        if self.received > self.bytes_max {
            return Err(EngineError::TooLarge);
        }
        while !piece.is_empty() {
            if self.block.is_none() && piece.len() <= self.stash.room() {
                self.stash.push(&piece);
                return Ok(());
            }
            let block = match &mut self.block {
                Some(block) => block,
                none => none.insert(self.pool.lease(PoolShare::Write).await),
            };
            // Blocks end where spans do, also after a stall cut one short: whole blocks then stay aligned in
            // the file, a chunk ends at the end of a block, and a sealed segment never crosses a span.
            let limit = self.written.room();
            self.stash.pour(block, limit);
            let room = limit - block.filled().len();
            let fitted = block.fill(&piece[..room.min(piece.len())]);
            piece.advance(fitted);
            if block.filled().len() == limit {
                self.is_slow = false;
                self.hand_over().await?;
            }
        }
        Ok(())
    }

    /// Hands the block to the job side.
    async fn hand_over(&mut self) -> Result<(), EngineError> {
        match self.block.take() {
            // A block that was leased ahead of a body which ended before.
            Some(block) if block.filled().is_empty() => Ok(()),
            Some(block) => self.written.write(Load::Block(block)).await,
            None => Ok(()),
        }
    }

    async fn finish(mut self) -> Result<(StoredBody, Digests), EngineError> {
        self.hand_over().await?;
        let mut rest = self.stash.into_bytes();
        // A part has no envelope for the tag of an inline body, and no chunk would name it: it goes to one however
        // short it is.
        let is_part = self.written.key.as_ref().is_some_and(BodyKey::is_part);
        let is_inline =
            rest.is_empty() || !(is_part || self.written.label.as_ref().is_some_and(|label| label.needs_chunk()));
        if !self.written.has_begun() && is_inline {
            return inline_body(self.written.checksum, self.written.key.as_ref(), rest);
        }
        while !rest.is_empty() {
            // What a slow client sent after a stall may cross the end of a span, and there that of a chunk.
            let later = rest.split_off(self.written.room().min(rest.len()));
            self.written.write(Load::Stash(std::mem::replace(&mut rest, later))).await?;
        }
        let (chunks, digests) = self.written.finish().await?;
        Ok((StoredBody::Chunks(chunks), digests))
    }
}

/// A body that goes beside its row. At most `INLINE_BYTES_MAX`: hashing and sealing it costs less than sending it to
/// another thread.
fn inline_body(
    checksum: ChecksumAlgorithm,
    key: Option<&BodyKey>,
    mut bytes: Vec<u8>,
) -> Result<(StoredBody, Digests), EngineError> {
    let mut tee = Tee::new(checksum);
    tee.update(&bytes);
    let stored = match key {
        None => StoredBody::Inline(Bytes::from(bytes)),
        Some(_) if bytes.is_empty() => StoredBody::Inline(Bytes::new()),
        Some(key) => {
            let tag = key.seal_inline(&mut bytes)?;
            StoredBody::SealedInline(Bytes::from(bytes), tag)
        }
    };
    Ok((stored, tee.finish()))
}

/// The job side, as the async side sees it: one write in flight, and one seal.
struct WriteBehind {
    hashing: Arc<Hashing>,
    store: Arc<dyn ChunkStore>,
    checksum: ChecksumAlgorithm,
    key: Option<BodyKey>,
    label: Option<Arc<BodyLabel>>,
    /// Bytes handed over so far.
    length: u64,
    state: JobState,
    seal: Option<JoinHandle<Result<UnclaimedChunks, EngineError>>>,
    sealed: UnclaimedChunks,
}

enum JobState {
    /// Nothing was handed over yet.
    Fresh,
    Running(Running),
    /// The sink is in use, or a job failed and took it along: then the stream ends.
    Taken,
}

impl WriteBehind {
    fn new(context: &WriterContext<'_>) -> Self {
        let (store, sealed) = (Arc::clone(context.chunks), UnclaimedChunks::new(Arc::clone(context.chunks)));
        let (checksum, key, label) = (context.checksum, context.key.clone(), context.label.clone());
        let hashing = Arc::clone(context.hashing);
        Self { hashing, store, checksum, key, label, length: 0, state: JobState::Fresh, seal: None, sealed }
    }

    /// Bytes until the end of the span that is being written.
    fn room(&self) -> usize {
        BLOCK_BYTES - (self.length % BLOCK_BYTES as u64) as usize
    }

    fn has_begun(&self) -> bool {
        !matches!(self.state, JobState::Fresh)
    }

    /// Hands `load`, which ends in the span that it begins in, to a job, after the job before it has ended.
    async fn write(&mut self, load: Load) -> Result<(), EngineError> {
        let mut sink = self.sink().await?;
        self.begin_seal(sink.take_full_chunk(), None).await?;
        self.length += load.bytes().len() as u64;
        let store = Arc::clone(&self.store);
        self.state = JobState::Running(job::begin(&self.hashing, sink, store, load));
        Ok(())
    }

    /// The sink, when no job has it any more.
    async fn sink(&mut self) -> Result<Box<Sink>, EngineError> {
        // The job is awaited in place: if this future is dropped meanwhile, the handle is still ours.
        let result = match &mut self.state {
            JobState::Running(running) => Some(running.ended().await),
            JobState::Fresh | JobState::Taken => None,
        };
        let state = std::mem::replace(&mut self.state, JobState::Taken);
        match (state, result) {
            (JobState::Running(_), Some(result)) => result,
            (JobState::Fresh, _) => {
                let (tee, key, label) = (Tee::new(self.checksum), self.key.clone(), self.label.clone());
                Ok(Box::new(Sink::new(tee, key, label)))
            }
            (JobState::Taken | JobState::Running(_), _) => Err(EngineError::Stopped),
        }
    }

    /// Seals a chunk beside whatever comes next; one seal at a time, in order. The last one comes with the body's
    /// digests.
    async fn begin_seal(&mut self, chunk: Option<UnsealedChunk>, end: Option<Digests>) -> Result<(), EngineError> {
        let Some(chunk) = chunk else { return Ok(()) };
        self.await_seal().await?;
        let store = Arc::clone(&self.store);
        self.seal = Some(spawn_blocking(move || chunk.seal(store, end.as_ref())));
        Ok(())
    }

    async fn await_seal(&mut self) -> Result<(), EngineError> {
        if let Some(seal) = &mut self.seal {
            let result = seal.await;
            self.seal = None;
            self.sealed.append(joined(result)??);
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<(UnclaimedChunks, Digests), EngineError> {
        let (tee, chunk) = self.sink().await?.into_parts();
        let digests = tee.finish();
        self.begin_seal(chunk, Some(digests.clone())).await?;
        self.await_seal().await?;
        assert_eq!(digests.length, self.length, "every byte that was taken was hashed and written");
        Ok((self.sealed, digests))
    }
}

/// The result of a blocking job. A panic in it goes on here, where the request's own task ends with it.
fn joined<T>(result: Result<T, JoinError>) -> Result<T, EngineError> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => EngineError::Stopped,
    })
}

#[cfg(test)]
mod tests;
