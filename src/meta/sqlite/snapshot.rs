//! Copies of the whole database, taken while it is in use, and put in its place again.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connection::open_copied;
use super::failure::Failure;
use super::sql;
use crate::limits::SNAPSHOT_FREE_FACTOR;
use crate::meta::MetaError;
use crate::types::Timestamp;

/// Copies the database at `source`, as it is at one moment, to the new file `target` (mode 0600), which is durable but
/// for its name when this returns. Blocks; neither readers nor the writer of `source` wait for it. In the copy no epoch
/// runs and no lease is held: a boot from it sweeps nothing, because the files of later commits have no rows in it.
///
/// `taken` is kept in the copy, as the time of which it tells everything; without it the copy is of no such time.
///
/// # Errors
/// `Full` if the disk of `target` would get too full; `Storage`. `target` is then gone or not whole.
pub fn copy_database(source: &Path, target: &Path, taken: Option<Timestamp>) -> Result<(), MetaError> {
    require_room(source, target)?;
    let failed =
        |step: &str, error: std::io::Error| MetaError::Storage(format!("{step} {}: {error}", target.display()));
    // Made before SQLite would make it: it holds secret keys.
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create_new(true).mode(0o600).open(target).map_err(|error| failed("create", error))?;
    let run = || -> Result<(), Failure> {
        let connection = open_copied(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
        drop(connection);
        let copy = open_copied(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        copy.execute_batch(
            "UPDATE epoch SET running = 0; DELETE FROM lease; DELETE FROM state WHERE name = 'snapshot';",
        )?;
        if let Some(Timestamp(micros)) = taken {
            copy.execute("INSERT INTO state (name, value) VALUES ('snapshot', ?1)", [micros])?;
        }
        require_sound(&copy)
    };
    run().map_err(|failure| failure.into_meta("copy the database"))?;
    file.sync_all().map_err(|error| failed("sync", error))
}

/// The time of which a snapshot tells everything; `None` if the database is none.
///
/// # Errors
/// `Storage`.
pub fn snapshot_time(path: &Path) -> Result<Option<Timestamp>, MetaError> {
    let read = || -> Result<Option<Timestamp>, Failure> {
        let connection = open_copied(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let query = "SELECT value FROM state WHERE name = 'snapshot'";
        sql::first(&connection, query, [], |row| Ok(Timestamp(row.get(0)?)))
    };
    read().map_err(|failure| failure.into_meta("read the snapshot"))
}

/// A copy that does not read is none.
fn require_sound(connection: &Connection) -> Result<(), Failure> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Failure::Refused(MetaError::Storage(format!("the database is damaged: {verdict}"))))
}

/// A copy must not be what fills the disk that bodies go to.
fn require_room(source: &Path, target: &Path) -> Result<(), MetaError> {
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let failed = |error: std::io::Error| MetaError::Storage(format!("read the size of {}: {error}", source.display()));
    let bytes = File::open(source).and_then(|file| file.metadata()).map_err(failed)?.len();
    let facts = rustix::fs::statvfs(directory).map_err(|error| failed(error.into()))?;
    let free = facts.f_bavail.saturating_mul(facts.f_frsize);
    if free / SNAPSHOT_FREE_FACTOR < bytes { Err(MetaError::Full) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{copy_database, snapshot_time};
    use crate::meta::{MetaError, MetaStore as _, NewBucket, SqliteMeta, SqliteSettings};
    use crate::types::{BucketName, Epoch, OwnerId, Timestamp};

    #[tokio::test]
    async fn a_copy_holds_one_moment_and_is_a_database_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let (source, target) = (directory.path().join("meta.sqlite"), directory.path().join("copy"));
        let store = SqliteMeta::open(&source, SqliteSettings::default()).unwrap();
        let create = async |name: &str| {
            let bucket = NewBucket::new(BucketName::parse(name).unwrap(), OwnerId("o".to_owned()), Timestamp(1));
            store.create_bucket(bucket).await.unwrap();
        };
        create("before").await;
        store.begin_epoch().await.unwrap();
        assert!(store.take_lease("job", Epoch(1), Timestamp(1), Timestamp(i64::MAX)).await.unwrap());
        copy_database(&source, &target, Some(Timestamp(9))).unwrap();
        assert_eq!(snapshot_time(&target).unwrap(), Some(Timestamp(9)));
        assert_eq!(snapshot_time(&source).unwrap(), None);
        let plain = directory.path().join("plain");
        copy_database(&target, &plain, None).unwrap();
        assert_eq!(snapshot_time(&plain).unwrap(), None);
        create("after").await;
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = SqliteMeta::open(&target, SqliteSettings::default()).unwrap();
        assert!(copy.bucket(&BucketName::parse("before").unwrap()).await.unwrap().is_some());
        assert!(copy.bucket(&BucketName::parse("after").unwrap()).await.unwrap().is_none());
        let mut faults = Vec::new();
        copy.verify(&mut |fault| faults.push(fault)).await.unwrap();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(copy.begin_epoch().await.unwrap().crashed, [], "nothing is swept by it");
        assert!(copy.take_lease("job", Epoch(2), Timestamp(2), Timestamp(3)).await.unwrap());
    }

    #[test]
    fn a_target_that_exists_and_a_source_that_is_none_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (source, target) = (directory.path().join("meta.sqlite"), directory.path().join("copy"));
        assert!(matches!(copy_database(&source, &target, None), Err(MetaError::Storage(_))));
        drop(SqliteMeta::open(&source, SqliteSettings::default()).unwrap());
        std::fs::write(&target, "somebody's").unwrap();
        assert!(matches!(copy_database(&source, &target, None), Err(MetaError::Storage(_))));
        assert_eq!(std::fs::read(&target).unwrap(), b"somebody's");
        std::fs::write(&source, vec![7; 100_000]).unwrap();
        assert!(matches!(copy_database(&source, &directory.path().join("other"), None), Err(MetaError::Storage(_))));
    }
}
