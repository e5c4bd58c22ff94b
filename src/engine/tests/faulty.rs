//! A metadata store that can be told to hold, lose or refuse the commits of bodies.

use std::sync::Arc;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::meta::{
    AccessKey, Admission, BodyUse, ChangeAttributes, ChunkUse, CommitCopy, CommitDelete, CommitPart, CommitPut,
    CommitRename, CompleteUpload, Completed, Damage, DamagedChunk, DeleteOutcome, EpochStart, ExpireVersion,
    ExpiryOutcome, Extent, GatewaySecret, InlineParts, KeyChange, KeyPolicy, LostBody, MetaError, MetaStore, NewBucket,
    NewUpload, OwnerAccount, PartExtents, PartPlace, PutOutcome, RestoreVersion, RetainedBody, RetainedEnvelope,
    RetainedQuery, RetainedVersion, SmallBody, StoredPart, StoredVersion, UploadRecord,
};
use crate::rules::{Quota, Seen, Undelete, Usage, Versioning};
use crate::types::{
    Bucket, BucketDocument, BucketId, BucketListing, BucketName, ChunkId, DocumentKind, Documents, Epoch, EventBacklog,
    EventSettlement, KeyListing, ListQuery, ManifestId, ObjectKey, OwnerId, PartListing, QueuedEvent, SourceRates,
    Timestamp, UploadId, UploadListQuery, UploadListing, VersionId, VersionListQuery, VersionListing,
};

/// What happens to the next commits of a PUT or part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommitFault {
    /// It is refused for lack of space: certainly not committed.
    Full,
    /// It is lost on its way in: not committed, but the caller cannot know.
    RequestLost,
    /// It is committed, but its answer is lost.
    AnswerLost,
    /// The store dies under it.
    Panic,
}

/// The faults, shared with the test.
pub(crate) struct Faults {
    next: Mutex<Option<CommitFault>>,
    /// One permit lets one commit begin.
    pub(crate) begin: Semaphore,
    /// One permit is added by each commit that waits to begin.
    pub(crate) waiting: Semaphore,
    held: Mutex<bool>,
}

impl Faults {
    pub(crate) fn new() -> Arc<Self> {
        let (begin, waiting) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { next: Mutex::new(None), begin, waiting, held: Mutex::new(false) })
    }

    /// Applies `fault` to every commit from now on.
    pub(crate) fn set(&self, fault: Option<CommitFault>) {
        *self.next.lock().unwrap() = fault;
    }

    /// Makes every commit from now on wait for a permit of `begin`.
    pub(crate) fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    async fn around<T>(&self, commit: impl Future<Output = Result<T, MetaError>>) -> Result<T, MetaError> {
        let is_held = *self.held.lock().unwrap();
        if is_held {
            self.waiting.add_permits(1);
            self.begin.acquire().await.unwrap().forget();
        }
        let fault = *self.next.lock().unwrap();
        match fault {
            None => commit.await,
            Some(CommitFault::Full) => Err(MetaError::Full),
            Some(CommitFault::RequestLost) => Err(MetaError::Storage("request lost".to_owned())),
            Some(CommitFault::AnswerLost) => {
                commit.await?;
                Err(MetaError::Storage("answer lost".to_owned()))
            }
            Some(CommitFault::Panic) => panic!("the store died"),
        }
    }
}

/// The decorator.
pub(crate) struct FaultyMeta {
    pub(crate) inner: Arc<dyn MetaStore>,
    pub(crate) faults: Arc<Faults>,
}

#[async_trait]
impl MetaStore for FaultyMeta {
    async fn begin_epoch(&self) -> Result<EpochStart, MetaError> {
        self.inner.begin_epoch().await
    }

    async fn end_epoch(&self, epoch: Epoch) -> Result<(), MetaError> {
        self.inner.end_epoch(epoch).await
    }

    async fn end_epochs(&self, last: Epoch) -> Result<(), MetaError> {
        self.inner.end_epochs(last).await
    }

    async fn take_lease(&self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> Result<bool, MetaError> {
        self.inner.take_lease(name, holder, now, until).await
    }

    async fn lock_clock(&self) -> Result<Option<Seen>, MetaError> {
        self.inner.lock_clock().await
    }

    async fn keep_lock_clock(&self, seen: Seen) -> Result<(), MetaError> {
        self.inner.keep_lock_clock(seen).await
    }

    async fn add_access_key(&self, key: AccessKey) -> Result<(), MetaError> {
        self.inner.add_access_key(key).await
    }

    async fn remove_access_key(&self, name_or_id: &str) -> Result<(), MetaError> {
        self.inner.remove_access_key(name_or_id).await
    }

    async fn access_keys(&self) -> Result<Vec<AccessKey>, MetaError> {
        self.inner.access_keys().await
    }

    async fn attach_policies(&self, name_or_id: &str, policies: Vec<KeyPolicy>) -> Result<(), MetaError> {
        self.inner.attach_policies(name_or_id, policies).await
    }

    async fn detach_policies(&self, name_or_id: &str, names: Vec<String>) -> Result<(), MetaError> {
        self.inner.detach_policies(name_or_id, names).await
    }

    async fn limit_key(&self, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), MetaError> {
        self.inner.limit_key(name_or_id, rates).await
    }

    async fn change_access_key(&self, name_or_id: &str, change: KeyChange) -> Result<(), MetaError> {
        self.inner.change_access_key(name_or_id, change).await
    }

    async fn note_keys_used(&self, used: Vec<(String, Timestamp)>) -> Result<(), MetaError> {
        self.inner.note_keys_used(used).await
    }

    async fn gateway_secret(&self, name: &'static str, candidate: GatewaySecret) -> Result<GatewaySecret, MetaError> {
        self.inner.gateway_secret(name, candidate).await
    }

    async fn create_bucket(&self, bucket: NewBucket) -> Result<Bucket, MetaError> {
        self.inner.create_bucket(bucket).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Bucket>, MetaError> {
        self.inner.bucket(name).await
    }

    async fn list_buckets(
        &self,
        owner: Option<&OwnerId>,
        prefix: &str,
        after: &str,
        max: u32,
    ) -> Result<BucketListing, MetaError> {
        self.inner.list_buckets(owner, prefix, after, max).await
    }

    async fn delete_bucket(&self, bucket: BucketId) -> Result<(), MetaError> {
        self.inner.delete_bucket(bucket).await
    }

    async fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError> {
        self.inner.versioning(bucket).await
    }

    async fn set_versioning(&self, bucket: BucketId, state: Versioning) -> Result<(), MetaError> {
        self.inner.set_versioning(bucket, state).await
    }

    async fn documents(&self, bucket: BucketId) -> Result<Documents, MetaError> {
        self.inner.documents(bucket).await
    }

    async fn set_document(
        &self,
        bucket: BucketId,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), MetaError> {
        self.inner.set_document(bucket, kind, body).await
    }

    async fn change_attributes(&self, change: ChangeAttributes) -> Result<Option<VersionId>, MetaError> {
        self.inner.change_attributes(change).await
    }

    async fn commit_put(&self, put: CommitPut) -> Result<PutOutcome, MetaError> {
        self.faults.around(self.inner.commit_put(put)).await
    }

    async fn commit_copy(&self, copy: CommitCopy) -> Result<PutOutcome, MetaError> {
        self.inner.commit_copy(copy).await
    }

    async fn commit_delete(&self, delete: CommitDelete) -> Result<DeleteOutcome, MetaError> {
        self.inner.commit_delete(delete).await
    }

    async fn commit_rename(&self, rename: CommitRename) -> Result<PutOutcome, MetaError> {
        self.inner.commit_rename(rename).await
    }

    async fn version(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, MetaError> {
        self.inner.version(bucket, key, version).await
    }

    async fn extents(&self, manifest: ManifestId, from: u64, max: u32) -> Result<Vec<Extent>, MetaError> {
        self.inner.extents(manifest, from, max).await
    }

    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError> {
        self.inner.inline_part(row).await
    }

    async fn manifest_parts(&self, manifest: ManifestId, after: u16, max: u32) -> Result<Vec<StoredPart>, MetaError> {
        self.inner.manifest_parts(manifest, after, max).await
    }

    async fn list_versions(&self, bucket: BucketId, query: &VersionListQuery) -> Result<VersionListing, MetaError> {
        self.inner.list_versions(bucket, query).await
    }

    async fn list_objects(&self, bucket: BucketId, query: &ListQuery) -> Result<KeyListing, MetaError> {
        self.inner.list_objects(bucket, query).await
    }

    async fn create_upload(&self, upload: NewUpload) -> Result<(), MetaError> {
        self.inner.create_upload(upload).await
    }

    async fn upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRecord>, MetaError> {
        self.inner.upload(bucket, key, upload).await
    }

    async fn commit_part(&self, part: CommitPart) -> Result<(), MetaError> {
        self.faults.around(self.inner.commit_part(part)).await
    }

    async fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, MetaError> {
        self.inner.list_parts(bucket, key, upload, after, max).await
    }

    async fn part_extents(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<Vec<PartExtents>, MetaError> {
        self.inner.part_extents(bucket, key, upload, after, max).await
    }

    async fn list_uploads(&self, bucket: BucketId, query: &UploadListQuery) -> Result<UploadListing, MetaError> {
        self.inner.list_uploads(bucket, query).await
    }

    async fn complete_upload(&self, complete: CompleteUpload) -> Result<PutOutcome, MetaError> {
        self.inner.complete_upload(complete).await
    }

    async fn completed_upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<Completed>, MetaError> {
        self.inner.completed_upload(bucket, key, upload).await
    }

    async fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<(), MetaError> {
        self.inner.abort_upload(bucket, key, upload).await
    }

    async fn expire_uploads(&self, before: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.inner.expire_uploads(before, max).await
    }

    async fn bucket_usage(&self, bucket: BucketId) -> Result<Usage, MetaError> {
        self.inner.bucket_usage(bucket).await
    }

    async fn owner_account(&self, owner: &OwnerId) -> Result<OwnerAccount, MetaError> {
        self.inner.owner_account(owner).await
    }

    async fn set_owner_quota(&self, owner: &OwnerId, quota: Quota) -> Result<(), MetaError> {
        self.inner.set_owner_quota(owner, quota).await
    }

    async fn admit(&self, admission: &Admission) -> Result<(), MetaError> {
        self.inner.admit(admission).await
    }

    async fn expire_version(&self, expire: ExpireVersion) -> Result<ExpiryOutcome, MetaError> {
        self.inner.expire_version(expire).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<Vec<u8>>, MetaError> {
        self.inner.cursor(name).await
    }

    async fn set_cursor(&self, name: &str, body: Option<Vec<u8>>) -> Result<(), MetaError> {
        self.inner.set_cursor(name, body).await
    }

    async fn retained(&self, query: &RetainedQuery) -> Result<Vec<RetainedVersion>, MetaError> {
        self.inner.retained(query).await
    }

    async fn retained_envelopes(&self, after: u64, max: u32) -> Result<Vec<RetainedEnvelope>, MetaError> {
        self.inner.retained_envelopes(after, max).await
    }

    async fn restore(&self, restore: RestoreVersion) -> Result<PutOutcome, MetaError> {
        self.inner.restore(restore).await
    }

    async fn collect_retained(&self, now: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.inner.collect_retained(now, max).await
    }

    async fn shorten_retained(&self, bucket: &BucketName, window: Undelete, max: u32) -> Result<u32, MetaError> {
        self.inner.shorten_retained(bucket, window, max).await
    }

    async fn due_events(&self, target: &str, now: Timestamp, max: u32) -> Result<Vec<QueuedEvent>, MetaError> {
        self.inner.due_events(target, now, max).await
    }

    async fn settle_events(&self, target: &str, settlement: EventSettlement) -> Result<(), MetaError> {
        self.inner.settle_events(target, settlement).await
    }

    async fn event_backlog(&self) -> Result<Vec<EventBacklog>, MetaError> {
        self.inner.event_backlog().await
    }

    async fn buckets_with(&self, kind: DocumentKind, max: u32) -> Result<Vec<BucketDocument>, MetaError> {
        self.inner.buckets_with(kind, max).await
    }

    async fn garbage_manifests(&self, max: u32) -> Result<Vec<ManifestId>, MetaError> {
        self.inner.garbage_manifests(max).await
    }

    async fn release_manifest(&self, manifest: ManifestId, max: u32) -> Result<bool, MetaError> {
        self.inner.release_manifest(manifest, max).await
    }

    async fn dead_chunks(&self, max: u32) -> Result<Vec<ChunkId>, MetaError> {
        self.inner.dead_chunks(max).await
    }

    async fn forget_chunks(&self, chunks: Vec<ChunkId>) -> Result<(), MetaError> {
        self.inner.forget_chunks(chunks).await
    }

    async fn chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<(ChunkId, u64, u64)>, MetaError> {
        self.inner.chunks(after, max).await
    }

    async fn mark_damage(&self, chunk: ChunkId, damage: Option<Damage>) -> Result<bool, MetaError> {
        self.inner.mark_damage(chunk, damage).await
    }

    async fn damaged_chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<DamagedChunk>, MetaError> {
        self.inner.damaged_chunks(after, max).await
    }

    async fn chunk_uses(&self, chunks: Vec<ChunkId>, max: u32) -> Result<Vec<ChunkUse>, MetaError> {
        self.inner.chunk_uses(chunks, max).await
    }

    async fn retained_bodies(&self, after: u64, max: u32) -> Result<Vec<RetainedBody>, MetaError> {
        self.inner.retained_bodies(after, max).await
    }

    async fn inline_parts(&self, after: Option<PartPlace>, max: u32) -> Result<InlineParts, MetaError> {
        self.inner.inline_parts(after, max).await
    }

    async fn small_body_uses(&self, body: SmallBody, max: u32) -> Result<Vec<BodyUse>, MetaError> {
        self.inner.small_body_uses(body, max).await
    }

    async fn drop_chunk_users(&self, chunks: Vec<ChunkId>, lock_time: Timestamp) -> Result<Vec<LostBody>, MetaError> {
        self.inner.drop_chunk_users(chunks, lock_time).await
    }

    async fn known_chunks(&self, chunks: Vec<ChunkId>) -> Result<Vec<bool>, MetaError> {
        self.inner.known_chunks(chunks).await
    }

    async fn verify(&self, report: &mut (dyn FnMut(String) + Send)) -> Result<(), MetaError> {
        self.inner.verify(report).await
    }

    async fn close(&self) -> Result<(), MetaError> {
        self.inner.close().await
    }
}
