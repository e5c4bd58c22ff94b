use super::Store;
use super::fixture::{
    NOW, bucket, copy, delete, inline, key, metadata, new_bucket, new_upload, owner, part, put_extents, put_inline,
    sealed, upload_id,
};
use super::rename::rename;
use super::upload::complete;
use crate::meta::{
    Admission, BodyRef, ChangeAttributes, CommitPut, ExpireVersion, ExpiryOutcome, MetaError, MetaStore, NewBucket,
    RestoreVersion, RetainedQuery, RetainedVersion,
};
use crate::rules::lifecycle::Action;
use crate::rules::quota::{Limited, QuotaOf};
use crate::rules::{DefaultRetention, ObjectLock, Period, Quota, Undelete, Usage, Versioning};
use crate::types::{
    AttributeChange, BucketId, BucketName, DocumentKind, ListQuery, Retention, RetentionMode, Tags, Timestamp,
    VersionId, VersionListQuery,
};

const DAY: i64 = 86_400;

async fn usage(store: &dyn MetaStore, bucket: BucketId) -> (u64, u64) {
    let Usage { bytes, objects } = store.bucket_usage(bucket).await.unwrap();
    (bytes, objects)
}

async fn usage_of(store: &dyn MetaStore, name: &str) -> (u64, u64) {
    let Usage { bytes, objects } = store.owner_account(&owner(name)).await.unwrap().usage;
    (bytes, objects)
}

async fn set_quota(store: &dyn MetaStore, bucket: BucketId, bytes: Option<u64>, objects: Option<u64>) {
    let document = Quota { bytes, objects }.to_document();
    store.set_document(bucket, DocumentKind::Quota, Some(document.into())).await.unwrap();
}

async fn set_window(store: &dyn MetaStore, bucket: BucketId, days: u32) {
    let document = (days > 0).then(|| Undelete { days }.to_document().into());
    store.set_document(bucket, DocumentKind::Undelete, document).await.unwrap();
}

fn put_by(name: &str, put: CommitPut) -> CommitPut {
    let mut put = put;
    put.metadata.attributes.owner = Some(owner(name));
    put
}

pub(super) async fn usage_follows_every_change(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    assert_eq!(usage(store, id).await, (0, 0));
    store.commit_put(put_inline(id, "a", b"hello")).await.unwrap();
    store.commit_put(put_extents(id, "b", &[sealed(1, 100)])).await.unwrap();
    assert_eq!(usage(store, id).await, (105, 2));
    store.commit_put(put_inline(id, "a", b"hey")).await.unwrap();
    let source = store.version(id, &key("b"), None).await.unwrap().unwrap().order;
    store.commit_copy(copy((id, "b", source), (id, "c"))).await.unwrap();
    assert_eq!(usage(store, id).await, (203, 3), "a copy counts although it shares");
    store.commit_delete(delete(id, "b", None)).await.unwrap();
    assert_eq!(usage(store, id).await, (103, 2));

    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let second = store.commit_put(put_inline(id, "a", b"four")).await.unwrap();
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    assert_eq!(usage(store, id).await, (107, 3), "a delete marker is no object");
    store.commit_delete(delete(id, "a", Some(second.version))).await.unwrap();
    assert_eq!(usage(store, id).await, (103, 2));

    store.commit_put(put_by("bob", put_inline(id, "d", b"of bob"))).await.unwrap();
    assert_eq!(usage(store, id).await, (109, 3));
    assert_eq!((usage_of(store, "alice").await, usage_of(store, "bob").await), ((103, 2), (6, 1)));
    assert_eq!(usage_of(store, "nobody").await, (0, 0));
    assert!(matches!(store.bucket_usage(BucketId(99)).await, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn usage_follows_uploads(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    for number in [1, 2, 3] {
        store.create_upload(new_upload(id, "a", number)).await.unwrap();
        store.commit_part(part(id, "a", number, 1, inline(b"12345"))).await.unwrap();
        store.commit_part(part(id, "a", number, 2, inline(b"123"))).await.unwrap();
    }
    assert_eq!(usage(store, id).await, (24, 0));
    store.commit_part(part(id, "a", 1, 2, inline(b"1234567"))).await.unwrap();
    assert_eq!(usage(store, id).await, (28, 0), "a part that was replaced counts no more");
    store.abort_upload(id, &key("a"), upload_id(3)).await.unwrap();
    assert_eq!(usage(store, id).await, (20, 0));
    store.complete_upload(complete(id, "a", 1, &[(1, 5)])).await.unwrap();
    assert_eq!(usage(store, id).await, (13, 1), "nor one that was left out");
    assert_eq!(usage_of(store, "alice").await, (13, 1));
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    store.delete_bucket(id).await.unwrap();
    assert_eq!(usage_of(store, "alice").await, (0, 0), "open uploads go with their bucket");
}

/// `count` writers at once, each of `put(n)`; returns how many were let in, and requires the others to be refused
/// for their quota.
async fn race(store: &Store, count: usize, put: impl Fn(usize) -> CommitPut) -> usize {
    let writers = (0..count).map(|number| {
        let (store, put) = (store.clone(), put(number));
        tokio::spawn(async move { store.commit_put(put).await })
    });
    let mut admitted = 0;
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.unwrap() {
            Ok(_) => admitted += 1,
            Err(MetaError::QuotaExceeded(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    admitted
}

pub(super) async fn of_racing_writes_exactly_those_within_the_quota_win(store: Store) {
    let [one, two] = ["one", "two"].map(|name| (store.clone(), name));
    let one = bucket(one.0.as_ref(), one.1).await.id;
    let two = bucket(two.0.as_ref(), two.1).await.id;
    set_quota(store.as_ref(), one, Some(34), None).await;
    assert_eq!(race(&store, 40, |number| put_inline(one, &format!("k{number}"), b"12345")).await, 6);
    assert_eq!(usage(store.as_ref(), one).await, (30, 6));
    set_quota(store.as_ref(), one, None, Some(8)).await;
    assert_eq!(race(&store, 40, |number| put_inline(one, &format!("n{number}"), b"")).await, 2);
    // Over both buckets, and only what is in that name.
    store.set_owner_quota(&owner("bob"), Quota { bytes: Some(50), objects: Some(7) }).await.unwrap();
    set_quota(store.as_ref(), one, None, None).await;
    let by_bob = |number: usize| {
        let bucket = if number.is_multiple_of(2) { one } else { two };
        put_by("bob", put_inline(bucket, &format!("bob{number}"), b"12345"))
    };
    assert_eq!(race(&store, 40, by_bob).await, 7);
    assert_eq!(usage_of(store.as_ref(), "bob").await, (35, 7));
    store.commit_put(put_inline(two, "of alice", b"x")).await.unwrap();
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, MetaError>) -> (QuotaOf, Limited, u64) {
    match outcome {
        Err(MetaError::QuotaExceeded(refusal)) => (refusal.of, refusal.limited, refusal.used),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_full_bucket_still_shrinks(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_inline(id, "a", &[0; 60])).await.unwrap();
    store.create_upload(new_upload(id, "m", 1)).await.unwrap();
    store.commit_part(part(id, "m", 1, 1, inline(&[0; 30]))).await.unwrap();
    set_quota(store, id, Some(80), Some(2)).await;
    let over = |of, limited, used| (of, limited, used);
    let bytes = over(QuotaOf::Bucket, Limited::Bytes, 90);
    assert_eq!(refusal(store.commit_put(put_inline(id, "b", b"x")).await), bytes);
    assert_eq!(refusal(store.commit_put(put_inline(id, "a", &[0; 61])).await), bytes);
    assert_eq!(refusal(store.commit_part(part(id, "m", 1, 2, inline(b"x"))).await), bytes);
    store.commit_part(part(id, "m", 1, 1, inline(&[0; 29]))).await.unwrap();
    store.commit_put(put_inline(id, "a", &[0; 59])).await.unwrap();
    let source = store.version(id, &key("a"), None).await.unwrap().unwrap().order;
    let copied = refusal(store.commit_copy(copy((id, "a", source), (id, "b"))).await);
    assert_eq!(copied, over(QuotaOf::Bucket, Limited::Bytes, 88));
    store.complete_upload(complete(id, "m", 1, &[(1, 29)])).await.unwrap();
    assert_eq!(usage(store, id).await, (88, 2), "parts make room for what they become");
    store.commit_delete(delete(id, "m", None)).await.unwrap();
    store.commit_put(put_inline(id, "b", &[0; 21])).await.unwrap();
    let objects = refusal(store.commit_put(put_inline(id, "c", b"")).await);
    assert_eq!(objects, over(QuotaOf::Bucket, Limited::Objects, 2));
    set_window(store, id, 1).await;
    let kept = refusal(store.commit_put(put_inline(id, "b", b"x")).await);
    assert_eq!(kept, over(QuotaOf::Bucket, Limited::Bytes, 80), "what stays restorable makes no room");
    store.commit_delete(delete(id, "b", None)).await.unwrap();
    assert_eq!(usage(store, id).await, (80, 1));
}

pub(super) async fn somebody_elses_version_makes_no_room(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.set_owner_quota(&owner("bob"), Quota { bytes: Some(10), objects: None }).await.unwrap();
    store.commit_put(put_inline(id, "a", &[0; 60])).await.unwrap();
    let refused = store.commit_put(put_by("bob", put_inline(id, "a", &[0; 11]))).await;
    assert_eq!(refusal(refused), (QuotaOf::Identity, Limited::Bytes, 0));
    store.commit_put(put_by("bob", put_inline(id, "a", &[0; 10]))).await.unwrap();
    store.commit_put(put_by("bob", put_inline(id, "a", &[0; 9]))).await.unwrap();
    assert_eq!((usage_of(store, "alice").await, usage_of(store, "bob").await), ((0, 0), (9, 1)));
    store.set_owner_quota(&owner("bob"), Quota::default()).await.unwrap();
    assert!(store.owner_account(&owner("bob")).await.unwrap().quota.is_none());
    store.commit_put(put_by("bob", put_inline(id, "a", &[0; 99]))).await.unwrap();
}

pub(super) async fn an_admission_refuses_nothing_that_its_commit_admits(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    let name = || Admission { bucket: id, key: key("a"), owner: None, size: 11, part: None };
    store.admit(&name()).await.unwrap();
    set_quota(store, id, Some(10), None).await;
    assert_eq!(refusal(store.admit(&name()).await), (QuotaOf::Bucket, Limited::Bytes, 0));
    store.commit_put(put_inline(id, "a", &[0; 10])).await.unwrap();
    store.admit(&Admission { size: 10, ..name() }).await.unwrap();
    refusal(store.admit(&Admission { size: 1, key: key("b"), ..name() }).await);
    set_quota(store, id, Some(20), None).await;
    store.create_upload(new_upload(id, "m", 1)).await.unwrap();
    store.commit_part(part(id, "m", 1, 1, inline(&[0; 9]))).await.unwrap();
    let of_part = |number, size| Admission { key: key("m"), size, part: Some((upload_id(1), number)), ..name() };
    store.admit(&of_part(1, 10)).await.unwrap();
    store.admit(&of_part(2, 1)).await.unwrap();
    refusal(store.admit(&of_part(2, 2)).await);
    let ended = Admission { part: Some((upload_id(9), 1)), ..of_part(1, 1) };
    assert!(matches!(store.admit(&ended).await, Err(MetaError::NoSuchUpload)));
    assert!(matches!(store.admit(&Admission { bucket: BucketId(99), ..name() }).await, Err(MetaError::NoSuchBucket)));
    store.set_owner_quota(&owner("bob"), Quota { bytes: None, objects: Some(0) }).await.unwrap();
    let of_bob = Admission { owner: Some(owner("bob")), size: 0, key: key("b"), ..name() };
    assert_eq!(refusal(store.admit(&of_bob).await), (QuotaOf::Identity, Limited::Objects, 0));
}

async fn retained(store: &dyn MetaStore, prefix: &str) -> Vec<RetainedVersion> {
    let bucket = BucketName::parse("bucket").unwrap();
    let query = RetainedQuery { bucket, prefix: prefix.to_owned(), after: None, max: 100 };
    store.retained(&query).await.unwrap()
}

fn restored(bucket: BucketId, row: &RetainedVersion) -> RestoreVersion {
    RestoreVersion { bucket, key: row.key.clone(), id: row.id, now: Timestamp(NOW.0 + 5) }
}

async fn body(store: &dyn MetaStore, bucket: BucketId, name: &str) -> Option<Vec<u8>> {
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

/// What expires the newest version of a key, judged now.
async fn expiring(store: &dyn MetaStore, name: &str, action: Action) -> ExpireVersion {
    let bucket = store.bucket(&BucketName::parse("bucket").unwrap()).await.unwrap().unwrap();
    let stored = store.version(bucket.id, &key(name), None).await.unwrap().unwrap();
    let tags = stored.version.metadata.attributes.tags;
    let (bucket, generation, order) = (bucket.id, bucket.generation, stored.order);
    ExpireVersion { bucket, generation, key: key(name), order, action, current: None, tags, lock_time: NOW, now: NOW }
}

async fn expire(store: &dyn MetaStore, expire: &ExpireVersion) -> ExpiryOutcome {
    store.expire_version(expire.clone()).await.unwrap()
}

pub(super) async fn a_version_expires_only_as_it_was_judged(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    let put = async || store.commit_put(put_inline(id, "a", b"hello")).await.unwrap();
    put().await;
    let judged = expiring(store, "a", Action::Expire).await;
    for wrong in [
        ExpireVersion { generation: judged.generation + 1, ..judged.clone() },
        ExpireVersion { order: judged.order + 1, ..judged.clone() },
        ExpireVersion { key: key("b"), ..judged.clone() },
        ExpireVersion { tags: Tags(Vec::new()), ..judged.clone() },
        ExpireVersion { action: Action::RemoveMarker, ..judged.clone() },
        ExpireVersion { action: Action::RemoveNoncurrent { newer_min: 0 }, current: Some(NOW), ..judged.clone() },
    ] {
        assert_eq!(expire(store, &wrong).await, ExpiryOutcome::Changed, "{wrong:?}");
    }
    let gone = store.expire_version(ExpireVersion { bucket: BucketId(99), ..judged.clone() }).await;
    assert!(matches!(gone, Err(MetaError::NoSuchBucket)));
    put().await;
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Changed, "it was overwritten");
    let judged = expiring(store, "a", Action::Expire).await;
    let change = AttributeChange::Tags(Tags(vec![("keep".to_owned(), "me".to_owned())]));
    let change = ChangeAttributes { bucket: id, key: key("a"), version: None, change, lock_time: NOW };
    store.change_attributes(change).await.unwrap();
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Changed, "it was tagged");
    let judged = expiring(store, "a", Action::Expire).await;
    set_window(store, id, 1).await;
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Changed, "documents were changed");
    assert_eq!(body(store, id, "a").await.unwrap(), b"hello");
    let judged = expiring(store, "a", Action::Expire).await;
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Done);
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Changed);
    assert_eq!(body(store, id, "a").await, None);
    assert_eq!(retained(store, "").await.len(), 1, "what expires stays restorable like what is deleted");
}

pub(super) async fn expiry_follows_versioning(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let at = |seconds| NOW.plus_seconds(seconds);
    for (data, seconds) in [(b"one", 1), (b"two", 2), (b"six", 3)] {
        store.commit_put(CommitPut { now: at(seconds), ..put_inline(id, "a", data) }).await.unwrap();
    }
    let query = VersionListQuery { max_keys: 9, ..VersionListQuery::default() };
    let listed = store.list_versions(id, &query).await.unwrap().versions;
    let judged = expiring(store, "a", Action::Expire).await;
    let oldest = store.version(id, &key("a"), Some(listed[2].version)).await.unwrap().unwrap().order;
    let noncurrent = |newer_min, current| {
        let action = Action::RemoveNoncurrent { newer_min };
        ExpireVersion { order: oldest, action, current: Some(current), ..judged.clone() }
    };
    for wrong in
        [noncurrent(2, at(3)), noncurrent(1, at(2)), ExpireVersion { action: Action::Expire, ..noncurrent(1, at(3)) }]
    {
        assert_eq!(expire(store, &wrong).await, ExpiryOutcome::Changed, "{wrong:?}");
    }
    assert_eq!(expire(store, &noncurrent(1, at(3))).await, ExpiryOutcome::Done);
    assert_eq!(expire(store, &judged).await, ExpiryOutcome::Done);
    let listed = store.list_versions(id, &query).await.unwrap().versions;
    let markers: Vec<_> = listed.iter().map(|listed| listed.is_delete_marker).collect();
    assert_eq!(markers, [true, false, false], "hidden, not removed");
    let marker = expiring(store, "a", Action::RemoveMarker).await;
    assert_eq!(expire(store, &marker).await, ExpiryOutcome::Changed, "something hides behind it");
    for version in &listed[1..] {
        store.commit_delete(delete(id, "a", Some(version.version))).await.unwrap();
    }
    assert_eq!(expire(store, &marker).await, ExpiryOutcome::Done);
    assert!(store.list_versions(id, &query).await.unwrap().versions.is_empty());
}

pub(super) async fn a_locked_version_never_expires(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let until = NOW.plus_seconds(DAY);
    let mut locked = put_inline(id, "a", b"locked");
    locked.metadata.attributes.retention = Some(Retention { mode: RetentionMode::Governance, until });
    let mut held = put_inline(id, "b", b"held");
    held.metadata.attributes.legal_hold = Some(true);
    for put in [locked, held] {
        let name = put.key.as_str().to_owned();
        store.commit_put(put).await.unwrap();
        let judged = expiring(store, &name, Action::RemoveNoncurrent { newer_min: 0 }).await;
        assert_eq!(
            expire(store, &ExpireVersion { action: Action::Expire, ..judged.clone() }).await,
            ExpiryOutcome::Done
        );
        let noncurrent = ExpireVersion { current: Some(NOW), ..judged };
        assert_eq!(expire(store, &noncurrent).await, ExpiryOutcome::Locked);
        let leapt = ExpireVersion { now: until, ..noncurrent.clone() };
        assert_eq!(expire(store, &leapt).await, ExpiryOutcome::Locked, "a clock that leaps opens no lock");
        let later = ExpireVersion { lock_time: until, ..noncurrent.clone() };
        let expected = if name == "a" { ExpiryOutcome::Done } else { ExpiryOutcome::Locked };
        assert_eq!(expire(store, &later).await, expected, "a retention ends, a legal hold does not");
    }
}

pub(super) async fn a_cursor_is_kept_until_it_is_replaced(store: Store) {
    assert_eq!(store.cursor("one").await.unwrap(), None);
    store.set_cursor("one", Some(b"here".to_vec())).await.unwrap();
    store.set_cursor("two", Some(b"elsewhere".to_vec())).await.unwrap();
    store.set_cursor("one", Some(b"there".to_vec())).await.unwrap();
    assert_eq!(store.cursor("one").await.unwrap().as_deref(), Some(b"there".as_slice()));
    store.set_cursor("one", None).await.unwrap();
    assert_eq!(store.cursor("one").await.unwrap(), None);
    assert_eq!(store.cursor("two").await.unwrap().as_deref(), Some(b"elsewhere".as_slice()));
}
