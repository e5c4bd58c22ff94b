//! The readers: a fixed number of read-only connections, used off the reactor, or on it where nothing waits for the
//! disk. Knows nothing of what is read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::open_reader;
use super::failure::Failure;
use super::seats::Seats;
use super::sql;
use crate::meta::MetaError;

/// A pool of connections that read.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    count: u32,
    seats: Seats,
}

/// A connection taken from the pool; goes back when it is dropped, also by a panic.
struct Lease {
    readers: Arc<Readers>,
    connection: Option<Connection>,
    // Dropped after `drop` has put the connection back, so a permit always finds a connection.
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
    }
}

impl Readers {
    /// Opens `count` connections with `cache_bytes` of page cache each.
    pub(super) fn open(path: &Path, count: usize, cache_bytes: u64) -> Result<Arc<Self>, MetaError> {
        assert!(count > 0, "a store without readers answers nothing");
        let idle = (0..count).map(|_| open_reader(path, cache_bytes)).collect::<Result<Vec<_>, _>>()?;
        let permits = Arc::new(Semaphore::new(count));
        let count = u32::try_from(count).expect("readers are few");
        Ok(Arc::new(Self { idle: Mutex::new(idle), permits, count, seats: Seats::default() }))
    }

    /// Runs `work` on a connection, in one read transaction, so that all its statements see one state;
    /// `what` names it in errors.
    pub(super) async fn read<T, F>(self: &Arc<Self>, what: &'static str, work: F) -> Result<T, MetaError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| MetaError::Closed)?;
        let lease = self.lease(permit);
        let joined = tokio::task::spawn_blocking(move || lease.run(what, work));
        joined.await.map_err(|error| MetaError::Storage(format!("{what}: {error}")))?
    }

    /// As `read`, for work that touches a few pages: done right here if a connection is idle, and if such reads did not
    /// have to wait for the disk of late.
    pub(super) async fn look_up<T, F>(self: &Arc<Self>, what: &'static str, work: F) -> Result<T, MetaError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        if let Some(_seat) = self.seats.wait().await
            && let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned()
        {
            return self.lease(permit).run(what, work);
        }
        self.read(what, work).await
    }

    fn lease(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Lease {
        let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lease { readers: Arc::clone(self), connection, _permit: permit }
    }

    /// Waits for the reads that are under way, then closes every connection. Later reads get `Closed`.
    pub(super) async fn close(&self) {
        if let Ok(permits) = self.permits.acquire_many(self.count).await {
            self.permits.close();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
            drop(permits);
        }
    }
}

impl Lease {
    /// Runs `work` in a read transaction.
    fn run<T>(self, what: &str, work: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, MetaError> {
        let connection = self.connection.as_ref().expect("there are as many permits as connections");
        let read = || {
            sql::execute(connection, "BEGIN", [])?;
            let _snapshot = Snapshot(connection);
            work(connection)
        };
        read().map_err(|failure| failure.into_meta(what))
    }
}

/// A read transaction. Rolled back when it is dropped, also by a panic: there is nothing to commit.
struct Snapshot<'c>(&'c Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if let Err(failure) = sql::execute(self.0, "ROLLBACK", []) {
            tracing::error!(error = %failure.into_meta("end a read"), "a reader may be of no use any more");
        }
    }
}
