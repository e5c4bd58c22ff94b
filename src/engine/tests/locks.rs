//! Locks under a clock that is turned.

use std::sync::Arc;

use super::{House, NOW, name};
use crate::engine::{DeleteObject, Engine, EngineError, confirm_lock_clock};
use crate::limits::{LOCK_CLOCK_JUMP_SECONDS_MAX, LOCK_CLOCK_KEEP_SECONDS};
use crate::rules::{DeletePrecondition, Versioning};
use crate::types::{AttributeChange, Clock as _, Retention, RetentionMode, VersionId};

const RETAINED_SECONDS: i64 = 10 * LOCK_CLOCK_JUMP_SECONDS_MAX;

/// A house with a version that is retained for ten hours.
async fn house() -> (House, VersionId) {
    let house = House::new().await;
    house.meta.set_versioning(house.bucket.id, Versioning::Enabled).await.unwrap();
    let version = house.put("key", b"x").await.unwrap().version.unwrap();
    let retention = Retention { mode: RetentionMode::Compliance, until: NOW.plus_seconds(RETAINED_SECONDS) };
    let change = AttributeChange::Retention { retention: Some(retention), bypass_governance: true };
    house.engine.change_attributes(&house.bucket, &name("key"), Some(version), change).await.unwrap();
    (house, version)
}

async fn remove(house: &House, engine: &Engine, version: VersionId) -> bool {
    let delete = DeleteObject {
        bucket: house.bucket.clone(),
        key: name("key"),
        version: Some(version),
        precondition: DeletePrecondition::default(),
        bypass_governance: true,
    };
    match engine.delete_object(delete).await {
        Ok(_) => true,
        Err(EngineError::Locked(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_retention_ends_when_its_time_has_passed() {
    let (house, version) = house().await;
    house.clock.pass(RETAINED_SECONDS - 1);
    assert!(!remove(&house, &house.engine, version).await);
    house.clock.pass(1);
    assert!(remove(&house, &house.engine, version).await);
}

#[tokio::test]
async fn a_clock_that_is_turned_ahead_opens_no_lock() {
    let (house, version) = house().await;
    house.clock.set(NOW.plus_seconds(RETAINED_SECONDS + 1));
    assert!(!remove(&house, &house.engine, version).await);
    // Neither does a restart of the process on the same machine.
    house.engine.keep_lock_clock(0).await.unwrap();
    let pool = crate::buffer::BlockPool::new(4);
    let engine = Engine::new(Arc::clone(&house.meta), Arc::new(house.chunks.clone()), pool, house.clock.clone());
    assert!(!remove(&house, &engine, version).await);
    // An operator who says that the clock is right is believed, by a running process soon.
    confirm_lock_clock(&*house.meta, &*house.clock).await.unwrap();
    engine.keep_lock_clock_step().await.unwrap();
    assert!(remove(&house, &engine, version).await);
}

#[tokio::test]
async fn a_clock_that_is_turned_back_keeps_what_time_was_seen() {
    let (house, version) = house().await;
    house.clock.pass(RETAINED_SECONDS);
    house.engine.keep_lock_clock_step().await.unwrap();
    house.clock.set(NOW);
    assert!(remove(&house, &house.engine, version).await);
}

#[tokio::test]
async fn the_time_of_locks_is_kept_now_and_then() {
    let (house, _) = house().await;
    let kept = async || house.meta.lock_clock().await.unwrap().map(|seen| seen.time);
    assert_eq!(kept().await, None);
    house.engine.keep_lock_clock_step().await.unwrap();
    assert_eq!(kept().await, Some(NOW));
    house.clock.pass(LOCK_CLOCK_KEEP_SECONDS - 1);
    house.engine.keep_lock_clock_step().await.unwrap();
    assert_eq!(kept().await, Some(NOW), "disks may sleep");
    house.clock.pass(1);
    house.engine.keep_lock_clock_step().await.unwrap();
    assert_eq!(kept().await, Some(house.clock.now()));
}
