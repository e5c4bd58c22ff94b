//! The metadata port: facts that change together, each method one transaction.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::meta::{
    AccessKey, Admission, BodyUse, ChangeAttributes, ChunkUse, CommitCopy, CommitDelete, CommitPart, CommitPut,
    CommitRename, CompleteUpload, Completed, Damage, DamagedChunk, DeleteOutcome, EpochStart, ExpireVersion,
    ExpiryOutcome, Extent, GatewaySecret, InlineParts, KeyChange, KeyPolicy, LostBody, MetaError, NewBucket, NewUpload,
    OwnerAccount, PartExtents, PartPlace, PutOutcome, RestoreVersion, RetainedBody, RetainedEnvelope, RetainedQuery,
    RetainedVersion, SmallBody, StoredPart, StoredVersion, UploadRecord,
};
use crate::rules::{Quota, Seen, Undelete, Usage, Versioning};
use crate::types::object::BucketListing;
use crate::types::{
    Bucket, BucketDocument, BucketId, BucketName, ChunkId, DocumentKind, Documents, Epoch, EventBacklog,
    EventSettlement, KeyListing, ListQuery, ManifestId, ObjectKey, OwnerId, PartListing, QueuedEvent, SourceRates,
    Timestamp, UploadId, UploadListQuery, UploadListing, VersionId, VersionListQuery, VersionListing,
};

/// Keeps metadata.
///
/// Every method is one transaction. When a method that changes something returns `Ok`, the change survives
/// a power cut. Preconditions, version decisions and reference counts are judged inside the transaction.
#[async_trait]
pub trait MetaStore: Send + Sync + 'static {
    // Boots ---------------------------------------------------------------------------------------------

    /// Hands out the next epoch and records that it is running.
    async fn begin_epoch(&self) -> Result<EpochStart, MetaError>;
    /// Records that `epoch` has no orphans: it ended cleanly, or they were removed. Its leases are free.
    async fn end_epoch(&self, epoch: Epoch) -> Result<(), MetaError>;
    /// Ends every epoch, with its leases, and hands out none up to `last` any more: the chunks of those were written on
    /// behalf of another state of this store.
    async fn end_epochs(&self, last: Epoch) -> Result<(), MetaError>;
    /// Takes the named lease for `holder` until `until`; false if another holder has it at `now`.
    async fn take_lease(&self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> Result<bool, MetaError>;

    /// The latest time that locks were judged by, as it was kept last.
    async fn lock_clock(&self) -> Result<Option<Seen>, MetaError>;
    /// Keeps a time that locks are judged by, unless a later one is kept.
    async fn keep_lock_clock(&self, seen: Seen) -> Result<(), MetaError>;

    // Access keys ---------------------------------------------------------------------------------------

    /// Adds a key: `AccessKeyExists` if its id or name is taken, `TooManyKeyPolicies`.
    async fn add_access_key(&self, key: AccessKey) -> Result<(), MetaError>;
    /// Removes the key of that name or id: `NoSuchAccessKey`.
    async fn remove_access_key(&self, name_or_id: &str) -> Result<(), MetaError>;
    /// All keys by name, with their policies; at most `ACCESS_KEYS_MAX`.
    async fn access_keys(&self) -> Result<Vec<AccessKey>, MetaError>;
    /// Attaches policies to the key of that name or id, which is limited from then on; each replaces one of its name:
    /// `NoSuchAccessKey`, `TooManyKeyPolicies`.
    async fn attach_policies(&self, name_or_id: &str, policies: Vec<KeyPolicy>) -> Result<(), MetaError>;
    /// Detaches policies by name; the key stays limited: `NoSuchAccessKey`, `NoSuchKeyPolicy`.
    async fn detach_policies(&self, name_or_id: &str, names: Vec<String>) -> Result<(), MetaError>;
    /// Gives the key of that name or id rates of its own, and leaves those that `rates` does not name; `None` takes all
    /// away: `NoSuchAccessKey`.
    async fn limit_key(&self, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), MetaError>;

    /// Changes the key of that name or id as a whole or not at all: `NoSuchAccessKey`, `NoSuchKeyPolicy`,
    /// `TooManyKeyPolicies`.
    async fn change_access_key(&self, name_or_id: &str, change: KeyChange) -> Result<(), MetaError>;
    /// Notes when keys, named by their ids, were used last. What is not there, or was used later, stays as it is.
    async fn note_keys_used(&self, used: Vec<(String, Timestamp)>) -> Result<(), MetaError>;

    /// The secret of that name, which all gateways on this store share; `candidate` from now on if there is none.
    async fn gateway_secret(&self, name: &'static str, candidate: GatewaySecret) -> Result<GatewaySecret, MetaError>;

    // Buckets -------------------------------------------------------------------------------------------

    /// Creates a bucket: `BucketExists`, `TooManyBuckets`.
    async fn create_bucket(&self, bucket: NewBucket) -> Result<Bucket, MetaError>;
    /// Finds a bucket.
    async fn bucket(&self, name: &BucketName) -> Result<Option<Bucket>, MetaError>;
    /// Buckets by name: of `owner` or of everybody, with `prefix`, after `after`, at most `max`.
    async fn list_buckets(
        &self,
        owner: Option<&OwnerId>,
        prefix: &str,
        after: &str,
        max: u32,
    ) -> Result<BucketListing, MetaError>;
    /// Removes a bucket without versions and delete markers, and aborts its open uploads: `NoSuchBucket`,
    /// `BucketNotEmpty`.
    async fn delete_bucket(&self, bucket: BucketId) -> Result<(), MetaError>;
    /// The versioning state of a bucket.
    async fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError>;
    /// Sets the versioning state of a bucket: `NoSuchBucket`, `BucketState` (an object lock needs versioning).
    async fn set_versioning(&self, bucket: BucketId, state: Versioning) -> Result<(), MetaError>;
    /// All documents of a bucket: `NoSuchBucket`.
    async fn documents(&self, bucket: BucketId) -> Result<Documents, MetaError>;
    /// Replaces a document, or removes it if `body` is `None`: `NoSuchBucket`; for an object lock `BucketState`
    /// unless versioning is on, and if it is to be removed.
    async fn set_document(
        &self,
        bucket: BucketId,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), MetaError>;

    // Objects -------------------------------------------------------------------------------------------

    /// Commits a PUT: `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`, `SourceChanged`, `SourceDamaged`.
    async fn commit_put(&self, put: CommitPut) -> Result<PutOutcome, MetaError>;
    /// Commits a copy: as `commit_put`.
    async fn commit_copy(&self, copy: CommitCopy) -> Result<PutOutcome, MetaError>;
    /// Commits a DELETE; removing what is not there is `Ok`. `NoSuchBucket`, and, for a condition,
    /// `NoSuchKey`, `PreconditionFailed`.
    async fn commit_delete(&self, delete: CommitDelete) -> Result<DeleteOutcome, MetaError>;
    /// Gives an object another key, and moves nothing else: `NoSuchBucket`, `BucketState` if versioning is or was
    /// on, `NoSuchKey` (of the source), `PreconditionFailed`, `Locked`.
    async fn commit_rename(&self, rename: CommitRename) -> Result<PutOutcome, MetaError>;
    /// The newest version of a key (which may be a delete marker), or exactly `version`.
    async fn version(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, MetaError>;
    /// Changes attributes of a version, and returns its id if versioning is or was on: `NoSuchBucket`,
    /// `NoSuchKey`, `NoSuchVersion`, `IsDeleteMarker`, `Locked`.
    async fn change_attributes(&self, change: ChangeAttributes) -> Result<Option<VersionId>, MetaError>;
    /// Extents of a manifest that overlap the bytes from `from` on, in order, at most `max`. Those of a
    /// multipart manifest come with offsets in the whole object.
    async fn extents(&self, manifest: ManifestId, from: u64, max: u32) -> Result<Vec<Extent>, MetaError>;
    /// The bytes of an inline part.
    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError>;
    /// Parts of a multipart manifest with numbers above `after`, at most `max`; empty if the body was
    /// written in one piece.
    async fn manifest_parts(&self, manifest: ManifestId, after: u16, max: u32) -> Result<Vec<StoredPart>, MetaError>;
    /// A page of current keys.
    async fn list_objects(&self, bucket: BucketId, query: &ListQuery) -> Result<KeyListing, MetaError>;

    /// A page of versions and delete markers. If the null version that a marker names is gone, the page
    /// begins with its key again: nothing is skipped.
    async fn list_versions(&self, bucket: BucketId, query: &VersionListQuery) -> Result<VersionListing, MetaError>;

    // Multipart uploads ---------------------------------------------------------------------------------

    /// Creates an upload: `NoSuchBucket`.
    async fn create_upload(&self, upload: NewUpload) -> Result<(), MetaError>;
    /// Finds an open upload of that bucket and key.
    async fn upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRecord>, MetaError>;
    /// Commits a part: `NoSuchUpload` if the upload has ended meanwhile, `SourceChanged`, `SourceDamaged`.
    async fn commit_part(&self, part: CommitPart) -> Result<(), MetaError>;
    /// Parts of an open upload with numbers above `after`, at most `max`: `NoSuchUpload`.
    async fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, MetaError>;
    /// Parts of an open upload with numbers above `after`, and where their bytes are, at most `max`: `NoSuchUpload`.
    async fn part_extents(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<Vec<PartExtents>, MetaError>;
    /// A page of open uploads.
    async fn list_uploads(&self, bucket: BucketId, query: &UploadListQuery) -> Result<UploadListing, MetaError>;
    /// Ends an upload with an object: `NoSuchUpload`, `PartsChanged`, `NoSuchKey`, `PreconditionFailed`.
    async fn complete_upload(&self, complete: CompleteUpload) -> Result<PutOutcome, MetaError>;
    /// What a finished upload became, while it is remembered.
    async fn completed_upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<Completed>, MetaError>;
    /// Ends an upload without an object: `NoSuchUpload`.
    async fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<(), MetaError>;
    /// Aborts up to `max` uploads initiated before `before`, and forgets completions older than that;
    /// returns how many were aborted.
    async fn expire_uploads(&self, before: Timestamp, max: u32) -> Result<u32, MetaError>;

    // Usage and quotas ----------------------------------------------------------------------------------

    /// What a bucket stores: `NoSuchBucket`.
    async fn bucket_usage(&self, bucket: BucketId) -> Result<Usage, MetaError>;
    /// What is stored in the name of an identity, and its limits.
    async fn owner_account(&self, owner: &OwnerId) -> Result<OwnerAccount, MetaError>;
    /// Sets the limits of an identity.
    async fn set_owner_quota(&self, owner: &OwnerId, quota: Quota) -> Result<(), MetaError>;
    /// Whether quotas would admit a write now: `NoSuchBucket`, `NoSuchUpload`, `QuotaExceeded`. Its commit
    /// judges again.
    async fn admit(&self, admission: &Admission) -> Result<(), MetaError>;

    // Lifecycle and undelete ----------------------------------------------------------------------------

    /// Does what a lifecycle rule asks for, unless anything by which that was judged has changed: `NoSuchBucket`.
    async fn expire_version(&self, expire: ExpireVersion) -> Result<ExpiryOutcome, MetaError>;
    /// How far a worker has come, in its own words.
    async fn cursor(&self, name: &str) -> Result<Option<Vec<u8>>, MetaError>;
    /// Notes how far a worker has come.
    async fn set_cursor(&self, name: &str, body: Option<Vec<u8>>) -> Result<(), MetaError>;
    /// A page of restorable versions by key, the oldest of a key first.
    async fn retained(&self, query: &RetainedQuery) -> Result<Vec<RetainedVersion>, MetaError>;
    /// Ids and encryption envelopes of restorable versions with ids above `after`, in order; `None` for plain ones.
    async fn retained_envelopes(&self, after: u64, max: u32) -> Result<Vec<RetainedEnvelope>, MetaError>;
    /// Puts a restorable version back as the current one: `NoSuchBucket`, `NoSuchVersion`, `WouldLose`.
    async fn restore(&self, restore: RestoreVersion) -> Result<PutOutcome, MetaError>;
    /// Removes up to `max` restorable versions for good whose time has come; returns how many.
    async fn collect_retained(&self, now: Timestamp, max: u32) -> Result<u32, MetaError>;
    /// Shortens the time of up to `max` restorable versions of a bucket to `window`; returns how many.
    async fn shorten_retained(&self, bucket: &BucketName, window: Undelete, max: u32) -> Result<u32, MetaError>;

    // Events --------------------------------------------------------------------------------------------

    /// Events of a target that may be delivered at `now`, oldest first, at most `max`. None of a key whose
    /// first event must wait. Changes of objects queue them in their own transactions, as the bucket's
    /// notification document says.
    async fn due_events(&self, target: &str, now: Timestamp, max: u32) -> Result<Vec<QueuedEvent>, MetaError>;
    /// Records what became of events of a target.
    async fn settle_events(&self, target: &str, settlement: EventSettlement) -> Result<(), MetaError>;
    /// How many events wait for each target that ever had one.
    async fn event_backlog(&self) -> Result<Vec<EventBacklog>, MetaError>;
    /// Buckets with a document of that kind, and the document; at most `max`.
    async fn buckets_with(&self, kind: DocumentKind, max: u32) -> Result<Vec<BucketDocument>, MetaError>;

    // Garbage and verification --------------------------------------------------------------------------

    /// Manifests that nobody refers to any more, oldest first, at most `max`.
    async fn garbage_manifests(&self, max: u32) -> Result<Vec<ManifestId>, MetaError>;
    /// Releases up to `max` extents (or parts) of a garbage manifest; true when the manifest is gone. Chunks
    /// that lose their last reference become dead.
    async fn release_manifest(&self, manifest: ManifestId, max: u32) -> Result<bool, MetaError>;
    /// Chunks that nobody refers to any more, at most `max`.
    async fn dead_chunks(&self, max: u32) -> Result<Vec<ChunkId>, MetaError>;
    /// Forgets dead chunks whose files are gone.
    async fn forget_chunks(&self, chunks: Vec<ChunkId>) -> Result<(), MetaError>;
    /// Live chunks with ids above `after`, in order, at most `max`: id, length, seal.
    async fn chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<(ChunkId, u64, u64)>, MetaError>;
    /// Which of `chunks` have a row, live or dead.
    async fn known_chunks(&self, chunks: Vec<ChunkId>) -> Result<Vec<bool>, MetaError>;
    /// Marks a live chunk as damaged, or takes the mark away; true if it was not so before. A mark is gone with its
    /// chunk; one that is made again keeps the time of the first.
    async fn mark_damage(&self, chunk: ChunkId, damage: Option<Damage>) -> Result<bool, MetaError>;
    /// Chunks that are marked as damaged, with ids above `after`, in order, at most `max`.
    async fn damaged_chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<DamagedChunk>, MetaError>;
    /// Who has bytes in these chunks, in the order of the chunks, at most `max`. Walks all extents.
    async fn chunk_uses(&self, chunks: Vec<ChunkId>, max: u32) -> Result<Vec<ChunkUse>, MetaError>;
    /// Restorable versions with ids above `after`, in order, at most `max`, each with its body if that is small.
    async fn retained_bodies(&self, after: u64, max: u32) -> Result<Vec<RetainedBody>, MetaError>;
    /// Looks at up to `max` parts after `after`, in the order of their manifests and numbers, for those whose bytes lie
    /// beside their rows.
    async fn inline_parts(&self, after: Option<PartPlace>, max: u32) -> Result<InlineParts, MetaError>;
    /// Who has a small body, at most `max`; nobody if it is gone. Walks all versions.
    async fn small_body_uses(&self, body: SmallBody, max: u32) -> Result<Vec<BodyUse>, MetaError>;
    /// Removes everything that has bytes in one of these chunks, which are lost, and tells nobody: versions, uploads,
    /// restorable versions. A version that is locked at `lock_time` stays. Walks all extents.
    async fn drop_chunk_users(&self, chunks: Vec<ChunkId>, lock_time: Timestamp) -> Result<Vec<LostBody>, MetaError>;
    /// Checks the store against itself (database integrity, reference counts, sizes, orphan rows) and calls
    /// `report` with one line per fault.
    async fn verify(&self, report: &mut (dyn FnMut(String) + Send)) -> Result<(), MetaError>;
    /// Waits until everything queued is committed, then closes: later calls get `Closed`.
    async fn close(&self) -> Result<(), MetaError>;
}
