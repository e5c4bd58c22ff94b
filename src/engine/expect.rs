//! What a sender says about a body, compared with what arrived. Pure: digests in, verdict out.

use crate::digest::Digests;
use crate::engine::{Checksumming, EngineError, Expected, Mismatch};
use crate::types::{ChecksumAlgorithm, ChecksumValue};

impl Checksumming {
    /// The algorithm that the sender names, if any.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::Default => None,
            Self::Compute(algorithm) | Self::Trailer(algorithm) => Some(*algorithm),
            Self::Verify(value) => Some(value.algorithm()),
        }
    }
}

impl Expected {
    /// Compares the whole body with what was said about it. `trailer` is what the trailer carried.
    ///
    /// # Errors
    /// `Mismatch` with the first thing that differs.
    pub(crate) fn verify(&self, digests: &Digests, trailer: Option<&ChecksumValue>) -> Result<(), EngineError> {
        if self.length.is_some_and(|length| length != digests.length) {
            return Err(EngineError::Mismatch(Mismatch::Length));
        }
        if self.md5.is_some_and(|md5| md5 != digests.md5) {
            return Err(EngineError::Mismatch(Mismatch::ContentMd5));
        }
        if self.sha256.is_some_and(|sha256| sha256 != digests.sha256) {
            return Err(EngineError::Mismatch(Mismatch::PayloadSha256));
        }
        let claimed = match &self.checksum {
            Checksumming::Default | Checksumming::Compute(_) => return Ok(()),
            Checksumming::Verify(value) => value,
            Checksumming::Trailer(algorithm) => trailer
                .filter(|value| value.algorithm() == *algorithm)
                .ok_or(EngineError::Mismatch(Mismatch::Trailer(*algorithm)))?,
        };
        if *claimed == digests.checksum {
            Ok(())
        } else {
            Err(EngineError::Mismatch(Mismatch::Checksum(claimed.algorithm())))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::digest::Digests;
    use crate::engine::{Checksumming, EngineError, Expected, Mismatch};
    use crate::types::{ChecksumAlgorithm, ChecksumValue};

    fn crc32(byte: u8) -> ChecksumValue {
        ChecksumValue::new(ChecksumAlgorithm::Crc32, [byte; 4]).unwrap()
    }

    fn verdict(expected: Expected, trailer: Option<ChecksumValue>) -> Option<Mismatch> {
        let digests = Digests { length: 3, md5: [1; 16], sha256: [2; 32], checksum: crc32(3) };
        match expected.verify(&digests, trailer.as_ref()) {
            Ok(()) => None,
            Err(EngineError::Mismatch(mismatch)) => Some(mismatch),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn each_claim_is_compared_with_what_arrived() {
        let all = Expected {
            length: Some(3),
            md5: Some([1; 16]),
            sha256: Some([2; 32]),
            checksum: Checksumming::Verify(crc32(3)),
        };
        assert_eq!(verdict(Expected::default(), None), None);
        assert_eq!(verdict(all.clone(), None), None);
        assert_eq!(verdict(Expected { length: Some(4), ..all.clone() }, None), Some(Mismatch::Length));
        assert_eq!(verdict(Expected { md5: Some([0; 16]), ..all.clone() }, None), Some(Mismatch::ContentMd5));
        assert_eq!(verdict(Expected { sha256: Some([0; 32]), ..all.clone() }, None), Some(Mismatch::PayloadSha256));
        let wrong = Checksumming::Verify(crc32(9));
        let mismatch = Some(Mismatch::Checksum(ChecksumAlgorithm::Crc32));
        assert_eq!(verdict(Expected { checksum: wrong, ..all }, None), mismatch);
    }

    #[test]
    fn an_announced_trailer_has_to_come_and_to_match() {
        let expected = || Expected { checksum: Checksumming::Trailer(ChecksumAlgorithm::Crc32), ..Expected::default() };
        let missing = Some(Mismatch::Trailer(ChecksumAlgorithm::Crc32));
        let other = ChecksumValue::new(ChecksumAlgorithm::Crc32c, [3; 4]);
        assert_eq!(verdict(expected(), Some(crc32(3))), None);
        assert_eq!(verdict(expected(), None), missing);
        assert_eq!(verdict(expected(), other), missing, "another algorithm than the announced one");
        assert_eq!(verdict(expected(), Some(crc32(4))), Some(Mismatch::Checksum(ChecksumAlgorithm::Crc32)));
    }
}
