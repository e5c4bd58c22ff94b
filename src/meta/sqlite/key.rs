//! Access keys.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::sql;
use super::writer::Transaction;
use crate::limits::ACCESS_KEYS_MAX;
use crate::meta::{AccessKey, MetaError};
use crate::types::{OwnerId, Timestamp};

/// Adds a key.
pub(super) fn add(tx: &Transaction<'_>, key: &AccessKey) -> Result<(), Failure> {
    const TAKEN: &str = "SELECT 1 FROM access_key WHERE id = ?1 OR name = ?2";
    const INSERT: &str = "INSERT INTO access_key (id, name, secret, owner, created) VALUES (?1, ?2, ?3, ?4, ?5)";
    let connection = tx.connection();
    if sql::first(connection, TAKEN, params![key.access_key_id, key.name], |_| Ok(()))?.is_some() {
        return Err(MetaError::AccessKeyExists.into());
    }
    let row = params![key.access_key_id, key.name, key.secret, key.owner.0, key.created.0];
    sql::execute(connection, INSERT, row)?;
    Ok(())
}

/// Removes the key of that name, or else of that id: never two at once.
pub(super) fn remove(tx: &Transaction<'_>, name_or_id: &str) -> Result<(), Failure> {
    for delete in ["DELETE FROM access_key WHERE name = ?1", "DELETE FROM access_key WHERE id = ?1"] {
        if sql::execute(tx.connection(), delete, [name_or_id])? > 0 {
            return Ok(());
        }
    }
    Err(MetaError::NoSuchAccessKey.into())
}

/// All keys by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<AccessKey>, Failure> {
    const ALL: &str = "SELECT id, name, secret, owner, created FROM access_key ORDER BY name LIMIT ?1";
    sql::all(connection, ALL, [ACCESS_KEYS_MAX], |row| {
        Ok(AccessKey {
            access_key_id: row.get(0)?,
            name: row.get(1)?,
            secret: row.get(2)?,
            owner: OwnerId(row.get(3)?),
            created: Timestamp(row.get(4)?),
        })
    })
}
