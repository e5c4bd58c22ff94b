//! The tee: every stream goes through MD5, SHA-256 and the requested checksum in one pass.

use super::stream::Stream;
use crate::digest::ChecksumHasher;
use crate::types::{ChecksumAlgorithm, ChecksumValue};

/// What a finished stream hashed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Bytes seen.
    pub length: u64,
    /// MD5, for the ETag.
    pub md5: [u8; 16],
    /// SHA-256, for the payload hash.
    pub sha256: [u8; 32],
    /// The requested checksum.
    pub checksum: ChecksumValue,
}

/// The running hashes of one stream.
pub struct Tee {
    pub(super) stream: Stream,
    algorithm: ChecksumAlgorithm,
    /// The requested checksum, unless it is one of the two that run anyway.
    third: Option<ChecksumHasher>,
}

impl Tee {
    /// Starts the hashes of a stream whose stored checksum is `checksum`. If that is MD5 or SHA-256 it is not
    /// computed twice.
    pub fn new(checksum: ChecksumAlgorithm) -> Self {
        let third = match checksum {
            ChecksumAlgorithm::Md5 | ChecksumAlgorithm::Sha256 => None,
            ChecksumAlgorithm::Crc32
            | ChecksumAlgorithm::Crc32c
            | ChecksumAlgorithm::Crc64Nvme
            | ChecksumAlgorithm::Sha1
            | ChecksumAlgorithm::Sha512
            | ChecksumAlgorithm::XxHash64
            | ChecksumAlgorithm::XxHash3
            | ChecksumAlgorithm::XxHash128 => Some(ChecksumHasher::new(checksum)),
        };
        Self { stream: Stream::new(), algorithm: checksum, third }
    }

    /// Adds bytes to the third checksum only: they go through the others elsewhere.
    pub(super) fn checksum_only(&mut self, bytes: &[u8]) {
        if let Some(third) = &mut self.third {
            third.update(bytes);
        }
    }

    /// Ends all hashes.
    pub fn finish(self) -> Digests {
        let length = self.stream.length();
        let (md5, sha256) = self.stream.finish();
        let checksum = match self.third {
            Some(third) => third.finish(),
            None => {
                let bytes: &[u8] = if self.algorithm == ChecksumAlgorithm::Md5 { &md5 } else { &sha256 };
                ChecksumValue::new(self.algorithm, bytes).expect("MD5 has 16 bytes and SHA-256 has 32")
            }
        };
        Digests { length, md5, sha256, checksum }
    }
}

#[cfg(test)]
mod tests {
    use md5::Md5;
    use proptest::prelude::{ProptestConfig, any, prop, prop_assert_eq, proptest};
    use sha2::{Digest as _, Sha256};

    use super::Tee;
    use crate::digest::ChecksumHasher;
    use crate::types::ChecksumAlgorithm;

    const PIECE_BYTES: usize = 16 * 1024;

    #[test]
    fn the_tee_of_nothing_is_the_hash_of_nothing() {
        let digests = Tee::new(ChecksumAlgorithm::Md5).finish();
        assert_eq!(digests.length, 0);
        assert_eq!(hex::encode(digests.md5), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(hex::encode(digests.sha256), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(digests.checksum.bytes(), digests.md5);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_tee_equals_each_hash_alone(
            seed in any::<u8>(),
            lengths in prop::collection::vec(0..3 * PIECE_BYTES, 0..5),
            number in 0..ChecksumAlgorithm::ALL.len(),
        ) {
            let algorithm = ChecksumAlgorithm::ALL[number];
            let mut tee = Tee::new(algorithm);
            let mut alone = ChecksumHasher::new(algorithm);
            let mut whole = Vec::new();
            for length in lengths {
                let piece: Vec<u8> = (0..length).map(|index| (index as u8).wrapping_mul(31) ^ seed).collect();
                tee.update(&piece);
                alone.update(&piece);
                whole.extend(piece);
            }
            let digests = tee.finish();
            prop_assert_eq!(digests.length, whole.len() as u64);
            prop_assert_eq!(digests.md5, <[u8; 16]>::from(Md5::digest(&whole)));
            prop_assert_eq!(digests.sha256, <[u8; 32]>::from(Sha256::digest(&whole)));
            prop_assert_eq!(digests.checksum, alone.finish());
        }
    }
}
