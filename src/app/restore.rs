//! Putting a snapshot of the database in the place of the one that is there.
//!
//! A snapshot knows nothing of what came after it. Three things follow, and none of them may cost a byte that somebody
//! could still want:
//! - Objects that were deleted since have rows and no chunk files: their rows go, each is named.
//! - Chunk files that were written since have no rows: those of whole objects are adopted, by what their labels say; the
//!   others are set aside in `unclaimed`, not removed.
//! - Epochs of later boots exist as directories: they are never handed out again.
//!
//! The restored database is made ready beside the old one and takes its place in one rename; the old one stays. Putting
//! that back by the same way brings what was set aside back, too. A rebuild is the same with a new database.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::store::open_at;
use crate::app::{DataLock, StartError, data_dir};
use crate::buffer::BlockPool;
use crate::chunk::local::{self, LocalChunks};
use crate::chunk::{ChunkError, ChunkStore};
use crate::engine::maintenance::visit_files;
use crate::engine::{Adopted, Adopting, Engine, EngineError, Found, look_at_lock_clock};
use crate::limits::{CHECK_POOL_BLOCKS, CHECK_STEP, GARBAGE_STEP};
use crate::meta::{Finds, LostBody, MetaError, MetaStore, SqliteMeta, copy_database, snapshot_time};
use crate::types::{ChunkId, Clock as _, Epoch, SystemClock, Timestamp};

/// Directory in the data directory of chunk files that no row knows.
pub const UNCLAIMED: &str = "unclaimed";
/// Of the file beside the database of what was found so far. It goes at the end; what a crash left, at the next try.
const FINDS: &str = ".finds";
/// What SQLite keeps beside a database.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

/// Why a snapshot could not be put in place. The old database is still there, unless `Swap` says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A database failed: the snapshot, or the copy of it.
    #[error(transparent)]
    Meta(#[from] MetaError),
    /// The chunk files could not be read or moved.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// What the chunk files say could not be made objects of.
    #[error(transparent)]
    Adopt(#[from] EngineError),
    /// There is a database: nothing needs to be rebuilt.
    #[error("there is a database, {}: move it away to rebuild another, or use `sluicegate restore`", path.display())]
    Exists {
        /// The database.
        path: PathBuf,
    },
    /// There is not one chunk file, but there should be: another disk is probably not mounted.
    #[error("there are no chunk files in {}: is their disk mounted?", path.display())]
    NoChunks {
        /// The data directory.
        path: PathBuf,
    },
    /// A file could not be put in place. Do it again.
    #[error("{step} {}", path.display())]
    Swap {
        /// Verb and object.
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// What a restoration did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Where the database is that was replaced, if there was one.
    pub replaced: Option<PathBuf>,
    /// Objects, uploads and restorable versions without bytes.
    pub lost: u64,
    /// What became of bodies that the database did not know.
    pub adopted: Adopted,
    /// Chunk files that were set aside because the database does not know them.
    pub set_aside: u64,
    /// Chunk files that had been set aside and are in use again.
    pub brought_back: u64,
}

/// Who watches a restoration or a rebuild.
pub trait RestoreObserver: Send {
    /// Something has no bytes any more.
    fn lost(&mut self, lost: &LostBody);
    /// A body was found that the database does not know.
    fn found(&mut self, found: &Found);
    /// So many more chunks were looked at.
    fn looked(&mut self, chunks: usize);
}

/// Puts the database `snapshot` in place in `directory`.
///
/// # Errors
/// `Start` if a server runs; the others as they say.
pub async fn restore(
    directory: &Path,
    snapshot: &Path,
    observer: &mut dyn RestoreObserver,
) -> Result<Restored, RestoreError> {
    let _lock = lock(directory)?;
    let since = snapshot_time(snapshot)?;
    let fresh = beside(&data_dir::database(directory), ".restoring");
    remove_all(&fresh)?;
    copy_database(snapshot, &fresh, None)?;
    let meta = open_at(&fresh)?;
    let mut restored = Restored::default();
    let prepared = prepare(directory, &meta, &mut restored, observer).await;
    let prepared = match (prepared, since) {
        // What is no snapshot tells everything of no moment: nothing can be said to be newer.
        (Ok(()), Some(since)) => adopt(directory, &meta, Some(since), &mut restored, observer).await,
        (prepared, _) => prepared,
    };
    finish(directory, (meta, &fresh), prepared, restored).await
}

/// Makes a database for `directory`, which has none, of what its chunk files say.
///
/// # Errors
/// `Start` if a server runs; `Exists`; the others as they say.
pub async fn rebuild(directory: &Path, observer: &mut dyn RestoreObserver) -> Result<Restored, RestoreError> {
    let _lock = lock(directory)?;
    let database = data_dir::database(directory);
    if database.exists() {
        return Err(RestoreError::Exists { path: database });
    }
    let Some(last) = local::epochs_in(directory)?.into_iter().max() else {
        return Err(RestoreError::NoChunks { path: directory.to_owned() });
    };
    let fresh = beside(&database, ".restoring");
    remove_all(&fresh)?;
    let meta = open_at(&fresh)?;
    let mut restored = Restored::default();
    let prepared = match meta.end_epochs(last).await {
        Ok(()) => adopt(directory, &meta, None, &mut restored, observer).await,
        Err(error) => Err(error.into()),
    };
    finish(directory, (meta, &fresh), prepared, restored).await
}

fn lock(directory: &Path) -> Result<DataLock, RestoreError> {
    if !directory.is_dir() {
        return Err(StartError::NoData { path: directory.to_owned() }.into());
    }
    Ok(DataLock::take(directory)?)
}

async fn adopt(
    directory: &Path,
    meta: &Arc<SqliteMeta>,
    since: Option<Timestamp>,
    restored: &mut Restored,
    observer: &mut dyn RestoreObserver,
) -> Result<(), RestoreError> {
    if local::epochs_in(directory)?.is_empty() {
        return Ok(());
    }
    let chunks = Arc::new(LocalChunks::existing(directory)?);
    let store = Arc::clone(meta) as Arc<dyn MetaStore>;
    let engine = Engine::new(store, chunks, BlockPool::new(CHECK_POOL_BLOCKS), Arc::new(SystemClock));
    let mut report = |told| match told {
        Adopting::Looked(chunks) => observer.looked(chunks),
        Adopting::Found(found) => observer.found(&found),
    };
    let finds = Finds::create(&beside(&data_dir::database(directory), FINDS))?;
    restored.adopted = engine.adopt(since, finds, &mut report).await?;
    Ok(())
}

/// Puts the ready database in place, if it is ready.
async fn finish(
    directory: &Path,
    (meta, fresh): (Arc<SqliteMeta>, &Path),
    prepared: Result<(), RestoreError>,
    mut restored: Restored,
) -> Result<Restored, RestoreError> {
    let tidied = match prepared {
        Ok(()) => forget_garbage(&meta).await,
        Err(error) => Err(error),
    };
    meta.close().await?;
    drop(meta);
    if let Err(error) = tidied {
        remove_all(fresh)?;
        return Err(error);
    }
    let database = data_dir::database(directory);
    swap(&database, fresh, &mut restored)?;
    let meta = open_at(&database)?;
    let set_aside = set_aside_unknown(directory, &meta, &mut restored).await;
    meta.close().await?;
    set_aside?;
    Ok(restored)
}

/// Makes the copy fit the chunk files that are there.
async fn prepare(
    directory: &Path,
    meta: &SqliteMeta,
    restored: &mut Restored,
    observer: &mut dyn RestoreObserver,
) -> Result<(), RestoreError> {
    let last = local::epochs_in(directory)?.into_iter().max();
    if last.is_none() && !meta.chunks(None, 1).await?.is_empty() {
        return Err(RestoreError::NoChunks { path: directory.to_owned() });
    }
    meta.end_epochs(last.unwrap_or(Epoch(0))).await?;
    let lock_time =
        look_at_lock_clock(meta, &SystemClock).await.map_err(|error| MetaError::Storage(error.to_string()))?;
    let aside = directory.join(UNCLAIMED);
    let mut after = None;
    loop {
        let page = meta.chunks(after, CHECK_STEP).await?;
        let Some((last, _, _)) = page.last() else { break };
        after = Some(*last);
        observer.looked(page.len());
        let mut lost: Vec<ChunkId> = Vec::new();
        for (chunk, _, _) in page {
            match (local::has_file(directory, chunk), local::has_file(&aside, chunk)) {
                (true, _) => {}
                (false, true) => {
                    local::move_file(&aside, directory, chunk)?;
                    restored.brought_back += 1;
                }
                (false, false) => lost.push(chunk),
            }
        }
        if !lost.is_empty() {
            for body in meta.drop_chunk_users(lost, lock_time.time).await? {
                restored.lost += 1;
                observer.lost(&body);
            }
        }
    }
    Ok(())
}

/// Forgets what nobody refers to, and leaves the files to be set aside: the collector of the next server removes none
/// of them. What is garbage to the snapshot may be what somebody wants to look at.
async fn forget_garbage(meta: &SqliteMeta) -> Result<(), RestoreError> {
    loop {
        let garbage = meta.garbage_manifests(GARBAGE_STEP).await?;
        for manifest in &garbage {
            while !meta.release_manifest(*manifest, GARBAGE_STEP).await? {}
        }
        let dead = meta.dead_chunks(GARBAGE_STEP).await?;
        if garbage.is_empty() && dead.is_empty() {
            return Ok(());
        }
        meta.forget_chunks(dead).await?;
    }
}

/// Puts the ready copy in the place of the database, which keeps its log beside it under another name.
fn swap(database: &Path, restoring: &Path, restored: &mut Restored) -> Result<(), RestoreError> {
    let failed = |step: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::Swap { step, path, source }
    };
    // Closed, a database has no log left, or the name that it gets would part the two.
    for companion in COMPANIONS {
        let path = beside(restoring, companion);
        if path.exists() {
            return Err(failed("close the restored database: it left", &path)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    File::open(restoring).and_then(|file| file.sync_all()).map_err(failed("sync", restoring))?;
    let replaced = beside(database, &format!(".replaced-{}", SystemClock.now().amz_basic()));
    // The database goes before its log: alone, a log means nothing to anybody; a database alone would be one that
    // lost its newest commits.
    for suffix in ["", COMPANIONS[0], COMPANIONS[1]] {
        let (from, to) = (beside(database, suffix), beside(&replaced, suffix));
        if from.exists() {
            std::fs::rename(&from, &to).map_err(failed("set aside", &from))?;
            restored.replaced = Some(replaced.clone());
        }
    }
    let directory = database.parent().unwrap_or_else(|| Path::new("."));
    let sync = || File::open(directory).and_then(|directory| directory.sync_all());
    sync().map_err(failed("sync", directory))?;
    std::fs::rename(restoring, database).map_err(failed("put in place", restoring))?;
    sync().map_err(failed("sync", directory))
}

async fn set_aside_unknown(
    directory: &Path,
    meta: &Arc<SqliteMeta>,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    if local::epochs_in(directory)?.is_empty() {
        return Ok(());
    }
    let chunks: Arc<dyn ChunkStore> = Arc::new(LocalChunks::existing(directory)?);
    let aside = directory.join(UNCLAIMED);
    for epoch in chunks.epochs()? {
        let mut files = visit_files(&chunks, epoch);
        while let Some(batch) = files.next().await {
            let known = meta.known_chunks(batch.clone()).await?;
            for (chunk, _) in batch.into_iter().zip(known).filter(|(_, is_known)| !is_known) {
                local::move_file(directory, &aside, chunk)?;
                restored.set_aside += 1;
            }
        }
        files.finish().await.map_err(|error| MetaError::Storage(error.to_string()))?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_all(database: &Path) -> Result<(), RestoreError> {
    for suffix in ["", COMPANIONS[0], COMPANIONS[1]] {
        let path = beside(database, suffix);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RestoreError::Swap { step: "remove", path, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}
