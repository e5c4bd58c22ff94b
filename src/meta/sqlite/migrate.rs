//! Schema versions: numbered SQL files that are embedded, applied in order, recorded with their checksum
//! and never edited once released.

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use super::failure::Failure;
use crate::meta::MetaError;
use crate::types::{Clock as _, SystemClock};

/// One step of the schema.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, name: "initial", sql: include_str!("../../../migrations/0001_initial.sql") },
    Migration { number: 2, name: "features", sql: include_str!("../../../migrations/0002_features.sql") },
    Migration { number: 3, name: "proof", sql: include_str!("../../../migrations/0003_proof.sql") },
    Migration { number: 4, name: "key_rates", sql: include_str!("../../../migrations/0004_key_rates.sql") },
    Migration { number: 5, name: "key_use", sql: include_str!("../../../migrations/0005_key_use.sql") },
];

/// Brings the schema up to this binary's, in one transaction. Refuses a database whose applied migrations
/// differ from ours, or that a newer binary has migrated: its rows may mean something else.
pub(super) fn migrate(connection: &Connection) -> Result<(), MetaError> {
    migrate_to(connection, MIGRATIONS)
}

fn migrate_to(connection: &Connection, migrations: &[Migration]) -> Result<(), MetaError> {
    let run = || -> Result<(), Failure> {
        // Immediate: of two processes that open a new database at once, one waits for the other.
        connection.execute_batch("BEGIN IMMEDIATE")?;
        apply(connection, migrations)?;
        Ok(connection.execute_batch("COMMIT")?)
    };
    run().map_err(|failure| {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "roll back a failed migration");
        }
        failure.into_meta("migrate the metadata schema")
    })
}

fn apply(connection: &Connection, migrations: &[Migration]) -> Result<(), Failure> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS migration (
             number   INTEGER PRIMARY KEY,
             name     TEXT NOT NULL,
             checksum BLOB NOT NULL,
             applied  INTEGER NOT NULL
         ) STRICT",
    )?;
    let refuse = |detail: String| Failure::Refused(MetaError::Storage(detail));
    let applied = super::sql::all(connection, "SELECT number, checksum FROM migration ORDER BY number", [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
    })?;
    for (index, (number, checksum)) in applied.iter().enumerate() {
        let Some(known) = migrations.get(index) else {
            return Err(refuse(format!("the database is newer than this binary: it has migration {number}")));
        };
        if known.number != *number || Sha256::digest(known.sql).as_slice() != checksum.as_slice() {
            return Err(refuse(format!("migration {number} of the database differs from this binary's")));
        }
    }
    for migration in &migrations[applied.len()..] {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO migration (number, name, checksum, applied) VALUES (?1, ?2, ?3, ?4)",
            params![migration.number, migration.name, Sha256::digest(migration.sql).as_slice(), SystemClock.now().0],
        )?;
        tracing::info!(number = migration.number, name = migration.name, "metadata migration applied");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::{MIGRATIONS, Migration, migrate, migrate_to};

    const FIRST: Migration = Migration { number: 1, name: "first", sql: "CREATE TABLE one (x)" };
    const SECOND: Migration = Migration { number: 2, name: "second", sql: "CREATE TABLE two (x)" };

    fn count(connection: &Connection) -> i64 {
        connection.query_row("SELECT COUNT(*) FROM migration", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_migration_is_applied_once_and_later_ones_follow() {
        let connection = Connection::open_in_memory().unwrap();
        migrate_to(&connection, &[FIRST]).unwrap();
        migrate_to(&connection, &[FIRST]).unwrap();
        assert_eq!(count(&connection), 1);
        migrate_to(&connection, &[FIRST, SECOND]).unwrap();
        assert_eq!(count(&connection), 2);
    }

    #[test]
    fn an_edited_migration_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        migrate_to(&connection, &[FIRST]).unwrap();
        let edited = Migration { sql: "CREATE TABLE one (x, y)", ..FIRST };
        let error = migrate_to(&connection, &[edited]).unwrap_err();
        assert!(error.to_string().contains("differs"), "{error}");
    }

    #[test]
    fn a_database_of_a_newer_binary_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        migrate_to(&connection, &[FIRST, SECOND]).unwrap();
        let error = migrate_to(&connection, &[FIRST]).unwrap_err();
        assert!(error.to_string().contains("newer"), "{error}");
    }

    #[test]
    fn a_migration_that_fails_leaves_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = Migration { sql: "CREATE TABLE three (x); CREATE TABLE", ..SECOND };
        migrate_to(&connection, &[FIRST, broken]).unwrap_err();
        let tables: i64 = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 0);
        migrate_to(&connection, &[FIRST, SECOND]).unwrap();
    }

    #[test]
    fn the_embedded_migrations_are_numbered_from_one_and_apply() {
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.number == number));
        migrate(&Connection::open_in_memory().unwrap()).unwrap();
    }
}
