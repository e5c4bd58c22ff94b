//! The part of scrub that reads small bodies, which lie beside their rows: after the chunks of a pass. What the database
//! or the page cache holds is not read from the disk again.
//!
//! There is no row for a mark: the few that there should ever be are kept with scrub's place, and looked at in each
//! step, so that one that is sound again or gone is not told of any longer. A mark follows its body to another name.

use crate::engine::small::{SmallDamage, SmallName, SmallVerdict, name_of_version, part_place};
use crate::engine::{Engine, EngineError, ScrubStep};
use crate::limits::{SCRUB_MARKS_MAX, SCRUB_ROW_BYTES, SCRUB_STEP};
use crate::meta::{BodyRef, BodyUse, ChunkUser, PartPlace, RetainedBody, SmallBody};
use crate::rules::scrub::{Pass, Scrub, SmallMark};
use crate::types::{BucketName, ObjectKey, UploadId, VersionId};

/// How a marked body is found.
enum Look {
    /// Under its name, and not sound: that it is damaged, or that there is no telling without its key.
    Same,
    /// Sound, or gone.
    Well,
    /// Not under its name any more.
    Moved,
}

impl Engine {
    /// Looks at what is marked again; true if a mark went or moved.
    ///
    /// # Errors
    /// `Meta`.
    pub(crate) async fn look_at_small_marks(&self, scrub: &mut Scrub) -> Result<bool, EngineError> {
        let before = std::mem::take(&mut scrub.small_marks);
        for mark in &before {
            let next = match self.look_at(mark).await? {
                Look::Same => Some(mark.clone()),
                Look::Well => None,
                Look::Moved => self.follow(mark, &[&before[..], &scrub.small_marks].concat()).await?,
            };
            match next {
                Some(next) => scrub.small_marks.push(next),
                None => {
                    let SmallMark { bucket, key, .. } = mark;
                    tracing::warn!(bucket, key, of = %of_mark(mark), "a small body that was damaged is sound again, or gone");
                }
            }
        }
        Ok(scrub.small_marks != before)
    }

    async fn look_at(&self, mark: &SmallMark) -> Result<Look, EngineError> {
        let Some(name) = name_of(mark) else { return Ok(Look::Well) };
        let verdict = match (body_of(mark), name.used.of) {
            (Some(SmallBody::Part(place)), _) => {
                let Some(before) = place.number.checked_sub(1) else { return Ok(Look::Well) };
                let page = self.meta.inline_parts(Some(PartPlace { number: before, ..place }), 1).await?;
                let Some(part) = page.parts.first().filter(|part| part.place == place) else { return Ok(Look::Well) };
                match self.judge_part(part).await? {
                    SmallVerdict::Damaged(_) if !self.has_manifest(&name.used, place).await? => return Ok(Look::Moved),
                    verdict => verdict,
                }
            }
            (_, ChunkUser::Retained(id)) => match self.restorable(&name.used, id).await? {
                Some(found) => self.judge_small(&found.stored),
                None => return Ok(Look::Moved),
            },
            (body, ChunkUser::Version(version)) => {
                let found = match self.meta.bucket(&name.used.bucket).await? {
                    Some(bucket) => self.small_version(&bucket, &name.used.key, Some(version)).await?,
                    None => None,
                };
                // Another body may have got the name.
                let is_same = |order| body.is_none_or(|body| body == SmallBody::Row(order));
                match found.filter(|stored| is_same(stored.order)) {
                    Some(stored) => self.judge_small(&stored),
                    None => return Ok(Look::Moved),
                }
            }
            (_, ChunkUser::Upload(_)) => return Ok(Look::Well),
        };
        Ok(match verdict {
            SmallVerdict::Damaged(_) | SmallVerdict::Shut => Look::Same,
            SmallVerdict::Sound(_) | SmallVerdict::Absent => Look::Well,
        })
    }

    /// Whether the bearer of a name still has a manifest.
    async fn has_manifest(&self, used: &BodyUse, place: PartPlace) -> Result<bool, EngineError> {
        let has = |body: &BodyRef| *body == BodyRef::Manifest(place.manifest);
        if let ChunkUser::Retained(id) = used.of {
            return Ok(self.restorable(used, id).await?.is_some_and(|found| has(&found.stored.body)));
        }
        let Some(bucket) = self.meta.bucket(&used.bucket).await? else { return Ok(false) };
        match used.of {
            ChunkUser::Version(version) => {
                let found = self.small_version(&bucket, &used.key, Some(version)).await?;
                Ok(found.is_some_and(|stored| has(&stored.body)))
            }
            ChunkUser::Upload(upload) => Ok(self.meta.upload(bucket.id, &used.key, upload).await?.is_some()),
            ChunkUser::Retained(_) => Ok(false),
        }
    }

    async fn restorable(&self, used: &BodyUse, id: u64) -> Result<Option<RetainedBody>, EngineError> {
        let found = self.meta.retained_bodies(id.saturating_sub(1), 1).await?.into_iter().next();
        Ok(found.filter(|found| found.stored.order == id && found.bucket == used.bucket))
    }

    /// The mark under the name that its body has now, unless another mark has it.
    async fn follow(&self, mark: &SmallMark, marks: &[SmallMark]) -> Result<Option<SmallMark>, EngineError> {
        let Some(body) = body_of(mark) else { return Ok(None) };
        let moved =
            |name: &SmallName, body| SmallMark { found: mark.found, ..mark_of(name, body, mark.detail.clone()) };
        let mut found = Vec::new();
        for used in self.meta.small_body_uses(body, SCRUB_MARKS_MAX as u32 + 1).await? {
            found.push(moved(&SmallName { used, part: mark.part }, body));
        }
        if let (Some(name), Some(_), SmallBody::Row(_)) = (name_of(mark), mark.restorable, body)
            && let Some(bucket) = self.meta.bucket(&name.used.bucket).await?
            && let Some(stored) = self.small_version(&bucket, &name.used.key, None).await?
            && let SmallVerdict::Damaged(_) = self.judge_small(&stored)
        {
            // Put back, it has another row.
            found.push(moved(&name_of_version(&bucket.name, &stored), SmallBody::Row(stored.order)));
        }
        Ok(found.into_iter().find(|next| !marks.iter().any(|known| known.names_same(next))))
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
        let mut place = pass.small.take().unwrap_or_default();
        loop {
            let (page, next) = self.small_page(place, SCRUB_STEP).await?;
            step.cost += page.rows * SCRUB_ROW_BYTES;
            pass.rows += page.rows;
            step.add_small(page.sound, page.sound_bytes);
            pass.verified_small(page.sound, page.sound_bytes, 0);
            for damage in page.damaged {
                step.add_small(1, damage.size);
                step.marked += 1;
                pass.verified_small(1, damage.size, 1);
                self.mark_small(&damage, marks);
            }
            let Some(next) = next else { return Ok(false) };
            place = next;
            if step.cost >= step_bytes {
                pass.small = Some(place);
                return Ok(true);
            }
        }
    }

    fn mark_small(&self, damage: &SmallDamage, marks: &mut Vec<SmallMark>) {
        for name in &damage.names {
            let mark = SmallMark { found: self.clock.now().0, ..mark_of(name, damage.body, damage.detail.clone()) };
            if let Some(known) = marks.iter_mut().find(|known| known.names_same(&mark)) {
                // A mark of an earlier release does not know its row.
                (known.row, known.manifest) = (mark.row, mark.manifest);
                continue;
            }
            let SmallMark { bucket, key, detail, .. } = &mark;
            tracing::error!(bucket, key, of = %name, detail, "a small body is damaged");
            if marks.len() < SCRUB_MARKS_MAX {
                marks.push(mark);
            }
        }
    }
}

/// A mark of a body; when it was found is the caller's to say.
fn mark_of(name: &SmallName, body: SmallBody, detail: String) -> SmallMark {
    let SmallName { used: BodyUse { bucket, key, of }, part } = name;
    let (row, manifest) = match body {
        SmallBody::Row(row) => (Some(row), None),
        SmallBody::Part(place) => (None, Some(place.manifest.0)),
    };
    let mark = SmallMark {
        bucket: bucket.as_str().to_owned(),
        key: key.as_str().to_owned(),
        part: *part,
        row,
        manifest,
        detail,
        ..SmallMark::default()
    };
    match of {
        ChunkUser::Version(version) => SmallMark { version: version.to_string(), ..mark },
        ChunkUser::Upload(upload) => SmallMark { upload: Some(upload.to_string()), ..mark },
        ChunkUser::Retained(id) => SmallMark { restorable: Some(*id), ..mark },
    }
}

/// The name in a mark; `None` if it does not read.
fn name_of(mark: &SmallMark) -> Option<SmallName> {
    let of = match (&mark.upload, mark.restorable) {
        (Some(upload), _) => ChunkUser::Upload(UploadId::parse(upload)?),
        (None, Some(id)) => ChunkUser::Retained(id),
        (None, None) => ChunkUser::Version(VersionId::parse(&mark.version)?),
    };
    let (bucket, key) = (BucketName::parse(&mark.bucket).ok()?, ObjectKey::parse(mark.key.as_str()).ok()?);
    Some(SmallName { used: BodyUse { bucket, key, of }, part: mark.part })
}

fn of_mark(mark: &SmallMark) -> String {
    name_of(mark).map(|name| name.to_string()).unwrap_or_default()
}

/// The body that a mark is of, if it says so.
fn body_of(mark: &SmallMark) -> Option<SmallBody> {
    match (mark.manifest, mark.part) {
        (Some(manifest), Some(number)) => Some(SmallBody::Part(part_place((manifest, number)))),
        (_, _) => mark.row.map(SmallBody::Row),
    }
}
