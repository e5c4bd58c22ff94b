//! The part of scrub that reads small bodies, which lie beside their rows: after the chunks of a pass, bucket by
//! bucket. What the database or the page cache holds is not read from the disk again.
//!
//! There is no row for a mark: the few that there should ever be are kept with scrub's place, by the name of their
//! version, and looked at in each step, so that one that is sound again or gone is not told of any longer.

use crate::engine::check_inline::{InlineVerdict, may_be_inline};
use crate::engine::{Engine, EngineError, ScrubStep};
use crate::limits::{SCRUB_MARKS_MAX, SCRUB_ROW_BYTES, SCRUB_STEP};
use crate::rules::scrub::{Pass, Scrub, SmallMark, SmallPlace};
use crate::types::{Bucket, BucketName, ListedVersion, ObjectKey, VersionId, VersionListQuery};

impl Engine {
    /// Looks at what is marked again; true if a mark went.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn look_at_small_marks(&self, scrub: &mut Scrub) -> Result<bool, EngineError> {
        let before = scrub.small_marks.len();
        for mark in std::mem::take(&mut scrub.small_marks) {
            if self.is_still_damaged(&mark).await? {
                scrub.small_marks.push(mark);
            } else {
                let SmallMark { bucket, key, version, .. } = mark;
                tracing::warn!(bucket, key, version, "a small body that was damaged is sound again, or gone");
            }
        }
        Ok(scrub.small_marks.len() != before)
    }

    async fn is_still_damaged(&self, mark: &SmallMark) -> Result<bool, EngineError> {
        let name = (BucketName::parse(&mark.bucket), ObjectKey::parse(&mark.key), VersionId::parse(&mark.version));
        let (Ok(bucket), Ok(key), Some(version)) = name else { return Ok(false) };
        let Some(bucket) = self.meta.bucket(&bucket).await? else { return Ok(false) };
        // Without its key there is no telling: the mark stays.
        let verdict = self.inline_verdict(&bucket, &key, version).await?;
        Ok(matches!(verdict, InlineVerdict::Damaged(_) | InlineVerdict::Shut))
    }

    /// Reads small bodies until the budget of the step is used up; false when this pass has seen all.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn scrub_small(
        &self,
        (pass, marks): (&mut Pass, &mut Vec<SmallMark>),
        step: &mut ScrubStep,
        step_bytes: u64,
    ) -> Result<bool, EngineError> {
        let place = pass.small.take().unwrap_or_default();
        let (mut bucket, mut query) = match self.bucket_at(&place.bucket).await? {
            Some(bucket) => (Some(bucket), query_after(&place)),
            None => (self.bucket_after(&place.bucket).await?, query_after(&SmallPlace::default())),
        };
        while let Some(found) = bucket {
            let page = self.list_versions(&found, &query).await?;
            for listed in &page.versions {
                step.cost += SCRUB_ROW_BYTES;
                self.scrub_listed(&found, listed, (pass, marks), step).await?;
            }
            let name = found.name.as_str().to_owned();
            match page.next {
                Some((key, version)) => {
                    (query.key_marker, query.version_marker) = (key, version);
                    bucket = Some(found);
                }
                None => {
                    bucket = self.bucket_after(&name).await?;
                    query = query_after(&SmallPlace::default());
                }
            }
            if let Some(next) = &bucket
                && step.cost >= step_bytes
            {
                let version = query.version_marker.map(|version| version.to_string());
                pass.small = Some(SmallPlace { bucket: next.name.as_str().to_owned(), key: query.key_marker, version });
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn scrub_listed(
        &self,
        bucket: &Bucket,
        listed: &ListedVersion,
        (pass, marks): (&mut Pass, &mut Vec<SmallMark>),
        step: &mut ScrubStep,
    ) -> Result<(), EngineError> {
        if !may_be_inline(listed) {
            return Ok(());
        }
        let Ok(key) = ObjectKey::parse(&listed.object.key) else { return Ok(()) };
        let error = match self.inline_verdict(bucket, &key, listed.version).await? {
            InlineVerdict::Absent | InlineVerdict::Shut => return Ok(()),
            InlineVerdict::Sound(bytes) => {
                step.add_small(bytes);
                pass.verified_small(bytes, false);
                return Ok(());
            }
            InlineVerdict::Damaged(error) => error,
        };
        step.add_small(listed.object.size);
        step.marked += 1;
        pass.verified_small(listed.object.size, true);
        let mark = SmallMark {
            bucket: bucket.name.as_str().to_owned(),
            key: key.as_str().to_owned(),
            version: listed.version.to_string(),
            found: self.clock.now().0,
            detail: error.to_string(),
        };
        if marks.iter().any(|known| known.names_same(&mark)) {
            return Ok(());
        }
        let SmallMark { bucket, key, version, detail, .. } = &mark;
        tracing::error!(bucket, key, version, detail, "a small body is damaged");
        if marks.len() < SCRUB_MARKS_MAX {
            marks.push(mark);
        }
        Ok(())
    }

    async fn bucket_at(&self, name: &str) -> Result<Option<Bucket>, EngineError> {
        match BucketName::parse(name) {
            Ok(name) => Ok(self.meta.bucket(&name).await?),
            Err(_) => Ok(None),
        }
    }

    async fn bucket_after(&self, name: &str) -> Result<Option<Bucket>, EngineError> {
        Ok(self.list_buckets(None, "", name, 1).await?.buckets.into_iter().next())
    }
}

fn query_after(place: &SmallPlace) -> VersionListQuery {
    VersionListQuery {
        key_marker: place.key.clone(),
        version_marker: place.version.as_deref().and_then(VersionId::parse),
        max_keys: SCRUB_STEP,
        ..VersionListQuery::default()
    }
}
