//! Chunks that showed damage to a reader. Scrub looks at them first: an operator learns of what clients meet within
//! seconds, not when the next pass comes by.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::chunk::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
use crate::limits::SCRUB_SUSPECTS_MAX;
use crate::types::{ChunkId, Epoch};

/// The chunks that scrub should look at. Bounded: what finds no room is met again, or by the next pass.
#[derive(Default)]
pub(crate) struct Suspects {
    chunks: Mutex<BTreeSet<ChunkId>>,
}

impl Suspects {
    fn chunks(&self) -> MutexGuard<'_, BTreeSet<ChunkId>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, chunk: ChunkId) {
        let mut chunks = self.chunks();
        if chunks.len() < SCRUB_SUSPECTS_MAX {
            chunks.insert(chunk);
        }
    }

    /// The first of them; it stays until it is cleared.
    pub(crate) fn first(&self) -> Option<ChunkId> {
        self.chunks().first().copied()
    }

    /// Scrub has looked at it.
    pub(crate) fn clear(&self, chunk: ChunkId) {
        self.chunks().remove(&chunk);
    }
}

/// A chunk store that notes which chunks showed damage.
pub(crate) struct WatchedChunks {
    inner: Arc<dyn ChunkStore>,
    suspects: Arc<Suspects>,
}

impl WatchedChunks {
    pub(crate) fn new(inner: Arc<dyn ChunkStore>, suspects: Arc<Suspects>) -> Self {
        Self { inner, suspects }
    }
}

impl ChunkStore for WatchedChunks {
    fn create(&self) -> Result<Box<dyn ChunkWriter>, ChunkError> {
        self.inner.create()
    }

    fn open(&self, record: &ChunkRecord) -> Result<Box<dyn ChunkReader>, ChunkError> {
        let opened = self.inner.open(record).inspect_err(|error| note(&self.suspects, record.id, error));
        Ok(Box::new(WatchedReader { inner: opened?, suspects: Arc::clone(&self.suspects) }))
    }

    fn inspect(&self, chunk: ChunkId) -> Result<(ChunkRecord, Vec<u8>), ChunkError> {
        self.inner.inspect(chunk)
    }

    fn remove(&self, chunk: ChunkId) -> Result<(), ChunkError> {
        self.inner.remove(chunk)
    }

    fn sync_removals(&self) -> Result<(), ChunkError> {
        self.inner.sync_removals()
    }

    fn sync_epoch(&self, epoch: Epoch) -> Result<(), ChunkError> {
        self.inner.sync_epoch(epoch)
    }

    fn visit_epoch(&self, epoch: Epoch, visit: &mut dyn FnMut(ChunkId) -> bool) -> Result<(), ChunkError> {
        self.inner.visit_epoch(epoch, visit)
    }

    fn epochs(&self) -> Result<Vec<Epoch>, ChunkError> {
        self.inner.epochs()
    }

    fn free_bytes(&self) -> Result<u64, ChunkError> {
        self.inner.free_bytes()
    }
}

fn note(suspects: &Suspects, chunk: ChunkId, error: &ChunkError) {
    if error.is_damage() {
        suspects.add(chunk);
    }
}

struct WatchedReader {
    inner: Box<dyn ChunkReader>,
    suspects: Arc<Suspects>,
}

impl ChunkReader for WatchedReader {
    fn record(&self) -> &ChunkRecord {
        self.inner.record()
    }

    fn take_appendix(&mut self) -> Vec<u8> {
        self.inner.take_appendix()
    }

    fn forget_cached(&self) {
        self.inner.forget_cached();
    }

    fn read_span(&self, index: usize, buffer: &mut [u8]) -> Result<usize, ChunkError> {
        let read = self.inner.read_span(index, buffer);
        read.inspect_err(|error| note(&self.suspects, self.inner.record().id, error))
    }

    fn read_span_cached(&self, index: usize, buffer: &mut [u8]) -> Option<Result<usize, ChunkError>> {
        let read = self.inner.read_span_cached(index, buffer)?;
        Some(read.inspect_err(|error| note(&self.suspects, self.inner.record().id, error)))
    }
}
