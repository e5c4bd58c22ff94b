//! Validated words of the domain: what a name, an id, a range, a checksum or a point in time may be.
//!
//! A value of one of these types is valid by construction; parsing is the only way in. Knows nothing of
//! sockets, files, SQL or HTTP beyond the text forms of its own words.

pub mod attribute;
pub mod bucket;
pub mod checksum;
pub mod deadline;
mod document;
pub mod escaped;
pub mod etag;
pub mod event;
pub mod id;
pub mod key;
pub mod object;
pub mod ownership;
pub mod range;
pub mod rate;
pub mod time;

pub use attribute::{
    Acl, AclPermission, AttributeChange, Grant, Grantee, Retention, RetentionMode, Tags, VersionAttributes,
};
pub use bucket::{Bucket, BucketName};
pub use checksum::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ObjectChecksum};
pub use deadline::SharedDeadline;
pub use document::{BucketDocument, DocumentKind, Documents};
pub use escaped::{URL_PATH, URL_VALUE};
pub use etag::ETag;
pub use event::{EventBacklog, EventKind, EventRecord, EventSettlement, Origin, QueuedEvent};
pub use id::{BucketId, ChunkId, Epoch, ManifestId, OwnerId, UploadId, VersionId};
pub use key::ObjectKey;
pub use object::{
    BucketListing, ContentHeaders, KeyListing, ListQuery, ListedObject, ListedPart, ListedUpload, ListedVersion,
    ObjectMetadata, ObjectVersion, PartListing, StorageClass, UploadListQuery, UploadListing, UserMetadata,
    VersionListQuery, VersionListing,
};
pub use ownership::ObjectOwnership;
pub use range::{ByteRange, ResolvedRange};
pub use rate::{Rate, RateLimits, SourceRates, Timetable};
pub use time::{Clock, ManualClock, SystemClock, Timestamp, Uptime};
