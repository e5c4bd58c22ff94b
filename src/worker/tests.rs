//! Tests of the workers over an engine in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::buffer::BlockPool;
use crate::chunk::{ChunkStore, MemoryChunks};
use crate::engine::{CreateBucket, CreateUpload, Engine, EngineError};
use crate::limits::WORKER_LEASE_SECONDS;
use crate::meta::{CommitPut, MemoryMeta, MetaStore, NewBody, NewExtent};
use crate::rules::WritePrecondition;
use crate::types::{
    Bucket, BucketName, ETag, Epoch, ManualClock, ObjectKey, ObjectMetadata, OwnerId, Timestamp, UploadListQuery,
};
use crate::worker::{Collector, EpochSweeper, Leased, Pace, Runner, UploadExpiry, Worker};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

struct House {
    meta: Arc<MemoryMeta>,
    chunks: MemoryChunks,
    clock: Arc<ManualClock>,
    engine: Arc<Engine>,
    bucket: Bucket,
}

impl House {
    async fn new() -> Self {
        let meta = Arc::new(MemoryMeta::new());
        let epoch = meta.begin_epoch().await.unwrap().epoch;
        let chunks = MemoryChunks::new(epoch);
        let clock = Arc::new(ManualClock::new(NOW));
        let engine = Engine::new(meta.clone(), Arc::new(chunks.clone()), BlockPool::new(4), clock.clone());
        let name = BucketName::parse("bucket").unwrap();
        let request = CreateBucket::new(name, OwnerId("o".repeat(64)));
        let bucket = engine.create_bucket(request).await.unwrap();
        Self { meta, chunks, clock, engine: Arc::new(engine), bucket }
    }

    fn seal(&self) -> NewExtent {
        let mut writer = self.chunks.create().unwrap();
        writer.append(b"body").unwrap();
        let sealed = writer.seal().unwrap();
        NewExtent::Sealed { id: sealed.id, length: sealed.length, seal: sealed.seal }
    }

    /// Puts an object of one chunk.
    async fn put(&self) {
        let put = CommitPut {
            bucket: self.bucket.id,
            key: ObjectKey::parse("key").unwrap(),
            precondition: WritePrecondition::default(),
            size: 4,
            etag: ETag::single([0; 16]),
            sha256: None,
            checksum: None,
            metadata: ObjectMetadata::default(),
            body: NewBody::Extents(vec![self.seal()]),
            now: NOW,
        };
        self.meta.commit_put(put).await.unwrap();
    }
}

/// Counts its steps and never ends.
struct Counted(Arc<AtomicU32>);

#[async_trait]
impl Worker for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    async fn step(&self) -> Result<Pace, EngineError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Pace::Idle(Duration::from_secs(1)))
    }
}

#[tokio::test]
async fn the_collector_is_busy_while_there_is_garbage_and_idle_then() {
    let house = House::new().await;
    house.put().await;
    house.put().await;
    let collector = Collector::new(house.engine.clone());
    while collector.step().await.unwrap() == Pace::Busy {}
    assert_eq!(house.chunks.sealed().len(), 1, "the overwritten body is gone");
}

#[tokio::test]
async fn the_sweeper_sweeps_each_crashed_epoch_and_is_done() {
    let house = House::new().await;
    house.put().await;
    let NewExtent::Sealed { id: orphan, .. } = house.seal() else { panic!("just sealed") };
    let crashed = house.meta.begin_epoch().await.unwrap().crashed;
    let runner = Runner::new(CancellationToken::new());
    runner.start(Arc::new(EpochSweeper::new(house.engine.clone(), crashed)));
    runner.finished().await;
    assert!(!house.chunks.sealed().contains(&orphan));
    assert_eq!(house.chunks.sealed().len(), 1);
    assert_eq!(house.meta.begin_epoch().await.unwrap().crashed, [Epoch(2)]);
}

#[tokio::test]
async fn uploads_of_a_certain_age_expire() {
    let house = House::new().await;
    let request = CreateUpload {
        bucket: house.bucket.clone(),
        key: ObjectKey::parse("key").unwrap(),
        initiator: OwnerId("o".repeat(64)),
        metadata: ObjectMetadata::default(),
        checksum: None,
    };
    house.engine.create_upload(request).await.unwrap();
    let expiry = UploadExpiry::new(house.engine.clone(), 3_600);
    let query = UploadListQuery { max_uploads: 10, ..UploadListQuery::default() };
    for (seconds, left) in [(3_599, 1), (3_601, 0)] {
        house.clock.set(NOW.plus_seconds(seconds));
        assert!(matches!(expiry.step().await.unwrap(), Pace::Idle(_)));
        let uploads = house.engine.list_uploads(&house.bucket, &query).await.unwrap().uploads;
        assert_eq!(uploads.len(), left, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_one_works_until_it_stops() {
    let house = House::new().await;
    let steps = [Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0))];
    let leased = |index: usize| {
        let holder = Epoch(index as u32 + 1);
        Leased::new(Counted(steps[index].clone()), house.engine.clone(), holder, Vec::new())
    };
    let (first, second) = (leased(0), leased(1));
    let counts = || steps.each_ref().map(|steps| steps.load(Ordering::SeqCst));
    for _ in 0..2 {
        first.step().await.unwrap();
        assert!(matches!(second.step().await.unwrap(), Pace::Idle(_)));
    }
    assert_eq!(counts(), [2, 0]);
    // Renewed at half of its life, it outlives its first end.
    tokio::time::advance(Duration::from_secs(WORKER_LEASE_SECONDS / 2)).await;
    house.clock.set(NOW.plus_seconds(WORKER_LEASE_SECONDS as i64 / 2));
    first.step().await.unwrap();
    house.clock.set(NOW.plus_seconds(WORKER_LEASE_SECONDS as i64 + 1));
    second.step().await.unwrap();
    assert_eq!(counts(), [3, 0]);
    first.stop().await.unwrap();
    second.step().await.unwrap();
    assert_eq!(counts(), [3, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_boot_that_crashed_holds_nobody_up() {
    let house = House::new().await;
    let steps = Arc::new(AtomicU32::new(0));
    let leased = |holder, gone| Leased::new(Counted(steps.clone()), house.engine.clone(), Epoch(holder), gone);
    leased(1, Vec::new()).step().await.unwrap();
    let waiting = leased(2, Vec::new());
    assert!(matches!(waiting.step().await.unwrap(), Pace::Idle(_)));
    assert_eq!(steps.load(Ordering::SeqCst), 1, "a lease that may be alive is respected");
    leased(3, vec![Epoch(1)]).step().await.unwrap();
    assert_eq!(steps.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_lease_whose_taking_was_dropped_unheard_is_given_back_at_the_stop() {
    let house = House::new().await;
    let steps = Arc::new(AtomicU32::new(0));
    let leased = |holder| Leased::new(Counted(steps.clone()), house.engine.clone(), Epoch(holder), Vec::new());
    // The store took it, but the step that asked was gone by then.
    assert!(house.engine.take_lease("counted", Epoch(1), WORKER_LEASE_SECONDS).await.unwrap());
    leased(1).stop().await.unwrap();
    leased(2).step().await.unwrap();
    assert_eq!(steps.load(Ordering::SeqCst), 1);
}
