//! The metadata port: facts that change together, each method one transaction.

use async_trait::async_trait;
use bytes::Bytes;

use crate::limits::{INLINE_BYTES_MAX, PART_NUMBER_MAX};
use crate::rules::{DeletePrecondition, Versioning, WritePrecondition, WriteRefusal};
use crate::types::object::BucketListing;
use crate::types::{
    Bucket, BucketId, BucketName, ChecksumAlgorithm, ChecksumType, ChecksumValue, ChunkId, ETag, Epoch, KeyListing,
    ListQuery, ListedPart, ListedUpload, ManifestId, ObjectChecksum, ObjectKey, ObjectMetadata, ObjectVersion, OwnerId,
    PartListing, Timestamp, UploadId, UploadListQuery, UploadListing, VersionId,
};

/// Why a metadata transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    /// No such bucket (or it went while the request ran).
    #[error("no such bucket")]
    NoSuchBucket,
    /// A bucket of that name exists.
    #[error("the bucket exists and belongs to {owner}")]
    BucketExists {
        /// Its owner.
        owner: OwnerId,
    },
    /// The owner has `BUCKETS_PER_OWNER_MAX` buckets.
    #[error("the owner has too many buckets")]
    TooManyBuckets,
    /// The bucket still has versions, delete markers or open uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// An `If-Match` names a key without a current version, or the source of a copy is gone.
    #[error("no such key")]
    NoSuchKey,
    /// A precondition does not hold.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// No such upload: never created, completed or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// The version or the chunks that a copy was made of changed while it ran.
    #[error("the source changed")]
    SourceChanged,
    /// The parts that a completion was made of changed while it ran.
    #[error("the parts changed")]
    PartsChanged,
    /// An access key with that id or name exists.
    #[error("the access key exists")]
    AccessKeyExists,
    /// No such access key.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// No space left for the database: nothing was committed.
    #[error("no space left for metadata")]
    Full,
    /// The store is shutting down: nothing was committed.
    #[error("the metadata store is closed")]
    Closed,
    /// The database failed. Whether the transaction is durable is unknown.
    #[error("metadata storage failed: {0}")]
    Storage(String),
}

impl MetaError {
    /// Whether the transaction may have become durable although it failed. Chunks that it names must then
    /// stay on disk for the collector.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Storage(_))
    }
}

impl From<WriteRefusal> for MetaError {
    fn from(refusal: WriteRefusal) -> Self {
        match refusal {
            WriteRefusal::NoSuchKey => Self::NoSuchKey,
            WriteRefusal::Failed => Self::PreconditionFailed,
        }
    }
}

/// A piece of a body: `length` bytes from `chunk_offset` of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where the piece starts in the whole object, in bytes.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// First byte within the chunk.
    pub chunk_offset: u64,
    /// The piece's bytes.
    pub source: BodySource,
}

/// Where the bytes of an extent are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySource {
    /// In a chunk file: its id, its whole length, its seal.
    Chunk {
        /// Its id.
        id: ChunkId,
        /// Its whole length in bytes.
        length: u64,
        /// Its seal (see `chunk::ChunkRecord`).
        seal: u64,
    },
    /// In the metadata store: fetched by `MetaStore::inline_part`. `chunk_offset` is 0.
    InlinePart {
        /// Row of the bytes.
        row: i64,
    },
}

/// Where the body of a version is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyRef {
    /// Zero bytes, or a delete marker.
    Empty,
    /// Here.
    Inline(Bytes),
    /// In extents, which `MetaStore::extents` lists.
    Manifest(ManifestId),
}

/// A version and where its body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// The facts.
    pub version: ObjectVersion,
    /// The order number of its row: names exactly this row, even if the version is `null`.
    pub order: u64,
    /// Its body.
    pub body: BodyRef,
}

/// A part and where it lies in its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The facts.
    pub part: ListedPart,
    /// First byte in the completed object.
    pub offset: u64,
}

/// One extent of a body that is being committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewExtent {
    /// A chunk that was just sealed and that nobody refers to yet; used whole.
    Sealed {
        /// Its id.
        id: ChunkId,
        /// Its length in bytes.
        length: u64,
        /// Its seal.
        seal: u64,
    },
    /// Part of a chunk that another body refers to; the transaction adds a reference, and fails with
    /// `SourceChanged` if nobody refers to it any more.
    Shared {
        /// Its id.
        id: ChunkId,
        /// First byte within the chunk.
        chunk_offset: u64,
        /// Number of bytes.
        length: u64,
    },
}

/// The body of a version or part that is being committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewBody {
    /// Zero to `INLINE_BYTES_MAX` bytes, stored beside the row.
    Inline(Bytes),
    /// Extents in order.
    Extents(Vec<NewExtent>),
}

impl NewBody {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(data) => data.len() as u64,
            Self::Extents(extents) => extents.iter().map(NewExtent::length).sum(),
        }
    }

    /// Stops a caller that breaks its promises: a store that took its word could not be verified later.
    pub(crate) fn assert_sound(&self, size: u64) {
        assert_eq!(self.length(), size, "a body has the size that is committed with it");
        match self {
            Self::Inline(data) => assert!(data.len() <= INLINE_BYTES_MAX, "long bodies are in chunks"),
            Self::Extents(extents) => {
                assert!(extents.iter().all(|extent| extent.length() > 0), "no extent is empty");
            }
        }
    }
}

impl NewExtent {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Sealed { length, .. } | Self::Shared { length, .. } => *length,
        }
    }
}

/// A PUT.
#[derive(Clone, Debug)]
pub struct CommitPut {
    /// Target bucket.
    pub bucket: BucketId,
    /// Target key.
    pub key: ObjectKey,
    /// Judged inside the transaction.
    pub precondition: WritePrecondition,
    /// Body length in bytes.
    pub size: u64,
    /// ETag.
    pub etag: ETag,
    /// SHA-256 of the body.
    pub sha256: Option<[u8; 32]>,
    /// Checksum to store.
    pub checksum: Option<ObjectChecksum>,
    /// Metadata to store.
    pub metadata: ObjectMetadata,
    /// The bytes.
    pub body: NewBody,
    /// The commit's time.
    pub now: Timestamp,
}

/// A copy that shares its source's body.
#[derive(Clone, Debug)]
pub struct CommitCopy {
    /// Source bucket.
    pub source_bucket: BucketId,
    /// Source key.
    pub source_key: ObjectKey,
    /// The row that was read: `SourceChanged` if it is gone.
    pub source_order: u64,
    /// Target bucket.
    pub bucket: BucketId,
    /// Target key.
    pub key: ObjectKey,
    /// Judged inside the transaction, against the target.
    pub precondition: WritePrecondition,
    /// Checksum to store.
    pub checksum: Option<ObjectChecksum>,
    /// Metadata to store.
    pub metadata: ObjectMetadata,
    /// The commit's time.
    pub now: Timestamp,
}

/// What a PUT, copy or completion became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutOutcome {
    /// Its version.
    pub version: VersionId,
    /// Whether the bucket's versioning is or was on, so that the id is shown to the client.
    pub shows_version: bool,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Its size in bytes.
    pub size: u64,
    /// Its time.
    pub modified: Timestamp,
}

/// A DELETE of one key.
#[derive(Clone, Debug)]
pub struct CommitDelete {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Exactly this version, or whatever versioning says if `None`.
    pub version: Option<VersionId>,
    /// Judged inside the transaction.
    pub precondition: DeletePrecondition,
    /// The commit's time.
    pub now: Timestamp,
}

/// What a DELETE did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOutcome {
    /// A version was removed for good.
    pub removed: bool,
    /// The version that was removed, or the delete marker that was made; shown if versioning is or was on.
    pub version: Option<VersionId>,
    /// A delete marker was made or removed.
    pub delete_marker: bool,
}

/// A new bucket.
#[derive(Clone, Debug)]
pub struct NewBucket {
    /// Its name.
    pub name: BucketName,
    /// Its owner.
    pub owner: OwnerId,
    /// Its location constraint.
    pub location: String,
    /// When.
    pub now: Timestamp,
}

/// A new multipart upload.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Its id, made by the caller.
    pub upload: UploadId,
    /// Who creates it.
    pub initiator: OwnerId,
    /// Metadata of the object to be.
    pub metadata: ObjectMetadata,
    /// Checksum algorithm and type of the object to be.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// When.
    pub now: Timestamp,
}

/// An open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadRecord {
    /// The facts that listings show.
    pub upload: ListedUpload,
    /// Metadata of the object to be.
    pub metadata: ObjectMetadata,
}

/// A part that was received.
#[derive(Clone, Debug)]
pub struct CommitPart {
    /// The upload's bucket.
    pub bucket: BucketId,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// 1..=10,000; replaces a part of the same number.
    pub number: u16,
    /// Length in bytes.
    pub size: u64,
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-256, if it was computed.
    pub sha256: Option<[u8; 32]>,
    /// Checksum in the upload's algorithm.
    pub checksum: Option<ChecksumValue>,
    /// The bytes.
    pub body: NewBody,
    /// When.
    pub now: Timestamp,
}

/// The part numbers that a completion chose: one bit each, so that 10,000 of them are 1.25 KB.
#[derive(Clone, PartialEq, Eq)]
pub struct PartSelection {
    bits: Box<[u64]>,
    count: u16,
}

impl PartSelection {
    /// No part.
    pub fn new() -> Self {
        Self { bits: vec![0; usize::from(PART_NUMBER_MAX) / 64 + 1].into_boxed_slice(), count: 0 }
    }

    /// Adds part `number`.
    ///
    /// # Panics
    /// If `number` is outside 1..=`PART_NUMBER_MAX`: callers have checked it.
    pub fn insert(&mut self, number: u16) {
        assert!((1..=PART_NUMBER_MAX).contains(&number), "part numbers are checked on arrival");
        if !self.contains(number) {
            self.count += 1;
        }
        self.bits[usize::from(number) / 64] |= 1 << (number % 64);
    }

    /// Whether part `number` was chosen.
    pub fn contains(&self, number: u16) -> bool {
        self.bits.get(usize::from(number) / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// How many were chosen.
    pub fn count(&self) -> u16 {
        self.count
    }
}

impl Default for PartSelection {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for PartSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartSelection({} parts)", self.count)
    }
}

/// A CompleteMultipartUpload whose list was compared with the stored parts.
#[derive(Clone, Debug)]
pub struct CompleteUpload {
    /// The upload's bucket.
    pub bucket: BucketId,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// The chosen parts.
    pub selection: PartSelection,
    /// MD5 over the chosen parts' MD5s and their count. The transaction computes it again from its own
    /// rows: `PartsChanged` if it differs.
    pub etag: ETag,
    /// Sum of the chosen parts in bytes, computed again likewise.
    pub size: u64,
    /// Checksum of the object.
    pub checksum: Option<ObjectChecksum>,
    /// Judged inside the transaction.
    pub precondition: WritePrecondition,
    /// The commit's time.
    pub now: Timestamp,
}

/// What is remembered of a finished upload, so that a repeated Complete gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// What it became.
    pub outcome: PutOutcome,
}

/// An access key and the identity behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// Its id.
    pub access_key_id: String,
    /// Its unique name.
    pub name: String,
    /// Its secret. Signature Version 4 needs the secret itself, so it is stored as it is.
    pub secret: String,
    /// The identity.
    pub owner: OwnerId,
    /// When it was made.
    pub created: Timestamp,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({}, {})", self.access_key_id, self.name)
    }
}

/// A boot of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// Its epoch.
    pub epoch: Epoch,
    /// Earlier epochs that did not end cleanly: their directories may hold chunk files without rows.
    pub crashed: Vec<Epoch>,
}

/// Keeps metadata.
///
/// Every method is one transaction. When a method that changes something returns `Ok`, the change survives
/// a power cut. Preconditions, version decisions and reference counts are judged inside the transaction.
#[async_trait]
pub trait MetaStore: Send + Sync + 'static {
    // Boots ---------------------------------------------------------------------------------------------

    /// Hands out the next epoch and records that it is running.
    async fn begin_epoch(&self) -> Result<EpochStart, MetaError>;
    /// Records that `epoch` has no orphans: it ended cleanly, or they were removed.
    async fn end_epoch(&self, epoch: Epoch) -> Result<(), MetaError>;
    /// Takes the named lease for `holder` until `until`; false if another holder has it at `now`.
    async fn take_lease(&self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> Result<bool, MetaError>;

    // Access keys ---------------------------------------------------------------------------------------

    /// Adds a key: `AccessKeyExists` if its id or name is taken.
    async fn add_access_key(&self, key: AccessKey) -> Result<(), MetaError>;
    /// Removes the key of that name or id: `NoSuchAccessKey`.
    async fn remove_access_key(&self, name_or_id: &str) -> Result<(), MetaError>;
    /// All keys by name; at most `ACCESS_KEYS_MAX`.
    async fn access_keys(&self) -> Result<Vec<AccessKey>, MetaError>;

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
    /// Removes an empty bucket: `NoSuchBucket`, `BucketNotEmpty` (versions, markers or open uploads).
    async fn delete_bucket(&self, bucket: BucketId) -> Result<(), MetaError>;
    /// The versioning state of a bucket.
    async fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError>;
    /// Sets the versioning state of a bucket.
    async fn set_versioning(&self, bucket: BucketId, state: Versioning) -> Result<(), MetaError>;

    // Objects -------------------------------------------------------------------------------------------

    /// Commits a PUT: `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`, `SourceChanged`.
    async fn commit_put(&self, put: CommitPut) -> Result<PutOutcome, MetaError>;
    /// Commits a copy: as `commit_put`.
    async fn commit_copy(&self, copy: CommitCopy) -> Result<PutOutcome, MetaError>;
    /// Commits a DELETE; removing what is not there is `Ok`. `NoSuchBucket`, and, for a condition,
    /// `NoSuchKey`, `PreconditionFailed`.
    async fn commit_delete(&self, delete: CommitDelete) -> Result<DeleteOutcome, MetaError>;
    /// The newest version of a key (which may be a delete marker), or exactly `version`.
    async fn version(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, MetaError>;
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
    /// Commits a part: `NoSuchUpload` if the upload has ended meanwhile, `SourceChanged`.
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
    /// Checks the store against itself (database integrity, reference counts, sizes, orphan rows) and calls
    /// `report` with one line per fault.
    async fn verify(&self, report: &mut (dyn FnMut(String) + Send)) -> Result<(), MetaError>;
    /// Waits until everything queued is committed, then closes: later calls get `Closed`.
    async fn close(&self) -> Result<(), MetaError>;
}
