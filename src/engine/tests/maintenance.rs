//! The collector, the sweep, expiry, leases and the full check.

use std::sync::Arc;

use bytes::Bytes;

use super::faulty::CommitFault;
use super::{House, NOW, Pieces, bytes, name, read};
use crate::buffer::BlockPool;
use crate::chunk::local::LocalChunks;
use crate::chunk::{ChunkStore, ChunkWriter};
use crate::engine::{
    CheckObserver, CheckProgress, CheckStage, CheckSummary, Collected, CreateBucket, DeleteObject, Engine, EngineError,
    Expected, Fault, PutObject, Swept,
};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, GARBAGE_MANIFESTS_AT_ONCE};
use crate::meta::MetaStore;
use crate::meta::sqlite::{SqliteMeta, SqliteSettings};
use crate::rules::{DeletePrecondition, WritePrecondition};
use crate::types::{BucketName, ChunkId, Epoch, ManualClock, ObjectMetadata, OwnerId};

#[tokio::test]
async fn everything_that_was_deleted_is_collected_to_the_last_file() {
    let house = House::new().await;
    let count = GARBAGE_MANIFESTS_AT_ONCE + 9;
    for number in 0..count {
        house.put(&format!("key-{number}"), &bytes(BLOCK_BYTES / 4, u64::from(number))).await.unwrap();
    }
    house.put("large", &bytes(CHUNK_BYTES_MAX as usize * 2 + 1, 1)).await.unwrap();
    assert_eq!(house.collect().await.chunks, 0, "nothing is garbage yet");
    for number in 0..count {
        house.delete(&format!("key-{number}"), None).await;
    }
    house.delete("large", None).await;
    let collected = house.collect().await;
    assert_eq!((collected.manifests, collected.chunks), (count + 1, count + 3));
    assert!(house.has_no_chunks().await);
    assert_eq!(house.meta.dead_chunks(10).await.unwrap(), []);
}

#[tokio::test]
async fn garbage_that_is_read_does_not_stop_the_rest() {
    let house = House::new().await;
    let mut open = Vec::new();
    for number in 0..GARBAGE_MANIFESTS_AT_ONCE {
        let key = format!("read-{number}");
        house.put(&key, &bytes(BLOCK_BYTES / 4, 1)).await.unwrap();
        open.push(house.open(&key).await.unwrap());
        house.delete(&key, None).await;
    }
    house.put("unread", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.delete("unread", None).await;
    let step = house.engine.collect_step().await.unwrap();
    assert_eq!((step.manifests, step.pinned), (1, GARBAGE_MANIFESTS_AT_ONCE));
    drop(open);
    assert_eq!(house.collect().await.manifests, GARBAGE_MANIFESTS_AT_ONCE);
    assert!(house.has_no_chunks().await);
}

/// Seals a chunk that no row will ever know.
fn orphan(chunks: &dyn ChunkStore) -> ChunkId {
    let mut writer: Box<dyn ChunkWriter> = chunks.create().unwrap();
    writer.append(b"nobody refers to this").unwrap();
    writer.seal().unwrap().id
}

#[tokio::test]
async fn a_sweep_removes_files_without_rows_and_nothing_else() {
    let house = House::new().await;
    house.put("kept", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.put("dead", &bytes(BLOCK_BYTES, 2)).await.unwrap();
    house.delete("dead", None).await;
    orphan(&house.chunks);
    let boot = house.meta.begin_epoch().await.unwrap();
    assert_eq!(boot.crashed, [house.epoch]);
    let swept = house.engine.sweep_epoch(house.epoch).await.unwrap();
    assert_eq!(swept, Swept { files: 3, orphans: 1 });
    assert_eq!(house.chunks.sealed().len(), 2, "a dead chunk is the collector's business");
    house.collect().await;
    assert_eq!(house.chunks.sealed().len(), 1);
    let next = house.meta.begin_epoch().await.unwrap();
    assert_eq!(next.crashed, [boot.epoch], "a swept epoch is not swept again");
}

#[tokio::test]
async fn a_clean_shutdown_leaves_nothing_to_sweep_and_refuses_what_comes_later() {
    let house = House::new().await;
    house.put("key", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    assert!(house.engine.shutdown(house.epoch).await.unwrap());
    let late = house.put("late", &bytes(BLOCK_BYTES, 1)).await;
    assert!(matches!(late, Err(EngineError::Stopped)));
    house.engine.commits.settled().await;
    assert_eq!(house.chunks.sealed().len(), 1, "only what was committed before");
}

#[tokio::test]
async fn old_uploads_expire_and_young_ones_stay() {
    let house = House::new().await;
    let old = house.create_upload(None).await.upload;
    house.upload_part(old, 1, &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.clock.set(NOW.plus_seconds(100));
    let young = house.create_upload(None).await.upload;
    assert!(!house.engine.expire_uploads_step(200).await.unwrap());
    assert!(house.meta.upload(house.bucket.id, &name("big"), old).await.unwrap().is_some());
    assert!(!house.engine.expire_uploads_step(50).await.unwrap());
    assert!(house.meta.upload(house.bucket.id, &name("big"), old).await.unwrap().is_none());
    assert!(house.meta.upload(house.bucket.id, &name("big"), young).await.unwrap().is_some());
    house.collect().await;
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn a_lease_has_one_holder_until_it_ends_or_is_given_back() {
    let house = House::new().await;
    let take = async |holder, seconds| house.engine.take_lease("job", Epoch(holder), seconds).await.unwrap();
    assert!(take(1, 60).await);
    assert!(!take(2, 60).await);
    assert!(take(1, 60).await, "the holder renews");
    house.clock.set(NOW.plus_seconds(61));
    assert!(take(2, 60).await, "it has run out");
    assert!(take(2, 0).await);
    assert!(take(1, 60).await, "it was given back");
}

#[derive(Default)]
pub(super) struct Noted {
    pub(super) faults: Vec<Fault>,
    last: CheckProgress,
}

impl CheckObserver for Noted {
    fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    fn progress(&mut self, progress: CheckProgress) {
        self.last = progress;
    }
}

async fn check(house: &House, open: &[Epoch]) -> (CheckSummary, Noted) {
    let (engine, open) = (house.engine.clone(), open.to_vec());
    // On a task of its own, as a server would run it.
    let checking = tokio::spawn(async move {
        let mut noted = Noted::default();
        (engine.check(&open, &mut noted).await.unwrap(), noted)
    });
    let (summary, noted) = checking.await.unwrap();
    assert_eq!(summary.faults, noted.faults.len() as u64);
    (summary, noted)
}

#[tokio::test]
async fn a_sound_house_has_no_faults_and_every_byte_is_read() {
    let house = House::new().await;
    let size = CHUNK_BYTES_MAX as usize + BLOCK_BYTES + 5;
    for number in 0..6 {
        house.put(&format!("key-{number}"), &bytes(size, number)).await.unwrap();
    }
    house.put("small", b"x").await.unwrap();
    house.put("dead", &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.delete("dead", None).await;
    house.collect().await;
    let (summary, noted) = check(&house, &[]).await;
    assert_eq!(noted.faults, []);
    let bytes = size as u64 * 6;
    assert_eq!((summary.chunks, summary.bytes, summary.files), (12, bytes, 12));
    let progress = CheckProgress {
        stage: CheckStage::Files,
        rows_done: 7,
        rows_total: 7,
        files_done: 12,
        chunks_done: 12,
        chunks_total: 12,
        bytes_done: bytes,
        bytes_total: bytes,
    };
    assert_eq!(noted.last, progress);
}

#[tokio::test]
async fn a_flipped_bit_a_missing_file_and_an_orphan_are_found() {
    let house = House::new().await;
    for (number, key) in ["flipped", "missing", "sound"].into_iter().enumerate() {
        house.put(key, &bytes(BLOCK_BYTES * 3, number as u64)).await.unwrap();
    }
    let [flipped, missing, _] = house.chunks.sealed()[..] else { panic!("three chunks") };
    let mut image = house.chunks.image(flipped).unwrap();
    image[BLOCK_BYTES * 2 + 7] ^= 1;
    house.chunks.set_image(flipped, image);
    house.chunks.remove(missing).unwrap();
    let orphan = orphan(&house.chunks);
    let (_, noted) = check(&house, &[]).await;
    let damaged = |fault: &Fault, id| matches!(fault, Fault::Chunk { chunk, .. } if *chunk == id);
    assert_eq!(noted.faults.len(), 3, "{:?}", noted.faults);
    assert!(noted.faults.iter().any(|fault| damaged(fault, flipped)));
    assert!(noted.faults.iter().any(|fault| damaged(fault, missing)));
    assert!(noted.faults.contains(&Fault::Orphan { chunk: orphan }));
    let (summary, noted) = check(&house, &[house.epoch]).await;
    assert_eq!((summary.unclaimed, noted.faults.len()), (1, 2), "the sweep's business, not a fault");
}

#[tokio::test]
async fn chunks_of_a_commit_in_doubt_are_no_fault_before_the_sweep_and_gone_after_it() {
    let house = House::new().await;
    house.faults.set(Some(CommitFault::RequestLost));
    assert!(house.put("key", &bytes(BLOCK_BYTES, 1)).await.is_err());
    let (summary, _) = check(&house, &[house.epoch]).await;
    assert_eq!((summary.unclaimed, summary.faults), (1, 0));
    house.engine.sweep_epoch(house.epoch).await.unwrap();
    let (summary, _) = check(&house, &[]).await;
    assert_eq!((summary.files, summary.faults), (0, 0));
}

#[tokio::test]
async fn bodies_beside_their_rows_make_no_files() {
    let house = House::new().await;
    house.put("key", &Bytes::from_static(b"small")).await.unwrap();
    assert!(house.has_no_chunks().await);
    house.delete("key", None).await;
    assert_eq!(house.collect().await.chunks, 0);
}

#[tokio::test]
async fn the_same_house_stands_on_sqlite_and_files() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("meta.sqlite");
    let sizes = [5, BLOCK_BYTES + 1, CHUNK_BYTES_MAX as usize + 1];
    for boot in 1..=2 {
        let meta = SqliteMeta::open(&database, SqliteSettings::default()).unwrap();
        let start = meta.begin_epoch().await.unwrap();
        assert_eq!((start.epoch, start.crashed), (Epoch(boot), vec![]));
        let chunks = LocalChunks::open(&directory.path().join("chunks"), start.epoch).unwrap();
        let clock = Arc::new(ManualClock::new(NOW));
        let engine = Engine::new(Arc::new(meta), Arc::new(chunks), BlockPool::new(16), clock);
        let bucket_name = BucketName::parse("bucket").unwrap();
        let bucket = match boot {
            1 => {
                let owner = OwnerId("o".repeat(64));
                engine.create_bucket(CreateBucket::new(bucket_name, owner)).await.unwrap()
            }
            _ => engine.bucket(&bucket_name).await.unwrap(),
        };
        for size in sizes {
            let (key, body) = (name(&format!("key-{size}")), bytes(size, size as u64));
            if boot == 1 {
                let (expected, metadata) = (Expected::default(), ObjectMetadata::default());
                let precondition = WritePrecondition::default();
                let put =
                    PutObject { bucket: bucket.clone(), key, metadata, customer_key: None, expected, precondition };
                engine.put_object(put, &mut Pieces::of(&body)).await.unwrap();
                continue;
            }
            let open = engine.open_object(&bucket, &key, None).await.unwrap();
            assert!(read(open, None).await.unwrap() == body, "{size}");
            let precondition = DeletePrecondition::default();
            let delete =
                DeleteObject { bucket: bucket.clone(), key, version: None, precondition, bypass_governance: false };
            engine.delete_object(delete).await.unwrap();
        }
        let mut noted = Noted::default();
        while engine.collect_step().await.unwrap() != Collected::default() {}
        let summary = engine.check(&[], &mut noted).await.unwrap();
        assert_eq!(noted.faults, []);
        assert_eq!((summary.chunks, summary.files), if boot == 1 { (3, 3) } else { (0, 0) });
        assert!(engine.shutdown(start.epoch).await.unwrap());
    }
}
