//! Requests as facts need them.

use bytes::Bytes;
use md5::{Digest as _, Md5};

use crate::meta::{
    CommitCopy, CommitDelete, CommitPart, CommitPut, MetaStore, NewBody, NewBucket, NewExtent, NewUpload,
};
use crate::rules::{DeletePrecondition, EtagCondition, WritePrecondition};
use crate::types::{
    Bucket, BucketId, BucketName, ChecksumAlgorithm, ChecksumType, ChecksumValue, ChunkId, ContentHeaders, ETag, Epoch,
    ObjectChecksum, ObjectKey, ObjectMetadata, OwnerId, StorageClass, Tags, Timestamp, UploadId, UserMetadata,
    VersionAttributes, VersionId,
};

/// The time at which everything happens.
pub(super) const NOW: Timestamp = Timestamp(1_700_000_000_123_456);

pub(super) fn owner(name: &str) -> OwnerId {
    OwnerId(name.to_owned())
}

pub(super) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

pub(super) fn new_bucket(name: &str) -> NewBucket {
    NewBucket { location: "eu".to_owned(), ..NewBucket::new(BucketName::parse(name).unwrap(), owner("alice"), NOW) }
}

pub(super) async fn bucket(store: &dyn MetaStore, name: &str) -> Bucket {
    store.create_bucket(new_bucket(name)).await.unwrap()
}

pub(super) fn md5(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

pub(super) fn chunk(number: u64) -> ChunkId {
    ChunkId::new(Epoch(1), number)
}

pub(super) fn sealed(number: u64, length: u64) -> NewExtent {
    NewExtent::Sealed { id: chunk(number), length, seal: u64::MAX - number }
}

pub(super) fn shared(number: u64, chunk_offset: u64, length: u64) -> NewExtent {
    NewExtent::Shared { id: chunk(number), chunk_offset, length }
}

pub(super) fn crc32(value: u8) -> ObjectChecksum {
    ObjectChecksum::full(ChecksumValue::new(ChecksumAlgorithm::Crc32, vec![value; 4]).unwrap())
}

pub(super) fn metadata() -> ObjectMetadata {
    ObjectMetadata {
        content: ContentHeaders { content_type: Some("text/plain".to_owned()), ..ContentHeaders::default() },
        user: UserMetadata(vec![("mtime".to_owned(), "1.5".to_owned()), ("ä".to_owned(), String::new())]),
        storage_class: StorageClass::StandardIa,
        attributes: VersionAttributes {
            tags: Tags(vec![("k".to_owned(), "v".to_owned())]),
            ..VersionAttributes::default()
        },
    }
}

pub(super) fn put_inline(bucket: BucketId, name: &str, data: &[u8]) -> CommitPut {
    put_body(bucket, name, NewBody::Inline(Bytes::copy_from_slice(data)), md5(data))
}

pub(super) fn put_extents(bucket: BucketId, name: &str, extents: &[NewExtent]) -> CommitPut {
    put_body(bucket, name, NewBody::Extents(extents.to_vec()), md5(name.as_bytes()))
}

fn put_body(bucket: BucketId, name: &str, body: NewBody, md5: [u8; 16]) -> CommitPut {
    CommitPut {
        bucket,
        key: key(name),
        precondition: WritePrecondition::default(),
        size: body.length(),
        etag: ETag::single(md5),
        sha256: Some([md5[0]; 32]),
        checksum: Some(crc32(md5[0])),
        metadata: metadata(),
        body,
        now: NOW,
    }
}

pub(super) fn copy(source: (BucketId, &str, u64), target: (BucketId, &str)) -> CommitCopy {
    CommitCopy {
        source_bucket: source.0,
        source_key: key(source.1),
        source_order: source.2,
        bucket: target.0,
        key: key(target.1),
        precondition: WritePrecondition::default(),
        checksum: Some(crc32(9)),
        metadata: ObjectMetadata::default(),
        now: NOW,
    }
}

pub(super) fn delete(bucket: BucketId, name: &str, version: Option<VersionId>) -> CommitDelete {
    CommitDelete {
        bucket,
        key: key(name),
        version,
        precondition: DeletePrecondition::default(),
        bypass_governance: false,
        lock_time: NOW,
        now: NOW,
    }
}

pub(super) fn absent() -> WritePrecondition {
    WritePrecondition { if_match: None, if_none_match: Some(EtagCondition::Any) }
}

pub(super) fn matching(etag: &ETag) -> WritePrecondition {
    WritePrecondition { if_match: Some(EtagCondition::parse(&etag.quoted())), if_none_match: None }
}

pub(super) fn upload_id(number: u64) -> UploadId {
    UploadId::new(number, 7)
}

pub(super) fn new_upload(bucket: BucketId, name: &str, number: u64) -> NewUpload {
    NewUpload {
        bucket,
        key: key(name),
        upload: upload_id(number),
        initiator: owner("bob"),
        metadata: metadata(),
        checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
        now: NOW,
    }
}

/// A part whose MD5 is that of its number and length.
pub(super) fn part(bucket: BucketId, name: &str, upload: u64, number: u16, body: NewBody) -> CommitPart {
    let size = body.length();
    CommitPart {
        bucket,
        key: key(name),
        upload: upload_id(upload),
        number,
        size,
        md5: md5(format!("{number}/{size}").as_bytes()),
        sha256: None,
        checksum: ChecksumValue::new(ChecksumAlgorithm::Crc32, vec![number as u8; 4]),
        body,
        now: NOW,
    }
}

pub(super) fn inline(data: &[u8]) -> NewBody {
    NewBody::Inline(Bytes::copy_from_slice(data))
}
