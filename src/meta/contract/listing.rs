use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::Store;
use super::fixture::{bucket, delete, key, md5, metadata, new_upload, owner, put_inline, upload_id};
use crate::rules::Versioning;
use crate::types::{
    BucketId, ChecksumAlgorithm, ChecksumType, ETag, KeyListing, ListQuery, UploadId, UploadListQuery, UploadListing,
    VersionListQuery,
};

const SEED: u64 = 20_240_531;
const KEYS: usize = 3000;
const QUERIES: usize = 3000;

/// Texts that collide: short, over few pieces, some of them with bytes at the ends of the order.
fn random_text(random: &mut StdRng, pieces_max: usize) -> String {
    const PIECES: [&str; 10] = ["a", "b", "/", "/", "//", "-", "\0", "é", "\u{10FFFF}", "ab"];
    let count = random.random_range(0..=pieces_max);
    (0..count).map(|_| *PIECES.choose(random).expect("there are pieces")).collect()
}

fn random_keys(random: &mut StdRng) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    while keys.len() < KEYS {
        keys.insert(random_text(random, 7));
        keys.remove("");
    }
    keys
}

pub(super) async fn listings_say_whose_things_are(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let writer = Some(owner("writer"));
    for (name, owner) in [("his", &writer), ("mine", &None)] {
        let mut put = put_inline(id, name, b"x");
        put.metadata.attributes.owner.clone_from(owner);
        store.commit_put(put).await.unwrap();
        let mut upload = new_upload(id, name, 1);
        upload.metadata.attributes.owner.clone_from(owner);
        store.create_upload(upload).await.unwrap();
        let found = store.upload(id, &key(name), upload_id(1)).await.unwrap().unwrap();
        assert_eq!(found.upload.owner, *owner);
        assert_eq!(store.list_parts(id, &key(name), upload_id(1), 0, 1).await.unwrap().upload.owner, *owner);
    }
    let expected = [writer, None];
    let objects = store.list_objects(id, &ListQuery { max_keys: 9, ..ListQuery::default() }).await.unwrap().objects;
    assert_eq!(objects.into_iter().map(|object| object.owner).collect::<Vec<_>>(), expected);
    let query = VersionListQuery { max_keys: 9, ..VersionListQuery::default() };
    let versions = store.list_versions(id, &query).await.unwrap().versions;
    assert_eq!(versions.into_iter().map(|version| version.object.owner).collect::<Vec<_>>(), expected);
    let query = UploadListQuery { max_uploads: 9, ..UploadListQuery::default() };
    let uploads = store.list_uploads(id, &query).await.unwrap().uploads;
    assert_eq!(uploads.into_iter().map(|upload| upload.owner).collect::<Vec<_>>(), expected);
}

/// What a listing holds: keys and prefixes in one order, and where it goes on.
type Page = (Vec<(String, bool)>, Option<String>);

/// Groups everything, then cuts the page out.
fn naive_page(keys: &BTreeSet<String>, query: &ListQuery) -> Page {
    let mut entries = BTreeMap::new();
    for key in keys.iter().filter(|key| key.starts_with(&query.prefix) && key.as_str() > query.after.as_str()) {
        let rest = &key[query.prefix.len()..];
        let cut = (!query.delimiter.is_empty()).then(|| rest.find(&query.delimiter)).flatten();
        match cut {
            None => entries.insert(key.clone(), false),
            Some(at) => entries.insert(key[..query.prefix.len() + at + query.delimiter.len()].to_owned(), true),
        };
    }
    entries.retain(|text, is_prefix| !*is_prefix || *text != query.after);
    let mut page: Vec<(String, bool)> = entries.into_iter().collect();
    let max = query.max_keys as usize;
    let more = page.len() > max && max > 0;
    page.truncate(max);
    let next_after = page.last().filter(|_| more).map(|(text, _)| text.clone());
    (page, next_after)
}

fn page_of(listing: KeyListing) -> Page {
    let objects = listing.objects.into_iter().map(|object| (object.key, false));
    let mut page: Vec<_> = objects.chain(listing.prefixes.into_iter().map(|prefix| (prefix, true))).collect();
    page.sort();
    (page, listing.next_after)
}

fn random_query(random: &mut StdRng, keys: &BTreeSet<String>) -> ListQuery {
    let some_key =
        |random: &mut StdRng| keys.iter().nth(random.random_range(0..keys.len())).cloned().unwrap_or_default();
    let prefix = match random.random_range(0..3) {
        0 => String::new(),
        1 => random_text(random, 2),
        _ => some_key(random).chars().take(2).collect(),
    };
    let after = match random.random_range(0..4) {
        0 => String::new(),
        1 => some_key(random),
        2 => format!("{prefix}{}", random_text(random, 3)),
        _ => random_text(random, 4),
    };
    let delimiter = (*["", "/", "/", "//", "b", "é"].choose(random).expect("there are delimiters")).to_owned();
    let max_keys = *[1, 2, 3, 10, 100, 1000].choose(random).expect("there are sizes");
    ListQuery { prefix, delimiter, after, max_keys }
}

/// A bucket with random keys, beside another whose keys must never show.
async fn populated(store: &Store, random: &mut StdRng) -> (BucketId, BTreeSet<String>) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let other = bucket(store.as_ref(), "other").await.id;
    let keys = random_keys(random);
    let puts = keys.iter().map(|key| store.commit_put(put_inline(id, key, key.as_bytes())));
    assert!(futures_util::future::join_all(puts).await.iter().all(Result::is_ok));
    store.commit_put(put_inline(other, "\u{10FFFF}\u{10FFFF}/x", b"")).await.unwrap();
    (id, keys)
}

pub(super) async fn every_page_is_what_the_naive_model_says(store: Store) {
    let random = &mut StdRng::seed_from_u64(SEED);
    let (id, keys) = populated(&store, random).await;
    for number in 0..QUERIES {
        let query = random_query(random, &keys);
        let found = page_of(store.list_objects(id, &query).await.unwrap());
        assert_eq!(found, naive_page(&keys, &query), "seed {SEED}, query {number}: {query:?}");
    }
}

pub(super) async fn pages_joined_are_the_whole_listing(store: Store) {
    let random = &mut StdRng::seed_from_u64(SEED + 1);
    let (id, keys) = populated(&store, random).await;
    for _ in 0..20 {
        let start = ListQuery { max_keys: random.random_range(7..200), ..random_query(random, &keys) };
        let mut query = start.clone();
        let mut joined = Vec::new();
        loop {
            let (page, next_after) = page_of(store.list_objects(id, &query).await.unwrap());
            joined.extend(page);
            let Some(after) = next_after else { break };
            query.after = after;
        }
        let whole = naive_page(&keys, &ListQuery { max_keys: u32::MAX, ..start.clone() });
        assert_eq!(joined, whole.0, "seed {}, {start:?}", SEED + 1);
    }
}

pub(super) async fn only_newest_versions_that_are_no_markers_are_listed(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    store.set_versioning(id, Versioning::Enabled).await.unwrap();
    for name in ["a", "b/1", "b/2", "c/1", "d"] {
        for number in 0..50_u8 {
            store.commit_put(put_inline(id, name, &[number])).await.unwrap();
        }
    }
    for hidden in ["a", "b/1", "c/1"] {
        store.commit_delete(delete(id, hidden, None)).await.unwrap();
    }
    let list = async |delimiter: &str, max_keys| {
        let query = ListQuery { delimiter: delimiter.to_owned(), max_keys, ..ListQuery::default() };
        store.list_objects(id, &query).await.unwrap()
    };
    let entry = |text: &str, is_prefix| (text.to_owned(), is_prefix);
    assert_eq!(page_of(list("", 10).await), (vec![entry("b/2", false), entry("d", false)], None));
    assert_eq!(page_of(list("/", 10).await), (vec![entry("b/", true), entry("d", false)], None));
    assert_eq!(page_of(list("", 1).await), (vec![entry("b/2", false)], Some("b/2".to_owned())));
    let listed = list("", 10).await.objects.remove(1);
    assert_eq!((listed.etag, listed.size), (ETag::single(md5(&[49])), 1));
    assert_eq!(listed.storage_class, metadata().storage_class);
    assert_eq!(listed.checksum, Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject)));
}

pub(super) async fn a_page_of_nothing_is_empty(store: Store) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let query = ListQuery { max_keys: 10, ..ListQuery::default() };
    assert_eq!(store.list_objects(id, &query).await.unwrap(), KeyListing::default());
    store.commit_put(put_inline(id, "a", b"x")).await.unwrap();
    store.create_upload(new_upload(id, "a", 1)).await.unwrap();
    assert_eq!(store.list_objects(id, &ListQuery::default()).await.unwrap(), KeyListing::default());
    assert_eq!(store.list_uploads(id, &UploadListQuery::default()).await.unwrap(), UploadListing::default());
    assert_eq!(store.list_objects(BucketId(99), &query).await.unwrap(), KeyListing::default());
}

/// An upload's key and id, or a prefix.
type UploadEntry = (String, Option<UploadId>);

fn naive_uploads(
    uploads: &BTreeSet<(String, UploadId)>,
    query: &UploadListQuery,
) -> (Vec<UploadEntry>, Option<UploadEntry>) {
    let marker = query.key_marker.as_str();
    let is_after = |(key, id): &(String, UploadId)| match query.upload_marker {
        _ if marker.is_empty() => true,
        Some(upload) => (key.as_str(), *id) > (marker, upload),
        None => key.as_str() > marker,
    };
    let mut entries = BTreeSet::new();
    for (key, id) in uploads.iter().filter(|upload| upload.0.starts_with(&query.prefix) && is_after(upload)) {
        let rest = &key[query.prefix.len()..];
        let cut = (!query.delimiter.is_empty()).then(|| rest.find(&query.delimiter)).flatten();
        match cut {
            None => entries.insert((key.clone(), Some(*id))),
            Some(at) => entries.insert((key[..query.prefix.len() + at + query.delimiter.len()].to_owned(), None)),
        };
    }
    if query.upload_marker.is_none() {
        entries.remove(&(query.key_marker.clone(), None));
    }
    let mut page: Vec<_> = entries.into_iter().collect();
    let max = query.max_uploads as usize;
    let more = page.len() > max;
    page.truncate(max);
    let next = page.last().filter(|_| more).cloned();
    (page, next)
}

fn upload_page(listing: UploadListing) -> (Vec<UploadEntry>, Option<UploadEntry>) {
    let uploads = listing.uploads.into_iter().map(|upload| (upload.key.into_string(), Some(upload.upload)));
    let mut page: Vec<_> = uploads.chain(listing.prefixes.into_iter().map(|prefix| (prefix, None))).collect();
    page.sort();
    (page, listing.next)
}

async fn populated_with_uploads(store: &Store, random: &mut StdRng) -> (BucketId, BTreeSet<(String, UploadId)>) {
    let id = bucket(store.as_ref(), "bucket").await.id;
    let mut uploads = BTreeSet::new();
    for number in 0..500 {
        let key = format!("{}x", random_text(random, 3));
        uploads.insert((key, upload_id(number)));
    }
    let creations = uploads.iter().map(|(key, upload)| {
        let mut new = new_upload(id, key, 0);
        new.upload = *upload;
        store.create_upload(new)
    });
    assert!(futures_util::future::join_all(creations).await.iter().all(Result::is_ok));
    (id, uploads)
}

fn random_upload_query(random: &mut StdRng, uploads: &BTreeSet<(String, UploadId)>) -> UploadListQuery {
    let (key, upload) = uploads.iter().nth(random.random_range(0..uploads.len())).cloned().expect("there are uploads");
    let (key_marker, upload_marker) = match random.random_range(0..5) {
        0 => (String::new(), None),
        1 => (key, Some(upload)),
        2 => (key, None),
        3 => (random_text(random, 3), Some(upload)),
        _ => (random_text(random, 3), None),
    };
    let delimiter = (*["", "/", "/", "b"].choose(random).expect("there are delimiters")).to_owned();
    let max_uploads = *[1, 2, 3, 10, 1000].choose(random).expect("there are sizes");
    UploadListQuery { prefix: random_text(random, 1), delimiter, key_marker, upload_marker, max_uploads }
}

pub(super) async fn every_page_of_uploads_is_what_the_naive_model_says(store: Store) {
    let random = &mut StdRng::seed_from_u64(SEED + 2);
    let (id, uploads) = populated_with_uploads(&store, random).await;
    for number in 0..QUERIES {
        let query = random_upload_query(random, &uploads);
        let found = upload_page(store.list_uploads(id, &query).await.unwrap());
        assert_eq!(found, naive_uploads(&uploads, &query), "seed {}, query {number}: {query:?}", SEED + 2);
    }
}

pub(super) async fn pages_of_uploads_joined_are_the_whole_listing(store: Store) {
    let random = &mut StdRng::seed_from_u64(SEED + 3);
    let (id, uploads) = populated_with_uploads(&store, random).await;
    for (delimiter, max_uploads) in [("", 1), ("", 7), ("/", 1), ("/", 3), ("b", 2)] {
        let start = UploadListQuery { delimiter: delimiter.to_owned(), max_uploads, ..UploadListQuery::default() };
        let mut query = start.clone();
        let mut joined = Vec::new();
        loop {
            let (page, next) = upload_page(store.list_uploads(id, &query).await.unwrap());
            joined.extend(page);
            let Some((key, upload)) = next else { break };
            (query.key_marker, query.upload_marker) = (key, upload);
        }
        let whole = naive_uploads(&uploads, &UploadListQuery { max_uploads: u32::MAX, ..start });
        assert_eq!(joined, whole.0, "{delimiter:?}, {max_uploads} per page");
    }
}
