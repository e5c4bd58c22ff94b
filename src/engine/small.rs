//! Small bodies, which lie in the database: beside the row of a version, of a restorable version or of a part. SQLite's
//! own checks do not see a flipped bit in them, so check and scrub read them, page by page, and compare each with its
//! checksum, or open it with the key ring.

use std::fmt;

use crate::cipher::{CipherError, Envelope};
use crate::engine::inline::{open_inline, require_part};
use crate::engine::seal::Lock;
use crate::engine::{Engine, EngineError};
use crate::limits::keeping::SMALL_BODIES_STEP;
use crate::limits::{CHUNK_USES_MAX, INLINE_BYTES_MAX};
use crate::meta::{
    BodyRef, BodyUse, ChunkUser, InlinePart, MetaError, PartPlace, RetainedBody, SmallBody, StoredVersion,
};
use crate::rules::scrub::{SmallPlace, SmallStage};
use crate::types::{Bucket, BucketName, ListedVersion, ManifestId, ObjectKey, VersionId, VersionListQuery};

/// A small body as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmallName {
    /// Who has it.
    pub used: BodyUse,
    /// Which part of that it is, if it is one.
    pub part: Option<u16>,
}

impl fmt::Display for SmallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.used.of)?;
        self.part.map_or(Ok(()), |part| write!(f, ", part {part}"))
    }
}

/// What became of reading a small body.
pub(crate) enum SmallVerdict {
    /// It is as it was written: so many bytes.
    Sound(u64),
    /// What is wrong with it.
    Damaged(EngineError),
    /// The key that opens it is not here.
    Shut,
    /// There is nothing here to read: it is gone, or elsewhere.
    Absent,
}

/// A small body that is damaged.
pub(crate) struct SmallDamage {
    pub(crate) body: SmallBody,
    /// At least one.
    pub(crate) names: Vec<SmallName>,
    /// How long its row says it is.
    pub(crate) size: u64,
    pub(crate) detail: String,
}

/// What a page of rows had of small bodies.
#[derive(Default)]
pub(crate) struct SmallPage {
    /// Rows that were looked at, with a small body or without.
    pub(crate) rows: u64,
    /// Bodies that are sound.
    pub(crate) sound: u64,
    /// Their bytes.
    pub(crate) sound_bytes: u64,
    /// Bodies whose keys are not here.
    pub(crate) shut: u64,
    /// The others.
    pub(crate) damaged: Vec<SmallDamage>,
}

impl SmallPage {
    /// Counts a body; what is wrong with it, if anything is.
    fn count(&mut self, verdict: SmallVerdict) -> Option<String> {
        match verdict {
            SmallVerdict::Absent => {}
            SmallVerdict::Shut => self.shut += 1,
            SmallVerdict::Sound(bytes) => {
                self.sound += 1;
                self.sound_bytes += bytes;
            }
            SmallVerdict::Damaged(error) => return Some(error.to_string()),
        }
        None
    }
}

impl Engine {
    /// Reads the small bodies of the next rows, about `max`, and says where the page after it begins; `None` at the end.
    /// First come versions, bucket by bucket, then what can be restored, then parts, of open uploads too.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn small_page(
        &self,
        place: SmallPlace,
        max: u32,
    ) -> Result<(SmallPage, Option<SmallPlace>), EngineError> {
        match place.stage {
            SmallStage::Versions => self.page_of_versions(&place, max).await,
            SmallStage::Restorable(after) => self.page_of_restorable(after).await,
            SmallStage::Parts(after) => self.page_of_parts(after, max).await,
        }
    }

    async fn page_of_versions(
        &self,
        place: &SmallPlace,
        max: u32,
    ) -> Result<(SmallPage, Option<SmallPlace>), EngineError> {
        let bucket = match self.bucket_at(&place.bucket).await? {
            Some(bucket) => Some((bucket, query_after(place, max))),
            None => {
                self.bucket_after(&place.bucket).await?.map(|next| (next, query_after(&SmallPlace::default(), max)))
            }
        };
        let mut page = SmallPage::default();
        let Some((bucket, query)) = bucket else { return Ok((page, Some(SmallPlace::at(SmallStage::Restorable(0))))) };
        let listing = self.list_versions(&bucket, &query).await?;
        page.rows = listing.versions.len() as u64;
        for listed in listing.versions.iter().filter(|listed| may_be_inline(listed)) {
            let Ok(key) = ObjectKey::parse(&listed.object.key) else { continue };
            let Some(stored) = self.small_version(&bucket, &key, Some(listed.version)).await? else { continue };
            if let Some(detail) = page.count(self.judge_small(&stored)) {
                let names = vec![name_of_version(&bucket.name, &stored)];
                let (body, size) = (SmallBody::Row(stored.order), listed.object.size);
                page.damaged.push(SmallDamage { body, names, size, detail });
            }
        }
        let next = match listing.next {
            Some((key, version)) => {
                let version = version.map(|version| version.to_string());
                SmallPlace { bucket: bucket.name.as_str().to_owned(), key, version, stage: SmallStage::Versions }
            }
            None => match self.bucket_after(bucket.name.as_str()).await? {
                Some(next) => SmallPlace { bucket: next.name.as_str().to_owned(), ..SmallPlace::default() },
                None => SmallPlace::at(SmallStage::Restorable(0)),
            },
        };
        Ok((page, Some(next)))
    }

    async fn page_of_restorable(&self, after: u64) -> Result<(SmallPage, Option<SmallPlace>), EngineError> {
        let bodies = self.meta.retained_bodies(after, SMALL_BODIES_STEP).await?;
        let stage = bodies.last().map_or(SmallStage::Parts(None), |last| SmallStage::Restorable(last.stored.order));
        let mut page = SmallPage { rows: bodies.len() as u64, ..SmallPage::default() };
        for RetainedBody { bucket, stored } in bodies {
            if let Some(detail) = page.count(self.judge_small(&stored)) {
                let (order, size) = (stored.order, stored.version.size);
                let used = BodyUse { bucket, key: stored.version.key, of: ChunkUser::Retained(order) };
                let names = vec![SmallName { used, part: None }];
                page.damaged.push(SmallDamage { body: SmallBody::Row(order), names, size, detail });
            }
        }
        Ok((page, Some(SmallPlace::at(stage))))
    }

    async fn page_of_parts(
        &self,
        after: Option<(i64, u16)>,
        max: u32,
    ) -> Result<(SmallPage, Option<SmallPlace>), EngineError> {
        let found = self.meta.inline_parts(after.map(part_place), max).await?;
        let mut page = SmallPage { rows: u64::from(found.rows), ..SmallPage::default() };
        for part in found.parts {
            let Some(detail) = page.count(self.judge_part(&part).await?) else { continue };
            let body = SmallBody::Part(part.place);
            let uses = self.meta.small_body_uses(body, CHUNK_USES_MAX).await?;
            let name = |used| SmallName { used, part: Some(part.place.number) };
            let names: Vec<_> = uses.into_iter().map(name).collect();
            // Nobody's any more: the collector is on its way.
            if !names.is_empty() {
                page.damaged.push(SmallDamage { body, names, size: part.size, detail });
            }
        }
        let last = found.last.filter(|_| found.rows == max);
        let next = last.map(|last| SmallPlace::at(SmallStage::Parts(Some((last.manifest.0, last.number)))));
        Ok((page, next))
    }

    /// A version that has a body, or the current one.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn small_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<StoredVersion>, EngineError> {
        let found = self.meta.version(bucket.id, key, version).await?;
        Ok(found.filter(|stored| !stored.version.is_delete_marker))
    }

    /// Reads the body of a version, if it is small.
    pub(crate) fn judge_small(&self, stored: &StoredVersion) -> SmallVerdict {
        let BodyRef::Inline(bytes) = &stored.body else { return SmallVerdict::Absent };
        let lock = match Lock::new(self.keys(), &stored.version.metadata.attributes) {
            Ok(lock) => lock,
            Err(error) => return SmallVerdict::Damaged(error.into()),
        };
        let body_key = match lock.key() {
            Ok(key) => key,
            Err(error @ (CipherError::Damaged(_) | CipherError::NoRandomness)) => {
                return SmallVerdict::Damaged(error.into());
            }
            Err(
                CipherError::KeyNeeded
                | CipherError::UnknownKey(_)
                | CipherError::WrongKey
                | CipherError::KeyNotApplicable,
            ) => return SmallVerdict::Shut,
        };
        let tag = lock.envelope().and_then(Envelope::inline_tag);
        let opened = open_inline(&stored.version, body_key, tag, bytes.clone());
        opened.map_or_else(SmallVerdict::Damaged, |body| SmallVerdict::Sound(body.len() as u64))
    }

    /// Reads a part that lies beside its row.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn judge_part(&self, part: &InlinePart) -> Result<SmallVerdict, EngineError> {
        let bytes = match self.meta.inline_part(part.row).await {
            Ok(bytes) => bytes,
            // The collector was faster.
            Err(MetaError::SourceChanged) => return Ok(SmallVerdict::Absent),
            Err(error) => return Err(error.into()),
        };
        let judged = require_part(&bytes, part.md5);
        Ok(judged.map_or_else(SmallVerdict::Damaged, |()| SmallVerdict::Sound(bytes.len() as u64)))
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

/// What a version in a bucket is called.
pub(crate) fn name_of_version(bucket: &BucketName, stored: &StoredVersion) -> SmallName {
    let (key, of) = (stored.version.key.clone(), ChunkUser::Version(stored.version.version));
    SmallName { used: BodyUse { bucket: bucket.clone(), key, of }, part: None }
}

/// A part by its manifest and number.
pub(crate) fn part_place((manifest, number): (i64, u16)) -> PartPlace {
    PartPlace { manifest: ManifestId(manifest), number }
}

/// Whether its body may lie beside its row.
fn may_be_inline(listed: &ListedVersion) -> bool {
    !listed.is_delete_marker && (1..=INLINE_BYTES_MAX as u64).contains(&listed.object.size)
}

fn query_after(place: &SmallPlace, max_keys: u32) -> VersionListQuery {
    VersionListQuery {
        key_marker: place.key.clone(),
        version_marker: place.version.as_deref().and_then(VersionId::parse),
        max_keys,
        ..VersionListQuery::default()
    }
}
