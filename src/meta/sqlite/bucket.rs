//! Buckets: finding and listing them, and their versioning state.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::failure::Failure;
use super::{row, sql};
use crate::meta::MetaError;
use crate::rules::Versioning;
use crate::types::{Bucket, BucketId, BucketListing, BucketName, OwnerId, Timestamp};

/// Finds a bucket by its name.
pub(super) fn find(connection: &Connection, name: &BucketName) -> Result<Option<Bucket>, Failure> {
    const FIND: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket WHERE name = ?1";
    sql::first(connection, FIND, [name.as_str()], read)
}

/// Reads a `Bucket` from columns id, name, owner, created, location, generation.
pub(super) fn read(row: &Row<'_>) -> Result<Bucket, Failure> {
    let name = row.get_ref(1)?.as_str().map_err(|_| Failure::Corrupt("bucket name"))?;
    Ok(Bucket {
        id: BucketId(row.get(0)?),
        name: BucketName::parse(name).map_err(|_| Failure::Corrupt("bucket name"))?,
        owner: OwnerId(row.get(2)?),
        created: Timestamp(row.get(3)?),
        location: row.get(4)?,
        generation: row::unsigned(row.get(5)?)?,
        is_versioned: row::versioning(row.get(6)?)? != Versioning::Unversioned,
    })
}

/// A page of buckets by name.
pub(super) fn list(
    connection: &Connection,
    owner: Option<&OwnerId>,
    (prefix, after): (&str, &str),
    max: u32,
) -> Result<BucketListing, Failure> {
    const EVERYBODY: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket
        WHERE name >= ?1 AND name > ?2 ORDER BY name LIMIT ?3";
    const OWNED: &str = "SELECT id, name, owner, created, location, generation, versioning FROM bucket
        WHERE name >= ?1 AND name > ?2 AND owner = ?4 ORDER BY name LIMIT ?3";
    let mut listing = BucketListing::default();
    if max == 0 {
        return Ok(listing);
    }
    let one_more = i64::from(max) + 1;
    let mut statement = connection.prepare_cached(if owner.is_some() { OWNED } else { EVERYBODY })?;
    let mut rows = match owner {
        Some(owner) => statement.query(params![prefix, after, one_more, owner.0])?,
        None => statement.query(params![prefix, after, one_more])?,
    };
    while let Some(row) = rows.next()? {
        let bucket = read(row)?;
        // Names with the prefix are neighbours, so the first without it ends them.
        if !bucket.name.as_str().starts_with(prefix) {
            break;
        }
        if listing.buckets.len() == max as usize {
            listing.next_after = listing.buckets.last().map(|last| last.name.as_str().to_owned());
            break;
        }
        listing.buckets.push(bucket);
    }
    Ok(listing)
}

/// The versioning state of a bucket; `NoSuchBucket`.
pub(super) fn versioning(connection: &Connection, bucket: BucketId) -> Result<Versioning, Failure> {
    let mut statement = connection.prepare_cached("SELECT versioning FROM bucket WHERE id = ?1")?;
    let code: Option<i64> = statement.query_row([bucket.0], |row| row.get(0)).optional()?;
    row::versioning(code.ok_or(MetaError::NoSuchBucket)?)
}
