//! The part of the check that reads small bodies: they lie beside their rows, and SQLite's own checks do not see a
//! flipped bit in them.

use crate::cipher::{CipherError, Envelope};
use crate::engine::check::{CheckObserver, CheckSummary, Fault};
use crate::engine::inline::open_inline;
use crate::engine::{Engine, EngineError};
use crate::limits::{INLINE_BYTES_MAX, PAGE_MAX};
use crate::meta::BodyRef;
use crate::types::{Bucket, ListedVersion, ObjectKey, VersionId, VersionListQuery};

/// What became of reading a body that lies beside its row.
pub(crate) enum InlineVerdict {
    /// It is as it was written: so many bytes.
    Sound(u64),
    /// What is wrong with it.
    Damaged(EngineError),
    /// The key that opens it is not here.
    Shut,
    /// There is nothing here to read: it is gone, or elsewhere.
    Absent,
}

impl Engine {
    /// Reads every body that lies beside its row and compares it with its checksum, or opens it with the key ring. What
    /// only a key opens that is not there, as a customer's, is counted.
    ///
    /// # Errors
    /// `Meta` if the check itself cannot go on.
    pub(crate) async fn check_inline(
        &self,
        summary: &mut CheckSummary,
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        let mut after = String::new();
        loop {
            let page = self.list_buckets(None, "", &after, PAGE_MAX).await?;
            for bucket in &page.buckets {
                self.check_inline_of(bucket, summary, observer).await?;
            }
            match page.next_after {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn check_inline_of(
        &self,
        bucket: &Bucket,
        summary: &mut CheckSummary,
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        let mut query = VersionListQuery { max_keys: PAGE_MAX, ..VersionListQuery::default() };
        loop {
            let page = self.list_versions(bucket, &query).await?;
            for listed in page.versions {
                if !may_be_inline(&listed) {
                    continue;
                }
                let ListedVersion { object, version, .. } = listed;
                let Ok(key) = ObjectKey::parse(&object.key) else { continue };
                match self.inline_verdict(bucket, &key, version).await? {
                    InlineVerdict::Absent => {}
                    InlineVerdict::Shut => summary.shut += 1,
                    InlineVerdict::Sound(bytes) => {
                        summary.inline += 1;
                        summary.inline_bytes += bytes;
                    }
                    InlineVerdict::Damaged(error) => {
                        summary.faults += 1;
                        let detail = error.to_string();
                        observer.fault(Fault::Inline { bucket: bucket.name.clone(), key, version, detail });
                    }
                }
            }
            let Some((key, version)) = page.next else { return Ok(()) };
            (query.key_marker, query.version_marker) = (key, version);
        }
    }

    /// Reads a body that lies beside its row.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn inline_verdict(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: VersionId,
    ) -> Result<InlineVerdict, EngineError> {
        let open = match self.open_object(bucket, key, Some(version)).await {
            Ok(open) => open,
            // Somebody was faster than the check.
            Err(
                EngineError::NoSuchKey { .. }
                | EngineError::NoSuchVersion
                | EngineError::NoSuchBucket
                | EngineError::IsDeleteMarker { .. },
            ) => return Ok(InlineVerdict::Absent),
            Err(error @ EngineError::Cipher(_)) => return Ok(InlineVerdict::Damaged(error)),
            Err(error) => return Err(error),
        };
        let BodyRef::Inline(bytes) = &open.stored().body else { return Ok(InlineVerdict::Absent) };
        let body_key = match open.lock().key() {
            Ok(key) => key,
            Err(error @ (CipherError::Damaged(_) | CipherError::NoRandomness)) => {
                return Ok(InlineVerdict::Damaged(error.into()));
            }
            Err(
                CipherError::KeyNeeded
                | CipherError::UnknownKey(_)
                | CipherError::WrongKey
                | CipherError::KeyNotApplicable,
            ) => return Ok(InlineVerdict::Shut),
        };
        let tag = open.lock().envelope().and_then(Envelope::inline_tag);
        let opened = open_inline(open.version(), body_key, tag, bytes.clone());
        Ok(opened.map_or_else(InlineVerdict::Damaged, |body| InlineVerdict::Sound(body.len() as u64)))
    }
}

/// Whether its body may lie beside its row.
pub(crate) fn may_be_inline(listed: &ListedVersion) -> bool {
    !listed.is_delete_marker && (1..=INLINE_BYTES_MAX as u64).contains(&listed.object.size)
}
