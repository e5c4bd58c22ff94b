//! Bodies that are on their way in now: who sends what, how far it is, how fast.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A body on its way in, as it is told of.
#[derive(Clone, Debug)]
pub struct RunningUpload {
    /// The id of its request.
    pub request_id: String,
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its operation: a name from a fixed set.
    pub operation: &'static str,
    /// The name of who sends it.
    pub name: String,
    /// The other end of its connection.
    pub peer: String,
    /// Bytes that are expected, if anybody said.
    pub expected_bytes: Option<u64>,
    /// Counts the bytes that came.
    pub received: Arc<AtomicU64>,
    /// When it began.
    pub began: Instant,
}

impl RunningUpload {
    /// Bytes that came so far.
    pub fn received_bytes(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// All of them: no more than there are requests in flight.
#[derive(Debug, Default)]
pub struct RunningUploads {
    next: AtomicU64,
    running: Mutex<HashMap<u64, RunningUpload>>,
}

impl RunningUploads {
    fn running(&self) -> MutexGuard<'_, HashMap<u64, RunningUpload>> {
        // A map is whole whatever its holder did.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes one, until the guard is dropped.
    pub fn begin(self: &Arc<Self>, upload: RunningUpload) -> UploadGuard {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.running().insert(number, upload);
        UploadGuard { number, uploads: Arc::clone(self) }
    }

    /// All that run now, the oldest first.
    pub fn list(&self) -> Vec<RunningUpload> {
        let mut found: Vec<_> = self.running().values().cloned().collect();
        found.sort_by_key(|upload| upload.began);
        found
    }
}

/// Says that an upload runs.
#[derive(Debug)]
pub struct UploadGuard {
    number: u64,
    uploads: Arc<RunningUploads>,
}

impl Drop for UploadGuard {
    fn drop(&mut self) {
        let ended = self.uploads.running().remove(&self.number);
        // Freed after the lock.
        drop(ended);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Instant;

    use super::{RunningUpload, RunningUploads};

    #[test]
    fn an_upload_is_told_of_as_long_as_it_runs() {
        let uploads = Arc::new(RunningUploads::default());
        let received = Arc::new(AtomicU64::new(0));
        let guard = uploads.begin(RunningUpload {
            request_id: "R".to_owned(),
            bucket: "b".to_owned(),
            key: "k".to_owned(),
            operation: "PutObject",
            name: "ann".to_owned(),
            peer: "127.0.0.1:1".to_owned(),
            expected_bytes: Some(7),
            received: Arc::clone(&received),
            began: Instant::now(),
        });
        received.store(5, Ordering::Relaxed);
        assert_eq!(uploads.list()[0].received_bytes(), 5);
        drop(guard);
        assert!(uploads.list().is_empty());
    }
}
