//! The steps of maintenance: collecting what nobody refers to, sweeping the epochs that crashed, expiring
//! uploads, and the end of an epoch. Each step is bounded and may be dropped at any point: what it had not
//! finished is found again. When steps run is decided above.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::chunk::{ChunkError, ChunkStore};
use crate::engine::{Engine, EngineError};
use crate::limits::{GARBAGE_MANIFESTS_AT_ONCE, GARBAGE_STEP, SWEEP_STEP};
use crate::telemetry::record;
use crate::types::{ChunkId, Epoch};

/// What one step of the collector did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Manifests that are gone.
    pub manifests: u32,
    /// Chunk files that are gone.
    pub chunks: u32,
    /// Garbage manifests that somebody still reads.
    pub pinned: u32,
    /// Whether another step would find more to do right now.
    pub has_more: bool,
}

/// What the sweep of an epoch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Chunk files that were looked at.
    pub files: u64,
    /// Files without a row, which were removed.
    pub orphans: u64,
}

impl Engine {
    /// Collects a bounded amount of garbage: releases manifests that nobody refers to or reads, unlinks the
    /// chunks that thereby died, durably, and then forgets their rows. In this order a crash or a power cut leaves
    /// rows without files of dead chunks, never a file that nobody knows.
    ///
    /// # Errors
    /// `Meta`, `Chunk`.
    pub async fn collect_step(&self) -> Result<Collected, EngineError> {
        let mut collected = self.release_garbage().await?;
        let dead = self.meta.dead_chunks(GARBAGE_STEP).await?;
        collected.has_more |= dead.len() == GARBAGE_STEP as usize;
        if dead.is_empty() {
            return Ok(collected);
        }
        let (gone, failure) = unlink(Arc::clone(&self.chunks), dead).await?;
        collected.chunks = gone.len() as u32;
        if !gone.is_empty() {
            self.meta.forget_chunks(gone).await?;
        }
        match failure {
            None => Ok(collected),
            Some(error) => Err(error.into()),
        }
    }

    async fn release_garbage(&self) -> Result<Collected, EngineError> {
        // Pinned manifests may be the oldest: ask for so many more that they cannot starve the others.
        let pinned = u32::try_from(self.pins.count()).unwrap_or(u32::MAX);
        let asked = GARBAGE_MANIFESTS_AT_ONCE.saturating_add(pinned);
        let mut garbage = self.meta.garbage_manifests(asked).await?;
        let found = garbage.len();
        if found == 0 {
            return Ok(Collected::default());
        }
        self.pins.settle().await;
        garbage.retain(|manifest| !self.pins.is_pinned(*manifest));
        let pinned = (found - garbage.len()) as u32;
        garbage.truncate(GARBAGE_MANIFESTS_AT_ONCE as usize);
        if garbage.is_empty() {
            return Ok(Collected { pinned, ..Collected::default() });
        }
        let share = GARBAGE_STEP / garbage.len() as u32;
        // Together, so that their transactions share one sync.
        let released = join_all(garbage.iter().map(|manifest| self.meta.release_manifest(*manifest, share))).await;
        let mut manifests = 0;
        for gone in released {
            manifests += u32::from(gone?);
        }
        let has_more = found == asked as usize || manifests < garbage.len() as u32;
        Ok(Collected { manifests, chunks: 0, pinned, has_more })
    }

    /// Removes the chunk files of an epoch that crashed and that have no row, then records that the epoch has
    /// none left. `epoch` must not be running: its newest files have no rows yet.
    ///
    /// # Errors
    /// `Meta`, `Chunk`.
    pub async fn sweep_epoch(&self, epoch: Epoch) -> Result<Swept, EngineError> {
        let mut swept = Swept::default();
        let mut files = visit_files(&self.chunks, epoch);
        while let Some(batch) = files.next().await {
            swept.files += batch.len() as u64;
            let orphans = self.without_rows(batch).await?;
            swept.orphans += orphans.len() as u64;
            let (_, failure) = unlink(Arc::clone(&self.chunks), orphans).await?;
            if let Some(error) = failure {
                return Err(error.into());
            }
        }
        files.finish().await?;
        // The boot that crashed may have removed files too, and a power cut must not bring those back either.
        let chunks = Arc::clone(&self.chunks);
        spawn_blocking(move || chunks.sync_epoch(epoch)).await.map_err(|_| EngineError::Stopped)??;
        self.meta.end_epoch(epoch).await?;
        Ok(swept)
    }

    /// Those of `chunks` that have no row, neither live nor dead.
    pub(crate) async fn without_rows(&self, chunks: Vec<ChunkId>) -> Result<Vec<ChunkId>, EngineError> {
        let known = self.meta.known_chunks(chunks.clone()).await?;
        assert_eq!(known.len(), chunks.len(), "the metadata store answers for each chunk");
        Ok(chunks.into_iter().zip(known).filter(|(_, known)| !known).map(|(chunk, _)| chunk).collect())
    }

    /// Aborts a bounded number of uploads that were initiated more than `age_seconds` ago and forgets
    /// completions older than that. Returns whether another step would find more.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn expire_uploads_step(&self, age_seconds: u64) -> Result<bool, EngineError> {
        let age = i64::try_from(age_seconds).unwrap_or(i64::MAX);
        let before = self.clock.now().plus_seconds(age.saturating_neg());
        let expired = self.meta.expire_uploads(before, GARBAGE_STEP).await?;
        record::uploads_expired(u64::from(expired));
        Ok(expired == GARBAGE_STEP)
    }

    /// Takes or renews the named lease for `seconds`, so that of all processes on these stores one does a
    /// background job; false if another has it. Zero seconds give it back.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn take_lease(&self, name: &str, holder: Epoch, seconds: u64) -> Result<bool, EngineError> {
        let now = self.clock.now();
        let until = now.plus_seconds(i64::try_from(seconds).unwrap_or(i64::MAX));
        Ok(self.meta.take_lease(name, holder, now, until).await?)
    }

    /// Stops: refuses new commits, waits for those under way, ends `epoch` if no chunk file is or may be without
    /// a row, and closes the metadata store. True if the epoch ended cleanly; otherwise the next start sweeps it.
    /// The caller has ended all requests before.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn shutdown(&self, epoch: Epoch) -> Result<bool, EngineError> {
        // Also what had been removed must not come back once nobody looks for orphans of this epoch any more.
        let is_clean = self.commits.finish().await && self.sync_removals().await;
        let ended = if is_clean { self.meta.end_epoch(epoch).await } else { Ok(()) };
        // Closed in any case: what is queued becomes durable even if the epoch could not be ended.
        self.meta.close().await?;
        ended?;
        Ok(is_clean)
    }

    async fn sync_removals(&self) -> bool {
        let chunks = Arc::clone(&self.chunks);
        let synced = spawn_blocking(move || chunks.sync_removals()).await;
        match synced {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "removed chunk files may come back: the next start sweeps them");
                false
            }
            Err(_) => false,
        }
    }
}

/// Removes chunk files off the reactor. Returns those that are gone for good, and the first failure.
async fn unlink(
    store: Arc<dyn ChunkStore>,
    chunks: Vec<ChunkId>,
) -> Result<(Vec<ChunkId>, Option<ChunkError>), EngineError> {
    if chunks.is_empty() {
        return Ok((chunks, None));
    }
    let removal = spawn_blocking(move || {
        let mut failure = None;
        let mut gone = chunks;
        gone.retain(|chunk| match store.remove(*chunk) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%chunk, %error, "a chunk file could not be removed");
                failure.get_or_insert(error);
                false
            }
        });
        if let Err(error) = store.sync_removals() {
            return (Vec::new(), Some(error));
        }
        (gone, failure)
    });
    removal.await.map_err(|_| EngineError::Stopped)
}

/// The chunk files of an epoch in batches of `SWEEP_STEP`, found off the reactor. Dropping it ends the visit.
pub(crate) struct ChunkFiles {
    batches: mpsc::Receiver<Vec<ChunkId>>,
    visit: tokio::task::JoinHandle<Result<(), ChunkError>>,
}

/// Starts to visit the chunk files of `epoch`.
pub(crate) fn visit_files(chunks: &Arc<dyn ChunkStore>, epoch: Epoch) -> ChunkFiles {
    let chunks = Arc::clone(chunks);
    let (sender, batches) = mpsc::channel(1);
    let visit = spawn_blocking(move || {
        let mut batch = Vec::with_capacity(SWEEP_STEP);
        let result = chunks.visit_epoch(epoch, &mut |chunk| {
            batch.push(chunk);
            batch.len() < SWEEP_STEP || sender.blocking_send(std::mem::take(&mut batch)).is_ok()
        });
        if !batch.is_empty() {
            // Nobody listens any more: then nobody wants the rest either.
            let _ = sender.blocking_send(batch);
        }
        result
    });
    ChunkFiles { batches, visit }
}

impl ChunkFiles {
    /// The next batch; `None` at the end, whose cause `finish` tells.
    pub(crate) async fn next(&mut self) -> Option<Vec<ChunkId>> {
        self.batches.recv().await
    }

    /// Ends the visit.
    ///
    /// # Errors
    /// `Chunk` if it ended early.
    pub(crate) async fn finish(self) -> Result<(), EngineError> {
        drop(self.batches);
        Ok(self.visit.await.map_err(|_| EngineError::Stopped)??)
    }
}
