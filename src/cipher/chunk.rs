//! Sealed chunks: segments in place, and the appendix that opens them.
//!
//! The appendix of a chunk, integers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format version |
//! | 1 | 1 if this is the last chunk of its body, else 0 |
//! | 2 | number of the part, 0 for a body without parts |
//! | 4 | segments |
//! | 8 | where the chunk starts in its body |
//! | 16 | id of its body |
//! | 32 | salt of the chunk's key |
//! | 20 per segment | its length (4) and its tag (16) |
//! | 16 | tag over everything before |

use std::ops::Range;

use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use crate::cipher::key::{BodyId, PURPOSE_CHUNK, TAG_BYTES, random};
use crate::cipher::{BodyKey, CipherError};
use crate::limits::{BLOCK_BYTES, CHUNK_APPENDIX_BYTES_MAX, CHUNK_SEGMENTS_MAX, SPAN_SEGMENTS_MAX};

const FORMAT_VERSION: u8 = 1;
const SALT_BYTES: usize = 32;
const BODY_BYTES: usize = size_of::<BodyId>();
const HEADER_BYTES: usize = 16 + BODY_BYTES + SALT_BYTES;
const SEGMENT_BYTES: usize = 4 + TAG_BYTES;

const _: () = assert!(HEADER_BYTES + CHUNK_SEGMENTS_MAX * SEGMENT_BYTES + TAG_BYTES <= CHUNK_APPENDIX_BYTES_MAX);

/// Where a chunk lies, as its appendix swears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Which body it was written for: parts that are sent again are another.
    pub body: BodyId,
    /// Number of the part; 0 for a body without parts.
    pub part: u16,
    /// Where it starts in the part or body.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whether its part or body ends with it.
    pub is_last: bool,
}

/// Seals the segments of one chunk in place, one after the other.
pub struct ChunkSealer {
    key: LessSafeKey,
    body: BodyId,
    part: u16,
    start: u64,
    length: u64,
    salt: [u8; SALT_BYTES],
    /// Length and tag of each segment, as they are stored.
    segments: Vec<u8>,
}

impl ChunkSealer {
    /// Begins the chunk that starts at `start` of its body.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn begin(key: &BodyKey, start: u64) -> Result<Self, CipherError> {
        let salt = random()?;
        let derived = key.data.0.derive(&salt, PURPOSE_CHUNK);
        let (body, part) = (key.id, key.part);
        Ok(Self { key: derived, body, part, start, length: 0, salt, segments: Vec::new() })
    }

    /// Seals the bytes that follow, in place.
    ///
    /// # Panics
    /// If there are none, if they cross a span, or if the chunk has as many segments as one may have: writers
    /// cut at spans and ask `is_crowded`.
    pub fn seal(&mut self, bytes: &mut [u8]) {
        assert!(stays_in_span(self.length, bytes.len()), "a segment has bytes and stays within its span");
        assert!(self.count() < CHUNK_SEGMENTS_MAX, "a chunk has at most CHUNK_SEGMENTS_MAX segments");
        let tag = self.key.seal_in_place_separate_tag(segment_nonce(self.length), Aad::empty(), bytes);
        let tag = tag.expect("a segment is far below the bound of AES-GCM");
        self.segments.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.segments.extend_from_slice(tag.as_ref());
        self.length += bytes.len() as u64;
    }

    /// Whether another span might not find room for its segments: the chunk then ends, if it is at a span's end.
    /// Happens to clients that stall again and again.
    pub fn is_crowded(&self) -> bool {
        self.count() + SPAN_SEGMENTS_MAX > CHUNK_SEGMENTS_MAX && self.length.is_multiple_of(BLOCK_BYTES as u64)
    }

    fn count(&self) -> usize {
        self.segments.len() / SEGMENT_BYTES
    }

    /// The chunk's appendix. `is_last` says that its body ends with it.
    pub fn finish(self, is_last: bool) -> Vec<u8> {
        let mut appendix = Vec::with_capacity(HEADER_BYTES + self.segments.len() + TAG_BYTES);
        appendix.extend_from_slice(&[FORMAT_VERSION, u8::from(is_last)]);
        appendix.extend_from_slice(&self.part.to_le_bytes());
        appendix.extend_from_slice(&(self.count() as u32).to_le_bytes());
        appendix.extend_from_slice(&self.start.to_le_bytes());
        appendix.extend_from_slice(&self.body);
        appendix.extend_from_slice(&self.salt);
        appendix.extend_from_slice(&self.segments);
        let tag = self.key.seal_in_place_separate_tag(appendix_nonce(), Aad::from(&appendix), &mut []);
        appendix.extend_from_slice(tag.expect("nothing is far below the bound of AES-GCM").as_ref());
        appendix
    }
}

/// A segment as the appendix has it.
#[derive(Clone, Copy)]
struct Segment {
    start: u64,
    length: usize,
    tag: [u8; TAG_BYTES],
}

/// Opens the segments of one sealed chunk in place, in any order.
pub struct ChunkOpener {
    key: LessSafeKey,
    placement: Placement,
    segments: Vec<Segment>,
}

impl ChunkOpener {
    /// Reads and authenticates the appendix of a chunk with `length` bytes.
    ///
    /// # Errors
    /// `Damaged` if it is not what was written for a chunk of that length under that key.
    pub fn parse(key: &BodyKey, length: u64, appendix: &[u8]) -> Result<Self, CipherError> {
        let damaged = CipherError::Damaged;
        let (signed, tag) = appendix.split_last_chunk::<TAG_BYTES>().ok_or(damaged("the appendix is cut"))?;
        let (header, table) = signed.split_at_checked(HEADER_BYTES).ok_or(damaged("the appendix is cut"))?;
        let (fixed, salt) = header.split_at(HEADER_BYTES - SALT_BYTES);
        if fixed[0] != FORMAT_VERSION {
            return Err(damaged("the appendix has another version"));
        }
        let key = key.data.0.derive(salt, PURPOSE_CHUNK);
        let opened = key.open_in_place_separate_tag(appendix_nonce(), Aad::from(signed), (*tag).into(), &mut [], 0..);
        opened.map_err(|_| damaged("the appendix is not of this body"))?;
        let segments = read_segments(table)?;
        let placement = Placement {
            part: u16::from_le_bytes([fixed[2], fixed[3]]),
            start: u64::from_le_bytes(fixed[8..16].try_into().expect("a slice of eight bytes")),
            body: fixed[16..].try_into().expect("the rest of the header is the body's id"),
            length: segments.last().map_or(0, |segment| segment.start + segment.length as u64),
            is_last: fixed[1] == 1,
        };
        if placement.length != length {
            return Err(damaged("the chunk has another length than its segments"));
        }
        Ok(Self { key, placement, segments })
    }

    /// Where the chunk lies.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// Opens those segments of span `index`, which is in `span`, that `within` touches, in place.
    ///
    /// # Errors
    /// `Damaged`: what is in `span` then is garbage.
    pub fn open(&self, index: usize, span: &mut [u8], within: Range<usize>) -> Result<(), CipherError> {
        let base = (index * BLOCK_BYTES) as u64;
        let (from, to) = (base + within.start as u64, base + within.end as u64);
        let first = self.segments.partition_point(|segment| segment.start + segment.length as u64 <= from);
        for segment in self.segments[first..].iter().take_while(|segment| segment.start < to) {
            let start = (segment.start - base) as usize;
            let bytes = span.get_mut(start..start + segment.length);
            let bytes = bytes.ok_or(CipherError::Damaged("a segment leaves its span"))?;
            let (nonce, tag) = (segment_nonce(segment.start), segment.tag.into());
            let opened = self.key.open_in_place_separate_tag(nonce, Aad::empty(), tag, bytes, 0..);
            opened.map_err(|_| CipherError::Damaged("a segment"))?;
        }
        Ok(())
    }
}

fn read_segments(table: &[u8]) -> Result<Vec<Segment>, CipherError> {
    let (rows, rest) = table.as_chunks::<SEGMENT_BYTES>();
    if !rest.is_empty() || rows.len() > CHUNK_SEGMENTS_MAX {
        return Err(CipherError::Damaged("the appendix has another length"));
    }
    let mut start = 0;
    let mut segments = Vec::with_capacity(rows.len());
    for row in rows {
        let (length, tag) = row.split_at(SEGMENT_BYTES - TAG_BYTES);
        let length = u32::from_le_bytes(length.try_into().expect("four bytes before the tag")) as usize;
        if !stays_in_span(start, length) {
            return Err(CipherError::Damaged("a segment crosses its span"));
        }
        segments.push(Segment { start, length, tag: tag.try_into().expect("sixteen bytes of tag") });
        start += length as u64;
    }
    Ok(segments)
}

/// Whether `length` bytes from `start` on are some, and end in the span that they begin in.
fn stays_in_span(start: u64, length: usize) -> bool {
    length > 0 && start % BLOCK_BYTES as u64 + length as u64 <= BLOCK_BYTES as u64
}

/// The key is the chunk's own and a chunk has one segment at each place, so no nonce is used twice.
fn segment_nonce(start: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&start.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Differs from those of all segments.
fn appendix_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0xff; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{ChunkOpener, ChunkSealer, HEADER_BYTES, Placement};
    use crate::cipher::{BodyKey, CipherError, DataKey};
    use crate::limits::{BLOCK_BYTES, CHUNK_APPENDIX_BYTES_MAX, CHUNK_SEGMENTS_MAX};

    fn plain(length: usize) -> Vec<u8> {
        (0..length).map(|at| (at as u64).wrapping_mul(0x9E37_79B9).to_le_bytes()[2]).collect()
    }

    /// Seals `bytes` in segments of `cut` bytes, shorter at the ends of spans.
    fn seal(key: &BodyKey, start: u64, bytes: &mut [u8], cut: usize, is_last: bool) -> Vec<u8> {
        let mut sealer = ChunkSealer::begin(key, start).unwrap();
        for span in bytes.chunks_mut(BLOCK_BYTES) {
            span.chunks_mut(cut).for_each(|segment| sealer.seal(segment));
        }
        sealer.finish(is_last)
    }

    /// The bytes in `within` of span `index`.
    fn open(opener: &ChunkOpener, sealed: &[u8], index: usize, within: std::ops::Range<usize>) -> Option<Vec<u8>> {
        let mut span = sealed.chunks(BLOCK_BYTES).nth(index).unwrap().to_vec();
        opener.open(index, &mut span, within.clone()).ok()?;
        Some(span[within].to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn any_range_of_a_sealed_chunk_opens(
            length in 1..3 * BLOCK_BYTES,
            cut in BLOCK_BYTES / 16..=BLOCK_BYTES,
            range in any::<(prop::sample::Index, prop::sample::Index, prop::sample::Index)>(),
        ) {
            let key = DataKey::generate().unwrap().part(7);
            let body = key.id;
            let plain = plain(length);
            let mut sealed = plain.clone();
            let appendix = seal(&key, 1 << 40, &mut sealed, cut, true);
            prop_assert!(appendix.len() <= CHUNK_APPENDIX_BYTES_MAX);
            let opener = ChunkOpener::parse(&key, length as u64, &appendix).unwrap();
            let placement = Placement { body, part: 7, start: 1 << 40, length: length as u64, is_last: true };
            prop_assert_eq!(opener.placement(), placement);
            let spans: Vec<&[u8]> = plain.chunks(BLOCK_BYTES).collect();
            let index = range.0.index(spans.len());
            let (a, b) = (range.1.index(spans[index].len()), range.2.index(spans[index].len()));
            let within = a.min(b)..a.max(b) + 1;
            prop_assert_eq!(open(&opener, &sealed, index, within.clone()).unwrap(), &spans[index][within]);
        }

        #[test]
        fn no_flipped_bit_of_the_data_opens(length in 1..2 * BLOCK_BYTES, bit in any::<prop::sample::Index>()) {
            let key = DataKey::generate().unwrap().whole();
            let mut sealed = plain(length);
            let appendix = seal(&key, 0, &mut sealed, BLOCK_BYTES / 8, true);
            let opener = ChunkOpener::parse(&key, length as u64, &appendix).unwrap();
            let bit = bit.index(length * 8);
            sealed[bit / 8] ^= 1 << (bit % 8);
            let (index, at) = (bit / 8 / BLOCK_BYTES, bit / 8 % BLOCK_BYTES);
            prop_assert!(open(&opener, &sealed, index, at..at + 1).is_none());
        }
    }

    #[test]
    fn no_flipped_or_missing_byte_of_the_appendix_opens() {
        let key = DataKey::generate().unwrap().part(3);
        let mut sealed = plain(1000);
        let appendix = seal(&key, 5, &mut sealed, 400, false);
        ChunkOpener::parse(&key, 1000, &appendix).unwrap();
        for at in 0..appendix.len() {
            let mut flipped = appendix.clone();
            flipped[at] ^= 0x10;
            assert!(ChunkOpener::parse(&key, 1000, &flipped).is_err(), "byte {at}");
            assert!(ChunkOpener::parse(&key, 1000, &appendix[..at]).is_err(), "cut at {at}");
            assert!(ChunkOpener::parse(&key, 1000, &appendix[at + 1..]).is_err(), "without the first {at}");
        }
        assert!(ChunkOpener::parse(&key, 999, &appendix).is_err(), "a chunk that was cut");
    }

    #[test]
    fn segments_and_chunks_of_others_do_not_open() {
        let key = DataKey::generate().unwrap().whole();
        let mut sealed = plain(2 * BLOCK_BYTES);
        let appendix = seal(&key, 0, &mut sealed, BLOCK_BYTES, true);
        let opener = ChunkOpener::parse(&key, sealed.len() as u64, &appendix).unwrap();
        let mut swapped = sealed.clone();
        swapped.rotate_left(BLOCK_BYTES);
        assert!(open(&opener, &swapped, 0, 0..1).is_none(), "segments in another order");
        let mut other = plain(2 * BLOCK_BYTES);
        let other_appendix = seal(&key, 0, &mut other, BLOCK_BYTES, true);
        assert!(open(&opener, &other, 0, 0..1).is_none(), "the same plaintext in another chunk");
        assert_ne!(other, sealed, "the same plaintext is never sealed the same way");
        let mut mixed = other_appendix;
        mixed[HEADER_BYTES..].copy_from_slice(&appendix[HEADER_BYTES..]);
        assert!(ChunkOpener::parse(&key, sealed.len() as u64, &mixed).is_err());
        let stranger = DataKey::generate().unwrap().whole();
        let refused = ChunkOpener::parse(&stranger, sealed.len() as u64, &appendix).err();
        assert_eq!(refused, Some(CipherError::Damaged("the appendix is not of this body")));
    }

    #[test]
    fn chunks_tell_whether_they_were_written_in_one_go() {
        let data = DataKey::generate().unwrap();
        let body_of = |key: &BodyKey, start| {
            let mut sealed = plain(100);
            let appendix = seal(key, start, &mut sealed, BLOCK_BYTES, start > 0);
            // A reader has the data key, and not which attempt wrote.
            ChunkOpener::parse(&data.whole(), 100, &appendix).unwrap().placement().body
        };
        let (first, again) = (data.part(1), data.part(1));
        assert_eq!(body_of(&first, 0), body_of(&first.clone(), 100));
        assert_ne!(body_of(&first, 0), body_of(&again, 0), "a part that is sent again");
    }

    #[test]
    fn a_client_that_always_stalls_never_overfills_the_table() {
        let mut sealer = ChunkSealer::begin(&DataKey::generate().unwrap().whole(), 0).unwrap();
        let mut spans = 0;
        while !sealer.is_crowded() {
            // As short as a block that was cut by a stall can be, and the rest of the span.
            for _ in 0..15 {
                sealer.seal(&mut vec![0; BLOCK_BYTES / 16 + 1]);
                assert!(!sealer.is_crowded(), "a chunk ends at a span's end");
            }
            sealer.seal(&mut vec![0; BLOCK_BYTES / 16 - 15]);
            spans += 1;
        }
        assert_eq!(spans, CHUNK_SEGMENTS_MAX / 16);
        assert!(sealer.finish(false).len() <= CHUNK_APPENDIX_BYTES_MAX);
    }
}
