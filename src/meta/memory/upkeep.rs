//! Usage, quotas, lifecycle and what stays restorable. Usage is counted anew whenever somebody asks.

use std::cmp::Reverse;

use super::object::facts;
use super::state::{RetainedRow, State, VersionName, VersionRow};
use super::upload::upload_name;
use crate::meta::happening::Happening;
use crate::meta::{
    Admission, BodyRef, ExpireVersion, ExpiryOutcome, MetaError, OwnerAccount, PutOutcome, RestoreVersion,
    RetainedQuery, RetainedVersion,
};
use crate::rules::lifecycle::Action;
use crate::rules::quota::QuotaOf;
use crate::rules::{Growth, Quota, Undelete, Usage, Versioning, WritePlan, lock};
use crate::types::{BucketId, BucketName, DocumentKind, EventKind, ObjectKey, OwnerId, Timestamp, VersionId};

impl State {
    /// Everything that counts, with its bucket and its owner.
    fn stored_things(&self) -> impl Iterator<Item = (BucketId, OwnerId, Growth)> + '_ {
        let versions =
            self.versions.iter().filter(|(_, row)| !row.version.is_delete_marker).map(|((bucket, ..), row)| {
                let owner = row.version.metadata.attributes.owner.clone();
                (*bucket, self.owner_or(*bucket, owner), Growth::of_version(row.version.size))
            });
        let uploads = self.uploads.iter().map(|((bucket, ..), upload)| {
            let parts = self.manifest_parts(upload.manifest, 0, u32::MAX);
            let bytes = parts.iter().map(|part| part.part.size).sum();
            let owner = upload.record.metadata.attributes.owner.clone();
            (*bucket, self.owner_or(*bucket, owner), Growth::of_bytes(bytes))
        });
        let retained =
            self.retained.values().map(|row| (row.bucket, row.owner.clone(), Growth::of_bytes(row.row.version.size)));
        versions.chain(uploads).chain(retained)
    }

    fn owner_or(&self, bucket: BucketId, owner: Option<OwnerId>) -> OwnerId {
        owner.unwrap_or_else(|| self.buckets[&bucket].bucket.owner.clone())
    }

    fn usage_where(&self, counts: impl Fn(BucketId, &OwnerId) -> bool) -> Usage {
        let counted = self.stored_things().filter(|(bucket, owner, _)| counts(*bucket, owner));
        let sum = counted.fold(Growth::default(), |sum, (_, _, growth)| sum.and(growth));
        Usage::default().after(sum).expect("what is stored is not negative")
    }

    pub(super) fn bucket_usage(&self, bucket: BucketId) -> Result<Usage, MetaError> {
        self.versioning(bucket)?;
        Ok(self.usage_where(|other, _| other == bucket))
    }

    pub(super) fn owner_account(&self, owner: &OwnerId) -> OwnerAccount {
        let quota = self.quotas.get(owner).copied().unwrap_or_default();
        OwnerAccount { usage: self.usage_where(|_, other| other == owner), quota }
    }

    fn undelete(&self, bucket: BucketId) -> Undelete {
        let document = self.buckets.get(&bucket).and_then(|row| row.documents.get(DocumentKind::Undelete));
        document.and_then(Undelete::from_document).unwrap_or_default()
    }

    fn judge_growth(
        &self,
        (bucket, owner): (BucketId, Option<&OwnerId>),
        growth: Growth,
        owner_growth: impl Fn(&OwnerId) -> Growth,
    ) -> Result<(), MetaError> {
        let row = self.buckets.get(&bucket).ok_or(MetaError::NoSuchBucket)?;
        let quota = row.documents.get(DocumentKind::Quota).and_then(Quota::from_document).unwrap_or_default();
        let owner = owner.unwrap_or(&row.bucket.owner);
        let refused = MetaError::QuotaExceeded;
        quota.judge(QuotaOf::Bucket, self.bucket_usage(bucket)?, growth).map_err(refused)?;
        let account = self.owner_account(owner);
        account.quota.judge(QuotaOf::Identity, account.usage, owner_growth(owner)).map_err(refused)
    }

    /// Judges a new version before anything is changed; `freed` are bytes of parts that become the version.
    pub(super) fn admit_version(
        &self,
        (bucket, owner): (BucketId, Option<&OwnerId>),
        key: &ObjectKey,
        size: u64,
        freed: u64,
    ) -> Result<(), MetaError> {
        let replaced = match self.versioning(bucket)?.plan_write() {
            WritePlan::Append => None,
            WritePlan::ReplaceNull => self.find(bucket, key, VersionId::Null).map(|(_, row)| row),
        };
        let replaced = replaced.filter(|row| !row.version.is_delete_marker).map(|row| {
            let size = row.version.size;
            let stays = if self.undelete(bucket).days > 0 { Growth::of_bytes(size) } else { Growth::default() };
            let charged = self.owner_or(bucket, row.version.metadata.attributes.owner);
            (charged, Growth::of_version(size).reversed().and(stays))
        });
        let new = Growth::of_version(size).and(Growth::of_bytes(freed).reversed());
        let growth = replaced.as_ref().map_or(new, |(_, growth)| new.and(*growth));
        self.judge_growth((bucket, owner), growth, |owner| match &replaced {
            Some((charged, growth)) if charged == owner => new.and(*growth),
            Some(_) | None => new,
        })
    }

    /// Judges a part before anything is changed.
    pub(super) fn admit_part(
        &self,
        (bucket, key, upload): &super::state::UploadName,
        number: u16,
        size: u64,
    ) -> Result<(), MetaError> {
        let name = (*bucket, key.clone(), *upload);
        let row = self.uploads.get(&name).ok_or(MetaError::NoSuchUpload)?;
        let parts = self.manifest_parts(row.manifest, number.saturating_sub(1), 1);
        let old = parts.first().filter(|part| part.part.number == number).map_or(0, |part| part.part.size);
        let growth = Growth::of_bytes(size).and(Growth::of_bytes(old).reversed());
        self.judge_growth((*bucket, row.record.metadata.attributes.owner.as_ref()), growth, |_| growth)
    }

    pub(super) fn admit(&self, admission: &Admission) -> Result<(), MetaError> {
        let Admission { bucket, key, owner, size, part } = admission;
        match part {
            Some((upload, number)) => self.admit_part(&upload_name(*bucket, key, *upload), *number, *size),
            None => self.admit_version((*bucket, owner.as_ref()), key, *size, 0),
        }
    }

    /// Takes a version away: it stays restorable if the bucket says so, and is removed otherwise.
    pub(super) fn retire(&mut self, name: &VersionName, now: Timestamp) -> Option<VersionRow> {
        let (bucket, _, Reverse(order)) = name;
        let row = self.versions.get(name)?;
        match self.undelete(*bucket).keeps(row.version.version, row.version.is_delete_marker, now) {
            None => self.remove(name),
            Some(until) => {
                let row = self.versions.remove(name)?;
                let owner = self.owner_or(*bucket, row.version.metadata.attributes.owner.clone());
                let bucket_name = self.buckets[bucket].bucket.name.clone();
                let retained =
                    RetainedRow { bucket: *bucket, bucket_name, row: row.clone(), owner, deleted: now, until };
                self.retained.insert(*order, retained);
                Some(row)
            }
        }
    }

    pub(super) fn list_retained(&self, query: &RetainedQuery) -> Vec<RetainedVersion> {
        let mut found: Vec<RetainedVersion> = self
            .retained
            .iter()
            .filter(|(_, row)| row.bucket_name == query.bucket)
            .map(|(id, row)| {
                let version = &row.row.version;
                RetainedVersion {
                    id: *id,
                    key: version.key.clone(),
                    size: version.size,
                    etag: version.etag,
                    modified: version.modified,
                    deleted: row.deleted,
                    until: row.until,
                }
            })
            .collect();
        let name = |row: &RetainedVersion| (row.key.as_str().to_owned(), row.id);
        let after = query.after.as_ref().map(|(key, id)| (key.as_str().to_owned(), *id));
        found.retain(|row| {
            row.key.as_str().starts_with(&query.prefix) && after.as_ref().is_none_or(|after| name(row) > *after)
        });
        found.sort_by_key(name);
        found.truncate(query.max as usize);
        found
    }

    pub(super) fn restore(&mut self, restore: &RestoreVersion) -> Result<PutOutcome, MetaError> {
        let RestoreVersion { bucket, key, id, now } = restore;
        let state = self.versioning(*bucket)?;
        let bucket_name = &self.buckets[bucket].bucket.name;
        let found = self.retained.get(id).filter(|row| row.bucket_name == *bucket_name && row.row.version.key == *key);
        let RetainedRow { row, owner, .. } = found.ok_or(MetaError::NoSuchVersion)?;
        let (mut row, owner) = (row.clone(), owner.clone());
        let null = self.find(*bucket, key, VersionId::Null).filter(|(_, row)| !row.version.is_delete_marker);
        let replaces = state.plan_write() == WritePlan::ReplaceNull && null.is_some();
        if replaces && self.undelete(*bucket).days == 0 {
            return Err(MetaError::WouldLose);
        }
        self.retained.remove(id);
        row.version.modified = *now;
        row.version.metadata.attributes.owner = (owner != self.buckets[bucket].bucket.owner).then_some(owner);
        let outcome = self.place(*bucket, state, row)?;
        self.tell_created(EventKind::CreatedByCopy, *bucket, key, &outcome)?;
        Ok(outcome)
    }

    pub(super) fn collect_retained(&mut self, now: Timestamp, max: u32) -> u32 {
        let mut due: Vec<(Timestamp, u64)> =
            self.retained.iter().filter(|(_, row)| row.until <= now).map(|(id, row)| (row.until, *id)).collect();
        due.sort_unstable();
        due.truncate(max as usize);
        for (_, id) in &due {
            if let Some(BodyRef::Manifest(manifest)) = self.retained.remove(id).map(|row| row.row.body) {
                self.release(manifest);
            }
        }
        u32::try_from(due.len()).expect("at most `max` are left")
    }

    pub(super) fn shorten_retained(&mut self, bucket: &BucketName, window: Undelete, max: u32) -> u32 {
        let rows = self.retained.values_mut().filter(|row| row.bucket_name == *bucket);
        let long = rows.filter(|row| row.until > window.until(row.deleted)).take(max as usize);
        let mut shortened = 0;
        for row in long {
            row.until = window.until(row.deleted);
            shortened += 1;
        }
        shortened
    }

    pub(super) fn expire_version(&mut self, expire: &ExpireVersion) -> Result<ExpiryOutcome, MetaError> {
        let state = self.versioning(expire.bucket)?;
        let name = (expire.bucket, expire.key.as_str().to_owned(), Reverse(expire.order));
        if !self.is_as_judged(expire, &name) {
            return Ok(ExpiryOutcome::Changed);
        }
        let attributes = &self.versions[&name].version.metadata.attributes;
        let hides = expire.action == Action::Expire && state.plan_delete().is_some();
        if !hides && lock::judge_removal(attributes, false, expire.lock_time).is_err() {
            return Ok(ExpiryOutcome::Locked);
        }
        let id = self.versions[&name].version.version;
        let (kind, id) = match (expire.action, state.plan_delete()) {
            (Action::Expire, Some(plan)) => {
                let marker = super::object::delete_marker(&expire.key, expire.now);
                let (id, _) = self.place_planned(expire.bucket, plan, marker);
                (EventKind::ExpiredByMarker, id)
            }
            (Action::Expire, None) => {
                self.retire(&name, expire.now);
                (EventKind::Expired, id)
            }
            (Action::RemoveNoncurrent { .. } | Action::RemoveMarker, _) => {
                self.remove(&name);
                (EventKind::Expired, id)
            }
        };
        let version = (state != Versioning::Unversioned).then_some(id);
        let happening = Happening { kind, key: &expire.key, object: None, version, at: expire.now };
        self.tell(expire.bucket, &happening)?;
        Ok(ExpiryOutcome::Done)
    }

    fn is_as_judged(&self, expire: &ExpireVersion, name: &VersionName) -> bool {
        let generation = self.buckets.get(&expire.bucket).map(|row| row.bucket.generation);
        let versions: Vec<_> = self.versions_of(expire.bucket, &expire.key).collect();
        let Some(age) = versions.iter().position(|(other, _)| *other == name) else { return false };
        let version = &versions[age].1.version;
        let place_holds = match expire.action {
            Action::Expire => age == 0 && facts(versions[age].1).is_some(),
            Action::RemoveMarker => versions.len() == 1 && version.is_delete_marker,
            Action::RemoveNoncurrent { newer_min } => {
                let newer = versions[..age].iter().skip(1).filter(|(_, row)| !row.version.is_delete_marker).count();
                age > 0 && Some(versions[0].1.version.modified) == expire.current && newer >= newer_min as usize
            }
        };
        generation == Some(expire.generation) && version.metadata.attributes.tags == expire.tags && place_holds
    }
}
