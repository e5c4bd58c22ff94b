//! Parts: uploaded, copied, aborted.

use std::sync::Arc;

use super::{House, Pieces, bytes, hash, md5, name, read};
use crate::engine::{
    Checksumming, ClaimedPart, CompletionClaim, CopySource, CreateUpload, EngineError, Expected, PartCopy, UploadPart,
    WrittenPart,
};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, PART_BYTES_MIN};
use crate::rules::{ReadPrecondition, Versioning};
use crate::types::{
    ByteRange, ChecksumAlgorithm, ChecksumType, ETag, ObjectMetadata, OwnerId, UploadId, UploadListQuery,
};

#[tokio::test]
async fn an_upload_with_a_type_that_its_algorithm_lacks_is_refused() {
    let house = House::new().await;
    let request = CreateUpload {
        bucket: house.bucket.clone(),
        key: name("big"),
        initiator: OwnerId("o".repeat(64)),
        metadata: ObjectMetadata::default(),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::FullObject)),
    };
    assert!(matches!(house.engine.create_upload(request).await, Err(EngineError::ChecksumRequest(_))));
}

#[tokio::test]
async fn a_part_of_an_unknown_upload_is_refused_and_leaves_nothing() {
    let house = House::new().await;
    let upload = UploadId::new(1, 2);
    let result = house.upload_part(upload, 1, &bytes(BLOCK_BYTES, 1)).await;
    assert!(matches!(result, Err(EngineError::NoSuchUpload)));
    let upload = house.create_upload(None).await.upload;
    for number in [0, 10_001] {
        let result = house.upload_part(upload, number, b"x").await;
        assert!(matches!(result, Err(EngineError::InvalidPart { number: found }) if found == number));
    }
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn a_part_that_arrives_after_the_end_leaves_nothing() {
    let house = Arc::new(House::new().await);
    let upload = house.create_upload(None).await.upload;
    house.faults.hold();
    let part = tokio::spawn({
        let house = house.clone();
        async move { house.upload_part(upload, 1, &bytes(BLOCK_BYTES, 1)).await }
    });
    house.faults.waiting.acquire().await.unwrap().forget();
    house.engine.abort_upload(&house.bucket, &name("big"), upload).await.unwrap();
    house.faults.begin.add_permits(1);
    assert!(matches!(part.await.unwrap(), Err(EngineError::NoSuchUpload)));
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn an_abort_frees_all_parts_and_ends_the_upload() {
    let house = House::new().await;
    let upload = house.create_upload(None).await.upload;
    house.upload_part(upload, 1, &bytes(BLOCK_BYTES, 1)).await.unwrap();
    house.upload_part(upload, 2, &bytes(BLOCK_BYTES, 2)).await.unwrap();
    house.upload_part(upload, 2, &bytes(BLOCK_BYTES, 3)).await.unwrap();
    assert_eq!(house.collect().await.chunks, 1, "the part that was replaced");
    house.engine.abort_upload(&house.bucket, &name("big"), upload).await.unwrap();
    assert_eq!(house.collect().await.chunks, 2);
    assert!(house.has_no_chunks().await);
    let again = house.engine.abort_upload(&house.bucket, &name("big"), upload).await;
    assert!(matches!(again, Err(EngineError::NoSuchUpload)));
}

#[tokio::test]
async fn a_part_stores_the_checksum_of_its_upload_and_of_no_other_algorithm() {
    let house = House::new().await;
    let body = bytes(1000, 1);
    let upload = house.create_upload(Some((ChecksumAlgorithm::Sha1, ChecksumType::Composite))).await.upload;
    let part = house.upload_part(upload, 1, &body).await.unwrap();
    assert_eq!(part.checksum.unwrap(), hash(ChecksumAlgorithm::Sha1, &body));
    let send = async |upload, checksum| {
        let expected = Expected { checksum, ..Expected::default() };
        let request = UploadPart {
            bucket: house.bucket.clone(),
            key: name("big"),
            upload,
            number: 1,
            customer_key: None,
            expected,
        };
        house.engine.upload_part(request, &mut Pieces::of(&body)).await
    };
    let crc32 = Checksumming::Compute(ChecksumAlgorithm::Crc32);
    assert!(matches!(send(upload, crc32.clone()).await, Err(EngineError::ChecksumRequest(_))));
    let unnamed = house.create_upload(None).await.upload;
    assert_eq!(send(unnamed, crc32).await.unwrap().checksum.unwrap(), hash(ChecksumAlgorithm::Crc32, &body));
    let silent = send(unnamed, Checksumming::Default).await.unwrap().checksum.unwrap();
    assert_eq!(silent, hash(ChecksumAlgorithm::Crc64Nvme, &body));
}

#[tokio::test]
async fn uploads_and_parts_are_listed() {
    let house = House::new().await;
    let upload = house.create_upload(None).await;
    house.upload_part(upload.upload, 7, b"seven").await.unwrap();
    let query = UploadListQuery { max_uploads: 10, ..UploadListQuery::default() };
    let uploads = house.engine.list_uploads(&house.bucket, &query).await.unwrap();
    assert_eq!(uploads.uploads, std::slice::from_ref(&upload));
    let parts = house.engine.list_parts(&house.bucket, &name("big"), upload.upload, 0, 10).await.unwrap();
    let found: Vec<_> = parts.parts.iter().map(|part| (part.number, part.size, part.md5)).collect();
    assert_eq!(found, [(7, 5, md5(b"seven"))]);
}

// Copies into parts --------------------------------------------------------------------------------------

async fn copy_part(
    house: &House,
    from: &str,
    range: Option<ByteRange>,
    upload: UploadId,
    number: u16,
) -> Result<WrittenPart, EngineError> {
    let precondition = ReadPrecondition::default();
    let source = CopySource {
        bucket: house.bucket.clone(),
        key: name(from),
        version: None,
        judged: None,
        precondition,
        customer_key: None,
    };
    let request =
        PartCopy { source, range, bucket: house.bucket.clone(), key: name("big"), upload, number, customer_key: None };
    house.engine.upload_part_copy(request).await
}

async fn complete(house: &House, upload: UploadId, parts: &[(u16, ETag)]) -> Result<(), EngineError> {
    let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await?;
    for (number, etag) in parts {
        completion.push(ClaimedPart { number: *number, etag: *etag, checksum: None }).await?;
    }
    completion.finish(CompletionClaim::default()).await.map(drop)
}

#[tokio::test]
async fn a_copied_part_shares_chunks_and_has_the_digests_of_its_bytes() {
    let house = House::new().await;
    let body = bytes(CHUNK_BYTES_MAX as usize * 2 + BLOCK_BYTES, 1);
    house.put("source", &body).await.unwrap();
    let before = house.chunks.sealed();
    let upload = house.create_upload(None).await.upload;
    let (first, last) = (1000, CHUNK_BYTES_MAX + 77_777);
    let ranges = [Some(ByteRange::FromTo(first, last)), None];
    let slices = [&body[first as usize..=last as usize], &body[..]];
    let mut parts = Vec::new();
    for (number, (range, slice)) in (1..).zip(ranges.into_iter().zip(slices)) {
        let part = copy_part(&house, "source", range, upload, number).await.unwrap();
        assert_eq!(part.etag, ETag::single(md5(slice)));
        assert_eq!(part.checksum.unwrap(), hash(ChecksumAlgorithm::Crc64Nvme, slice));
        parts.push((number, part.etag));
    }
    assert_eq!(house.chunks.sealed(), before);
    complete(&house, upload, &parts).await.unwrap();
    house.delete("source", None).await;
    house.collect().await;
    assert!(house.get("big").await.unwrap() == slices.concat());
    house.delete("big", None).await;
    house.collect().await;
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn small_empty_and_mixed_sources_are_written_anew() {
    let house = House::new().await;
    // A multipart object whose last part lies beside its row.
    let first = bytes(PART_BYTES_MIN as usize + 3, 2);
    let upload = house.create_upload(None).await.upload;
    let mut parts = Vec::new();
    for (number, body) in [(1, &first[..]), (2, b"tail")] {
        parts.push((number, house.upload_part(upload, number, body).await.unwrap().etag));
    }
    complete(&house, upload, &parts).await.unwrap();
    let mixed = [&first[..], b"tail"].concat();
    assert!(house.get("big").await.unwrap() == mixed);

    house.put("empty", b"").await.unwrap();
    house.put("small", b"0123456789").await.unwrap();
    let size = mixed.len() as u64;
    let cases = [
        ("empty", None, Vec::new()),
        ("small", None, b"0123456789".to_vec()),
        ("small", Some(ByteRange::FromTo(2, 4)), b"234".to_vec()),
        ("big", Some(ByteRange::FromTo(size - 5_000, size - 1)), mixed[mixed.len() - 5_000..].to_vec()),
        ("big", None, mixed.clone()),
    ];
    for (source, range, slice) in cases {
        let upload = house.create_upload(None).await.upload;
        let part = copy_part(&house, source, range, upload, 1).await.unwrap();
        assert_eq!(part.etag, ETag::single(md5(&slice)), "{source}");
        let listed = house.engine.list_parts(&house.bucket, &name("big"), upload, 0, 1).await.unwrap();
        assert_eq!(listed.parts[0].size, slice.len() as u64);
        house.engine.abort_upload(&house.bucket, &name("big"), upload).await.unwrap();
    }
    let upload = house.create_upload(None).await.upload;
    let part = copy_part(&house, "big", None, upload, 1).await.unwrap();
    complete(&house, upload, &[(1, part.etag)]).await.unwrap();
    assert!(house.get("big").await.unwrap() == mixed);
}

#[tokio::test]
async fn a_part_copy_says_what_is_wrong_with_its_source() {
    let house = House::new().await;
    house.put("source", b"01234").await.unwrap();
    let upload = house.create_upload(None).await.upload;
    let range = Some(ByteRange::FromTo(0, 5));
    let beyond = copy_part(&house, "source", range, upload, 1).await;
    assert!(matches!(beyond, Err(EngineError::InvalidRange { size: 5 })));
    let absent = copy_part(&house, "absent", None, upload, 1).await;
    assert!(matches!(absent, Err(EngineError::NoSuchKey { .. })));
    let ended = copy_part(&house, "source", None, UploadId::new(0, 0), 1).await;
    assert!(matches!(ended, Err(EngineError::NoSuchUpload)));
}

#[tokio::test]
async fn the_version_of_a_copied_source_is_shown_once_versioning_was_on() {
    let house = House::new().await;
    house.put("source", b"x").await.unwrap();
    let upload = house.create_upload(None).await.upload;
    assert_eq!(copy_part(&house, "source", None, upload, 1).await.unwrap().source_version, None);
    house.meta.set_versioning(house.bucket.id, Versioning::Enabled).await.unwrap();
    let version = house.put("source", b"y").await.unwrap().version;
    assert!(version.is_some());
    assert_eq!(copy_part(&house, "source", None, upload, 1).await.unwrap().source_version, version);
}

#[tokio::test]
async fn a_get_of_a_multipart_object_reads_across_its_parts() {
    let house = House::new().await;
    let upload = house.create_upload(None).await.upload;
    let bodies = [bytes(PART_BYTES_MIN as usize, 1), bytes(PART_BYTES_MIN as usize + 1, 2), bytes(3, 3)];
    let mut parts = Vec::new();
    for (number, body) in [5, 9, 10_000].into_iter().zip(&bodies) {
        parts.push((number, house.upload_part(upload, number, body).await.unwrap().etag));
    }
    complete(&house, upload, &parts).await.unwrap();
    let whole = bodies.concat();
    assert!(house.get("big").await.unwrap() == whole);
    let range = ByteRange::FromTo(PART_BYTES_MIN - 10, PART_BYTES_MIN + 10).resolve(whole.len() as u64).unwrap();
    let slice = read(house.open("big").await.unwrap(), Some(range)).await.unwrap();
    assert!(slice == whole[range.start as usize..range.end() as usize]);
}
