//! The port, method by method.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::MemoryMeta;
use super::upload::upload_name;
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

#[async_trait]
impl MetaStore for MemoryMeta {
    async fn begin_epoch(&self) -> Result<EpochStart, MetaError> {
        self.transact(|state| Ok(state.begin_epoch()))
    }

    async fn end_epoch(&self, epoch: Epoch) -> Result<(), MetaError> {
        self.transact(|state| {
            state.end_epoch(epoch);
            Ok(())
        })
    }

    async fn end_epochs(&self, last: Epoch) -> Result<(), MetaError> {
        self.transact(|state| {
            state.end_epochs(last);
            Ok(())
        })
    }

    async fn take_lease(&self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> Result<bool, MetaError> {
        self.transact(|state| Ok(state.take_lease(name, holder, now, until)))
    }

    async fn lock_clock(&self) -> Result<Option<Seen>, MetaError> {
        self.transact(|state| Ok(state.lock_clock))
    }

    async fn keep_lock_clock(&self, seen: Seen) -> Result<(), MetaError> {
        self.transact(|state| {
            state.keep_lock_clock(seen);
            Ok(())
        })
    }

    async fn add_access_key(&self, key: AccessKey) -> Result<(), MetaError> {
        self.transact(|state| state.add_access_key(key))
    }

    async fn remove_access_key(&self, name_or_id: &str) -> Result<(), MetaError> {
        self.transact(|state| state.remove_access_key(name_or_id))
    }

    async fn access_keys(&self) -> Result<Vec<AccessKey>, MetaError> {
        self.transact(|state| Ok(state.access_keys()))
    }

    async fn attach_policies(&self, name_or_id: &str, policies: Vec<KeyPolicy>) -> Result<(), MetaError> {
        self.transact(|state| state.attach_policies(name_or_id, policies))
    }

    async fn detach_policies(&self, name_or_id: &str, names: Vec<String>) -> Result<(), MetaError> {
        self.transact(|state| state.detach_policies(name_or_id, &names))
    }

    async fn limit_key(&self, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), MetaError> {
        self.transact(|state| state.limit_key(name_or_id, rates))
    }

    async fn change_access_key(&self, name_or_id: &str, change: KeyChange) -> Result<(), MetaError> {
        self.transact(|state| state.change_access_key(name_or_id, change))
    }

    async fn note_keys_used(&self, used: Vec<(String, Timestamp)>) -> Result<(), MetaError> {
        self.transact(|state| {
            state.note_keys_used(&used);
            Ok(())
        })
    }

    async fn gateway_secret(&self, name: &'static str, candidate: GatewaySecret) -> Result<GatewaySecret, MetaError> {
        self.transact(|state| Ok(state.secrets.entry(name).or_insert(candidate).clone()))
    }

    async fn create_bucket(&self, bucket: NewBucket) -> Result<Bucket, MetaError> {
        self.transact(|state| state.create_bucket(bucket))
    }

    async fn bucket(&self, name: &BucketName) -> Result<Option<Bucket>, MetaError> {
        self.transact(|state| Ok(state.find_bucket(name).cloned()))
    }

    async fn list_buckets(
        &self,
        owner: Option<&OwnerId>,
        prefix: &str,
        after: &str,
        max: u32,
    ) -> Result<BucketListing, MetaError> {
        self.transact(|state| Ok(state.list_buckets(owner, prefix, after, max)))
    }

    async fn delete_bucket(&self, bucket: BucketId) -> Result<(), MetaError> {
        self.transact(|state| state.delete_bucket(bucket))
    }

    async fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError> {
        self.transact(|state| state.versioning(bucket))
    }

    async fn set_versioning(&self, bucket: BucketId, versioning: Versioning) -> Result<(), MetaError> {
        self.transact(|state| state.set_versioning(bucket, versioning))
    }

    async fn documents(&self, bucket: BucketId) -> Result<Documents, MetaError> {
        self.transact(|state| state.documents(bucket))
    }

    async fn set_document(
        &self,
        bucket: BucketId,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), MetaError> {
        self.transact(|state| state.set_document(bucket, kind, body))
    }

    async fn commit_put(&self, put: CommitPut) -> Result<PutOutcome, MetaError> {
        put.body.assert_sound(put.size);
        self.transact(|state| state.put(&put))
    }

    async fn commit_copy(&self, copy: CommitCopy) -> Result<PutOutcome, MetaError> {
        self.transact(|state| state.copy(&copy))
    }

    async fn commit_delete(&self, delete: CommitDelete) -> Result<DeleteOutcome, MetaError> {
        self.transact(|state| state.delete(&delete))
    }

    async fn commit_rename(&self, rename: CommitRename) -> Result<PutOutcome, MetaError> {
        self.transact(|state| state.rename(&rename))
    }

    async fn version(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, MetaError> {
        self.transact(|state| Ok(state.stored(bucket, key, version)))
    }

    async fn change_attributes(&self, change: ChangeAttributes) -> Result<Option<VersionId>, MetaError> {
        self.transact(|state| state.change_attributes(&change))
    }

    async fn extents(&self, manifest: ManifestId, from: u64, max: u32) -> Result<Vec<Extent>, MetaError> {
        self.transact(|state| Ok(state.extents(manifest, from, max)))
    }

    async fn inline_part(&self, row: i64) -> Result<Bytes, MetaError> {
        self.transact(|state| state.inline_parts.get(&row).cloned().ok_or(MetaError::SourceChanged))
    }

    async fn manifest_parts(&self, manifest: ManifestId, after: u16, max: u32) -> Result<Vec<StoredPart>, MetaError> {
        self.transact(|state| Ok(state.manifest_parts(manifest, after, max)))
    }

    async fn list_objects(&self, bucket: BucketId, query: &ListQuery) -> Result<KeyListing, MetaError> {
        self.transact(|state| Ok(state.list_objects(bucket, query)))
    }

    async fn list_versions(&self, bucket: BucketId, query: &VersionListQuery) -> Result<VersionListing, MetaError> {
        self.transact(|state| Ok(state.list_versions(bucket, query)))
    }

    async fn create_upload(&self, upload: NewUpload) -> Result<(), MetaError> {
        self.transact(|state| state.create_upload(upload))
    }

    async fn upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<UploadRecord>, MetaError> {
        let name = upload_name(bucket, key, upload);
        self.transact(|state| Ok(state.uploads.get(&name).map(|row| row.record.clone())))
    }

    async fn commit_part(&self, part: CommitPart) -> Result<(), MetaError> {
        part.body.assert_sound(part.size);
        self.transact(|state| state.commit_part(part))
    }

    async fn list_parts(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, MetaError> {
        self.transact(|state| state.list_parts(&upload_name(bucket, key, upload), after, max))
    }

    async fn part_extents(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<Vec<PartExtents>, MetaError> {
        self.transact(|state| state.part_extents(&upload_name(bucket, key, upload), after, max))
    }

    async fn list_uploads(&self, bucket: BucketId, query: &UploadListQuery) -> Result<UploadListing, MetaError> {
        self.transact(|state| Ok(state.list_uploads(bucket, query)))
    }

    async fn complete_upload(&self, complete: CompleteUpload) -> Result<PutOutcome, MetaError> {
        self.transact(|state| state.complete(&complete))
    }

    async fn completed_upload(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<Completed>, MetaError> {
        let name = upload_name(bucket, key, upload);
        self.transact(|state| Ok(state.completed.get(&name).cloned().map(|outcome| Completed { outcome })))
    }

    async fn abort_upload(&self, bucket: BucketId, key: &ObjectKey, upload: UploadId) -> Result<(), MetaError> {
        self.transact(|state| state.abort_upload(&upload_name(bucket, key, upload)))
    }

    async fn expire_uploads(&self, before: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.transact(|state| state.expire_uploads(before, max))
    }

    async fn bucket_usage(&self, bucket: BucketId) -> Result<Usage, MetaError> {
        self.transact(|state| state.bucket_usage(bucket))
    }

    async fn owner_account(&self, owner: &OwnerId) -> Result<OwnerAccount, MetaError> {
        self.transact(|state| Ok(state.owner_account(owner)))
    }

    async fn set_owner_quota(&self, owner: &OwnerId, quota: Quota) -> Result<(), MetaError> {
        self.transact(|state| {
            state.quotas.insert(owner.clone(), quota);
            Ok(())
        })
    }

    async fn admit(&self, admission: &Admission) -> Result<(), MetaError> {
        self.transact(|state| state.admit(admission))
    }

    async fn expire_version(&self, expire: ExpireVersion) -> Result<ExpiryOutcome, MetaError> {
        self.transact(|state| state.expire_version(&expire))
    }

    async fn cursor(&self, name: &str) -> Result<Option<Vec<u8>>, MetaError> {
        self.transact(|state| Ok(state.cursors.get(name).cloned()))
    }

    async fn set_cursor(&self, name: &str, body: Option<Vec<u8>>) -> Result<(), MetaError> {
        self.transact(|state| {
            match body {
                Some(body) => state.cursors.insert(name.to_owned(), body),
                None => state.cursors.remove(name),
            };
            Ok(())
        })
    }

    async fn retained(&self, query: &RetainedQuery) -> Result<Vec<RetainedVersion>, MetaError> {
        self.transact(|state| Ok(state.list_retained(query)))
    }

    async fn retained_envelopes(&self, after: u64, max: u32) -> Result<Vec<RetainedEnvelope>, MetaError> {
        self.transact(|state| {
            let above = state.retained.range(after.saturating_add(1)..).take(max as usize);
            Ok(above.map(|(id, row)| (*id, row.row.version.metadata.attributes.encryption.clone())).collect())
        })
    }

    async fn restore(&self, restore: RestoreVersion) -> Result<PutOutcome, MetaError> {
        self.transact(|state| state.restore(&restore))
    }

    async fn collect_retained(&self, now: Timestamp, max: u32) -> Result<u32, MetaError> {
        self.transact(|state| Ok(state.collect_retained(now, max)))
    }

    async fn shorten_retained(&self, bucket: &BucketName, window: Undelete, max: u32) -> Result<u32, MetaError> {
        self.transact(|state| Ok(state.shorten_retained(bucket, window, max)))
    }

    async fn due_events(&self, target: &str, now: Timestamp, max: u32) -> Result<Vec<QueuedEvent>, MetaError> {
        self.transact(|state| Ok(state.due_events(target, now, max)))
    }

    async fn settle_events(&self, target: &str, settlement: EventSettlement) -> Result<(), MetaError> {
        self.transact(|state| {
            state.settle_events(target, &settlement);
            Ok(())
        })
    }

    async fn event_backlog(&self) -> Result<Vec<EventBacklog>, MetaError> {
        self.transact(|state| Ok(state.event_backlog()))
    }

    async fn buckets_with(&self, kind: DocumentKind, max: u32) -> Result<Vec<BucketDocument>, MetaError> {
        self.transact(|state| {
            let documents = state.buckets.values().map(|row| (&row.bucket, row.documents.0.get(&kind)));
            let found = documents
                .filter_map(|(bucket, body)| Some(BucketDocument { bucket: bucket.clone(), body: Arc::clone(body?) }));
            Ok(found.take(max as usize).collect())
        })
    }

    async fn garbage_manifests(&self, max: u32) -> Result<Vec<ManifestId>, MetaError> {
        self.transact(|state| Ok(state.garbage.iter().take(max as usize).copied().collect()))
    }

    async fn release_manifest(&self, manifest: ManifestId, max: u32) -> Result<bool, MetaError> {
        assert!(max > 0, "a step of nothing never ends");
        self.transact(|state| state.release_manifest(manifest, max))
    }

    async fn dead_chunks(&self, max: u32) -> Result<Vec<ChunkId>, MetaError> {
        self.transact(|state| Ok(state.dead_chunks.iter().take(max as usize).copied().collect()))
    }

    async fn forget_chunks(&self, chunks: Vec<ChunkId>) -> Result<(), MetaError> {
        self.transact(|state| {
            state.dead_chunks.retain(|chunk| !chunks.contains(chunk));
            Ok(())
        })
    }

    async fn chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<(ChunkId, u64, u64)>, MetaError> {
        self.transact(|state| {
            let live = state.chunks.iter().map(|(id, row)| (*id, row.length, row.seal));
            let above = live.filter(|(id, _, _)| after.is_none_or(|after| id.to_i64() > after.to_i64()));
            Ok(above.take(max as usize).collect())
        })
    }

    async fn mark_damage(&self, chunk: ChunkId, damage: Option<Damage>) -> Result<bool, MetaError> {
        self.transact(|state| Ok(state.mark_damage(chunk, damage)))
    }

    async fn damaged_chunks(&self, after: Option<ChunkId>, max: u32) -> Result<Vec<DamagedChunk>, MetaError> {
        self.transact(|state| Ok(state.damaged_chunks(after, max)))
    }

    async fn chunk_uses(&self, chunks: Vec<ChunkId>, max: u32) -> Result<Vec<ChunkUse>, MetaError> {
        self.transact(|state| Ok(state.chunk_uses(&chunks, max)))
    }

    async fn retained_bodies(&self, after: u64, max: u32) -> Result<Vec<RetainedBody>, MetaError> {
        self.transact(|state| Ok(state.retained_bodies(after, max)))
    }

    async fn inline_parts(&self, after: Option<PartPlace>, max: u32) -> Result<InlineParts, MetaError> {
        self.transact(|state| Ok(state.inline_parts(after, max)))
    }

    async fn small_body_uses(&self, body: SmallBody, max: u32) -> Result<Vec<BodyUse>, MetaError> {
        self.transact(|state| Ok(state.small_body_uses(body, max)))
    }

    async fn drop_chunk_users(&self, chunks: Vec<ChunkId>, lock_time: Timestamp) -> Result<Vec<LostBody>, MetaError> {
        self.transact(|state| state.drop_chunk_users(&chunks, lock_time))
    }

    async fn known_chunks(&self, chunks: Vec<ChunkId>) -> Result<Vec<bool>, MetaError> {
        self.transact(|state| {
            let is_known = |id: &ChunkId| state.chunks.contains_key(id) || state.dead_chunks.contains(id);
            Ok(chunks.iter().map(is_known).collect())
        })
    }

    async fn verify(&self, report: &mut (dyn FnMut(String) + Send)) -> Result<(), MetaError> {
        self.transact(|state| {
            state.verify(report);
            Ok(())
        })
    }

    async fn close(&self) -> Result<(), MetaError> {
        self.shut();
        Ok(())
    }
}
