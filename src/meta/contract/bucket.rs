use std::sync::Arc;

use super::Store;
use super::fixture::{NOW, bucket, delete, key, new_bucket, new_upload, owner, put_inline, upload_id};
use crate::limits::BUCKETS_PER_OWNER_MAX;
use crate::meta::{MetaError, NewBucket};
use crate::rules::{BucketRefusal, ObjectLock, Versioning};
use crate::types::{BucketId, BucketListing, BucketName, DocumentKind, Documents};

pub(super) async fn a_bucket_is_found_until_it_is_deleted(store: Store) {
    let name = BucketName::parse("bucket").unwrap();
    assert_eq!(store.bucket(&name).await.unwrap(), None);
    let made = bucket(store.as_ref(), "bucket").await;
    assert_eq!((&made.name, made.owner.0.as_str(), made.created, made.location.as_str()), (&name, "alice", NOW, "eu"));
    assert_eq!(store.bucket(&name).await.unwrap(), Some(made.clone()));
    match store.create_bucket(NewBucket { owner: owner("bob"), ..new_bucket("bucket") }).await {
        Err(MetaError::BucketExists { owner }) => assert_eq!(owner.0, "alice"),
        other => panic!("{other:?}"),
    }
    store.delete_bucket(made.id).await.unwrap();
    assert_eq!(store.bucket(&name).await.unwrap(), None);
    assert!(matches!(store.delete_bucket(made.id).await, Err(MetaError::NoSuchBucket)));
    let again = bucket(store.as_ref(), "bucket").await;
    assert_ne!(again.id, made.id, "ids of buckets are never used again");
}

pub(super) async fn a_bucket_with_anything_in_it_is_not_deleted(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let refuses = async |what: &str| {
        assert!(matches!(store.delete_bucket(id).await, Err(MetaError::BucketNotEmpty)), "{what}");
    };
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    refuses("a version").await;
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let marker = store.commit_delete(delete(id, "a", None)).await.unwrap();
    refuses("a delete marker").await;
    store.commit_delete(delete(id, "a", marker.version)).await.unwrap();
    store.delete_bucket(id).await.unwrap();
}

pub(super) async fn open_uploads_go_with_their_bucket(store: Store) {
    let (going, staying) = (bucket(store.as_ref(), "going").await.id, bucket(store.as_ref(), "staying").await.id);
    for (id, number) in [(going, 1), (going, 2), (staying, 3)] {
        store.create_upload(new_upload(id, "a", number)).await.unwrap();
    }
    store.delete_bucket(going).await.unwrap();
    assert_eq!(store.garbage_manifests(10).await.unwrap().len(), 2);
    assert_eq!(store.upload(going, &key("a"), upload_id(1)).await.unwrap(), None);
    assert!(store.upload(staying, &key("a"), upload_id(3)).await.unwrap().is_some());
}

pub(super) async fn an_owner_has_a_bounded_number_of_buckets(store: Store) {
    let create = |number| store.create_bucket(new_bucket(&format!("bucket-{number}")));
    let all = futures_util::future::join_all((0..BUCKETS_PER_OWNER_MAX).map(create)).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(matches!(store.create_bucket(new_bucket("one-more")).await, Err(MetaError::TooManyBuckets)));
    store.create_bucket(NewBucket { owner: owner("bob"), ..new_bucket("one-more") }).await.unwrap();
}

pub(super) async fn buckets_are_listed_by_name_in_pages(store: Store) {
    for (name, by) in [("bbb", "alice"), ("abc", "bob"), ("aaa", "alice"), ("abd", "alice"), ("ab-c", "bob")] {
        store.create_bucket(NewBucket { owner: owner(by), ..new_bucket(name) }).await.unwrap();
    }
    let list = async |by: Option<&str>, prefix: &str, after: &str, max: u32| {
        let by = by.map(owner);
        let BucketListing { buckets, next_after } = store.list_buckets(by.as_ref(), prefix, after, max).await.unwrap();
        let names: Vec<String> = buckets.into_iter().map(|bucket| bucket.name.as_str().to_owned()).collect();
        (names.join(" "), next_after)
    };
    let ended = |names: &str| (names.to_owned(), None);
    let goes_on = |names: &str, after: &str| (names.to_owned(), Some(after.to_owned()));
    assert_eq!(list(None, "", "", 10).await, ended("aaa ab-c abc abd bbb"));
    assert_eq!(list(None, "", "", 2).await, goes_on("aaa ab-c", "ab-c"));
    assert_eq!(list(None, "", "ab-c", 3).await, ended("abc abd bbb"));
    assert_eq!(list(Some("bob"), "", "", 10).await, ended("ab-c abc"));
    assert_eq!(list(Some("alice"), "ab", "", 10).await, ended("abd"));
    assert_eq!(list(None, "ab", "", 3).await, ended("ab-c abc abd"));
    assert_eq!(list(None, "ab", "", 2).await, goes_on("ab-c abc", "abc"));
    assert_eq!(list(None, "ab", "abd", 2).await, ended(""));
    assert_eq!(list(None, "zz", "", 2).await, ended(""));
    assert_eq!(list(None, "", "", 0).await, ended(""));
}

pub(super) async fn versioning_is_a_property_of_one_bucket(store: Store) {
    let one = bucket(store.as_ref(), "one").await.id;
    let two = bucket(store.as_ref(), "two").await.id;
    let is_versioned =
        async |name| store.bucket(&BucketName::parse(name).unwrap()).await.unwrap().unwrap().is_versioned;
    assert!(!is_versioned("one").await);
    for state in [Versioning::Enabled, Versioning::Suspended] {
        store.set_versioning(one, state).await.unwrap();
        assert!(is_versioned("one").await && !is_versioned("two").await);
        assert_eq!(store.versioning(one).await.unwrap(), state);
        assert_eq!(store.versioning(two).await.unwrap(), Versioning::Unversioned);
    }
    let nowhere = BucketId(99);
    assert!(matches!(store.versioning(nowhere).await, Err(MetaError::NoSuchBucket)));
    assert!(matches!(store.set_versioning(nowhere, Versioning::Enabled).await, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn documents_are_kept_until_they_are_replaced_or_removed(store: Store) {
    let first = Documents([(DocumentKind::Acl, Arc::from(&b"acl"[..]))].into());
    let new = NewBucket { documents: first.clone(), versioning: Versioning::Enabled, ..new_bucket("bucket") };
    let made = store.create_bucket(new).await.unwrap();
    assert_eq!(store.documents(made.id).await.unwrap(), first);
    assert_eq!(store.versioning(made.id).await.unwrap(), Versioning::Enabled);

    let mut generations = vec![made.generation];
    for body in [Some("one"), Some("two"), None] {
        let body: Option<Arc<[u8]>> = body.map(|text| Arc::from(text.as_bytes()));
        store.set_document(made.id, DocumentKind::Policy, body.clone()).await.unwrap();
        let found = store.documents(made.id).await.unwrap();
        assert_eq!(found.get(DocumentKind::Policy), body.as_deref());
        assert_eq!(found.get(DocumentKind::Acl), Some(&b"acl"[..]));
        generations.push(store.bucket(&made.name).await.unwrap().unwrap().generation);
    }
    assert!(generations.is_sorted_by(|a, b| a < b), "{generations:?}");

    let other = bucket(store.as_ref(), "other").await;
    assert_eq!(store.documents(other.id).await.unwrap(), Documents::default());
    store.delete_bucket(made.id).await.unwrap();
    assert!(matches!(store.documents(made.id).await, Err(MetaError::NoSuchBucket)));
    let late = store.set_document(made.id, DocumentKind::Acl, None).await;
    assert!(matches!(late, Err(MetaError::NoSuchBucket)));
}

pub(super) async fn an_object_lock_needs_versioning_and_stays(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let lock: Option<Arc<[u8]>> = Some(Arc::from(ObjectLock::default().to_document()));
    let set = |body| store.set_document(id, DocumentKind::ObjectLock, body);
    for state in [Versioning::Unversioned, Versioning::Suspended] {
        store.set_versioning(id, state).await.unwrap();
        let refused = set(lock.clone()).await;
        assert!(matches!(refused, Err(MetaError::BucketState(BucketRefusal::NeedsVersioning))), "{state:?}");
    }
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    set(lock.clone()).await.unwrap();
    set(lock).await.unwrap();
    assert!(matches!(set(None).await, Err(MetaError::BucketState(BucketRefusal::HasLock))));
    let refused = store.set_versioning(id, Versioning::Suspended).await;
    assert!(matches!(refused, Err(MetaError::BucketState(BucketRefusal::HasLock))));
    assert_eq!(store.versioning(id).await.unwrap(), Versioning::Enabled);
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
}
