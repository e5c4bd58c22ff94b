use super::Store;
use super::fixture::{
    bucket, copy, delete, inline, key, md5, new_upload, part, put_extents, put_inline, sealed, upload_id,
};
use super::garbage::collect;
use super::rename::rename;
use super::upload::complete;
use super::usage::set_window;
use crate::meta::{BodyRef, BodyUse, ChunkUser, MetaStore, NewBody, PartPlace, SmallBody};
use crate::types::{BucketId, BucketName, ObjectVersion, VersionId};

async fn version(store: &dyn MetaStore, bucket: BucketId, name: &str) -> (u64, ObjectVersion) {
    let stored = store.version(bucket, &key(name), None).await.unwrap().unwrap();
    (stored.order, stored.version)
}

fn used(name: &str, of: ChunkUser) -> BodyUse {
    BodyUse { bucket: BucketName::parse("bucket").unwrap(), key: key(name), of }
}

pub(super) async fn small_bodies_of_restorable_versions_are_read_with_their_facts(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "small", b"body")).await.unwrap();
    store.commit_put(put_extents(id, "large", &[sealed(1, 5)])).await.unwrap();
    store.commit_put(put_inline(id, "empty", b"")).await.unwrap();
    assert_eq!(store.retained_bodies(0, 9).await.unwrap(), [], "nothing went yet");
    let mut facts = Vec::new();
    for name in ["small", "large", "empty"] {
        facts.push(version(store, id, name).await);
        store.commit_delete(delete(id, name, None)).await.unwrap();
    }
    let found = store.retained_bodies(0, 9).await.unwrap();
    for (found, (order, before)) in found.iter().zip(&facts) {
        assert_eq!((found.bucket.as_str(), found.stored.order), ("bucket", *order));
        assert_eq!(found.stored.version, ObjectVersion { is_latest: false, ..before.clone() });
    }
    let bodies: Vec<_> = found.iter().map(|found| &found.stored.body).collect();
    let [BodyRef::Inline(small), BodyRef::Manifest(_), BodyRef::Empty] = bodies[..] else { panic!("{bodies:?}") };
    assert_eq!(small, &b"body"[..]);
    let mut after = 0;
    for expected in &found {
        let page = store.retained_bodies(after, 1).await.unwrap();
        assert_eq!(page, std::slice::from_ref(expected));
        after = expected.stored.order;
    }
    assert_eq!(store.retained_bodies(after, 1).await.unwrap(), []);
}

pub(super) async fn small_parts_are_found_in_pages_whoever_has_them(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    assert_eq!(store.inline_parts(None, 9).await.unwrap().last, None);
    for (name, upload) in [("a", 1), ("b", 2)] {
        store.create_upload(new_upload(id, name, upload)).await.unwrap();
        store.commit_part(part(id, name, upload, 1, NewBody::Extents(vec![sealed(upload, 5)]))).await.unwrap();
        store.commit_part(part(id, name, upload, 7, inline(b"short"))).await.unwrap();
    }
    let page = store.inline_parts(None, 9).await.unwrap();
    assert_eq!((page.rows, page.parts.len(), page.last), (4, 2, Some(page.parts[1].place)));
    for found in &page.parts {
        assert_eq!((found.place.number, found.size, found.md5), (7, 5, md5(b"7/5")));
        assert_eq!(store.inline_part(found.row).await.unwrap(), b"short"[..]);
    }
    let (mut after, mut found) = (None, Vec::new());
    for _ in 0..4 {
        let page = store.inline_parts(after, 1).await.unwrap();
        assert_eq!(page.rows, 1);
        found.extend(page.parts);
        after = page.last;
    }
    assert_eq!(found, page.parts);
    assert_eq!(store.inline_parts(after, 1).await.unwrap(), Default::default());

    let body = SmallBody::Part(page.parts[0].place);
    let uses = async |max| store.small_body_uses(body, max).await.unwrap();
    assert_eq!(uses(9).await, [used("a", ChunkUser::Upload(upload_id(1)))]);
    store.complete_upload(complete(id, "a", 1, &[(1, 5), (7, 5)])).await.unwrap();
    let (order, _) = version(store, id, "a").await;
    store.commit_copy(copy((id, "a", order), (id, "c"))).await.unwrap();
    let null = ChunkUser::Version(VersionId::Null);
    assert_eq!(uses(9).await, [used("a", null), used("c", null)]);
    assert_eq!(uses(1).await, [used("a", null)]);
    store.commit_delete(delete(id, "c", None)).await.unwrap();
    let left = uses(9).await;
    assert_eq!(left[0], used("a", null));
    assert!(matches!(left[1..], [BodyUse { of: ChunkUser::Retained(_), .. }]), "{left:?}");
    store.abort_upload(id, &key("b"), upload_id(2)).await.unwrap();
    collect(store).await;
    let left: Vec<_> = store.inline_parts(None, 9).await.unwrap().parts.iter().map(|part| part.place).collect();
    assert_eq!(left, [page.parts[0].place]);
    let other = SmallBody::Part(PartPlace { number: 1, manifest: page.parts[1].place.manifest });
    assert_eq!(store.small_body_uses(other, 9).await.unwrap(), []);
}

pub(super) async fn a_small_body_is_found_under_every_name_that_it_gets(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    set_window(store, id, 7).await;
    store.commit_put(put_inline(id, "a", b"body")).await.unwrap();
    let (order, _) = version(store, id, "a").await;
    let uses = async || store.small_body_uses(SmallBody::Row(order), 9).await.unwrap();
    assert_eq!(uses().await, [used("a", ChunkUser::Version(VersionId::Null))]);
    store.commit_rename(rename(id, "a", "b")).await.unwrap();
    assert_eq!(uses().await, [used("b", ChunkUser::Version(VersionId::Null))]);
    store.commit_put(put_inline(id, "b", b"other")).await.unwrap();
    assert_eq!(uses().await, [used("b", ChunkUser::Retained(order))]);
    assert_eq!(store.small_body_uses(SmallBody::Row(order + 1_000_000), 9).await.unwrap(), []);
}
