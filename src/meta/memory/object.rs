//! The transactions of objects.

use std::cmp::Reverse;

use super::state::{State, VersionName, VersionRow};
use crate::meta::happening::{Happening, kind_of_change, moment};
use crate::meta::{
    BodyRef, ChangeAttributes, CommitCopy, CommitDelete, CommitPut, CommitRename, DeleteOutcome, MetaError, NewBody,
    PutOutcome, StoredVersion,
};
use crate::rules::{CurrentFacts, Versioning, WritePlan, lock};
use crate::types::{BucketId, ETag, EventKind, ObjectKey, ObjectMetadata, ObjectVersion, Timestamp, VersionId};

impl State {
    /// Versions of a key, newest first.
    pub(super) fn versions_of(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
    ) -> impl Iterator<Item = (&VersionName, &VersionRow)> {
        let first = (bucket, key.as_str().to_owned(), Reverse(u64::MAX));
        let last = (bucket, key.as_str().to_owned(), Reverse(0));
        self.versions.range(first..=last)
    }

    /// What conditions on the newest version are judged against.
    pub(super) fn current_facts(&self, bucket: BucketId, key: &ObjectKey) -> Option<CurrentFacts> {
        self.versions_of(bucket, key).next().and_then(|(_, row)| facts(row))
    }

    pub(super) fn find(&self, bucket: BucketId, key: &ObjectKey, id: VersionId) -> Option<(VersionName, VersionRow)> {
        let mut versions = self.versions_of(bucket, key);
        versions.find(|(_, row)| row.version.version == id).map(|(name, row)| (name.clone(), row.clone()))
    }

    pub(super) fn put(&mut self, put: &CommitPut) -> Result<PutOutcome, MetaError> {
        let state = self.versioning(put.bucket)?;
        put.precondition.judge(self.current_facts(put.bucket, &put.key).as_ref())?;
        self.require_shared(&put.body)?;
        self.admit_version((put.bucket, put.metadata.attributes.owner.as_ref()), &put.key, put.size, 0)?;

        let body = match &put.body {
            NewBody::Inline(data) if data.is_empty() => BodyRef::Empty,
            NewBody::Inline(data) => BodyRef::Inline(data.clone()),
            NewBody::Extents(extents) => self.store_extents(put.now, extents).map_or(BodyRef::Empty, BodyRef::Manifest),
        };
        let version = ObjectVersion {
            key: put.key.clone(),
            version: VersionId::Null,
            is_latest: false,
            is_delete_marker: false,
            size: put.size,
            etag: put.etag,
            modified: put.now,
            checksum: put.checksum.clone(),
            sha256: put.sha256,
            metadata: put.metadata.clone(),
        };
        let outcome = self.place(put.bucket, state, VersionRow { version, body })?;
        self.tell_created(EventKind::CreatedByPut, put.bucket, &put.key, &outcome)?;
        Ok(outcome)
    }

    pub(super) fn copy(&mut self, copy: &CommitCopy) -> Result<PutOutcome, MetaError> {
        let state = self.versioning(copy.bucket)?;
        copy.precondition.judge(self.current_facts(copy.bucket, &copy.key).as_ref())?;
        let source = (copy.source_bucket, copy.source_key.as_str().to_owned(), Reverse(copy.source_order));
        let source = self.versions.get(&source).filter(|row| !row.version.is_delete_marker);
        let mut row = source.ok_or(MetaError::SourceChanged)?.clone();
        if let BodyRef::Manifest(manifest) = row.body {
            self.require_sound(manifest)?;
        }
        let owner = copy.metadata.attributes.owner.as_ref();
        self.admit_version((copy.bucket, owner), &copy.key, row.version.size, 0)?;

        if let BodyRef::Manifest(manifest) = row.body {
            self.retain(manifest);
        }
        row.version.key = copy.key.clone();
        row.version.modified = copy.now;
        row.version.checksum = copy.checksum.clone();
        row.version.metadata = copy.metadata.clone();
        let outcome = self.place(copy.bucket, state, row)?;
        self.tell_created(EventKind::CreatedByCopy, copy.bucket, &copy.key, &outcome)?;
        Ok(outcome)
    }

    /// Places a version, whose id and order are decided here, where the bucket's versioning says.
    pub(super) fn place(
        &mut self,
        bucket: BucketId,
        state: Versioning,
        mut row: VersionRow,
    ) -> Result<PutOutcome, MetaError> {
        let attributes = &mut row.version.metadata.attributes;
        if attributes.retention.is_none()
            && let Some(default) = self.object_lock(bucket)?.and_then(|lock| lock.default)
        {
            let kept = self.lock_clock.map_or(row.version.modified, |seen| seen.time);
            attributes.retention = Some(default.retention(row.version.modified.max(kept)));
        }
        let (etag, size, modified) = (row.version.etag, row.version.size, row.version.modified);
        let checksum = row.version.checksum.clone();
        let (version, _) = self.place_planned(bucket, state.plan_write(), row);
        Ok(PutOutcome { version, shows_version: state.names_writes(), etag, checksum, size, modified })
    }

    pub(super) fn place_planned(
        &mut self,
        bucket: BucketId,
        plan: WritePlan,
        mut row: VersionRow,
    ) -> (VersionId, bool) {
        let replaced = match plan {
            WritePlan::Append => false,
            WritePlan::ReplaceNull => self.retire_null(bucket, &row.version.key, row.version.modified).is_some(),
        };
        let order = self.tick(row.version.modified);
        row.version.version = match plan {
            WritePlan::Append => VersionId::Ordered { order, salt: rand::random() },
            WritePlan::ReplaceNull => VersionId::Null,
        };
        let id = row.version.version;
        self.versions.insert((bucket, row.version.key.as_str().to_owned(), Reverse(order)), row);
        (id, replaced)
    }

    fn retire_null(&mut self, bucket: BucketId, key: &ObjectKey, now: Timestamp) -> Option<VersionRow> {
        let (name, _) = self.find(bucket, key, VersionId::Null)?;
        self.retire(&name, now)
    }

    pub(super) fn remove(&mut self, name: &VersionName) -> Option<VersionRow> {
        let row = self.versions.remove(name)?;
        if let BodyRef::Manifest(manifest) = row.body {
            self.release(manifest);
        }
        Some(row)
    }

    pub(super) fn delete(&mut self, delete: &CommitDelete) -> Result<DeleteOutcome, MetaError> {
        let state = self.versioning(delete.bucket)?;
        let facts = match delete.version {
            None => self.current_facts(delete.bucket, &delete.key),
            Some(id) => self.find(delete.bucket, &delete.key, id).and_then(|(_, row)| facts(&row)),
        };
        delete.precondition.judge(facts.as_ref())?;
        if let Some((_, row)) = delete.version.and_then(|id| self.find(delete.bucket, &delete.key, id)) {
            let attributes = &row.version.metadata.attributes;
            lock::judge_removal(attributes, delete.bypass_governance, delete.lock_time).map_err(MetaError::Locked)?;
        }

        let removed = match (delete.version, state.plan_delete()) {
            (Some(id), _) => {
                self.find(delete.bucket, &delete.key, id).and_then(|(name, _)| self.retire(&name, delete.now))
            }
            (None, None) => self.retire_null(delete.bucket, &delete.key, delete.now),
            (None, Some(plan)) => {
                let marker = delete_marker(&delete.key, delete.now);
                let (id, removed) = self.place_planned(delete.bucket, plan, marker);
                let outcome = DeleteOutcome { removed, version: Some(id), delete_marker: true };
                self.tell_deleted(EventKind::MarkerCreated, delete, &outcome)?;
                return Ok(outcome);
            }
        };
        let outcome = removed.map(|row| DeleteOutcome {
            removed: true,
            version: (state != Versioning::Unversioned).then_some(row.version.version),
            delete_marker: row.version.is_delete_marker,
        });
        let outcome = outcome.unwrap_or_default();
        self.tell_deleted(EventKind::Removed, delete, &outcome)?;
        Ok(outcome)
    }

    pub(super) fn rename(&mut self, rename: &CommitRename) -> Result<PutOutcome, MetaError> {
        lock::judge_rename(self.versioning(rename.bucket)?).map_err(MetaError::BucketState)?;
        let (from, row) = self.find(rename.bucket, &rename.source, VersionId::Null).ok_or(MetaError::NoSuchKey)?;
        let replaced = self.find(rename.bucket, &rename.key, VersionId::Null);
        rename.source_precondition.judge_write(facts(&row).as_ref())?;
        rename.precondition.judge_write(replaced.as_ref().and_then(|(_, row)| facts(row)).as_ref())?;
        for row in std::iter::once(&row).chain(replaced.as_ref().map(|(_, row)| row)) {
            let attributes = &row.version.metadata.attributes;
            lock::judge_removal(attributes, false, rename.lock_time).map_err(MetaError::Locked)?;
        }
        if let Some((name, _)) = replaced {
            self.retire(&name, rename.now);
        }
        let mut row = self.versions.remove(&from).expect("it was found above");
        row.version.key = rename.key.clone();
        let outcome = PutOutcome {
            version: VersionId::Null,
            shows_version: false,
            etag: row.version.etag,
            checksum: row.version.checksum.clone(),
            size: row.version.size,
            modified: row.version.modified,
        };
        self.versions.insert((rename.bucket, rename.key.as_str().to_owned(), from.2), row);
        self.tell_renamed(rename, &outcome)?;
        Ok(outcome)
    }

    pub(super) fn change_attributes(&mut self, change: &ChangeAttributes) -> Result<Option<VersionId>, MetaError> {
        let ChangeAttributes { bucket, key, version, change, lock_time } = change;
        let state = self.versioning(*bucket)?;
        let name = match version {
            None => self.versions_of(*bucket, key).next().map(|(name, _)| name.clone()).ok_or(MetaError::NoSuchKey)?,
            Some(id) => self.find(*bucket, key, *id).map(|(name, _)| name).ok_or(MetaError::NoSuchVersion)?,
        };
        let Some(VersionRow { version, .. }) = self.versions.get_mut(&name) else {
            return Err(MetaError::NoSuchVersion);
        };
        if version.is_delete_marker {
            return Err(MetaError::IsDeleteMarker { version: version.version, modified: version.modified });
        }
        lock::apply_change(&mut version.metadata.attributes, change, *lock_time).map_err(MetaError::Locked)?;
        let (shown, object) =
            ((state != Versioning::Unversioned).then_some(version.version), (version.size, version.etag));
        if let Some(kind) = kind_of_change(change) {
            let at = moment(self.origin.as_deref(), *lock_time);
            self.tell(*bucket, &Happening { kind, key, object: Some(object), version: shown, at })?;
        }
        Ok(shown)
    }

    pub(super) fn stored(&self, bucket: BucketId, key: &ObjectKey, id: Option<VersionId>) -> Option<StoredVersion> {
        let mut versions = self.versions_of(bucket, key).enumerate();
        let (age, (name, row)) = versions.find(|(_, (_, row))| id.is_none_or(|id| row.version.version == id))?;
        let version = ObjectVersion { is_latest: age == 0, ..row.version.clone() };
        Some(StoredVersion { version, order: name.2.0, body: row.body.clone() })
    }
}

pub(super) fn facts(row: &VersionRow) -> Option<CurrentFacts> {
    let version = &row.version;
    let facts = CurrentFacts { etag: version.etag, size: version.size, modified: version.modified };
    (!version.is_delete_marker).then_some(facts)
}

pub(super) fn delete_marker(key: &ObjectKey, now: Timestamp) -> VersionRow {
    let version = ObjectVersion {
        key: key.clone(),
        version: VersionId::Null,
        is_latest: false,
        is_delete_marker: true,
        size: 0,
        etag: ETag::single([0; 16]),
        modified: now,
        checksum: None,
        sha256: None,
        metadata: ObjectMetadata::default(),
    };
    VersionRow { version, body: BodyRef::Empty }
}
