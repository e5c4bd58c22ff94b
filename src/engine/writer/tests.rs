use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Sleep;

use super::{StoredBody, UnclaimedChunks, WriterContext, write_body};
use crate::buffer::{BlockPool, PoolShare};
use crate::chunk::{ChunkError, ChunkRecord, ChunkStore, LocalChunks, MemoryChunks};
use crate::cipher::{BodyKey, ChunkOpener, DataKey, Sequence};
use crate::digest::{Digests, Kernels, Tee};
use crate::engine::hashing::Hashing;
use crate::engine::{ByteSource, EngineError, SourceError};
use crate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, CHUNK_BYTES_MAX, INLINE_BYTES_MAX};
use crate::meta::NewExtent;
use crate::types::{ChecksumAlgorithm, ChecksumValue, ChunkId, Epoch};

const CHECKSUM: ChecksumAlgorithm = ChecksumAlgorithm::Crc64Nvme;
const CHUNK: usize = CHUNK_BYTES_MAX as usize;

enum Step {
    Piece(Bytes),
    /// Nothing now, but at the next poll.
    Pause,
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing ever again.
    Hang,
    Fail,
}

/// A source that does what it is told, and writes down how many blocks are leased when it is asked.
struct Script {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    pool: BlockPool,
    leased_max: usize,
    leased_after_waits: Vec<usize>,
}

impl Script {
    fn new(pool: &BlockPool, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, sleep: None, pool: pool.clone(), leased_max: 0, leased_after_waits: Vec::new() }
    }

    /// `body` in pieces of `piece_bytes`.
    fn whole(pool: &BlockPool, body: &Bytes, piece_bytes: usize) -> Self {
        Self::new(pool, pieces(body, piece_bytes).map(Step::Piece))
    }
}

fn pieces(body: &Bytes, piece_bytes: usize) -> impl Iterator<Item = Bytes> {
    (0..body.len()).step_by(piece_bytes).map(move |start| body.slice(start..body.len().min(start + piece_bytes)))
}

impl ByteSource for Script {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        self.leased_max = self.leased_max.max(self.pool.leased());
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
            self.leased_after_waits.push(self.pool.leased());
        }
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Piece(piece)) => Poll::Ready(Some(Ok(piece))),
            Some(Step::Fail) => Poll::Ready(Some(Err(SourceError("the client hung up".into())))),
            Some(Step::Pause) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Wait(duration)) => {
                self.sleep = Some(Box::pin(tokio::time::sleep(duration)));
                self.poll_next(cx)
            }
            Some(Step::Hang) => {
                self.steps.push_front(Step::Hang);
                Poll::Pending
            }
        }
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

fn hashing() -> Arc<Hashing> {
    Hashing::new(Kernels::here())
}

fn random_body(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    Bytes::from(bytes)
}

fn digests_of(body: &[u8]) -> Digests {
    let mut tee = Tee::new(CHECKSUM);
    tee.update(body);
    tee.finish()
}

async fn write(
    pool: &BlockPool,
    chunks: &Arc<dyn ChunkStore>,
    source: &mut Script,
) -> Result<(StoredBody, Digests), EngineError> {
    write_announced(pool, chunks, source, None).await
}

async fn write_announced(
    pool: &BlockPool,
    chunks: &Arc<dyn ChunkStore>,
    source: &mut Script,
    announced: Option<u64>,
) -> Result<(StoredBody, Digests), EngineError> {
    write_body(
        WriterContext {
            pool,
            chunks,
            hashing: &hashing(),
            checksum: CHECKSUM,
            announced,
            bytes_max: u64::MAX,
            key: None,
            label: None,
        },
        source,
    )
    .await
}

fn read_back(chunks: &dyn ChunkStore, stored: &StoredBody) -> Vec<u8> {
    let unclaimed = match stored {
        StoredBody::Inline(bytes) | StoredBody::SealedInline(bytes, _) => return bytes.to_vec(),
        StoredBody::Chunks(unclaimed) => unclaimed,
    };
    let mut body = Vec::new();
    let mut span = vec![0; BLOCK_BYTES];
    for extent in &unclaimed.extents {
        let NewExtent::Sealed { id, length, seal } = *extent else { panic!("the writer shares nothing") };
        let reader = chunks.open(&ChunkRecord { id, length, seal }).unwrap();
        for index in 0..length.div_ceil(BLOCK_BYTES as u64) as usize {
            let length = reader.read_span(index, &mut span).unwrap();
            body.extend_from_slice(&span[..length]);
        }
    }
    body
}

fn memory() -> (MemoryChunks, Arc<dyn ChunkStore>) {
    let memory = MemoryChunks::new(Epoch(1));
    (memory.clone(), Arc::new(memory))
}

/// Runs `test` and then waits for all blocking jobs that it left behind.
fn run_to_the_last_job<F: Future>(test: F) -> F::Output {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

fn assert_nothing_left(memory: &MemoryChunks, pool: &BlockPool, context: &str) {
    assert_eq!(memory.unsealed(), 0, "{context}: unsealed chunks");
    assert_eq!(memory.sealed(), [], "{context}: sealed chunks");
    assert_eq!(pool.leased(), 0, "{context}: blocks");
}

#[tokio::test]
async fn bodies_around_every_boundary_come_back_whole() {
    let boundaries = [INLINE_BYTES_MAX, BLOCK_BYTES, 2 * BLOCK_BYTES, CHUNK];
    let around = boundaries.into_iter().flat_map(|size| [size - 1, size, size + 1]);
    let pool = BlockPool::new(4);
    for size in around.chain([0, 1, 2 * CHUNK + 7]) {
        let body = random_body(size as u64, size);
        for (piece_bytes, is_announced) in [(1 << 20, true), (65_536, false), (10_007, true)] {
            let (_, chunks) = memory();
            let mut source = Script::whole(&pool, &body, piece_bytes);
            let announced = is_announced.then_some(size as u64);
            let (stored, digests) = write_announced(&pool, &chunks, &mut source, announced).await.unwrap();
            assert_eq!(digests, digests_of(&body), "{size} bytes");
            assert!(read_back(&*chunks, &stored) == body, "{size} bytes");
            assert_eq!(matches!(stored, StoredBody::Inline(_)), size <= INLINE_BYTES_MAX);
            assert!(source.leased_max <= BLOCKS_PER_STREAM, "{size} bytes leased {} blocks", source.leased_max);
            assert_eq!(pool.leased(), 0);
        }
    }
}

#[tokio::test]
async fn chunks_are_as_large_as_they_may_be() {
    let pool = BlockPool::new(2);
    let (_, chunks) = memory();
    let body = random_body(1, 2 * CHUNK + 1);
    let (stored, _) = write(&pool, &chunks, &mut Script::whole(&pool, &body, 100_000)).await.unwrap();
    let StoredBody::Chunks(unclaimed) = stored else { panic!("not inline") };
    let lengths = unclaimed.disarm().into_iter().map(|extent| match extent {
        NewExtent::Sealed { length, .. } | NewExtent::Shared { length, .. } => length,
    });
    assert_eq!(lengths.collect::<Vec<_>>(), [CHUNK_BYTES_MAX, CHUNK_BYTES_MAX, 1]);
}

#[tokio::test]
async fn an_inline_body_needs_no_block() {
    let pool = BlockPool::new(1);
    let _held = pool.try_lease(PoolShare::Write).unwrap();
    let (memory, chunks) = memory();
    let body = random_body(1, INLINE_BYTES_MAX);
    let (stored, digests) = write(&pool, &chunks, &mut Script::whole(&pool, &body, 100)).await.unwrap();
    assert!(matches!(stored, StoredBody::Inline(bytes) if bytes == body));
    assert_eq!(digests, digests_of(&body));
    assert!(memory.sealed().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_holds_no_block() {
    let pool = BlockPool::new(4);
    let (_, chunks) = memory();
    let body = random_body(1, 20 * 40_000);
    let steps = pieces(&body, 40_000).flat_map(|piece| [Step::Piece(piece), Step::Wait(Duration::from_secs(5))]);
    let mut source = Script::new(&pool, steps);
    let (stored, digests) = write(&pool, &chunks, &mut source).await.unwrap();
    assert_eq!(source.leased_after_waits, [0; 20]);
    assert_eq!(digests, digests_of(&body));
    assert!(read_back(&*chunks, &stored) == body);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_trickles_is_gathered_before_it_gets_a_block() {
    let pool = BlockPool::new(4);
    let (_, chunks) = memory();
    let body = random_body(1, 3 * BLOCK_BYTES);
    for announced in [None, Some(body.len() as u64)] {
        let steps = pieces(&body, 1000).flat_map(|piece| [Step::Piece(piece), Step::Wait(Duration::from_secs(1))]);
        let mut source = Script::new(&pool, steps);
        let (stored, digests) = write_announced(&pool, &chunks, &mut source, announced).await.unwrap();
        assert!(source.leased_after_waits.iter().all(|&leased| leased == 0));
        assert_eq!(digests, digests_of(&body));
        assert!(read_back(&*chunks, &stored) == body);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_sent_before_it_stalled_waits_for_more_without_a_block() {
    let pool = BlockPool::new(1);
    let (memory, chunks) = memory();
    let body = random_body(1, 2 * BLOCK_BYTES);
    let steps = [Step::Piece(body.slice(..1000)), Step::Hang];
    let mut source = Script::new(&pool, steps);
    {
        let mut writing = pin!(write_announced(&pool, &chunks, &mut source, Some(body.len() as u64)));
        assert!(tokio::time::timeout(Duration::from_secs(1), writing.as_mut()).await.is_err());
        assert_eq!((pool.leased(), memory.unsealed()), (0, 0), "so little is not worth a chunk");
    }
    assert_eq!(source.leased_max, 1, "it had a block before");
}

#[tokio::test]
async fn an_announced_body_is_not_asked_for_until_there_is_a_block() {
    let pool = BlockPool::new(1);
    let held = pool.try_lease(PoolShare::Write).unwrap();
    let (_, chunks) = memory();
    let body = random_body(1, INLINE_BYTES_MAX + 1);
    let mut source = Script::whole(&pool, &body, 100);
    {
        let mut writing = pin!(write_announced(&pool, &chunks, &mut source, Some(body.len() as u64)));
        assert!(writing.as_mut().now_or_never().is_none());
        assert!(pool.is_contended());
    }
    assert_eq!(source.steps.len(), body.len().div_ceil(100), "nothing was pulled");
    drop(held);
    let (stored, _) = write_announced(&pool, &chunks, &mut source, Some(body.len() as u64)).await.unwrap();
    assert!(read_back(&*chunks, &stored) == body);
}

#[tokio::test]
async fn random_pauses_change_nothing() {
    let mut random = StdRng::seed_from_u64(11);
    for round in 0..20 {
        let pool = BlockPool::new(random.random_range(1..5));
        let (_, chunks) = memory();
        let body = random_body(round, random.random_range(0..5 * BLOCK_BYTES));
        let mut steps = Vec::new();
        let mut rest = body.clone();
        while !rest.is_empty() {
            let length = random.random_range(1..=rest.len().min(2 * BLOCK_BYTES));
            steps.push(Step::Piece(rest.split_to(length)));
            match random.random_range(0..10) {
                0..6 => {}
                6..9 => steps.push(Step::Pause),
                _ => steps.push(Step::Wait(Duration::from_millis(30))),
            }
        }
        let announced = (round % 2 == 0).then_some(body.len() as u64);
        let mut source = Script::new(&pool, steps);
        let (stored, digests) = write_announced(&pool, &chunks, &mut source, announced).await.unwrap();
        assert_eq!(digests, digests_of(&body), "round {round}");
        assert!(read_back(&*chunks, &stored) == body, "round {round}");
        assert_eq!(pool.leased(), 0);
    }
}

#[test]
fn a_source_that_fails_leaves_nothing() {
    for length in [0, 100, INLINE_BYTES_MAX + 1, 3 * BLOCK_BYTES, CHUNK + 3 * BLOCK_BYTES] {
        let (memory, chunks) = memory();
        let pool = BlockPool::new(2);
        let body = random_body(1, length);
        let steps = pieces(&body, 65_536).map(Step::Piece).chain([Step::Fail]);
        let mut source = Script::new(&pool, steps);
        let result = run_to_the_last_job(write(&pool, &chunks, &mut source));
        assert!(matches!(result, Err(EngineError::Source(_))), "{length} bytes");
        drop(result);
        assert_nothing_left(&memory, &pool, &format!("{length} bytes"));
    }
}

#[test]
fn a_body_above_its_bound_is_refused_and_leaves_nothing() {
    for (length, bytes_max, refused) in [
        (100, 100, false),
        (101, 100, true),
        (3 * BLOCK_BYTES, 3 * BLOCK_BYTES, false),
        (3 * BLOCK_BYTES + 1, 3 * BLOCK_BYTES, true),
        (CHUNK + 2 * BLOCK_BYTES, CHUNK + BLOCK_BYTES, true),
    ] {
        let (memory, chunks) = memory();
        let pool = BlockPool::new(2);
        let body = random_body(1, length);
        let mut source = Script::whole(&pool, &body, 4099);
        let context = WriterContext {
            pool: &pool,
            chunks: &chunks,
            hashing: &hashing(),
            checksum: CHECKSUM,
            announced: None,
            bytes_max: bytes_max as u64,
            key: None,
            label: None,
        };
        let result = run_to_the_last_job(async { write_body(context, &mut source).await.map(drop) });
        assert_eq!(matches!(result, Err(EngineError::TooLarge)), refused, "{length} of {bytes_max}: {result:?}");
        assert_nothing_left(&memory, &pool, &format!("{length} of {bytes_max}"));
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    for capacity in [10, BLOCK_BYTES as u64 + 10, CHUNK_BYTES_MAX + 10_000] {
        let memory = MemoryChunks::with_capacity_bytes(Epoch(1), capacity);
        let chunks: Arc<dyn ChunkStore> = Arc::new(memory.clone());
        let pool = BlockPool::new(2);
        let body = random_body(1, CHUNK + 3 * BLOCK_BYTES);
        let mut source = Script::whole(&pool, &body, 65_536);
        let result = run_to_the_last_job(async { write(&pool, &chunks, &mut source).await.map(drop) });
        assert!(matches!(result, Err(EngineError::Chunk(ChunkError::Full(_)))), "{result:?}");
        assert_nothing_left(&memory, &pool, &format!("{capacity} bytes of space"));
        assert_eq!(chunks.free_bytes().unwrap(), capacity);
    }
}

/// Polls `future` at most `polls` times, then drops it.
async fn cancel_after<F: Future>(future: F, mut polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

#[test]
fn a_stream_that_is_cancelled_anywhere_leaves_nothing() {
    let body = random_body(1, 2 * CHUNK + 3 * BLOCK_BYTES);
    let steps = |random: &mut StdRng| -> Vec<Step> {
        let pauses = random.random_range(0.0..0.3);
        pieces(&body, 65_536)
            .flat_map(|piece| {
                let pause = random.random_bool(pauses).then_some(Step::Pause);
                [Some(Step::Piece(piece)), pause].into_iter().flatten()
            })
            .collect()
    };
    let mut cancelled = 0;
    for seed in 0..40 {
        let mut random = StdRng::seed_from_u64(seed);
        let (memory, chunks) = memory();
        let pool = BlockPool::new(3);
        let mut source = Script::new(&pool, steps(&mut random));
        let polls = random.random_range(1..250);
        let result = run_to_the_last_job(async {
            cancel_after(async { write(&pool, &chunks, &mut source).await.map(drop) }, polls).await
        });
        cancelled += usize::from(result.is_none());
        assert_nothing_left(&memory, &pool, &format!("seed {seed}, {polls} polls"));
    }
    assert!(cancelled >= 10, "only {cancelled} streams were cancelled before their end");
}

#[test]
fn a_cancelled_stream_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let chunks: Arc<dyn ChunkStore> = Arc::new(LocalChunks::open(root.path(), Epoch(1)).unwrap());
    let pool = BlockPool::new(2);
    let body = random_body(1, CHUNK + 2 * BLOCK_BYTES);
    for pieces_before in [1, 5, 130, 260] {
        let steps = pieces(&body, 65_536).take(pieces_before).map(Step::Piece).chain([Step::Hang]);
        let mut source = Script::new(&pool, steps);
        run_to_the_last_job(async {
            let mut writing = pin!(write(&pool, &chunks, &mut source));
            while !pool_is_idle_after(&mut writing, &pool).await {}
        });
        let mut files = 0;
        chunks
            .visit_epoch(Epoch(1), &mut |_| {
                files += 1;
                true
            })
            .unwrap();
        assert_eq!((files, pool.leased()), (0, 0), "{pieces_before} pieces");
    }
}

/// Polls `writing` once, lets others run, and tells whether every block came back: then it hangs.
async fn pool_is_idle_after<F: Future>(writing: &mut Pin<&mut F>, pool: &BlockPool) -> bool {
    assert!(writing.now_or_never().is_none(), "the source hangs");
    tokio::time::sleep(Duration::from_millis(1)).await;
    pool.leased() == 0
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_a_stall_at_the_end_of_a_chunk_goes_to_the_next() {
    let pool = BlockPool::new(4);
    let (_, chunks) = memory();
    let body = random_body(5, CHUNK + 100);
    let cut = CHUNK - 10;
    let early = body.slice(..cut);
    let steps = pieces(&early, 60_000).map(Step::Piece);
    let late = [Step::Wait(Duration::from_secs(1)), Step::Piece(body.slice(cut..))];
    let mut source = Script::new(&pool, steps.chain(late));
    let (stored, digests) = write(&pool, &chunks, &mut source).await.unwrap();
    assert_eq!(digests, digests_of(&body));
    assert!(read_back(&*chunks, &stored) == body);
    let StoredBody::Chunks(unclaimed) = &stored else { panic!("in chunks") };
    let lengths: Vec<_> = unclaimed.extents.iter().map(NewExtent::length).collect();
    assert_eq!(lengths, [CHUNK_BYTES_MAX, 100]);
}

/// What the chunks hold, opened, and how many there are.
fn open_back(chunks: &dyn ChunkStore, stored: &StoredBody, key: &BodyKey) -> (Vec<u8>, usize) {
    let StoredBody::Chunks(unclaimed) = stored else { panic!("in chunks") };
    let mut sequence = Sequence::new(unclaimed.extents.iter().map(NewExtent::length).sum());
    let mut body = Vec::new();
    let mut span = vec![0; BLOCK_BYTES];
    for extent in &unclaimed.extents {
        let NewExtent::Sealed { id, length, seal } = *extent else { panic!("the writer shares nothing") };
        let mut reader = chunks.open(&ChunkRecord { id, length, seal }).unwrap();
        let opener =
            ChunkOpener::parse(key, length, crate::engine::label::split(&reader.take_appendix()).unwrap().1).unwrap();
        sequence.accept(body.len() as u64, opener.placement()).unwrap();
        for index in 0..length.div_ceil(BLOCK_BYTES as u64) as usize {
            let length = reader.read_span(index, &mut span).unwrap();
            opener.open(index, &mut span[..length], 0..length).unwrap();
            body.extend_from_slice(&span[..length]);
        }
    }
    (body, unclaimed.extents.len())
}

async fn write_sealed(
    pool: &BlockPool,
    chunks: &Arc<dyn ChunkStore>,
    key: &BodyKey,
    source: &mut Script,
) -> (StoredBody, Digests) {
    let context = WriterContext {
        pool,
        chunks,
        hashing: &hashing(),
        checksum: CHECKSUM,
        announced: None,
        bytes_max: u64::MAX,
        key: Some(key.clone()),
        label: None,
    };
    write_body(context, source).await.unwrap()
}

#[tokio::test]
async fn a_sealed_body_is_as_long_as_it_was_and_opens_with_its_key() {
    let pool = BlockPool::new(4);
    for (number, length) in
        [INLINE_BYTES_MAX + 1, BLOCK_BYTES, BLOCK_BYTES + 1, CHUNK, CHUNK + 5].into_iter().enumerate()
    {
        let (memory, chunks) = memory();
        let key = DataKey::generate().unwrap().whole();
        let body = random_body(number as u64, length);
        let (stored, digests) = write_sealed(&pool, &chunks, &key, &mut Script::whole(&pool, &body, 70_001)).await;
        assert_eq!(digests, digests_of(&body), "hashes are those of the plaintext");
        assert!(open_back(&*chunks, &stored, &key) == (body.to_vec(), length.div_ceil(CHUNK)));
        for (id, plain) in memory.sealed().into_iter().zip(body.chunks(CHUNK)) {
            let image = memory.image(id).unwrap();
            let mut pairs = image.chunks(16).zip(plain.chunks_exact(16));
            assert!(pairs.all(|(stored, plain)| stored != plain), "no plaintext is stored");
        }
    }
}

#[tokio::test]
async fn a_short_sealed_body_is_inline_with_a_tag_and_a_short_sealed_part_is_a_chunk() {
    let pool = BlockPool::new(1);
    let (memory, chunks) = memory();
    let data = DataKey::generate().unwrap();
    let body = random_body(1, 100);
    let whole = || Script::whole(&pool, &body, 7);
    let (stored, digests) = write_sealed(&pool, &chunks, &data.whole(), &mut whole()).await;
    assert_eq!(digests, digests_of(&body));
    let StoredBody::SealedInline(bytes, tag) = stored else { panic!("inline") };
    let mut opened = bytes.to_vec();
    assert_ne!(opened, body);
    data.whole().open_inline(&tag, &mut opened).unwrap();
    assert_eq!(opened, body);
    let (stored, _) = write_sealed(&pool, &chunks, &data.part(2), &mut whole()).await;
    assert_eq!(open_back(&*chunks, &stored, &data.part(2)), (body.to_vec(), 1));
    let (stored, _) = write_sealed(&pool, &chunks, &data.part(3), &mut Script::new(&pool, [])).await;
    assert!(matches!(stored, StoredBody::Inline(bytes) if bytes.is_empty()));
    assert_eq!(memory.sealed().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_again_and_again_gets_more_chunks_and_no_longer_tables() {
    let pool = BlockPool::new(2);
    let (memory, chunks) = memory();
    let key = DataKey::generate().unwrap().whole();
    let body = random_body(8, CHUNK);
    let steps =
        pieces(&body, INLINE_BYTES_MAX + 1).flat_map(|piece| [Step::Piece(piece), Step::Wait(Duration::from_secs(1))]);
    let mut source = Script::new(&pool, steps.collect::<Vec<_>>());
    let (stored, _) = write_sealed(&pool, &chunks, &key, &mut source).await;
    assert!(source.leased_after_waits.iter().all(|leased| *leased == 0), "no block is held while nothing comes");
    let (opened, count) = open_back(&*chunks, &stored, &key);
    assert!(opened == body);
    assert!((2..=10).contains(&count), "{count} chunks");
    let StoredBody::Chunks(unclaimed) = &stored else { panic!("in chunks") };
    let (last, full) = unclaimed.extents.split_last().unwrap();
    assert!(full.iter().all(|extent| extent.length().is_multiple_of(BLOCK_BYTES as u64)), "{last:?}");
    assert_eq!(memory.sealed().len(), count);
}

#[test]
fn unclaimed_chunks_go_unless_they_were_disarmed() {
    let (memory, chunks) = memory();
    let seal = || {
        let mut writer = chunks.create().unwrap();
        writer.append(b"bytes").unwrap();
        let record = writer.seal().unwrap();
        NewExtent::Sealed { id: record.id, length: record.length, seal: record.seal }
    };
    let (dropped, kept, referred_to) = (seal(), seal(), seal());
    let NewExtent::Sealed { id: shared_id, .. } = referred_to else { panic!("sealed") };
    let shared = NewExtent::Shared { id: shared_id, chunk_offset: 0, length: 5 };
    drop(UnclaimedChunks { store: Arc::clone(&chunks), extents: vec![dropped, shared] });
    let extents = UnclaimedChunks { store: Arc::clone(&chunks), extents: vec![kept] }.disarm();
    assert_eq!(extents, [kept]);
    assert_eq!(memory.sealed(), [1, 2].map(|sequence| ChunkId::new(Epoch(1), sequence)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_streams_share_eight_blocks() {
    let pool = BlockPool::new(8);
    let (_, chunks) = memory();
    let peak = Arc::new(AtomicUsize::new(0));
    let mut streams = JoinSet::new();
    for number in 0..200_usize {
        let (pool, chunks, peak) = (pool.clone(), Arc::clone(&chunks), Arc::clone(&peak));
        streams.spawn(async move {
            let body = random_body(number as u64, 1000 + number * 4000);
            let mut random = StdRng::seed_from_u64(number as u64);
            let steps = pieces(&body, 30_000).flat_map(|piece| {
                let pause = random.random_bool(0.2).then_some(Step::Pause);
                [Some(Step::Piece(piece)), pause].into_iter().flatten()
            });
            let mut source = Script::new(&pool, steps.collect::<Vec<_>>());
            let (stored, digests) = write(&pool, &chunks, &mut source).await.unwrap();
            peak.fetch_max(source.leased_max, Ordering::SeqCst);
            assert_eq!(digests, digests_of(&body));
            assert!(read_back(&*chunks, &stored) == body);
        });
    }
    while let Some(ended) = streams.join_next().await {
        ended.unwrap();
    }
    assert!(peak.load(Ordering::SeqCst) <= 8);
    assert_eq!(pool.leased(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_that_hang_do_not_starve_one_that_works() {
    let pool = BlockPool::new(2);
    let (_, chunks) = memory();
    let mut hanging = JoinSet::new();
    for number in 0..50 {
        let (pool, chunks) = (pool.clone(), Arc::clone(&chunks));
        hanging.spawn(async move {
            let body = random_body(number, INLINE_BYTES_MAX + 1);
            let mut source = Script::new(&pool, [Step::Piece(body), Step::Hang]);
            let announced = (number % 2 == 0).then_some(10 * BLOCK_BYTES as u64);
            write_announced(&pool, &chunks, &mut source, announced).await.map(drop)
        });
    }
    tokio::task::yield_now().await;
    let body = random_body(99, 10 * BLOCK_BYTES);
    let (stored, _) = write(&pool, &chunks, &mut Script::whole(&pool, &body, 50_000)).await.unwrap();
    assert!(read_back(&*chunks, &stored) == body);
    assert_eq!(hanging.len(), 50);
    assert!(hanging.try_join_next().is_none(), "those that hang still hang");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_hashed_together_are_stored_whole_with_every_set_of_kernels() {
    for kernels in Kernels::runnable() {
        let (pool, hashing) = (BlockPool::new(40), Hashing::new(kernels));
        let (_, chunks) = memory();
        let mut streams = JoinSet::new();
        for number in 0..18_usize {
            let (pool, chunks, hashing) = (pool.clone(), Arc::clone(&chunks), Arc::clone(&hashing));
            streams.spawn(async move {
                let body = random_body(number as u64, INLINE_BYTES_MAX + 1 + number * 701);
                let mut source = Script::whole(&pool, &body, 10_007);
                let context = WriterContext {
                    pool: &pool,
                    chunks: &chunks,
                    hashing: &hashing,
                    checksum: CHECKSUM,
                    announced: None,
                    bytes_max: u64::MAX,
                    key: None,
                    label: None,
                };
                let (stored, digests) = write_body(context, &mut source).await.unwrap();
                assert_eq!(digests, digests_of(&body));
                assert!(read_back(&*chunks, &stored) == body);
            });
        }
        while let Some(ended) = streams.join_next().await {
            ended.unwrap();
        }
        assert_eq!(pool.leased(), 0, "{}", kernels.name());
    }
}
