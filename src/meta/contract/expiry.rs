use super::Store;
use super::fixture::{NOW, bucket, delete, key, put_inline};
use super::undelete::{body, retained};
use super::usage::set_window;
use crate::meta::{ChangeAttributes, CommitPut, ExpireVersion, ExpiryOutcome, MetaError, MetaStore};
use crate::rules::Versioning;
use crate::rules::lifecycle::Action;
use crate::types::{AttributeChange, BucketId, BucketName, Retention, RetentionMode, Tags, VersionListQuery};

const DAY: i64 = 86_400;

/// What expires the newest version of a key, judged now.
pub(super) async fn expiring(store: &dyn MetaStore, name: &str, action: Action) -> ExpireVersion {
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
