//! Snapshots of the database: where they are, what they are called, when the next one is due and which of them go.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tokio::task::spawn_blocking;

use crate::engine::{Engine, EngineError};
use crate::meta::{MetaError, copy_database};
use crate::telemetry::record;
use crate::types::Timestamp;

/// Directory of the snapshots in the data directory, unless there is another.
pub const SNAPSHOTS: &str = "snapshots";

const PREFIX: &str = "meta-";
const SUFFIX: &str = ".sqlite";
/// The one that is being written; no listing shows it.
const PARTIAL: &str = "partial";
const LOCK: &str = "lock";
const DIRECTORY_MODE: u32 = 0o700;

/// The snapshots of one database.
#[derive(Clone, Debug)]
pub struct Snapshots {
    database: PathBuf,
    directory: PathBuf,
}

/// One snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its file.
    pub path: PathBuf,
    /// When it was taken, in whole seconds.
    pub taken: Timestamp,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Whether the next snapshot is due. Without a newest one it is; a clock that was turned back puts none off.
pub fn is_due(newest: Option<Timestamp>, now: Timestamp, interval_seconds: u64) -> bool {
    let interval = i64::try_from(interval_seconds).unwrap_or(i64::MAX);
    newest.is_none_or(|newest| now >= newest.plus_seconds(interval) || now < newest.truncated_to_seconds())
}

fn name(taken: Timestamp) -> String {
    format!("{PREFIX}{}{SUFFIX}", taken.amz_basic())
}

/// When the snapshot of that name was taken; `None` for whatever is not ours.
fn taken_in(file_name: &str) -> Option<Timestamp> {
    let taken = Timestamp::parse_amz_basic(file_name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?)?;
    (name(taken) == file_name).then_some(taken)
}

impl Snapshots {
    /// Those of the database `database` in `directory`.
    pub fn new(database: PathBuf, directory: PathBuf) -> Self {
        Self { database, directory }
    }

    /// The snapshots, oldest first.
    ///
    /// # Errors
    /// `Storage`.
    pub fn list(&self) -> Result<Vec<Snapshot>, MetaError> {
        self.read_list().map_err(|error| self.failed("list", &error))
    }

    fn read_list(&self) -> io::Result<Vec<Snapshot>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(taken) = entry.file_name().to_str().and_then(taken_in) else { continue };
            let bytes = match entry.metadata() {
                Ok(facts) => facts.len(),
                // A server that took a newer one removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            found.push(Snapshot { path: entry.path(), taken, bytes });
        }
        found.sort_by_key(|snapshot| snapshot.taken);
        Ok(found)
    }

    /// Takes a snapshot. Blocks. When it returns, the file and its name survive a power cut.
    ///
    /// # Errors
    /// `Full`, `Storage`: also while another one is being taken.
    pub fn take(&self, now: Timestamp) -> Result<Snapshot, MetaError> {
        let failed = |step| move |error: io::Error| self.failed(step, &error);
        self.prepare().map_err(failed("make"))?;
        let _lock = self.lock()?;
        let partial = self.directory.join(PARTIAL);
        remove(&partial).map_err(failed("tidy"))?;
        if let Err(error) = copy_database(&self.database, &partial, Some(now)) {
            // Half a copy is of use to nobody.
            let _ = remove(&partial);
            return Err(error);
        }
        let mut taken = now.truncated_to_seconds();
        while self.directory.join(name(taken)).exists() {
            taken = taken.plus_seconds(1);
        }
        let path = self.directory.join(name(taken));
        let bytes = std::fs::metadata(&partial).map_err(failed("read"))?.len();
        std::fs::rename(&partial, &path).map_err(failed("name a snapshot in"))?;
        sync_directory(&self.directory).map_err(failed("sync"))?;
        Ok(Snapshot { path, taken, bytes })
    }

    /// Removes the oldest snapshots, all but `keep`; returns how many.
    ///
    /// # Errors
    /// `Storage`.
    pub fn prune(&self, keep: usize) -> Result<usize, MetaError> {
        let mut snapshots = self.list()?;
        snapshots.truncate(snapshots.len().saturating_sub(keep));
        for snapshot in &snapshots {
            remove(&snapshot.path).map_err(|error| self.failed("remove a snapshot from", &error))?;
        }
        Ok(snapshots.len())
    }

    fn prepare(&self) -> io::Result<()> {
        if !self.directory.is_dir() {
            DirBuilder::new().mode(DIRECTORY_MODE).recursive(true).create(&self.directory)?;
            let parent = self.directory.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync_directory(parent.unwrap_or_else(|| Path::new(".")))?;
        }
        Ok(())
    }

    /// The kernel drops it with the process.
    fn lock(&self) -> Result<File, MetaError> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).open(self.directory.join(LOCK));
        let file = file.map_err(|error| self.failed("lock", &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(MetaError::Storage("another snapshot is being taken right now".to_owned()))
            }
            Err(TryLockError::Error(error)) => Err(self.failed("lock", &error)),
        }
    }

    fn failed(&self, step: &str, error: &io::Error) -> MetaError {
        MetaError::Storage(format!("{step} {}: {error}", self.directory.display()))
    }
}

impl Engine {
    /// Takes a snapshot if one is due, and then removes the oldest, all but `keep`.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn snapshot_step(
        &self,
        snapshots: &Snapshots,
        interval_seconds: u64,
        keep: usize,
    ) -> Result<(), EngineError> {
        let (snapshots, now) = (snapshots.clone(), self.now());
        let step = spawn_blocking(move || {
            let newest = snapshots.list()?.last().map(|newest| newest.taken);
            let mut last = newest;
            if is_due(newest, now, interval_seconds) {
                let Snapshot { path, taken, bytes } = snapshots.take(now)?;
                last = Some(taken);
                tracing::info!(path = %path.display(), bytes, "snapshot of the database taken");
                snapshots.prune(keep)?;
            }
            Ok::<_, MetaError>(last)
        });
        let taken = step.await.map_err(|_| EngineError::Stopped)?;
        record::snapshot_attempted(taken.as_ref().ok().copied().flatten());
        Ok(taken.map(drop)?)
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Snapshots, is_due, name, taken_in};
    use crate::meta::{MetaError, SqliteMeta, SqliteSettings};
    use crate::types::Timestamp;

    const NOW: Timestamp = Timestamp::from_seconds(1_700_000_000);

    fn house() -> (tempfile::TempDir, Snapshots) {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("meta.sqlite");
        drop(SqliteMeta::open(&database, SqliteSettings::default()).unwrap());
        let snapshots = Snapshots::new(database, directory.path().join("a/b"));
        (directory, snapshots)
    }

    #[test]
    fn snapshots_are_named_by_their_time_listed_and_pruned() {
        let (_directory, snapshots) = house();
        assert_eq!(snapshots.list().unwrap(), []);
        let first = snapshots.take(NOW.plus_seconds(60)).unwrap();
        let second = snapshots.take(NOW).unwrap();
        let third = snapshots.take(Timestamp(NOW.0 + 999_999)).unwrap();
        assert_eq!(third.taken, NOW.plus_seconds(1), "two of one second have names of their own");
        std::fs::write(snapshots.directory.join("meta-note.sqlite"), "mine").unwrap();
        assert_eq!(snapshots.list().unwrap(), [second, third.clone(), first.clone()]);
        assert_eq!(snapshots.prune(2).unwrap(), 1);
        assert_eq!(snapshots.prune(2).unwrap(), 0);
        assert_eq!(snapshots.list().unwrap(), [third, first]);
        assert!(snapshots.directory.join("meta-note.sqlite").exists());
        assert_eq!(std::fs::metadata(&snapshots.directory).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_a_crash_left_is_replaced_and_two_at_once_are_refused() {
        let (_directory, snapshots) = house();
        snapshots.take(NOW).unwrap();
        std::fs::write(snapshots.directory.join("partial"), "half").unwrap();
        snapshots.take(NOW).unwrap();
        assert!(!snapshots.directory.join("partial").exists());
        let lock = snapshots.lock().unwrap();
        assert!(matches!(snapshots.take(NOW), Err(MetaError::Storage(_))));
        drop(lock);
        snapshots.take(NOW).unwrap();
        assert_eq!(snapshots.list().unwrap().len(), 3);
    }

    #[test]
    fn a_snapshot_that_failed_leaves_nothing() {
        let (_directory, snapshots) = house();
        std::fs::write(&snapshots.database, vec![7; 50_000]).unwrap();
        assert!(snapshots.take(NOW).is_err());
        assert!(!snapshots.directory.join("partial").exists());
        assert_eq!(snapshots.list().unwrap(), []);
    }

    #[test]
    fn the_next_is_due_an_interval_after_the_newest() {
        assert!(is_due(None, NOW, 100));
        for (seconds, due) in [(0, false), (99, false), (100, true), (-1, true)] {
            assert_eq!(is_due(Some(NOW), NOW.plus_seconds(seconds), 100), due, "{seconds}");
        }
        assert!(!is_due(Some(NOW), NOW.plus_seconds(5), u64::MAX));
    }

    #[test]
    fn names_read_back_and_others_are_nobodys() {
        assert_eq!(name(NOW), "meta-20231114T221320Z.sqlite");
        assert_eq!(taken_in(&name(NOW)), Some(NOW));
        for other in ["meta-.sqlite", "partial", "lock", "meta-20231114T221320Z.sqlite-wal", "x20231114T221320Z.sqlite"]
        {
            assert_eq!(taken_in(other), None, "{other}");
        }
    }
}
