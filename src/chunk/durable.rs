//! The durable steps of a new file, as types that cannot be half-used: `NewFile` (append) → `SyncedFile`
//! (its bytes survive a power cut) → listed (its name does too). A value of either type that is dropped takes
//! its file with it. Knows nothing of what the bytes mean.
//!
//! Where the file system allows it, whole blocks bypass the page cache (O_DIRECT, into space that was
//! allocated before): that costs a fraction of the CPU, and an upload does not push everybody's cached pages
//! out. Whatever is small or not aligned takes the ordinary way, in the same file.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

use crate::chunk::ChunkError;
use crate::limits::{CHUNK_ALLOCATION_BYTES_MIN, DIRECT_BYTES_MIN};

/// Alignment of direct writes in file, memory and length. No disk of our time asks for more.
const DIRECT_ALIGNMENT: usize = 4096;

/// How the bytes of new files reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WritePath {
    /// Past the page cache where alignment allows it.
    Direct,
    /// Through the page cache.
    Buffered,
}

/// Sorts the cause of a failed step: a full disk is the operator's to solve, anything else is a fault.
pub(super) fn failed(step: &'static str, source: io::Error) -> ChunkError {
    let full = [Errno::NOSPC, Errno::DQUOT].iter().any(|errno| source.raw_os_error() == Some(errno.raw_os_error()));
    if full { ChunkError::Full(source) } else { ChunkError::Io { step, source } }
}

/// The directories that lost a name since they were last synced: a power cut may bring it back.
#[derive(Default)]
pub(super) struct Removals {
    directories: Mutex<BTreeSet<PathBuf>>,
    /// Held while directories are synced: whoever comes second must not return before.
    syncing: Mutex<()>,
}

impl Removals {
    fn directories(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a name in `directory` went.
    pub(super) fn note(&self, directory: &Path) {
        self.directories().insert(directory.to_owned());
    }

    /// Makes what was noted before this call durable.
    ///
    /// # Errors
    /// `Full` or `Io`; whatever was not synced stays noted. That a second sync may do nothing is borne: the worst that
    /// comes of it is an orphan.
    pub(super) fn sync(&self) -> Result<(), ChunkError> {
        let _syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut noted = std::mem::take(&mut *self.directories());
        while let Some(directory) = noted.pop_last() {
            let synced = match File::open(&directory) {
                Ok(file) => file.sync_all(),
                // It went itself, and the directory that it was in is noted for that.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(source) = synced {
                noted.insert(directory);
                self.directories().append(&mut noted);
                return Err(failed("sync chunk directory after removals", source));
            }
        }
        Ok(())
    }
}

/// A directory whose entries can be made durable. Requests that arrive while a sync runs share the next one,
/// so that many seals cost few syncs.
pub(super) struct Directory {
    path: PathBuf,
    file: File,
    state: Mutex<SyncState>,
    ended: Condvar,
    /// Shared by all directories of a tree.
    removals: Arc<Removals>,
}

#[derive(Default)]
struct SyncState {
    /// Syncs that were begun, and the number of the last one that ended.
    begun: u64,
    ended: u64,
    running: bool,
    /// Callers that wait for a sync of somebody else.
    waiting: u32,
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
        Self::open_below(path, Arc::default())
    }

    fn open_below(path: &Path, removals: Arc<Removals>) -> Result<Self, ChunkError> {
        let file = File::open(path).map_err(|source| failed("open chunk directory", source))?;
        Ok(Self { path: path.to_owned(), file, state: Mutex::default(), ended: Condvar::new(), removals })
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
        if let Err(error) = self.sync_name() {
            // The name counts as lost. It goes, so that whoever wants it next makes it anew, and syncs that.
            if std::fs::remove_dir(&path).is_err() {
                self.state().failed = Some(Errno::IO.raw_os_error());
            }
            return Err(error);
        }
        Self::open_below(&path, Arc::clone(&self.removals))
    }

    /// Syncs the directory for a name that was just added and that nobody uses yet.
    fn sync_name(&self) -> Result<(), ChunkError> {
        let earlier = self.state().failed.map(io::Error::from_raw_os_error);
        let synced = earlier.map_or_else(|| self.file.sync_all(), Err);
        synced.map_err(|source| failed("sync chunk directory", source))
    }

    /// What went from this directory and all that share its tree.
    pub(super) fn removals(&self) -> &Arc<Removals> {
        &self.removals
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
                state.waiting += 1;
                state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.waiting -= 1;
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
        self.directory.removals.note(&self.directory.path);
    }
}

/// A file that is being written.
pub(super) struct NewFile {
    file: File,
    claim: Claim,
    length: u64,
    write_path: WritePath,
    /// Whether the file is in direct mode now.
    is_direct: bool,
    /// Bytes of space that were allocated in advance, if any were.
    allocated: u64,
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
    pub(super) fn create(directory: &Arc<Directory>, name: &str, write_path: WritePath) -> Result<Self, ChunkError> {
        let path = directory.path().join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| failed("create chunk file", source))?;
        let claim = Claim { path, directory: Arc::clone(directory), kept: false };
        Ok(Self { file, claim, length: 0, write_path, is_direct: false, allocated: 0, broken: false })
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// `Full` or `Io`; every later call fails too.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.refuse_if_broken()?;
        if let Err(source) = self.write(bytes) {
            self.broken = true;
            return Err(failed("write chunk file", source));
        }
        Ok(())
    }

    fn refuse_if_broken(&self) -> Result<(), ChunkError> {
        if self.broken {
            let source = io::Error::other("an earlier write failed");
            return Err(ChunkError::Io { step: "continue chunk file", source });
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let direct = self.directly_writable(bytes);
        if direct > 0 {
            match self.write_directly(&bytes[..direct]) {
                Ok(()) => bytes = &bytes[direct..],
                // The probe said otherwise, but there are disks with wishes of their own. Whatever was written
                // is written again.
                Err(error) if is_refusal(&error) => self.write_path = WritePath::Buffered,
                Err(error) => return Err(error),
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.set_direct(false)?;
        self.file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// How many of `bytes` can bypass the page cache.
    fn directly_writable(&self, bytes: &[u8]) -> usize {
        let aligned = self.length.is_multiple_of(DIRECT_ALIGNMENT as u64)
            && bytes.as_ptr().addr().is_multiple_of(DIRECT_ALIGNMENT);
        match self.write_path {
            WritePath::Direct if aligned && bytes.len() >= DIRECT_BYTES_MIN => bytes.len() & !(DIRECT_ALIGNMENT - 1),
            WritePath::Direct | WritePath::Buffered => 0,
        }
    }

    fn write_directly(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.length + bytes.len() as u64;
        if end > self.allocated {
            // With its final size set in advance, a file does not grow with each write, which would cost a
            // transaction of the file system each time.
            let ample = end.max(2 * self.allocated).max(CHUNK_ALLOCATION_BYTES_MIN);
            // On a disk that is nearly full, what is needed may still fit.
            self.allocate(ample).or_else(|_| self.allocate(end))?;
        }
        self.set_direct(true)?;
        self.file.write_all_at(bytes, self.length)?;
        self.length = end;
        Ok(())
    }

    fn allocate(&mut self, end: u64) -> io::Result<()> {
        fallocate(&self.file, FallocateFlags::empty(), self.allocated, end - self.allocated)?;
        self.allocated = end;
        Ok(())
    }

    fn set_direct(&mut self, direct: bool) -> io::Result<()> {
        if self.is_direct != direct {
            let mut flags = fcntl_getfl(&self.file)?;
            flags.set(OFlags::DIRECT, direct);
            fcntl_setfl(&self.file, flags)?;
            self.is_direct = direct;
        }
        Ok(())
    }

    /// Syncs the bytes.
    ///
    /// # Errors
    /// `Full` or `Io`; the file is removed, because a second sync might succeed without having written.
    pub(super) fn sync(self) -> Result<SyncedFile, ChunkError> {
        self.refuse_if_broken()?;
        if self.allocated > self.length {
            self.file.set_len(self.length).map_err(|source| failed("cut chunk file", source))?;
        }
        self.file.sync_data().map_err(|source| failed("sync chunk file", source))?;
        Ok(SyncedFile { claim: self.claim })
    }
}

/// Whether a file system says that it does not do such a thing, and not that it failed.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS];
    refusals.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Finds out whether new files in `directory` can be written past the page cache.
///
/// # Errors
/// `Full` or `Io`.
pub(super) fn probe(directory: &Arc<Directory>) -> Result<WritePath, ChunkError> {
    #[repr(align(4096))]
    struct Aligned([u8; DIRECT_BYTES_MIN]);
    // `default` of a boxed slice would not be aligned; the array is small enough to pass through the stack.
    let aligned = Box::new(Aligned([0; DIRECT_BYTES_MIN]));
    let mut file = NewFile::create(directory, "probe", WritePath::Direct)?;
    file.append(&aligned.0)?;
    Ok(file.write_path)
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

    use super::{Directory, NewFile, WritePath, failed, probe};
    use crate::buffer::{BlockPool, PoolShare};
    use crate::chunk::ChunkError;
    use crate::limits::{BLOCK_BYTES, DIRECT_BYTES_MIN};

    fn names(directory: &Directory) -> Vec<String> {
        let entries = std::fs::read_dir(directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_dropped_at_any_step_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(root.path()).unwrap());
        let mut unsynced = NewFile::create(&directory, "a", WritePath::Buffered).unwrap();
        unsynced.append(b"bytes").unwrap();
        drop(unsynced);
        let synced = NewFile::create(&directory, "b", WritePath::Direct).unwrap().sync().unwrap();
        assert_eq!(names(&directory), ["b"]);
        drop(synced);
        assert!(names(&directory).is_empty());
        NewFile::create(&directory, "c", WritePath::Direct).unwrap().sync().unwrap().list().unwrap();
        assert_eq!(names(&directory), ["c"]);
    }

    /// Cuts at blocks (direct), between (buffered), and back on the grid again.
    #[test]
    fn both_ways_write_the_same_file() {
        let root = tempfile::tempdir().unwrap();
        let directory = Arc::new(Directory::open(root.path()).unwrap());
        let pool = BlockPool::new(1);
        let mut block = pool.try_lease(PoolShare::Write).unwrap();
        let pattern: Vec<u8> = (0..BLOCK_BYTES as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        block.fill(&pattern);
        let cuts = [BLOCK_BYTES, DIRECT_BYTES_MIN + 1, 4095, BLOCK_BYTES, 100, 3996, BLOCK_BYTES - 1, 1, 4096, 77];
        let mut expected = Vec::new();
        for (name, path) in [("direct", probe(&directory).unwrap()), ("buffered", WritePath::Buffered)] {
            let mut file = NewFile::create(&directory, name, path).unwrap();
            expected.clear();
            for cut in cuts {
                file.append(&block.filled()[..cut]).unwrap();
                expected.extend_from_slice(&block.filled()[..cut]);
            }
            file.sync().unwrap().list().unwrap();
            assert!(std::fs::read(root.path().join(name)).unwrap() == expected, "{name}");
        }
        assert_eq!(names(&directory).len(), 2, "the probe leaves nothing");
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
        let synced = NewFile::create(&directory, "a", WritePath::Buffered).unwrap().sync().unwrap();
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
                        directory.sync_with(|| {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        })
                    })
                })
                .collect();
            while directory.state().waiting < 8 {
                std::thread::yield_now();
            }
            assert_eq!(directory.state().ended, 0, "nobody returns from a sync that has not ended");
            release.wait();
            assert!(first.join().unwrap().is_ok());
            for other in others {
                assert!(other.join().unwrap().is_ok());
            }
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 2, "the first one, and one for all the others");
    }
}
