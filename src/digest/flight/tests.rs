use md5::Md5;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
use sha2::{Digest as _, Sha256};

use super::{Flight, PIECE_BYTES, Work};
use crate::digest::{ChecksumHasher, Digests, Kernels, Tee};
use crate::types::ChecksumAlgorithm;

/// A stream that comes in pieces of its own lengths.
struct Upload {
    number: usize,
    tee: Tee,
    piece: Vec<u8>,
    later: Vec<Vec<u8>>,
}

impl Work for Upload {
    fn parts(&mut self) -> (&mut Tee, &[u8]) {
        (&mut self.tee, &self.piece)
    }
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|n| ((n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as u8).collect()
}

fn algorithm_of(number: usize) -> ChecksumAlgorithm {
    ChecksumAlgorithm::ALL[number % ChecksumAlgorithm::ALL.len()]
}

/// Hashes the pieces of all streams in one flight, as it would be under load: whoever has landed queues again with
/// the next piece, and newcomers go aboard in the midst of others.
fn fly(kernels: &'static Kernels, seed: u64, streams: &[Vec<usize>]) -> Vec<Digests> {
    let mut waiting: Vec<Upload> = Vec::new();
    for (number, lengths) in streams.iter().enumerate() {
        let mut pieces: Vec<_> = lengths.iter().map(|&length| noise(seed ^ number as u64, length)).collect();
        pieces.reverse();
        let piece = pieces.pop().unwrap_or_default();
        waiting.push(Upload { number, tee: Tee::new(algorithm_of(number)), piece, later: pieces });
    }
    waiting.reverse();
    let mut flight = Flight::new(kernels);
    let mut digests: Vec<Option<Digests>> = streams.iter().map(|_| None).collect();
    let mut turn = 0;
    while !(flight.is_empty() && waiting.is_empty()) {
        turn += 1;
        // Some board late, so that lanes are at different places.
        let boarding = flight.room().min(if flight.is_empty() { usize::MAX } else { turn % 3 });
        waiting.drain(..boarding.min(waiting.len())).for_each(|upload| flight.board(upload));
        flight.step(|mut upload| match upload.later.pop() {
            Some(piece) => {
                upload.piece = piece;
                waiting.push(upload);
            }
            None => digests[upload.number] = Some(upload.tee.finish()),
        });
    }
    digests.into_iter().map(|digests| digests.expect("every stream landed")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn streams_that_fly_together_hash_to_what_each_does_alone(
        seed in any::<u64>(),
        streams in prop::collection::vec(prop::collection::vec(0..1500_usize, 0..5), 1..24),
    ) {
        for kernels in Kernels::runnable() {
            let together = fly(kernels, seed, &streams);
            for (number, (digests, lengths)) in together.iter().zip(&streams).enumerate() {
                let whole: Vec<u8> =
                    lengths.iter().flat_map(|&length| noise(seed ^ number as u64, length)).collect();
                let mut alone = ChecksumHasher::new(algorithm_of(number));
                alone.update(&whole);
                prop_assert_eq!(digests.length, whole.len() as u64);
                prop_assert_eq!(digests.md5, <[u8; 16]>::from(Md5::digest(&whole)), "{}", kernels.name());
                prop_assert_eq!(digests.sha256, <[u8; 32]>::from(Sha256::digest(&whole)), "{}", kernels.name());
                prop_assert_eq!(&digests.checksum, &alone.finish());
            }
        }
    }
}

#[test]
fn a_step_is_a_piece_and_the_shortest_leaves_first() {
    let kernels = Kernels::runnable().find(|kernels| kernels.lanes_max() > 1);
    let Some(kernels) = kernels else { return };
    let (mut short, mut long) = (Tee::new(ChecksumAlgorithm::Md5), Tee::new(ChecksumAlgorithm::Crc32));
    let bytes = noise(3, PIECE_BYTES + 200);
    let mut flight = Flight::new(kernels);
    flight.board((&mut long, &bytes[..]));
    flight.board((&mut short, &bytes[..100]));
    let mut landed = Vec::new();
    flight.step(|(_, bytes)| landed.push(bytes.len()));
    assert_eq!((landed.as_slice(), flight.len()), (&[100][..], 1), "64 bytes of each, and the rest of the short one");
    flight.step(|(_, bytes)| landed.push(bytes.len()));
    assert_eq!(flight.len(), 1, "no more than a piece at a time");
    flight.step(|(_, bytes)| landed.push(bytes.len()));
    assert_eq!((landed, flight.is_empty()), (vec![100, PIECE_BYTES + 200], true));
    let (short, long) = (short.finish(), long.finish());
    assert_eq!(short.md5, <[u8; 16]>::from(Md5::digest(&bytes[..100])));
    assert_eq!(long.md5, <[u8; 16]>::from(Md5::digest(&bytes)));
}

#[test]
fn a_work_without_bytes_lands_at_once() {
    let mut tee = Tee::new(ChecksumAlgorithm::Md5);
    let mut flight = Flight::new(Kernels::here());
    flight.board((&mut tee, &[][..]));
    let mut landed = 0;
    flight.step(|_| landed += 1);
    assert!(landed == 1 && flight.is_empty());
}
