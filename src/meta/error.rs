//! Why a metadata transaction did not happen.

use crate::meta::DamagedChunk;
use crate::rules::{BucketRefusal, LockRefusal, QuotaRefusal, WriteRefusal};
use crate::types::{OwnerId, Timestamp, VersionId};

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
    /// The bucket still has versions or delete markers. Open uploads go with it.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// An `If-Match` names a key without a current version, or the source of a copy is gone.
    #[error("no such key")]
    NoSuchKey,
    /// The key has no such version.
    #[error("no such version")]
    NoSuchVersion,
    /// A delete marker has no attributes.
    #[error("the version is a delete marker")]
    IsDeleteMarker {
        /// It.
        version: VersionId,
        /// When it was made.
        modified: Timestamp,
    },
    /// Object lock forbids it.
    #[error("the version is locked: {0}")]
    Locked(LockRefusal),
    /// A quota forbids it.
    #[error("a quota is used up: {0}")]
    QuotaExceeded(QuotaRefusal),
    /// Restoring would remove the current version for good.
    #[error("the key has a current version, which would be lost")]
    WouldLose,
    /// The bucket's state forbids it.
    #[error("the state of the bucket: {0}")]
    BucketState(BucketRefusal),
    /// A precondition does not hold.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// No such upload: never created, completed or aborted.
    #[error("no such upload")]
    NoSuchUpload,
    /// The version or the chunks that a copy was made of changed while it ran.
    #[error("the source changed")]
    SourceChanged,
    /// A copy would share a chunk that is marked as damaged: its damage would have one more name.
    #[error("a chunk of the source is marked as damaged: {0:?}")]
    SourceDamaged(DamagedChunk),
    /// The parts that a completion was made of changed while it ran.
    #[error("the parts changed")]
    PartsChanged,
    /// An access key with that id or name exists.
    #[error("the access key exists")]
    AccessKeyExists,
    /// No such access key.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// The key has no such policy.
    #[error("the access key has no such policy")]
    NoSuchKeyPolicy,
    /// The key would have more than `KEY_POLICIES_MAX` policies, or all keys more than `KEY_POLICIES_BYTES_MAX`.
    #[error("the access keys have too many policies")]
    TooManyKeyPolicies,
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
