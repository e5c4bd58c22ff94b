use super::Store;
use super::fixture::{
    NOW, absent, bucket, chunk, copy, crc32, delete, inline, key, matching, md5, metadata, new_upload, part,
    put_inline, sealed, shared, upload_id,
};
use crate::meta::composite::Composite;
use crate::meta::{
    BodyRef, BodySource, CommitPart, CompleteUpload, Extent, MetaError, MetaStore, NewBody, PartSelection,
};
use crate::rules::{Versioning, WritePrecondition};
use crate::types::{BucketId, ETag, ManifestId, ObjectMetadata, Timestamp, VersionId};

/// A completion of parts whose numbers and sizes are given.
pub(super) fn complete(bucket: BucketId, name: &str, upload: u64, parts: &[(u16, u64)]) -> CompleteUpload {
    let mut selection = PartSelection::new();
    let mut composite = Composite::default();
    for (number, size) in parts {
        selection.insert(*number);
        composite.push(&md5(format!("{number}/{size}").as_bytes()), *size);
    }
    let (etag, size, _) = composite.finish();
    CompleteUpload {
        bucket,
        key: key(name),
        upload: upload_id(upload),
        selection,
        etag,
        size,
        checksum: Some(crc32(3)),
        record: Vec::new(),
        precondition: WritePrecondition::default(),
        now: Timestamp(NOW.0 + 77),
    }
}

async fn manifest(store: &dyn MetaStore, bucket: BucketId, name: &str) -> ManifestId {
    match store.version(bucket, &key(name), None).await.unwrap().expect("there is a version").body {
        BodyRef::Manifest(manifest) => manifest,
        other @ (BodyRef::Inline(_) | BodyRef::Empty) => panic!("{other:?}"),
    }
}

async fn add(store: &dyn MetaStore, part: CommitPart) {
    store.commit_part(part).await.unwrap();
}

pub(super) async fn an_upload_is_found_until_it_ends(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let new = new_upload(id, "a", 1);
    store.create_upload(new.clone()).await.unwrap();
    let found = store.upload(id, &key("a"), upload_id(1)).await.unwrap().unwrap();
    assert_eq!((found.upload.key, found.upload.upload), (key("a"), upload_id(1)));
    assert_eq!((found.upload.initiated, found.upload.initiator), (NOW, new.initiator));
    assert_eq!((found.upload.checksum, found.upload.storage_class), (new.checksum, metadata().storage_class));
    assert_eq!(found.metadata, metadata());
    for (bucket, name, upload) in [(id, "b", 1), (id, "a", 2), (BucketId(99), "a", 1)] {
        assert_eq!(store.upload(bucket, &key(name), upload_id(upload)).await.unwrap(), None);
        let refused = store.commit_part(part(bucket, name, upload, 1, inline(b"x"))).await;
        assert!(matches!(refused, Err(MetaError::NoSuchUpload)));
        let refused = store.abort_upload(bucket, &key(name), upload_id(upload)).await;
        assert!(matches!(refused, Err(MetaError::NoSuchUpload)));
        let refused = store.list_parts(bucket, &key(name), upload_id(upload), 0, 10).await;
        assert!(matches!(refused, Err(MetaError::NoSuchUpload)));
        let refused = store.complete_upload(complete(bucket, name, upload, &[(1, 1)])).await;
        assert!(matches!(refused, Err(MetaError::NoSuchUpload)));
    }
    store.abort_upload(id, &key("a"), upload_id(1)).await.unwrap();
    assert_eq!(store.upload(id, &key("a"), upload_id(1)).await.unwrap(), None);
    assert_eq!(store.completed_upload(id, &key("a"), upload_id(1)).await.unwrap(), None);
}

pub(super) async fn parts_are_listed_and_replaced_by_number(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    for number in [10_000, 2, 1] {
        add(store, part(id, "a", 1, number, inline(&vec![1; usize::from(number % 7)]))).await;
    }
    let list = async |after, max| {
        let page = store.list_parts(id, &key("a"), upload_id(1), after, max).await.unwrap();
        assert_eq!(page.upload.upload, upload_id(1));
        (page.parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), page.next_after)
    };
    assert_eq!(list(0, 10).await, (vec![(1, 1), (2, 2), (10_000, 4)], None));
    assert_eq!(list(0, 2).await, (vec![(1, 1), (2, 2)], Some(2)));
    assert_eq!(list(2, 2).await, (vec![(10_000, 4)], None));
    assert_eq!(list(0, 0).await, (vec![], None));
    // Inline by chunks, chunks by inline, chunks by themselves.
    add(store, part(id, "a", 1, 1, NewBody::Extents(vec![sealed(1, 9)]))).await;
    add(store, part(id, "a", 1, 1, NewBody::Extents(vec![shared(1, 0, 9), shared(1, 3, 2)]))).await;
    add(store, part(id, "a", 1, 2, NewBody::Extents(vec![sealed(2, 9)]))).await;
    add(store, part(id, "a", 1, 2, inline(b"xyz"))).await;
    assert_eq!(list(0, 10).await.0, [(1, 11), (2, 3), (10_000, 4)]);
    let listed = store.list_parts(id, &key("a"), upload_id(1), 0, 1).await.unwrap().parts.remove(0);
    let sent = part(id, "a", 1, 1, NewBody::Extents(vec![shared(1, 0, 9), shared(1, 3, 2)]));
    assert_eq!((listed.md5, listed.checksum, listed.modified), (sent.md5, sent.checksum, NOW));
    assert_eq!(store.garbage_manifests(10).await.unwrap().len(), 2, "the bodies that were replaced");
    let refused = store.commit_part(part(id, "a", 1, 3, NewBody::Extents(vec![sealed(3, 1), shared(9, 0, 1)]))).await;
    assert!(matches!(refused, Err(MetaError::SourceChanged)));
}

pub(super) async fn a_completed_upload_becomes_an_object_that_keeps_its_parts(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_inline(id, "a", b"before")).await.unwrap();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 1, NewBody::Extents(vec![sealed(1, 6)]))).await;
    add(store, part(id, "a", 1, 2, NewBody::Extents(vec![sealed(2, 5)]))).await;
    add(store, part(id, "a", 1, 3, inline(b"dropped"))).await;
    add(store, part(id, "a", 1, 7, inline(b"end"))).await;
    let request = complete(id, "a", 1, &[(1, 6), (7, 3)]);
    let outcome = store.complete_upload(request.clone()).await.unwrap();
    assert_eq!((outcome.version, outcome.shows_version), (VersionId::Null, false));
    assert_eq!((outcome.etag, outcome.size, outcome.modified), (request.etag, 9, request.now));
    assert_eq!(outcome.etag.parts, Some(2));
    let stored = store.version(id, &key("a"), None).await.unwrap().unwrap().version;
    assert_eq!((stored.etag, stored.size, stored.modified), (request.etag, 9, request.now));
    assert_eq!((stored.checksum, stored.sha256, stored.metadata), (request.checksum.clone(), None, metadata()));

    let made = manifest(store, id, "a").await;
    let parts = store.manifest_parts(made, 0, 10).await.unwrap();
    let facts: Vec<_> = parts.iter().map(|stored| (stored.part.number, stored.offset, stored.part.size)).collect();
    assert_eq!(facts, [(1, 0, 6), (7, 6, 3)]);
    assert_eq!(store.manifest_parts(made, 1, 10).await.unwrap(), parts[1..]);
    assert_eq!(store.manifest_parts(made, 0, 1).await.unwrap(), parts[..1]);

    assert_eq!(store.upload(id, &key("a"), upload_id(1)).await.unwrap(), None);
    assert!(matches!(store.complete_upload(request).await, Err(MetaError::NoSuchUpload)));
    let remembered = store.completed_upload(id, &key("a"), upload_id(1)).await.unwrap().unwrap();
    assert_eq!(remembered.outcome, outcome);
    assert_eq!(store.completed_upload(id, &key("b"), upload_id(1)).await.unwrap(), None);

    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    store.create_upload(new_upload(id, "a", 2)).await.unwrap();
    add(store, part(id, "a", 2, 1, inline(b"x"))).await;
    let outcome = store.complete_upload(complete(id, "a", 2, &[(1, 1)])).await.unwrap();
    assert!(outcome.shows_version && outcome.version != VersionId::Null);
    let remembered = store.completed_upload(id, &key("a"), upload_id(2)).await.unwrap().unwrap();
    assert_eq!(remembered.outcome, outcome);
}

pub(super) async fn extents_of_parts_are_found_from_any_byte(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 1, inline(b""))).await;
    add(store, part(id, "a", 1, 2, NewBody::Extents(vec![sealed(1, 4), sealed(2, 6)]))).await;
    add(store, part(id, "a", 1, 3, inline(b""))).await;
    add(store, part(id, "a", 1, 5, inline(b"xyz"))).await;
    add(store, part(id, "a", 1, 6, NewBody::Extents(vec![shared(2, 1, 2)]))).await;
    add(store, part(id, "a", 1, 9, inline(b""))).await;
    let open = store.upload(id, &key("a"), upload_id(1)).await.unwrap();
    assert!(open.is_some());
    let request = complete(id, "a", 1, &[(1, 0), (2, 10), (3, 0), (5, 3), (6, 2), (9, 0)]);
    store.complete_upload(request).await.unwrap();
    let made = manifest(store, id, "a").await;
    let all = store.extents(made, 0, 100).await.unwrap();
    let (row, md5) = match all[2].source {
        BodySource::InlinePart { row, md5 } => (row, md5),
        other @ BodySource::Chunk { .. } => panic!("{other:?}"),
    };
    let source = |number, length| BodySource::Chunk { id: chunk(number), length, seal: u64::MAX - number };
    let expected = [
        Extent { offset: 0, length: 4, chunk_offset: 0, source: source(1, 4) },
        Extent { offset: 4, length: 6, chunk_offset: 0, source: source(2, 6) },
        Extent { offset: 10, length: 3, chunk_offset: 0, source: BodySource::InlinePart { row, md5 } },
        Extent { offset: 13, length: 2, chunk_offset: 1, source: source(2, 6) },
    ];
    assert_eq!(all, expected);
    for from in 0..=16_u64 {
        let overlapping: Vec<_> =
            expected.iter().copied().filter(|extent| extent.offset + extent.length > from).collect();
        for max in 0..6 {
            let wanted = &overlapping[..overlapping.len().min(max as usize)];
            assert_eq!(store.extents(made, from, max).await.unwrap(), wanted, "from {from}, at most {max}");
        }
    }
    assert_eq!(store.inline_part(row).await.unwrap(), "xyz");
    assert!(matches!(store.inline_part(row + 1_000_000).await, Err(MetaError::SourceChanged)));
}

pub(super) async fn a_single_empty_part_is_an_object(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 4, inline(b""))).await;
    let outcome = store.complete_upload(complete(id, "a", 1, &[(4, 0)])).await.unwrap();
    assert_eq!((outcome.size, outcome.etag.parts), (0, Some(1)));
    let made = manifest(store, id, "a").await;
    assert_eq!(store.extents(made, 0, 10).await.unwrap(), []);
    assert_eq!(store.manifest_parts(made, 0, 10).await.unwrap().len(), 1);
}

pub(super) async fn a_completion_of_changed_parts_is_refused(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 1, inline(b"xx"))).await;
    add(store, part(id, "a", 1, 2, inline(b"yy"))).await;
    let good = complete(id, "a", 1, &[(1, 2), (2, 2)]);
    let wrong = [
        complete(id, "a", 1, &[(1, 2), (3, 2)]),
        complete(id, "a", 1, &[(1, 2), (2, 3)]),
        complete(id, "a", 1, &[(1, 2), (2, 2), (3, 1)]),
        complete(id, "a", 1, &[]),
        CompleteUpload { size: 5, ..good.clone() },
        CompleteUpload { etag: ETag { parts: Some(3), ..good.etag }, ..good.clone() },
        CompleteUpload { etag: ETag { md5: [0; 16], ..good.etag }, ..good.clone() },
    ];
    for request in wrong {
        assert!(matches!(store.complete_upload(request).await, Err(MetaError::PartsChanged)));
    }
    add(store, part(id, "a", 1, 2, inline(b"replaced"))).await;
    assert!(matches!(store.complete_upload(good).await, Err(MetaError::PartsChanged)));
    assert_eq!(store.version(id, &key("a"), None).await.unwrap(), None);
    assert_eq!(store.list_parts(id, &key("a"), upload_id(1), 0, 10).await.unwrap().parts.len(), 2);
}

pub(super) async fn a_completion_judges_conditions_in_its_transaction(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 1, inline(b"xx"))).await;
    let request = complete(id, "a", 1, &[(1, 2)]);
    let with = |precondition| CompleteUpload { precondition, ..request.clone() };
    assert!(matches!(store.complete_upload(with(matching(&request.etag))).await, Err(MetaError::NoSuchKey)));
    store.commit_put(put_inline(id, "a", b"first")).await.unwrap();
    assert!(matches!(store.complete_upload(with(absent())).await, Err(MetaError::PreconditionFailed)));
    assert!(store.upload(id, &key("a"), upload_id(1)).await.unwrap().is_some(), "it is still open");
    store.complete_upload(with(matching(&ETag::single(md5(b"first"))))).await.unwrap();
}

pub(super) async fn a_copy_of_a_multipart_object_shares_its_parts(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    add(store, part(id, "a", 1, 1, inline(b"xx"))).await;
    store.complete_upload(complete(id, "a", 1, &[(1, 2)])).await.unwrap();
    let source = store.version(id, &key("a"), None).await.unwrap().unwrap();
    let outcome = store.commit_copy(copy((id, "a", source.order), (id, "b"))).await.unwrap();
    assert_eq!((outcome.etag, outcome.size), (source.version.etag, 2));
    let copied = store.version(id, &key("b"), None).await.unwrap().unwrap();
    assert_eq!(copied.body, source.body);
    assert_eq!(copied.version.metadata, ObjectMetadata::default());
    store.commit_delete(super::fixture::delete(id, "a", None)).await.unwrap();
    assert_eq!(store.garbage_manifests(10).await.unwrap(), []);
    assert_eq!(store.manifest_parts(manifest(store, id, "b").await, 0, 10).await.unwrap().len(), 1);
}

pub(super) async fn old_uploads_expire_and_old_completions_are_forgotten(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    for number in 1..=6 {
        let mut new = new_upload(id, "a", number);
        new.now = Timestamp(NOW.0 + number as i64);
        store.create_upload(new).await.unwrap();
        add(store, part(id, "a", number, 1, NewBody::Extents(vec![sealed(number, 2)]))).await;
    }
    store.complete_upload(complete(id, "a", 6, &[(1, 2)])).await.unwrap();
    let before = Timestamp(NOW.0 + 5);
    assert_eq!(store.expire_uploads(before, 3).await.unwrap(), 3);
    let open = async |number| store.upload(id, &key("a"), upload_id(number)).await.unwrap().is_some();
    assert!(!open(3).await && open(4).await, "the oldest go first");
    assert_eq!(store.expire_uploads(before, 3).await.unwrap(), 1);
    assert_eq!(store.expire_uploads(before, 3).await.unwrap(), 0);
    assert!(open(5).await);
    assert_eq!(store.garbage_manifests(10).await.unwrap().len(), 4);
    let remembered = async || store.completed_upload(id, &key("a"), upload_id(6)).await.unwrap().is_some();
    assert!(remembered().await);
    store.expire_uploads(Timestamp(NOW.0 + 77), 10).await.unwrap();
    assert!(remembered().await, "it finished at that very moment");
    store.expire_uploads(Timestamp(NOW.0 + 78), 10).await.unwrap();
    assert!(!remembered().await);
}

pub(super) async fn the_record_of_an_object_goes_with_its_parts(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    for number in [2, 3] {
        let extents = vec![sealed(u64::from(number), 5), sealed(u64::from(number) + 10, 6)];
        store.commit_part(part(id, "a", 1, number, NewBody::Extents(extents))).await.unwrap();
    }
    store.commit_part(part(id, "a", 1, 9, inline(b"xyz"))).await.unwrap();
    let found = store.part_extents(id, &key("a"), upload_id(1), 2, 9).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].part.number, &found[0].extents), (3, &vec![(chunk(3), 0, 5), (chunk(13), 0, 6)]));
    assert_eq!((found[1].part.number, found[1].part.size, &found[1].extents), (9, 3, &Vec::new()));
    assert_eq!(store.part_extents(id, &key("a"), upload_id(1), 0, 1).await.unwrap().len(), 1);
    let missing = store.part_extents(id, &key("a"), upload_id(2), 0, 9).await;
    assert!(matches!(missing, Err(MetaError::NoSuchUpload)));
    let request =
        CompleteUpload { record: vec![sealed(50, 7), sealed(51, 1)], ..complete(id, "a", 1, &[(2, 11), (3, 11)]) };
    let outcome = store.complete_upload(request).await.unwrap();
    assert_eq!(outcome.size, 22);
    let BodyRef::Manifest(manifest) = store.version(id, &key("a"), None).await.unwrap().unwrap().body else {
        panic!("the body is in chunks");
    };
    let extents = store.extents(manifest, 0, 10).await.unwrap();
    assert_eq!(extents.iter().map(|extent| extent.length).sum::<u64>(), 22, "the record is no part of the body");
    assert_eq!(store.manifest_parts(manifest, 0, 10).await.unwrap().len(), 2);
    let chunks: Vec<_> = store.chunks(None, 20).await.unwrap().into_iter().map(|(id, _, _)| id).collect();
    assert_eq!(chunks, [2, 3, 12, 13, 50, 51].map(chunk));
    assert_eq!(store.bucket_usage(id).await.unwrap().bytes, 22);
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    super::garbage::collect(store).await;
    assert_eq!(store.chunks(None, 20).await.unwrap(), []);
}
