//! Access keys and their policies.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{blob, signed, unsigned};
use super::sql;
use super::transaction::Transaction;
use crate::limits::{ACCESS_KEYS_MAX, KEY_POLICIES_BYTES_MAX, KEY_POLICIES_MAX};
use crate::meta::{AccessKey, GatewaySecret, KeyChange, KeyPolicy, MetaError};
use crate::types::{OwnerId, Rate, SourceRates, Timestamp};

/// Adds a key.
pub(super) fn add(tx: &Transaction<'_>, key: &AccessKey) -> Result<(), Failure> {
    const TAKEN: &str = "SELECT 1 FROM access_key WHERE id = ?1 OR name = ?2";
    const INSERT: &str = "INSERT INTO access_key (id, name, secret, owner, created, expires, last_used)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let connection = tx.connection();
    if sql::first(connection, TAKEN, params![key.access_key_id, key.name], |_| Ok(()))?.is_some() {
        return Err(MetaError::AccessKeyExists.into());
    }
    let (expires, last_used) = (key.expires.map(|at| at.0), key.last_used.map(|at| at.0));
    let row = params![key.access_key_id, key.name, key.secret, key.owner.0, key.created.0, expires, last_used];
    sql::execute(connection, INSERT, row)?;
    store_rates(connection, &key.access_key_id, key.rates)?;
    match &key.policies {
        Some(policies) => attach(tx, &key.name, policies),
        None => Ok(()),
    }
}

/// Removes the key of that name, or else of that id: never two at once.
pub(super) fn remove(tx: &Transaction<'_>, name_or_id: &str) -> Result<(), Failure> {
    let id = find(tx.connection(), name_or_id)?;
    sql::execute(tx.connection(), "DELETE FROM key_policy WHERE key_id = ?1", [&id])?;
    sql::execute(tx.connection(), "DELETE FROM access_key WHERE id = ?1", [&id])?;
    Ok(())
}

/// All keys by name.
pub(super) fn all(connection: &Connection) -> Result<Vec<AccessKey>, Failure> {
    // One statement, so that nobody sees a key that is limited already and its policies not yet.
    const ALL: &str = "SELECT k.id, k.name, k.secret, k.owner, k.created, k.limited, p.name, p.body,
            k.requests_rate, k.requests_burst, k.bytes_rate, k.bytes_burst, k.expires, k.last_used
        FROM (SELECT * FROM access_key ORDER BY name LIMIT ?1) k LEFT JOIN key_policy p ON p.key_id = k.id
        ORDER BY k.name, p.name";
    let mut keys: Vec<AccessKey> = Vec::new();
    sql::all(connection, ALL, [ACCESS_KEYS_MAX], |row| {
        let name: String = row.get(1)?;
        if keys.last().is_none_or(|last| last.name != name) {
            keys.push(AccessKey {
                access_key_id: row.get(0)?,
                name,
                secret: row.get(2)?,
                owner: OwnerId(row.get(3)?),
                created: Timestamp(row.get(4)?),
                policies: row.get::<_, bool>(5)?.then(Vec::new),
                rates: read_rates(row, 8)?,
                expires: row.get::<_, Option<i64>>(12)?.map(Timestamp),
                last_used: row.get::<_, Option<i64>>(13)?.map(Timestamp),
            });
        }
        let policy: Option<String> = row.get(6)?;
        let policies = keys.last_mut().and_then(|key| key.policies.as_mut());
        if let (Some(name), Some(policies)) = (policy, policies) {
            policies.push(KeyPolicy { name, document: row.get::<_, Option<String>>(7)?.map(Into::into) });
        }
        Ok(())
    })?;
    Ok(keys)
}

/// Attaches policies to a key and limits it to them.
pub(super) fn attach(tx: &Transaction<'_>, name_or_id: &str, policies: &[KeyPolicy]) -> Result<(), Failure> {
    let id = find(tx.connection(), name_or_id)?;
    attach_by_id(tx, &id, policies)
}

fn attach_by_id(tx: &Transaction<'_>, id: &str, policies: &[KeyPolicy]) -> Result<(), Failure> {
    const LIMIT: &str = "UPDATE access_key SET limited = 1 WHERE id = ?1";
    const REPLACE: &str = "INSERT OR REPLACE INTO key_policy (key_id, name, body) VALUES (?1, ?2, ?3)";
    const SIZES: &str = "SELECT SUM(key_id = ?1), SUM(IFNULL(length(CAST(body AS BLOB)), 0)) FROM key_policy";
    let connection = tx.connection();
    sql::execute(connection, LIMIT, [id])?;
    for policy in policies {
        sql::execute(connection, REPLACE, params![id, policy.name, policy.document.as_deref()])?;
    }
    let sizes = sql::first(connection, SIZES, [id], |row| {
        let [count, bytes] = [row.get::<_, Option<i64>>(0)?, row.get(1)?];
        Ok((count.unwrap_or_default(), bytes.unwrap_or_default()))
    })?;
    let (count, bytes) = sizes.unwrap_or_default();
    if count > KEY_POLICIES_MAX as i64 || bytes > KEY_POLICIES_BYTES_MAX.cast_signed() {
        return Err(MetaError::TooManyKeyPolicies.into());
    }
    Ok(())
}

/// Detaches policies from a key. It stays limited.
pub(super) fn detach(tx: &Transaction<'_>, name_or_id: &str, names: &[String]) -> Result<(), Failure> {
    let id = find(tx.connection(), name_or_id)?;
    detach_by_id(tx, &id, names)
}

fn detach_by_id(tx: &Transaction<'_>, id: &str, names: &[String]) -> Result<(), Failure> {
    const DETACH: &str = "DELETE FROM key_policy WHERE key_id = ?1 AND name = ?2";
    for name in names {
        if sql::execute(tx.connection(), DETACH, params![id, name])? == 0 {
            return Err(MetaError::NoSuchKeyPolicy.into());
        }
    }
    Ok(())
}

/// Gives a key rates of its own, and leaves those that are not named; `None` takes all away.
pub(super) fn limit(tx: &Transaction<'_>, name_or_id: &str, rates: Option<SourceRates>) -> Result<(), Failure> {
    const RATES: &str = "SELECT requests_rate, requests_burst, bytes_rate, bytes_burst FROM access_key WHERE id = ?1";
    let connection = tx.connection();
    let id = find(connection, name_or_id)?;
    let before = sql::first(connection, RATES, [&id], |row| read_rates(row, 0))?.unwrap_or_default();
    store_rates(connection, &id, rates.map(|rates| rates.over(before)).unwrap_or_default())
}

/// Changes a key. What one step refuses undoes the others with the transaction.
pub(super) fn change(tx: &Transaction<'_>, name_or_id: &str, change: &KeyChange) -> Result<(), Failure> {
    const RATES: &str = "SELECT requests_rate, requests_burst, bytes_rate, bytes_burst FROM access_key WHERE id = ?1";
    let KeyChange { detach: detached, attach: attached, requests, bytes, expires, secret } = change;
    let connection = tx.connection();
    let id = find(connection, name_or_id)?;
    detach_by_id(tx, &id, detached)?;
    if !attached.is_empty() {
        attach_by_id(tx, &id, attached)?;
    }
    if requests.is_some() || bytes.is_some() {
        let before = sql::first(connection, RATES, [&id], |row| read_rates(row, 0))?.unwrap_or_default();
        let rates = SourceRates { requests: requests.unwrap_or(before.requests), bytes: bytes.unwrap_or(before.bytes) };
        store_rates(connection, &id, rates)?;
    }
    if let Some(expires) = expires {
        let row = params![id, expires.map(|at| at.0)];
        sql::execute(connection, "UPDATE access_key SET expires = ?2 WHERE id = ?1", row)?;
    }
    if let Some(secret) = secret {
        sql::execute(connection, "UPDATE access_key SET secret = ?2 WHERE id = ?1", params![id, secret])?;
    }
    Ok(())
}

/// Notes when keys were used last.
pub(super) fn note_used(tx: &Transaction<'_>, used: &[(String, Timestamp)]) -> Result<(), Failure> {
    const NOTE: &str = "UPDATE access_key SET last_used = ?2 WHERE id = ?1 AND IFNULL(last_used < ?2, 1)";
    for (id, at) in used {
        sql::execute(tx.connection(), NOTE, params![id, at.0])?;
    }
    Ok(())
}

fn store_rates(connection: &Connection, id: &str, rates: SourceRates) -> Result<(), Failure> {
    const STORE: &str = "UPDATE access_key
        SET requests_rate = ?2, requests_burst = ?3, bytes_rate = ?4, bytes_burst = ?5 WHERE id = ?1";
    let columns = |rate: Option<Rate>| (rate.map(|rate| signed(rate.per_second)), rate.map(|rate| signed(rate.burst)));
    let (requests, bytes) = (columns(rates.requests), columns(rates.bytes));
    sql::execute(connection, STORE, params![id, requests.0, requests.1, bytes.0, bytes.1])?;
    Ok(())
}

/// Rates from four columns.
fn read_rates(row: &Row<'_>, first: usize) -> Result<SourceRates, Failure> {
    let rate = |at: usize| -> Result<Option<Rate>, Failure> {
        let (per_second, burst): (Option<i64>, Option<i64>) = (row.get(at)?, row.get(at + 1)?);
        let Some((per_second, burst)) = per_second.zip(burst) else { return Ok(None) };
        Ok(Some(Rate { per_second: unsigned(per_second)?, burst: unsigned(burst)? }))
    };
    Ok(SourceRates { requests: rate(first)?, bytes: rate(first + 2)? })
}

/// The secret of that name; `candidate` if there is none yet.
pub(super) fn gateway_secret(
    tx: &Transaction<'_>,
    name: &str,
    candidate: &GatewaySecret,
) -> Result<GatewaySecret, Failure> {
    const KEEP: &str = "INSERT OR IGNORE INTO gateway_secret (name, value) VALUES (?1, ?2)";
    const FIND: &str = "SELECT value FROM gateway_secret WHERE name = ?1";
    sql::execute(tx.connection(), KEEP, params![name, candidate.as_slice()])?;
    let found = sql::first(tx.connection(), FIND, [name], |row| {
        let value = <[u8; 32]>::try_from(blob(row, 0)?).map_err(|_| Failure::Corrupt("secret"))?;
        Ok(GatewaySecret::new(value))
    })?;
    found.ok_or(Failure::Corrupt("secret"))
}

/// The id of the key of that name, or else of that id.
fn find(connection: &Connection, name_or_id: &str) -> Result<String, Failure> {
    const FIND: &str = "SELECT id FROM access_key WHERE name = ?1 OR id = ?1 ORDER BY name <> ?1 LIMIT 1";
    let id = sql::first(connection, FIND, [name_or_id], |row| Ok(row.get(0)?))?;
    Ok(id.ok_or(MetaError::NoSuchAccessKey)?)
}
