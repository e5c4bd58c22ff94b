//! Wrapping data keys anew: for one object, as UpdateObjectEncryption asks, and for all that the gateway's own keys
//! hold, after a rotation. Bodies stay as they are.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use crate::cipher::{CipherError, Envelope, Holder, KeyRing, Protection};
use crate::engine::{Engine, EngineError, FixedEncryption, OpenObject};
use crate::limits::{ENCRYPTION_KEYS_MAX, KEY_IDS_TOLD_MAX, REWRAP_AT_ONCE, REWRAP_STEP};
use crate::meta::{ChangeAttributes, MetaError};
use crate::rules::lock;
use crate::types::{
    AttributeChange, Bucket, ListedVersion, ObjectKey, UploadId, UploadListQuery, VersionId, VersionListQuery,
};

/// What a pass over all versions found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Versions that were looked at.
    pub versions: u64,
    /// Data keys that were wrapped under the active key.
    pub rewrapped: u64,
    /// How many versions, restorable ones too, and open uploads still need a key, by its id, of those that are not
    /// active: it must stay. Keys that the ring lacks are among them.
    pub needed: BTreeMap<String, u64>,
    /// Versions and uploads whose envelope no key opens.
    pub damaged: u64,
}

/// A pass over all versions that is under way. It is in memory only: what it has wrapped stays wrapped, and another pass
/// passes over that.
#[derive(Clone, Debug, Default)]
pub struct RewrapPass {
    place: Place,
    /// What it found and did so far.
    pub found: Rewrapped,
}

/// What a pass looks at next.
#[derive(Clone, Debug)]
enum Place {
    /// The bucket after the one of that name.
    Bucket { after: String },
    /// Versions of a bucket.
    Versions { bucket: Bucket, key: String, version: Option<VersionId> },
    /// Open uploads of a bucket.
    Uploads { bucket: Bucket, key: String, upload: Option<UploadId> },
    /// Versions that were deleted and can be restored, after the one of that id.
    Retained { after: u64 },
    /// Nothing: it is over.
    End,
}

/// What was found of one version.
enum Seen {
    /// It needs the active key, or none of the gateway's.
    Settled,
    /// It was wrapped anew.
    Rewrapped,
    /// It needs another key.
    Needs(String),
    /// No key opens its envelope.
    Damaged,
}

impl Default for Place {
    fn default() -> Self {
        Self::Bucket { after: String::new() }
    }
}

impl RewrapPass {
    /// Whether everything was looked at.
    pub fn is_over(&self) -> bool {
        matches!(self.place, Place::End)
    }
}

impl Rewrapped {
    /// The same for people.
    pub fn describe(&self) -> String {
        let mut text = format!("{} of {} versions wrapped anew", self.rewrapped, self.versions);
        for (id, count) in self.needed.iter().take(KEY_IDS_TOLD_MAX) {
            text.push_str(&format!("; {count} versions and uploads still need the key {id}"));
        }
        if self.needed.len() > KEY_IDS_TOLD_MAX {
            text.push_str(&format!("; others need {} more keys", self.needed.len() - KEY_IDS_TOLD_MAX));
        }
        if self.damaged > 0 {
            text.push_str(&format!("; no key opens the envelopes of {}", self.damaged));
        }
        text
    }

    fn count(&mut self, seen: Seen) {
        match seen {
            Seen::Settled => {}
            Seen::Rewrapped => self.rewrapped += 1,
            // Names that clients gave to keys which are gone may be many.
            Seen::Needs(id) if self.needed.len() < ENCRYPTION_KEYS_MAX || self.needed.contains_key(&id) => {
                *self.needed.entry(id).or_default() += 1;
            }
            Seen::Needs(_) | Seen::Damaged => self.damaged += 1,
        }
    }
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
    /// `Meta`.
    pub async fn rewrap(&self) -> Result<Rewrapped, EngineError> {
        let mut pass = RewrapPass::default();
        while !pass.is_over() {
            pass = self.rewrap_step(pass).await?;
        }
        Ok(pass.found)
    }

    /// Goes on with a pass: looks at so many versions or uploads at most.
    ///
    /// # Errors
    /// `Meta`; the pass that was given can be gone on with.
    pub async fn rewrap_step(&self, pass: RewrapPass) -> Result<RewrapPass, EngineError> {
        let RewrapPass { place, mut found } = pass;
        let next = match place {
            Place::Bucket { after } => self.next_bucket(&after).await?,
            Place::Versions { bucket, key, version } => {
                let page = self.rewrap_versions(&bucket, key, version, &mut found).await;
                match unless_gone(page)?.flatten() {
                    Some((key, version)) => Place::Versions { bucket, key, version },
                    None => Place::Uploads { bucket, key: String::new(), upload: None },
                }
            }
            Place::Uploads { bucket, key, upload } => {
                let page = self.count_uploads(&bucket, key, upload, &mut found).await;
                match unless_gone(page)?.flatten() {
                    Some((key, upload)) => Place::Uploads { bucket, key, upload },
                    None => Place::Bucket { after: bucket.name.as_str().to_owned() },
                }
            }
            Place::Retained { after } => match self.count_retained(after, &mut found).await? {
                Some(after) => Place::Retained { after },
                None => Place::End,
            },
            Place::End => Place::End,
        };
        Ok(RewrapPass { place: next, found })
    }

    async fn next_bucket(&self, after: &str) -> Result<Place, EngineError> {
        let bucket = self.meta.list_buckets(None, "", after, 1).await?.buckets.pop();
        Ok(match bucket {
            Some(bucket) => Place::Versions { bucket, key: String::new(), version: None },
            None => Place::Retained { after: 0 },
        })
    }

    /// Looks at a page of versions. Returns where the next one begins.
    async fn rewrap_versions(
        &self,
        bucket: &Bucket,
        key_marker: String,
        version_marker: Option<VersionId>,
        found: &mut Rewrapped,
    ) -> Result<Option<(String, Option<VersionId>)>, EngineError> {
        let query =
            VersionListQuery { key_marker, version_marker, max_keys: REWRAP_STEP, ..VersionListQuery::default() };
        let page = self.meta.list_versions(bucket.id, &query).await?;
        let bodies: Vec<&ListedVersion> = page.versions.iter().filter(|listed| !listed.is_delete_marker).collect();
        for some in bodies.chunks(REWRAP_AT_ONCE) {
            let seen = some.iter().map(|listed| self.rewrap_version(bucket, listed));
            for seen in try_join_all(seen).await? {
                found.versions += 1;
                found.count(seen);
            }
        }
        Ok(page.next)
    }

    /// Wraps the version's data key under the active key, if another one of the gateway's wraps it.
    async fn rewrap_version(&self, bucket: &Bucket, listed: &ListedVersion) -> Result<Seen, EngineError> {
        let key = ObjectKey::parse(&listed.object.key)
            .map_err(|_| EngineError::Meta(MetaError::Storage("a stored key is none".to_owned())))?;
        let id = Some(listed.version);
        let Some(stored) = self.meta.version(bucket.id, &key, id).await? else { return Ok(Seen::Settled) };
        let envelope = match Envelope::of(stored.version.metadata.attributes.encryption.as_deref()) {
            Ok(Some(envelope)) => envelope,
            Ok(None) => return Ok(Seen::Settled),
            Err(_) => return Ok(Seen::Damaged),
        };
        let ring = self.keys();
        match envelope.protection() {
            Protection::Gateway { key } if ring.active_id() != Some(key) => {}
            Protection::Gateway { .. } | Protection::Kms { .. } | Protection::Customer => {
                return Ok(need(&ring, &envelope));
            }
        }
        let to = match self.wrap_anew(&envelope, &Holder::Gateway) {
            Ok(to) => to,
            Err(EngineError::Cipher(CipherError::UnknownKey(id))) => return Ok(Seen::Needs(id)),
            Err(EngineError::Cipher(CipherError::Damaged(_))) => return Ok(Seen::Damaged),
            Err(error) => return Err(error),
        };
        let replaced = unless_gone(self.replace_envelope(bucket, key, id, (&envelope, to)).await)?;
        Ok(replaced.map_or(Seen::Settled, |_| Seen::Rewrapped))
    }

    /// Counts what a page of open uploads needs. Returns where the next one begins.
    async fn count_uploads(
        &self,
        bucket: &Bucket,
        key_marker: String,
        upload_marker: Option<UploadId>,
        found: &mut Rewrapped,
    ) -> Result<Option<(String, Option<UploadId>)>, EngineError> {
        let query =
            UploadListQuery { key_marker, upload_marker, max_uploads: REWRAP_STEP, ..UploadListQuery::default() };
        let page = self.meta.list_uploads(bucket.id, &query).await?;
        let ring = self.keys();
        for listed in &page.uploads {
            let Some(record) = self.meta.upload(bucket.id, &listed.key, listed.upload).await? else { continue };
            found.count(need_of(&ring, record.metadata.attributes.encryption.as_deref()));
        }
        Ok(page.next)
    }

    /// Counts what a page of versions needs that were deleted and can be restored. Returns the last one.
    async fn count_retained(&self, after: u64, found: &mut Rewrapped) -> Result<Option<u64>, EngineError> {
        let page = self.meta.retained_envelopes(after, REWRAP_STEP).await?;
        let ring = self.keys();
        for (_, envelope) in &page {
            found.count(need_of(&ring, envelope.as_deref()));
        }
        Ok(page.last().map(|(last, _)| *last))
    }

    fn wrap_anew(&self, envelope: &Envelope, holder: &Holder) -> Result<Envelope, EngineError> {
        let ring = self.keys();
        let data = ring.open(envelope, None)?;
        Ok(ring.wrap(&data, holder)?.with_inline_tag(envelope.inline_tag().copied()))
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

/// What a stored envelope needs.
fn need_of(ring: &KeyRing, stored: Option<&[u8]>) -> Seen {
    match Envelope::of(stored) {
        Ok(Some(envelope)) => need(ring, &envelope),
        Ok(None) => Seen::Settled,
        Err(_) => Seen::Damaged,
    }
}

/// Which key an envelope needs, if that is not the active one.
fn need(ring: &KeyRing, envelope: &Envelope) -> Seen {
    match ring.wrapping_id(envelope) {
        Ok(Some(id)) if Some(id) != ring.active_id() => Seen::Needs(id.to_owned()),
        Ok(Some(_) | None) => Seen::Settled,
        Err(CipherError::UnknownKey(id)) => Seen::Needs(id),
        Err(_) => Seen::Damaged,
    }
}

/// `None` for something that is gone by now: a pass takes its time.
fn unless_gone<T>(outcome: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(
            EngineError::NoSuchBucket
            | EngineError::NoSuchKey { .. }
            | EngineError::NoSuchVersion
            | EngineError::NoSuchUpload,
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::{Rewrapped, Seen};

    #[test]
    fn what_was_found_is_told_in_one_line_of_bounded_length() {
        let mut found = Rewrapped { versions: 9, ..Rewrapped::default() };
        found.count(Seen::Rewrapped);
        found.count(Seen::Settled);
        assert_eq!(found.describe(), "1 of 9 versions wrapped anew");
        found.count(Seen::Needs("a".to_owned()));
        found.count(Seen::Needs("a".to_owned()));
        assert_eq!(found.describe(), "1 of 9 versions wrapped anew; 2 versions and uploads still need the key a");
        for number in 0..5_000 {
            found.count(Seen::Needs(format!("b{number}")));
        }
        assert!(
            found.needed.len() < 2_000 && found.damaged > 0 && found.describe().len() < 500,
            "{}",
            found.describe()
        );
    }
}
