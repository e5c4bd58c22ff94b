//! The `aws-chunked` body coding: frames, their signatures, the trailer.

use bytes::Bytes;

use crate::auth::verify::FrameSigning;
use crate::types::{ChecksumAlgorithm, ChecksumValue};

/// Why an `aws-chunked` body is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChunkedError {
    /// Placeholder variant of the skeleton.
    #[error("the body is not aws-chunked")]
    Malformed,
}

/// Decodes an `aws-chunked` body piece by piece. Decoded bytes leave before their frame's signature is
/// checked; `finish` succeeds only if every signature, length and trailer held.
pub struct ChunkedDecoder {}

impl ChunkedDecoder {
    /// A decoder of one body.
    pub fn new(
        signing: Option<FrameSigning>,
        trailer: bool,
        trailer_checksum: Option<ChecksumAlgorithm>,
        decoded_length: Option<u64>,
    ) -> Self {
        let _ = (signing, trailer, trailer_checksum, decoded_length);
        Self {}
    }

    /// Consumes from the front of `input` and returns the next decoded piece (a slice of `input`, no copy), or
    /// `None` when more input is needed or the body has ended.
    ///
    /// # Errors
    /// What is wrong with the body.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        let _ = input;
        unimplemented!()
    }

    /// Says that the transport has ended; checks that the body has, too.
    ///
    /// # Errors
    /// What is missing.
    pub fn finish(&mut self) -> Result<(), ChunkedError> {
        unimplemented!()
    }

    /// The announced trailer checksum, once the body has ended.
    pub fn trailer_checksum(&self) -> Option<ChecksumValue> {
        unimplemented!()
    }
}
