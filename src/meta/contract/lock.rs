use std::sync::Arc;

use super::Store;
use super::fixture::{NOW, bucket, copy, delete, inline, key, metadata, new_upload, part, put_inline, upload_id};
use crate::meta::composite::Composite;
use crate::meta::{ChangeAttributes, CommitDelete, CommitPut, CompleteUpload, MetaError, MetaStore, PartSelection};
use crate::rules::{DefaultRetention, LockRefusal, ObjectLock, Period, Seen, Versioning, WritePrecondition};
use crate::types::{
    AttributeChange, BucketId, DocumentKind, ObjectMetadata, Retention, RetentionMode, Timestamp, Uptime, VersionId,
};

const DEFAULT: DefaultRetention = DefaultRetention { mode: RetentionMode::Governance, period: Period::Days(3) };

/// A bucket with an object lock and a default retention.
async fn locked(store: &dyn MetaStore) -> BucketId {
    let id = bucket(store, "locked").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let lock = ObjectLock { default: Some(DEFAULT) }.to_document();
    store.set_document(id, DocumentKind::ObjectLock, Some(Arc::from(lock))).await.unwrap();
    id
}

async fn retention(store: &dyn MetaStore, id: BucketId, name: &str) -> Option<Retention> {
    let stored = store.version(id, &key(name), None).await.unwrap().unwrap();
    stored.version.metadata.attributes.retention
}

pub(super) async fn a_new_version_gets_the_default_of_its_bucket(store: Store) {
    let store = store.as_ref();
    let id = locked(store).await;
    let until = NOW.plus_seconds(3 * 24 * 3600).rounded_up_to_millis();
    let expected = Some(Retention { mode: DEFAULT.mode, until });

    store.commit_put(put_inline(id, "put", b"x")).await.unwrap();
    assert_eq!(retention(store, id, "put").await, expected);
    let order = store.version(id, &key("put"), None).await.unwrap().unwrap().order;
    store.commit_copy(copy((id, "put", order), (id, "copy"))).await.unwrap();
    assert_eq!(retention(store, id, "copy").await, expected);

    store.create_upload(new_upload(id, "upload", 1)).await.unwrap();
    let body = part(id, "upload", 1, 1, inline(b"part"));
    store.commit_part(body.clone()).await.unwrap();
    let mut composite = Composite::default();
    composite.push(&body.md5, body.size);
    let (etag, size, _) = composite.finish();
    let mut selection = PartSelection::new();
    selection.insert(1);
    let complete = CompleteUpload {
        bucket: id,
        key: key("upload"),
        upload: upload_id(1),
        selection,
        etag,
        size,
        checksum: None,
        record: Vec::new(),
        precondition: WritePrecondition::default(),
        now: NOW,
    };
    store.complete_upload(complete).await.unwrap();
    assert_eq!(retention(store, id, "upload").await, expected);

    // What a request says wins over the default, even if it is less.
    let own = Some(Retention { mode: RetentionMode::Compliance, until: NOW.plus_seconds(5) });
    let mut said = ObjectMetadata { ..metadata() };
    said.attributes.retention = own;
    store.commit_put(CommitPut { metadata: said, ..put_inline(id, "put", b"y") }).await.unwrap();
    assert_eq!(retention(store, id, "put").await, own);

    let open = bucket(store, "open").await.id;
    store.commit_put(put_inline(open, "put", b"x")).await.unwrap();
    assert_eq!(retention(store, open, "put").await, None);
}

pub(super) async fn a_clock_that_went_back_makes_no_retention_that_has_ended(store: Store) {
    let store = store.as_ref();
    let id = locked(store).await;
    let late = NOW.plus_seconds(1_000_000);
    store.keep_lock_clock(Seen { time: late, uptime: Uptime::default() }).await.unwrap();
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    assert_eq!(retention(store, id, "a").await, Some(DEFAULT.retention(late)));
}

pub(super) async fn every_lock_is_judged_in_the_transaction(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    let version = store.commit_put(put_inline(id, "a", b"x")).await.unwrap().version;
    let change = async |change, seconds| {
        let (version, lock_time) = (Some(version), NOW.plus_seconds(seconds));
        store.change_attributes(ChangeAttributes { bucket: id, key: key("a"), version, change, lock_time }).await
    };
    let until = |mode, seconds: i64, bypass_governance| AttributeChange::Retention {
        retention: Some(Retention { mode, until: NOW.plus_seconds(seconds) }),
        bypass_governance,
    };
    let remove = async |bypass_governance, at: Timestamp| {
        let delete = delete(id, "a", Some(version));
        store.commit_delete(CommitDelete { bypass_governance, lock_time: at, ..delete }).await
    };
    change(until(RetentionMode::Governance, 10, false), 0).await.unwrap();
    let shorter = change(until(RetentionMode::Governance, 5, false), 0).await;
    assert!(matches!(shorter, Err(MetaError::Locked(LockRefusal::Governance))));
    change(until(RetentionMode::Governance, 5, true), 0).await.unwrap();
    change(until(RetentionMode::Compliance, 20, true), 0).await.unwrap();
    let shorter = change(until(RetentionMode::Compliance, 19, true), 19).await;
    assert!(matches!(shorter, Err(MetaError::Locked(LockRefusal::Compliance))));
    let removed = remove(true, NOW.plus_seconds(19)).await;
    assert!(matches!(removed, Err(MetaError::Locked(LockRefusal::Compliance))));

    change(AttributeChange::LegalHold(true), 0).await.unwrap();
    let removed = remove(true, NOW.plus_seconds(21)).await;
    assert!(matches!(removed, Err(MetaError::Locked(LockRefusal::LegalHold))));
    // Neither a newer version nor a delete marker is held up, and neither removes what is locked.
    store.commit_put(put_inline(id, "a", b"y")).await.unwrap();
    assert!(store.commit_delete(delete(id, "a", None)).await.unwrap().delete_marker);
    assert!(store.version(id, &key("a"), Some(version)).await.unwrap().is_some());
    change(AttributeChange::LegalHold(false), 0).await.unwrap();
    assert!(remove(false, NOW.plus_seconds(21)).await.unwrap().removed);
    assert!(!remove(false, NOW).await.unwrap().removed, "what is gone is not locked");
    assert_ne!(version, VersionId::Null);
}
