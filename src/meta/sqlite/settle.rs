//! The log that a run left behind: made durable before anything is built on it.
//!
//! After a sync that failed, the system shows bytes that never reached the disk and calls them clean. A process that
//! fails to sync a commit overwrites it with the next one. If it is killed before that, the next process would read
//! the commit, take it for durable and append to it; a power cut would then take whatever came after it, too.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::connection::open_plain;
use crate::limits::LOG_SETTLE_BYTES;
use crate::meta::MetaError;

/// Writes the log of the database at `path` once more, as it reads, and syncs it; unless there is none, or another
/// process has the database open and did so itself.
pub(super) fn settle(path: &Path) -> Result<(), MetaError> {
    let log = log_of(path);
    match std::fs::metadata(&log) {
        Ok(facts) if facts.len() > 0 => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(MetaError::Storage(format!("look at {}: {error}", log.display()))),
    }
    let alone = open_alone(path)
        .map_err(|error| MetaError::Storage(format!("open {} for its log: {error}", path.display())))?;
    let Some(_alone) = alone else { return Ok(()) };
    rewrite(&log).map_err(|error| MetaError::Storage(format!("write {} again: {error}", log.display())))
}

fn log_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    PathBuf::from(name)
}

/// A connection that keeps everybody else out; `None` if somebody is in.
fn open_alone(path: &Path) -> rusqlite::Result<Option<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open_plain(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    // Closed, it would copy the log into the database, which must not be ahead of what the log holds on disk.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
    match connection.execute_batch("BEGIN EXCLUSIVE") {
        Ok(()) => Ok(Some(connection)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same bytes in the same places: what of them is on disk stays as it is, however far this gets.
fn rewrite(log: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(log)?;
    let mut buffer = vec![0; LOG_SETTLE_BYTES];
    let mut at = 0;
    loop {
        let length = match file.read_at(&mut buffer, at) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        file.write_all_at(&buffer[..length], at)?;
        at += length as u64;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::connection::open_writer;
    use super::{log_of, open_alone, settle};

    #[test]
    fn the_log_of_a_killed_process_stays_as_it_was_and_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let (live, left) = (directory.path().join("live.sqlite"), directory.path().join("left.sqlite"));
        let writer = open_writer(&live, 1 << 20).unwrap();
        writer.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
        // As a kill leaves them: no process has them open, the log was not copied.
        std::fs::copy(&live, &left).unwrap();
        std::fs::copy(log_of(&live), log_of(&left)).unwrap();
        let before = std::fs::read(log_of(&left)).unwrap();
        settle(&left).unwrap();
        assert_eq!(std::fs::read(log_of(&left)).unwrap(), before);
        let found: i64 = Connection::open(&left).unwrap().query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(found, 7);
    }

    #[test]
    fn a_database_that_is_open_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.sqlite");
        let writer = open_writer(&path, 1 << 20).unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(open_alone(&path).unwrap().is_none());
        settle(&path).unwrap();
        writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();
    }

    #[test]
    fn nothing_is_made_where_there_is_no_log() {
        let directory = tempfile::tempdir().unwrap();
        settle(&directory.path().join("meta.sqlite")).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
