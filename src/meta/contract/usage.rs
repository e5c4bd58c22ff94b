use super::Store;
use super::fixture::{
    bucket, copy, delete, inline, key, new_upload, owner, part, put_extents, put_inline, sealed, upload_id,
};
use super::upload::complete;
use crate::meta::{Admission, CommitPut, MetaError, MetaStore};
use crate::rules::quota::{Limited, QuotaOf};
use crate::rules::{Quota, Undelete, Usage, Versioning};
use crate::types::{BucketId, DocumentKind};

pub(super) async fn usage(store: &dyn MetaStore, bucket: BucketId) -> (u64, u64) {
    let Usage { bytes, objects } = store.bucket_usage(bucket).await.unwrap();
    (bytes, objects)
}

pub(super) async fn usage_of(store: &dyn MetaStore, name: &str) -> (u64, u64) {
    let Usage { bytes, objects } = store.owner_account(&owner(name)).await.unwrap().usage;
    (bytes, objects)
}

async fn set_quota(store: &dyn MetaStore, bucket: BucketId, bytes: Option<u64>, objects: Option<u64>) {
    let document = Quota { bytes, objects }.to_document();
    store.set_document(bucket, DocumentKind::Quota, Some(document.into())).await.unwrap();
}

pub(super) async fn set_window(store: &dyn MetaStore, bucket: BucketId, days: u32) {
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
