//! What an adoption finds in chunk files, until all of it is found: a row for each chunk, in a file of its own. There
//! may be more chunks than there is memory for what they say, and they come in the order of directories, while bodies
//! are wanted whole and in the order in which they were written.
//!
//! Nothing in it has to outlive the process that made it, so nothing is synced, and what a crash left is thrown away.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

use super::connection::open_passing;
use super::failure::Failure;
use super::row::{array, count};
use super::sql;
use crate::meta::MetaError;
use crate::types::{ChunkId, Timestamp};

/// Names a body, as its chunks do.
pub type BodyName = [u8; 16];

/// A chunk, and its place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundPiece {
    /// The body.
    pub body: BodyName,
    /// Where the chunk starts in it.
    pub start: u64,
    /// The chunk.
    pub chunk: ChunkId,
    /// Its length in bytes.
    pub length: u64,
    /// Its seal.
    pub seal: u64,
    /// In the last chunk of a body only.
    pub end: Option<FoundEnd>,
}

/// What the last chunk of a body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundEnd {
    /// Length of the body in bytes.
    pub bytes: u64,
    /// When it was written.
    pub at: Timestamp,
}

/// A body whose last chunk was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundBody {
    /// Which body.
    pub body: BodyName,
    /// What its last chunk says.
    pub end: FoundEnd,
    /// Its last chunk.
    pub last: ChunkId,
}

/// The finds. Dropped, it removes its file.
pub struct Finds {
    connection: Connection,
    path: PathBuf,
}

const SCHEMA: &str = "
    CREATE TABLE piece (
        body   BLOB NOT NULL,
        start  INTEGER NOT NULL,
        chunk  INTEGER NOT NULL,
        length INTEGER NOT NULL,
        seal   INTEGER NOT NULL,
        PRIMARY KEY (body, start)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ended (
        body  BLOB NOT NULL PRIMARY KEY,
        at    INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        chunk INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ended_by_time ON ended (at, body);";

impl Finds {
    /// Makes the file at `path`, in the place of what a crash left there. Blocks, like everything here.
    ///
    /// # Errors
    /// `Storage`, `Full`.
    pub fn create(path: &Path) -> Result<Self, MetaError> {
        remove(path).map_err(|error| MetaError::Storage(format!("remove {}: {error}", path.display())))?;
        let connection = open_passing(path)?;
        // From here on the file goes with this value.
        let finds = Self { connection, path: path.to_owned() };
        let made = finds.connection.execute_batch(SCHEMA).map_err(Failure::from);
        made.map_err(|failure| failure.into_meta("make the finds"))?;
        Ok(finds)
    }

    /// Adds chunks. One that has the place of another takes it.
    ///
    /// # Errors
    /// `Storage`, `Full`: the finds are of no use any more.
    pub fn add(&mut self, pieces: &[FoundPiece]) -> Result<(), MetaError> {
        const PIECE: &str =
            "INSERT OR REPLACE INTO piece (body, start, chunk, length, seal) VALUES (?1, ?2, ?3, ?4, ?5)";
        const ENDED: &str = "INSERT OR REPLACE INTO ended (body, at, bytes, chunk) VALUES (?1, ?2, ?3, ?4)";
        let mut run = || -> Result<(), Failure> {
            let transaction = self.connection.transaction()?;
            for FoundPiece { body, start, chunk, length, seal, end } in pieces {
                let place = params![body, stored(*start), chunk.to_i64(), stored(*length), seal.cast_signed()];
                sql::execute(&transaction, PIECE, place)?;
                if let Some(FoundEnd { bytes, at }) = end {
                    sql::execute(&transaction, ENDED, params![body, at.0, stored(*bytes), chunk.to_i64()])?;
                }
            }
            Ok(transaction.commit()?)
        };
        run().map_err(|failure| failure.into_meta("note what was found"))
    }

    /// Bodies whose last chunk was found, in the order in which they were written, after that one, at most `max`.
    ///
    /// # Errors
    /// `Storage`.
    pub fn ended(&self, after: Option<(Timestamp, BodyName)>, max: u32) -> Result<Vec<FoundBody>, MetaError> {
        const PAGE: &str = "SELECT body, at, bytes, chunk FROM ended WHERE (at, body) > (?1, ?2)
            ORDER BY at, body LIMIT ?3";
        let (at, body) = after.map_or((i64::MIN, [0; 16]), |(at, body)| (at.0, body));
        let read = |row: &Row<'_>| {
            let end = FoundEnd { bytes: count(row, 2)?, at: Timestamp(row.get(1)?) };
            Ok(FoundBody { body: array(row, 0)?, end, last: ChunkId::from_i64(row.get(3)?) })
        };
        let page = sql::all(&self.connection, PAGE, params![at, body, max], read);
        page.map_err(|failure| failure.into_meta("read what was found"))
    }

    /// The chunks of a body, in order.
    ///
    /// # Errors
    /// `Storage`.
    pub fn pieces(&self, body: BodyName) -> Result<Vec<FoundPiece>, MetaError> {
        const PIECES: &str = "SELECT start, chunk, length, seal FROM piece WHERE body = ?1 ORDER BY start";
        let read = |row: &Row<'_>| {
            Ok(FoundPiece {
                body,
                start: count(row, 0)?,
                chunk: ChunkId::from_i64(row.get(1)?),
                length: count(row, 2)?,
                seal: row.get::<_, i64>(3)?.cast_unsigned(),
                end: None,
            })
        };
        let pieces = sql::all(&self.connection, PIECES, [body], read);
        pieces.map_err(|failure| failure.into_meta("read what was found"))
    }

    /// Bodies whose last chunk was not found, with one of their chunks, after that one, at most `max`.
    ///
    /// # Errors
    /// `Storage`.
    pub fn endless(&self, after: Option<BodyName>, max: u32) -> Result<Vec<(BodyName, ChunkId)>, MetaError> {
        const PAGE: &str = "SELECT body, MIN(chunk) FROM piece WHERE body > ?1
            AND NOT EXISTS (SELECT 1 FROM ended WHERE ended.body = piece.body)
            GROUP BY body ORDER BY body LIMIT ?2";
        // Shorter than any name, so that it comes before all of them.
        let after = after.as_ref().map_or(&[][..], |body| body.as_slice());
        let read = |row: &Row<'_>| Ok((array(row, 0)?, ChunkId::from_i64(row.get(1)?)));
        let page = sql::all(&self.connection, PAGE, params![after, max], read);
        page.map_err(|failure| failure.into_meta("read what was found"))
    }
}

impl Drop for Finds {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a file that is of no use any more is still there");
        }
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A number as SQLite stores it. What a chunk file says may be anything; what no body can reach is as good as any
/// other such number.
fn stored(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Finds, FoundBody, FoundEnd, FoundPiece};
    use crate::types::{ChunkId, Epoch, Timestamp};

    fn chunk(number: u64) -> ChunkId {
        ChunkId::new(Epoch(1), number)
    }

    fn piece(body: u8, start: u64, number: u64) -> FoundPiece {
        FoundPiece { body: [body; 16], start, chunk: chunk(number), length: 5, seal: u64::MAX - number, end: None }
    }

    fn last(body: u8, start: u64, number: u64, at: i64) -> FoundPiece {
        let end = Some(FoundEnd { bytes: start + 5, at: Timestamp(at) });
        FoundPiece { end, ..piece(body, start, number) }
    }

    #[test]
    fn bodies_come_whole_and_in_the_order_in_which_they_were_written() {
        let directory = tempfile::tempdir().unwrap();
        let mut finds = Finds::create(&directory.path().join("finds")).unwrap();
        finds.add(&[last(1, 5, 1, 30), piece(2, 0, 2), last(3, 0, 3, -20)]).unwrap();
        finds.add(&[piece(1, 0, 4), last(4, 0, 5, 30), piece(5, u64::MAX, 6), piece(2, 5, 7)]).unwrap();
        let body = |body, number, bytes, at| FoundBody {
            body: [body; 16],
            end: FoundEnd { bytes, at: Timestamp(at) },
            last: chunk(number),
        };
        let all = [body(3, 3, 5, -20), body(1, 1, 10, 30), body(4, 5, 5, 30)];
        assert_eq!(finds.ended(None, 9).unwrap(), all);
        let mut after = None;
        for expected in all {
            let page = finds.ended(after, 1).unwrap();
            assert_eq!(page, [expected]);
            after = Some((expected.end.at, expected.body));
        }
        assert_eq!(finds.ended(after, 1).unwrap(), []);
        let pieces = finds.pieces([1; 16]).unwrap();
        assert_eq!(pieces, [piece(1, 0, 4), piece(1, 5, 1)]);
        assert_eq!(finds.pieces([9; 16]).unwrap(), []);
        assert_eq!(finds.endless(None, 9).unwrap(), [([2; 16], chunk(2)), ([5; 16], chunk(6))]);
        assert_eq!(finds.endless(None, 1).unwrap(), [([2; 16], chunk(2))]);
        assert_eq!(finds.endless(Some([2; 16]), 1).unwrap(), [([5; 16], chunk(6))]);
        assert_eq!(finds.pieces([5; 16]).unwrap()[0].start, i64::MAX as u64, "a place where nothing can be");
    }

    #[test]
    fn the_file_is_private_and_goes_with_its_use_and_what_a_crash_left_does_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("finds");
        std::fs::write(&path, "left by a crash").unwrap();
        let mut finds = Finds::create(&path).unwrap();
        finds.add(&[last(1, 0, 1, 1)]).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no log, no journal");
        drop(finds);
        assert!(!path.exists());
    }
}
