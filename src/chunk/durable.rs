//! The durable steps of a new file, as types that cannot be half-used: `NewFile` (append) → `SyncedFile`
//! (its bytes survive a power cut) → listed (its name does too). A value of either type that is dropped takes
//! its file with it. Knows nothing of what the bytes mean.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::chunk::ChunkError;

/// Sorts the cause of a failed step: a full disk is the operator's to solve, anything else is a fault.
pub(super) fn failed(step: &'static str, source: io::Error) -> ChunkError {
    let full = [Errno::NOSPC, Errno::DQUOT].iter().any(|errno| source.raw_os_error() == Some(errno.raw_os_error()));
    if full { ChunkError::Full(source) } else { ChunkError::Io { step, source } }
}

/// A directory whose entries can be made durable. Requests that arrive while a sync runs share the next one,
/// so that many seals cost few syncs.
pub(super) struct Directory {
    path: PathBuf,
    file: File,
    state: Mutex<SyncState>,
    ended: Condvar,
}

#[derive(Default)]
struct SyncState {
    /// Syncs that were begun, and the number of the last one that ended.
    begun: u64,
    ended: u64,
    running: bool,
    /// The error of a failed sync. File systems mark pages clean after one, so that the next sync would
    /// succeed without having written anything: nothing in this directory is acknowledged any more.
    failed: Option<i32>,
}

impl Directory {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn open(path: &Path) -> Result<Self, ChunkError> {
        let file = File::open(path).map_err(|source| failed("open chunk directory", source))?;
        Ok(Self { path: path.to_owned(), file, state: Mutex::default(), ended: Condvar::new() })
    }

    /// Opens the directory `name` in this one; makes it, durably, if it does not exist.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn subdirectory(&self, name: &str) -> Result<Self, ChunkError> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make chunk directory", error)),
        }
        // Also when it existed: whoever made it may not have lived to sync it.
        self.sync()?;
        Self::open(&path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a sync of this directory failed: nothing new can become durable in it.
    pub(super) fn has_failed(&self) -> bool {
        self.state().failed.is_some()
    }

    fn state(&self) -> MutexGuard<'_, SyncState> {
        // Every change of the state is a handful of assignments that cannot panic between.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes every entry that was added before this call durable.
    ///
    /// # Errors
    /// `Full` or `Io` if this sync, or any earlier one of this directory, failed.
    pub(super) fn sync(&self) -> Result<(), ChunkError> {
        self.sync_with(|| self.file.sync_all())
    }

    fn sync_with(&self, sync: impl Fn() -> io::Result<()>) -> Result<(), ChunkError> {
        const STEP: &str = "sync chunk directory";
        let mut state = self.state();
        // A sync that runs already may have passed our entry: only one that begins after now counts.
        let wanted = state.begun + 1;
        loop {
            if let Some(errno) = state.failed {
                return Err(failed(STEP, io::Error::from_raw_os_error(errno)));
            }
            if state.ended >= wanted {
                return Ok(());
            }
            if state.running {
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            state.running = true;
            drop(state);
            let result = sync();
            state = self.state();
            state.running = false;
            state.ended = state.begun;
            if let Err(error) = result {
                state.failed = Some(error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()));
            }
            self.ended.notify_all();
        }
    }
}

/// The name of a file that is removed unless it became durable.
struct Claim {
    path: PathBuf,
    directory: Arc<Directory>,
    kept: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = std::fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            // The collector finds it by its epoch after the next unclean start; until then it only takes space.
            tracing::warn!(path = %self.path.display(), %error, "could not remove an unfinished chunk file");
        }
    }
}

/// A file that is being written.
pub(super) struct NewFile {
    file: File,
    claim: Claim,
    length: u64,
    /// A write failed: what the file holds is unknown, and it is never synced.
    broken: bool,
}

/// A file whose bytes are durable, but whose name may not be.
pub(super) struct SyncedFile {
    claim: Claim,
}

impl NewFile {
    /// Makes the file `name`, which must not exist.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub(super) fn create(directory: &Arc<Directory>, name: &str) -> Result<Self, ChunkError> {
        let path = directory.path().join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| failed("create chunk file", source))?;
        let claim = Claim { path, directory: Arc::clone(directory), kept: false };
        Ok(Self { file, claim, length: 0, broken: false })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// `Full` or `Io`; every later call fails too.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.refuse_if_broken()?;
        if let Err(source) = self.file.write_all_at(bytes, self.length) {
            self.broken = true;
            return Err(failed("write chunk file", source));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn refuse_if_broken(&self) -> Result<(), ChunkError> {
        if self.broken {
            let source = io::Error::other("an earlier write failed");
            return Err(ChunkError::Io { step: "continue chunk file", source });
        }
        Ok(())
    }

    /// Syncs the bytes.
    ///
    /// # Errors
    /// `Full` or `Io`; the file is removed, because a second sync might succeed without having written.
    pub(super) fn sync(self) -> Result<SyncedFile, ChunkError> {
        self.refuse_if_broken()?;
        self.file.sync_data().map_err(|source| failed("sync chunk file", source))?;
        Ok(SyncedFile { claim: self.claim })
    }
}

impl SyncedFile {
    /// Makes the name durable. From here on the file stays.
    ///
    /// # Errors
    /// `Full` or `Io`; the file is removed.
    pub(super) fn list(mut self) -> Result<(), ChunkError> {
        self.claim.directory.sync()?;
        self.claim.kept = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use rustix::io::Errno;

    use super::{Directory, NewFile, failed};
    use crate::chunk::ChunkError;

    fn names(directory: &Directory) -> Vec<String> {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_dropped_at_any_step_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(root.path()).unwrap());
        let mut unsynced = NewFile::create(&directory, "a").unwrap();
        unsynced.append(b"bytes").unwrap();
        drop(unsynced);
        let synced = NewFile::create(&directory, "b").unwrap().sync().unwrap();
        assert_eq!(names(&directory), ["b"]);
        drop(synced);
        assert!(names(&directory).is_empty());
        NewFile::create(&directory, "c").unwrap().sync().unwrap().list().unwrap();
        assert_eq!(names(&directory), ["c"]);
    }

    #[test]
    fn a_full_disk_or_quota_is_told_from_a_fault() {
        for errno in [Errno::NOSPC, Errno::DQUOT] {
            assert!(matches!(failed("write", io::Error::from(errno)), ChunkError::Full(_)));
        }
        assert!(matches!(failed("write", io::Error::from(Errno::IO)), ChunkError::Io { step: "write", .. }));
    }

    #[test]
    fn a_failed_directory_sync_is_never_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(root.path()).unwrap());
        let synced = NewFile::create(&directory, "a").unwrap().sync().unwrap();
        assert!(directory.sync_with(|| Err(io::Error::from(Errno::IO))).is_err());
        assert!(directory.has_failed());
        assert!(synced.list().is_err(), "the next sync would have succeeded");
        assert!(names(&directory).is_empty());
    }

    #[test]
    fn requests_during_a_sync_share_the_next_one() {
        let root = tempfile::tempdir().unwrap();
        let directory = Directory::open(root.path()).unwrap();
        let syncs = AtomicUsize::new(0);
        let (entered, release) = (Barrier::new(2), Barrier::new(2));
        let waiting = Barrier::new(9);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                directory.sync_with(|| {
                    syncs.fetch_add(1, Ordering::SeqCst);
                    entered.wait();
                    release.wait();
                    Ok(())
                })
            });
            entered.wait();
            let others: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        waiting.wait();
                        directory.sync_with(|| {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        })
                    })
                })
                .collect();
            waiting.wait();
            assert_eq!(directory.state().ended, 0, "nobody returns from a sync that has not ended");
            release.wait();
            assert!(first.join().unwrap().is_ok());
            for other in others {
                assert!(other.join().unwrap().is_ok());
            }
        });
        // Those that arrived in time share one; a late one may need its own, but never one each plus the first.
        let syncs = syncs.load(Ordering::SeqCst);
        assert!((2..=9).contains(&syncs), "{syncs}");
        assert_eq!(directory.state().ended as usize, syncs);
    }
}
