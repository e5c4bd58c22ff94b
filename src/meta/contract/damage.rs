use super::Store;
use super::fixture::{NOW, bucket, chunk, copy, delete, key, new_upload, part, put_extents, sealed, shared, upload_id};
use super::garbage::collect;
use super::rename::rename;
use super::upload::complete;
use super::usage::set_window;
use crate::meta::{ChunkUse, ChunkUser, Damage, DamagedChunk, MetaError, MetaStore, NewBody};
use crate::types::{BucketId, BucketName, Retention, RetentionMode, VersionId};

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

pub(super) async fn what_lost_its_bytes_is_dropped_unless_it_is_locked(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "hit", &[sealed(1, 5), sealed(2, 5)])).await.unwrap();
    store.commit_put(put_extents(id, "sound", &[sealed(3, 5)])).await.unwrap();
    let mut locked = put_extents(id, "locked", &[shared(2, 0, 5)]);
    let until = NOW.plus_seconds(60);
    locked.metadata.attributes.retention = Some(Retention { mode: RetentionMode::Compliance, until });
    store.commit_put(locked).await.unwrap();
    store.create_upload(new_upload(id, "open", 1)).await.unwrap();
    store.commit_part(part(id, "open", 1, 1, NewBody::Extents(vec![shared(1, 0, 5)]))).await.unwrap();
    store.commit_part(part(id, "open", 1, 2, NewBody::Extents(vec![sealed(4, 5)]))).await.unwrap();
    set_window(store, id, 1).await;
    store.commit_put(put_extents(id, "gone", &[shared(1, 1, 1)])).await.unwrap();
    store.commit_delete(delete(id, "gone", None)).await.unwrap();
    let drop_users = async |seconds| {
        let lost = store.drop_chunk_users(vec![chunk(1), chunk(2), chunk(9)], NOW.plus_seconds(seconds)).await.unwrap();
        lost.into_iter().map(|lost| (lost.key.as_str().to_owned(), lost.is_kept)).collect::<Vec<_>>()
    };
    let lost = |name: &str, is_kept| (name.to_owned(), is_kept);
    let expected = [lost("gone", false), lost("hit", false), lost("locked", true), lost("open", false)];
    assert_eq!(drop_users(0).await, expected);
    assert_eq!(drop_users(0).await, [lost("locked", true)]);
    collect(store).await;
    let left: Vec<_> = store.chunks(None, 9).await.unwrap().into_iter().map(|(id, _, _)| id).collect();
    assert_eq!(left, [chunk(2), chunk(3)]);
    assert!(store.version(id, &key("sound"), None).await.unwrap().is_some());
    assert!(store.upload(id, &key("open"), upload_id(1)).await.unwrap().is_none());
    assert_eq!(drop_users(60).await, [lost("locked", false)]);
    assert_eq!(store.bucket_usage(id).await.unwrap().bytes, 5);
}

/// The chunk for whose damage something was refused.
fn refused<T: std::fmt::Debug>(outcome: Result<T, MetaError>) -> DamagedChunk {
    match outcome {
        Err(MetaError::SourceDamaged(damaged)) => damaged,
        other => panic!("{other:?}"),
    }
}

async fn order(store: &dyn MetaStore, bucket: BucketId, name: &str) -> u64 {
    store.version(bucket, &key(name), None).await.unwrap().unwrap().order
}

pub(super) async fn no_copy_shares_a_marked_chunk(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "whole", &[sealed(1, 5), sealed(2, 5)])).await.unwrap();
    store.commit_put(put_extents(id, "sound", &[sealed(3, 5)])).await.unwrap();
    store.create_upload(new_upload(id, "parts", 1)).await.unwrap();
    let parts = [
        part(id, "parts", 1, 1, NewBody::Extents(vec![sealed(4, 5)])),
        part(id, "parts", 1, 2, NewBody::Extents(vec![sealed(5, 5), sealed(6, 5)])),
    ];
    for part in &parts {
        store.commit_part(part.clone()).await.unwrap();
    }
    store.complete_upload(complete(id, "parts", 1, &[(1, 5), (2, 10)])).await.unwrap();
    store.create_upload(new_upload(id, "open", 2)).await.unwrap();
    let copied =
        async |from: &str| store.commit_copy(copy((id, from, order(store, id, from).await), (id, "new"))).await;
    let shared_part = |number| part(id, "open", 2, 1, NewBody::Extents(vec![shared(3, 0, 5), shared(number, 1, 2)]));

    for (from, number) in [("whole", 2), ("parts", 6)] {
        let before = store.bucket_usage(id).await.unwrap();
        let marked = DamagedChunk { chunk: chunk(number), damage: damage(1, "torn") };
        assert!(store.mark_damage(marked.chunk, Some(marked.damage.clone())).await.unwrap());
        assert_eq!(refused(copied(from).await), marked);
        assert_eq!(refused(store.commit_part(shared_part(number)).await), marked);
        let sharing = put_extents(id, "new", &[shared(number, 0, 1)]);
        assert_eq!(refused(store.commit_put(sharing).await), marked);
        assert_eq!(store.version(id, &key("new"), None).await.unwrap(), None, "nothing was stored");
        assert_eq!(store.bucket_usage(id).await.unwrap(), before);
        // Other chunks are not its business, nor is the copy once it is sound.
        copied("sound").await.unwrap();
        store.commit_part(shared_part(number - 1)).await.unwrap();
        assert!(store.mark_damage(chunk(number), None).await.unwrap());
        copied(from).await.unwrap();
        store.commit_part(shared_part(number)).await.unwrap();
        store.commit_delete(delete(id, "new", None)).await.unwrap();
    }
    for number in [5, 4, 6] {
        assert!(store.mark_damage(chunk(number), Some(damage(0, "gone"))).await.unwrap());
    }
    assert_eq!(refused(copied("parts").await).chunk, chunk(4), "of several the one with the lowest id");
    store.commit_delete(delete(id, "parts", None)).await.unwrap();
    store.abort_upload(id, &key("open"), upload_id(2)).await.unwrap();
    collect(store).await;
    assert_eq!(store.damaged_chunks(None, 9).await.unwrap(), [], "no refused copy keeps a chunk alive");
}

pub(super) async fn a_mark_stays_when_its_object_is_renamed(store: Store) {
    let store = store.as_ref();
    let id = bucket(store, "bucket").await.id;
    store.commit_put(put_extents(id, "from", &[sealed(1, 5)])).await.unwrap();
    assert!(store.mark_damage(chunk(1), Some(damage(0, "torn"))).await.unwrap());
    store.commit_rename(rename(id, "from", "to")).await.unwrap();
    assert_eq!(store.damaged_chunks(None, 9).await.unwrap().len(), 1);
    let uses = store.chunk_uses(vec![chunk(1)], 9).await.unwrap();
    assert_eq!(uses.iter().map(|found| found.key.as_str()).collect::<Vec<_>>(), ["to"]);
    let source = (id, "to", order(store, id, "to").await);
    assert_eq!(refused(store.commit_copy(copy(source, (id, "new"))).await).chunk, chunk(1));
}
