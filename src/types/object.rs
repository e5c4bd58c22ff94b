//! Objects, parts and uploads as facts: what is stored beside the bytes, and what listings return.

use crate::types::{
    Bucket, ChecksumAlgorithm, ChecksumType, ChecksumValue, ETag, ObjectChecksum, ObjectKey, OwnerId, Timestamp,
    UploadId, VersionAttributes, VersionId,
};

/// A storage class that clients may name. All of them are served by the same disks; the name is kept and
/// echoed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StorageClass {
    /// `STANDARD`.
    #[default]
    Standard,
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `STANDARD_IA`.
    StandardIa,
    /// `ONEZONE_IA`.
    OneZoneIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
    /// `GLACIER_IR`.
    GlacierIr,
    /// `EXPRESS_ONEZONE`.
    ExpressOneZone,
}

impl StorageClass {
    /// All classes that are accepted. `GLACIER`, `DEEP_ARCHIVE`, `SNOW` and `OUTPOSTS` are not: their
    /// objects could not be read at once, and here they could.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::ReducedRedundancy,
        Self::StandardIa,
        Self::OneZoneIa,
        Self::IntelligentTiering,
        Self::GlacierIr,
        Self::ExpressOneZone,
    ];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::OneZoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierIr => "GLACIER_IR",
            Self::ExpressOneZone => "EXPRESS_ONEZONE",
        }
    }

    /// The class behind an API name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// The content headers that are stored with an object and returned as they were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentHeaders {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding` without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Expires`, as text.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect: Option<String>,
}

/// User metadata: lower-case names without `x-amz-meta-`, and UTF-8 values, in the order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMetadata(pub Vec<(String, String)>);

/// What a client says about an object beside its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectMetadata {
    /// Content headers.
    pub content: ContentHeaders,
    /// User metadata.
    pub user: UserMetadata,
    /// Storage class.
    pub storage_class: StorageClass,
    /// What may change later, while the bytes stay.
    pub attributes: VersionAttributes,
}

/// One stored version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectVersion {
    /// Its key.
    pub key: ObjectKey,
    /// Its version.
    pub version: VersionId,
    /// Whether it is the newest version of its key.
    pub is_latest: bool,
    /// Whether it is a delete marker: then it has no body.
    pub is_delete_marker: bool,
    /// Body length in bytes.
    pub size: u64,
    /// ETag of the body.
    pub etag: ETag,
    /// When it was committed.
    pub modified: Timestamp,
    /// Its checksum. Absent only on delete markers and on copies of parts without one.
    pub checksum: Option<ObjectChecksum>,
    /// SHA-256 of the body, if it was written in one piece.
    pub sha256: Option<[u8; 32]>,
    /// What the client said about it.
    pub metadata: ObjectMetadata,
}

/// A page of ListObjects or ListObjectsV2 as it is asked for. Keys are raw; encoding is the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys with this prefix.
    pub prefix: String,
    /// Fold keys that share the text up to this delimiter after the prefix; empty for none.
    pub delimiter: String,
    /// Only keys (and common prefixes) after this text, in binary order.
    pub after: String,
    /// Most keys plus common prefixes to return; at most `PAGE_MAX`.
    pub max_keys: u32,
}

/// One key in a listing: its newest version, if that is no delete marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// The key.
    pub key: String,
    /// Body length in bytes.
    pub size: u64,
    /// ETag of the body.
    pub etag: ETag,
    /// When it was committed.
    pub modified: Timestamp,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Algorithm and type of the stored checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Whose it is; `None` if it is the bucket owner's.
    pub owner: Option<OwnerId>,
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyListing {
    /// Keys in binary order.
    pub objects: Vec<ListedObject>,
    /// Common prefixes in binary order.
    pub prefixes: Vec<String>,
    /// If more follows: the text to pass as `after` for the next page (the last key or prefix returned).
    pub next_after: Option<String>,
}

/// A page of ListObjectVersions as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionListQuery {
    /// Only keys with this prefix.
    pub prefix: String,
    /// As in `ListQuery`.
    pub delimiter: String,
    /// Only keys after this one; with `version_marker`, also versions of this key older than that one.
    pub key_marker: String,
    /// See `key_marker`; ignored when `key_marker` is empty.
    pub version_marker: Option<VersionId>,
    /// Most versions plus common prefixes to return; at most `PAGE_MAX`.
    pub max_keys: u32,
}

/// One version or delete marker in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedVersion {
    /// Key, size, ETag, time, storage class and checksum; size and ETag mean nothing for a delete marker.
    pub object: ListedObject,
    /// Its version.
    pub version: VersionId,
    /// Whether it is the newest version of its key.
    pub is_latest: bool,
    /// Whether it is a delete marker.
    pub is_delete_marker: bool,
}

/// A page of ListObjectVersions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionListing {
    /// Versions by key in binary order, the newest first within a key.
    pub versions: Vec<ListedVersion>,
    /// Common prefixes in binary order.
    pub prefixes: Vec<String>,
    /// If more follows: key marker and version marker of the next page.
    pub next: Option<(String, Option<VersionId>)>,
}

/// A page of ListMultipartUploads as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadListQuery {
    /// Only keys with this prefix.
    pub prefix: String,
    /// As in `ListQuery`.
    pub delimiter: String,
    /// Only keys after this one; with `upload_marker`, also uploads of this key after that id.
    pub key_marker: String,
    /// See `key_marker`; ignored when `key_marker` is empty.
    pub upload_marker: Option<UploadId>,
    /// Most uploads plus common prefixes to return; at most `PAGE_MAX`.
    pub max_uploads: u32,
}

/// An unfinished multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key that it will become.
    pub key: ObjectKey,
    /// Its id.
    pub upload: UploadId,
    /// When it was created.
    pub initiated: Timestamp,
    /// Who created it.
    pub initiator: OwnerId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Algorithm and type that its creator asked for.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Whose the object will be; `None` if it will be the bucket owner's.
    pub owner: Option<OwnerId>,
}

/// A page of ListMultipartUploads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadListing {
    /// Uploads by key, then by id (which sorts by initiation).
    pub uploads: Vec<ListedUpload>,
    /// Common prefixes in binary order.
    pub prefixes: Vec<String>,
    /// If more follows: key marker and upload marker of the next page.
    pub next: Option<(String, Option<UploadId>)>,
}

/// One part of an upload or of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// 1..=10,000.
    pub number: u16,
    /// Length in bytes.
    pub size: u64,
    /// MD5 of the part.
    pub md5: [u8; 16],
    /// The part's checksum, in the upload's algorithm.
    pub checksum: Option<ChecksumValue>,
    /// When it was committed.
    pub modified: Timestamp,
}

/// A page of ListParts, with the facts of its upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartListing {
    /// The upload.
    pub upload: ListedUpload,
    /// Parts by number.
    pub parts: Vec<ListedPart>,
    /// If more follows: the last number returned.
    pub next_after: Option<u16>,
}

/// A page of ListBuckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketListing {
    /// Buckets by name.
    pub buckets: Vec<Bucket>,
    /// If more follows: the last name returned.
    pub next_after: Option<String>,
}
