//! Scrub: reads everything that is stored again, at a pace, and marks the chunks that are damaged (small bodies: see
//! `scrub_small`). What is marked stays where it is, so that its sound blocks can be read and nothing is lost that a
//! recovery could use; a mark goes when the chunk is found sound again.
//!
//! A step is bounded and may be dropped at any point: the place of the pass is kept at its end.

use std::collections::BTreeSet;

use crate::chunk::ChunkRecord;
use crate::engine::check::error_text;
use crate::engine::{Engine, EngineError};
use crate::limits::{PAGE_MAX, SCRUB_STEP, SCRUB_SUSPECTS_STEP};
use crate::meta::{Damage, MetaError, MetaStore};
use crate::rules::scrub::{Pass, Scrub};
use crate::telemetry::record;
use crate::types::ChunkId;

/// Name of the cursor.
const CURSOR: &str = "scrub";

/// How much one step may read, and how often all is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubBudget {
    /// Bytes after which a step ends; it ends with a whole chunk. 0: no passes, only chunks that readers found damaged.
    pub step_bytes: u64,
    /// Seconds from the beginning of a pass to that of the next.
    pub interval_seconds: u64,
}

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubStep {
    /// Chunks that were verified.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Small bodies that were verified.
    pub small: u64,
    /// Bytes that count against the pace: those that were verified, and something for every row that was looked at.
    pub cost: u64,
    /// Chunks and small bodies that were found damaged.
    pub marked: u64,
    /// Whether there is nothing to do until the next pass is due.
    pub is_waiting: bool,
}

/// How far scrub has come, as a store keeps it. A cursor of another make is one that never began.
///
/// # Errors
/// `Storage`, `Closed`.
pub async fn scrub_state(meta: &dyn MetaStore) -> Result<Scrub, MetaError> {
    let cursor = meta.cursor(CURSOR).await?;
    Ok(cursor.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default())
}

impl Engine {
    /// Does a bounded piece of scrub: first the chunks that showed damage to readers, then the pass.
    ///
    /// # Errors
    /// `Meta`; `Chunk` if the disk cannot be read for another reason than damage.
    pub async fn scrub_step(&self, budget: ScrubBudget) -> Result<ScrubStep, EngineError> {
        let mut step = ScrubStep::default();
        for _ in 0..SCRUB_SUSPECTS_STEP {
            let Some(chunk) = self.suspects.first() else { break };
            if let Some(record) = self.live_record(chunk).await? {
                let is_damaged = self.scrub_chunk(record, true).await?;
                step.add(record.length, is_damaged);
            }
            self.suspects.clear(chunk);
        }
        let mut scrub = scrub_state(self.meta.as_ref()).await?;
        if self.look_at_small_marks(&mut scrub).await? {
            self.keep_scrub(&scrub).await?;
        }
        if budget.step_bytes == 0 {
            step.is_waiting = self.suspects.first().is_none();
        } else if step.cost < budget.step_bytes {
            self.scrub_pass(budget, &mut step, &mut scrub).await?;
        }
        record::scrubbed(step.chunks, step.bytes);
        record::chunks_damaged(self.count_damaged().await?);
        record::small_bodies_damaged(scrub.small_marks.len() as u64);
        Ok(step)
    }

    /// How far scrub has come.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn scrub_progress(&self) -> Result<Scrub, EngineError> {
        Ok(scrub_state(self.meta.as_ref()).await?)
    }

    /// Whether a pass is under way.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn is_scrub_under_way(&self) -> Result<bool, EngineError> {
        Ok(self.scrub_progress().await?.pass.is_some())
    }

    async fn scrub_pass(
        &self,
        budget: ScrubBudget,
        step: &mut ScrubStep,
        scrub: &mut Scrub,
    ) -> Result<(), EngineError> {
        if let Some(ended) = scrub.last.as_ref().and_then(Pass::ended) {
            record::scrub_pass_ended(ended);
        }
        let mut pass = match scrub.pass.take() {
            Some(pass) => pass,
            None if scrub.is_due(self.clock.now(), budget.interval_seconds) => {
                let total = self.count_chunks().await?;
                let rows_total = self.count_objects().await?;
                let mut pass = Pass::begin(self.clock.now(), total.chunks_total, total.bytes_total);
                pass.rows_total = rows_total;
                pass
            }
            None => {
                step.is_waiting = true;
                return Ok(());
            }
        };
        let page = self.meta.chunks(pass.after(), SCRUB_STEP).await?;
        if page.is_empty() {
            let is_under_way = self.scrub_small((&mut pass, &mut scrub.small_marks), step, budget.step_bytes).await?;
            let Pass { chunks, bytes, damaged, small_bodies, small_damaged, .. } = pass;
            scrub.pass = Some(pass);
            if !is_under_way {
                tracing::info!(chunks, bytes, damaged, small_bodies, small_damaged, "scrub has read everything");
                scrub.end_pass(self.clock.now());
            }
            return self.keep_scrub(scrub).await;
        }
        let marked = self.meta.damaged_chunks(pass.after(), SCRUB_STEP).await?;
        let marked: BTreeSet<ChunkId> = marked.into_iter().map(|damaged| damaged.chunk).collect();
        for (id, length, seal) in page {
            let is_damaged = self.scrub_chunk(ChunkRecord { id, length, seal }, marked.contains(&id)).await?;
            pass.verified(id, length, is_damaged);
            step.add(length, is_damaged);
            if step.cost >= budget.step_bytes {
                break;
            }
        }
        scrub.pass = Some(pass);
        self.keep_scrub(scrub).await
    }

    /// How many objects there are, which is about how many rows have to be looked at for small bodies.
    pub(crate) async fn count_objects(&self) -> Result<u64, EngineError> {
        let (mut count, mut after) = (0, Some(String::new()));
        while let Some(name) = after {
            let page = self.list_buckets(None, "", &name, PAGE_MAX).await?;
            for bucket in &page.buckets {
                match self.meta.bucket_usage(bucket.id).await {
                    Ok(usage) => count += usage.objects,
                    // It went meanwhile.
                    Err(MetaError::NoSuchBucket) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            after = page.next_after;
        }
        Ok(count)
    }

    async fn keep_scrub(&self, scrub: &Scrub) -> Result<(), EngineError> {
        let body = serde_json::to_vec(scrub).map_err(|error| MetaError::Storage(error.to_string()))?;
        Ok(self.meta.set_cursor(CURSOR, Some(body)).await?)
    }

    /// Verifies a chunk and keeps its mark true; whether it is damaged. `was_marked` may err on the side of true.
    async fn scrub_chunk(&self, record: ChunkRecord, was_marked: bool) -> Result<bool, EngineError> {
        let mut verified = self.verify_from_medium(record).await?;
        // Once more: a bit may have flipped on the way and not on the disk.
        if verified.as_ref().is_err_and(|error| error.is_damage()) {
            verified = self.verify_from_medium(record).await?;
        }
        let chunk = record.id;
        let damage = match verified {
            Ok(()) if was_marked => None,
            Ok(()) => return Ok(false),
            Err(error) if error.is_damage() => Some(Damage { found: self.clock.now(), detail: error_text(&error) }),
            Err(error) => return Err(error.into()),
        };
        let detail = damage.as_ref().map(|damage| damage.detail.clone());
        let is_new = self.meta.mark_damage(chunk, damage).await?;
        // What was found is what scrub found: no reader's word for it is needed any more.
        self.suspects.clear(chunk);
        match (&detail, is_new) {
            (Some(detail), true) => {
                tracing::error!(%chunk, detail, "a chunk is damaged: `sluicegate scrub` names the objects in it");
            }
            (None, true) => tracing::warn!(%chunk, "a chunk that was damaged is sound again"),
            (_, false) => {}
        }
        Ok(detail.is_some())
    }

    /// A live chunk; `None` if nobody refers to it any more.
    async fn live_record(&self, chunk: ChunkId) -> Result<Option<ChunkRecord>, EngineError> {
        let before = chunk.to_i64().checked_sub(1).filter(|id| *id >= 0).map(ChunkId::from_i64);
        let page = self.meta.chunks(before, 1).await?;
        let found = page.into_iter().find(|(id, _, _)| *id == chunk);
        Ok(found.map(|(id, length, seal)| ChunkRecord { id, length, seal }))
    }

    async fn count_damaged(&self) -> Result<u64, EngineError> {
        let (mut count, mut after) = (0, None);
        loop {
            let page = self.meta.damaged_chunks(after, SCRUB_STEP).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.chunk);
            count += page.len() as u64;
        }
    }
}

impl ScrubStep {
    fn add(&mut self, length: u64, is_damaged: bool) {
        self.chunks += 1;
        self.bytes += length;
        self.cost += length;
        self.marked += u64::from(is_damaged);
    }

    pub(crate) fn add_small(&mut self, bodies: u64, bytes: u64) {
        self.small += bodies;
        self.bytes += bytes;
        self.cost += bytes;
    }
}
