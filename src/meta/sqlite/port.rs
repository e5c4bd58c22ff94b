//! The port, method by method: each hands its request to the writer or to a reader.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::upload::UploadName;
use super::{
    SqliteMeta, admission, body, boot, bucket, bucket_change, chunk_users, complete, damage, document, event, expiry,
    garbage, key, listing, object, rename, small, undelete, upload, usage, verify, version, version_listing,
};
use crate::meta::{
    AccessKey, Admission, BodyUse, ChangeAttributes, ChunkUse, CommitCopy, CommitDelete, CommitPart, CommitPut,
    CommitRename, CompleteUpload, Completed, Damage, DamagedChunk, DeleteOutcome, EpochStart, ExpireVersion,
    ExpiryOutcome, Extent, GatewaySecret, InlineParts, KeyChange, KeyPolicy, LostBody, MetaError, MetaStore, NewBucket,
    NewUpload, OwnerAccount, PartExtents, PartPlace, PutOutcome, RestoreVersion, RetainedBody, RetainedEnvelope,
    RetainedQuery, RetainedVersion, SmallBody, StoredPart, StoredVersion, UploadRecord,
};
use crate::rules::{Quota, Seen, Undelete, Usage, Versioning};
use crate::types::{
    Bucket, BucketDocument, BucketId, BucketListing, BucketName, ChunkId, DocumentKind, Documents, Epoch, EventBacklog,
    EventSettlement, KeyListing, ListQuery, ManifestId, ObjectKey, OwnerId, PartListing, QueuedEvent, SourceRates,
    Timestamp, UploadId, UploadListQuery, UploadListing, VersionId, VersionListQuery, VersionListing,
};

/// Faults that wait for `verify`'s caller.
const FAULTS_QUEUED_MAX: usize = 64;

#[async_trait]
impl MetaStore for SqliteMeta {
    async fn begin_epoch(&self) -> Result<EpochStart, MetaError> {
        self.write("begin epoch", boot::begin_epoch).await
    }

    async fn end_epoch(&self, epoch: Epoch) -> Result<(), MetaError> {
        self.write("end epoch", move |tx| boot::end_epoch(tx, epoch)).await
    }

    async fn end_epochs(&self, last: Epoch) -> Result<(), MetaError> {
        self.write("end epochs", move |tx| boot::end_epochs(tx, last)).await
    }

    async fn take_lease(&self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> Result<bool, MetaError> {
        let name = name.to_owned();
        self.write("take lease", move |tx| boot::take_lease(tx, &name, holder, (now, until))).await
    }

    async fn lock_clock(&self) -> Result<Option<Seen>, MetaError> {
        self.readers.read("read lock clock", boot::lock_clock).await
    }

    async fn keep_lock_clock(&self, seen: Seen) -> Result<(), MetaError> {
        self.write("keep lock clock", move |tx| boot::keep_lock_clock(tx, seen)).await
    }

    async fn add_access_key(&self, key: AccessKey) -> Result<(), MetaError> {
        self.write("add access key", move |tx| key::add(tx, &key)).await
    }

    async fn remove_access_key(&self, name_or_id: &str) -> Result<(), MetaError> {
        let name_or_id = name_or_id.to_owned();
        self.write("remove access key", move |tx| key::remove(tx, &name_or_id)).await
    }

    async fn access_keys(&self) -> Result<Vec<AccessKey>, MetaError> {
        self.readers.read("read access keys", key::all).await
    }

    async fn attach_policies(&self, name_or_id: &str, policies: Vec<KeyPolicy>) -> Result<(), MetaError> {
        let name_or_id = name_or_id.to_owned();
        self.write("attach policies", move |tx| key::attach(tx, &name_or_id, &policies)).await
    }

    async fn detach_policies(&self, name_or_id: &str, names: Vec<String>) -> Result<(), MetaError> {
        let name_or_id = name_or_id.to_owned();
        self.write("detach policies", move |tx| key::detach(tx, &name_or_id, &names)).await
    }

    async fn limit_key(&self, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), MetaError> {
        let name_or_id = name_or_id.to_owned();
        self.write("limit access key", move |tx| key::limit(tx, &name_or_id, rates)).await
    }

    async fn change_access_key(&self, name_or_id: &str, change: KeyChange) -> Result<(), MetaError> {
        let name_or_id = name_or_id.to_owned();
        self.write("change access key", move |tx| key::change(tx, &name_or_id, &change)).await
    }

    async fn note_keys_used(&self, used: Vec<(String, Timestamp)>) -> Result<(), MetaError> {
        self.write("note use of keys", move |tx| key::note_used(tx, &used)).await
    }

    async fn gateway_secret(&self, name: &'static str, candidate: GatewaySecret) -> Result<GatewaySecret, MetaError> {
        self.write("find secret", move |tx| key::gateway_secret(tx, name, &candidate)).await
    }

    async fn create_bucket(&self, bucket: NewBucket) -> Result<Bucket, MetaError> {
        self.write("create bucket", move |tx| bucket_change::create(tx, &bucket)).await
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Bucket>, MetaError> {
        let name = name.clone();
        self.readers.look_up("find bucket", move |connection| bucket::find(connection, &name)).await
    }

    async fn list_buckets(
        &self,
        owner: Option<&OwnerId>,
        prefix: &str,
        after: &str,
        max: u32,
    ) -> Result<BucketListing, MetaError> {
        let (owner, prefix, after) = (owner.cloned(), prefix.to_owned(), after.to_owned());
        let list = move |connection: &_| bucket::list(connection, owner.as_ref(), (&prefix, &after), max);
        self.readers.read("list buckets", list).await
    }

    async fn delete_bucket(&self, bucket: BucketId) -> Result<(), MetaError> {
        self.write("delete bucket", move |tx| bucket_change::delete(tx, bucket)).await
    }

    async fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError> {
        self.readers.read("read versioning", move |connection| bucket::versioning(connection, bucket)).await
    }

    async fn set_versioning(&self, bucket: BucketId, state: Versioning) -> Result<(), MetaError> {
        self.write("set versioning", move |tx| bucket_change::set_versioning(tx, bucket, state)).await
    }

    async fn documents(&self, bucket: BucketId) -> Result<Documents, MetaError> {
        self.readers.read("read documents", move |connection| document::all(connection, bucket)).await
    }

    async fn set_document(
        &self,
        bucket: BucketId,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), MetaError> {
        self.write("set document", move |tx| bucket_change::set_document(tx, bucket, kind, body.as_deref())).await
    }

    async fn commit_put(&self, put: CommitPut) -> Result<PutOutcome, MetaError> {
        put.body.assert_sound(put.size);
        self.write("commit put", move |tx| object::put(tx, &put)).await
    }

    async fn commit_copy(&self, copy: CommitCopy) -> Result<PutOutcome, MetaError> {
        self.write("commit copy", move |tx| object::copy(tx, &copy)).await
    }

    async fn commit_delete(&self, delete: CommitDelete) -> Result<DeleteOutcome, MetaError> {
        self.write("commit delete", move |tx| object::delete(tx, &delete)).await
    }

    async fn commit_rename(&self, rename: CommitRename) -> Result<PutOutcome, MetaError> {
        self.write("commit rename", move |tx| rename::rename(tx, &rename)).await
    }

    async fn version(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, MetaError> {
        let key = key.clone();
        self.readers.look_up("read version", move |connection| version::stored(connection, bucket, &key, version)).await
    }

    async fn change_attributes(&self, change: ChangeAttributes) -> Result<Option<VersionId>, MetaError> {
        self.write("change attributes", move |tx| object::change_attributes(tx, &change)).await
    }

    async fn extents(&self, manifest: ManifestId, from: u64, max: u32) -> Result<Vec<Extent>, MetaError> {
        self.readers.look_up("read extents", move |connection| body::extents(connection, manifest, from, max)).await
    }

    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError> {
        self.readers.look_up("read inline part", move |connection| body::inline_part(connection, row)).await
    }

    async fn manifest_parts(&self, manifest: ManifestId, after: u16, max: u32) -> Result<Vec<StoredPart>, MetaError> {
        self.readers
            .read("read parts", move |connection| upload::manifest_parts(connection, manifest, after, max))
            .await
    }

    async fn list_objects(&self, bucket: BucketId, query: &ListQuery) -> Result<KeyListing, MetaError> {
        let query = query.clone();
        self.readers.read("list objects", move |connection| listing::objects(connection, bucket, &query)).await
    }

    async fn list_versions(&self, bucket: BucketId, query: &VersionListQuery) -> Result<VersionListing, MetaError> {
        let query = query.clone();
        self.readers.read("list versions", move |connection| version_listing::page(connection, bucket, &query)).await
    }

    async fn create_upload(&self, upload: NewUpload) -> Result<(), MetaError> {
        self.write("create upload", move |tx| upload::create(tx, &upload)).await
    }

    async fn upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRecord>, MetaError> {
        let key = key.clone();
        let find = move |connection: &_| {
            let found = upload::find(connection, UploadName { bucket, key: &key, id: upload })?;
            Ok(found.map(|(record, _)| record))
        };
        self.readers.look_up("find upload", find).await
    }

    async fn commit_part(&self, part: CommitPart) -> Result<(), MetaError> {
        part.body.assert_sound(part.size);
        self.write("commit part", move |tx| upload::commit_part(tx, &part)).await
    }

    async fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, MetaError> {
        let key = key.clone();
        let list = move |connection: &_| {
            upload::list_parts(connection, UploadName { bucket, key: &key, id: upload }, after, max)
        };
        self.readers.read("list parts", list).await
    }

    async fn part_extents(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<Vec<PartExtents>, MetaError> {
        let key = key.clone();
        let find = move |connection: &_| {
            upload::part_extents(connection, UploadName { bucket, key: &key, id: upload }, after, max)
        };
        self.readers.read("list extents of parts", find).await
    }

    async fn list_uploads(&self, bucket: BucketId, query: &UploadListQuery) -> Result<UploadListing, MetaError> {
        let query = query.clone();
        self.readers.read("list uploads", move |connection| listing::uploads(connection, bucket, &query)).await
    }

    async fn complete_upload(&self, complete: CompleteUpload) -> Result<PutOutcome, MetaError> {
        self.write("complete upload", move |tx| complete::complete(tx, &complete)).await
    }

    async fn completed_upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<Completed>, MetaError> {
        let key = key.clone();
        let find = move |connection: &_| complete::completed(connection, UploadName { bucket, key: &key, id: upload });
        self.readers.read("find completed upload", find).await
    }

    async fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<(), MetaError> {
        let key = key.clone();
        self.write("abort upload", move |tx| upload::abort(tx, UploadName { bucket, key: &key, id: upload })).await
    }

    async fn expire_uploads(&self, before: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.write("expire uploads", move |tx| upload::expire(tx, before, max)).await
    }

    async fn bucket_usage(&self, bucket: BucketId) -> Result<Usage, MetaError> {
        self.readers.read("read usage", move |connection| usage::bucket_usage(connection, bucket)).await
    }

    async fn owner_account(&self, owner: &OwnerId) -> Result<OwnerAccount, MetaError> {
        let owner = owner.clone();
        self.readers.read("read usage", move |connection| usage::owner_account(connection, &owner)).await
    }

    async fn set_owner_quota(&self, owner: &OwnerId, quota: Quota) -> Result<(), MetaError> {
        let owner = owner.clone();
        self.write("set quota", move |tx| usage::set_owner_quota(tx, &owner, quota)).await
    }

    async fn admit(&self, admission: &Admission) -> Result<(), MetaError> {
        let admission = admission.clone();
        self.readers.look_up("judge quotas", move |connection| admission::admit(connection, &admission)).await
    }

    async fn expire_version(&self, expire: ExpireVersion) -> Result<ExpiryOutcome, MetaError> {
        self.write("expire version", move |tx| expiry::expire(tx, &expire)).await
    }

    async fn cursor(&self, name: &str) -> Result<Option<Vec<u8>>, MetaError> {
        let name = name.to_owned();
        self.readers.read("read cursor", move |connection| expiry::cursor(connection, &name)).await
    }

    async fn set_cursor(&self, name: &str, body: Option<Vec<u8>>) -> Result<(), MetaError> {
        let name = name.to_owned();
        self.write("set cursor", move |tx| expiry::set_cursor(tx, &name, body.as_deref())).await
    }

    async fn retained(&self, query: &RetainedQuery) -> Result<Vec<RetainedVersion>, MetaError> {
        let query = query.clone();
        self.readers.read("list restorable versions", move |connection| undelete::list(connection, &query)).await
    }

    async fn retained_envelopes(&self, after: u64, max: u32) -> Result<Vec<RetainedEnvelope>, MetaError> {
        self.readers.read("list envelopes", move |connection| undelete::envelopes(connection, after, max)).await
    }

    async fn restore(&self, restore: RestoreVersion) -> Result<PutOutcome, MetaError> {
        self.write("restore version", move |tx| undelete::restore(tx, &restore)).await
    }

    async fn collect_retained(&self, now: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.write("collect restorable versions", move |tx| undelete::collect(tx, now, max)).await
    }

    async fn shorten_retained(&self, bucket: &BucketName, window: Undelete, max: u32) -> Result<u32, MetaError> {
        let bucket = bucket.clone();
        self.write("shorten restorable versions", move |tx| undelete::shorten(tx, &bucket, window, max)).await
    }

    async fn due_events(&self, target: &str, now: Timestamp, max: u32) -> Result<Vec<QueuedEvent>, MetaError> {
        let target = target.to_owned();
        self.readers.read("find due events", move |connection| event::due(connection, &target, now, max)).await
    }

    async fn settle_events(&self, target: &str, settlement: EventSettlement) -> Result<(), MetaError> {
        let target = target.to_owned();
        self.write("settle events", move |tx| event::settle(tx, &target, &settlement)).await
    }

    async fn event_backlog(&self) -> Result<Vec<EventBacklog>, MetaError> {
        self.readers.read("count events", event::backlog).await
    }

    async fn buckets_with(&self, kind: DocumentKind, max: u32) -> Result<Vec<BucketDocument>, MetaError> {
        self.readers.read("find documents", move |connection| document::buckets_with(connection, kind, max)).await
    }

    async fn garbage_manifests(&self, max: u32) -> Result<Vec<ManifestId>, MetaError> {
        self.readers.read("find garbage", move |connection| garbage::manifests(connection, max)).await
    }

    async fn release_manifest(&self, manifest: ManifestId, max: u32) -> Result<bool, MetaError> {
        assert!(max > 0, "a step of nothing never ends");
        self.write("release manifest", move |tx| garbage::release(tx, manifest, max)).await
    }

    async fn dead_chunks(&self, max: u32) -> Result<Vec<ChunkId>, MetaError> {
        self.readers.read("find dead chunks", move |connection| garbage::dead_chunks(connection, max)).await
    }

    async fn forget_chunks(&self, chunks: Vec<ChunkId>) -> Result<(), MetaError> {
        self.write("forget chunks", move |tx| garbage::forget_chunks(tx, &chunks)).await
    }

    async fn chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<(ChunkId, u64, u64)>, MetaError> {
        self.readers.read("read chunks", move |connection| garbage::chunks(connection, after, max)).await
    }

    async fn mark_damage(&self, chunk: ChunkId, damage: Option<Damage>) -> Result<bool, MetaError> {
        self.write("mark damage", move |tx| damage::mark(tx, chunk, damage.as_ref())).await
    }

    async fn damaged_chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<DamagedChunk>, MetaError> {
        self.readers.read("list damage", move |connection| damage::list(connection, after, max)).await
    }

    async fn chunk_uses(&self, chunks: Vec<ChunkId>, max: u32) -> Result<Vec<ChunkUse>, MetaError> {
        self.readers.read("find users of chunks", move |connection| chunk_users::uses(connection, &chunks, max)).await
    }

    async fn retained_bodies(&self, after: u64, max: u32) -> Result<Vec<RetainedBody>, MetaError> {
        self.readers.read("read restorable bodies", move |connection| small::retained(connection, after, max)).await
    }

    async fn inline_parts(&self, after: Option<PartPlace>, max: u32) -> Result<InlineParts, MetaError> {
        self.readers.read("find small parts", move |connection| small::inline_parts(connection, after, max)).await
    }

    async fn small_body_uses(&self, body: SmallBody, max: u32) -> Result<Vec<BodyUse>, MetaError> {
        self.readers.read("find users of a body", move |connection| small::uses(connection, body, max)).await
    }

    async fn drop_chunk_users(&self, chunks: Vec<ChunkId>, lock_time: Timestamp) -> Result<Vec<LostBody>, MetaError> {
        self.write("drop users of chunks", move |tx| chunk_users::drop_users(tx, &chunks, lock_time)).await
    }

    async fn known_chunks(&self, chunks: Vec<ChunkId>) -> Result<Vec<bool>, MetaError> {
        self.readers.read("find chunks", move |connection| garbage::known_chunks(connection, &chunks)).await
    }

    async fn verify(&self, report: &mut (dyn FnMut(String) + Send)) -> Result<(), MetaError> {
        let (found, mut faults) = mpsc::channel(FAULTS_QUEUED_MAX);
        let work = self.readers.read("verify metadata", move |connection| {
            verify::verify(connection, &mut |fault| {
                // Whoever asked may have gone away; the check then ends unheard.
                let _ = found.blocking_send(fault);
            })
        });
        let listen = async {
            while let Some(fault) = faults.recv().await {
                report(fault);
            }
        };
        let (result, ()) = tokio::join!(work, listen);
        result
    }

    async fn close(&self) -> Result<(), MetaError> {
        self.close_all().await
    }
}
