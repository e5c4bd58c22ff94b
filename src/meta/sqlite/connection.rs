//! Opening connections: the file, its mode and the pragmas that the promise "200 means on disk" rests on.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, ffi};

use super::row::signed;
use crate::limits::{
    KIB, SQLITE_BUSY_TIMEOUT_MS, SQLITE_PAGE_BYTES, SQLITE_READER_CACHE_BYTES, SQLITE_STATEMENTS_CACHED_MAX,
    SQLITE_WAL_BYTES_MAX, SQLITE_WRITER_CACHE_BYTES,
};
use crate::meta::MetaError;

/// Opens the one connection that writes, creating the database if there is none.
pub(super) fn open_writer(path: &Path, cache_bytes: u64) -> Result<Connection, MetaError> {
    create_file(path).map_err(|error| MetaError::Storage(format!("create {}: {error}", path.display())))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    configure_writer(path, flags, cache_bytes)
        .map_err(|error| MetaError::Storage(format!("open {}: {error}", path.display())))
        .and_then(|connection| assert_durable(&connection).map(|()| connection))
}

/// Opens a connection that reads.
pub(super) fn open_reader(path: &Path, cache_bytes: u64) -> Result<Connection, MetaError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    configure_reader(path, flags, cache_bytes)
        .map_err(|error| MetaError::Storage(format!("open {} for reading: {error}", path.display())))
}

/// Opens a connection that copies, or that finishes a copy nobody else uses yet.
pub(super) fn open_copied(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = open_tuned(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", cache_kibibytes(SQLITE_READER_CACHE_BYTES))?;
    connection.pragma_update(None, "temp_store", "FILE")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// Opens the one connection to a new database that is thrown away with its process: nothing in it is ever durable, and
/// no change of it can be taken back.
pub(super) fn open_passing(path: &Path) -> Result<Connection, MetaError> {
    create_file(path).map_err(|error| MetaError::Storage(format!("create {}: {error}", path.display())))?;
    let open = || -> rusqlite::Result<Connection> {
        let connection = open_tuned(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.pragma_update(None, "page_size", signed(SQLITE_PAGE_BYTES))?;
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cache_size", cache_kibibytes(SQLITE_WRITER_CACHE_BYTES))?;
        connection.pragma_update(None, "temp_store", "FILE")?;
        connection.pragma_update(None, "mmap_size", 0)?;
        Ok(connection)
    };
    open().map_err(|error| MetaError::Storage(format!("open {}: {error}", path.display())))
}

/// Syncs the directory of `path`, so that a database that was just created is still there after a power
/// cut.
pub(super) fn sync_directory(path: &Path) -> Result<(), MetaError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| MetaError::Storage(format!("sync directory {}: {error}", directory.display())))
}

/// Creates an empty file with mode 0600 if there is none: the database holds secret keys. SQLite gives its
/// log and shared-memory files the same mode.
fn create_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a connection as SQLite makes it.
#[allow(unsafe_code, reason = "sqlite3_config has no safe wrapper")]
pub(super) fn open_plain(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    static CONFIGURED: Once = Once::new();
    // SQLite counts its allocations under one lock, which readers and writer would wait for. Nobody asks for the count.
    CONFIGURED.call_once(|| {
        // SAFETY: this option takes one integer, and no connection was opened before. A refusal leaves the count on.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0) };
    });
    Connection::open_with_flags(path, flags)
}

fn open_tuned(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = open_plain(path, flags)?;
    connection.busy_timeout(Duration::from_millis(SQLITE_BUSY_TIMEOUT_MS))?;
    connection.set_prepared_statement_cache_capacity(SQLITE_STATEMENTS_CACHED_MAX);
    // Without this guarantee SQLite plans a statement with a range anew for every value that is bound to
    // it, which makes a seek twenty times as dear.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn configure_writer(path: &Path, flags: OpenFlags, cache_bytes: u64) -> rusqlite::Result<Connection> {
    let connection = open_tuned(path, flags)?;
    // The page size counts before the first table and before the log; later it is ignored.
    connection.pragma_update(None, "page_size", signed(SQLITE_PAGE_BYTES))?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Only macOS tells a sync from a sync that reaches the medium; elsewhere these do nothing.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", cache_kibibytes(cache_bytes))?;
    // The writer never sorts; what it keeps in temporary storage are the few pages of a savepoint.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update_and_check(None, "journal_size_limit", signed(SQLITE_WAL_BYTES_MAX), |_| Ok(()))?;
    // The writer checkpoints by itself, after answering (see `writer`). This is the net beneath it.
    let wal_pages_max = signed(SQLITE_WAL_BYTES_MAX / SQLITE_PAGE_BYTES);
    connection.pragma_update_and_check(None, "wal_autocheckpoint", wal_pages_max, |_| Ok(()))?;
    Ok(connection)
}

fn configure_reader(path: &Path, flags: OpenFlags, cache_bytes: u64) -> rusqlite::Result<Connection> {
    let connection = open_tuned(path, flags)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", cache_kibibytes(cache_bytes))?;
    // Only `verify` sorts, and it sorts whole tables: on disk, or memory would not be a number.
    connection.pragma_update(None, "temp_store", "FILE")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// SQLite takes a negative `cache_size` as kibibytes.
fn cache_kibibytes(bytes: u64) -> i64 {
    -signed(bytes / KIB)
}

/// Reads back what durability rests on: SQLite ignores a pragma that it cannot obey without an error.
fn assert_durable(connection: &Connection) -> Result<(), MetaError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let check = || -> rusqlite::Result<Result<(), String>> {
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if !journal.eq_ignore_ascii_case("wal") {
            return Ok(Err(format!("journal_mode is {journal} instead of wal")));
        }
        let page_bytes = signed(SQLITE_PAGE_BYTES);
        for (name, wanted) in [("synchronous", 2), ("foreign_keys", 1), ("page_size", page_bytes)] {
            let found = number(name)?;
            if found != wanted {
                return Ok(Err(format!("{name} is {found} instead of {wanted}")));
            }
        }
        Ok(Ok(()))
    };
    match check() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(detail)) => Err(MetaError::Storage(format!("the database cannot keep its promise: {detail}"))),
        Err(error) => Err(MetaError::Storage(format!("read back the pragmas: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{assert_durable, open_reader, open_writer};

    #[test]
    fn a_new_database_and_its_log_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.sqlite");
        let connection = open_writer(&path, 1 << 20).unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        for name in ["meta.sqlite", "meta.sqlite-wal", "meta.sqlite-shm"] {
            let mode = directory.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_connection_without_full_sync_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let connection = open_writer(&directory.path().join("meta.sqlite"), 1 << 20).unwrap();
        connection.pragma_update(None, "synchronous", "NORMAL").unwrap();
        assert!(assert_durable(&connection).unwrap_err().to_string().contains("synchronous is 1"));
    }

    #[test]
    fn a_database_with_another_journal_mode_is_moved_to_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.sqlite");
        drop(open_writer(&path, 1 << 20).unwrap());
        let other = rusqlite::Connection::open(&path).unwrap();
        other.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(())).unwrap();
        drop(other);
        open_writer(&path, 1 << 20).unwrap();
    }

    #[test]
    fn a_statement_is_planned_once_whatever_is_bound_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.sqlite");
        let writer = open_writer(&path, 1 << 20).unwrap();
        writer.execute_batch("CREATE TABLE t (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID").unwrap();
        for connection in [writer, open_reader(&path, 1 << 20).unwrap()] {
            let mut statement = connection.prepare("SELECT a FROM t WHERE a = ?1 AND b >= ?2 ORDER BY b").unwrap();
            for value in 0..5 {
                assert!(statement.query([1, value]).unwrap().next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(rusqlite::StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn a_reader_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.sqlite");
        let writer = open_writer(&path, 1 << 20).unwrap();
        writer.execute_batch("CREATE TABLE t (x)").unwrap();
        let reader = open_reader(&path, 1 << 20).unwrap();
        assert!(reader.execute_batch("INSERT INTO t VALUES (1)").is_err());
    }
}
