//! Why an object operation failed. HTTP-free: `s3` maps each variant once.

use crate::chunk::ChunkError;
use crate::cipher::CipherError;
use crate::engine::{ReadOnly, SourceError};
use crate::meta::{DamagedChunk, MetaError};
use crate::rules::{BucketRefusal, LockRefusal, QuotaRefusal, WriteRefusal};
use crate::types::{ChecksumAlgorithm, OwnerId};

/// What about a body did not match what its sender said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// `Content-MD5`.
    ContentMd5,
    /// `x-amz-content-sha256`.
    PayloadSha256,
    /// `x-amz-checksum-…` in header or trailer.
    Checksum(ChecksumAlgorithm),
    /// Fewer or more bytes than announced.
    Length,
    /// A trailer was announced and did not come, or is malformed.
    Trailer(ChecksumAlgorithm),
}

/// Why the encryption of an object cannot be updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixedEncryption {
    /// It is plain.
    #[error("it is plain")]
    Plain,
    /// Its key is the customer's.
    #[error("its key is the customer's")]
    Customer,
}

/// Why an object operation failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No such bucket.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket exists and belongs to `owner`.
    #[error("the bucket exists")]
    BucketExists {
        /// Its owner.
        owner: OwnerId,
    },
    /// The owner has too many buckets.
    #[error("too many buckets")]
    TooManyBuckets,
    /// The bucket is not empty.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// No such key, or its newest version is a delete marker.
    #[error("no such key")]
    NoSuchKey {
        /// The newest version is a delete marker with this id.
        delete_marker: Option<crate::types::VersionId>,
    },
    /// Object lock forbids it.
    #[error("the version is locked: {0}")]
    Locked(LockRefusal),
    /// A quota forbids it.
    #[error("a quota is used up: {0}")]
    QuotaExceeded(QuotaRefusal),
    /// The key has no such version.
    #[error("no such version")]
    NoSuchVersion,
    /// The named version is a delete marker: it cannot be read.
    #[error("the version is a delete marker")]
    IsDeleteMarker {
        /// Its id.
        version: crate::types::VersionId,
        /// When it was made.
        modified: crate::types::Timestamp,
    },
    /// The bucket's state forbids it.
    #[error("the state of the bucket: {0}")]
    BucketState(BucketRefusal),
    /// A write precondition does not hold.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// A concurrent change won (`409 ConditionalRequestConflict`).
    #[error("a concurrent change won")]
    Conflict,
    /// No such upload.
    #[error("no such upload")]
    NoSuchUpload,
    /// The client's list names a part that is missing or has another ETag or checksum.
    #[error("part {number} is not what the list says")]
    InvalidPart {
        /// Its number.
        number: u16,
    },
    /// The client's list is not in ascending order.
    #[error("the part list is not ascending")]
    InvalidPartOrder,
    /// A part that is not the last is too small.
    #[error("part {number} has only {size} bytes")]
    PartTooSmall {
        /// Its number.
        number: u16,
        /// Its size in bytes.
        size: u64,
        /// Its MD5.
        md5: [u8; 16],
    },
    /// The list is empty.
    #[error("the part list is empty")]
    NoParts,
    /// `x-amz-mp-object-size` is not the sum of the parts; carries that sum.
    #[error("the object would have {actual} bytes")]
    ObjectSizeMismatch {
        /// Sum of the parts in bytes.
        actual: u64,
    },
    /// The body is larger than one PUT, part, copy or object may be.
    #[error("the body is too large")]
    TooLarge,
    /// The body is not what its sender said; nothing was stored.
    #[error("the body does not match: {0:?}")]
    Mismatch(Mismatch),
    /// The checksum type does not suit the algorithm or the upload.
    #[error("checksum request does not fit: {0}")]
    ChecksumRequest(&'static str),
    /// The copy range lies outside the source, whose size in bytes it carries.
    #[error("the range lies outside the source of {size} bytes")]
    InvalidRange {
        /// The source's size.
        size: u64,
    },
    /// The body could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Bytes beside a row do not match their checksum. Never served.
    #[error("{0}")]
    Damaged(&'static str),
    /// A chunk store failed.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// A body could not be sealed or opened.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// The body is not encrypted in a way that can be changed by wrapping its key anew.
    #[error("the encryption of the object cannot be updated: {0}")]
    FixedEncryption(FixedEncryption),
    /// The key of a request is not that of the upload.
    #[error("the key of the upload: {0}")]
    UploadKey(#[source] CipherError),
    /// The metadata store failed in a way that no other variant names.
    #[error(transparent)]
    Meta(MetaError),
    /// Nothing can be written for now.
    #[error("read-only: {}", .0.reason())]
    ReadOnly(ReadOnly),
    /// The worker that carried the operation was stopped.
    #[error("the operation was stopped")]
    Stopped,
}

impl EngineError {
    /// Whether there is no space left, for chunk files or for metadata: nothing was stored.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Chunk(ChunkError::Full(_)) | Self::Meta(MetaError::Full) | Self::ReadOnly(ReadOnly::Full))
    }

    /// Whether stored bytes do not match their checksum.
    pub fn is_damaged(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::Chunk(ChunkError::Damaged { .. }) | Self::Cipher(CipherError::Damaged(_))
        )
    }
}

impl From<MetaError> for EngineError {
    fn from(error: MetaError) -> Self {
        match error {
            MetaError::NoSuchBucket => Self::NoSuchBucket,
            MetaError::BucketExists { owner } => Self::BucketExists { owner },
            MetaError::TooManyBuckets => Self::TooManyBuckets,
            MetaError::BucketNotEmpty => Self::BucketNotEmpty,
            MetaError::NoSuchKey => Self::NoSuchKey { delete_marker: None },
            MetaError::NoSuchVersion => Self::NoSuchVersion,
            MetaError::IsDeleteMarker { version, modified } => Self::IsDeleteMarker { version, modified },
            MetaError::BucketState(refusal) => Self::BucketState(refusal),
            MetaError::Locked(refusal) => Self::Locked(refusal),
            MetaError::QuotaExceeded(refusal) => Self::QuotaExceeded(refusal),
            MetaError::PreconditionFailed => Self::PreconditionFailed,
            MetaError::NoSuchUpload => Self::NoSuchUpload,
            MetaError::SourceChanged | MetaError::PartsChanged => Self::Conflict,
            // As if it had been read, which is what a copy of it would be for.
            MetaError::SourceDamaged(DamagedChunk { chunk, damage }) => {
                Self::Chunk(ChunkError::Damaged { chunk, detail: damage.detail })
            }
            MetaError::Closed => Self::Stopped,
            // Access keys and restoring are no business of the engine: these cannot come from a call that it makes.
            MetaError::AccessKeyExists
            | MetaError::NoSuchAccessKey
            | MetaError::NoSuchKeyPolicy
            | MetaError::TooManyKeyPolicies
            | MetaError::WouldLose
            | MetaError::Full
            | MetaError::Storage(_) => Self::Meta(error),
        }
    }
}

impl From<WriteRefusal> for EngineError {
    fn from(refusal: WriteRefusal) -> Self {
        match refusal {
            WriteRefusal::NoSuchKey => Self::NoSuchKey { delete_marker: None },
            WriteRefusal::Failed => Self::PreconditionFailed,
        }
    }
}
