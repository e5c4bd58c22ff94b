//! Which chunk files exist without a row, at every moment: those that are being written, and those that are
//! sealed and not committed yet. An epoch may end cleanly only when there are none, because only the epochs
//! that did not are ever searched for such files.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::chunk::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
use crate::types::{ChunkId, Epoch};

/// The chunk files without a row. Bounded by the chunks of the bodies in flight.
#[derive(Default)]
pub(crate) struct Unclaimed {
    files: Mutex<HashSet<ChunkId>>,
    /// Some may or may not have a row: only a sweep can tell.
    in_doubt: AtomicBool,
    changed: Notify,
}

impl Unclaimed {
    fn files(&self) -> MutexGuard<'_, HashSet<ChunkId>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These have a row now, or no file any more.
    pub(crate) fn forget(&self, chunks: &[ChunkId]) {
        let mut files = self.files();
        for chunk in chunks {
            files.remove(chunk);
        }
        if files.is_empty() {
            self.changed.notify_waiters();
        }
    }

    /// Whether these have a row is unknown: they are left to the sweep of this epoch.
    fn doubt(&self, chunks: &[ChunkId]) {
        self.in_doubt.store(true, Ordering::SeqCst);
        self.forget(chunks);
    }

    /// Waits until no file is without a row, but for those in doubt.
    pub(crate) async fn settled(&self) {
        loop {
            let changed = self.changed.notified();
            if self.files().is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Whether any file is or may be without a row.
    pub(crate) fn is_clean(&self) -> bool {
        self.files().is_empty() && !self.in_doubt.load(Ordering::SeqCst)
    }
}

/// The sealed chunks of one commit. Unless it is settled, their fate counts as unknown: also if the commit's
/// task is dropped or panics between the request and the answer.
pub(crate) struct Doubt {
    unclaimed: Arc<Unclaimed>,
    sealed: Vec<ChunkId>,
}

impl Doubt {
    pub(crate) fn new(unclaimed: Arc<Unclaimed>, sealed: Vec<ChunkId>) -> Self {
        Self { unclaimed, sealed }
    }

    /// They are committed.
    pub(crate) fn claim(mut self) {
        self.unclaimed.forget(&std::mem::take(&mut self.sealed));
    }

    /// They are certainly not committed, and stay unclaimed until their files are removed.
    pub(crate) fn refuse(mut self) -> Vec<ChunkId> {
        std::mem::take(&mut self.sealed)
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        if !self.sealed.is_empty() {
            self.unclaimed.doubt(&self.sealed);
        }
    }
}

/// A chunk store that notes which of its files have no row.
pub(crate) struct TrackedChunks {
    inner: Arc<dyn ChunkStore>,
    unclaimed: Arc<Unclaimed>,
}

impl TrackedChunks {
    pub(crate) fn new(inner: Arc<dyn ChunkStore>, unclaimed: Arc<Unclaimed>) -> Self {
        Self { inner, unclaimed }
    }
}

impl ChunkStore for TrackedChunks {
    fn create(&self) -> Result<Box<dyn ChunkWriter>, ChunkError> {
        let writer = self.inner.create()?;
        let id = writer.id();
        self.unclaimed.files().insert(id);
        Ok(Box::new(TrackedWriter { inner: Some(writer), id, unclaimed: Arc::clone(&self.unclaimed) }))
    }

    fn open(&self, record: &ChunkRecord) -> Result<Box<dyn ChunkReader>, ChunkError> {
        self.inner.open(record)
    }

    fn inspect(&self, chunk: ChunkId) -> Result<(ChunkRecord, Vec<u8>), ChunkError> {
        self.inner.inspect(chunk)
    }

    fn remove(&self, chunk: ChunkId) -> Result<(), ChunkError> {
        self.inner.remove(chunk)?;
        self.unclaimed.forget(&[chunk]);
        Ok(())
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

struct TrackedWriter {
    /// `None` once it is sealed.
    inner: Option<Box<dyn ChunkWriter>>,
    id: ChunkId,
    unclaimed: Arc<Unclaimed>,
}

impl ChunkWriter for TrackedWriter {
    fn id(&self) -> ChunkId {
        self.id
    }

    fn length(&self) -> u64 {
        self.inner.as_ref().expect("sealing consumes the writer").length()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.inner.as_mut().expect("sealing consumes the writer").append(bytes)
    }

    fn attach(&mut self, appendix: Vec<u8>) {
        self.inner.as_mut().expect("sealing consumes the writer").attach(appendix);
    }

    fn seal(mut self: Box<Self>) -> Result<ChunkRecord, ChunkError> {
        let sealed = self.inner.take().expect("sealing consumes the writer").seal();
        if sealed.is_err() {
            self.unclaimed.forget(&[self.id]);
        }
        sealed
    }
}

impl Drop for TrackedWriter {
    fn drop(&mut self) {
        // Dropped unsealed, it removes its file: the id is forgotten only after that.
        if let Some(writer) = self.inner.take() {
            drop(writer);
            self.unclaimed.forget(&[self.id]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::poll;

    use super::{Doubt, TrackedChunks, Unclaimed};
    use crate::chunk::ChunkStore;
    use crate::chunk::memory::MemoryChunks;
    use crate::types::Epoch;

    fn tracked() -> (TrackedChunks, Arc<Unclaimed>) {
        let unclaimed = Arc::new(Unclaimed::default());
        (TrackedChunks::new(Arc::new(MemoryChunks::new(Epoch(1))), unclaimed.clone()), unclaimed)
    }

    #[tokio::test]
    async fn a_chunk_is_unclaimed_from_its_creation_until_it_is_committed_or_gone() {
        let (chunks, unclaimed) = tracked();
        let mut writer = chunks.create().unwrap();
        writer.append(b"x").unwrap();
        assert!(!unclaimed.is_clean());
        drop(writer);
        assert!(unclaimed.is_clean(), "dropped unsealed");
        let seal = || {
            let mut writer = chunks.create().unwrap();
            writer.append(b"x").unwrap();
            writer.seal().unwrap().id
        };
        let (removed, committed) = (seal(), seal());
        let mut settled = Box::pin(unclaimed.settled());
        assert!(poll!(settled.as_mut()).is_pending());
        chunks.remove(removed).unwrap();
        assert!(poll!(settled.as_mut()).is_pending());
        Doubt::new(unclaimed.clone(), vec![committed]).claim();
        settled.await;
        assert!(unclaimed.is_clean());
    }

    #[tokio::test]
    async fn a_commit_in_doubt_settles_and_is_never_clean() {
        let (chunks, unclaimed) = tracked();
        let mut writer = chunks.create().unwrap();
        writer.append(b"x").unwrap();
        let id = writer.seal().unwrap().id;
        drop(Doubt::new(unclaimed.clone(), vec![id]));
        unclaimed.settled().await;
        assert!(!unclaimed.is_clean());
    }
}
