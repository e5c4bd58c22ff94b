//! Renaming an object: its row gets another key; id, body and everything beside it stay.

use rusqlite::params;

use super::failure::Failure;
use super::row::signed;
use super::transaction::Transaction;
use super::version::{current_facts, metadata_of, newest};
use super::{bucket, event, retiring, sql, version};
use crate::meta::{CommitRename, MetaError, PutOutcome};
use crate::rules::lock;
use crate::types::VersionId;

/// Commits a rename. Without versioning a key has one version at most, so that is what moves.
pub(super) fn rename(tx: &Transaction<'_>, rename: &CommitRename) -> Result<PutOutcome, Failure> {
    const MOVE: &str = "UPDATE version SET key = ?4 WHERE bucket_id = ?1 AND key = ?2 AND rank = ?3";
    let CommitRename { bucket, source, source_precondition, key, precondition, lock_time, now } = rename;
    let (connection, bucket) = (tx.connection(), *bucket);
    lock::judge_rename(bucket::versioning(connection, bucket)?).map_err(MetaError::BucketState)?;
    let row = newest(connection, bucket, source)?.ok_or(MetaError::NoSuchKey)?;
    let replaced = newest(connection, bucket, key)?;
    source_precondition.judge_write(row.facts().as_ref())?;
    precondition.judge_write(current_facts(replaced.as_ref()).as_ref())?;
    for (key, row) in std::iter::once((source, &row)).chain(replaced.as_ref().map(|row| (key, row))) {
        let attributes = metadata_of(connection, bucket, key, row)?.attributes;
        lock::judge_removal(&attributes, false, *lock_time).map_err(MetaError::Locked)?;
    }

    if let Some(replaced) = &replaced {
        retiring::retire(tx, bucket, key, replaced, *now)?;
    }
    let names = params![bucket.0, source.as_str().as_bytes(), -signed(row.order), key.as_str().as_bytes()];
    sql::execute(connection, MOVE, names)?;
    let moved = version::stored(connection, bucket, key, None)?.ok_or(Failure::Corrupt("renamed version"))?.version;
    let outcome = PutOutcome {
        version: VersionId::Null,
        shows_version: false,
        etag: moved.etag,
        checksum: moved.checksum,
        size: moved.size,
        modified: moved.modified,
    };
    event::tell_renamed(tx, rename, &outcome)?;
    Ok(outcome)
}
