//! Pages of versions: every row of the index, folded by delimiter.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::listing::{Fold, successor};
use super::row::{blob, checksum_choice, count, etag, key_text, storage_class, version_id};
use super::sql;
use crate::limits::PAGE_MAX;
use crate::types::{
    BucketId, ListedObject, ListedVersion, OwnerId, Timestamp, VersionId, VersionListQuery, VersionListing,
};

/// The key and rank after which a scan goes on. The rank grows with age within a key.
struct Position {
    key: Vec<u8>,
    rank: i64,
    /// Whether the key has a version up to that rank, which makes those behind it older than the newest.
    is_preceded: bool,
}

impl Position {
    /// Before every version of `key`.
    fn before(key: Vec<u8>) -> Self {
        Self { key, rank: i64::MIN, is_preceded: false }
    }

    /// After every version of `key`.
    fn behind(key: Vec<u8>) -> Self {
        Self { key, rank: i64::MAX, is_preceded: true }
    }
}

/// A page of versions and delete markers.
pub(super) fn page(
    connection: &Connection,
    bucket: BucketId,
    query: &VersionListQuery,
) -> Result<VersionListing, Failure> {
    let mut page = VersionPage {
        fold: Fold { prefix: query.prefix.as_bytes(), delimiter: query.delimiter.as_bytes() },
        max: query.max_keys.min(PAGE_MAX) as usize,
        listing: VersionListing::default(),
        last: None,
    };
    if page.max == 0 {
        return Ok(page.listing);
    }
    let mut position = start(connection, bucket, &page.fold, query)?;
    if let Some(position) = position.as_mut().filter(|position| position.rank != i64::MAX) {
        // Whatever was newer than the marker, and the marker itself, may be gone by now.
        const NEWER: &str = "SELECT EXISTS (SELECT 1 FROM version WHERE bucket_id = ?1 AND key = ?2 AND rank <= ?3)";
        let newer = params![bucket.0, position.key, position.rank];
        position.is_preceded = sql::first(connection, NEWER, newer, |row| Ok(row.get(0)?))?.unwrap_or_default();
    }
    while let Some(from) = position {
        position = page.scan(connection, bucket, &from)?;
    }
    Ok(page.listing)
}

/// Where the page starts; `None` if nothing can follow.
fn start(
    connection: &Connection,
    bucket: BucketId,
    fold: &Fold<'_>,
    query: &VersionListQuery,
) -> Result<Option<Position>, Failure> {
    let marker = query.key_marker.as_bytes();
    if marker < fold.prefix || marker.is_empty() {
        return Ok(Some(Position::before(fold.prefix.to_vec())));
    }
    let key = marker.to_vec();
    Ok(match query.version_marker {
        // A client may name any number; no version has one of 64 bits, so such a marker is newer than all of them.
        Some(VersionId::Ordered { order, .. }) => {
            Some(Position { key, rank: i64::try_from(order).map_or(i64::MIN, |order| -order), is_preceded: false })
        }
        Some(VersionId::Null) => {
            const NULL_VERSION: &str = "SELECT rank FROM version WHERE bucket_id = ?1 AND key = ?2 AND salt IS NULL";
            let rank = sql::first(connection, NULL_VERSION, params![bucket.0, marker], |row| Ok(row.get(0)?))?;
            Some(Position { key, rank: rank.unwrap_or(i64::MIN), is_preceded: false })
        }
        None if fold.common_prefix(marker) == Some(marker) => successor(marker).map(Position::before),
        None => Some(Position::behind(key)),
    })
}

/// A page of versions that is being filled.
struct VersionPage<'q> {
    fold: Fold<'q>,
    max: usize,
    listing: VersionListing,
    /// The markers of the last version or prefix in the page.
    last: Option<(String, Option<VersionId>)>,
}

impl VersionPage<'_> {
    /// Scans from `from` until the page is complete (`None`) or a seek is due.
    fn scan(
        &mut self,
        connection: &Connection,
        bucket: BucketId,
        from: &Position,
    ) -> Result<Option<Position>, Failure> {
        const VERSIONS: &str = "SELECT key, rank, salt, delete_marker, size, etag, etag_parts, modified,
            storage_class, checksum, owner FROM version WHERE bucket_id = ?1 AND (key, rank) > (?2, ?3) ORDER BY key, rank";
        let mut statement = connection.prepare_cached(VERSIONS)?;
        let mut rows = statement.query(params![bucket.0, from.key, from.rank])?;
        // The first row may be an older version of the marker's key, whose newest one is behind us.
        let mut previous = if from.is_preceded { from.key.clone() } else { Vec::new() };
        while let Some(row) = rows.next()? {
            let key = blob(row, 0)?;
            if !key.starts_with(self.fold.prefix) {
                return Ok(None);
            }
            if self.listing.versions.len() + self.listing.prefixes.len() == self.max {
                self.listing.next = self.last.take();
                return Ok(None);
            }
            if let Some(common) = self.fold.common_prefix(key) {
                let text = key_text(common)?;
                self.listing.prefixes.push(text.clone());
                self.last = Some((text, None));
                return Ok(successor(common).map(Position::before));
            }
            let version = read_version(row, key != previous)?;
            previous.clear();
            previous.extend_from_slice(key);
            self.last = Some((version.object.key.clone(), Some(version.version)));
            self.listing.versions.push(version);
        }
        Ok(None)
    }
}

fn read_version(row: &Row<'_>, is_latest: bool) -> Result<ListedVersion, Failure> {
    let rank: i64 = row.get(1)?;
    Ok(ListedVersion {
        object: ListedObject {
            key: key_text(blob(row, 0)?)?,
            size: count(row, 4)?,
            etag: etag(row, 5)?,
            modified: Timestamp(row.get(7)?),
            storage_class: storage_class(row.get(8)?)?,
            checksum: row.get::<_, Option<i64>>(9)?.map(checksum_choice).transpose()?,
            owner: row.get::<_, Option<String>>(10)?.map(OwnerId),
        },
        version: version_id(rank.unsigned_abs(), row.get(2)?),
        is_latest,
        is_delete_marker: row.get(3)?,
    })
}
