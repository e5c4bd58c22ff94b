//! The metadata store on SQLite: one writer thread that commits in groups, a few readers, a write-ahead
//! log that is synced at every commit.
//!
//! Owns the database file and its schema. `rusqlite` is named nowhere else in the house.

mod admission;
mod body;
mod book;
mod boot;
mod bucket;
mod bucket_change;
mod chunk_users;
mod complete;
mod connection;
mod damage;
mod document;
mod errno;
mod event;
mod expiry;
mod failure;
mod finds;
mod garbage;
mod group;
mod key;
mod listing;
mod metadata;
mod migrate;
mod object;
mod placing;
mod port;
mod reader;
mod rename;
mod retiring;
mod row;
mod seats;
mod settle;
mod small;
mod snapshot;
mod sql;
#[cfg(test)]
mod tests;
mod transaction;
mod undelete;
mod upload;
mod usage;
mod verify;
mod version;
mod version_listing;
mod writer;

use std::path::Path;
use std::sync::Arc;

use crate::limits::{SQLITE_READER_CACHE_BYTES, SQLITE_READERS, SQLITE_WRITER_CACHE_BYTES};
use crate::meta::{MetaError, current_origin};
pub use finds::{BodyName, Finds, FoundBody, FoundEnd, FoundPiece};
use group::Committer;
pub use metadata::{read_metadata, write_metadata};
use reader::Readers;
pub use snapshot::{copy_database, snapshot_time};
use transaction::Transaction;
use writer::Writer;

/// What the store may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// Page cache of the writer in bytes.
    pub writer_cache_bytes: u64,
    /// Page cache of each reader in bytes.
    pub reader_cache_bytes: u64,
    /// Number of readers; at least 1.
    pub readers: usize,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            writer_cache_bytes: SQLITE_WRITER_CACHE_BYTES,
            reader_cache_bytes: SQLITE_READER_CACHE_BYTES,
            readers: SQLITE_READERS,
        }
    }
}

/// A metadata store in one SQLite database.
///
/// Dropped, it commits what is queued and joins its thread; `MetaStore::close` does the same without
/// blocking the reactor.
pub struct SqliteMeta {
    readers: Arc<Readers>,
    writer: Writer,
}

impl SqliteMeta {
    /// Opens the database at `path`, creating it (mode 0600) if there is none, and brings its schema up to
    /// date. Blocks.
    ///
    /// # Errors
    /// `Storage` if it cannot be opened, cannot be durable, or belongs to a newer binary; `Full`.
    pub fn open(path: &Path, settings: SqliteSettings) -> Result<Self, MetaError> {
        settle::settle(path)?;
        let connection = connection::open_writer(path, settings.writer_cache_bytes)?;
        migrate::migrate(&connection)?;
        connection::sync_directory(path)?;
        let readers = Readers::open(path, settings.readers, settings.reader_cache_bytes)?;
        let writer = Writer::start(Committer::new(connection))?;
        tracing::info!(path = %path.display(), readers = settings.readers, "metadata store open");
        Ok(Self { readers, writer })
    }

    /// Runs `work` in the next group and waits until it is durable; `what` names it in errors.
    async fn write<T, F>(&self, what: &'static str, work: F) -> Result<T, MetaError>
    where
        T: Send + 'static,
        F: Fn(&Transaction<'_>) -> Result<T, failure::Failure> + Send + 'static,
    {
        let queue = self.writer.queue()?;
        let origin = current_origin();
        let work = move |transaction: &Transaction<'_>| {
            transaction.set_origin(origin.clone());
            work(transaction)
        };
        queue.submit(what, work).await
    }

    async fn close_all(&self) -> Result<(), MetaError> {
        let Some(writer) = self.writer.stop() else {
            return Ok(());
        };
        // Readers first: the last connection to close can then cut the log back to nothing.
        self.readers.close().await;
        let joined = tokio::task::spawn_blocking(move || writer.join()).await;
        joined.map_err(|error| MetaError::Storage(format!("join the metadata writer: {error}")))?
    }
}

impl Drop for SqliteMeta {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.stop()
            && let Err(error) = writer.join()
        {
            tracing::error!(%error, "close the metadata store");
        }
    }
}
