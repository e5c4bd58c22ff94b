use super::Store;
use super::fixture::{bucket, delete, put_inline};
use crate::rules::Versioning;
use crate::types::{BucketId, ListedVersion, VersionId, VersionListQuery};

/// What a page shows of an entry: key, order within its key by its size, newest or not, marker or not.
type Entry = (String, u64, bool, bool);

fn entry(listed: &ListedVersion) -> Entry {
    (listed.object.key.clone(), listed.object.size, listed.is_latest, listed.is_delete_marker)
}

/// Bodies of 1 byte from before versioning, of 2 and 3 bytes while it is on, of 4 bytes while it is suspended, and
/// a delete marker on one key.
async fn populated(store: &Store) -> BucketId {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let write = async |length: usize, names: &[&str]| {
        for name in names {
            store.commit_put(put_inline(id, name, &vec![7; length])).await.unwrap();
        }
    };
    write(1, &["a", "b/1", "c"]).await;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    write(2, &["a", "b/1", "b/2"]).await;
    write(3, &["a"]).await;
    store.commit_delete(delete(id, "b/2", None)).await.unwrap();
    store.set_versioning(id, Versioning::Suspended).await.unwrap();
    write(4, &["c", "a"]).await;
    id
}

fn whole() -> Vec<Entry> {
    let rows = [
        ("a", 4, true, false),
        ("a", 3, false, false),
        ("a", 2, false, false),
        ("b/1", 2, true, false),
        ("b/1", 1, false, false),
        ("b/2", 0, true, true),
        ("b/2", 2, false, false),
        ("c", 4, true, false),
    ];
    rows.map(|(key, size, is_latest, is_marker)| (key.to_owned(), size, is_latest, is_marker)).to_vec()
}

pub(super) async fn versions_are_listed_newest_first_in_pages_of_any_size(store: Store) {
    let id = populated(&store).await;
    for max_keys in 1..=9 {
        let mut query = VersionListQuery { max_keys, ..VersionListQuery::default() };
        let mut joined = Vec::new();
        loop {
            let page = store.list_versions(id, &query).await.unwrap();
            assert!(page.versions.len() <= max_keys as usize);
            joined.extend(page.versions.iter().map(entry));
            let Some((key, version)) = page.next else { break };
            (query.key_marker, query.version_marker) = (key, version);
        }
        assert_eq!(joined, whole(), "pages of {max_keys}");
    }
}

pub(super) async fn versions_fold_into_common_prefixes(store: Store) {
    let id = populated(&store).await;
    let query = VersionListQuery { delimiter: "/".to_owned(), max_keys: 4, ..VersionListQuery::default() };
    let page = store.list_versions(id, &query).await.unwrap();
    assert_eq!((page.versions.len(), page.prefixes.as_slice()), (3, ["b/".to_owned()].as_slice()));
    let (key_marker, version_marker) = page.next.unwrap();
    assert_eq!((key_marker.as_str(), version_marker), ("b/", None));
    let rest = store.list_versions(id, &VersionListQuery { key_marker, version_marker, ..query }).await.unwrap();
    assert_eq!(rest.versions.iter().map(entry).collect::<Vec<_>>(), whole()[7..]);
    let below = VersionListQuery { prefix: "b/2".to_owned(), max_keys: 9, ..VersionListQuery::default() };
    let below = store.list_versions(id, &below).await.unwrap();
    assert_eq!(below.versions.iter().map(entry).collect::<Vec<_>>(), whole()[5..7]);
}

pub(super) async fn a_null_version_that_went_hides_nothing_behind_its_marker(store: Store) {
    let id = populated(&store).await;
    store.commit_delete(delete(id, "a", Some(VersionId::Null))).await.unwrap();
    let query = VersionListQuery {
        key_marker: "a".to_owned(),
        version_marker: Some(VersionId::Null),
        max_keys: 2,
        ..VersionListQuery::default()
    };
    let page = store.list_versions(id, &query).await.unwrap();
    let expected = [("a".to_owned(), 3, true, false), ("a".to_owned(), 2, false, false)];
    assert_eq!(page.versions.iter().map(entry).collect::<Vec<_>>(), expected);
}

pub(super) async fn a_marker_that_was_never_made_is_no_fault(store: Store) {
    let id = populated(&store).await;
    for order in [0, 1 << 62, 1 << 63, u64::MAX] {
        let marker = VersionId::Ordered { order, salt: 0 };
        let query = VersionListQuery {
            key_marker: "a".to_owned(),
            version_marker: Some(marker),
            max_keys: 9,
            ..VersionListQuery::default()
        };
        let page = store.list_versions(id, &query).await.unwrap();
        let expected = if order == 0 { whole()[3..].to_vec() } else { whole() };
        let expected: Vec<_> = expected.into_iter().map(|entry| (entry.0, entry.1)).collect();
        let found: Vec<_> = page.versions.iter().map(entry).map(|entry| (entry.0, entry.1)).collect();
        assert_eq!(found, expected, "{order}");
        let named = crate::types::ObjectKey::parse("a").unwrap();
        assert_eq!(store.version(id, &named, Some(marker)).await.unwrap(), None, "{order}");
    }
}

pub(super) async fn the_newest_that_is_left_is_the_latest(store: Store) {
    let id = populated(&store).await;
    let all = VersionListQuery { prefix: "a".to_owned(), max_keys: 9, ..VersionListQuery::default() };
    let versions: Vec<_> =
        store.list_versions(id, &all).await.unwrap().versions.iter().map(|listed| listed.version).collect();
    // A page ended behind the second version; then it and all newer ones went.
    let page = VersionListQuery { key_marker: "a".to_owned(), version_marker: Some(versions[1]), ..all };
    let latest = async || store.list_versions(id, &page).await.unwrap().versions[0].is_latest;
    assert!(!latest().await);
    store.commit_delete(delete(id, "a", Some(versions[0]))).await.unwrap();
    assert!(!latest().await, "the marker itself is newer");
    store.commit_delete(delete(id, "a", Some(versions[1]))).await.unwrap();
    assert!(latest().await);
}
