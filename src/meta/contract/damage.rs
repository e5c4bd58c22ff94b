use super::Store;
use super::fixture::{NOW, bucket, chunk, copy, delete, key, new_upload, part, put_extents, sealed, shared, upload_id};
use super::garbage::collect;
use super::usage::set_window;
use crate::meta::{ChunkUse, ChunkUser, Damage, DamagedChunk, NewBody};
use crate::types::{BucketName, VersionId};

fn damage(seconds: i64, detail: &str) -> Damage {
    Damage { found: NOW.plus_seconds(seconds), detail: detail.to_owned() }
}

pub(super) async fn a_chunk_is_marked_while_it_lives(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "a", &[sealed(1, 5), sealed(2, 5)])).await.unwrap();
    let mark = async |number, damage| store.mark_damage(chunk(number), damage).await.unwrap();
    assert!(!mark(9, Some(damage(0, "gone"))).await, "nobody refers to it");
    assert!(mark(1, Some(damage(0, "torn"))).await);
    assert!(!mark(1, Some(damage(7, "gone"))).await, "it was marked before");
    assert!(mark(2, Some(damage(1, "torn"))).await);
    let first = DamagedChunk { chunk: chunk(1), damage: damage(0, "gone") };
    let second = DamagedChunk { chunk: chunk(2), damage: damage(1, "torn") };
    assert_eq!(store.damaged_chunks(None, 9).await.unwrap(), [first, second.clone()]);
    assert!(mark(1, None).await);
    assert!(!mark(1, None).await);
    assert_eq!(store.damaged_chunks(None, 9).await.unwrap(), [second]);
    store.commit_delete(delete(id, "a", None)).await.unwrap();
    collect(store).await;
    assert_eq!(store.damaged_chunks(None, 9).await.unwrap(), [], "the mark goes with its chunk");
    assert!(!mark(2, Some(damage(2, "late"))).await);
}

pub(super) async fn damaged_chunks_are_listed_in_pages(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    let extents: Vec<_> = (0..7).map(|number| sealed(number, 1)).collect();
    store.commit_put(put_extents(id, "a", &extents)).await.unwrap();
    for number in [0, 3, 5, 6] {
        assert!(store.mark_damage(chunk(number), Some(damage(0, ""))).await.unwrap());
    }
    let page = async |after, max| {
        let page = store.damaged_chunks(after, max).await.unwrap();
        page.into_iter().map(|damaged| damaged.chunk).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 2).await, [chunk(0), chunk(3)]);
    assert_eq!(page(Some(chunk(3)), 9).await, [chunk(5), chunk(6)]);
    assert_eq!(page(Some(chunk(4)), 1).await, [chunk(5)]);
    assert_eq!(page(Some(chunk(6)), 1).await, []);
}

pub(super) async fn whose_bytes_are_in_a_chunk_is_found_through_parts_and_copies(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "b", &[sealed(1, 5), sealed(2, 5)])).await.unwrap();
    let order = store.version(id, &key("b"), None).await.unwrap().unwrap().order;
    store.commit_copy(copy((id, "b", order), (id, "a"))).await.unwrap();
    store.commit_put(put_extents(id, "c", &[shared(1, 1, 2)])).await.unwrap();
    store.commit_put(put_extents(id, "d", &[sealed(3, 5)])).await.unwrap();
    store.create_upload(new_upload(id, "e", 1)).await.unwrap();
    store.commit_part(part(id, "e", 1, 4, NewBody::Extents(vec![shared(2, 0, 5)]))).await.unwrap();
    let version = |number, name: &str| ChunkUse {
        chunk: chunk(number),
        bucket: BucketName::parse("bucket").unwrap(),
        key: key(name),
        of: ChunkUser::Version(VersionId::Null),
    };
    let upload = ChunkUse { of: ChunkUser::Upload(upload_id(1)), ..version(2, "e") };
    let uses = async |numbers: &[u64], max| {
        store.chunk_uses(numbers.iter().map(|number| chunk(*number)).collect(), max).await.unwrap()
    };
    let all = [version(1, "a"), version(1, "b"), version(1, "c"), version(2, "a"), version(2, "b"), upload];
    assert_eq!(uses(&[2, 1, 8], 9).await, all);
    assert_eq!(uses(&[2, 1, 8], 4).await, all[..4]);
    assert_eq!(uses(&[3], 9).await, [version(3, "d")]);
    assert_eq!(uses(&[], 9).await, []);
    set_window(store, id, 1).await;
    store.commit_delete(delete(id, "d", None)).await.unwrap();
    let found = uses(&[3], 9).await;
    assert!(matches!(found[..], [ChunkUse { of: ChunkUser::Retained(_), .. }]), "{found:?}");
}
