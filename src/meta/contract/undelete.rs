use super::Store;
use super::fixture::{NOW, bucket, delete, key, metadata, new_bucket, owner, put_extents, put_inline, sealed};
use super::rename::rename;
use super::usage::{set_window, usage, usage_of};
use crate::meta::{BodyRef, MetaError, MetaStore, NewBucket, RestoreVersion, RetainedQuery, RetainedVersion};
use crate::rules::{DefaultRetention, ObjectLock, Period, Undelete, Versioning};
use crate::types::{
    BucketId, BucketName, DocumentKind, ListQuery, RetentionMode, Timestamp, VersionId, VersionListQuery,
};

const DAY: i64 = 86_400;

pub(super) async fn retained(store: &dyn MetaStore, prefix: &str) -> Vec<RetainedVersion> {
    let bucket = BucketName::parse("bucket").unwrap();
    let query = RetainedQuery { bucket, prefix: prefix.to_owned(), after: None, max: 100 };
    store.retained(&query).await.unwrap()
}

pub(super) fn restored(bucket: BucketId, row: &RetainedVersion) -> RestoreVersion {
    RestoreVersion { bucket, key: row.key.clone(), id: row.id, now: Timestamp(NOW.0 + 5) }
}

pub(super) async fn body(store: &dyn MetaStore, bucket: BucketId, name: &str) -> Option<Vec<u8>> {
    match store.version(bucket, &key(name), None).await.unwrap()?.body {
        BodyRef::Inline(data) => Some(data.to_vec()),
        other @ (BodyRef::Empty | BodyRef::Manifest(_)) => panic!("{other:?}"),
    }
}

pub(super) async fn what_goes_stays_restorable_and_hidden(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "a", b"first")).await.unwrap();
    let original = store.version(id, &key("a"), None).await.unwrap().unwrap().version;
    store.commit_put(put_inline(id, "a", b"second")).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert_eq!(store.version(id, &key("a"), None).await.unwrap(), None);
    assert!(
        store.list_objects(id, &ListQuery { max_keys: 9, ..ListQuery::default() }).await.unwrap().objects.is_empty()
    );
    let versions = store.list_versions(id, &VersionListQuery { max_keys: 9, ..VersionListQuery::default() }).await;
    assert!(versions.unwrap().versions.is_empty());
    assert_eq!((usage(store, id).await, usage_of(store, "alice").await), ((11, 0), (11, 0)));

    let rows = retained(store, "").await;
    let shown: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.size, row.deleted, row.until)).collect();
    let until = NOW.plus_seconds(7 * DAY);
    assert_eq!(shown, [("a", 5, NOW, until), ("a", 6, NOW, until)]);
    assert_eq!((rows[0].etag, rows[0].modified), (original.etag, original.modified));

    let outcome = store.restore(restored(id, &rows[0])).await.unwrap();
    assert_eq!((outcome.etag, outcome.size, outcome.shows_version), (original.etag, 5, false));
    let back = store.version(id, &key("a"), None).await.unwrap().unwrap().version;
    assert_eq!(body(store, id, "a").await.unwrap(), b"first");
    assert_eq!((back.metadata, back.checksum, back.sha256), (metadata(), original.checksum, original.sha256));
    assert_eq!(back.modified, Timestamp(NOW.0 + 5));
    assert_eq!(usage(store, id).await, (11, 1));
    store.restore(restored(id, &rows[1])).await.unwrap();
    assert_eq!(body(store, id, "a").await.unwrap(), b"second", "what was current stays restorable in its turn");
    assert_eq!(retained(store, "a").await.len(), 1);
    for unknown in [restored(id, &rows[0]), RestoreVersion { key: key("b"), ..restored(id, &rows[1]) }] {
        assert!(matches!(store.restore(unknown).await, Err(MetaError::NoSuchVersion)));
    }
    let gone = store.restore(restored(BucketId(99), &rows[0])).await;
    assert!(matches!(gone, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn envelopes_of_restorable_versions_are_listed(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    for envelope in [Some(vec![1, 2]), None] {
        let mut put = put_inline(id, "a", b"x");
        put.metadata.attributes.encryption = envelope;
        store.commit_put(put).await.unwrap();
    }
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    let rows = retained(store, "").await;
    let envelopes = [(rows[0].id, Some(vec![1, 2])), (rows[1].id, None)];
    assert_eq!(store.retained_envelopes(0, 9).await.unwrap(), envelopes);
    assert_eq!(store.retained_envelopes(0, 1).await.unwrap(), envelopes[..1]);
    assert_eq!(store.retained_envelopes(rows[0].id, 9).await.unwrap(), envelopes[1..]);
    assert_eq!(store.retained_envelopes(u64::MAX, 9).await.unwrap(), []);
}

pub(super) async fn restorable_versions_are_listed_in_pages(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 1).await;
    for name in ["p/b", "a", "p/a", "p/a", "q", "p/"] {
        store.commit_put(put_inline(id, name, name.as_bytes())).await.unwrap();
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    let all = retained(store, "p/").await;
    let names: Vec<_> = all.iter().map(|row| row.key.as_str()).collect();
    assert_eq!(names, ["p/", "p/a", "p/a", "p/b"]);
    assert!(all[1].id < all[2].id, "the oldest of a key first");
    let mut joined = Vec::new();
    let mut after = None;
    loop {
        let bucket = BucketName::parse("bucket").unwrap();
        let query = RetainedQuery { bucket, prefix: "p/".to_owned(), after, max: 1 };
        let page = store.retained(&query).await.unwrap();
        let Some(row) = page.first().cloned() else { break };
        assert_eq!(page.len(), 1);
        after = Some((row.key.clone(), row.id));
        joined.push(row);
    }
    assert_eq!(joined, all);
    assert_eq!(retained(store, "zzz").await, []);
}

pub(super) async fn windows_end_and_can_be_shortened(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    let name = BucketName::parse("bucket").unwrap();
    set_window(store, id, 7).await;
    store.commit_put(put_extents(id, "chunks", &[sealed(1, 100)])).await.unwrap();
    store.commit_put(put_inline(id, "inline", b"x")).await.unwrap();
    for gone in ["chunks", "inline"] {
        store.commit_delete(delete(id, gone, None)).await.unwrap();
    }
    assert_eq!(store.garbage_manifests(9).await.unwrap(), [], "its body is still in use");
    assert_eq!(store.collect_retained(NOW.plus_seconds(7 * DAY - 1), 9).await.unwrap(), 0);
    assert_eq!(store.shorten_retained(&name, Undelete { days: 8 }, 9).await.unwrap(), 0);
    assert_eq!(store.shorten_retained(&name, Undelete { days: 2 }, 1).await.unwrap(), 1);
    assert_eq!(store.shorten_retained(&name, Undelete { days: 2 }, 9).await.unwrap(), 1);
    assert_eq!(store.shorten_retained(&name, Undelete { days: 2 }, 9).await.unwrap(), 0);
    let late = NOW.plus_seconds(2 * DAY);
    assert_eq!(store.collect_retained(late, 1).await.unwrap(), 1);
    assert_eq!(store.collect_retained(late, 9).await.unwrap(), 1);
    assert_eq!(retained(store, "").await, []);
    assert_eq!((usage(store, id).await, usage_of(store, "alice").await), ((0, 0), (0, 0)));
    assert_eq!(store.garbage_manifests(9).await.unwrap().len(), 1);
}

pub(super) async fn restoring_loses_nothing(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "a", b"old")).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    set_window(store, id, 0).await;
    store.commit_put(put_inline(id, "a", b"new")).await.unwrap();
    let row = retained(store, "").await.remove(0);
    assert!(matches!(store.restore(restored(id, &row)).await, Err(MetaError::WouldLose)));
    assert_eq!(body(store, id, "a").await.unwrap(), b"new");
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let outcome = store.restore(restored(id, &row)).await.unwrap();
    assert!(outcome.shows_version && outcome.version != VersionId::Null);
    assert_eq!(body(store, id, "a").await.unwrap(), b"old");
    let null = store.version(id, &key("a"), Some(VersionId::Null)).await.unwrap().unwrap();
    assert_eq!(null.body, BodyRef::Inline("new".into()));
}

pub(super) async fn a_rename_keeps_what_it_replaces(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "from", b"moved")).await.unwrap();
    store.commit_put(put_inline(id, "to", b"replaced")).await.unwrap();
    store.commit_rename(rename(id, "from", "to")).await.unwrap();
    assert_eq!((usage(store, id).await, usage_of(store, "alice").await), ((13, 1), (13, 1)));
    let row = retained(store, "").await.remove(0);
    assert_eq!(row.key, key("to"));
    store.restore(restored(id, &row)).await.unwrap();
    assert_eq!(body(store, id, "to").await.unwrap(), b"replaced");
    set_window(store, id, 0).await;
    store.commit_put(put_inline(id, "from", b"again")).await.unwrap();
    store.commit_rename(rename(id, "from", "to")).await.unwrap();
    assert_eq!(usage(store, id).await, (10, 1), "what was restorable before still is");
}

pub(super) async fn a_restored_version_is_locked_like_a_new_one(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let default = DefaultRetention { mode: RetentionMode::Compliance, period: Period::Days(3) };
    let lock = ObjectLock { default: Some(default) }.to_document();
    store.set_document(id, DocumentKind::ObjectLock, Some(lock.into())).await.unwrap();
    let row = retained(store, "").await.remove(0);
    let outcome = store.restore(restored(id, &row)).await.unwrap();
    let back = store.version(id, &key("a"), None).await.unwrap().unwrap().version;
    assert_eq!(back.metadata.attributes.retention, Some(default.retention(outcome.modified)));
    let removed = store.commit_delete(delete(id, "a", Some(outcome.version))).await;
    assert!(matches!(removed, Err(MetaError::Locked(_))));
}

pub(super) async fn versions_with_ids_are_removed_for_good(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let version = store.commit_put(put_inline(id, "a", b"x")).await.unwrap().version;
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    store.commit_delete(delete(id, "a", Some(version))).await.unwrap();
    assert_eq!(retained(store, "").await, []);
}

pub(super) async fn what_is_restorable_outlives_its_bucket(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    for name in ["a", "b"] {
        store.commit_put(put_inline(id, name, b"hello")).await.unwrap();
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    store.delete_bucket(id).await.unwrap();
    assert_eq!(usage_of(store, "alice").await, (10, 0));
    let again = store.create_bucket(NewBucket { owner: owner("carol"), ..new_bucket("bucket") }).await.unwrap();
    assert_eq!(usage(store, again.id).await, (0, 0));
    let rows = retained(store, "").await;
    store.restore(restored(again.id, &rows[0])).await.unwrap();
    assert_eq!((usage(store, again.id).await, usage_of(store, "alice").await), ((5, 1), (10, 1)));
    let back = store.version(again.id, &key("a"), None).await.unwrap().unwrap().version;
    assert_eq!(back.metadata.attributes.owner, Some(owner("alice")), "it does not become the new owner's");
    assert_eq!(store.collect_retained(NOW.plus_seconds(8 * DAY), 9).await.unwrap(), 1);
    assert_eq!((usage_of(store, "alice").await, usage_of(store, "carol").await), ((5, 1), (0, 0)));
}
