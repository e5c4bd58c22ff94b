//! Opening the stores: for a server, and for commands that work beside one.

use std::path::Path;
use std::sync::Arc;

use crate::app::{DataLock, StartError, data_dir};
use crate::buffer::BlockPool;
use crate::chunk::local::LocalChunks;
use crate::engine::Engine;
use crate::limits::{CHECK_POOL_BLOCKS, SQLITE_READER_CACHE_BYTES, SQLITE_WRITER_CACHE_BYTES};
use crate::meta::{MetaStore as _, SqliteMeta, SqliteSettings};
use crate::types::{Epoch, SystemClock};

/// What to do if there is no database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Make one, and the data directory.
    Create,
    /// Refuse, so that a mistyped path is noticed.
    Refuse,
}

/// Opens the metadata store for a command: it needs no lock, because SQLite lets several processes in.
///
/// # Errors
/// `NoData`, `DataDir`, `Meta`.
pub fn open_metadata(directory: &Path, absent: Absent) -> Result<Arc<SqliteMeta>, StartError> {
    match absent {
        Absent::Create => data_dir::prepare(directory)?,
        Absent::Refuse if data_dir::database(directory).exists() => {}
        Absent::Refuse => return Err(StartError::NoData { path: directory.to_owned() }),
    }
    let settings = SqliteSettings {
        writer_cache_bytes: SQLITE_WRITER_CACHE_BYTES,
        reader_cache_bytes: SQLITE_READER_CACHE_BYTES,
        readers: 1,
    };
    open_database(directory, settings)
}

/// Opens the database at `path` for a command that has it for itself.
///
/// # Errors
/// `Meta`.
pub fn open_at(path: &Path) -> Result<Arc<SqliteMeta>, StartError> {
    let settings = SqliteSettings { readers: 1, ..SqliteSettings::default() };
    let opened = SqliteMeta::open(path, settings);
    opened.map(Arc::new).map_err(|source| StartError::Meta { step: "open metadata store", source })
}

/// Opens the metadata store with `settings`.
///
/// # Errors
/// `Meta`.
pub fn open_database(directory: &Path, settings: SqliteSettings) -> Result<Arc<SqliteMeta>, StartError> {
    let opened = SqliteMeta::open(&data_dir::database(directory), settings);
    opened.map(Arc::new).map_err(|source| StartError::Meta { step: "open metadata store", source })
}

/// A boot that looks at everything and writes no chunk: what `check` works with.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// This boot.
    pub epoch: Epoch,
    /// Epochs that did not end: crashed, or running in a server. Their files may lack rows.
    pub open: Vec<Epoch>,
    /// Whether a server runs on the same data.
    pub server_runs: bool,
    /// Held if no server runs, so that none starts meanwhile.
    _lock: Option<DataLock>,
}

impl Session {
    /// Opens both stores of an existing data directory.
    ///
    /// # Errors
    /// `NoData`, `DataDir`, `Meta`, `Chunk`.
    pub async fn open(directory: &Path) -> Result<Self, StartError> {
        let meta = open_metadata(directory, Absent::Refuse)?;
        let lock = match DataLock::take(directory) {
            Ok(lock) => Some(lock),
            Err(StartError::InUse { .. }) => None,
            Err(error) => return Err(error),
        };
        let boot = meta.begin_epoch().await;
        let boot = boot.map_err(|source| StartError::Meta { step: "begin epoch", source })?;
        let chunks = LocalChunks::open(directory, boot.epoch).map_err(StartError::Chunk)?;
        let pool = BlockPool::new(CHECK_POOL_BLOCKS);
        let engine = Engine::new(meta, Arc::new(chunks), pool, Arc::new(SystemClock));
        Ok(Self { engine, epoch: boot.epoch, open: boot.crashed, server_runs: lock.is_none(), _lock: lock })
    }
}
