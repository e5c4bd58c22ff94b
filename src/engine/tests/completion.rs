//! CompleteMultipartUpload: what its list may say, and what becomes of it.

use std::sync::Arc;

use super::{House, Pieces, bytes, hash, md5, name};
use crate::digest::ChecksumHasher;
use crate::engine::{Checksumming, ClaimedPart, CompletionClaim, EngineError, Expected, Mismatch, UploadPart, Written};
use crate::limits::{COMPLETE_STEP, PART_BYTES_MIN, PART_NUMBER_MAX};
use crate::meta::{CommitPart, NewBody};
use crate::rules::{EtagCondition, WritePrecondition};
use crate::types::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ETag, ObjectChecksum, UploadId};

fn claimed(number: u16, body: &[u8]) -> ClaimedPart {
    ClaimedPart { number, etag: ETag::single(md5(body)), checksum: None }
}

async fn complete(
    house: &House,
    upload: UploadId,
    list: impl IntoIterator<Item = ClaimedPart>,
    claim: CompletionClaim,
) -> Result<Written, EngineError> {
    let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await?;
    for part in list {
        completion.push(part).await?;
    }
    completion.finish(claim).await
}

/// An upload with parts 2, 4 and 6 of 5 MiB, 5 MiB and 9 bytes.
async fn uploaded(
    house: &House,
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
) -> (UploadId, [(u16, Vec<u8>); 3]) {
    let upload = house.create_upload(checksum).await.upload;
    let large = PART_BYTES_MIN as usize;
    let parts = [(2, bytes(large, 2)), (4, bytes(large, 4)), (6, bytes(9, 6))];
    for (number, body) in &parts {
        house.upload_part(upload, *number, body).await.unwrap();
    }
    (upload, parts)
}

#[tokio::test]
async fn a_list_that_is_not_what_was_stored_is_refused_and_the_upload_stays_open() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let [two, four, six] = parts.map(|(number, body)| claimed(number, &body));
    let number = |part: &ClaimedPart, number| ClaimedPart { number, ..part.clone() };
    let crc = ChecksumValue::new(ChecksumAlgorithm::Crc64Nvme, [0; 8]);
    let multipart = ETag { parts: Some(1), ..two.etag };
    let invalid = [
        (vec![number(&two, 1)], 1),
        (vec![two.clone(), number(&four, 3)], 3),
        (vec![two.clone(), number(&six, 7)], 7),
        (vec![number(&two, 0)], 0),
        (vec![number(&two, PART_NUMBER_MAX + 1)], PART_NUMBER_MAX + 1),
        (vec![ClaimedPart { etag: four.etag, ..two.clone() }], 2),
        (vec![ClaimedPart { etag: multipart, ..two.clone() }], 2),
        (vec![ClaimedPart { checksum: crc, ..two.clone() }], 2),
    ];
    for (list, expected) in invalid {
        let result = complete(&house, upload, list, CompletionClaim::default()).await;
        assert!(matches!(result, Err(EngineError::InvalidPart { number }) if number == expected), "{expected}");
    }
    for list in [vec![four.clone(), two.clone()], vec![two.clone(), two.clone()]] {
        let result = complete(&house, upload, list, CompletionClaim::default()).await;
        assert!(matches!(result, Err(EngineError::InvalidPartOrder)));
    }
    let result = complete(&house, upload, [], CompletionClaim::default()).await;
    assert!(matches!(result, Err(EngineError::NoParts)));
    complete(&house, upload, [two, four, six], CompletionClaim::default()).await.unwrap();
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let house = House::new().await;
    let upload = house.create_upload(None).await.upload;
    let small = bytes(PART_BYTES_MIN as usize - 1, 1);
    house.upload_part(upload, 1, &small).await.unwrap();
    house.upload_part(upload, 2, b"x").await.unwrap();
    let list = [claimed(1, &small), claimed(2, b"x")];
    match complete(&house, upload, list, CompletionClaim::default()).await {
        Err(EngineError::PartTooSmall { number: 1, size, md5: found }) => {
            assert_eq!((size, found), (small.len() as u64, md5(&small)));
        }
        other => panic!("{other:?}"),
    }
    complete(&house, upload, [claimed(1, &small)], CompletionClaim::default()).await.unwrap();
    assert!(house.get("big").await.unwrap() == small);
}

#[tokio::test]
async fn parts_that_the_list_leaves_out_are_freed() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let [two, _, six] = &parts;
    let list = [claimed(2, &two.1), claimed(6, &six.1)];
    let written = complete(&house, upload, list, CompletionClaim::default()).await.unwrap();
    let whole = [&two.1[..], &six.1[..]].concat();
    let etag = ETag { md5: md5(&[md5(&two.1), md5(&six.1)].concat()), parts: Some(2) };
    assert_eq!((written.size, written.etag), (whole.len() as u64, etag));
    assert_eq!(house.collect().await.chunks, 1);
    assert!(house.get("big").await.unwrap() == whole);
}

#[tokio::test]
async fn the_object_gets_the_checksum_that_its_upload_asked_for() {
    let kinds = ChecksumAlgorithm::ALL
        .into_iter()
        .flat_map(|algorithm| [(algorithm, ChecksumType::Composite), (algorithm, ChecksumType::FullObject)]);
    let allowed = kinds.filter(|(algorithm, kind)| match kind {
        ChecksumType::FullObject => algorithm.combines(),
        ChecksumType::Composite => *algorithm != ChecksumAlgorithm::Crc64Nvme,
    });
    for choice in allowed.map(Some).chain([None]) {
        let house = House::new().await;
        let (upload, parts) = uploaded(&house, choice).await;
        let (algorithm, kind) = choice.unwrap_or((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
        let values = parts.each_ref().map(|(_, body)| hash(algorithm, body));
        let expected = match kind {
            ChecksumType::FullObject => {
                ObjectChecksum::full(hash(algorithm, &parts.each_ref().map(|(_, body)| &body[..]).concat()))
            }
            ChecksumType::Composite => {
                let mut hasher = ChecksumHasher::new(algorithm);
                values.iter().for_each(|value| hasher.update(value.bytes()));
                ObjectChecksum { value: hasher.finish(), kind, parts: Some(3) }
            }
        };
        let list = || {
            let parts = parts.iter().zip(values.clone());
            parts.map(|((number, body), value)| ClaimedPart { checksum: Some(value), ..claimed(*number, body) })
        };
        let claim = |value: &ChecksumValue, kind| CompletionClaim {
            checksum: Some(value.clone()),
            checksum_type: Some(kind),
            ..CompletionClaim::default()
        };
        let wrong = ChecksumValue::new(algorithm, vec![7; algorithm.value_bytes()]).unwrap();
        let result = complete(&house, upload, list(), claim(&wrong, kind)).await;
        let mismatch = Mismatch::Checksum(algorithm);
        assert!(matches!(result, Err(EngineError::Mismatch(found)) if found == mismatch), "{choice:?}");
        let other = match kind {
            ChecksumType::FullObject => ChecksumType::Composite,
            ChecksumType::Composite => ChecksumType::FullObject,
        };
        let result = complete(&house, upload, list(), claim(&expected.value, other)).await;
        assert!(matches!(result, Err(EngineError::ChecksumRequest(_))), "{choice:?}");
        let written = complete(&house, upload, list(), claim(&expected.value, kind)).await.unwrap();
        assert_eq!(written.checksum, Some(expected.clone()), "{choice:?}");
        assert_eq!(house.open("big").await.unwrap().version().checksum, Some(expected));
    }
}

#[tokio::test]
async fn an_upload_that_names_no_algorithm_follows_its_parts() {
    let body = bytes(PART_BYTES_MIN as usize, 1);
    let crc32 = ChecksumAlgorithm::Crc32;
    let sha256 = ChecksumAlgorithm::Sha256;
    let full = ObjectChecksum::full(hash(crc32, &body.repeat(2)));
    let composite = {
        let values = hash(sha256, &body).bytes().repeat(2);
        ObjectChecksum { value: hash(sha256, &values), kind: ChecksumType::Composite, parts: Some(2) }
    };
    for (algorithms, expected) in [([crc32; 2], Some(full)), ([sha256; 2], Some(composite)), ([crc32, sha256], None)] {
        let house = House::new().await;
        let upload = house.create_upload(None).await.upload;
        for (number, algorithm) in (1..).zip(algorithms) {
            let expected = Expected { checksum: Checksumming::Compute(algorithm), ..Expected::default() };
            let request = UploadPart {
                bucket: house.bucket.clone(),
                key: name("big"),
                upload,
                number,
                customer_key: None,
                expected,
            };
            house.engine.upload_part(request, &mut Pieces::of(&body)).await.unwrap();
        }
        let list = [claimed(1, &body), claimed(2, &body)];
        let written = complete(&house, upload, list, CompletionClaim::default()).await.unwrap();
        assert_eq!(written.checksum, expected, "{algorithms:?}");
    }
}

#[tokio::test]
async fn claims_about_the_object_are_checked() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let list = || parts.iter().map(|(number, body)| claimed(*number, body));
    let size = 2 * PART_BYTES_MIN + 9;
    let wrong = CompletionClaim { size: Some(size + 1), ..CompletionClaim::default() };
    let result = complete(&house, upload, list(), wrong).await;
    assert!(matches!(result, Err(EngineError::ObjectSizeMismatch { actual }) if actual == size));
    let foreign = ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]);
    let foreign = CompletionClaim { checksum: foreign, ..CompletionClaim::default() };
    let result = complete(&house, upload, list(), foreign).await;
    assert!(matches!(result, Err(EngineError::ChecksumRequest(_))));
    let if_match = WritePrecondition { if_match: Some(EtagCondition::Any), if_none_match: None };
    let conditional = CompletionClaim { precondition: if_match, ..CompletionClaim::default() };
    let result = complete(&house, upload, list(), conditional).await;
    assert!(matches!(result, Err(EngineError::NoSuchKey { .. })));
    let right = CompletionClaim { size: Some(size), ..CompletionClaim::default() };
    complete(&house, upload, list(), right).await.unwrap();
}

#[tokio::test]
async fn a_repeated_completion_gets_the_same_answer() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let list = || parts.iter().map(|(number, body)| claimed(*number, body));
    let first = complete(&house, upload, list(), CompletionClaim::default()).await.unwrap();
    house.put("big", b"overwritten").await.unwrap();
    let second = complete(&house, upload, list(), CompletionClaim::default()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(house.get("big").await.unwrap(), b"overwritten");
    let other = complete(&house, upload, list().take(1), CompletionClaim::default()).await;
    assert!(matches!(other, Err(EngineError::NoSuchUpload)), "another list than the first");
    let completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    assert_eq!(completion.upload(), None);
    assert!(matches!(completion.finish(CompletionClaim::default()).await, Err(EngineError::NoParts)));
}

#[tokio::test]
async fn a_completion_that_another_overtakes_gets_its_answer() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let list = || parts.iter().map(|(number, body)| claimed(*number, body));
    // One is overtaken before its first part is compared, one before it commits.
    let mut early = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    let mut late = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    for part in list() {
        late.push(part).await.unwrap();
    }
    let winner = complete(&house, upload, list(), CompletionClaim::default()).await.unwrap();
    for part in list() {
        early.push(part).await.unwrap();
    }
    assert_eq!(early.finish(CompletionClaim::default()).await.unwrap(), winner);
    assert_eq!(late.finish(CompletionClaim::default()).await.unwrap(), winner);
}

#[tokio::test]
async fn an_aborted_upload_cannot_be_completed() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let list = || parts.iter().map(|(number, body)| claimed(*number, body));
    let mut early = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    let mut late = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    for part in list() {
        late.push(part).await.unwrap();
    }
    house.engine.abort_upload(&house.bucket, &name("big"), upload).await.unwrap();
    assert!(matches!(early.push(list().next().unwrap()).await, Err(EngineError::NoSuchUpload)));
    assert!(matches!(late.finish(CompletionClaim::default()).await, Err(EngineError::NoSuchUpload)));
    let begun = house.engine.begin_completion(&house.bucket, &name("big"), upload).await;
    assert!(matches!(begun.err(), Some(EngineError::NoSuchUpload)));
    assert_eq!(house.collect().await.chunks, 3);
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn a_part_that_changes_under_a_completion_refuses_it() {
    let house = House::new().await;
    let (upload, parts) = uploaded(&house, None).await;
    let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    for (number, body) in &parts {
        completion.push(claimed(*number, body)).await.unwrap();
    }
    house.upload_part(upload, 6, b"another").await.unwrap();
    assert!(matches!(completion.finish(CompletionClaim::default()).await, Err(EngineError::Conflict)));
    assert!(house.open("big").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_complete_and_abort_have_one_winner() {
    for _ in 0..20 {
        let house = Arc::new(House::new().await);
        let upload = house.create_upload(None).await.upload;
        let body = bytes(100_000, 1);
        house.upload_part(upload, 1, &body).await.unwrap();
        let completing = tokio::spawn({
            let (house, part) = (house.clone(), claimed(1, &body));
            async move { complete(&house, upload, [part], CompletionClaim::default()).await }
        });
        let aborting = tokio::spawn({
            let house = house.clone();
            async move { house.engine.abort_upload(&house.bucket, &name("big"), upload).await }
        });
        let (completed, aborted) = (completing.await.unwrap(), aborting.await.unwrap());
        assert_eq!(completed.is_ok(), aborted.is_err(), "{completed:?} {aborted:?}");
        assert_eq!(completed.is_ok(), house.open("big").await.is_ok());
        house.collect().await;
        house.engine.commits.settled().await;
        let expected = if completed.is_ok() { 2 } else { 0 };
        assert_eq!(house.chunks.sealed().len(), expected, "the part and the record, or nothing");
    }
}

#[tokio::test]
async fn a_list_of_many_steps_is_compared_whole() {
    let house = House::new().await;
    let upload = house.create_upload(None).await.upload;
    let count = COMPLETE_STEP as u16 * 2 + 5;
    // Straight into the store, which has no opinion on sizes: parts of 5 MiB that nobody reads would be slow.
    let etag = |number: u16| md5(&number.to_be_bytes());
    for number in 1..=count {
        let part = CommitPart {
            bucket: house.bucket.id,
            key: name("big"),
            upload,
            number: number * 3,
            size: 0,
            md5: etag(number),
            sha256: None,
            checksum: None,
            body: NewBody::Inline(bytes::Bytes::new()),
            now: super::NOW,
        };
        house.meta.commit_part(part).await.unwrap();
    }
    let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
    let part = |number: u16| ClaimedPart { number: number * 3, etag: ETag::single(etag(number)), checksum: None };
    completion.push(part(1)).await.unwrap();
    let small = completion.push(part(2)).await;
    assert!(matches!(small, Err(EngineError::PartTooSmall { number: 3, size: 0, .. })));
    // Each alone, far beyond the first step.
    for number in [COMPLETE_STEP as u16, COMPLETE_STEP as u16 + 1, count] {
        let mut completion = house.engine.begin_completion(&house.bucket, &name("big"), upload).await.unwrap();
        completion.push(part(number)).await.unwrap();
    }
}
