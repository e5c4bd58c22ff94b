//! Any bytes as the appendix of a sealed chunk: as who can write chunk files but has no key could leave them, and as
//! who has the key could sign them.

use ring::aead::{Aad, NONCE_LEN, Nonce};

use crate::cipher::key::{PURPOSE_CHUNK, Secret};
use crate::cipher::{BodyKey, ChunkOpener, ChunkSealer, DataKey};
use crate::limits::BLOCK_BYTES;
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 7] = [
    "\u{1}\u{0}\u{0}\u{0}\u{1}\u{0}\u{0}\u{0}",
    "\u{1}\u{1}\u{7}\u{0}\u{2}\u{0}\u{0}\u{0}",
    "\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}",
    "\u{5}\u{0}\u{0}\u{0}ttttttttttttttttt",
    "\u{0}\u{0}\u{4}\u{0}ttttttttttttttttt",
    "\u{7f}\u{7f}\u{7f}\u{7f}",
    "\u{2}",
];

/// The same in every run: what breaks the law breaks it again.
fn key() -> BodyKey {
    DataKey(Secret::from_slice(&[7; 32]).expect("a key has 32 bytes")).part(3)
}

/// `input` as an appendix that is signed with the key: what a sealer with a fault could have written.
fn signed(key: &BodyKey, input: &[u8]) -> Vec<u8> {
    let mut appendix = input.to_vec();
    if let Some(version) = appendix.first_mut() {
        *version = 1;
    }
    let salt = appendix.get(32..64).unwrap_or_default();
    let (secret, nonce) = (key.data.0.derive(salt, PURPOSE_CHUNK), Nonce::assume_unique_for_key([0xff; NONCE_LEN]));
    let tag = secret.seal_in_place_separate_tag(nonce, Aad::from(&appendix), &mut []);
    appendix.extend_from_slice(tag.expect("a short text").as_ref());
    appendix
}

/// What was signed with the key is read as what it says or refused, and no chunk makes what was read panic.
fn what_is_signed(key: &BodyKey, input: &[u8]) {
    let appendix = signed(key, input);
    let Some(table) = input.get(64..) else {
        assert!(ChunkOpener::parse(key, 0, &appendix).is_err(), "it is cut");
        return;
    };
    let lengths = table.chunks(20).map(|row| {
        let mut length = [0; 4];
        let known = row.len().min(4);
        length[..known].copy_from_slice(&row[..known]);
        u64::from(u32::from_le_bytes(length))
    });
    let length = lengths.fold(0_u64, u64::saturating_add);
    let Ok(opener) = ChunkOpener::parse(key, length, &appendix) else { return };
    let placement = opener.placement();
    assert_eq!((placement.length, placement.is_last), (length, input[1] == 1));
    assert_eq!(placement.start.to_le_bytes(), input[8..16]);
    assert!(ChunkOpener::parse(key, length + 1, &appendix).is_err(), "of a chunk of that length only");
    for index in 0..length.div_ceil(BLOCK_BYTES as u64).min(3) as usize {
        let left = length - (index * BLOCK_BYTES) as u64;
        let mut span = vec![7; left.min(BLOCK_BYTES as u64) as usize];
        let whole = 0..span.len();
        assert!(opener.open(index, &mut span, whole).is_err(), "nobody sealed these bytes");
        let _ = opener.open(index, &mut span[..1], 0..1);
    }
}

/// What the sealer wrote opens, whole and unchanged only.
fn what_is_sealed(key: &BodyKey, cut: u8, bit: u8, plain: &[u8]) {
    let mut sealed = plain.to_vec();
    let mut sealer = ChunkSealer::begin(key, u64::from(cut)).expect("the system gives random bytes");
    sealed.chunks_mut(1 + usize::from(cut)).for_each(|segment| sealer.seal(segment));
    let mut appendix = sealer.finish(bit.is_multiple_of(2));
    let length = plain.len() as u64;
    let opener = ChunkOpener::parse(key, length, &appendix).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(opener.placement().is_last, bit.is_multiple_of(2));
    let whole = 0..sealed.len();
    opener.open(0, &mut sealed, whole).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(sealed, plain);
    let at = plain.iter().fold(usize::from(cut), |at, byte| at * 31 % 65_521 + usize::from(*byte)) % appendix.len();
    assert!(ChunkOpener::parse(key, length, &appendix[..at]).is_err(), "cut at {at}");
    appendix[at] ^= 1 << (bit & 7);
    assert!(ChunkOpener::parse(key, length, &appendix).is_err(), "byte {at} was changed");
}

fn check(input: &[u8]) {
    let key = key();
    for length in [0, input.len() as u64, u64::MAX] {
        assert!(ChunkOpener::parse(&key, length, input).is_err(), "nobody signed these bytes");
    }
    what_is_signed(&key, input);
    // Each segment is sealed by itself: a few are enough.
    if let [cut, bit, plain @ ..] = input
        && (1..=512).contains(&plain.len())
    {
        what_is_sealed(&key, (*cut).max(15), *bit, plain);
    }
}

#[test]
fn an_appendix_proves_itself() {
    fuzz::run(&Target { name: "appendices", runs: 6_000, tokens: &TOKENS, law: &check });
}

/// Else the law would say nothing about tables.
#[test]
fn signed_appendices_of_the_corpus_are_read() {
    let key = key();
    for (input, length) in [
        (&include_bytes!("../../../tests/fuzz/appendices/one")[..], 1000),
        (include_bytes!("../../../tests/fuzz/appendices/spans"), 2 * BLOCK_BYTES as u64 + 5),
    ] {
        ChunkOpener::parse(&key, length, &signed(&key, input)).unwrap_or_else(|error| panic!("{error}"));
    }
}
