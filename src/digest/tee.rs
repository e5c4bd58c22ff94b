//! The tee: every stream goes through MD5, SHA-256 and the requested checksum in one pass.

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
pub struct Tee {}

impl Tee {
    /// Starts the hashes of a stream whose stored checksum is `checksum`. If that is MD5 or SHA-256 it is not
    /// computed twice.
    pub fn new(checksum: ChecksumAlgorithm) -> Self {
        let _ = checksum;
        unimplemented!()
    }

    /// Adds bytes, in pieces that stay in the cache between the hashes.
    pub fn update(&mut self, bytes: &[u8]) {
        let _ = bytes;
        unimplemented!()
    }

    /// Ends all hashes.
    pub fn finish(self) -> Digests {
        unimplemented!()
    }
}
