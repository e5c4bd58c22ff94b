//! Sealed chunks between the writer that made them and the commit that refers to them.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::chunk::ChunkStore;
use crate::meta::NewExtent;
use crate::types::ChunkId;

/// Sealed chunks that nothing refers to yet. Dropped, it removes their files; `disarm` leaves them to
/// whoever committed them.
pub struct UnclaimedChunks {
    pub(crate) store: Arc<dyn ChunkStore>,
    pub(crate) extents: Vec<NewExtent>,
}

impl UnclaimedChunks {
    /// No chunks of `store`.
    pub(crate) fn new(store: Arc<dyn ChunkStore>) -> Self {
        Self { store, extents: Vec::new() }
    }

    /// The extents, whose chunks now belong to the caller: to be called when they were committed, or when
    /// it is in doubt whether they were.
    pub fn disarm(mut self) -> Vec<NewExtent> {
        std::mem::take(&mut self.extents)
    }

    /// Appends the extents of `later`.
    pub(crate) fn append(&mut self, later: Self) {
        self.extents.extend(later.disarm());
    }
}

impl Drop for UnclaimedChunks {
    fn drop(&mut self) {
        let sealed = |extent| match extent {
            NewExtent::Sealed { id, .. } => Some(id),
            // Another body refers to it.
            NewExtent::Shared { .. } => None,
        };
        let chunks: Vec<_> = std::mem::take(&mut self.extents).into_iter().filter_map(sealed).collect();
        if !chunks.is_empty() {
            drop_off_reactor(Removal { store: Arc::clone(&self.store), chunks });
        }
    }
}

/// Removes chunks where it is dropped, which happens exactly once even if a runtime that shuts down never
/// runs the job that it was moved into.
struct Removal {
    store: Arc<dyn ChunkStore>,
    chunks: Vec<ChunkId>,
}

impl Drop for Removal {
    fn drop(&mut self) {
        for &chunk in &self.chunks {
            if let Err(error) = self.store.remove(chunk) {
                // It stays as an orphan, which only takes space.
                tracing::warn!(%chunk, %error, "could not remove an unclaimed chunk");
            }
        }
    }
}

/// Drops a value whose destructor removes files: on a blocking thread if there is a runtime, else here.
pub(crate) fn drop_off_reactor<T: Send + 'static>(value: T) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(value))),
        Err(_) => drop(value),
    }
}
