//! Policies of access keys.

use super::Store;
use super::boot::access_key;
use crate::limits::{KEY_POLICIES_BYTES_MAX, KEY_POLICIES_MAX};
use crate::meta::{AccessKey, GatewaySecret, KeyChange, KeyPolicy, MetaError};
use crate::types::{Rate, SourceRates, Timestamp};

fn policy(name: &str, document: Option<&str>) -> KeyPolicy {
    KeyPolicy { name: name.to_owned(), document: document.map(Into::into) }
}

async fn policies(store: &Store, name: &str) -> Option<Vec<KeyPolicy>> {
    let keys = store.access_keys().await.unwrap();
    keys.into_iter().find(|key| key.name == name).expect("the key").policies
}

pub(super) async fn policies_limit_a_key_until_it_goes(store: Store) {
    let limited = AccessKey { policies: Some(vec![policy("own", Some("{}"))]), ..access_key("ID1", "alice") };
    store.add_access_key(limited).await.unwrap();
    store.add_access_key(access_key("ID2", "bob")).await.unwrap();
    // A name wins over an id.
    store.add_access_key(access_key("ID3", "ID2")).await.unwrap();
    assert_eq!(policies(&store, "alice").await, Some(vec![policy("own", Some("{}"))]));
    assert_eq!(policies(&store, "bob").await, None);
    store.attach_policies("alice", vec![policy("full", None), policy("own", Some("{ü}"))]).await.unwrap();
    assert_eq!(policies(&store, "alice").await, Some(vec![policy("full", None), policy("own", Some("{ü}"))]));
    store.attach_policies("ID2", vec![policy("read-only", None)]).await.unwrap();
    assert_eq!(policies(&store, "ID2").await, Some(vec![policy("read-only", None)]));
    assert_eq!(policies(&store, "bob").await, None);
    store.detach_policies("ID1", vec!["own".to_owned(), "full".to_owned()]).await.unwrap();
    assert_eq!(policies(&store, "alice").await, Some(vec![]), "without policies it is still limited");
    store.attach_policies("alice", vec![policy("full", None)]).await.unwrap();
    store.remove_access_key("alice").await.unwrap();
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    assert_eq!(policies(&store, "alice").await, None, "policies went with their key");
}

pub(super) async fn what_is_not_there_is_not_detached(store: Store) {
    assert!(matches!(store.attach_policies("alice", vec![]).await, Err(MetaError::NoSuchAccessKey)));
    assert!(matches!(store.detach_policies("alice", vec![]).await, Err(MetaError::NoSuchAccessKey)));
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    let refused = store.detach_policies("alice", vec!["own".to_owned()]).await;
    assert!(matches!(refused, Err(MetaError::NoSuchKeyPolicy)));
    assert_eq!(policies(&store, "alice").await, None);
    store.attach_policies("alice", vec![policy("a", None), policy("b", None)]).await.unwrap();
    let refused = store.detach_policies("alice", vec!["a".to_owned(), "c".to_owned()]).await;
    assert!(matches!(refused, Err(MetaError::NoSuchKeyPolicy)));
    assert_eq!(policies(&store, "alice").await.unwrap().len(), 2, "all or none");
}

pub(super) async fn policies_are_bounded(store: Store) {
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    let named = |number: usize| policy(&format!("p{number}"), None);
    store.attach_policies("alice", (0..KEY_POLICIES_MAX).map(named).collect()).await.unwrap();
    store.attach_policies("alice", vec![named(0)]).await.unwrap();
    let refused = store.attach_policies("alice", vec![named(KEY_POLICIES_MAX)]).await;
    assert!(matches!(refused, Err(MetaError::TooManyKeyPolicies)));
    assert_eq!(policies(&store, "alice").await.unwrap().len(), KEY_POLICIES_MAX);
    // The bytes of all keys together; ready-made ones have none.
    let half = "x".repeat(usize::try_from(KEY_POLICIES_BYTES_MAX / 2).unwrap());
    let with =
        |id: &str, name: &str| AccessKey { policies: Some(vec![policy("own", Some(&half))]), ..access_key(id, name) };
    store.add_access_key(with("ID2", "bob")).await.unwrap();
    store.add_access_key(with("ID3", "carol")).await.unwrap();
    let refused =
        store.add_access_key(AccessKey { policies: Some(vec![policy("own", Some("x"))]), ..access_key("ID4", "dave") });
    assert!(matches!(refused.await, Err(MetaError::TooManyKeyPolicies)));
    assert_eq!(store.access_keys().await.unwrap().len(), 3, "a refused key is not added");
    store.attach_policies("bob", vec![policy("own", Some("x"))]).await.unwrap();
    store.add_access_key(AccessKey { policies: Some(vec![]), ..access_key("ID4", "dave") }).await.unwrap();
    assert_eq!(policies(&store, "dave").await, Some(vec![]));
}

pub(super) async fn rates_of_a_key_stay_until_they_are_taken_away(store: Store) {
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    let refused = store.limit_key("alice", None).await;
    assert!(matches!(refused, Err(MetaError::NoSuchAccessKey)));
    let own = SourceRates { requests: rate(1, 2), bytes: None };
    store.add_access_key(AccessKey { rates: own, ..access_key("ID1", "alice") }).await.unwrap();
    store.add_access_key(access_key("ID2", "bob")).await.unwrap();
    let rates = async || {
        let keys = store.access_keys().await.unwrap();
        keys.into_iter().map(|key| key.rates).collect::<Vec<_>>()
    };
    let none = SourceRates::default();
    assert_eq!(rates().await, [own, none]);
    let bytes = SourceRates { requests: None, bytes: rate(1 << 30, i64::MAX.cast_unsigned()) };
    store.limit_key("ID1", Some(bytes)).await.unwrap();
    assert_eq!(rates().await, [SourceRates { requests: own.requests, ..bytes }, none], "what is not named stays");
    let requests = SourceRates { requests: rate(3, 3), bytes: None };
    store.limit_key("alice", Some(requests)).await.unwrap();
    store.attach_policies("alice", vec![policy("full", None), policy("read-only", None)]).await.unwrap();
    store.limit_key("bob", Some(requests)).await.unwrap();
    assert_eq!(rates().await, [SourceRates { bytes: bytes.bytes, ..requests }, requests]);
    store.limit_key("alice", None).await.unwrap();
    assert_eq!(rates().await, [none, requests]);
    assert_eq!(policies(&store, "alice").await.map(|policies| policies.len()), Some(2));
    store.remove_access_key("bob").await.unwrap();
    store.add_access_key(access_key("ID2", "bob")).await.unwrap();
    assert_eq!(rates().await, [none, none], "they went with their key");
}

pub(super) async fn a_key_changes_as_a_whole_or_not_at_all(store: Store) {
    let rate = |per_second, burst| Some(Rate { per_second, burst });
    let refused = store.change_access_key("alice", KeyChange::default()).await;
    assert!(matches!(refused, Err(MetaError::NoSuchAccessKey)));
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    store.add_access_key(access_key("ID2", "bob")).await.unwrap();
    let alice = async || store.access_keys().await.unwrap().remove(0);
    store.change_access_key("alice", KeyChange::default()).await.unwrap();
    assert!(alice().await == access_key("ID1", "alice"), "nothing changes nothing");
    let change = KeyChange {
        attach: vec![policy("full", None)],
        requests: Some(rate(1, 2)),
        expires: Some(Some(Timestamp(7))),
        secret: Some("another secret".to_owned()),
        ..KeyChange::default()
    };
    store.change_access_key("ID1", change).await.unwrap();
    let changed = AccessKey {
        policies: Some(vec![policy("full", None)]),
        rates: SourceRates { requests: rate(1, 2), bytes: None },
        expires: Some(Timestamp(7)),
        secret: "another secret".to_owned(),
        ..access_key("ID1", "alice")
    };
    assert!(alice().await == changed);
    let detach = vec!["full".to_owned(), "own".to_owned()];
    let half = KeyChange { detach, secret: Some("lost".to_owned()), bytes: Some(rate(3, 3)), ..KeyChange::default() };
    assert!(matches!(store.change_access_key("alice", half).await, Err(MetaError::NoSuchKeyPolicy)));
    assert!(alice().await == changed, "all or nothing");
    let swap = KeyChange {
        detach: vec!["full".to_owned()],
        attach: vec![policy("read-only", None)],
        requests: Some(None),
        bytes: Some(rate(3, 3)),
        expires: Some(None),
        ..KeyChange::default()
    };
    store.change_access_key("alice", swap).await.unwrap();
    let swapped = AccessKey {
        policies: Some(vec![policy("read-only", None)]),
        rates: SourceRates { requests: None, bytes: rate(3, 3) },
        expires: None,
        ..changed
    };
    assert!(alice().await == swapped);
    assert!(store.access_keys().await.unwrap()[1] == access_key("ID2", "bob"), "others stay");
}

pub(super) async fn the_last_use_of_a_key_never_goes_back(store: Store) {
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    for (at, kept) in [(5, 5), (3, 5), (9, 9)] {
        let used = ["ID1", "gone"].map(|id| (id.to_owned(), Timestamp(at)));
        store.note_keys_used(used.to_vec()).await.unwrap();
        assert_eq!(store.access_keys().await.unwrap()[0].last_used, Some(Timestamp(kept)));
    }
}

pub(super) async fn the_first_secret_of_a_name_is_kept(store: Store) {
    let secret = |byte| GatewaySecret::new([byte; 32]);
    assert_eq!(store.gateway_secret("one", secret(1)).await.unwrap(), secret(1));
    assert_eq!(store.gateway_secret("one", secret(2)).await.unwrap(), secret(1));
    assert_eq!(store.gateway_secret("two", secret(2)).await.unwrap(), secret(2));
}
