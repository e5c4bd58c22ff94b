//! Any bytes as what follows the data of a chunk.

use crate::chunk::layout::{FOOTER_BYTES, SpanTable, SpanWriter, record_of};
use crate::tests::fuzz::{self, Target};
use crate::types::{ChunkId, Epoch};

const TOKENS: [&str; 4] = ["SGchunk\n", "\u{1}\u{0}\u{0}\u{0}", "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}", "\u{7f}"];

/// Reads a tail as `inspect` does.
fn read(id: ChunkId, tail: &[u8]) -> Option<SpanTable> {
    let footer = tail.last_chunk::<FOOTER_BYTES>()?;
    let record = record_of(id, footer).ok()?;
    SpanTable::parse(&record, tail).ok()
}

/// A tail is read if it is the one that was written, and no other.
fn check(input: &[u8]) {
    let [place, bit, rest @ ..] = input else { return };
    let id = ChunkId::new(Epoch(7), 9);
    let _ = read(id, rest);
    let (data, appendix) = rest.split_at(rest.len().min(1 + usize::from(*place)));
    if data.is_empty() {
        return;
    }
    let mut writer = SpanWriter::new();
    writer.append(data);
    writer.attach(appendix.to_vec());
    let (mut tail, record) = writer.finish(id);
    let mut table = SpanTable::parse(&record, &tail).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(table.take_appendix(), appendix);
    assert!(table.matches(0, data));
    let at = rest.iter().fold(usize::from(*place), |at, byte| at * 31 % 65_521 + usize::from(*byte)) % tail.len();
    tail[at] ^= 1 << (bit & 7);
    assert!(read(id, &tail).is_none(), "byte {at} was changed");
}

#[test]
fn a_tail_proves_itself() {
    fuzz::run(&Target { name: "tails", runs: 15_000, tokens: &TOKENS, law: &check });
}
