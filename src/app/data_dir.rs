//! The data directory, what is where in it, and the lock that keeps it to one server.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::app::StartError;
use crate::engine::{SNAPSHOTS, Snapshots};

/// File name of the database.
pub const DATABASE: &str = "meta.sqlite";
const LOCK: &str = "lock";
const DIRECTORY_MODE: u32 = 0o700;
const LOCK_MODE: u32 = 0o600;

/// The right to be the only one who writes chunks in a data directory. The kernel drops it with the process,
/// however that ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// The database of a data directory.
pub fn database(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE)
}

/// The Unix socket of the server that runs on a data directory.
pub fn admin_socket(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

/// The snapshots of its database: in `directory`, or in the data directory itself.
pub fn snapshots(data_dir: &Path, directory: Option<&Path>) -> Snapshots {
    let directory = directory.map_or_else(|| data_dir.join(SNAPSHOTS), Path::to_owned);
    Snapshots::new(database(data_dir), directory)
}

/// Makes the data directory, mode 0700, if there is none: secrets and everybody's objects are in it. The
/// entry in its parent is synced, or else a power cut could take everything that was acknowledged with it.
///
/// # Errors
/// `DataDir`.
pub fn prepare(data_dir: &Path) -> Result<(), StartError> {
    let failed = |step| move |source| StartError::DataDir { step, path: data_dir.to_owned(), source };
    match std::fs::metadata(data_dir) {
        Ok(facts) if facts.is_dir() => {
            if facts.permissions().mode() & 0o077 != 0 {
                tracing::warn!(path = %data_dir.display(), "other users may look into the data directory");
            }
            Ok(())
        }
        Ok(_) => Err(failed("use data directory")(io::ErrorKind::NotADirectory.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data_dir).map_err(failed("make data directory")),
        Err(error) => Err(failed("read data directory")(error)),
    }
}

fn make(data_dir: &Path) -> io::Result<()> {
    let parent = match data_dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    std::fs::create_dir_all(parent)?;
    match DirBuilder::new().mode(DIRECTORY_MODE).create(data_dir) {
        // Another process of ours may have made it just now.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(parent)?.sync_all()
}

impl DataLock {
    /// Takes the lock, or says who has it.
    ///
    /// # Errors
    /// `InUse`, `DataDir`.
    pub fn take(data_dir: &Path) -> Result<Self, StartError> {
        let path = data_dir.join(LOCK);
        let failed = |source| StartError::DataDir { step: "lock data directory", path: data_dir.to_owned(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(LOCK_MODE);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StartError::InUse { path: data_dir.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Who holds it is a hint for people; the lock itself is the kernel's.
        let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        noted.map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let is_read = file.take(32).read_to_string(&mut text).is_ok();
    match text.trim().parse::<u32>() {
        Ok(process) if is_read => format!(" (process {process})"),
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{DataLock, prepare};
    use crate::app::StartError;

    #[test]
    fn a_new_data_directory_is_private() {
        let scratch = tempfile::tempdir().unwrap();
        let data_dir = scratch.path().join("deep/er/data");
        prepare(&data_dir).expect("it can be made");
        prepare(&data_dir).expect("it can be used again");
        assert_eq!(std::fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(prepare(&file), Err(StartError::DataDir { step: "use data directory", .. })));
    }

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_dropped() {
        let scratch = tempfile::tempdir().unwrap();
        let first = DataLock::take(scratch.path()).expect("free");
        let refused = DataLock::take(scratch.path()).expect_err("taken").to_string();
        let expected = format!("in use by another sluicegate (process {})", std::process::id());
        assert!(refused.contains(&expected), "{refused}");
        drop(first);
        DataLock::take(scratch.path()).expect("free again");
    }
}
