//! Putting a snapshot of the database in the place of the one that is there.
//!
//! A snapshot knows nothing of what came after it. Three things follow, and none of them may cost a byte that somebody
//! could still want:
//! - Objects that were deleted since have rows and no chunk files: their rows go, each is named.
//! - Chunk files that were written since have no rows: they are set aside in `unclaimed`, not removed.
//! - Epochs of later boots exist as directories: they are never handed out again.
//!
//! The restored database is made ready beside the old one and takes its place in one rename; the old one stays. Putting
//! that back by the same way brings what was set aside back, too.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::app::store::open_at;
use crate::app::{DataLock, StartError, data_dir};
use crate::chunk::local::{self, LocalChunks};
use crate::chunk::{ChunkError, ChunkStore};
use crate::engine::look_at_lock_clock;
use crate::engine::maintenance::visit_files;
use crate::limits::{CHECK_STEP, GARBAGE_STEP};
use crate::meta::{LostBody, MetaError, MetaStore, SqliteMeta, copy_database};
use crate::types::{ChunkId, Clock as _, Epoch, SystemClock};

/// Directory in the data directory of chunk files that no row knows.
pub const UNCLAIMED: &str = "unclaimed";
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
    /// The snapshot has chunks and there is not one chunk file: another disk is probably not mounted.
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
    /// Chunk files that were set aside because the snapshot does not know them.
    pub set_aside: u64,
    /// Chunk files that had been set aside and are in use again.
    pub brought_back: u64,
}

/// Puts the database `snapshot` in place in `directory`, and tells `report` of everything that lost its bytes.
///
/// # Errors
/// `Start` if a server runs; the others as they say.
pub async fn restore(
    directory: &Path,
    snapshot: &Path,
    report: &mut (dyn FnMut(&LostBody) + Send),
) -> Result<Restored, RestoreError> {
    if !directory.is_dir() {
        return Err(StartError::NoData { path: directory.to_owned() }.into());
    }
    let _lock = DataLock::take(directory)?;
    let database = data_dir::database(directory);
    let restoring = beside(&database, ".restoring");
    remove_all(&restoring)?;
    copy_database(snapshot, &restoring)?;
    let mut restored = Restored::default();
    let meta = open_at(&restoring)?;
    let prepared = prepare(directory, meta.as_ref(), &mut restored, report).await;
    meta.close().await?;
    prepared?;
    drop(meta);
    swap(&database, &restoring, &mut restored)?;
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
    report: &mut (dyn FnMut(&LostBody) + Send),
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
                report(&body);
            }
        }
    }
    forget_garbage(meta).await
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
    let boot = meta.begin_epoch().await?;
    let chunks: Arc<dyn ChunkStore> = Arc::new(LocalChunks::open_buffered(directory, boot.epoch)?);
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
    Ok(meta.end_epoch(boot.epoch).await?)
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
