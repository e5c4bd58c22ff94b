//! Small bodies that no listing of versions leads to: those of restorable versions and of parts. And whose a small body
//! is: as with chunks, nothing leads there, because it is asked when something is damaged and never else.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::chunk_users::read_use_at;
use super::failure::Failure;
use super::metadata::metadata;
use super::row::{array, blob, blob_or_null, count, etag, key, object_checksum, signed, storage_class};
use super::sql;
use crate::meta::{BodyRef, BodyUse, InlinePart, InlineParts, PartPlace, RetainedBody, SmallBody, StoredVersion};
use crate::types::{BucketName, ManifestId, ObjectVersion, Timestamp, VersionId};

/// Restorable versions with ids above `after`, in order.
pub(super) fn retained(connection: &Connection, after: u64, max: u32) -> Result<Vec<RetainedBody>, Failure> {
    const PAGE: &str = "SELECT r.id, r.bucket_name, r.key, r.size, r.modified, r.etag, r.etag_parts, r.storage_class,
            r.checksum, r.manifest_id, s.sha256, s.checksum, s.checksum_parts, s.metadata,
            CASE WHEN r.manifest_id IS NULL THEN s.data END
        FROM retained r JOIN side s ON s.id = r.id WHERE r.id > ?1 ORDER BY r.id LIMIT ?2";
    sql::all(connection, PAGE, params![i64::try_from(after).unwrap_or(i64::MAX), max], read_retained)
}

fn read_retained(row: &Row<'_>) -> Result<RetainedBody, Failure> {
    let name: String = row.get(1)?;
    let bucket = BucketName::parse(&name).map_err(|_| Failure::Corrupt("bucket name"))?;
    let sha256 = blob_or_null(row, 10)?.map(<[u8; 32]>::try_from).transpose();
    let body = match (row.get::<_, Option<i64>>(9)?, blob_or_null(row, 14)?) {
        (Some(manifest), _) => BodyRef::Manifest(ManifestId(manifest)),
        (None, Some(data)) => BodyRef::Inline(Bytes::copy_from_slice(data)),
        (None, None) => BodyRef::Empty,
    };
    let version = ObjectVersion {
        key: key(row, 2)?,
        version: VersionId::Null,
        is_latest: false,
        is_delete_marker: false,
        size: count(row, 3)?,
        etag: etag(row, 5)?,
        modified: Timestamp(row.get(4)?),
        checksum: object_checksum(row.get(8)?, blob_or_null(row, 11)?, row.get(12)?)?,
        sha256: sha256.map_err(|_| Failure::Corrupt("sha256"))?,
        metadata: metadata(blob(row, 13)?, storage_class(row.get(7)?)?)?,
    };
    Ok(RetainedBody { bucket, stored: StoredVersion { version, order: count(row, 0)?, body } })
}

/// Looks at up to `max` parts after `after`, in the order of their manifests and numbers.
pub(super) fn inline_parts(
    connection: &Connection,
    after: Option<PartPlace>,
    max: u32,
) -> Result<InlineParts, Failure> {
    const PAGE: &str = "SELECT manifest_id, number, size, inline_id, md5 FROM part
        WHERE (manifest_id, number) > (?1, ?2) ORDER BY manifest_id, number LIMIT ?3";
    let (manifest, number) = after.map_or((i64::MIN, 0), |place| (place.manifest.0, place.number));
    let mut statement = connection.prepare_cached(PAGE)?;
    let mut rows = statement.query(params![manifest, number, max])?;
    let mut page = InlineParts::default();
    while let Some(row) = rows.next()? {
        let place = PartPlace { manifest: ManifestId(row.get(0)?), number: row.get(1)? };
        page.rows += 1;
        page.last = Some(place);
        if let Some(inline) = row.get(3)? {
            page.parts.push(InlinePart { place, size: count(row, 2)?, md5: array(row, 4)?, row: inline });
        }
    }
    Ok(page)
}

/// Who has a small body, at most `max`.
pub(super) fn uses(connection: &Connection, body: SmallBody, max: u32) -> Result<Vec<BodyUse>, Failure> {
    const IS_THERE: &str = "SELECT 1 FROM side WHERE id = ?1";
    const OF_ROW: &str = "SELECT b.name, v.key, 0, -v.rank, v.salt, NULL
            FROM version v JOIN bucket b ON b.id = v.bucket_id WHERE v.rank = -?1
        UNION ALL SELECT bucket_name, key, 2, id, NULL, NULL FROM retained WHERE id = ?1 LIMIT ?2";
    const OF_PART: &str = "SELECT b.name, v.key, 0, -v.rank, v.salt, NULL
            FROM version v JOIN bucket b ON b.id = v.bucket_id WHERE v.manifest_id = ?1
        UNION ALL SELECT b.name, u.key, 1, 0, NULL, u.id
            FROM upload u JOIN bucket b ON b.id = u.bucket_id WHERE u.manifest_id = ?1
        UNION ALL SELECT bucket_name, key, 2, id, NULL, NULL FROM retained WHERE manifest_id = ?1
        ORDER BY 1, 2, 3, 4 LIMIT ?2";
    let (query, id) = match body {
        SmallBody::Row(order) => (OF_ROW, signed(order)),
        SmallBody::Part(place) => (OF_PART, place.manifest.0),
    };
    // What is gone, which is most of what is asked for, needs no walk over all versions.
    if let SmallBody::Row(_) = body
        && sql::first(connection, IS_THERE, [id], |_| Ok(()))?.is_none()
    {
        return Ok(Vec::new());
    }
    sql::all(connection, query, params![id, max], |row| read_use_at(row, 0))
}
