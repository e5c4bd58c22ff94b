//! The engine within the test, on a machine whose clock can be wrong.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use md5::Digest as _;
use sluicegate::buffer::BlockPool;
use sluicegate::chunk::{ChunkStore, LocalChunks, MemoryChunks};
use sluicegate::engine::complete::{ClaimedPart, CompletionClaim};
use sluicegate::engine::{
    ByteSource, CopyMetadata, CopyObject, CopySource, CreateBucket, CreateUpload, DeleteObject, Deleted, Engine,
    EngineError, Expected, LifecycleStep, OpenObject, PutObject, RenameObject, SourceError, UploadPart, Written,
    confirm_lock_clock, look_at_lock_clock,
};
use sluicegate::meta::{MemoryMeta, MetaStore, SqliteMeta, SqliteSettings};
use sluicegate::rules::{DayLength, DeletePrecondition, ObjectLock, ReadPrecondition, Versioning, WritePrecondition};
use sluicegate::types::{
    AttributeChange, Bucket, BucketName, ChecksumValue, Clock, DocumentKind, Documents, ETag, Epoch, ObjectKey,
    ObjectMetadata, OwnerId, StorageClass, Timestamp, UploadId, UploadListQuery, Uptime, VersionAttributes, VersionId,
    VersionListQuery,
};

pub const HOUR: i64 = 3_600;
pub const DAY: i64 = 24 * HOUR;
const MICROS: i64 = 1_000_000;
/// How long ago the time of locks may have been kept last, in a process that looks after it.
const KEPT_SECONDS: i64 = HOUR;

/// A machine: the time that it really is, how far its clock is turned, and when it came up.
pub struct Machine {
    time: AtomicI64,
    turned: AtomicI64,
    boot: AtomicI64,
    booted: AtomicI64,
}

impl Machine {
    fn new(time: Timestamp) -> Self {
        Self { time: time.0.into(), turned: 0.into(), boot: 1.into(), booted: (time.0 - DAY * MICROS).into() }
    }

    /// What time it is.
    pub fn true_time(&self) -> Timestamp {
        Timestamp(self.time.load(Ordering::SeqCst))
    }

    /// What the clock shows.
    pub fn shown_time(&self) -> Timestamp {
        self.true_time().plus_seconds(self.turned.load(Ordering::SeqCst))
    }

    pub fn is_right(&self) -> bool {
        self.turned.load(Ordering::SeqCst) == 0
    }

    /// Turns the clock away from the true time by so many seconds.
    pub fn turn(&self, seconds: i64) {
        self.turned.store(seconds, Ordering::SeqCst);
    }

    fn pass(&self, seconds: i64) {
        self.time.fetch_add(seconds * MICROS, Ordering::SeqCst);
    }

    fn boot(&self) {
        self.boot.fetch_add(1, Ordering::SeqCst);
        self.booted.store(self.true_time().0, Ordering::SeqCst);
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.shown_time()
    }

    fn uptime(&self) -> Uptime {
        let micros = self.true_time().0 - self.booted.load(Ordering::SeqCst);
        Uptime { boot: self.boot.load(Ordering::SeqCst), micros }
    }
}

/// A version or delete marker that is there.
#[derive(Debug, PartialEq)]
pub struct Kept {
    pub key: String,
    pub id: VersionId,
    pub created: Timestamp,
    pub is_marker: bool,
}

/// Stores that outlive the engine.
enum Stores {
    Memory(Arc<MemoryMeta>, MemoryChunks),
    Disk(tempfile::TempDir),
}

impl Stores {
    async fn engine(&self, machine: &Arc<Machine>) -> (Engine, Arc<dyn MetaStore>, Epoch) {
        let (meta, epoch, chunks): (Arc<dyn MetaStore>, _, Arc<dyn ChunkStore>) = match self {
            Self::Memory(meta, chunks) => (meta.clone(), Epoch(0), Arc::new(chunks.clone())),
            Self::Disk(directory) => {
                let path: PathBuf = directory.path().join("meta.sqlite");
                let meta = SqliteMeta::open(&path, SqliteSettings::default()).unwrap();
                let epoch = meta.begin_epoch().await.unwrap().epoch;
                (Arc::new(meta), epoch, Arc::new(LocalChunks::open(directory.path(), epoch).unwrap()))
            }
        };
        (Engine::new(meta.clone(), chunks, BlockPool::new(16), machine.clone()), meta, epoch)
    }
}

/// The engine over its stores, with one bucket.
pub struct House {
    pub machine: Arc<Machine>,
    stores: Stores,
    engine: Engine,
    meta: Arc<dyn MetaStore>,
    epoch: Epoch,
    bucket: Bucket,
    /// The true time at which the time of locks was last looked after.
    kept: Timestamp,
}

fn name(key: &str) -> ObjectKey {
    ObjectKey::parse(key).unwrap()
}

impl House {
    pub async fn new(is_sqlite: bool, has_lock: bool) -> Self {
        let start = Timestamp::from_seconds(1_700_000_000);
        let machine = Arc::new(Machine::new(start));
        let stores = if is_sqlite {
            Stores::Disk(tempfile::tempdir().unwrap())
        } else {
            let meta = Arc::new(MemoryMeta::new());
            let epoch = meta.begin_epoch().await.unwrap().epoch;
            Stores::Memory(meta, MemoryChunks::new(epoch))
        };
        let (engine, meta, epoch) = stores.engine(&machine).await;
        let mut new = CreateBucket::new(BucketName::parse("model").unwrap(), OwnerId("o".repeat(64)));
        if has_lock {
            new.versioning = Versioning::Enabled;
            let lock = ObjectLock::default().to_document();
            new.documents = Documents([(DocumentKind::ObjectLock, lock.into())].into());
        }
        let bucket = engine.create_bucket(new).await.unwrap();
        let mut house = Self { machine, stores, engine, meta, epoch, bucket, kept: start };
        house.keep_time().await;
        house
    }

    /// Does what the worker does that looks after the time of locks.
    pub async fn keep_time(&mut self) {
        self.engine.keep_lock_clock_step().await.unwrap();
        // Under a wrong clock the time of locks may stand still.
        if self.machine.is_right() {
            self.kept = self.machine.true_time();
        }
    }

    /// A time that the time of locks, as it is kept, is not before.
    pub fn lock_time_kept(&self) -> Timestamp {
        self.kept.plus_seconds(-KEPT_SECONDS)
    }

    /// Puts the clock right, and confirms it if the doctor says that it is not believed: it was wrong for longer than a
    /// machine may be off, or a machine came up with a clock that was behind, so that the right one leaps ahead.
    pub async fn put_right(&mut self) {
        self.machine.turn(0);
        self.engine.keep_lock_clock(0).await.unwrap();
        if !look_at_lock_clock(&*self.meta, &*self.machine).await.unwrap().is_believed {
            confirm_lock_clock(&*self.meta, &*self.machine).await.unwrap();
        }
        self.keep_time().await;
    }

    /// Lets time pass.
    pub async fn pass(&mut self, seconds: i64) {
        self.machine.pass(seconds);
        self.keep_time().await;
    }

    /// Ends the process and starts it again.
    pub async fn restart(&mut self) {
        if matches!(self.stores, Stores::Disk(_)) {
            assert!(self.engine.shutdown(self.epoch).await.unwrap());
        }
        (self.engine, self.meta, self.epoch) = self.stores.engine(&self.machine).await;
    }

    /// Switches the machine off, and on after some time.
    pub async fn reboot(&mut self, off_seconds: i64) {
        self.keep_time().await;
        self.machine.pass(off_seconds);
        self.machine.boot();
        self.restart().await;
    }

    pub async fn put(&self, key: &str, body: &[u8], attributes: VersionAttributes) -> Result<Written, EngineError> {
        let (metadata, expected) = (ObjectMetadata { attributes, ..ObjectMetadata::default() }, Expected::default());
        let (bucket, key, precondition) = (self.bucket.clone(), name(key), WritePrecondition::default());
        let put = PutObject { bucket, key, metadata, customer_key: None, expected, precondition };
        self.engine.put_object(put, &mut Body::of(body)).await
    }

    pub async fn copy(
        &self,
        (from, version): (&str, VersionId),
        to: &str,
        attributes: VersionAttributes,
    ) -> Result<Written, EngineError> {
        let source = CopySource {
            bucket: self.bucket.clone(),
            key: name(from),
            version: Some(version),
            judged: None,
            precondition: ReadPrecondition::default(),
            customer_key: None,
        };
        let copy = CopyObject {
            source,
            bucket: self.bucket.clone(),
            key: name(to),
            metadata: CopyMetadata::Copy,
            storage_class: StorageClass::Standard,
            attributes,
            customer_key: None,
            keeps_tags: false,
            checksum: None,
            precondition: WritePrecondition::default(),
        };
        Ok(self.engine.copy_object(copy).await?.0)
    }

    /// Begins an upload and sends its only part.
    pub async fn begin_upload(
        &self,
        key: &str,
        part: &[u8],
        attributes: VersionAttributes,
    ) -> Result<(UploadId, Timestamp), EngineError> {
        let metadata = ObjectMetadata { attributes, ..ObjectMetadata::default() };
        let (bucket, key, initiator) = (self.bucket.clone(), name(key), self.bucket.owner.clone());
        let begun = CreateUpload { bucket: bucket.clone(), key: key.clone(), initiator, metadata, checksum: None };
        let begun = self.engine.create_upload(begun).await?;
        let (upload, expected) = (begun.upload, Expected::default());
        let sent = UploadPart { bucket, key, upload, number: 1, customer_key: None, expected };
        self.engine.upload_part(sent, &mut Body::of(part)).await?;
        Ok((upload, begun.initiated))
    }

    pub async fn complete(&self, key: &str, upload: UploadId, part: &[u8]) -> Result<Written, EngineError> {
        let mut completion = self.engine.begin_completion(&self.bucket, &name(key), upload).await?;
        let etag = ETag::single(md5::Md5::digest(part).into());
        completion.push(ClaimedPart { number: 1, etag, checksum: None }).await?;
        completion.finish(CompletionClaim::default()).await
    }

    pub async fn abort(&self, key: &str, upload: UploadId) -> Result<(), EngineError> {
        self.engine.abort_upload(&self.bucket, &name(key), upload).await
    }

    pub async fn delete(
        &self,
        key: &str,
        version: Option<VersionId>,
        bypass_governance: bool,
    ) -> Result<Deleted, EngineError> {
        let (bucket, key, precondition) = (self.bucket.clone(), name(key), DeletePrecondition::default());
        self.engine.delete_object(DeleteObject { bucket, key, version, precondition, bypass_governance }).await
    }

    pub async fn change(&self, key: &str, version: VersionId, change: AttributeChange) -> Result<(), EngineError> {
        self.engine.change_attributes(&self.bucket, &name(key), Some(version), change).await.map(drop)
    }

    pub async fn rename(&self, from: &str, to: &str) -> Result<(), EngineError> {
        let (source_precondition, precondition) = (ReadPrecondition::default(), ReadPrecondition::default());
        let (bucket, source, key) = (self.bucket.clone(), name(from), name(to));
        self.engine
            .rename_object(RenameObject { bucket, source, source_precondition, key, precondition })
            .await
            .map(drop)
    }

    pub async fn set(&mut self, kind: DocumentKind, body: Option<Vec<u8>>) -> Result<(), EngineError> {
        self.engine.set_document(&self.bucket, kind, body.map(Into::into)).await?;
        self.bucket = self.engine.bucket(&self.bucket.name).await?;
        Ok(())
    }

    pub async fn set_versioning(&mut self, state: Versioning) -> Result<(), EngineError> {
        self.engine.set_versioning(&self.bucket, state).await?;
        self.bucket = self.engine.bucket(&self.bucket.name).await?;
        Ok(())
    }

    pub async fn delete_bucket(&self) -> Result<(), EngineError> {
        self.engine.delete_bucket(&self.bucket).await
    }

    /// One pass of the lifecycle worker; whether it did anything.
    pub async fn lifecycle_pass(&self) -> bool {
        let mut is_busy = false;
        loop {
            let step = self.engine.lifecycle_step(DayLength::default()).await.unwrap();
            let LifecycleStep { expired, noncurrent, markers, uploads, is_pass_over, .. } = step;
            is_busy |= expired + noncurrent + markers + uploads > 0;
            if is_pass_over {
                return is_busy;
            }
        }
    }

    /// All versions, in the order of ListObjectVersions.
    pub async fn versions(&self) -> Vec<Kept> {
        let query = VersionListQuery { max_keys: 1000, ..VersionListQuery::default() };
        let page = self.engine.list_versions(&self.bucket, &query).await.unwrap();
        assert!(page.next.is_none());
        let versions = page.versions.into_iter().map(|listed| Kept {
            key: listed.object.key,
            id: listed.version,
            created: listed.object.modified,
            is_marker: listed.is_delete_marker,
        });
        versions.collect()
    }

    pub async fn uploads(&self) -> Vec<(String, UploadId)> {
        let query = UploadListQuery { max_uploads: 1000, ..UploadListQuery::default() };
        let page = self.engine.list_uploads(&self.bucket, &query).await.unwrap();
        let mut uploads: Vec<_> =
            page.uploads.into_iter().map(|listed| (listed.key.as_str().to_owned(), listed.upload)).collect();
        uploads.sort();
        uploads
    }

    pub async fn open(&self, key: &str, version: VersionId) -> Result<OpenObject, EngineError> {
        self.engine.open_object(&self.bucket, &name(key), Some(version)).await
    }

    pub async fn read(open: OpenObject) -> Vec<u8> {
        let mut reader = open.read(None);
        let mut body = Vec::new();
        while let Some(piece) = poll_fn(|cx| reader.poll_next(cx)).await {
            body.extend_from_slice(&piece.unwrap());
        }
        body
    }

    /// Collects what nobody refers to, and requires the stores to be as they should.
    pub async fn verify(&self) {
        while self.engine.collect_step().await.unwrap().has_more {}
        let mut faults = Vec::new();
        let mut watch = Faults(&mut faults);
        self.engine.check(&[self.epoch], &mut watch).await.unwrap();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

struct Faults<'a>(&'a mut Vec<String>);

impl sluicegate::engine::check::CheckObserver for Faults<'_> {
    fn fault(&mut self, fault: sluicegate::engine::check::Fault) {
        self.0.push(format!("{fault:?}"));
    }

    fn progress(&mut self, _: sluicegate::engine::check::CheckProgress) {}
}

/// A body in pieces.
struct Body(VecDeque<Bytes>);

impl Body {
    fn of(body: &[u8]) -> Self {
        Self(body.chunks(9_001).map(Bytes::copy_from_slice).collect())
    }
}

impl ByteSource for Body {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}
