//! Tests of the engine over the stores in memory.

mod completion;
mod faulty;
mod fuzz;
mod locks;
mod maintenance;
mod objects;
mod scrub;
mod sealed;
mod uploads;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::buffer::BlockPool;
use crate::chunk::memory::MemoryChunks;
use crate::cipher::KeyRing;
use crate::digest::ChecksumHasher;
use crate::engine::{
    ByteSource, Collected, CreateBucket, CreateUpload, DeleteObject, Engine, EngineError, Expected, OpenObject,
    PutObject, SourceError, UploadPart, Written, WrittenPart,
};
use crate::meta::MetaStore;
use crate::meta::memory::MemoryMeta;
use crate::rules::{DeletePrecondition, WritePrecondition};
use crate::types::{
    Bucket, BucketName, ChecksumAlgorithm, ChecksumType, ChecksumValue, Epoch, ListedUpload, ManualClock, ObjectKey,
    ObjectMetadata, OwnerId, ResolvedRange, Timestamp, UploadId, VersionId,
};
use faulty::{Faults, FaultyMeta};

const NOW: Timestamp = Timestamp(1_700_000_000_123_456);

/// An engine over memory, with one bucket.
struct House {
    meta: Arc<dyn MetaStore>,
    faults: Arc<Faults>,
    chunks: MemoryChunks,
    clock: Arc<ManualClock>,
    epoch: Epoch,
    engine: Arc<Engine>,
    bucket: Bucket,
}

impl House {
    /// Over the store in memory.
    async fn new() -> Self {
        Self::over(Arc::new(MemoryMeta::new())).await
    }

    async fn over(meta: Arc<dyn MetaStore>) -> Self {
        let epoch = meta.begin_epoch().await.unwrap().epoch;
        let chunks = MemoryChunks::new(epoch);
        let clock = Arc::new(ManualClock::new(NOW));
        let faults = Faults::new();
        let faulty = FaultyMeta { inner: meta.clone(), faults: faults.clone() };
        let pool = BlockPool::new(16);
        let engine = Engine::new(Arc::new(faulty), Arc::new(chunks.clone()), pool, clock.clone());
        let engine = Arc::new(engine.with_keys(Arc::new(keys())));
        let name = BucketName::parse("bucket").unwrap();
        let bucket = CreateBucket::new(name, OwnerId("o".repeat(64)));
        let bucket = engine.create_bucket(bucket).await.unwrap();
        Self { meta, faults, chunks, clock, epoch, engine, bucket }
    }

    fn put_request(&self, key: &str, expected: Expected) -> PutObject {
        let precondition = WritePrecondition::default();
        let metadata = ObjectMetadata::default();
        PutObject { bucket: self.bucket.clone(), key: name(key), metadata, customer_key: None, expected, precondition }
    }

    async fn put(&self, key: &str, body: &[u8]) -> Result<Written, EngineError> {
        let request = self.put_request(key, Expected::default());
        self.engine.put_object(request, &mut Pieces::of(body)).await
    }

    async fn open(&self, key: &str) -> Result<OpenObject, EngineError> {
        self.engine.open_object(&self.bucket, &name(key), None).await
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, EngineError> {
        read(self.open(key).await?, None).await
    }

    async fn delete(&self, key: &str, version: Option<VersionId>) -> crate::engine::Deleted {
        let precondition = DeletePrecondition::default();
        let delete = DeleteObject {
            bucket: self.bucket.clone(),
            key: name(key),
            version,
            precondition,
            bypass_governance: false,
        };
        self.engine.delete_object(delete).await.unwrap()
    }

    /// Collects until nothing is left to do; the sum of what was done.
    async fn collect(&self) -> Collected {
        let mut sum = Collected::default();
        loop {
            let step = self.engine.collect_step().await.unwrap();
            sum.manifests += step.manifests;
            sum.chunks += step.chunks;
            if step.manifests == 0 && step.chunks == 0 && !step.has_more {
                return sum;
            }
        }
    }

    /// Waits for the removals of what was given up, then says whether no chunk is left.
    async fn has_no_chunks(&self) -> bool {
        self.engine.commits.settled().await;
        self.chunks.sealed().is_empty() && self.chunks.unsealed() == 0
    }

    async fn create_upload(&self, checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> ListedUpload {
        let request = CreateUpload {
            bucket: self.bucket.clone(),
            key: name("big"),
            initiator: OwnerId("o".repeat(64)),
            metadata: ObjectMetadata::default(),
            checksum,
        };
        self.engine.create_upload(request).await.unwrap()
    }

    async fn upload_part(&self, upload: UploadId, number: u16, body: &[u8]) -> Result<WrittenPart, EngineError> {
        let expected = Expected::default();
        let request =
            UploadPart { bucket: self.bucket.clone(), key: name("big"), upload, number, customer_key: None, expected };
        self.engine.upload_part(request, &mut Pieces::of(body)).await
    }
}

/// A body in pieces of uneven lengths.
struct Pieces {
    pieces: VecDeque<Result<Bytes, SourceError>>,
    trailer: Option<ChecksumValue>,
}

impl Pieces {
    fn of(body: &[u8]) -> Self {
        Self { pieces: body.chunks(60_001).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect(), trailer: None }
    }

    /// The body, then a failure of the transport.
    fn cut(body: &[u8]) -> Self {
        let mut source = Self::of(body);
        source.pieces.push_back(Err(SourceError("connection reset".into())));
        source
    }
}

impl ByteSource for Pieces {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        Poll::Ready(self.pieces.pop_front())
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        self.trailer.clone()
    }
}

/// A ring of two keys, `main` and `other`.
fn keys() -> KeyRing {
    let key = |byte: char| format!("{}=", byte.to_string().repeat(43));
    KeyRing::parse(&format!("main = {}\nother = {}\n", key('A'), key('E'))).unwrap()
}

fn name(key: &str) -> ObjectKey {
    ObjectKey::parse(key).unwrap()
}

/// Bytes that differ from place to place, so that a misplaced piece shows.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut body = Vec::with_capacity(length + 8);
    while body.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        body.extend_from_slice(&state.to_le_bytes());
    }
    body.truncate(length);
    body
}

async fn read(open: OpenObject, range: Option<ResolvedRange>) -> Result<Vec<u8>, EngineError> {
    let mut reader = open.read(range);
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| reader.poll_next(cx)).await {
        body.extend_from_slice(&piece?);
    }
    Ok(body)
}

fn hash(algorithm: ChecksumAlgorithm, body: &[u8]) -> ChecksumValue {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(body);
    hasher.finish()
}

fn md5(body: &[u8]) -> [u8; 16] {
    hash(ChecksumAlgorithm::Md5, body).bytes().try_into().unwrap()
}
