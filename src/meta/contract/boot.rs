use super::Store;
use super::fixture::{NOW, owner};
use crate::meta::{AccessKey, MetaError};
use crate::rules::Seen;
use crate::types::{Epoch, SourceRates, Uptime};

pub(super) async fn epochs_are_numbered_once_and_crashed_ones_are_named(store: Store) {
    let first = store.begin_epoch().await.unwrap();
    assert_eq!(first.crashed, []);
    store.end_epoch(first.epoch).await.unwrap();
    let second = store.begin_epoch().await.unwrap();
    let third = store.begin_epoch().await.unwrap();
    assert!(first.epoch < second.epoch && second.epoch < third.epoch);
    assert_eq!((second.crashed, third.crashed), (vec![], vec![second.epoch]));
    store.end_epoch(second.epoch).await.unwrap();
    let fourth = store.begin_epoch().await.unwrap();
    assert_eq!(fourth.crashed, [third.epoch]);
}

pub(super) async fn a_lease_has_one_holder_until_it_ends(store: Store) {
    let (one, two) = (Epoch(1), Epoch(2));
    let later = |seconds| NOW.plus_seconds(seconds);
    assert!(store.take_lease("gc", one, NOW, later(10)).await.unwrap());
    assert!(!store.take_lease("gc", two, later(9), later(19)).await.unwrap());
    assert!(store.take_lease("scrub", two, NOW, later(10)).await.unwrap(), "leases have names");
    assert!(store.take_lease("gc", one, later(9), later(20)).await.unwrap(), "its holder renews it");
    assert!(!store.take_lease("gc", two, later(19), later(30)).await.unwrap());
    assert!(store.take_lease("gc", two, later(20), later(30)).await.unwrap());
    assert!(!store.take_lease("gc", one, later(21), later(30)).await.unwrap());
}

pub(super) async fn an_epoch_that_ends_frees_its_leases(store: Store) {
    let (one, two) = (store.begin_epoch().await.unwrap().epoch, store.begin_epoch().await.unwrap().epoch);
    let later = NOW.plus_seconds(10);
    assert!(store.take_lease("gc", one, NOW, later).await.unwrap());
    assert!(store.take_lease("scrub", two, NOW, later).await.unwrap());
    store.end_epoch(one).await.unwrap();
    assert!(store.take_lease("gc", two, NOW, later).await.unwrap());
    assert!(!store.take_lease("scrub", one, NOW, later).await.unwrap(), "the other's stay");
}

pub(super) fn access_key(id: &str, name: &str) -> AccessKey {
    AccessKey {
        access_key_id: id.to_owned(),
        name: name.to_owned(),
        secret: format!("secret of {name}"),
        owner: owner(name),
        created: NOW,
        policies: None,
        rates: SourceRates::default(),
        expires: None,
        last_used: None,
    }
}

pub(super) async fn access_keys_are_unique_by_id_and_by_name(store: Store) {
    store.add_access_key(access_key("ID2", "bob")).await.unwrap();
    store.add_access_key(access_key("ID1", "alice")).await.unwrap();
    for taken in [access_key("ID1", "carol"), access_key("ID3", "alice")] {
        assert!(matches!(store.add_access_key(taken).await, Err(MetaError::AccessKeyExists)));
    }
    assert_eq!(store.access_keys().await.unwrap(), [access_key("ID1", "alice"), access_key("ID2", "bob")]);
    store.remove_access_key("ID2").await.unwrap();
    store.remove_access_key("alice").await.unwrap();
    assert!(matches!(store.remove_access_key("alice").await, Err(MetaError::NoSuchAccessKey)));
    assert_eq!(store.access_keys().await.unwrap(), []);
}

pub(super) async fn the_clock_of_locks_never_goes_back(store: Store) {
    assert_eq!(store.lock_clock().await.unwrap(), None);
    let seen = |seconds, boot| Seen { time: NOW.plus_seconds(seconds), uptime: Uptime { boot, micros: 7 * seconds } };
    for (given, kept) in [(seen(1, 5), seen(1, 5)), (seen(0, 6), seen(1, 5)), (seen(2, -6), seen(2, -6))] {
        store.keep_lock_clock(given).await.unwrap();
        assert_eq!(store.lock_clock().await.unwrap(), Some(kept));
    }
}

pub(super) async fn epochs_of_another_state_are_never_handed_out(store: Store) {
    let store = store.as_ref();
    let first = store.begin_epoch().await.unwrap().epoch;
    assert!(store.take_lease("job", first, NOW, NOW.plus_seconds(60)).await.unwrap());
    store.end_epochs(Epoch(40)).await.unwrap();
    let boot = store.begin_epoch().await.unwrap();
    assert_eq!((boot.epoch, boot.crashed), (Epoch(41), Vec::new()), "nothing is left to sweep");
    assert!(store.take_lease("job", boot.epoch, NOW, NOW.plus_seconds(60)).await.unwrap());
    store.end_epochs(Epoch(7)).await.unwrap();
    assert_eq!(store.begin_epoch().await.unwrap().epoch, Epoch(42), "it never goes back");
}
