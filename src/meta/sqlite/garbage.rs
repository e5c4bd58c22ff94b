//! Garbage: manifests that nothing refers to, and the chunks that they release. Everything goes in bounded
//! steps, so that the collector never holds the writer for long.

use rusqlite::{Connection, params};

use super::damage;
use super::failure::Failure;
use super::sql;
use super::transaction::Transaction;
use super::upload::drop_part_body;
use crate::meta::MetaError;
use crate::types::{ChunkId, ManifestId};

/// Garbage manifests, oldest first.
pub(super) fn manifests(connection: &Connection, max: u32) -> Result<Vec<ManifestId>, Failure> {
    const OLDEST: &str = "SELECT manifest_id FROM garbage_manifest ORDER BY manifest_id LIMIT ?1";
    sql::all(connection, OLDEST, [max], |row| Ok(ManifestId(row.get(0)?)))
}

/// Releases up to `max` extents or parts; true when the manifest is gone.
pub(super) fn release(tx: &Transaction<'_>, manifest: ManifestId, max: u32) -> Result<bool, Failure> {
    const IS_GARBAGE: &str = "SELECT 1 FROM garbage_manifest WHERE manifest_id = ?1";
    const EXISTS: &str = "SELECT 1 FROM manifest WHERE id = ?1";
    let connection = tx.connection();
    let manifest = manifest.0;
    if sql::first(connection, IS_GARBAGE, [manifest], |_| Ok(()))?.is_none() {
        // Another collector may have been here. But a manifest in use is never given up, whoever asks.
        let in_use = sql::first(connection, EXISTS, [manifest], |_| Ok(()))?.is_some();
        return if in_use { Err(refuse_in_use(manifest)) } else { Ok(true) };
    }
    let extents = release_extents(tx, manifest, max)?;
    let parts = release_parts(tx, manifest, max - extents)?;
    if extents + parts == max && has_rest(connection, manifest)? {
        return Ok(false);
    }
    sql::execute(connection, "DELETE FROM garbage_manifest WHERE manifest_id = ?1", [manifest])?;
    sql::execute(connection, "DELETE FROM manifest WHERE id = ?1", [manifest])?;
    Ok(true)
}

fn refuse_in_use(manifest: i64) -> Failure {
    MetaError::Storage(format!("release manifest {manifest}: it is still in use")).into()
}

fn has_rest(connection: &Connection, manifest: i64) -> Result<bool, Failure> {
    const REST: &str = "SELECT EXISTS (SELECT 1 FROM extent WHERE manifest_id = ?1)
        OR EXISTS (SELECT 1 FROM part WHERE manifest_id = ?1)";
    Ok(sql::first(connection, REST, [manifest], |row| Ok(row.get(0)?))? == Some(true))
}

fn release_extents(tx: &Transaction<'_>, manifest: i64, max: u32) -> Result<u32, Failure> {
    const SOME: &str = "SELECT offset, chunk_id FROM extent WHERE manifest_id = ?1 ORDER BY offset LIMIT ?2";
    const DELETE: &str = "DELETE FROM extent WHERE manifest_id = ?1 AND offset = ?2";
    let connection = tx.connection();
    let extents =
        sql::all(connection, SOME, params![manifest, max], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (offset, chunk) in &extents {
        release_chunk(connection, *chunk)?;
        sql::execute(connection, DELETE, [manifest, *offset])?;
    }
    Ok(u32::try_from(extents.len()).expect("at most `max` were read"))
}

fn release_chunk(connection: &Connection, chunk: i64) -> Result<(), Failure> {
    const RELEASE: &str = "UPDATE chunk SET refs = refs - 1 WHERE id = ?1 RETURNING refs";
    let refs = sql::first(connection, RELEASE, [chunk], |row| Ok(row.get::<_, i64>(0)?))?;
    match refs {
        None => Err(Failure::Corrupt("chunk of an extent")),
        Some(0) => {
            sql::execute(connection, "DELETE FROM chunk WHERE id = ?1", [chunk])?;
            sql::execute(connection, "INSERT INTO dead_chunk (id) VALUES (?1)", [chunk])?;
            damage::forget(connection, chunk)?;
            Ok(())
        }
        Some(_) => Ok(()),
    }
}

fn release_parts(tx: &Transaction<'_>, manifest: i64, max: u32) -> Result<u32, Failure> {
    const SOME: &str =
        "SELECT number, body_manifest, inline_id FROM part WHERE manifest_id = ?1 ORDER BY number LIMIT ?2";
    const DELETE: &str = "DELETE FROM part WHERE manifest_id = ?1 AND number = ?2";
    let connection = tx.connection();
    let parts = sql::all(connection, SOME, params![manifest, max], |row| {
        Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?))
    })?;
    for (number, body_manifest, inline) in &parts {
        sql::execute(connection, DELETE, [manifest, *number])?;
        drop_part_body(tx, *body_manifest, *inline)?;
    }
    Ok(u32::try_from(parts.len()).expect("at most `max` were read"))
}

/// Chunks whose files may go.
pub(super) fn dead_chunks(connection: &Connection, max: u32) -> Result<Vec<ChunkId>, Failure> {
    sql::all(connection, "SELECT id FROM dead_chunk ORDER BY id LIMIT ?1", [max], |row| {
        Ok(ChunkId::from_i64(row.get(0)?))
    })
}

/// Forgets dead chunks whose files are gone.
pub(super) fn forget_chunks(tx: &Transaction<'_>, chunks: &[ChunkId]) -> Result<(), Failure> {
    for chunk in chunks {
        sql::execute(tx.connection(), "DELETE FROM dead_chunk WHERE id = ?1", [chunk.to_i64()])?;
    }
    Ok(())
}

/// Live chunks in order: id, length, seal.
pub(super) fn chunks(
    connection: &Connection,
    after: Option<ChunkId>,
    max: u32,
) -> Result<Vec<(ChunkId, u64, u64)>, Failure> {
    const LIVE: &str = "SELECT id, length, seal FROM chunk WHERE id > ?1 ORDER BY id LIMIT ?2";
    let after = after.map_or(-1, ChunkId::to_i64);
    sql::all(connection, LIVE, params![after, max], |row| {
        let id = ChunkId::from_i64(row.get(0)?);
        Ok((id, super::row::count(row, 1)?, row.get::<_, i64>(2)?.cast_unsigned()))
    })
}

/// Which chunks have a row, live or dead.
pub(super) fn known_chunks(connection: &Connection, chunks: &[ChunkId]) -> Result<Vec<bool>, Failure> {
    const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM chunk WHERE id = ?1)
        OR EXISTS (SELECT 1 FROM dead_chunk WHERE id = ?1)";
    let known = |chunk: &ChunkId| {
        let known = sql::first(connection, KNOWN, [chunk.to_i64()], |row| Ok(row.get(0)?))?;
        Ok(known == Some(true))
    };
    chunks.iter().map(known).collect()
}
