use std::sync::Arc;

use super::Store;
use super::fixture::{
    NOW, absent, bucket, chunk, copy, crc32, delete, key, matching, md5, metadata, new_upload, put_extents, put_inline,
    sealed, shared,
};
use crate::meta::{
    BodyRef, BodySource, ChangeAttributes, CommitDelete, CommitPut, Extent, MetaError, MetaStore, StoredVersion,
};
use crate::rules::{DeletePrecondition, EtagCondition, LockRefusal, Versioning, WritePrecondition};
use crate::types::{
    AttributeChange, BucketId, ETag, ManifestId, ObjectMetadata, Retention, RetentionMode, Tags, Timestamp, VersionId,
};

async fn newest(store: &dyn MetaStore, bucket: BucketId, name: &str) -> Option<StoredVersion> {
    store.version(bucket, &key(name), None).await.unwrap()
}

async fn inline_body(store: &dyn MetaStore, bucket: BucketId, name: &str) -> Vec<u8> {
    match newest(store, bucket, name).await.expect("there is a version").body {
        BodyRef::Inline(data) => data.to_vec(),
        BodyRef::Empty => Vec::new(),
        BodyRef::Manifest(_) => panic!("the body is not inline"),
    }
}

async fn manifest(store: &dyn MetaStore, bucket: BucketId, name: &str) -> ManifestId {
    match newest(store, bucket, name).await.expect("there is a version").body {
        BodyRef::Manifest(manifest) => manifest,
        other @ (BodyRef::Inline(_) | BodyRef::Empty) => panic!("{other:?}"),
    }
}

pub(super) async fn a_put_is_read_back_whole(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    for name in ["plain", "..", "nul\0key", "a/", "ä\u{10FFFF}"] {
        let put = put_inline(id, name, b"hello");
        let outcome = store.commit_put(put.clone()).await.unwrap();
        assert_eq!((outcome.version, outcome.shows_version), (VersionId::Null, false));
        assert_eq!((outcome.etag, outcome.size, outcome.modified), (put.etag, 5, NOW));
        assert_eq!(outcome.checksum, put.checksum);
        let stored = newest(store.as_ref(), id, name).await.unwrap();
        assert_eq!(stored.body, BodyRef::Inline("hello".into()));
        let version = stored.version;
        assert_eq!((version.key, version.version, version.size), (key(name), VersionId::Null, 5));
        assert_eq!((version.is_latest, version.is_delete_marker), (true, false));
        assert_eq!((version.etag, version.modified), (put.etag, NOW));
        assert_eq!((version.checksum, version.sha256), (put.checksum, put.sha256));
        assert_eq!(version.metadata, metadata());
    }
    assert_eq!(newest(store.as_ref(), id, "other").await, None);
    let bare = CommitPut {
        checksum: None,
        sha256: None,
        metadata: ObjectMetadata::default(),
        ..put_inline(id, "plain", b"bare")
    };
    store.commit_put(bare).await.unwrap();
    let version = newest(store.as_ref(), id, "plain").await.unwrap().version;
    assert_eq!((version.checksum, version.sha256, version.metadata), (None, None, ObjectMetadata::default()));
}

pub(super) async fn an_empty_body_needs_no_place(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    store.commit_put(put_inline(id, "a", b"")).await.unwrap();
    store.commit_put(put_extents(id, "b", &[])).await.unwrap();
    for name in ["a", "b"] {
        assert_eq!(newest(store.as_ref(), id, name).await.unwrap().body, BodyRef::Empty);
    }
}

pub(super) async fn a_missing_bucket_refuses_every_write(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let outcome = store.commit_put(put_inline(id, "a", b"x")).await;
    let order = newest(store.as_ref(), id, "a").await.unwrap().order;
    assert!(outcome.is_ok());
    let gone = BucketId(id.0 + 1);
    assert!(matches!(store.commit_put(put_inline(gone, "a", b"x")).await, Err(MetaError::NoSuchBucket)));
    assert!(matches!(store.commit_copy(copy((id, "a", order), (gone, "a"))).await, Err(MetaError::NoSuchBucket)));
    assert!(matches!(store.commit_delete(delete(gone, "a", None)).await, Err(MetaError::NoSuchBucket)));
    assert!(matches!(store.create_upload(new_upload(gone, "a", 1)).await, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn extents_are_found_from_any_byte(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    store.commit_put(put_extents(id, "a", &[sealed(1, 10), sealed(2, 5), sealed(3, 7)])).await.unwrap();
    store.commit_put(put_extents(id, "b", &[shared(3, 2, 4), shared(1, 0, 10)])).await.unwrap();
    let extent = |offset, length, chunk_offset, number, whole| Extent {
        offset,
        length,
        chunk_offset,
        source: BodySource::Chunk { id: chunk(number), length: whole, seal: u64::MAX - number },
    };
    let all = [extent(0, 10, 0, 1, 10), extent(10, 5, 0, 2, 5), extent(15, 7, 0, 3, 7)];
    let a = manifest(store.as_ref(), id, "a").await;
    for (from, max, found) in [
        (0, 10, &all[..]),
        (9, 10, &all[..]),
        (10, 10, &all[1..]),
        (14, 1, &all[1..2]),
        (21, 10, &all[2..]),
        (22, 10, &[]),
        (u64::MAX, 10, &[]),
        (0, 0, &[]),
    ] {
        assert_eq!(store.extents(a, from, max).await.unwrap(), found, "from {from}, at most {max}");
    }
    let b = manifest(store.as_ref(), id, "b").await;
    assert_eq!(store.extents(b, 0, 10).await.unwrap(), [extent(0, 4, 2, 3, 7), extent(4, 10, 0, 1, 10)]);
    assert_eq!(store.extents(ManifestId(1), 0, 10).await.unwrap(), []);
    assert_eq!(store.manifest_parts(a, 0, 10).await.unwrap(), []);
}

pub(super) async fn conditions_of_a_put_are_judged_in_its_transaction(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let put = async |data: &[u8], precondition: WritePrecondition| {
        store.commit_put(CommitPut { precondition, ..put_inline(id, "a", data) }).await.map(|outcome| outcome.etag)
    };
    let tag = |data: &[u8]| ETag::single(md5(data));
    assert!(matches!(put(b"1", matching(&tag(b"0"))).await, Err(MetaError::NoSuchKey)));
    assert_eq!(put(b"1", absent()).await.unwrap(), tag(b"1"));
    assert!(matches!(put(b"2", absent()).await, Err(MetaError::PreconditionFailed)));
    assert!(matches!(put(b"2", matching(&tag(b"0"))).await, Err(MetaError::PreconditionFailed)));
    assert_eq!(inline_body(store.as_ref(), id, "a").await, b"1");
    put(b"2", matching(&tag(b"1"))).await.unwrap();
    assert_eq!(inline_body(store.as_ref(), id, "a").await, b"2");
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert!(matches!(put(b"3", matching(&tag(b"2"))).await, Err(MetaError::NoSuchKey)), "a marker is no object");
    put(b"3", absent()).await.unwrap();
}

pub(super) async fn conditions_of_a_delete_are_judged_in_its_transaction(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let delete = async |precondition: DeletePrecondition| {
        store.commit_delete(crate::meta::CommitDelete { precondition, ..delete(id, "a", None) }).await
    };
    let sized = |size| DeletePrecondition { if_match_size: Some(size), ..DeletePrecondition::default() };
    let any = || DeletePrecondition { if_match: Some(EtagCondition::Any), ..DeletePrecondition::default() };
    assert!(matches!(delete(any()).await, Err(MetaError::NoSuchKey)));
    assert!(!delete(DeletePrecondition::default()).await.unwrap().removed);
    store.commit_put(put_inline(id, "a", b"abc")).await.unwrap();
    assert!(matches!(delete(sized(4)).await, Err(MetaError::PreconditionFailed)));
    assert!(newest(store.as_ref(), id, "a").await.is_some());
    let outcome = delete(sized(3)).await.unwrap();
    assert_eq!((outcome.removed, outcome.version, outcome.delete_marker), (true, None, false));
    assert_eq!(newest(store.as_ref(), id, "a").await, None);
}

pub(super) async fn of_racing_creations_exactly_one_wins(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let race = |number: u8| {
        let put = CommitPut { precondition: absent(), ..put_inline(id, "a", &[number]) };
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit_put(put).await })
    };
    let racers: Vec<_> = (0..100).map(race).collect();
    let mut winners = Vec::new();
    for (number, racer) in (0..).zip(racers) {
        match racer.await.unwrap() {
            Ok(_) => winners.push(number),
            Err(MetaError::PreconditionFailed) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(inline_body(store.as_ref(), id, "a").await, winners);
}

pub(super) async fn a_refused_put_harms_no_neighbour(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let puts = (0..100_u64).map(|number| {
        let name = format!("k{number}");
        // Every third is refused; what its body would have added must be gone.
        let put = match number % 3 {
            0 => put_extents(id, &name, &[sealed(number, 9), shared(9999, 0, 1)]),
            1 => put_extents(id, &name, &[sealed(number, 9)]),
            _ => put_inline(id, &name, b"x"),
        };
        store.commit_put(put)
    });
    let outcomes = futures_util::future::join_all(puts).await;
    for (number, outcome) in (0..).zip(outcomes) {
        match number % 3 {
            0 => assert!(matches!(outcome, Err(MetaError::SourceChanged)), "{outcome:?}"),
            _ => assert!(outcome.is_ok(), "{outcome:?}"),
        }
        assert_eq!(newest(store.as_ref(), id, &format!("k{number}")).await.is_some(), number % 3 != 0);
        assert_eq!(store.known_chunks(vec![chunk(number)]).await.unwrap(), [number % 3 == 1]);
    }
}

/// The bodies of a key's versions from the newest on, as far as ids are known; `-` for a marker.
async fn history(store: &dyn MetaStore, bucket: BucketId, ids: &[VersionId]) -> String {
    let mut found = Vec::new();
    for id in ids {
        let stored = store.version(bucket, &key("a"), Some(*id)).await.unwrap();
        found.extend(stored.map(|stored| {
            let text = match stored.body {
                BodyRef::Inline(data) => String::from_utf8(data.to_vec()).unwrap(),
                BodyRef::Empty => "-".to_owned(),
                BodyRef::Manifest(_) => panic!("bodies are inline here"),
            };
            (std::cmp::Reverse(stored.order), if stored.version.is_latest { format!("{text}!") } else { text })
        }));
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

pub(super) async fn versions_follow_the_state_of_the_bucket(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    let mut ids = vec![VersionId::Null];
    store.commit_put(put_inline(id, "a", b"1")).await.unwrap();
    store.commit_put(put_inline(id, "a", b"2")).await.unwrap();
    assert_eq!(history(store, id, &ids).await, "2!");

    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    for data in [b"3", b"4"] {
        let outcome = store.commit_put(put_inline(id, "a", data)).await.unwrap();
        assert!(outcome.shows_version && outcome.version != VersionId::Null);
        ids.push(outcome.version);
    }
    assert_eq!(history(store, id, &ids).await, "4! 3 2");
    let marker = store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert_eq!((marker.removed, marker.delete_marker), (false, true));
    ids.push(marker.version.unwrap());
    assert_eq!(history(store, id, &ids).await, "-! 4 3 2");
    let found = newest(store, id, "a").await.unwrap().version;
    assert_eq!((found.is_delete_marker, found.size, Some(found.version)), (true, 0, marker.version));

    store.set_versioning(id, Versioning::Suspended).await.unwrap();
    let outcome = store.commit_put(put_inline(id, "a", b"5")).await.unwrap();
    assert_eq!((outcome.shows_version, outcome.version), (false, VersionId::Null));
    assert_eq!(history(store, id, &ids).await, "5! - 4 3");
    let marker = store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert_eq!((marker.removed, marker.version, marker.delete_marker), (true, Some(VersionId::Null), true));
    assert_eq!(history(store, id, &ids).await, "-! - 4 3");
    let marker = store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert_eq!((marker.removed, marker.version), (true, Some(VersionId::Null)));
    assert_eq!(history(store, id, &ids).await, "-! - 4 3");
}

pub(super) async fn a_suspended_bucket_replaces_an_old_null_version(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    let mut ids = vec![VersionId::Null];
    store.commit_put(put_extents(id, "a", &[sealed(1, 4)])).await.unwrap();
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    for number in 0..40_u8 {
        ids.push(store.commit_put(put_inline(id, "a", &[b'a' + number % 26])).await.unwrap().version);
    }
    assert_eq!(store.garbage_manifests(10).await.unwrap(), []);
    store.set_versioning(id, Versioning::Suspended).await.unwrap();
    store.commit_put(put_inline(id, "a", b"new")).await.unwrap();
    assert_eq!(store.garbage_manifests(10).await.unwrap().len(), 1, "the old null version's body");
    let found = history(store, id, &ids).await;
    assert!(found.starts_with("new! ") && found.split(' ').count() == 41, "{found}");
}

pub(super) async fn exactly_the_named_version_is_removed(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_inline(id, "a", b"1")).await.unwrap();
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let two = store.commit_put(put_inline(id, "a", b"2")).await.unwrap().version;
    let three = store.commit_delete(delete(id, "a", None)).await.unwrap().version.unwrap();
    let ids = [VersionId::Null, two, three];
    let VersionId::Ordered { order, salt } = two else { panic!("versioning is on") };
    for wrong in [
        VersionId::Ordered { order, salt: salt ^ 1 },
        VersionId::Ordered { order: order + 1_000_000, salt },
        VersionId::Ordered { order: u64::MAX, salt },
    ] {
        let outcome = store.commit_delete(delete(id, "a", Some(wrong))).await.unwrap();
        assert_eq!((outcome.removed, outcome.version), (false, None), "{wrong}");
        assert_eq!(store.version(id, &key("a"), Some(wrong)).await.unwrap(), None);
    }
    assert_eq!(history(store, id, &ids).await, "-! 2 1");
    let outcome = store.commit_delete(delete(id, "a", Some(three))).await.unwrap();
    assert_eq!((outcome.removed, outcome.version, outcome.delete_marker), (true, Some(three), true));
    assert_eq!(history(store, id, &ids).await, "2! 1", "without its marker the key is back");
    let outcome = store.commit_delete(delete(id, "a", Some(VersionId::Null))).await.unwrap();
    assert_eq!((outcome.removed, outcome.version, outcome.delete_marker), (true, Some(VersionId::Null), false));
    assert_eq!(history(store, id, &ids).await, "2!");
    store.commit_delete(delete(id, "a", Some(two))).await.unwrap();
    assert_eq!(newest(store, id, "a").await, None);
}

pub(super) async fn shared_chunks_must_be_alive_and_long_enough(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "a", &[sealed(1, 10)])).await.unwrap();
    for extent in [shared(2, 0, 1), shared(1, 5, 6), shared(1, u64::MAX, 5), shared(1, i64::MAX as u64, 1)] {
        let refused = store.commit_put(put_extents(id, "b", &[extent])).await;
        assert!(matches!(refused, Err(MetaError::SourceChanged)), "{extent:?}");
    }
    store.commit_put(put_extents(id, "b", &[shared(1, 5, 5), shared(1, 0, 1)])).await.unwrap();
    for name in ["a", "b"] {
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    for garbage in store.garbage_manifests(10).await.unwrap() {
        assert!(store.release_manifest(garbage, 10).await.unwrap());
    }
    assert_eq!(store.dead_chunks(10).await.unwrap(), [chunk(1)]);
    let refused = store.commit_put(put_extents(id, "b", &[shared(1, 0, 1)])).await;
    assert!(matches!(refused, Err(MetaError::SourceChanged)), "a dead chunk does not come back");
}

pub(super) async fn a_copy_shares_its_source(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let other = bucket(store.as_ref(), "other").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "chunks", &[sealed(1, 10)])).await.unwrap();
    store.commit_put(put_inline(id, "inline", b"hello")).await.unwrap();
    for (name, size) in [("chunks", 10), ("inline", 5)] {
        let source = newest(store, id, name).await.unwrap();
        let later = Timestamp(NOW.0 + 5);
        let request = crate::meta::CommitCopy { now: later, ..copy((id, name, source.order), (other, "copy")) };
        let outcome = store.commit_copy(request).await.unwrap();
        assert_eq!((outcome.etag, outcome.size, outcome.modified), (source.version.etag, size, later));
        assert_eq!(outcome.checksum, Some(crc32(9)));
        let copied = newest(store, other, "copy").await.unwrap();
        assert_eq!((copied.body, copied.version.sha256), (source.body, source.version.sha256));
        assert_eq!((copied.version.metadata, copied.version.checksum), (ObjectMetadata::default(), Some(crc32(9))));
        let refused =
            crate::meta::CommitCopy { precondition: absent(), ..copy((id, name, source.order), (other, "copy")) };
        assert!(matches!(store.commit_copy(refused).await, Err(MetaError::PreconditionFailed)));
    }
    // The chunk lives as long as anybody refers to it.
    store.commit_delete(delete(id, "chunks", None)).await.unwrap();
    for garbage in store.garbage_manifests(10).await.unwrap() {
        assert!(store.release_manifest(garbage, 10).await.unwrap());
    }
    assert_eq!(store.dead_chunks(10).await.unwrap(), [chunk(1)], "the copy of `inline` replaced the other copy");
}

pub(super) async fn a_copy_of_a_key_onto_itself_keeps_the_body(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "chunks", &[sealed(1, 10)])).await.unwrap();
    store.commit_put(put_inline(id, "inline", b"hello")).await.unwrap();
    for name in ["chunks", "inline"] {
        let before = newest(store, id, name).await.unwrap();
        store.commit_copy(copy((id, name, before.order), (id, name))).await.unwrap();
        let after = newest(store, id, name).await.unwrap();
        assert_eq!(after.body, before.body);
        assert!(after.order > before.order);
    }
    assert_eq!(store.garbage_manifests(10).await.unwrap(), []);
}

pub(super) async fn a_copy_of_a_version_that_went_is_refused(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_inline(id, "a", b"1")).await.unwrap();
    let order = newest(store, id, "a").await.unwrap().order;
    store.commit_put(put_inline(id, "a", b"2")).await.unwrap();
    for source in [(id, "a", order), (id, "b", order), (BucketId(99), "a", order), (id, "a", u64::MAX)] {
        assert!(matches!(store.commit_copy(copy(source, (id, "c"))).await, Err(MetaError::SourceChanged)));
    }
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    let marker = newest(store, id, "a").await.unwrap().order;
    assert!(matches!(store.commit_copy(copy((id, "a", marker), (id, "c"))).await, Err(MetaError::SourceChanged)));
}

pub(super) async fn attributes_change_while_the_version_stays(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    store.commit_put(put_inline(id, "a", b"body")).await.unwrap();
    let before = store.version(id, &key("a"), None).await.unwrap().unwrap();
    let change = |change| ChangeAttributes { bucket: id, key: key("a"), version: None, change, lock_time: NOW };
    let tags = Tags(vec![("x".to_owned(), "y".to_owned())]);
    assert_eq!(store.change_attributes(change(AttributeChange::Tags(tags.clone()))).await.unwrap(), None);
    store.change_attributes(change(AttributeChange::LegalHold(true))).await.unwrap();

    let after = store.version(id, &key("a"), None).await.unwrap().unwrap();
    let mut expected = before.clone();
    expected.version.metadata.attributes.tags = tags;
    expected.version.metadata.attributes.legal_hold = Some(true);
    assert_eq!(after, expected, "nothing else changes");

    let missing = ChangeAttributes { key: key("b"), ..change(AttributeChange::LegalHold(true)) };
    assert!(matches!(store.change_attributes(missing).await, Err(MetaError::NoSuchKey)));
    let version = Some(VersionId::Ordered { order: 5, salt: 5 });
    let missing = ChangeAttributes { version, ..change(AttributeChange::LegalHold(true)) };
    assert!(matches!(store.change_attributes(missing).await, Err(MetaError::NoSuchVersion)));
}

pub(super) async fn a_locked_version_is_hidden_but_not_removed(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let locked = store.commit_put(put_inline(id, "a", b"body")).await.unwrap().version;
    let retention = Retention { mode: RetentionMode::Governance, until: NOW.plus_seconds(60) };
    let change = AttributeChange::Retention { retention: Some(retention), bypass_governance: false };
    let change = ChangeAttributes { bucket: id, key: key("a"), version: Some(locked), change, lock_time: NOW };
    assert_eq!(store.change_attributes(change).await.unwrap(), Some(locked));

    let marker = store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert!(marker.delete_marker);
    let change = AttributeChange::LegalHold(true);
    let change = ChangeAttributes { bucket: id, key: key("a"), version: None, change, lock_time: NOW };
    assert!(matches!(store.change_attributes(change).await, Err(MetaError::IsDeleteMarker { .. })));

    let removal = |bypass_governance, seconds| CommitDelete {
        bypass_governance,
        lock_time: NOW.plus_seconds(seconds),
        ..delete(id, "a", Some(locked))
    };
    for seconds in [0, 59] {
        let refused = store.commit_delete(removal(false, seconds)).await;
        assert!(matches!(refused, Err(MetaError::Locked(LockRefusal::Governance))), "{seconds}");
    }
    assert!(store.version(id, &key("a"), Some(locked)).await.unwrap().is_some());
    assert!(store.commit_delete(removal(true, 0)).await.unwrap().removed);
}
