//! The full check: every chunk against every row, both ways, and the metadata against itself.

use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::task::spawn_blocking;

use crate::buffer::{Block, PoolShare};
use crate::chunk::{ChunkError, ChunkRecord, ChunkStore};
use crate::engine::maintenance::visit_files;
use crate::engine::{Engine, EngineError, SmallName};
use crate::limits::{BLOCK_BYTES, CHECK_CHUNKS_AT_ONCE, CHECK_STEP, CHUNK_USES_MAX};
use crate::meta::{BodyUse, ChunkUse};
use crate::types::{ChunkId, Epoch, ObjectKey};

/// One thing that is wrong with the stored data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The metadata contradicts itself.
    Metadata(String),
    /// The file of a live chunk is missing, unreadable or does not hold the bytes that its row promises.
    Chunk {
        /// Which chunk.
        chunk: ChunkId,
        /// What is wrong with it.
        detail: String,
        /// Whose bytes are in it; at most `CHUNK_USES_MAX` for each page of chunks.
        uses: Vec<ChunkUse>,
    },
    /// A body that lies beside its row does not match its checksum.
    Inline {
        /// Whose it is.
        name: SmallName,
        /// What is wrong with it.
        detail: String,
    },
    /// A chunk file that no row knows, in an epoch that ended cleanly.
    Orphan {
        /// Which chunk.
        chunk: ChunkId,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Metadata(detail) => write!(f, "metadata: {detail}"),
            Self::Chunk { chunk, detail, uses } => {
                write!(f, "chunk {chunk}: {detail}")?;
                uses.iter().enumerate().try_for_each(|(index, ChunkUse { bucket, key, of, .. })| {
                    let before = if index == 0 { "; in" } else { "," };
                    write!(f, "{before} {bucket}/{} ({of})", printable(key))
                })
            }
            Self::Inline { name, detail } => {
                let BodyUse { bucket, key, .. } = &name.used;
                write!(f, "{bucket}/{} ({name}): {detail}", printable(key))
            }
            Self::Orphan { chunk } => write!(f, "chunk {chunk}: its file has no row"),
        }
    }
}

/// A key that does not write over the terminal.
fn printable(key: &ObjectKey) -> String {
    key.as_str().replace(char::is_control, "\u{fffd}")
}

/// What a check is at, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckStage {
    /// The metadata against itself.
    #[default]
    Metadata,
    /// Bodies beside their rows.
    SmallBodies,
    /// Live chunks.
    Chunks,
    /// Chunk files against the rows.
    Files,
}

/// How far a check has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckProgress {
    /// What it is at.
    pub stage: CheckStage,
    /// Rows that were looked at for small bodies.
    pub rows_done: u64,
    /// About how many there were when the check began.
    pub rows_total: u64,
    /// Chunk files that were compared with the rows.
    pub files_done: u64,
    /// Live chunks that were verified.
    pub chunks_done: u64,
    /// Live chunks when the check began.
    pub chunks_total: u64,
    /// Bytes of the chunks that were verified.
    pub bytes_done: u64,
    /// Bytes of the live chunks when the check began.
    pub bytes_total: u64,
}

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// Live chunks that were verified.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bodies beside their rows that were verified.
    pub inline: u64,
    /// Their bytes.
    pub inline_bytes: u64,
    /// Bodies beside their rows that could not be read: only keys that are not here open them.
    pub shut: u64,
    /// Chunk files that were looked at.
    pub files: u64,
    /// Files without a row in the epochs that had not ended: the next sweep's business, no fault.
    pub unclaimed: u64,
    /// Faults that were reported.
    pub faults: u64,
}

/// Who watches a check. Called often: it must not block for long.
pub trait CheckObserver: Send {
    /// Something is wrong.
    fn fault(&mut self, fault: Fault);
    /// The check went on.
    fn progress(&mut self, progress: CheckProgress);
}

impl Engine {
    /// Checks everything: the metadata against itself, every body beside its row and each live chunk's every byte
    /// against their checksums, and each chunk file against the rows. In the epochs `open` (running, or crashed and
    /// not swept yet) files without rows are expected.
    ///
    /// # Errors
    /// `Meta`, `Chunk` if the check itself cannot go on; what is wrong with the data is reported instead.
    pub async fn check(&self, open: &[Epoch], observer: &mut dyn CheckObserver) -> Result<CheckSummary, EngineError> {
        let mut summary = CheckSummary::default();
        let rows_total = self.count_objects().await?;
        let mut progress = CheckProgress { rows_total, ..self.count_chunks().await? };
        observer.progress(progress);
        let mut report = |fault: String| {
            summary.faults += 1;
            observer.fault(Fault::Metadata(fault));
        };
        self.meta.verify(&mut report).await?;
        progress.stage = CheckStage::SmallBodies;
        self.check_inline((&mut summary, &mut progress), observer).await?;
        progress.stage = CheckStage::Chunks;
        self.check_chunks((&mut summary, &mut progress), observer).await?;
        progress.stage = CheckStage::Files;
        self.check_files(open, (&mut summary, &mut progress), observer).await?;
        Ok(summary)
    }

    async fn check_chunks(
        &self,
        (summary, progress): (&mut CheckSummary, &mut CheckProgress),
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let page = self.meta.chunks(after, CHECK_STEP).await?;
            let Some((last, _, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let mut records = page.into_iter().map(|(id, length, seal)| ChunkRecord { id, length, seal });
            let mut running: FuturesUnordered<_> =
                records.by_ref().take(CHECK_CHUNKS_AT_ONCE).map(|record| self.check_chunk(record)).collect();
            let mut damaged = Vec::new();
            while let Some((record, fault)) = running.next().await {
                running.extend(records.next().map(|record| self.check_chunk(record)));
                summary.chunks += 1;
                summary.bytes += record.length;
                progress.chunks_done += 1;
                progress.bytes_done += record.length;
                damaged.extend(fault?.map(|detail| (record.id, detail)));
                observer.progress(*progress);
            }
            summary.faults += damaged.len() as u64;
            self.report_damage(damaged, observer).await?;
        }
    }

    /// Tells of the damaged chunks of a page, with the objects in them.
    async fn report_damage(
        &self,
        mut damaged: Vec<(ChunkId, String)>,
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        if damaged.is_empty() {
            return Ok(());
        }
        damaged.sort_unstable();
        let chunks = damaged.iter().map(|(chunk, _)| *chunk).collect();
        let mut uses = self.meta.chunk_uses(chunks, CHUNK_USES_MAX).await?;
        for (chunk, detail) in damaged {
            let of_others = uses.split_off(uses.partition_point(|found| found.chunk == chunk));
            observer.fault(Fault::Chunk { chunk, detail, uses: std::mem::replace(&mut uses, of_others) });
        }
        Ok(())
    }

    pub(crate) async fn count_chunks(&self) -> Result<CheckProgress, EngineError> {
        let mut progress = CheckProgress::default();
        let mut after = None;
        loop {
            let page = self.meta.chunks(after, CHECK_STEP).await?;
            let Some((last, _, _)) = page.last() else { return Ok(progress) };
            after = Some(*last);
            progress.chunks_total += page.len() as u64;
            progress.bytes_total += page.iter().map(|(_, length, _)| length).sum::<u64>();
        }
    }

    /// Verifies one chunk; the fault's text if it has one.
    async fn check_chunk(&self, record: ChunkRecord) -> (ChunkRecord, Result<Option<String>, EngineError>) {
        let verdict = match self.verify_from_medium(record).await {
            Ok(Ok(())) => Ok(None),
            Ok(Err(error)) => match self.is_live(record.id).await {
                Ok(true) => Ok(Some(error_text(&error))),
                // The collector was faster than the check.
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        (record, verdict)
    }

    /// Reads a whole chunk from the medium, not from memory, off the reactor.
    pub(crate) async fn verify_from_medium(&self, record: ChunkRecord) -> Result<Result<(), ChunkError>, EngineError> {
        let block = self.pool.lease(PoolShare::Read).await;
        let chunks = Arc::clone(&self.chunks);
        let verified = spawn_blocking(move || verify_chunk(chunks.as_ref(), &record, block)).await;
        verified.map_err(|_| EngineError::Stopped)
    }

    async fn is_live(&self, chunk: ChunkId) -> Result<bool, EngineError> {
        let before = chunk.to_i64().checked_sub(1).filter(|id| *id >= 0).map(ChunkId::from_i64);
        Ok(self.meta.chunks(before, 1).await?.first().is_some_and(|(id, _, _)| *id == chunk))
    }

    async fn check_files(
        &self,
        open: &[Epoch],
        (summary, progress): (&mut CheckSummary, &mut CheckProgress),
        observer: &mut dyn CheckObserver,
    ) -> Result<(), EngineError> {
        let chunks = Arc::clone(&self.chunks);
        let epochs = spawn_blocking(move || chunks.epochs()).await.map_err(|_| EngineError::Stopped)??;
        for epoch in epochs {
            let mut files = visit_files(&self.chunks, epoch);
            while let Some(batch) = files.next().await {
                summary.files += batch.len() as u64;
                progress.files_done = summary.files;
                observer.progress(*progress);
                let orphans = self.without_rows(batch).await?;
                if open.contains(&epoch) {
                    summary.unclaimed += orphans.len() as u64;
                    continue;
                }
                let orphans = self.still_there(epoch, orphans).await?;
                summary.faults += orphans.len() as u64;
                orphans.into_iter().for_each(|chunk| observer.fault(Fault::Orphan { chunk }));
            }
            files.finish().await?;
        }
        Ok(())
    }

    /// Those of `files` that exist. The collector forgets a row only after its file has gone, so what was listed a
    /// moment ago and has no row may just have been collected.
    async fn still_there(&self, epoch: Epoch, files: Vec<ChunkId>) -> Result<Vec<ChunkId>, EngineError> {
        if files.is_empty() {
            return Ok(files);
        }
        let chunks = Arc::clone(&self.chunks);
        let look = move || {
            let mut there = Vec::new();
            chunks.visit_epoch(epoch, &mut |chunk| {
                if files.contains(&chunk) {
                    there.push(chunk);
                }
                true
            })?;
            Ok(there)
        };
        spawn_blocking(look).await.map_err(|_| EngineError::Stopped)?
    }
}

/// Reads every span of a chunk; the store checks each against its checksum.
fn verify_chunk(chunks: &dyn ChunkStore, record: &ChunkRecord, mut block: Block) -> Result<(), ChunkError> {
    let reader = chunks.open(record)?;
    let damaged = |detail| Err(ChunkError::Damaged { chunk: record.id, detail });
    let spans = record.length.div_ceil(BLOCK_BYTES as u64);
    let mut length = 0;
    reader.forget_cached();
    for index in 0..spans {
        length += reader.read_span(index as usize, block.spare())? as u64;
    }
    // Nobody asked for these bytes: they must not push out of memory what clients ask for.
    reader.forget_cached();
    if length != record.length {
        return damaged(format!("it holds {length} bytes, its row says {}", record.length));
    }
    Ok(())
}

/// The error with its causes, in one line.
pub(crate) fn error_text(error: &ChunkError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
