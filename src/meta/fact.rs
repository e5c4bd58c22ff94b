//! What goes into metadata transactions and comes out of them.

use std::sync::Arc;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::limits::INLINE_BYTES_MAX;
use crate::meta::PartSelection;
use crate::rules::{DeletePrecondition, ReadPrecondition, Versioning, WritePrecondition};
use crate::types::{
    AttributeChange, BucketId, BucketName, ChecksumAlgorithm, ChecksumType, ChecksumValue, ChunkId, Documents, ETag,
    Epoch, ListedPart, ListedUpload, ManifestId, ObjectChecksum, ObjectKey, ObjectMetadata, ObjectVersion, OwnerId,
    Rate, SourceRates, Timestamp, UploadId, VersionId,
};

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
        /// Their MD5: they lie in a database that does not check what it reads.
        md5: [u8; 16],
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
    /// `SourceChanged` if nobody refers to it any more, with `SourceDamaged` if it is marked.
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
    /// Whether its id is shown to the client (see `Versioning::names_writes`).
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
    /// Whether the caller may, and wants to, remove a version that is retained in governance mode.
    pub bypass_governance: bool,
    /// The time by which its lock is judged (see `rules::LockClock`).
    pub lock_time: Timestamp,
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

/// A change of a version's attributes.
#[derive(Clone, Debug)]
pub struct ChangeAttributes {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Which version; the newest if `None`.
    pub version: Option<VersionId>,
    /// The change.
    pub change: AttributeChange,
    /// The time by which its lock is judged (see `rules::LockClock`).
    pub lock_time: Timestamp,
}

/// A rename within a bucket that never had versioning.
#[derive(Clone, Debug)]
pub struct CommitRename {
    /// Its bucket.
    pub bucket: BucketId,
    /// The key that goes.
    pub source: ObjectKey,
    /// Judged inside the transaction, against the source.
    pub source_precondition: ReadPrecondition,
    /// The key that it gets.
    pub key: ObjectKey,
    /// Judged inside the transaction, against what has that key.
    pub precondition: ReadPrecondition,
    /// The time by which locks are judged (see `rules::LockClock`).
    pub lock_time: Timestamp,
    /// When.
    pub now: Timestamp,
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
    /// Its versioning state.
    pub versioning: Versioning,
    /// Its first documents.
    pub documents: Documents,
    /// When.
    pub now: Timestamp,
}

impl NewBucket {
    /// A bucket without versioning, documents and location constraint.
    pub fn new(name: BucketName, owner: OwnerId, now: Timestamp) -> Self {
        let (versioning, documents) = (Versioning::default(), Documents::default());
        Self { name, owner, location: String::new(), versioning, documents, now }
    }
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
    /// Chunks that say what the object is made of, for who has lost this store. They go when its parts go.
    pub record: Vec<NewExtent>,
    /// Judged inside the transaction.
    pub precondition: WritePrecondition,
    /// The commit's time.
    pub now: Timestamp,
}

/// The number of the part row that holds the record: no part of a client has it.
pub(crate) const RECORD_PART: u16 = 0;

/// A part of an open upload, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartExtents {
    /// The facts.
    pub part: ListedPart,
    /// Its chunks in order: id, first byte within it, number of bytes. Fewer bytes than the part has if some lie in
    /// this store.
    pub extents: Vec<(ChunkId, u64, u64)>,
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
    /// What limits it, by name; `None` if it may do all that its owner may. An empty list allows nothing.
    pub policies: Option<Vec<KeyPolicy>>,
    /// Its own limits of rates; where it has none, those of all keys count.
    pub rates: SourceRates,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// When it was used last, to the minute; `None` if it never was.
    pub last_used: Option<Timestamp>,
}

/// A change of an access key. What is `None` or empty stays as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// Policies to detach, by name. Done first.
    pub detach: Vec<String>,
    /// Policies to attach; each replaces one of its name, and the key is limited from then on.
    pub attach: Vec<KeyPolicy>,
    /// Another rate of requests, or none of its own.
    pub requests: Option<Option<Rate>>,
    /// Another rate of bytes, or none of its own.
    pub bytes: Option<Option<Rate>>,
    /// Another end, or none.
    pub expires: Option<Option<Timestamp>>,
    /// Another secret.
    pub secret: Option<String>,
}

/// A policy that is attached to an access key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyPolicy {
    /// Its name, unique for the key.
    pub name: String,
    /// Its document; `None` for the ready-made policy of that name.
    pub document: Option<Arc<str>>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessKey({}, {})", self.access_key_id, self.name)
    }
}

/// A secret of the gateways. Never printed; wiped on drop.
pub type GatewaySecret = Zeroizing<[u8; 32]>;

/// A boot of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// Its epoch.
    pub epoch: Epoch,
    /// Earlier epochs that did not end cleanly: their directories may hold chunk files without rows.
    pub crashed: Vec<Epoch>,
}
