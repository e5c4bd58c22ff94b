//! What callers ask of the engine, and what they get.

use crate::cipher::CustomerKey;
use crate::rules::{DeletePrecondition, ReadPrecondition, Versioning, WritePrecondition};
use crate::types::{
    Bucket, BucketName, ByteRange, ChecksumAlgorithm, ChecksumType, ChecksumValue, Documents, ETag, ObjectChecksum,
    ObjectKey, ObjectMetadata, OwnerId, Timestamp, UploadId, VersionAttributes, VersionId,
};

/// A page of buckets.
pub type ListedBuckets = crate::types::object::BucketListing;

/// Which checksum is stored with a body, and against what it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Checksumming {
    /// The client asked for nothing: the engine stores CRC-64/NVME (or, for a part, what its upload says).
    #[default]
    Default,
    /// Compute this algorithm.
    Compute(ChecksumAlgorithm),
    /// Compute and compare with this value.
    Verify(ChecksumValue),
    /// Compute and compare with what the trailer carries.
    Trailer(ChecksumAlgorithm),
}

/// What the sender says about a body. A mismatch stores nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Decoded length in bytes, if it was announced.
    pub length: Option<u64>,
    /// `Content-MD5`.
    pub md5: Option<[u8; 16]>,
    /// Payload hash of the signature.
    pub sha256: Option<[u8; 32]>,
    /// Checksum.
    pub checksum: Checksumming,
}

/// PutObject.
#[derive(Clone, Debug)]
pub struct PutObject {
    /// Target bucket.
    pub bucket: Bucket,
    /// Target key.
    pub key: ObjectKey,
    /// What the client says about the object. Its attributes say whether the body is sealed.
    pub metadata: ObjectMetadata,
    /// The key of an SSE-C envelope among the attributes.
    pub customer_key: Option<CustomerKey>,
    /// What the client says about the body.
    pub expected: Expected,
    /// Conditions; judged before the body is read and again at commit.
    pub precondition: WritePrecondition,
}

/// A version that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its version, if the bucket's versioning is or was on.
    pub version: Option<VersionId>,
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// Its size in bytes.
    pub size: u64,
    /// Its time.
    pub modified: Timestamp,
}

/// DeleteObject, and each key of DeleteObjects.
#[derive(Clone, Debug)]
pub struct DeleteObject {
    /// Its bucket.
    pub bucket: Bucket,
    /// Its key.
    pub key: ObjectKey,
    /// Exactly this version.
    pub version: Option<VersionId>,
    /// Conditions.
    pub precondition: DeletePrecondition,
    /// Whether the caller may, and wants to, remove a version that is retained in governance mode.
    pub bypass_governance: bool,
}

/// What a DELETE did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Version removed or marker made, if versioning is or was on.
    pub version: Option<VersionId>,
    /// A delete marker was made or removed.
    pub delete_marker: bool,
}

/// RenameObject.
#[derive(Clone, Debug)]
pub struct RenameObject {
    /// Its bucket.
    pub bucket: Bucket,
    /// The key that goes.
    pub source: ObjectKey,
    /// Conditions on the source.
    pub source_precondition: ReadPrecondition,
    /// The key that it gets.
    pub key: ObjectKey,
    /// Conditions on what has that key.
    pub precondition: ReadPrecondition,
}

/// The source of a copy.
#[derive(Clone, Debug)]
pub struct CopySource {
    /// Its bucket.
    pub bucket: Bucket,
    /// Its key.
    pub key: ObjectKey,
    /// Its version.
    pub version: Option<VersionId>,
    /// The order of the very version that the caller has judged, if it has: any other is a `Conflict`.
    pub judged: Option<u64>,
    /// `x-amz-copy-source-if-…`.
    pub precondition: ReadPrecondition,
    /// The key of a source that is encrypted with a customer's.
    pub customer_key: Option<CustomerKey>,
}

/// `x-amz-metadata-directive`.
#[derive(Clone, Debug)]
pub enum CopyMetadata {
    /// Take the source's, except that the storage class is always the request's.
    Copy,
    /// Take these.
    Replace(Box<ObjectMetadata>),
}

/// CopyObject.
#[derive(Clone, Debug)]
pub struct CopyObject {
    /// From where.
    pub source: CopySource,
    /// Target bucket.
    pub bucket: Bucket,
    /// Target key.
    pub key: ObjectKey,
    /// Metadata.
    pub metadata: CopyMetadata,
    /// Storage class of the copy (`STANDARD` if the request names none).
    pub storage_class: crate::types::StorageClass,
    /// Attributes of the copy. Lock, ACL and encryption of the source are not copied.
    pub attributes: VersionAttributes,
    /// The key of an SSE-C envelope among the attributes.
    pub customer_key: Option<CustomerKey>,
    /// Take the source's tags instead of those in `attributes`.
    pub keeps_tags: bool,
    /// Algorithm of the copy's checksum, if it is to differ from the source's.
    pub checksum: Option<ChecksumAlgorithm>,
    /// Conditions on the target.
    pub precondition: WritePrecondition,
}

/// CreateMultipartUpload.
#[derive(Clone, Debug)]
pub struct CreateUpload {
    /// Target bucket.
    pub bucket: Bucket,
    /// Target key.
    pub key: ObjectKey,
    /// Who asks.
    pub initiator: OwnerId,
    /// Metadata of the object to be.
    pub metadata: ObjectMetadata,
    /// Algorithm and type, if the client names them.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// UploadPart.
#[derive(Clone, Debug)]
pub struct UploadPart {
    /// The upload's bucket.
    pub bucket: Bucket,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// 1..=10,000.
    pub number: u16,
    /// The upload's key, if it is encrypted with a customer's.
    pub customer_key: Option<CustomerKey>,
    /// What the client says about the body.
    pub expected: Expected,
}

/// UploadPartCopy.
#[derive(Clone, Debug)]
pub struct PartCopy {
    /// From where.
    pub source: CopySource,
    /// Which bytes; the whole source if `None`.
    pub range: Option<ByteRange>,
    /// The upload's bucket.
    pub bucket: Bucket,
    /// The upload's key.
    pub key: ObjectKey,
    /// The upload.
    pub upload: UploadId,
    /// 1..=10,000.
    pub number: u16,
    /// The upload's key, if it is encrypted with a customer's.
    pub customer_key: Option<CustomerKey>,
}

/// A part that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPart {
    /// Its ETag.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<ChecksumValue>,
    /// Its time.
    pub modified: Timestamp,
    /// The source's version, for a copy of a versioned source.
    pub source_version: Option<VersionId>,
}

/// CreateBucket.
#[derive(Clone, Debug)]
pub struct CreateBucket {
    /// Its name.
    pub name: BucketName,
    /// Its owner.
    pub owner: OwnerId,
    /// Its location constraint; empty for `us-east-1`.
    pub location: String,
    /// Its versioning state.
    pub versioning: Versioning,
    /// Its first documents.
    pub documents: Documents,
}

impl CreateBucket {
    /// A bucket without versioning, documents and location constraint.
    pub fn new(name: BucketName, owner: OwnerId) -> Self {
        let (versioning, documents) = (Versioning::default(), Documents::default());
        Self { name, owner, location: String::new(), versioning, documents }
    }
}
