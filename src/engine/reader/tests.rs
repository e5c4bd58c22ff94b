use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use md5::Digest as _;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use super::{BodyBytes, BodyIndex, BodyReader, ExtentReader};
use crate::buffer::{BlockPool, PoolShare};
use crate::chunk::{ChunkError, ChunkStore, MemoryChunks};
use crate::engine::{
    ByteSource, ClaimedPart, CompletionClaim, CreateBucket, CreateUpload, Engine, EngineError, Expected, OpenObject,
    PutObject, SourceError, UploadPart,
};
use crate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, PART_BYTES_MIN, READ_COPY_BYTES_MAX};
use crate::meta::memory::MemoryMeta;
use crate::meta::{BodySource, Extent, MetaError};
use crate::rules::WritePrecondition;
use crate::telemetry::traces::ReadSteps;
use crate::types::{
    BucketName, ChecksumValue, ChunkId, Epoch, ManualClock, ObjectKey, ObjectMetadata, OwnerId, ResolvedRange,
    Timestamp,
};

/// A manifest in memory, which hands out pages of three extents.
struct Listed {
    extents: Vec<Extent>,
    inline: Vec<Bytes>,
}

#[async_trait]
impl BodyIndex for Listed {
    async fn extents(&self, from: u64) -> Result<Vec<Extent>, MetaError> {
        tokio::task::yield_now().await;
        let after = self.extents.iter().filter(|extent| extent.offset + extent.length > from);
        Ok(after.take(3).copied().collect())
    }

    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError> {
        Ok(self.inline[row as usize].clone())
    }
}

/// A body under construction: what it should read as, and where it is.
struct Fixture {
    memory: MemoryChunks,
    chunks: Arc<dyn ChunkStore>,
    index: Listed,
    body: Vec<u8>,
}

impl Fixture {
    fn new() -> Self {
        let memory = MemoryChunks::new(Epoch(1));
        let chunks = Arc::new(memory.clone());
        let index = Listed { extents: Vec::new(), inline: Vec::new() };
        Self { memory, chunks, index, body: Vec::new() }
    }

    /// Appends `length` bytes from `chunk_offset` of a new chunk of `chunk_length`.
    fn add_chunk(&mut self, seed: u64, chunk_length: usize, chunk_offset: usize, length: usize) -> ChunkId {
        let mut bytes = vec![0; chunk_length];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        let mut writer = self.chunks.create().unwrap();
        writer.append(&bytes).unwrap();
        let record = writer.seal().unwrap();
        self.index.extents.push(Extent {
            offset: self.body.len() as u64,
            length: length as u64,
            chunk_offset: chunk_offset as u64,
            source: BodySource::Chunk { id: record.id, length: record.length, seal: record.seal },
        });
        self.body.extend_from_slice(&bytes[chunk_offset..chunk_offset + length]);
        record.id
    }

    fn add_inline(&mut self, seed: u64, length: usize) {
        let mut bytes = vec![0; length];
        StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
        self.index.extents.push(Extent {
            offset: self.body.len() as u64,
            length: length as u64,
            chunk_offset: 0,
            source: BodySource::InlinePart {
                row: self.index.inline.len() as i64,
                md5: md5::Md5::digest(&bytes).into(),
            },
        });
        self.body.extend_from_slice(&bytes);
        self.index.inline.push(Bytes::from(bytes));
    }

    /// Ends the construction: a maker of readers, and the body.
    fn finish(self) -> (Readers, Vec<u8>) {
        (Readers { memory: self.memory, chunks: self.chunks, index: Arc::new(self.index) }, self.body)
    }
}

struct Readers {
    memory: MemoryChunks,
    chunks: Arc<dyn ChunkStore>,
    index: Arc<Listed>,
}

impl Readers {
    fn read(&self, pool: &BlockPool, start: u64, end: u64) -> BodyReader {
        let index: Arc<dyn BodyIndex> = Arc::clone(&self.index) as _;
        let extents = ExtentReader::new(index, Arc::clone(&self.chunks), pool.clone(), None);
        BodyReader {
            position: start,
            end,
            bytes: BodyBytes::Extents(extents),
            failed: false,
            waits: ReadSteps::default(),
            _pin: Box::new(()),
        }
    }
}

async fn next(reader: &mut BodyReader) -> Option<Result<Bytes, EngineError>> {
    poll_fn(|cx| reader.poll_next(cx)).await
}

/// Reads to the end, dropping each piece before the next is asked for.
async fn drain(reader: &mut BodyReader) -> Result<Vec<u8>, EngineError> {
    let mut body = Vec::new();
    while let Some(piece) = next(reader).await {
        let piece = piece?;
        assert!(!piece.is_empty());
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn mixed() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.add_chunk(1, 3 * BLOCK_BYTES + 7, 0, 3 * BLOCK_BYTES + 7);
    fixture.add_inline(2, 10_000);
    fixture.add_chunk(3, 2 * BLOCK_BYTES, 5, BLOCK_BYTES);
    fixture.add_chunk(4, 2 * BLOCK_BYTES, BLOCK_BYTES - 1, 2);
    fixture.add_inline(5, 1);
    fixture.add_inline(6, 2);
    fixture.add_chunk(7, 1, 0, 1);
    fixture.add_chunk(8, 5 * BLOCK_BYTES, BLOCK_BYTES, 4 * BLOCK_BYTES);
    fixture
}

#[tokio::test(start_paused = true)]
async fn every_range_reads_what_was_stored() {
    let (readers, body) = mixed().finish();
    let mut random = StdRng::seed_from_u64(5);
    let mut edges: Vec<u64> =
        readers.index.extents.iter().flat_map(|extent| [extent.offset, extent.offset + 1]).collect();
    edges.push(body.len() as u64);
    for round in 0..300 {
        let pool = BlockPool::new([1, 2, 4, 16][round % 4]);
        let mut point = || {
            let exact = edges[random.random_range(0..edges.len())];
            if random.random_bool(0.5) { exact } else { random.random_range(0..=body.len() as u64) }
        };
        let (one, other) = (point(), point());
        let (start, end) = if round == 0 { (0, body.len() as u64) } else { (one.min(other), one.max(other)) };
        let mut reader = readers.read(&pool, start, end);
        assert_eq!(reader.remaining(), end - start);
        let read = drain(&mut reader).await.unwrap();
        assert!(read == body[start as usize..end as usize], "{start}..{end}");
        assert_eq!(reader.remaining(), 0);
        drop(reader);
        assert_eq!(pool.leased(), 0, "{start}..{end}");
    }
}

#[tokio::test]
async fn a_fast_client_gets_whole_blocks_without_a_copy() {
    let mut fixture = Fixture::new();
    fixture.add_chunk(1, 8 * BLOCK_BYTES, 0, 8 * BLOCK_BYTES);
    let (readers, _) = fixture.finish();
    let pool = BlockPool::new(16);
    let mut reader = readers.read(&pool, 0, 8 * BLOCK_BYTES as u64);
    for _ in 0..8 {
        assert_eq!(next(&mut reader).await.unwrap().unwrap().len(), BLOCK_BYTES);
    }
    assert!(next(&mut reader).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_keeps_its_slices_holds_two_blocks_at_most() {
    let (readers, body) = mixed().finish();
    let pool = BlockPool::new(16);
    let mut reader = readers.read(&pool, 0, body.len() as u64);
    let mut kept = Vec::new();
    while let Some(piece) = next(&mut reader).await {
        kept.push(piece.unwrap());
        assert!(pool.leased() <= BLOCKS_PER_STREAM);
    }
    assert!(kept.concat() == body);
    assert_eq!(pool.leased(), BLOCKS_PER_STREAM);
    drop(kept);
    assert_eq!(pool.leased(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_that_stall_do_not_stop_others() {
    let (readers, body) = mixed().finish();
    let end = body.len() as u64;
    for blocks in [1, 2, 3, 4, 8] {
        let pool = BlockPool::new(blocks);
        let mut stalled = Vec::new();
        for _ in 0..2 * blocks {
            let mut reader = readers.read(&pool, 0, end);
            let piece = next(&mut reader).await.unwrap().unwrap();
            stalled.push((reader, piece));
        }
        let mut working = readers.read(&pool, 0, end);
        let mut read = Vec::new();
        while let Some(piece) = next(&mut working).await {
            let piece = piece.unwrap();
            assert!(blocks < 4 || piece.len() <= READ_COPY_BYTES_MAX, "every right to linger is taken");
            read.extend_from_slice(&piece);
        }
        assert!(read == body, "{blocks} blocks");
        if blocks > 1 {
            let half = blocks - blocks / 2;
            let written: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
            assert!(written.len() >= half, "{} of {blocks} blocks were left to writers", written.len());
        }
        drop(stalled);
    }
}

#[tokio::test]
async fn a_damaged_span_is_an_error_and_the_end() {
    let mut fixture = Fixture::new();
    let id = fixture.add_chunk(1, 3 * BLOCK_BYTES, 0, 3 * BLOCK_BYTES);
    let (readers, body) = fixture.finish();
    let mut image = readers.memory.image(id).unwrap();
    image[BLOCK_BYTES + 77] ^= 1;
    readers.memory.set_image(id, image);
    let pool = BlockPool::new(8);
    let mut reader = readers.read(&pool, 0, body.len() as u64);
    assert!(next(&mut reader).await.unwrap().unwrap() == body[..BLOCK_BYTES]);
    match next(&mut reader).await {
        Some(Err(EngineError::Chunk(ChunkError::Damaged { chunk, .. }))) => assert_eq!(chunk, id),
        other => panic!("{other:?}"),
    }
    assert!(next(&mut reader).await.is_none());
    assert_eq!(reader.remaining(), 2 * BLOCK_BYTES as u64, "a short body is never a whole one");
    drop(reader);
    assert_eq!(pool.leased(), 0);
    // A range that does not touch the damage is served, and one that does is not, however small.
    let last = drain(&mut readers.read(&pool, 2 * BLOCK_BYTES as u64, body.len() as u64)).await.unwrap();
    assert!(last == body[2 * BLOCK_BYTES..]);
    assert!(drain(&mut readers.read(&pool, BLOCK_BYTES as u64, BLOCK_BYTES as u64 + 1)).await.is_err());
}

#[tokio::test]
async fn a_missing_chunk_is_damage() {
    let (readers, body) = mixed().finish();
    let pool = BlockPool::new(4);
    readers.chunks.remove(ChunkId::new(Epoch(1), 1)).unwrap();
    let result = drain(&mut readers.read(&pool, 0, body.len() as u64)).await;
    assert!(matches!(result, Err(EngineError::Chunk(ChunkError::Damaged { .. }))));
}

#[tokio::test]
async fn rows_that_contradict_each_other_are_an_error_and_no_panic() {
    let spoils: [fn(&mut Listed); 6] = [
        |index| index.extents.clear(),
        |index| index.extents.truncate(1),
        |index| index.extents[1].offset += 1,
        |index| index.extents[0].offset = 1,
        |index| index.extents[0].chunk_offset = 8,
        |index| index.inline[0] = Bytes::from_static(b"short"),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let (mut readers, body) = mixed().finish();
        spoil(Arc::get_mut(&mut readers.index).unwrap());
        let pool = BlockPool::new(4);
        let result = drain(&mut readers.read(&pool, 0, body.len() as u64)).await;
        let refused = matches!(result, Err(EngineError::Meta(MetaError::Storage(_)) | EngineError::Damaged(_)));
        assert!(refused, "spoil {number}: {result:?}");
    }
}

struct CountedPin(Arc<AtomicUsize>);

impl Drop for CountedPin {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_pin_goes_with_the_reader() {
    let (readers, body) = mixed().finish();
    let pool = BlockPool::new(4);
    let drops = Arc::new(AtomicUsize::new(0));
    let mut reader = readers.read(&pool, 0, body.len() as u64);
    reader._pin = Box::new(CountedPin(Arc::clone(&drops)));
    drain(&mut reader).await.unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    drop(reader);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_inline_body_is_sliced_from_memory() {
    let body = Bytes::from_static(b"0123456789");
    let reader = |position, end| BodyReader {
        position,
        end,
        bytes: BodyBytes::Inline(body.clone()),
        failed: false,
        waits: ReadSteps::default(),
        _pin: Box::new(()),
    };
    assert_eq!(drain(&mut reader(2, 5)).now_or_never().unwrap().unwrap(), b"234");
    assert_eq!(drain(&mut reader(0, 10)).now_or_never().unwrap().unwrap(), b"0123456789");
    assert_eq!(drain(&mut reader(0, 0)).now_or_never().unwrap().unwrap(), b"");
}

#[test]
fn a_reader_that_is_dropped_while_it_reads_ahead_returns_its_blocks() {
    let pool = BlockPool::new(8);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (readers, body) = mixed().finish();
        for _ in 0..20 {
            let mut reader = readers.read(&pool, 0, body.len() as u64);
            drop(next(&mut reader).await.unwrap().unwrap());
        }
    });
    // The runtime ends after its last job.
    drop(runtime);
    assert_eq!(pool.leased(), 0);
}

/// An object of one piece, or of several parts, in stores in memory.
async fn stored(parts: &[&[u8]]) -> OpenObject {
    let pool = BlockPool::new(4);
    let chunks = Arc::new(MemoryChunks::new(Epoch(1)));
    let engine = Engine::new(Arc::new(MemoryMeta::new()), chunks, pool, Arc::new(ManualClock::new(Timestamp(9))));
    let (owner, key) = (OwnerId("o".repeat(64)), ObjectKey::parse("key").unwrap());
    let bucket = BucketName::parse("bucket").unwrap();
    let bucket = CreateBucket::new(bucket, owner.clone());
    let bucket = engine.create_bucket(bucket).await.unwrap();
    let expected = Expected::default();
    if let [body] = parts {
        let metadata = ObjectMetadata::default();
        let precondition = WritePrecondition::default();
        let put = PutObject {
            bucket: bucket.clone(),
            key: key.clone(),
            metadata,
            customer_key: None,
            expected,
            precondition,
        };
        engine.put_object(put, &mut Once(Some(Bytes::copy_from_slice(body)))).await.unwrap();
    } else {
        let metadata = ObjectMetadata::default();
        let create =
            CreateUpload { bucket: bucket.clone(), key: key.clone(), initiator: owner, metadata, checksum: None };
        let upload = engine.create_upload(create).await.unwrap().upload;
        let mut etags = Vec::new();
        for (number, part) in (1..).zip(parts) {
            // Only odd numbers, so that gaps are seen.
            let number = 2 * number - 1;
            let (bucket, key, expected) = (bucket.clone(), key.clone(), expected.clone());
            let request = UploadPart { bucket, key, upload, number, customer_key: None, expected };
            let written = engine.upload_part(request, &mut Once(Some(Bytes::copy_from_slice(part)))).await.unwrap();
            etags.push((number, written.etag));
        }
        let mut completion = engine.begin_completion(&bucket, &key, upload).await.unwrap();
        for (number, etag) in etags {
            completion.push(ClaimedPart { number, etag, checksum: None }).await.unwrap();
        }
        completion.finish(CompletionClaim::default()).await.unwrap();
    }
    engine.open_object(&bucket, &key, None).await.unwrap()
}

/// A body in one piece.
struct Once(Option<Bytes>);

impl ByteSource for Once {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        Poll::Ready(self.0.take().map(Ok))
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

#[tokio::test]
async fn a_body_in_one_piece_is_its_own_part_one() {
    let open = stored(&[b"0123456789"]).await;
    let (part, offset) = open.part(1).await.unwrap().unwrap();
    assert_eq!((part.number, part.size, part.md5, offset), (1, 10, open.version().etag.md5, 0));
    assert_eq!(part.checksum, open.version().checksum.clone().map(|checksum| checksum.value));
    assert!(open.part(0).await.unwrap().is_none() && open.part(2).await.unwrap().is_none());
    assert!(open.parts(0, 1000).await.unwrap().is_empty());
    assert_eq!(open.part_count(), None);
}

#[tokio::test]
async fn parts_are_found_by_number_and_read_by_range() {
    let large = vec![7; PART_BYTES_MIN as usize];
    let larger = vec![8; PART_BYTES_MIN as usize + 1];
    let parts: [&[u8]; 3] = [&large, &larger, b"tail"];
    let open = stored(&parts).await;
    assert_eq!(open.part_count(), Some(3));
    let listed = open.parts(1, 1000).await.unwrap();
    assert_eq!(listed.iter().map(|part| part.number).collect::<Vec<_>>(), [3, 5]);
    for absent in [0, 2, 4, 6, u16::MAX] {
        assert!(open.part(absent).await.unwrap().is_none(), "part {absent}");
    }
    let (part, offset) = open.part(5).await.unwrap().unwrap();
    assert_eq!((part.size, offset), (4, 2 * PART_BYTES_MIN + 1));
    let range = ResolvedRange { start: offset - 2, length: 6 };
    assert_eq!(drain(&mut open.read(Some(range))).await.unwrap(), b"\x08\x08tail");
}
