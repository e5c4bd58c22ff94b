//! Random operations on both stores at once: whatever one answers, the other must answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use super::Store;
use super::fixture::{
    NOW, absent, bucket, copy, delete, inline, key, new_upload, part, put_extents, put_inline, sealed, shared,
    upload_id,
};
use crate::meta::composite::Composite;
use crate::meta::{
    BodyRef, CompleteUpload, MemoryMeta, MetaStore, NewBody, PartSelection, PutOutcome, RestoreVersion, RetainedQuery,
    SqliteMeta, SqliteSettings,
};
use crate::rules::{EtagCondition, Undelete, Versioning, WritePrecondition};
use crate::types::{BucketId, BucketName, DocumentKind, ListQuery, ManifestId, Timestamp, UploadListQuery, VersionId};

const STEPS: u64 = 1500;
const KEYS: [&str; 5] = ["a", "a/", "a/b", "b", "é"];

/// Two stores and what is needed to ask both the same. Salts of versions are random, so ids are known by
/// their order.
struct Pair {
    seed: u64,
    stores: [Store; 2],
    versions: [BTreeMap<u64, VersionId>; 2],
    manifests: Vec<ManifestId>,
}

fn order_of(id: VersionId) -> u64 {
    match id {
        VersionId::Null => 0,
        VersionId::Ordered { order, .. } => order,
    }
}

impl Pair {
    fn note(&mut self, ids: [Option<VersionId>; 2]) {
        for (known, id) in self.versions.iter_mut().zip(ids) {
            known.extend(id.map(|id| (order_of(id), id)));
        }
    }

    fn same<T: std::fmt::Debug>(&self, what: &str, answers: &[T; 2]) {
        let [one, two] = answers.each_ref().map(|answer| format!("{answer:?}"));
        assert_eq!(one, two, "seed {}, {what}", self.seed);
    }

    /// Compares what became of a write, but for salts.
    fn same_outcome(&mut self, what: &str, answers: [Result<PutOutcome, crate::meta::MetaError>; 2]) {
        self.note(answers.each_ref().map(|answer| answer.as_ref().ok().map(|outcome| outcome.version)));
        self.same(
            what,
            &answers.map(|answer| {
                answer.map(|outcome| (order_of(outcome.version), PutOutcome { version: VersionId::Null, ..outcome }))
            }),
        );
    }

    async fn same_versions(&mut self, bucket: BucketId) {
        for name in KEYS {
            let [one, two] = &self.stores;
            let newest = [one.version(bucket, &key(name), None).await, two.version(bucket, &key(name), None).await];
            let plain = newest.map(|found| {
                let mut found = found.unwrap()?;
                found.version.version = VersionId::Null;
                Some(found)
            });
            self.same(name, &plain);
            let [found, _] = plain;
            if let Some(BodyRef::Manifest(manifest)) = found.map(|found| found.body) {
                self.manifests.push(manifest);
                self.same("extents", &[one.extents(manifest, 3, 4).await, two.extents(manifest, 3, 4).await]);
            }
        }
        let query = ListQuery { delimiter: "/".to_owned(), max_keys: 3, ..ListQuery::default() };
        let [one, two] = &self.stores;
        self.same("list", &[one.list_objects(bucket, &query).await, two.list_objects(bucket, &query).await]);
        let query = UploadListQuery { max_uploads: 3, ..UploadListQuery::default() };
        self.same("uploads", &[one.list_uploads(bucket, &query).await, two.list_uploads(bucket, &query).await]);
        self.same("usage", &[one.bucket_usage(bucket).await, two.bucket_usage(bucket).await]);
        self.same("garbage", &[one.garbage_manifests(9).await, two.garbage_manifests(9).await]);
        self.same("dead", &[one.dead_chunks(9).await, two.dead_chunks(9).await]);
        self.same("chunks", &[one.chunks(None, 99).await, two.chunks(None, 99).await]);
    }
}

fn random_body(random: &mut StdRng, step: u64) -> NewBody {
    match random.random_range(0..5) {
        0 => inline(b""),
        1 => inline(format!("step {step}").as_bytes()),
        2 => NewBody::Extents(vec![sealed(step * 2, 5), sealed(step * 2 + 1, 3)]),
        _ => {
            let other = random.random_range(0..=step) * 2;
            NewBody::Extents(vec![shared(other, 1, 4), sealed(step * 2, 2), shared(other, 0, 5)])
        }
    }
}

fn random_precondition(random: &mut StdRng) -> WritePrecondition {
    match random.random_range(0..6) {
        0 => absent(),
        1 => WritePrecondition { if_match: Some(EtagCondition::Any), if_none_match: None },
        _ => WritePrecondition::default(),
    }
}

/// The completion of a random choice of an upload's parts.
async fn random_completion(
    random: &mut StdRng,
    store: &dyn MetaStore,
    bucket: BucketId,
    name: &str,
    upload: u64,
) -> CompleteUpload {
    let parts = store.list_parts(bucket, &key(name), upload_id(upload), 0, 100).await;
    let mut selection = PartSelection::new();
    let mut composite = Composite::default();
    for part in parts.map(|listing| listing.parts).unwrap_or_default() {
        if random.random_range(0..4) > 0 {
            selection.insert(part.number);
            composite.push(&part.md5, part.size);
        }
    }
    let (etag, size, _) = composite.finish();
    let precondition = random_precondition(random);
    CompleteUpload {
        bucket,
        key: key(name),
        upload: upload_id(upload),
        selection,
        etag,
        size,
        checksum: None,
        record: Vec::new(),
        precondition,
        now: NOW,
    }
}

async fn step(random: &mut StdRng, pair: &mut Pair, bucket: BucketId, step: u64) {
    let stores = pair.stores.clone();
    let [one, two] = &stores;
    let name = *KEYS.choose(random).expect("there are keys");
    let now = Timestamp(NOW.0 + random.random_range(0..1000));
    let what = format!("step {step}");
    match random.random_range(0..14) {
        0..=2 => {
            let mut put = match random_body(random, step) {
                NewBody::Inline(data) => put_inline(bucket, name, &data),
                NewBody::Extents(extents) => put_extents(bucket, name, &extents),
            };
            (put.precondition, put.now) = (random_precondition(random), now);
            let answers = [one.commit_put(put.clone()).await, two.commit_put(put).await];
            pair.same_outcome(&what, answers);
        }
        3 => {
            let source = one.version(bucket, &key(name), None).await.unwrap().map_or(7, |found| found.order);
            let target = *KEYS.choose(random).expect("there are keys");
            let request = copy((bucket, name, source), (bucket, target));
            let answers = [one.commit_copy(request.clone()).await, two.commit_copy(request).await];
            pair.same_outcome(&what, answers);
        }
        4 | 5 => {
            let orders: Vec<u64> = pair.versions[0].keys().copied().collect();
            let order = orders.choose(random).filter(|_| random.random_range(0..2) == 0);
            let [id_one, id_two] = [0, 1].map(|index| order.map(|order| pair.versions[index][order]));
            let answers = [
                one.commit_delete(delete(bucket, name, id_one)).await,
                two.commit_delete(delete(bucket, name, id_two)).await,
            ];
            pair.note(answers.each_ref().map(|answer| answer.as_ref().ok().and_then(|outcome| outcome.version)));
            pair.same(
                &what,
                &answers.map(|answer| {
                    answer.map(|outcome| (outcome.removed, outcome.delete_marker, outcome.version.map(order_of)))
                }),
            );
        }
        6 => {
            let state =
                *[Versioning::Unversioned, Versioning::Enabled, Versioning::Suspended].choose(random).expect("states");
            pair.same(&what, &[one.set_versioning(bucket, state).await, two.set_versioning(bucket, state).await]);
        }
        7 => {
            let new = new_upload(bucket, name, step);
            pair.same(&what, &[one.create_upload(new.clone()).await, two.create_upload(new).await]);
        }
        8..=10 => on_upload(random, &stores, pair, bucket, step).await,
        11 | 12 => on_undelete(random, &stores, pair, bucket).await,
        _ => {
            let garbage = one.garbage_manifests(5).await.unwrap();
            let some = *garbage.choose(random).or(pair.manifests.choose(random)).unwrap_or(&ManifestId(1));
            pair.same(&what, &[one.release_manifest(some, 1).await, two.release_manifest(some, 1).await]);
        }
    }
}

async fn on_undelete(random: &mut StdRng, stores: &[Store; 2], pair: &mut Pair, bucket: BucketId) {
    let [one, two] = stores;
    let query =
        RetainedQuery { bucket: BucketName::parse("bucket").unwrap(), prefix: String::new(), after: None, max: 50 };
    let listed = [one.retained(&query).await, two.retained(&query).await];
    pair.same("retained", &listed);
    let [listed, _] = listed;
    match (random.random_range(0..4), listed.unwrap().choose(random)) {
        (0, Some(row)) => {
            let request = RestoreVersion { bucket, key: row.key.clone(), id: row.id, now: NOW };
            let answers = [one.restore(request.clone()).await, two.restore(request).await];
            pair.same_outcome("restore", answers);
        }
        (1, _) => {
            let late = NOW.plus_seconds(2 * 86_400);
            pair.same("collect", &[one.collect_retained(late, 1).await, two.collect_retained(late, 1).await]);
        }
        _ => {
            let document = Undelete { days: random.random_range(0..3) }.to_document();
            let set = async |store: &Store| {
                store.set_document(bucket, DocumentKind::Undelete, Some(document.clone().into())).await
            };
            pair.same("window", &[set(one).await, set(two).await]);
        }
    }
}

async fn on_upload(random: &mut StdRng, stores: &[Store; 2], pair: &mut Pair, bucket: BucketId, step: u64) {
    let [one, two] = stores;
    let open =
        one.list_uploads(bucket, &UploadListQuery { max_uploads: 50, ..UploadListQuery::default() }).await.unwrap();
    let Some(upload) = open.uploads.choose(random) else { return };
    let name = upload.key.as_str();
    let number = u64::from_be_bytes(upload.upload.0[..8].try_into().expect("eight bytes"));
    match random.random_range(0..8) {
        0..=4 => {
            let body = random_body(random, step);
            let request = part(bucket, name, number, random.random_range(1..5), body);
            pair.same("part", &[one.commit_part(request.clone()).await, two.commit_part(request).await]);
        }
        5 | 6 => {
            let request = random_completion(random, one.as_ref(), bucket, name, number).await;
            let answers = [one.complete_upload(request.clone()).await, two.complete_upload(request).await];
            pair.same_outcome("complete", answers);
        }
        _ => {
            let id = upload_id(number);
            pair.same(
                "abort",
                &[one.abort_upload(bucket, &key(name), id).await, two.abort_upload(bucket, &key(name), id).await],
            );
        }
    }
}

#[tokio::test]
async fn both_stores_answer_alike_to_random_operations() {
    for seed in [1, 2] {
        let directory = tempfile::tempdir().unwrap();
        let sqlite = SqliteMeta::open(&directory.path().join("meta.sqlite"), SqliteSettings::default()).unwrap();
        let stores: [Store; 2] = [Arc::new(MemoryMeta::new()), Arc::new(sqlite)];
        let id = bucket(stores[0].as_ref(), "bucket").await.id;
        assert_eq!(bucket(stores[1].as_ref(), "bucket").await.id, id);
        let mut pair =
            Pair { seed, stores: stores.clone(), versions: [BTreeMap::new(), BTreeMap::new()], manifests: Vec::new() };
        let random = &mut StdRng::seed_from_u64(seed);
        for number in 1..=STEPS {
            step(random, &mut pair, id, number).await;
            if number % 10 == 0 {
                pair.same_versions(id).await;
            }
        }
        for store in stores {
            super::hold(store, async |_| {}).await;
        }
    }
}
