//! The layout of a chunk: its data, an appendix whose meaning is its writer's, a table with one CRC-64/NVME for
//! each span, and a footer that says whose table it is. A chunk proves itself: no database is needed to tell a whole
//! one from a torn one. No I/O.
//!
//! | bytes | what |
//! |---|---|
//! | `length` | data |
//! | 0..=`CHUNK_APPENDIX_BYTES_MAX` | appendix |
//! | 8 per span | CRC-64/NVME of each `BLOCK_BYTES` of data, little-endian |
//! | 8 | magic |
//! | 4 | format version |
//! | 4 | bytes of a span |
//! | 8 | chunk id |
//! | 8 | `length` |
//! | 4 | spans |
//! | 4 | bytes of the appendix |
//! | 8 | seal: CRC-64/NVME of the appendix, the table and the footer up to here |

use std::ops::RangeInclusive;

use crate::chunk::ChunkRecord;
use crate::digest::SpanCrc;
use crate::limits::{BLOCK_BYTES, CHUNK_APPENDIX_BYTES_MAX, CHUNK_BYTES_MAX};
use crate::types::ChunkId;

const MAGIC: [u8; 8] = *b"SGchunk\n";
const FORMAT_VERSION: u32 = 1;
pub(super) const FOOTER_BYTES: usize = 48;
const SEAL_BYTES: usize = 8;
const CRC_BYTES: usize = 8;

/// Spans of a chunk with `length` bytes of data.
fn spans_of(length: u64) -> usize {
    length.div_ceil(BLOCK_BYTES as u64) as usize
}

/// Bytes that may follow the data of a chunk with `length` bytes of data.
pub(super) fn tail_bytes(length: u64) -> RangeInclusive<u64> {
    let least = (spans_of(length) * CRC_BYTES + FOOTER_BYTES) as u64;
    least..=least + CHUNK_APPENDIX_BYTES_MAX as u64
}

/// The checksums of a chunk that is being written. Spans do not depend on how the data was cut into appends.
pub(super) struct SpanWriter {
    length: u64,
    span: SpanCrc,
    span_bytes: usize,
    table: Vec<u64>,
    appendix: Vec<u8>,
}

impl SpanWriter {
    pub(super) fn new() -> Self {
        Self { length: 0, span: SpanCrc::new(), span_bytes: 0, table: Vec::new(), appendix: Vec::new() }
    }

    /// Bytes of data so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Adds data.
    ///
    /// # Panics
    /// If the chunk would exceed `CHUNK_BYTES_MAX`: callers roll over before.
    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        assert!(self.length <= CHUNK_BYTES_MAX, "a chunk has at most CHUNK_BYTES_MAX bytes");
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.span_bytes));
            self.span.update(now);
            self.span_bytes += now.len();
            if self.span_bytes == BLOCK_BYTES {
                self.close_span();
            }
            bytes = later;
        }
    }

    /// Keeps `appendix` with the chunk.
    ///
    /// # Panics
    /// If it is longer than `CHUNK_APPENDIX_BYTES_MAX`.
    pub(super) fn attach(&mut self, appendix: Vec<u8>) {
        assert!(appendix.len() <= CHUNK_APPENDIX_BYTES_MAX, "an appendix has at most CHUNK_APPENDIX_BYTES_MAX bytes");
        self.appendix = appendix;
    }

    fn close_span(&mut self) {
        self.table.push(self.span.take());
        self.span_bytes = 0;
    }

    /// The bytes that follow the data, and the record of the chunk.
    ///
    /// # Panics
    /// If there is no data: bodies without bytes have no chunks.
    pub(super) fn finish(mut self, id: ChunkId) -> (Vec<u8>, ChunkRecord) {
        assert!(self.length > 0, "a chunk has at least one byte");
        if self.span_bytes > 0 {
            self.close_span();
        }
        let appendix_bytes = self.appendix.len() as u32;
        let mut tail = self.appendix;
        tail.reserve_exact(self.table.len() * CRC_BYTES + FOOTER_BYTES);
        for crc in &self.table {
            tail.extend_from_slice(&crc.to_le_bytes());
        }
        tail.extend_from_slice(&MAGIC);
        tail.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        tail.extend_from_slice(&(BLOCK_BYTES as u32).to_le_bytes());
        tail.extend_from_slice(&id.to_i64().to_le_bytes());
        tail.extend_from_slice(&self.length.to_le_bytes());
        tail.extend_from_slice(&(self.table.len() as u32).to_le_bytes());
        tail.extend_from_slice(&appendix_bytes.to_le_bytes());
        let seal = SpanCrc::of(&tail);
        tail.extend_from_slice(&seal.to_le_bytes());
        (tail, ChunkRecord { id, length: self.length, seal })
    }
}

/// The record of a chunk, from the end of its file. Nothing vouches for it before it was parsed with it.
///
/// # Errors
/// What did not match, in words.
pub(super) fn record_of(id: ChunkId, footer: &[u8; FOOTER_BYTES]) -> Result<ChunkRecord, &'static str> {
    let word = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("eight bytes"));
    if footer[..8] != MAGIC {
        return Err("the footer is not that of a chunk");
    }
    let length = word(24);
    if !(1..=CHUNK_BYTES_MAX).contains(&length) {
        return Err("the footer has an impossible length");
    }
    Ok(ChunkRecord { id, length, seal: word(FOOTER_BYTES - SEAL_BYTES) })
}

/// The checked table of a sealed chunk, and its appendix.
pub(super) struct SpanTable {
    length: u64,
    table: Vec<u64>,
    appendix: Vec<u8>,
}

impl SpanTable {
    /// Reads the bytes that follow the data of the chunk that `record` names.
    ///
    /// # Errors
    /// What did not match, in words.
    pub(super) fn parse(record: &ChunkRecord, tail: &[u8]) -> Result<Self, &'static str> {
        let (head, seal) = tail.split_last_chunk::<SEAL_BYTES>().ok_or("the footer is cut")?;
        let footer_start = tail.len().checked_sub(FOOTER_BYTES).ok_or("the footer is cut")?;
        let (before, footer) = head.split_at(footer_start);
        let appendix_bytes = before.len().checked_sub(spans_of(record.length) * CRC_BYTES);
        let (appendix, table) = before.split_at(appendix_bytes.ok_or("the span table is cut")?);
        let mut expected = Vec::with_capacity(FOOTER_BYTES - SEAL_BYTES);
        expected.extend_from_slice(&MAGIC);
        expected.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        expected.extend_from_slice(&(BLOCK_BYTES as u32).to_le_bytes());
        expected.extend_from_slice(&record.id.to_i64().to_le_bytes());
        expected.extend_from_slice(&record.length.to_le_bytes());
        expected.extend_from_slice(&(spans_of(record.length) as u32).to_le_bytes());
        expected.extend_from_slice(&(appendix.len() as u32).to_le_bytes());
        if footer != expected {
            return Err("the footer is not that of this chunk");
        }
        if SpanCrc::of(head) != u64::from_le_bytes(*seal) {
            return Err("the span table does not match the footer");
        }
        if u64::from_le_bytes(*seal) != record.seal {
            return Err("the seal is not the one that metadata knows");
        }
        let (words, _) = table.as_chunks::<CRC_BYTES>();
        let table = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        Ok(Self { length: record.length, table, appendix: appendix.to_vec() })
    }

    /// What was attached to the chunk, once.
    pub(super) fn take_appendix(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.appendix)
    }

    /// Where span `index` lies in the data, and its length.
    ///
    /// # Panics
    /// If there is no such span: extents lie inside their chunks.
    pub(super) fn place(&self, index: usize) -> (u64, usize) {
        assert!(index < self.table.len(), "span {index} of a chunk with {} spans", self.table.len());
        let start = (index * BLOCK_BYTES) as u64;
        (start, (self.length - start).min(BLOCK_BYTES as u64) as usize)
    }

    /// Whether `bytes` are what span `index` was written with.
    pub(super) fn matches(&self, index: usize, bytes: &[u8]) -> bool {
        SpanCrc::of(bytes) == self.table[index]
    }
}
