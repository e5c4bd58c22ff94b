//! Buckets, PUT, GET, DELETE and copies.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::faulty::CommitFault;
use super::{House, NOW, Pieces, bytes, hash, md5, name, read};
use crate::engine::{
    ByteSource, Checksumming, CopyMetadata, CopyObject, CopySource, EngineError, Expected, Mismatch, SourceError,
};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, INLINE_BYTES_MAX};
use crate::rules::{EtagCondition, ReadPrecondition, Versioning, WritePrecondition};
use crate::types::{
    BucketName, ByteRange, ChecksumAlgorithm, ChecksumValue, ETag, ObjectMetadata, StorageClass, UserMetadata,
    VersionAttributes,
};

#[tokio::test]
async fn a_body_of_any_size_is_read_back_whole_and_in_ranges() {
    let house = House::new().await;
    let chunk = CHUNK_BYTES_MAX as usize;
    for size in [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, BLOCK_BYTES, chunk, chunk + BLOCK_BYTES + 17] {
        let body = bytes(size, size as u64);
        let written = house.put("key", &body).await.unwrap();
        assert_eq!((written.size, written.etag), (size as u64, ETag::single(md5(&body))), "{size}");
        assert_eq!(written.checksum.unwrap().value, hash(ChecksumAlgorithm::Crc64Nvme, &body), "{size}");
        assert_eq!(written.modified, NOW);
        assert!(house.get("key").await.unwrap() == body, "{size}");
        let half = ByteRange::From(size as u64 / 2).resolve(size as u64);
        if let Some(range) = half {
            let tail = read(house.open("key").await.unwrap(), Some(range)).await.unwrap();
            assert!(tail == body[range.start as usize..], "{size}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_sender_said_stores_nothing() {
    let house = House::new().await;
    for size in [100, BLOCK_BYTES * 2] {
        let body = bytes(size, 1);
        let crc = ChecksumAlgorithm::Crc32;
        let wrong = ChecksumValue::new(crc, [9; 4]).unwrap();
        let cases = [
            (Expected { length: Some(size as u64 + 1), ..Expected::default() }, Mismatch::Length),
            (Expected { md5: Some([1; 16]), ..Expected::default() }, Mismatch::ContentMd5),
            (Expected { sha256: Some([1; 32]), ..Expected::default() }, Mismatch::PayloadSha256),
            (Expected { checksum: Checksumming::Verify(wrong), ..Expected::default() }, Mismatch::Checksum(crc)),
            (Expected { checksum: Checksumming::Trailer(crc), ..Expected::default() }, Mismatch::Trailer(crc)),
        ];
        for (expected, mismatch) in cases {
            let request = house.put_request("key", expected);
            let result = house.engine.put_object(request, &mut Pieces::of(&body)).await;
            assert!(matches!(result, Err(EngineError::Mismatch(found)) if found == mismatch), "{mismatch:?} {size}");
            assert!(matches!(house.open("key").await, Err(EngineError::NoSuchKey { delete_marker: None })));
            assert!(house.has_no_chunks().await);
        }
    }
}

#[tokio::test]
async fn a_body_that_matches_in_every_way_is_stored_with_its_checksum() {
    let house = House::new().await;
    let body = bytes(BLOCK_BYTES * 2 + 5, 2);
    for algorithm in ChecksumAlgorithm::ALL {
        let value = hash(algorithm, &body);
        let sha256 = hash(ChecksumAlgorithm::Sha256, &body).bytes().try_into().ok();
        let ways =
            [Checksumming::Compute(algorithm), Checksumming::Verify(value.clone()), Checksumming::Trailer(algorithm)];
        for checksum in ways {
            let expected = Expected { length: Some(body.len() as u64), md5: Some(md5(&body)), sha256, checksum };
            let mut source = Pieces::of(&body);
            source.trailer = Some(value.clone());
            let written = house.engine.put_object(house.put_request("key", expected), &mut source).await.unwrap();
            assert_eq!(written.checksum.unwrap().value, value);
        }
    }
}

#[tokio::test]
async fn a_put_that_is_cut_off_leaves_the_old_object() {
    let house = House::new().await;
    house.put("key", b"old").await.unwrap();
    let mut cut = Pieces::cut(&bytes(BLOCK_BYTES * 3, 3));
    let result = house.engine.put_object(house.put_request("key", Expected::default()), &mut cut).await;
    assert!(matches!(result, Err(EngineError::Source(_))));
    assert_eq!(house.get("key").await.unwrap(), b"old");
    assert!(house.has_no_chunks().await);
}

/// A source that must not be asked.
struct Untouched;

impl ByteSource for Untouched {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        panic!("the body was pulled although the request was refused");
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

#[tokio::test]
async fn a_precondition_is_judged_before_the_first_byte_is_pulled() {
    let house = House::new().await;
    let mut request = house.put_request("key", Expected::default());
    request.precondition.if_match = Some(EtagCondition::Any);
    let result = house.engine.put_object(request, &mut Untouched).await;
    assert!(matches!(result, Err(EngineError::NoSuchKey { .. })));
    house.put("key", b"x").await.unwrap();
    let mut request = house.put_request("key", Expected::default());
    request.precondition.if_none_match = Some(EtagCondition::Any);
    let result = house.engine.put_object(request, &mut Untouched).await;
    assert!(matches!(result, Err(EngineError::PreconditionFailed)));
    let request = house.put_request("key", Expected { length: Some(u64::MAX), ..Expected::default() });
    assert!(matches!(house.engine.put_object(request, &mut Untouched).await, Err(EngineError::TooLarge)));
}

#[tokio::test]
async fn of_racing_conditional_puts_one_wins_and_the_others_leave_nothing() {
    let house = Arc::new(House::new().await);
    house.faults.hold();
    let racers = (0..8_u64).map(|seed| {
        let house = house.clone();
        tokio::spawn(async move {
            let mut request = house.put_request("key", Expected::default());
            request.precondition.if_none_match = Some(EtagCondition::Any);
            house.engine.put_object(request, &mut Pieces::of(&bytes(BLOCK_BYTES, seed))).await
        })
    });
    let racers: Vec<_> = racers.collect();
    // All have passed the early judgement before the first commits.
    house.faults.waiting.acquire_many(8).await.unwrap().forget();
    house.faults.begin.add_permits(8);
    let mut winners = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(_) => winners += 1,
            Err(error) => assert!(matches!(error, EngineError::PreconditionFailed), "{error}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(house.chunks.sealed().len(), 1);
}

#[tokio::test]
async fn a_get_that_has_begun_survives_delete_and_collection() {
    let house = House::new().await;
    let body = bytes(CHUNK_BYTES_MAX as usize + BLOCK_BYTES, 4);
    house.put("key", &body).await.unwrap();
    let open = house.open("key").await.unwrap();
    house.delete("key", None).await;
    house.collect().await;
    assert!(read(open, None).await.unwrap() == body);
    assert!(matches!(house.open("key").await, Err(EngineError::NoSuchKey { delete_marker: None })));
    assert_eq!(house.collect().await.chunks, 2);
    assert!(house.has_no_chunks().await);
}

#[tokio::test]
async fn an_overwrite_frees_the_old_body() {
    let house = House::new().await;
    house.put("key", &bytes(BLOCK_BYTES, 5)).await.unwrap();
    let body = bytes(BLOCK_BYTES, 6);
    house.put("key", &body).await.unwrap();
    assert_eq!(house.collect().await.chunks, 1);
    assert!(house.get("key").await.unwrap() == body);
}

#[tokio::test]
async fn delete_markers_hide_a_key_and_cannot_be_read() {
    let house = House::new().await;
    house.meta.set_versioning(house.bucket.id, Versioning::Enabled).await.unwrap();
    let version = house.put("key", b"x").await.unwrap().version;
    let marker = house.delete("key", None).await;
    assert!(marker.delete_marker);
    let open = async |version| house.engine.open_object(&house.bucket, &name("key"), version).await;
    let found = open(None).await.err();
    assert!(matches!(found, Some(EngineError::NoSuchKey { delete_marker }) if delete_marker == marker.version));
    let found = open(marker.version).await.err();
    assert!(matches!(found, Some(EngineError::IsDeleteMarker { version, .. }) if Some(version) == marker.version));
    assert_eq!(read(open(version).await.unwrap(), None).await.unwrap(), b"x");
    house.delete("key", version).await;
    assert!(matches!(open(version).await, Err(EngineError::NoSuchVersion)));
}

#[tokio::test]
async fn buckets_are_created_found_and_removed_when_empty() {
    let house = House::new().await;
    assert_eq!(house.engine.bucket(&house.bucket.name).await.unwrap(), house.bucket);
    let absent = BucketName::parse("absent").unwrap();
    assert!(matches!(house.engine.bucket(&absent).await, Err(EngineError::NoSuchBucket)));
    house.put("key", b"x").await.unwrap();
    assert!(matches!(house.engine.delete_bucket(&house.bucket).await, Err(EngineError::BucketNotEmpty)));
    house.delete("key", None).await;
    house.engine.delete_bucket(&house.bucket).await.unwrap();
    assert!(matches!(house.engine.bucket(&house.bucket.name).await, Err(EngineError::NoSuchBucket)));
    let late = house.put("key", &bytes(BLOCK_BYTES, 1)).await;
    assert!(matches!(late, Err(EngineError::NoSuchBucket)));
    assert!(house.has_no_chunks().await);
}

// Commits ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_refused_commit_leaves_no_chunk_and_a_clean_epoch() {
    let house = House::new().await;
    house.faults.set(Some(CommitFault::Full));
    let result = house.put("key", &bytes(BLOCK_BYTES, 7)).await;
    assert!(result.is_err_and(|error| error.is_full()));
    assert!(house.has_no_chunks().await);
    assert!(house.engine.shutdown(house.epoch).await.unwrap());
}

#[tokio::test]
async fn a_commit_in_doubt_leaves_its_chunks_to_the_sweep() {
    for (fault, left) in [(CommitFault::RequestLost, 0), (CommitFault::AnswerLost, 1), (CommitFault::Panic, 0)] {
        let house = House::new().await;
        house.faults.set(Some(fault));
        assert!(house.put("key", &bytes(BLOCK_BYTES, 8)).await.is_err());
        assert_eq!(house.chunks.sealed().len(), 1, "{fault:?}");
        // The next boot finds the epoch crashed and sweeps it: what was committed stays.
        let boot = house.meta.begin_epoch().await.unwrap();
        assert_eq!(boot.crashed, [house.epoch]);
        house.engine.sweep_epoch(house.epoch).await.unwrap();
        assert_eq!(house.chunks.sealed().len(), left, "{fault:?}");
        assert_eq!(house.get("key").await.is_ok(), left == 1);
        assert!(!house.engine.shutdown(boot.epoch).await.unwrap(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_during_its_commit_is_committed_whole() {
    let house = Arc::new(House::new().await);
    house.faults.hold();
    let body = bytes(BLOCK_BYTES, 9);
    let put = tokio::spawn({
        let (house, body) = (house.clone(), body.clone());
        async move { house.put("key", &body).await }
    });
    house.faults.waiting.acquire().await.unwrap().forget();
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    assert_eq!(house.chunks.sealed().len(), 1);
    house.faults.begin.add_permits(1);
    // Nobody waits for the commit any more, but the engine's end does.
    assert!(house.engine.commits.finish().await);
    assert!(house.get("key").await.unwrap() == body);
}

#[tokio::test]
async fn a_put_that_is_dropped_during_a_refused_commit_leaves_nothing() {
    let house = Arc::new(House::new().await);
    house.faults.hold();
    house.faults.set(Some(CommitFault::Full));
    let put = tokio::spawn({
        let house = house.clone();
        async move { house.put("key", &bytes(BLOCK_BYTES, 9)).await }
    });
    house.faults.waiting.acquire().await.unwrap().forget();
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    house.faults.begin.add_permits(1);
    assert!(house.engine.shutdown(house.epoch).await.unwrap());
    assert!(house.has_no_chunks().await);
}

/// A source that makes its reader wait before each piece.
struct Halting(Pieces, bool);

impl ByteSource for Halting {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        self.1 = !self.1;
        if self.1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.0.poll_next(cx)
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

#[tokio::test]
async fn a_put_that_is_dropped_anywhere_is_there_whole_or_leaves_nothing() {
    let body = bytes(BLOCK_BYTES * 2 + 1, 10);
    let (mut outcomes, mut polls_max) = ([0; 2], 1);
    loop {
        let house = House::new().await;
        let request = house.put_request("key", Expected::default());
        let mut source = Halting(Pieces::of(&body), false);
        let mut put = Box::pin(house.engine.put_object(request, &mut source));
        // Polled when it is woken, and dropped at its `polls_max`-th wait.
        let mut polls = 0;
        let ended = poll_fn(|cx| match put.as_mut().poll(cx) {
            Poll::Ready(written) => Poll::Ready(Some(written)),
            Poll::Pending if polls == polls_max => Poll::Ready(None),
            Poll::Pending => {
                polls += 1;
                Poll::Pending
            }
        });
        let ended = ended.await;
        drop(put);
        assert!(house.engine.commits.finish().await, "{polls_max} polls");
        let found = house.get("key").await.ok();
        assert_eq!(house.chunks.sealed().len(), usize::from(found.is_some()), "{polls_max} polls");
        assert_eq!(house.chunks.unsealed(), 0, "{polls_max} polls");
        assert!(found.as_ref().is_none_or(|found| *found == body), "{polls_max} polls");
        outcomes[usize::from(found.is_some())] += 1;
        if ended.is_some() {
            break;
        }
        polls_max += 1;
    }
    assert!(outcomes[0] > 0 && outcomes[1] > 0, "{outcomes:?}");
}

// Copies -------------------------------------------------------------------------------------------------

pub(super) fn copy_request(house: &House, from: &str, to: &str) -> CopyObject {
    CopyObject {
        attributes: VersionAttributes::default(),
        customer_key: None,
        keeps_tags: true,
        source: CopySource {
            bucket: house.bucket.clone(),
            key: name(from),
            version: None,
            judged: None,
            precondition: ReadPrecondition::default(),
            customer_key: None,
        },
        bucket: house.bucket.clone(),
        key: name(to),
        metadata: CopyMetadata::Copy,
        storage_class: StorageClass::Standard,
        checksum: None,
        precondition: WritePrecondition::default(),
    }
}

#[tokio::test]
async fn a_copy_moves_no_data_and_outlives_its_source() {
    let house = House::new().await;
    for size in [0, 100, BLOCK_BYTES * 2] {
        let body = bytes(size, 11);
        let source = house.put("source", &body).await.unwrap();
        let before = house.chunks.sealed();
        let (copy, source_version) = house.engine.copy_object(copy_request(&house, "source", "copy")).await.unwrap();
        assert_eq!((copy.etag, copy.checksum, copy.size), (source.etag, source.checksum, source.size));
        assert_eq!(source_version, None);
        assert_eq!(house.chunks.sealed(), before);
        house.delete("source", None).await;
        house.collect().await;
        assert!(house.get("copy").await.unwrap() == body);
        house.delete("copy", None).await;
        house.collect().await;
        assert!(house.has_no_chunks().await);
    }
}

#[tokio::test]
async fn a_copy_can_get_any_checksum_of_the_whole_body() {
    let house = House::new().await;
    let body = bytes(BLOCK_BYTES * 2 + 9, 12);
    house.put("source", &body).await.unwrap();
    for algorithm in ChecksumAlgorithm::ALL {
        let mut request = copy_request(&house, "source", "copy");
        request.checksum = Some(algorithm);
        let (copy, _) = house.engine.copy_object(request).await.unwrap();
        assert_eq!(copy.checksum.unwrap().value, hash(algorithm, &body));
    }
    assert_eq!(house.chunks.sealed().len(), 1);
}

#[tokio::test]
async fn a_copy_of_another_version_than_the_judged_one_is_refused() {
    let house = House::new().await;
    house.put("source", b"judged").await.unwrap();
    let mut request = copy_request(&house, "source", "copy");
    request.source.judged = Some(house.open("source").await.unwrap().order());
    house.engine.copy_object(request.clone()).await.unwrap();
    // The same bytes under the same name, and still another version.
    house.put("source", b"judged").await.unwrap();
    assert!(matches!(house.engine.copy_object(request).await, Err(EngineError::Conflict)));
}

#[tokio::test]
async fn a_copy_takes_or_replaces_metadata_but_never_the_redirect_or_class() {
    let house = House::new().await;
    let mut request = house.put_request("source", Expected::default());
    request.metadata.content.content_type = Some("text/plain".to_owned());
    request.metadata.content.website_redirect = Some("/elsewhere".to_owned());
    request.metadata.user = UserMetadata(vec![("mtime".to_owned(), "1".to_owned())]);
    request.metadata.storage_class = StorageClass::GlacierIr;
    house.engine.put_object(request.clone(), &mut Pieces::of(b"x")).await.unwrap();
    house.engine.copy_object(copy_request(&house, "source", "copy")).await.unwrap();
    let copied = house.open("copy").await.unwrap().version().metadata.clone();
    let mut expected = request.metadata;
    expected.content.website_redirect = None;
    expected.storage_class = StorageClass::Standard;
    assert_eq!(copied, expected);
    let mut replace = copy_request(&house, "source", "source");
    replace.metadata = CopyMetadata::Replace(Box::default());
    house.engine.copy_object(replace).await.unwrap();
    assert_eq!(house.open("source").await.unwrap().version().metadata, ObjectMetadata::default());
}

#[tokio::test]
async fn conditions_on_source_and_target_of_a_copy_are_judged() {
    let house = House::new().await;
    house.put("source", b"x").await.unwrap();
    let refused = async |request| {
        let result = house.engine.copy_object(request).await;
        assert!(matches!(result, Err(EngineError::PreconditionFailed)));
    };
    let mut request = copy_request(&house, "source", "copy");
    request.source.precondition.if_match = Some(EtagCondition::List(vec!["0".to_owned()]));
    refused(request).await;
    let mut request = copy_request(&house, "source", "copy");
    request.source.precondition.if_none_match = Some(EtagCondition::Any);
    refused(request).await;
    let mut request = copy_request(&house, "source", "source");
    request.precondition.if_none_match = Some(EtagCondition::Any);
    refused(request).await;
    let absent = house.engine.copy_object(copy_request(&house, "absent", "copy")).await;
    assert!(matches!(absent, Err(EngineError::NoSuchKey { delete_marker: None })));
}
