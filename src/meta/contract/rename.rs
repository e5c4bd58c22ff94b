use super::Store;
use super::fixture::{NOW, bucket, key, put_extents, put_inline, sealed};
use crate::meta::{CommitRename, MetaError, MetaStore, StoredVersion};
use crate::rules::{BucketRefusal, EtagCondition, ReadPrecondition, Versioning};
use crate::types::{BucketId, VersionId};

pub(super) fn rename(bucket: BucketId, from: &str, to: &str) -> CommitRename {
    CommitRename {
        bucket,
        source: key(from),
        source_precondition: ReadPrecondition::default(),
        key: key(to),
        precondition: ReadPrecondition::default(),
        lock_time: NOW,
        now: NOW,
    }
}

async fn newest(store: &dyn MetaStore, bucket: BucketId, name: &str) -> Option<StoredVersion> {
    store.version(bucket, &key(name), None).await.unwrap()
}

pub(super) async fn a_rename_moves_the_row_and_nothing_else(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    for (from, to) in [("a", "b"), ("inline", "a/b")] {
        let put = if from == "a" { put_extents(id, from, &[sealed(1, 10)]) } else { put_inline(id, from, b"x") };
        store.commit_put(put.clone()).await.unwrap();
        let before = newest(store, id, from).await.unwrap();
        let outcome = store.commit_rename(rename(id, from, to)).await.unwrap();
        assert_eq!((outcome.version, outcome.shows_version), (VersionId::Null, false));
        assert_eq!((outcome.etag, outcome.size, outcome.modified), (put.etag, put.size, NOW));
        assert_eq!(newest(store, id, from).await, None);
        let mut expected = before;
        expected.version.key = key(to);
        assert_eq!(newest(store, id, to).await, Some(expected));
    }
    assert!(matches!(store.commit_rename(rename(id, "a", "c")).await, Err(MetaError::NoSuchKey)));
    let gone = BucketId(id.0 + 1);
    assert!(matches!(store.commit_rename(rename(gone, "b", "c")).await, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn a_rename_replaces_what_has_the_key(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "old", &[sealed(1, 10)])).await.unwrap();
    store.commit_put(put_extents(id, "new", &[sealed(2, 20)])).await.unwrap();
    store.commit_rename(rename(id, "new", "old")).await.unwrap();
    assert_eq!(newest(store, id, "old").await.unwrap().version.size, 20);
    assert_eq!(store.garbage_manifests(10).await.unwrap().len(), 1, "what was replaced is garbage");
}

pub(super) async fn a_rename_judges_its_conditions(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_inline(id, "from", b"x")).await.unwrap();
    let etag = newest(store, id, "from").await.unwrap().version.etag.quoted();
    let matching =
        |tag: &str| ReadPrecondition { if_match: Some(EtagCondition::parse(tag)), ..ReadPrecondition::default() };
    let absent = || ReadPrecondition { if_none_match: Some(EtagCondition::Any), ..ReadPrecondition::default() };
    let other = matching("\"0\"");
    let refused = [
        CommitRename { source_precondition: other, ..rename(id, "from", "to") },
        CommitRename { source_precondition: absent(), ..rename(id, "from", "to") },
        CommitRename { precondition: matching(&etag), ..rename(id, "from", "to") },
    ];
    for rename in refused {
        assert!(matches!(store.commit_rename(rename).await, Err(MetaError::PreconditionFailed)));
    }
    let (source_precondition, precondition) = (matching(&etag), absent());
    store.commit_rename(CommitRename { source_precondition, precondition, ..rename(id, "from", "to") }).await.unwrap();
    store.commit_put(put_inline(id, "from", b"y")).await.unwrap();
    let taken = CommitRename { precondition: absent(), ..rename(id, "from", "to") };
    assert!(matches!(store.commit_rename(taken).await, Err(MetaError::PreconditionFailed)));
    let wanted = CommitRename { precondition: matching(&etag), ..rename(id, "from", "to") };
    store.commit_rename(wanted).await.unwrap();
}

pub(super) async fn a_rename_needs_a_bucket_without_versions(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    for state in [Versioning::Enabled, Versioning::Suspended] {
        store.set_versioning(id, state).await.unwrap();
        let refused = store.commit_rename(rename(id, "a", "b")).await;
        assert!(matches!(refused, Err(MetaError::BucketState(BucketRefusal::HasVersions))), "{state:?}");
    }
    assert!(newest(store, id, "a").await.is_some());
}
