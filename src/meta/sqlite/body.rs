//! Bodies: manifests, their extents and the references that keep chunks alive. Knows nothing of keys.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::row::{blob, count, signed, unsigned};
use super::transaction::Transaction;
use super::{damage, sql};
use crate::meta::{BodySource, Extent, MetaError, NewBody, NewExtent};
use crate::types::{ChunkId, ManifestId, Timestamp};

/// Fails with `SourceChanged` unless every shared extent lies in a chunk that is alive, and with `SourceDamaged` if one
/// is marked. Called before anything is changed, so that this refusal leaves nothing to roll back.
pub(super) fn require_shared(connection: &Connection, body: &NewBody) -> Result<(), Failure> {
    const ALIVE: &str = "SELECT 1 FROM chunk WHERE id = ?1 AND length >= ?2 AND refs > 0";
    let extents = match body {
        NewBody::Inline(_) => return Ok(()),
        NewBody::Extents(extents) => extents,
    };
    for extent in extents {
        if let NewExtent::Shared { id, chunk_offset, length } = extent {
            let end = chunk_offset.checked_add(*length).filter(|end| *end <= i64::MAX as u64);
            let end = end.ok_or(MetaError::SourceChanged)?;
            let alive = sql::first(connection, ALIVE, params![id.to_i64(), signed(end)], |_| Ok(()))?;
            alive.ok_or(MetaError::SourceChanged)?;
            damage::require_unmarked(connection, *id)?;
        }
    }
    Ok(())
}

/// Makes an empty manifest with one reference, which the caller must store somewhere.
pub(super) fn new_manifest(tx: &Transaction<'_>, now: Timestamp, multipart: bool) -> Result<i64, Failure> {
    const INSERT: &str = "INSERT INTO manifest (id, refs, multipart) VALUES (?1, 1, ?2)";
    let id = signed(tx.tick(now));
    sql::execute(tx.connection(), INSERT, params![id, multipart])?;
    Ok(id)
}

/// Stores extents under a new manifest with one reference; `None` if there are none.
pub(super) fn store_extents(
    tx: &Transaction<'_>,
    now: Timestamp,
    extents: &[NewExtent],
) -> Result<Option<i64>, Failure> {
    const SEALED: &str = "INSERT INTO chunk (id, refs, length, seal) VALUES (?1, 1, ?2, ?3)";
    const SHARED: &str = "UPDATE chunk SET refs = refs + 1 WHERE id = ?1 AND refs > 0";
    const EXTENT: &str =
        "INSERT INTO extent (manifest_id, offset, length, chunk_id, chunk_offset) VALUES (?1, ?2, ?3, ?4, ?5)";
    if extents.is_empty() {
        return Ok(None);
    }
    let connection = tx.connection();
    let manifest = new_manifest(tx, now, false)?;
    let mut offset = 0;
    for extent in extents {
        let (id, chunk_offset, length) = match *extent {
            NewExtent::Sealed { id, length, seal } => {
                sql::execute(connection, SEALED, params![id.to_i64(), signed(length), seal.cast_signed()])?;
                (id, 0, length)
            }
            NewExtent::Shared { id, chunk_offset, length } => {
                if sql::execute(connection, SHARED, [id.to_i64()])? == 0 {
                    return Err(MetaError::SourceChanged.into());
                }
                (id, chunk_offset, length)
            }
        };
        let row = params![manifest, signed(offset), signed(length), id.to_i64(), signed(chunk_offset)];
        sql::execute(connection, EXTENT, row)?;
        offset += length;
    }
    Ok(Some(manifest))
}

/// Adds a reference to a manifest.
pub(super) fn retain(tx: &Transaction<'_>, manifest: i64) -> Result<(), Failure> {
    let retained = sql::execute(tx.connection(), "UPDATE manifest SET refs = refs + 1 WHERE id = ?1", [manifest])?;
    if retained == 0 { Err(Failure::Corrupt("manifest")) } else { Ok(()) }
}

/// Takes a reference from a manifest; without references it is garbage, which the collector releases in
/// bounded steps.
pub(super) fn release(tx: &Transaction<'_>, manifest: i64) -> Result<(), Failure> {
    const RELEASE: &str = "UPDATE manifest SET refs = refs - 1 WHERE id = ?1 RETURNING refs";
    let connection = tx.connection();
    let refs = sql::first(connection, RELEASE, [manifest], |row| Ok(row.get::<_, i64>(0)?))?;
    match refs {
        None => Err(Failure::Corrupt("manifest")),
        Some(0) => {
            sql::execute(connection, "INSERT INTO garbage_manifest (manifest_id) VALUES (?1)", [manifest])?;
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

/// A part as extents need it.
struct PartBody {
    offset: u64,
    size: u64,
    manifest: Option<i64>,
    inline: Option<i64>,
    md5: [u8; 16],
}

/// Extents of a body that overlap the bytes from `from` on, at most `max`.
pub(super) fn extents(connection: &Connection, id: ManifestId, from: u64, max: u32) -> Result<Vec<Extent>, Failure> {
    const KIND: &str = "SELECT multipart FROM manifest WHERE id = ?1";
    const FIRST: &str = "SELECT number FROM part WHERE manifest_id = ?1 AND offset <= ?2
                         ORDER BY offset DESC, number DESC LIMIT 1";
    const PARTS: &str = "SELECT offset, size, body_manifest, inline_id, md5 FROM part
                         WHERE manifest_id = ?1 AND number >= ?2 AND offset IS NOT NULL ORDER BY number";
    let max = max as usize;
    let from_stored = i64::try_from(from).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    if max == 0 {
        return Ok(found);
    }
    let multipart = sql::first(connection, KIND, [id.0], |row| Ok(row.get::<_, bool>(0)?))?;
    if multipart != Some(true) {
        push_extents(connection, id.0, (0, from), max, &mut found)?;
        return Ok(found);
    }
    let Some(first) = sql::first(connection, FIRST, [id.0, from_stored], |row| Ok(row.get::<_, i64>(0)?))? else {
        return Ok(found);
    };
    let mut statement = connection.prepare_cached(PARTS)?;
    let mut rows = statement.query([id.0, first])?;
    while found.len() < max
        && let Some(row) = rows.next()?
    {
        let (offset, size, md5) = (count(row, 0)?, count(row, 1)?, row.get(4)?);
        let part = PartBody { offset, size, manifest: row.get(2)?, inline: row.get(3)?, md5 };
        push_part(connection, &part, from, max, &mut found)?;
    }
    Ok(found)
}

fn push_part(
    connection: &Connection,
    part: &PartBody,
    from: u64,
    max: usize,
    found: &mut Vec<Extent>,
) -> Result<(), Failure> {
    if part.size == 0 || part.offset + part.size <= from {
        return Ok(());
    }
    match (part.manifest, part.inline) {
        (Some(manifest), _) => {
            let span = (part.offset, from.saturating_sub(part.offset));
            push_extents(connection, manifest, span, max, found)
        }
        (None, Some(row)) => {
            let source = BodySource::InlinePart { row, md5: part.md5 };
            found.push(Extent { offset: part.offset, length: part.size, chunk_offset: 0, source });
            Ok(())
        }
        (None, None) => Err(Failure::Corrupt("part body")),
    }
}

/// Appends the extents of a manifest that was written in one piece until `found` has `max`; `base` is
/// where it starts in the object, `from` counts from there.
fn push_extents(
    connection: &Connection,
    manifest: i64,
    (base, from): (u64, u64),
    max: usize,
    found: &mut Vec<Extent>,
) -> Result<(), Failure> {
    // The chunk is joined from the left, so that a missing one is noticed instead of skipped.
    const EXTENTS: &str = "SELECT e.offset, e.length, e.chunk_offset, e.chunk_id, c.length, c.seal
        FROM extent e LEFT JOIN chunk c ON c.id = e.chunk_id
        WHERE e.manifest_id = ?1 AND e.offset >=
            IFNULL((SELECT MAX(offset) FROM extent WHERE manifest_id = ?1 AND offset <= ?2), 0)
        ORDER BY e.offset LIMIT ?3";
    let room = i64::try_from(max - found.len()).unwrap_or(i64::MAX);
    let from_stored = i64::try_from(from).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(EXTENTS)?;
    let mut rows = statement.query([manifest, from_stored, room])?;
    while let Some(row) = rows.next()? {
        let extent = read_extent(row, base)?;
        if extent.offset + extent.length > base.saturating_add(from) {
            found.push(extent);
        }
    }
    Ok(())
}

fn read_extent(row: &Row<'_>, base: u64) -> Result<Extent, Failure> {
    let chunk_length: Option<i64> = row.get(4)?;
    let chunk_length = chunk_length.ok_or(Failure::Corrupt("chunk of an extent"))?;
    Ok(Extent {
        offset: base + count(row, 0)?,
        length: count(row, 1)?,
        chunk_offset: count(row, 2)?,
        source: BodySource::Chunk {
            id: ChunkId::from_i64(row.get(3)?),
            length: unsigned(chunk_length)?,
            seal: row.get::<_, i64>(5)?.cast_unsigned(),
        },
    })
}

/// Stores the bytes of an inline part; returns their row.
pub(super) fn store_inline(tx: &Transaction<'_>, now: Timestamp, data: &[u8]) -> Result<i64, Failure> {
    let id = signed(tx.tick(now));
    sql::execute(tx.connection(), "INSERT INTO inline_part (id, data) VALUES (?1, ?2)", params![id, data])?;
    Ok(id)
}

/// Removes the bytes of an inline part.
pub(super) fn remove_inline(tx: &Transaction<'_>, row: i64) -> Result<(), Failure> {
    sql::execute(tx.connection(), "DELETE FROM inline_part WHERE id = ?1", [row])?;
    Ok(())
}

/// The bytes of an inline part; `SourceChanged` if they went while its object was being read.
pub(super) fn inline_part(connection: &Connection, row: i64) -> Result<Bytes, Failure> {
    let data = sql::first(connection, "SELECT data FROM inline_part WHERE id = ?1", [row], |row| {
        Ok(Bytes::copy_from_slice(blob(row, 0)?))
    })?;
    data.ok_or(Failure::Refused(MetaError::SourceChanged))
}
