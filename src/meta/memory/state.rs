//! The maps, and what is read from them directly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use crate::limits::BUCKETS_PER_OWNER_MAX;
use crate::meta::{
    AccessKey, BodyRef, Damage, EpochStart, GatewaySecret, MetaError, NewBucket, PutOutcome, UploadRecord,
};
use crate::rules::{ObjectLock, Quota, Seen, Versioning, lock};
use crate::types::{
    Bucket, BucketId, BucketListing, BucketName, ChunkId, DocumentKind, Documents, Epoch, ListedPart, ManifestId,
    ObjectVersion, Origin, OwnerId, QueuedEvent, Timestamp, UploadId,
};

/// Everything that the store knows.
#[derive(Default)]
pub(super) struct State {
    pub(super) order: u64,
    pub(super) last_bucket: i64,
    pub(super) buckets: BTreeMap<BucketId, BucketRow>,
    pub(super) versions: BTreeMap<VersionName, VersionRow>,
    pub(super) manifests: BTreeMap<ManifestId, ManifestRow>,
    pub(super) garbage: BTreeSet<ManifestId>,
    pub(super) inline_parts: BTreeMap<i64, Bytes>,
    pub(super) chunks: BTreeMap<ChunkId, ChunkRow>,
    pub(super) dead_chunks: BTreeSet<ChunkId>,
    pub(super) damaged: BTreeMap<ChunkId, Damage>,
    pub(super) uploads: BTreeMap<UploadName, UploadRow>,
    pub(super) completed: BTreeMap<UploadName, PutOutcome>,
    pub(super) keys: BTreeMap<String, AccessKey>,
    pub(super) secrets: BTreeMap<&'static str, GatewaySecret>,
    pub(super) epochs: BTreeMap<Epoch, EpochState>,
    pub(super) leases: BTreeMap<String, (Epoch, Timestamp)>,
    pub(super) quotas: BTreeMap<OwnerId, Quota>,
    pub(super) retained: BTreeMap<u64, RetainedRow>,
    pub(super) cursors: BTreeMap<String, Vec<u8>>,
    pub(super) lock_clock: Option<Seen>,
    /// Events by target and number.
    pub(super) events: BTreeMap<(String, u64), EventRow>,
    /// Of each target: how many events wait, how many were dropped.
    pub(super) event_targets: BTreeMap<String, (u64, u64)>,
    /// On whose behalf the running transaction changes something.
    pub(super) origin: Option<Arc<Origin>>,
}

/// Bucket, key, order; the newest version of a key comes first.
pub(super) type VersionName = (BucketId, String, Reverse<u64>);
/// Bucket, key, id.
pub(super) type UploadName = (BucketId, String, UploadId);

pub(super) struct BucketRow {
    pub(super) bucket: Bucket,
    pub(super) versioning: Versioning,
    pub(super) documents: Documents,
}

#[derive(Clone)]
pub(super) struct VersionRow {
    /// `is_latest` is decided when the row is read.
    pub(super) version: ObjectVersion,
    pub(super) body: BodyRef,
}

/// A version that was deleted or overwritten and can be restored.
pub(super) struct RetainedRow {
    pub(super) bucket: BucketId,
    pub(super) bucket_name: BucketName,
    pub(super) row: VersionRow,
    pub(super) owner: OwnerId,
    pub(super) deleted: Timestamp,
    pub(super) until: Timestamp,
}

pub(super) struct ManifestRow {
    pub(super) refs: u32,
    pub(super) content: Content,
}

pub(super) enum Content {
    Extents(Vec<ExtentRow>),
    Parts(BTreeMap<u16, PartRow>),
}

#[derive(Clone, Copy)]
pub(super) struct ExtentRow {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) chunk: ChunkId,
    pub(super) chunk_offset: u64,
}

pub(super) struct PartRow {
    pub(super) part: ListedPart,
    /// `None` until the upload is completed.
    pub(super) offset: Option<u64>,
    pub(super) body: PartBody,
}

#[derive(Clone, Copy)]
pub(super) enum PartBody {
    Empty,
    Inline(i64),
    Manifest(ManifestId),
}

pub(super) struct ChunkRow {
    pub(super) refs: u32,
    pub(super) length: u64,
    pub(super) seal: u64,
}

pub(super) struct UploadRow {
    pub(super) record: UploadRecord,
    pub(super) manifest: ManifestId,
}

pub(super) struct EventRow {
    pub(super) bucket: BucketId,
    pub(super) event: QueuedEvent,
    pub(super) not_before: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EpochState {
    Running,
    Ended,
}

impl State {
    /// The next number of the clock.
    pub(super) fn tick(&mut self, now: Timestamp) -> u64 {
        self.order = (self.order + 1).max(u64::try_from(now.0).unwrap_or(0));
        self.order
    }

    pub(super) fn begin_epoch(&mut self) -> EpochStart {
        let running = self.epochs.iter().filter(|(_, state)| **state == EpochState::Running);
        let crashed = running.map(|(epoch, _)| *epoch).collect();
        let epoch = Epoch(self.epochs.keys().next_back().map_or(1, |last| last.0 + 1));
        self.epochs.insert(epoch, EpochState::Running);
        EpochStart { epoch, crashed }
    }

    pub(super) fn end_epoch(&mut self, epoch: Epoch) {
        if let Some(state) = self.epochs.get_mut(&epoch) {
            *state = EpochState::Ended;
        }
        self.leases.retain(|_, (holder, _)| *holder != epoch);
    }

    pub(super) fn end_epochs(&mut self, last: Epoch) {
        self.epochs.entry(last).or_insert(EpochState::Ended);
        self.epochs.values_mut().for_each(|state| *state = EpochState::Ended);
        self.leases.clear();
    }

    pub(super) fn take_lease(&mut self, name: &str, holder: Epoch, now: Timestamp, until: Timestamp) -> bool {
        let is_free = self.leases.get(name).is_none_or(|(owner, end)| *owner == holder || *end <= now);
        if is_free {
            self.leases.insert(name.to_owned(), (holder, until));
        }
        is_free
    }

    pub(super) fn keep_lock_clock(&mut self, seen: Seen) {
        if self.lock_clock.is_none_or(|kept| kept.time < seen.time) {
            self.lock_clock = Some(seen);
        }
    }

    /// The object lock of a bucket.
    pub(super) fn object_lock(&self, bucket: BucketId) -> Result<Option<ObjectLock>, MetaError> {
        let row = self.buckets.get(&bucket).ok_or(MetaError::NoSuchBucket)?;
        let lock = row.documents.get(DocumentKind::ObjectLock).map(ObjectLock::from_document);
        lock.map(|lock| lock.ok_or_else(|| MetaError::Storage("the object lock does not read".to_owned()))).transpose()
    }

    pub(super) fn find_bucket(&self, name: &BucketName) -> Option<&Bucket> {
        self.buckets.values().map(|row| &row.bucket).find(|bucket| bucket.name == *name)
    }

    pub(super) fn create_bucket(&mut self, new: NewBucket) -> Result<Bucket, MetaError> {
        if let Some(existing) = self.find_bucket(&new.name) {
            return Err(MetaError::BucketExists { owner: existing.owner.clone() });
        }
        let owned = self.buckets.values().filter(|row| row.bucket.owner == new.owner).count();
        if owned >= BUCKETS_PER_OWNER_MAX as usize {
            return Err(MetaError::TooManyBuckets);
        }
        self.last_bucket += 1;
        let id = BucketId(self.last_bucket);
        let NewBucket { name, owner, location, versioning, documents, now } = new;
        let generation = documents.0.len() as u64;
        let is_versioned = versioning != Versioning::Unversioned;
        let bucket = Bucket { id, name, owner, created: now, location, generation, is_versioned };
        self.buckets.insert(id, BucketRow { bucket: bucket.clone(), versioning, documents });
        Ok(bucket)
    }

    pub(super) fn list_buckets(&self, owner: Option<&OwnerId>, prefix: &str, after: &str, max: u32) -> BucketListing {
        let mut found: Vec<Bucket> = self.buckets.values().map(|row| row.bucket.clone()).collect();
        found.retain(|bucket| {
            let name = bucket.name.as_str();
            name.starts_with(prefix) && name > after && owner.is_none_or(|owner| bucket.owner == *owner)
        });
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let more = max > 0 && found.len() > max as usize;
        found.truncate(max as usize);
        let next_after = found.last().filter(|_| more).map(|last| last.name.as_str().to_owned());
        BucketListing { buckets: found, next_after }
    }

    pub(super) fn delete_bucket(&mut self, bucket: BucketId) -> Result<(), MetaError> {
        self.versioning(bucket)?;
        if self.versions.keys().any(|(owner, _, _)| *owner == bucket) {
            return Err(MetaError::BucketNotEmpty);
        }
        let uploads: Vec<UploadName> = self.uploads.keys().filter(|(owner, _, _)| *owner == bucket).cloned().collect();
        for name in &uploads {
            self.abort_upload(name)?;
        }
        self.buckets.remove(&bucket);
        Ok(())
    }

    pub(super) fn versioning(&self, bucket: BucketId) -> Result<Versioning, MetaError> {
        self.buckets.get(&bucket).map(|row| row.versioning).ok_or(MetaError::NoSuchBucket)
    }

    pub(super) fn set_versioning(&mut self, bucket: BucketId, state: Versioning) -> Result<(), MetaError> {
        let row = self.buckets.get_mut(&bucket).ok_or(MetaError::NoSuchBucket)?;
        let has_lock = row.documents.get(DocumentKind::ObjectLock).is_some();
        lock::judge_versioning(state, has_lock).map_err(MetaError::BucketState)?;
        row.versioning = state;
        row.bucket.is_versioned = state != Versioning::Unversioned;
        row.bucket.generation += 1;
        Ok(())
    }

    pub(super) fn documents(&self, bucket: BucketId) -> Result<Documents, MetaError> {
        self.buckets.get(&bucket).map(|row| row.documents.clone()).ok_or(MetaError::NoSuchBucket)
    }

    pub(super) fn set_document(
        &mut self,
        bucket: BucketId,
        kind: DocumentKind,
        body: Option<Arc<[u8]>>,
    ) -> Result<(), MetaError> {
        let row = self.buckets.get_mut(&bucket).ok_or(MetaError::NoSuchBucket)?;
        if kind == DocumentKind::ObjectLock {
            lock::judge_lock(row.versioning, body.is_some()).map_err(MetaError::BucketState)?;
        }
        row.bucket.generation += 1;
        match body {
            Some(body) => row.documents.0.insert(kind, body),
            None => row.documents.0.remove(&kind),
        };
        if kind == DocumentKind::Notification {
            self.tell_test(bucket)?;
        }
        Ok(())
    }
}
