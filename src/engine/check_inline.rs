//! The part of the check that reads small bodies: they lie beside their rows, and SQLite's own checks do not see a
//! flipped bit in them.

use crate::cipher::Envelope;
use crate::engine::check::{CheckObserver, CheckSummary, Fault};
use crate::engine::inline::open_inline;
use crate::engine::{Engine, EngineError};
use crate::limits::{INLINE_BYTES_MAX, PAGE_MAX};
use crate::meta::BodyRef;
use crate::types::{Bucket, ListedVersion, ObjectKey, VersionId, VersionListQuery};

impl Engine {
    /// Reads every body that lies beside its row and compares it with its checksum. What only a customer's key opens is
    /// left out.
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
                let may_be_inline = (1..=INLINE_BYTES_MAX as u64).contains(&listed.object.size);
                if listed.is_delete_marker || !may_be_inline {
                    continue;
                }
                let ListedVersion { object, version, .. } = listed;
                let Ok(key) = ObjectKey::parse(&object.key) else { continue };
                match self.inline_verdict(bucket, &key, version).await? {
                    None => {}
                    Some(Ok(bytes)) => {
                        summary.inline += 1;
                        summary.inline_bytes += bytes;
                    }
                    Some(Err(error)) => {
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

    /// The bytes of a sound body, or what is wrong with it. `None` if there is nothing here to read.
    async fn inline_verdict(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: VersionId,
    ) -> Result<Option<Result<u64, EngineError>>, EngineError> {
        let open = match self.open_object(bucket, key, Some(version)).await {
            Ok(open) => open,
            // Somebody was faster than the check.
            Err(EngineError::NoSuchKey { .. } | EngineError::NoSuchVersion | EngineError::NoSuchBucket) => {
                return Ok(None);
            }
            Err(error @ EngineError::Cipher(_)) => return Ok(Some(Err(error))),
            Err(error) => return Err(error),
        };
        let BodyRef::Inline(bytes) = &open.stored().body else { return Ok(None) };
        // Without the key that opens it there is nothing to compare.
        let Ok(body_key) = open.lock().key() else { return Ok(None) };
        let tag = open.lock().envelope().and_then(Envelope::inline_tag);
        Ok(Some(open_inline(open.version(), body_key, tag, bytes.clone()).map(|body| body.len() as u64)))
    }
}
