//! Facts about events.

use std::sync::Arc;

use super::Store;
use super::expiry::expiring;
use super::fixture::{NOW, bucket, copy, delete, key, put_inline};
use super::rename::rename;
use super::undelete::{restored, retained};
use super::usage::set_window;
use crate::limits::EVENTS_QUEUED_PER_TARGET_MAX;
use crate::meta::{ChangeAttributes, MetaError, MetaStore, on_behalf_of};
use crate::rules::lifecycle::Action;
use crate::rules::{DestinationKind, EventPattern, Notification, NotificationRule, Versioning};
use crate::types::{
    AttributeChange, BucketId, DocumentKind, EventBacklog, EventSettlement, Origin, QueuedEvent, Tags, VersionId,
};

fn rule(target: &str, events: &[&str], prefix: &str) -> NotificationRule {
    NotificationRule {
        id: format!("to-{target}"),
        kind: DestinationKind::Queue,
        arn: format!("arn:aws:sqs:::{target}"),
        target: target.to_owned(),
        events: events.iter().map(|event| EventPattern::parse(event).unwrap()).collect(),
        prefix: prefix.to_owned(),
        suffix: String::new(),
    }
}

async fn notify(store: &dyn MetaStore, bucket: BucketId, rules: Vec<NotificationRule>) {
    let body = Notification { rules }.to_bytes();
    store.set_document(bucket, DocumentKind::Notification, Some(Arc::from(body))).await.unwrap();
    for target in store.event_backlog().await.unwrap() {
        let tests = store.due_events(&target.target, NOW, 10).await.unwrap();
        deliver(store, &target.target, &tests).await;
    }
}

async fn due(store: &dyn MetaStore, target: &str) -> Vec<QueuedEvent> {
    store.due_events(target, NOW, 100).await.unwrap()
}

async fn deliver(store: &dyn MetaStore, target: &str, events: &[QueuedEvent]) {
    let delivered = events.iter().map(|event| event.sequence).collect();
    store.settle_events(target, EventSettlement { delivered, ..EventSettlement::default() }).await.unwrap();
}

fn names(events: &[QueuedEvent]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (event.record.name.as_str(), event.record.key.as_str())).collect()
}

const ALL: &[&str] = &["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:LifecycleExpiration:*", "s3:ObjectTagging:*"];

pub(super) async fn every_change_is_told_in_its_transaction(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    let put = store.commit_put(put_inline(id, "a", b"one")).await.unwrap();
    let order = store.version(id, &key("a"), None).await.unwrap().unwrap().order;
    store.commit_copy(copy((id, "a", order), (id, "b"))).await.unwrap();
    let change = |tags| ChangeAttributes {
        bucket: id,
        key: key("a"),
        version: None,
        change: AttributeChange::Tags(tags),
        lock_time: NOW,
    };
    store.change_attributes(change(Tags(vec![("k".to_owned(), "v".to_owned())]))).await.unwrap();
    store.change_attributes(change(Tags::default())).await.unwrap();
    let origin = Arc::new(Origin { principal: "alice".to_owned(), ..Origin::default() });
    on_behalf_of(Some(Arc::clone(&origin)), store.commit_delete(delete(id, "a", None))).await.unwrap();
    store.commit_delete(delete(id, "b", None)).await.unwrap();
    store.commit_delete(delete(id, "never", None)).await.unwrap();

    let events = due(store, "hook").await;
    assert_eq!(
        names(&events),
        [
            ("ObjectCreated:Put", "a"),
            ("ObjectCreated:Copy", "b"),
            ("ObjectTagging:Put", "a"),
            ("ObjectTagging:Delete", "a"),
            ("ObjectRemoved:Delete", "a"),
            ("LifecycleExpiration:Delete", "b"),
        ]
    );
    assert!(events.is_sorted_by(|a, b| a.sequence < b.sequence));
    let created = &events[0].record;
    assert_eq!(
        (created.size, created.etag.clone(), created.version.clone()),
        (Some(3), Some(put.etag.to_string()), None)
    );
    assert_eq!((created.bucket.as_str(), created.bucket_owner.as_str()), ("bucket", "alice"));
    assert_eq!((created.configuration.as_str(), created.at), ("to-hook", NOW.0));
    assert_eq!(events[4].record.origin.as_ref(), Some(&*origin));
    assert_eq!((events[4].record.size, &events[4].record.etag), (None, &None));
    assert_eq!(events[5].record.origin, None);
}

pub(super) async fn a_rename_is_told_as_what_came_and_what_went(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    let put = store.commit_put(put_inline(id, "from", b"one")).await.unwrap();
    let origin = Arc::new(Origin { at: NOW.plus_seconds(7).0, ..Origin::default() });
    on_behalf_of(Some(origin), store.commit_rename(rename(id, "from", "to"))).await.unwrap();
    let events = due(store, "hook").await;
    assert_eq!(
        names(&events[1..]),
        [("ObjectCreated:Copy", "to"), ("ObjectRemoved:Delete", "from")],
        "to whoever watches keys"
    );
    assert_eq!(events[1].record.etag, Some(put.etag.to_string()));
    assert_eq!(events[1].record.at, NOW.plus_seconds(7).0, "not the time that judges locks");
}

pub(super) async fn what_lifecycle_removes_and_what_is_restored_is_told(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    store.commit_put(put_inline(id, "a", b"one")).await.unwrap();
    store.expire_version(expiring(store, "a", Action::Expire).await).await.unwrap();
    let row = retained(store, "").await.remove(0);
    store.restore(restored(id, &row)).await.unwrap();
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    store.expire_version(expiring(store, "a", Action::Expire).await).await.unwrap();
    let marker = store.version(id, &key("a"), None).await.unwrap().unwrap().version.version;
    store.commit_delete(delete(id, "a", Some(VersionId::Null))).await.unwrap();
    store.expire_version(expiring(store, "a", Action::RemoveMarker).await).await.unwrap();
    let told: Vec<_> = due(store, "hook").await.into_iter().map(|e| (e.record.name, e.record.version)).collect();
    let expected = [
        ("ObjectCreated:Put", None),
        ("LifecycleExpiration:Delete", None),
        ("ObjectCreated:Copy", None),
        ("LifecycleExpiration:DeleteMarkerCreated", Some(marker.to_string())),
        ("LifecycleExpiration:Delete", Some("null".to_owned())),
        ("LifecycleExpiration:Delete", Some(marker.to_string())),
    ];
    assert_eq!(told, expected.map(|(name, version)| (name.to_owned(), version)));
}

pub(super) async fn versions_and_markers_are_told_with_their_ids(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    let origin = Some(Arc::new(Origin::default()));
    let put = store.commit_put(put_inline(id, "a", b"one")).await.unwrap();
    let marker = on_behalf_of(origin.clone(), store.commit_delete(delete(id, "a", None))).await.unwrap();
    on_behalf_of(origin, store.commit_delete(delete(id, "a", Some(put.version)))).await.unwrap();
    let events = due(store, "hook").await;
    let told: Vec<_> = events.iter().map(|event| (event.record.name.as_str(), event.record.version.clone())).collect();
    assert_eq!(
        told,
        [
            ("ObjectCreated:Put", Some(put.version.to_string())),
            ("ObjectRemoved:DeleteMarkerCreated", marker.version.map(|id| id.to_string())),
            ("ObjectRemoved:Delete", Some(put.version.to_string())),
        ]
    );
}

pub(super) async fn what_nobody_asked_for_and_what_was_refused_is_not_told(store: Store) {
    let store = store.as_ref();
    let (id, other) = (bucket(store, "bucket").await.id, bucket(store, "other").await.id);
    notify(store, id, vec![rule("hook", &["s3:ObjectCreated:Put"], "in/")]).await;
    store.commit_put(put_inline(id, "out", b"")).await.unwrap();
    store.commit_put(put_inline(other, "in/a", b"")).await.unwrap();
    store.commit_delete(delete(id, "out", None)).await.unwrap();
    let mut refused = put_inline(id, "in/a", b"");
    refused.precondition = super::fixture::matching(&refused.etag);
    assert!(matches!(store.commit_put(refused).await, Err(MetaError::NoSuchKey)));
    assert_eq!(names(&due(store, "hook").await), []);
    store.set_document(id, DocumentKind::Notification, None).await.unwrap();
    store.commit_put(put_inline(id, "in/a", b"")).await.unwrap();
    assert_eq!(names(&due(store, "hook").await), []);
}

pub(super) async fn a_configuration_that_is_put_tests_each_target_once(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    let rules = vec![rule("one", ALL, "a"), rule("two", ALL, "b"), rule("one", ALL, "c")];
    let body = Notification { rules }.to_bytes();
    store.set_document(id, DocumentKind::Notification, Some(Arc::from(body))).await.unwrap();
    for target in ["one", "two"] {
        assert_eq!(names(&due(store, target).await), [("TestEvent", "")], "{target}");
    }
    store.set_document(id, DocumentKind::Policy, None).await.unwrap();
    store.set_document(id, DocumentKind::Notification, None).await.unwrap();
    assert_eq!(due(store, "one").await.len(), 1);
}

pub(super) async fn a_key_waits_behind_its_first_event_and_others_do_not(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    for name in ["a", "b", "a", "b"] {
        store.commit_put(put_inline(id, name, b"")).await.unwrap();
    }
    let events = due(store, "hook").await;
    assert_eq!(store.due_events("hook", NOW, 3).await.unwrap(), events[..3]);
    let later = NOW.plus_seconds(5);
    let settlement = EventSettlement {
        delivered: vec![events[1].sequence],
        postponed: vec![(events[0].sequence, later)],
        given_up: Vec::new(),
    };
    store.settle_events("hook", settlement).await.unwrap();
    assert_eq!(due(store, "hook").await, events[3..], "the second event of a waits with the first");
    let then = store.due_events("hook", later, 10).await.unwrap();
    assert_eq!(then.iter().map(|event| event.attempts).collect::<Vec<_>>(), [1, 0, 0]);
    let given_up = vec![events[0].sequence];
    store.settle_events("hook", EventSettlement { given_up, ..EventSettlement::default() }).await.unwrap();
    assert_eq!(due(store, "hook").await, events[2..]);
    let backlog = EventBacklog { target: "hook".to_owned(), queued: 2, dropped: 1 };
    assert_eq!(store.event_backlog().await.unwrap(), std::slice::from_ref(&backlog));
    deliver(store, "hook", &events).await;
    assert_eq!(
        store.event_backlog().await.unwrap(),
        [EventBacklog { queued: 0, ..backlog }],
        "settled twice, counted once"
    );
}

pub(super) async fn targets_have_queues_of_their_own(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    notify(store, id, vec![rule("one", ALL, "a"), rule("two", ALL, "b")]).await;
    store.commit_put(put_inline(id, "a", b"")).await.unwrap();
    store.commit_put(put_inline(id, "b", b"")).await.unwrap();
    let (one, two) = (due(store, "one").await, due(store, "two").await);
    assert_eq!((names(&one), names(&two)), (vec![("ObjectCreated:Put", "a")], vec![("ObjectCreated:Put", "b")]));
    deliver(store, "two", &one).await;
    assert_eq!(due(store, "one").await, one, "a number counts for its own target only");
    // A bucket may go before its last event is told.
    for name in ["a", "b"] {
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    store.delete_bucket(id).await.unwrap();
    assert_eq!(due(store, "one").await.len(), 2);
}

pub(super) async fn too_many_events_are_dropped_and_counted(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    notify(store, id, vec![rule("hook", ALL, "")]).await;
    let puts = (0..EVENTS_QUEUED_PER_TARGET_MAX + 2).map(|_| store.commit_put(put_inline(id, "a", b"")));
    let results = futures_util::future::join_all(puts).await;
    assert!(results.iter().all(Result::is_ok), "nobody's write is refused");
    let backlog = store.event_backlog().await.unwrap();
    let queued = u64::from(EVENTS_QUEUED_PER_TARGET_MAX);
    assert_eq!(backlog, [EventBacklog { target: "hook".to_owned(), queued, dropped: 2 }]);
    let events = due(store, "hook").await;
    deliver(store, "hook", &events[..1]).await;
    store.commit_put(put_inline(id, "a", b"")).await.unwrap();
    assert_eq!(store.event_backlog().await.unwrap(), backlog, "room is used again");
}

pub(super) async fn buckets_are_found_by_their_documents(store: Store) {
    let store = store.as_ref();
    let (one, two) = (bucket(store, "one").await, bucket(store, "two").await);
    bucket(store, "three").await;
    let body: Arc<[u8]> = Arc::from(&b"x"[..]);
    for id in [one.id, two.id] {
        store.set_document(id, DocumentKind::Logging, Some(Arc::clone(&body))).await.unwrap();
    }
    let found = store.buckets_with(DocumentKind::Logging, 10).await.unwrap();
    let mut names: Vec<_> = found.iter().map(|found| (found.bucket.name.as_str(), &*found.body)).collect();
    names.sort_unstable();
    assert_eq!(names, [("one", &b"x"[..]), ("two", &b"x"[..])]);
    assert_eq!(store.buckets_with(DocumentKind::Logging, 1).await.unwrap().len(), 1);
    assert!(store.buckets_with(DocumentKind::Cors, 10).await.unwrap().is_empty());
}
