//! Marks of damaged chunks, and what they keep from being copied.

use rusqlite::{Connection, Row, params};

use super::failure::Failure;
use super::sql;
use super::transaction::Transaction;
use crate::meta::{Damage, DamagedChunk, MetaError};
use crate::types::{ChunkId, Timestamp};

/// Marks a live chunk as damaged, or takes the mark away; true if it was not so before.
pub(super) fn mark(tx: &Transaction<'_>, chunk: ChunkId, damage: Option<&Damage>) -> Result<bool, Failure> {
    const IS_MARKED: &str = "SELECT 1 FROM damaged_chunk WHERE id = ?1";
    const MARK: &str = "INSERT INTO damaged_chunk (id, found, detail)
        SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM chunk WHERE id = ?1)
        ON CONFLICT (id) DO UPDATE SET detail = excluded.detail";
    let connection = tx.connection();
    let chunk_id = chunk.to_i64();
    let Some(damage) = damage else {
        return Ok(sql::execute(connection, "DELETE FROM damaged_chunk WHERE id = ?1", [chunk_id])? > 0);
    };
    let was_marked = sql::first(connection, IS_MARKED, [chunk_id], |_| Ok(()))?.is_some();
    let marked = sql::execute(connection, MARK, params![chunk_id, damage.found.0, damage.detail])?;
    Ok(marked > 0 && !was_marked)
}

/// A chunk died: nobody asks for its damage any more.
pub(super) fn forget(connection: &Connection, chunk: i64) -> Result<(), Failure> {
    sql::execute(connection, "DELETE FROM damaged_chunk WHERE id = ?1", [chunk])?;
    Ok(())
}

/// `SourceDamaged` if the chunk is marked.
pub(super) fn require_unmarked(connection: &Connection, chunk: ChunkId) -> Result<(), Failure> {
    const MARK: &str = "SELECT id, found, detail FROM damaged_chunk WHERE id = ?1";
    refuse(sql::first(connection, MARK, [chunk.to_i64()], read_damaged)?)
}

/// `SourceDamaged` if a chunk of the manifest, or of its parts, is marked; the marked one with the lowest id. Without
/// any mark, which is how it should be, this looks at no extent.
pub(super) fn require_sound(connection: &Connection, manifest: i64) -> Result<(), Failure> {
    const MARKED: &str = "SELECT d.id, d.found, d.detail FROM (
            SELECT ?1 AS id UNION ALL
            SELECT body_manifest FROM part WHERE manifest_id = ?1 AND body_manifest IS NOT NULL) AS body
        CROSS JOIN extent e ON e.manifest_id = body.id
        CROSS JOIN damaged_chunk d ON d.id = e.chunk_id
        WHERE EXISTS (SELECT 1 FROM damaged_chunk)
        ORDER BY d.id LIMIT 1";
    refuse(sql::first(connection, MARKED, [manifest], read_damaged)?)
}

fn refuse(marked: Option<DamagedChunk>) -> Result<(), Failure> {
    marked.map_or(Ok(()), |marked| Err(MetaError::SourceDamaged(marked).into()))
}

fn read_damaged(row: &Row<'_>) -> Result<DamagedChunk, Failure> {
    let damage = Damage { found: Timestamp(row.get(1)?), detail: row.get(2)? };
    Ok(DamagedChunk { chunk: ChunkId::from_i64(row.get(0)?), damage })
}

/// Damaged chunks with ids above `after`, in order.
pub(super) fn list(connection: &Connection, after: Option<ChunkId>, max: u32) -> Result<Vec<DamagedChunk>, Failure> {
    const PAGE: &str = "SELECT id, found, detail FROM damaged_chunk WHERE id > ?1 ORDER BY id LIMIT ?2";
    let after = after.map_or(-1, ChunkId::to_i64);
    sql::all(connection, PAGE, params![after, max], read_damaged)
}
