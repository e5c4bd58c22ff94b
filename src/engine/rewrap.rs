//! Wrapping data keys anew: for one object, as UpdateObjectEncryption asks, and for all that the gateway's own keys
//! hold, after a rotation. Bodies stay as they are.

use std::collections::BTreeMap;

use crate::cipher::{Envelope, Holder, Protection};
use crate::engine::{Engine, EngineError, FixedEncryption, OpenObject};
use crate::limits::{BUCKETS_PAGE_MAX, PAGE_MAX};
use crate::meta::{ChangeAttributes, MetaError};
use crate::rules::lock;
use crate::types::{AttributeChange, Bucket, ObjectKey, UploadListQuery, VersionId, VersionListQuery};

/// What `rewrap` found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Versions that were looked at.
    pub versions: u64,
    /// Data keys that were wrapped under the active key.
    pub rewrapped: u64,
    /// How many versions, restorable ones too, and open uploads still need a key, by its id, of those that are not
    /// active: it must stay.
    pub needed: BTreeMap<String, u64>,
}

impl Engine {
    /// Wraps the data key of a version for another holder: of the very one that was opened, as its envelope tells.
    /// Returns its version, if versioning is or was on.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion` if it is gone, `Locked`, `FixedEncryption`, `Cipher`, `Meta`.
    pub async fn update_encryption(
        &self,
        bucket: &Bucket,
        key: ObjectKey,
        open: &OpenObject,
        holder: &Holder,
    ) -> Result<Option<VersionId>, EngineError> {
        let facts = open.version();
        // Source: Amazon S3 API Reference, UpdateObjectEncryption: refused under any lock.
        let lock_time = self.lock_time().await?;
        lock::judge_removal(&facts.metadata.attributes, false, lock_time).map_err(EngineError::Locked)?;
        let envelope = open.lock().envelope().ok_or(EngineError::FixedEncryption(FixedEncryption::Plain))?;
        if *envelope.protection() == Protection::Customer {
            return Err(EngineError::FixedEncryption(FixedEncryption::Customer));
        }
        let to = self.wrap_anew(envelope, holder)?;
        let version = Some(facts.version);
        self.replace_envelope(bucket, key, version, (envelope, to)).await
    }

    /// Wraps the data keys of all versions whose keys are held by the gateway under the active key. Versions that
    /// are written meanwhile are under it anyway. What names its key (SSE-KMS), what can be restored and open uploads
    /// keep their envelopes, and are counted.
    ///
    /// # Errors
    /// `Cipher` if a version is wrapped under a key that is not in the ring; `Meta`.
    pub async fn rewrap(&self) -> Result<Rewrapped, EngineError> {
        let mut sum = Rewrapped::default();
        let mut after = String::new();
        loop {
            let page = self.meta.list_buckets(None, "", &after, BUCKETS_PAGE_MAX).await?;
            for bucket in &page.buckets {
                self.rewrap_bucket(bucket, &mut sum).await?;
                self.count_uploads(bucket, &mut sum).await?;
            }
            match page.next_after {
                Some(next) => after = next,
                None => break,
            }
        }
        self.count_retained(&mut sum).await?;
        Ok(sum)
    }

    /// Counts what versions need that were deleted and can be restored.
    async fn count_retained(&self, sum: &mut Rewrapped) -> Result<(), EngineError> {
        let mut after = 0;
        loop {
            let page = self.meta.retained_envelopes(after, PAGE_MAX).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (_, envelope) in &page {
                if let Some(envelope) = Envelope::of(envelope.as_deref())? {
                    self.count_need(&envelope, sum)?;
                }
            }
        }
    }

    async fn rewrap_bucket(&self, bucket: &Bucket, sum: &mut Rewrapped) -> Result<(), EngineError> {
        let mut query = VersionListQuery { max_keys: PAGE_MAX, ..VersionListQuery::default() };
        loop {
            let page = self.meta.list_versions(bucket.id, &query).await?;
            for listed in page.versions.iter().filter(|listed| !listed.is_delete_marker) {
                sum.versions += 1;
                let key = ObjectKey::parse(&listed.object.key)
                    .map_err(|_| EngineError::Meta(MetaError::Storage("a stored key is none".to_owned())))?;
                self.rewrap_version(bucket, key, listed.version, sum).await?;
            }
            let Some((key, version)) = page.next else { return Ok(()) };
            (query.key_marker, query.version_marker) = (key, version);
        }
    }

    /// Wraps the version's data key under the active key, if another one of the gateway's wraps it.
    async fn rewrap_version(
        &self,
        bucket: &Bucket,
        key: ObjectKey,
        id: VersionId,
        sum: &mut Rewrapped,
    ) -> Result<(), EngineError> {
        let Some(stored) = self.meta.version(bucket.id, &key, Some(id)).await? else { return Ok(()) };
        let Some(envelope) = Envelope::of(stored.version.metadata.attributes.encryption.as_deref())? else {
            return Ok(());
        };
        match envelope.protection() {
            Protection::Gateway { key } if self.keys.active_id() != Some(key) => {}
            Protection::Gateway { .. } | Protection::Kms { .. } | Protection::Customer => {
                return self.count_need(&envelope, sum);
            }
        }
        let to = self.wrap_anew(&envelope, &Holder::Gateway)?;
        self.replace_envelope(bucket, key, Some(id), (&envelope, to)).await?;
        sum.rewrapped += 1;
        Ok(())
    }

    /// Counts what open uploads need.
    async fn count_uploads(&self, bucket: &Bucket, sum: &mut Rewrapped) -> Result<(), EngineError> {
        let mut query = UploadListQuery { max_uploads: PAGE_MAX, ..UploadListQuery::default() };
        loop {
            let page = self.meta.list_uploads(bucket.id, &query).await?;
            for listed in &page.uploads {
                let Some(record) = self.meta.upload(bucket.id, &listed.key, listed.upload).await? else { continue };
                if let Some(envelope) = Envelope::of(record.metadata.attributes.encryption.as_deref())? {
                    self.count_need(&envelope, sum)?;
                }
            }
            let Some((key, upload)) = page.next else { return Ok(()) };
            (query.key_marker, query.upload_marker) = (key, upload);
        }
    }

    fn count_need(&self, envelope: &Envelope, sum: &mut Rewrapped) -> Result<(), EngineError> {
        let id = self.keys.wrapping_id(envelope)?.filter(|id| Some(*id) != self.keys.active_id());
        if let Some(id) = id {
            *sum.needed.entry(id.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    fn wrap_anew(&self, envelope: &Envelope, holder: &Holder) -> Result<Envelope, EngineError> {
        let data = self.keys.open(envelope, None)?;
        Ok(self.keys.wrap(&data, holder)?.with_inline_tag(envelope.inline_tag().copied()))
    }

    async fn replace_envelope(
        &self,
        bucket: &Bucket,
        key: ObjectKey,
        version: Option<VersionId>,
        (from, to): (&Envelope, Envelope),
    ) -> Result<Option<VersionId>, EngineError> {
        let change = AttributeChange::Envelope { from: from.to_bytes(), to: to.to_bytes() };
        let change = ChangeAttributes { bucket: bucket.id, key, version, change, lock_time: self.lock_time().await? };
        Ok(self.meta.change_attributes(change).await?)
    }
}
