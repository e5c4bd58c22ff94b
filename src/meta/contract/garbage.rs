use super::Store;
use super::fixture::{
    bucket, chunk, delete, inline, key, new_upload, part, put_extents, put_inline, sealed, upload_id,
};
use crate::meta::{BodyRef, MetaError, MetaStore, NewBody};
use crate::types::ManifestId;

/// Does what a collector does, until nothing is left to do.
pub(super) async fn collect(store: &dyn MetaStore) {
    loop {
        let garbage = store.garbage_manifests(3).await.unwrap();
        for manifest in &garbage {
            while !store.release_manifest(*manifest, 2).await.unwrap() {}
        }
        if garbage.is_empty() {
            break;
        }
    }
    let dead = store.dead_chunks(10_000).await.unwrap();
    store.forget_chunks(dead).await.unwrap();
}

pub(super) async fn nothing_is_left_when_everything_was_deleted(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "a", &[sealed(1, 5), sealed(2, 5), sealed(3, 5)])).await.unwrap();
    store.commit_put(put_inline(id, "b", b"x")).await.unwrap();
    store.create_upload(new_upload(id, "c", 1)).await.unwrap();
    for number in 1..=5 {
        let body =
            if number % 2 == 0 { inline(b"xyz") } else { NewBody::Extents(vec![sealed(u64::from(number) + 10, 4)]) };
        store.commit_part(part(id, "c", 1, number, body)).await.unwrap();
    }
    for name in ["a", "b"] {
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    store.abort_upload(id, &key("c"), upload_id(1)).await.unwrap();
    let oldest = store.garbage_manifests(10).await.unwrap();
    assert!(oldest.is_sorted() && oldest.len() == 2);
    collect(store).await;
    assert_eq!(store.garbage_manifests(10).await.unwrap(), []);
    assert_eq!(store.dead_chunks(10).await.unwrap(), []);
    assert_eq!(store.chunks(None, 10).await.unwrap(), []);
    store.delete_bucket(id).await.unwrap();
}

pub(super) async fn a_manifest_in_use_is_never_released(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "a", &[sealed(1, 5)])).await.unwrap();
    let BodyRef::Manifest(manifest) = store.version(id, &key("a"), None).await.unwrap().unwrap().body else {
        panic!("the body is in chunks");
    };
    assert!(matches!(store.release_manifest(manifest, 10).await, Err(MetaError::Storage(_))));
    assert_eq!(store.extents(manifest, 0, 10).await.unwrap().len(), 1);
    assert!(store.release_manifest(ManifestId(manifest.0 + 1000), 10).await.unwrap(), "it is gone already");
}

pub(super) async fn garbage_is_released_in_bounded_steps(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    let extents: Vec<_> = (0..7).map(|number| sealed(number, 1)).collect();
    store.commit_put(put_extents(id, "a", &extents)).await.unwrap();
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    let garbage = store.garbage_manifests(10).await.unwrap();
    let [manifest] = garbage[..] else { panic!("{garbage:?}") };
    for (dead, is_gone) in [(3, false), (6, false), (7, true)] {
        assert_eq!(store.release_manifest(manifest, 3).await.unwrap(), is_gone);
        assert_eq!(store.dead_chunks(10).await.unwrap().len(), dead);
        let mut faults = Vec::new();
        store.verify(&mut |fault| faults.push(fault)).await.unwrap();
        assert_eq!(faults, Vec::<String>::new(), "half released is no fault");
    }
}

pub(super) async fn chunks_are_listed_and_known(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let store = store.as_ref();
    store.commit_put(put_extents(id, "a", &[sealed(3, 5), sealed(1, 6)])).await.unwrap();
    store.commit_put(put_extents(id, "b", &[sealed(2, 7)])).await.unwrap();
    let row = |number, length| (chunk(number), length, u64::MAX - number);
    assert_eq!(store.chunks(None, 10).await.unwrap(), [row(1, 6), row(2, 7), row(3, 5)]);
    assert_eq!(store.chunks(Some(chunk(1)), 1).await.unwrap(), [row(2, 7)]);
    store.commit_delete(delete(id, "b", None)).await.unwrap();
    for manifest in store.garbage_manifests(10).await.unwrap() {
        assert!(store.release_manifest(manifest, 10).await.unwrap());
    }
    assert_eq!(store.chunks(None, 10).await.unwrap(), [row(1, 6), row(3, 5)]);
    let asked = vec![chunk(1), chunk(2), chunk(4)];
    assert_eq!(store.known_chunks(asked.clone()).await.unwrap(), [true, true, false], "a dead chunk is known");
    store.forget_chunks(vec![chunk(2), chunk(4)]).await.unwrap();
    assert_eq!(store.known_chunks(asked).await.unwrap(), [true, false, false]);
}
