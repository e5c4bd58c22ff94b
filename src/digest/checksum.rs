//! Running checksums of each algorithm.

use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3;
use xxhash_rust::xxh64::Xxh64;

use crate::types::{ChecksumAlgorithm, ChecksumValue};

/// A running checksum of one algorithm.
pub struct ChecksumHasher {
    state: State,
}

enum State {
    Crc32(Box<crc_fast::Digest>),
    Crc32c(Box<crc_fast::Digest>),
    Crc64Nvme(SpanCrc),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
    XxHash64(Xxh64),
    // Half a kilobyte of state each: boxed, so that the other algorithms stay small.
    XxHash3(Box<Xxh3>),
    XxHash128(Box<Xxh3>),
}

impl ChecksumHasher {
    /// Starts a checksum. XXHash runs with seed 0.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => State::Crc32(Box::new(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc))),
            ChecksumAlgorithm::Crc32c => State::Crc32c(Box::new(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi))),
            ChecksumAlgorithm::Crc64Nvme => State::Crc64Nvme(SpanCrc::new()),
            ChecksumAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(Sha256::new()),
            ChecksumAlgorithm::Sha512 => State::Sha512(Sha512::new()),
            ChecksumAlgorithm::Md5 => State::Md5(Md5::new()),
            ChecksumAlgorithm::XxHash64 => State::XxHash64(Xxh64::new(0)),
            ChecksumAlgorithm::XxHash3 => State::XxHash3(Box::new(Xxh3::new())),
            ChecksumAlgorithm::XxHash128 => State::XxHash128(Box::new(Xxh3::new())),
        };
        Self { state }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(crc) | State::Crc32c(crc) => crc.update(bytes),
            State::Crc64Nvme(crc) => crc.update(bytes),
            State::Sha1(hash) => hash.update(bytes),
            State::Sha256(hash) => hash.update(bytes),
            State::Sha512(hash) => hash.update(bytes),
            State::Md5(hash) => hash.update(bytes),
            State::XxHash64(hash) => hash.update(bytes),
            State::XxHash3(hash) | State::XxHash128(hash) => hash.update(bytes),
        }
    }

    /// Ends the checksum. Numbers are big-endian, as S3 sends them.
    pub fn finish(self) -> ChecksumValue {
        let (algorithm, bytes) = match self.state {
            State::Crc32(crc) => (ChecksumAlgorithm::Crc32, crc32_bytes(crc.finalize())),
            State::Crc32c(crc) => (ChecksumAlgorithm::Crc32c, crc32_bytes(crc.finalize())),
            State::Crc64Nvme(crc) => (ChecksumAlgorithm::Crc64Nvme, crc.value().to_be_bytes().to_vec()),
            State::Sha1(hash) => (ChecksumAlgorithm::Sha1, hash.finalize().to_vec()),
            State::Sha256(hash) => (ChecksumAlgorithm::Sha256, hash.finalize().to_vec()),
            State::Sha512(hash) => (ChecksumAlgorithm::Sha512, hash.finalize().to_vec()),
            State::Md5(hash) => (ChecksumAlgorithm::Md5, hash.finalize().to_vec()),
            State::XxHash64(hash) => (ChecksumAlgorithm::XxHash64, hash.digest().to_be_bytes().to_vec()),
            State::XxHash3(hash) => (ChecksumAlgorithm::XxHash3, hash.digest().to_be_bytes().to_vec()),
            State::XxHash128(hash) => (ChecksumAlgorithm::XxHash128, hash.digest128().to_be_bytes().to_vec()),
        };
        ChecksumValue::new(algorithm, bytes).expect("each hasher makes as many bytes as its algorithm")
    }
}

/// The low four bytes of `crc`: crc-fast returns every width as 64 bits.
fn crc32_bytes(crc: u64) -> Vec<u8> {
    crc.to_be_bytes()[4..].to_vec()
}

/// A running CRC-64/NVME: what guards each span of a chunk file.
pub struct SpanCrc {
    digest: crc_fast::Digest,
}

impl SpanCrc {
    /// Starts a checksum.
    pub fn new() -> Self {
        Self { digest: crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme) }
    }

    /// The checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> u64 {
        crc_fast::crc64_nvme(bytes)
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    /// The checksum of everything added so far.
    pub fn value(&self) -> u64 {
        self.digest.finalize()
    }

    /// Ends the checksum and starts the next.
    pub fn take(&mut self) -> u64 {
        self.digest.finalize_reset()
    }
}

impl Default for SpanCrc {
    fn default() -> Self {
        Self::new()
    }
}

/// The CRC of `first ‖ second`, where `second` is `second_length` bytes long. `None` if the algorithms differ
/// or do not combine.
pub fn combine_crcs(first: &ChecksumValue, second: &ChecksumValue, second_length: u64) -> Option<ChecksumValue> {
    let algorithm = first.algorithm();
    if second.algorithm() != algorithm {
        return None;
    }
    let crc = match algorithm {
        ChecksumAlgorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        ChecksumAlgorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        ChecksumAlgorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256
        | ChecksumAlgorithm::Sha512
        | ChecksumAlgorithm::Md5
        | ChecksumAlgorithm::XxHash64
        | ChecksumAlgorithm::XxHash3
        | ChecksumAlgorithm::XxHash128 => return None,
    };
    let number = |value: &ChecksumValue| value.bytes().iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte));
    let combined = crc_fast::checksum_combine(crc, number(first), number(second), second_length).to_be_bytes();
    ChecksumValue::new(algorithm, &combined[8 - algorithm.value_bytes()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::{ChecksumHasher, SpanCrc, combine_crcs};
    use crate::types::{ChecksumAlgorithm, ChecksumValue};

    fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
        let mut hasher = ChecksumHasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// Check values of the CRC catalogue over `123456789`, of FIPS 180-4 and RFC 1321 over `abc`, and of the
    /// xxHash reference implementation over no bytes and over `123456789`.
    #[test]
    fn every_algorithm_matches_its_published_vectors() {
        let vectors: [(ChecksumAlgorithm, &[u8], &str); 16] = [
            (ChecksumAlgorithm::Crc32, b"123456789", "cbf43926"),
            (ChecksumAlgorithm::Crc32c, b"123456789", "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, b"123456789", "ae8b14860a799888"),
            (ChecksumAlgorithm::Crc64Nvme, b"", "0000000000000000"),
            (ChecksumAlgorithm::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (ChecksumAlgorithm::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                ChecksumAlgorithm::Sha512,
                b"abc",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            (ChecksumAlgorithm::Md5, b"abc", "900150983cd24fb0d6963f7d28e17f72"),
            (ChecksumAlgorithm::Md5, b"", "d41d8cd98f00b204e9800998ecf8427e"),
            (ChecksumAlgorithm::XxHash64, b"", "ef46db3751d8e999"),
            (ChecksumAlgorithm::XxHash64, b"abc", "44bc2cf5ad770999"),
            (ChecksumAlgorithm::XxHash3, b"", "2d06800538d394c2"),
            (ChecksumAlgorithm::XxHash3, b"abc", "78af5f94892f3950"),
            (ChecksumAlgorithm::XxHash128, b"", "99aa06d3014798d86001c324468d497f"),
            (ChecksumAlgorithm::XxHash128, b"abc", "06b05ab6733a618578af5f94892f3950"),
            (ChecksumAlgorithm::XxHash128, b"a", "a96faf705af16834e6c632b61e964e1f"),
        ];
        for (algorithm, input, expected) in vectors {
            assert_eq!(hex::encode(checksum(algorithm, input).bytes()), expected, "{algorithm} of {input:?}");
        }
        for algorithm in ChecksumAlgorithm::ALL {
            assert!(vectors.iter().any(|(tested, _, _)| *tested == algorithm), "{algorithm} has no vector");
        }
    }

    #[test]
    fn only_crcs_of_one_algorithm_combine() {
        for first in ChecksumAlgorithm::ALL {
            for second in ChecksumAlgorithm::ALL {
                let combined = combine_crcs(&checksum(first, b"a"), &checksum(second, b"b"), 1);
                assert_eq!(combined.is_some(), first == second && first.combines(), "{first} with {second}");
            }
        }
    }

    #[test]
    fn a_span_checksum_starts_anew_after_it_was_taken() {
        let mut crc = SpanCrc::new();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.value(), 0xae8b_1486_0a79_9888);
        assert_eq!(crc.take(), SpanCrc::of(b"123456789"));
        crc.update(b"123456789");
        assert_eq!(crc.take(), 0xae8b_1486_0a79_9888);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn combined_crcs_are_the_crc_of_the_whole(first in any::<Vec<u8>>(), second in any::<Vec<u8>>()) {
            let whole = [&first[..], &second[..]].concat();
            for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.combines()) {
                let combined = combine_crcs(
                    &checksum(algorithm, &first),
                    &checksum(algorithm, &second),
                    second.len() as u64,
                );
                prop_assert_eq!(combined, Some(checksum(algorithm, &whole)));
            }
        }

        #[test]
        fn pieces_hash_like_the_whole(pieces in any::<Vec<Vec<u8>>>()) {
            for algorithm in ChecksumAlgorithm::ALL {
                let mut hasher = ChecksumHasher::new(algorithm);
                pieces.iter().for_each(|piece| hasher.update(piece));
                prop_assert_eq!(hasher.finish(), checksum(algorithm, &pieces.concat()));
            }
        }
    }
}
