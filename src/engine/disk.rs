//! The circuit of the disk: when writes keep failing the gateway is read-only, so that clients are told at once and
//! not after they have sent everything. Trial writes of our own find out when the disk is well again.
//!
//! Chunk files and the metadata store fail by themselves: small bodies go to the latter only, and their success says
//! nothing of the former.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::chunk::{ChunkError, ChunkStore};
use crate::engine::{Engine, EngineError};
use crate::guard::{Breaker, Circuit};
use crate::limits::{DISK_REST_MS_MAX, DISK_TRIAL_BYTES};
use crate::meta::MetaError;
use crate::telemetry::record;

/// What trial writes leave in the metadata store.
const TRIAL_CURSOR: &str = "disk-trial";

/// What the last writes say of the disk.
#[derive(Debug)]
pub(crate) struct DiskCircuit {
    chunks: Breaker,
    metadata: Breaker,
    /// Whether the last failure was of space.
    is_full: AtomicBool,
}

/// Why nothing can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOnly {
    /// There is no space.
    Full,
    /// Writes fail.
    Failing,
    /// An operator paused writes.
    Maintenance,
}

impl ReadOnly {
    /// The same for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Full => "the disk is full",
            Self::Failing => "the disk is failing",
            Self::Maintenance => "writes are paused for maintenance",
        }
    }

    /// A word for machines.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Maintenance => "maintenance",
        }
    }
}

impl Default for DiskCircuit {
    fn default() -> Self {
        let breaker = || Breaker::new(DISK_REST_MS_MAX);
        Self { chunks: breaker(), metadata: breaker(), is_full: AtomicBool::new(false) }
    }
}

impl DiskCircuit {
    /// Learns from a body that was written to chunk files, or was not.
    pub(crate) fn learn_of_chunks<T>(&self, result: &Result<T, EngineError>) {
        match result {
            Ok(_) => self.chunks.succeeded(),
            Err(EngineError::Chunk(error @ (ChunkError::Full(_) | ChunkError::Io { .. }))) => {
                self.note_failure(&self.chunks, matches!(error, ChunkError::Full(_)), "chunk files");
            }
            Err(_) => {}
        }
    }

    /// Learns from a commit.
    pub(crate) fn learn_of_metadata<T>(&self, result: &Result<T, MetaError>) {
        match result {
            Ok(_) => self.metadata.succeeded(),
            Err(error @ (MetaError::Full | MetaError::Storage(_))) => {
                self.note_failure(&self.metadata, matches!(error, MetaError::Full), "metadata");
            }
            Err(_) => {}
        }
    }

    fn note_failure(&self, breaker: &Breaker, is_full: bool, of: &'static str) {
        self.is_full.store(is_full, Ordering::Relaxed);
        if breaker.failed(Instant::now()) {
            tracing::error!(of, is_full, "writes keep failing: read-only until a trial write succeeds");
            record::disk_circuit_opened();
        }
    }

    /// Why nothing is written now, if that is so.
    fn state(&self) -> Option<ReadOnly> {
        let now = Instant::now();
        let is_closed = |breaker: &Breaker| breaker.circuit(now) == Circuit::Closed;
        if is_closed(&self.chunks) && is_closed(&self.metadata) {
            return None;
        }
        Some(if self.is_full.load(Ordering::Relaxed) { ReadOnly::Full } else { ReadOnly::Failing })
    }

    /// How long until a trial is due; `None` if none is.
    fn rest(&self) -> Option<Duration> {
        let now = Instant::now();
        let rest = |breaker: &Breaker| match breaker.circuit(now) {
            Circuit::Closed => None,
            Circuit::Trial => Some(Duration::ZERO),
            Circuit::Open(rest) => Some(rest),
        };
        [rest(&self.chunks), rest(&self.metadata)].into_iter().flatten().min()
    }
}

impl Engine {
    /// Why nothing can be written, if that is so: writes keep failing, or only the reserve of space is left.
    pub fn read_only(&self) -> Option<ReadOnly> {
        if self.is_paused() {
            return Some(ReadOnly::Maintenance);
        }
        let is_full = || self.chunks.free_bytes().is_ok_and(|bytes| bytes == 0);
        self.disk.state().or_else(|| is_full().then_some(ReadOnly::Full))
    }

    /// Refuses what takes space, as long as writes keep failing or only the reserve is left, also where it takes
    /// little: deletes must still fit.
    ///
    /// # Errors
    /// `ReadOnly`, `Chunk`.
    pub(crate) fn admit_space(&self) -> Result<(), EngineError> {
        if self.is_paused() {
            return Err(EngineError::ReadOnly(ReadOnly::Maintenance));
        }
        if let Some(cause) = self.disk.state() {
            return Err(EngineError::ReadOnly(cause));
        }
        if self.chunks.free_bytes()? == 0 {
            return Err(EngineError::ReadOnly(ReadOnly::Full));
        }
        Ok(())
    }

    /// Writes a little to whatever kept failing, if it is time to. Tells how long to rest; `None` if all is well.
    ///
    /// # Errors
    /// `Stopped`.
    pub async fn try_disk(&self) -> Result<Option<Duration>, EngineError> {
        match self.disk.rest() {
            Some(Duration::ZERO) => {}
            rest => return Ok(rest),
        }
        let chunks = Arc::clone(&self.chunks);
        let written = spawn_blocking(move || try_chunks(&*chunks)).await.map_err(|_| EngineError::Stopped)?;
        self.disk.learn_of_chunks(&written.map_err(EngineError::from));
        let now = self.clock.now().0.to_le_bytes().to_vec();
        self.disk.learn_of_metadata(&self.meta.set_cursor(TRIAL_CURSOR, Some(now)).await);
        if self.disk.state().is_none() {
            tracing::info!("trial writes succeeded: no longer read-only");
        }
        Ok(self.disk.rest())
    }
}

/// Seals a small chunk and removes it.
fn try_chunks(chunks: &dyn ChunkStore) -> Result<(), ChunkError> {
    let mut writer = chunks.create()?;
    writer.append(&[0; DISK_TRIAL_BYTES])?;
    let record = writer.seal()?;
    chunks.remove(record.id)
}
