//! Request documents that are judged while they arrive: the part list of CompleteMultipartUpload and the key
//! list of DeleteObjects. Holds one piece of the body at a time; its integrity is known only at the end, so
//! nothing that was read may take effect before `finish`.

use std::future::poll_fn;

use crate::digest::{Digests, Tee};
use crate::engine::{ByteSource, Checksumming, Expected, Mismatch};
use crate::s3::body::BodyFault;
use crate::s3::xml::XmlFeed;
use crate::s3::{Code, S3Error};
use crate::types::{ChecksumAlgorithm, ChecksumValue};

/// A document under way.
pub(crate) struct Document {
    source: Box<dyn ByteSource>,
    expected: Expected,
    tee: Tee,
    feed: XmlFeed,
    bytes_left: usize,
}

impl Document {
    /// A document of at most `bytes_max` bytes.
    pub(crate) fn new(source: Box<dyn ByteSource>, expected: Expected, bytes_max: usize) -> Self {
        let algorithm = match &expected.checksum {
            Checksumming::Default => ChecksumAlgorithm::Crc32,
            Checksumming::Compute(algorithm) | Checksumming::Trailer(algorithm) => *algorithm,
            Checksumming::Verify(value) => value.algorithm(),
        };
        Self { source, expected, tee: Tee::new(algorithm), feed: XmlFeed::new(), bytes_left: bytes_max }
    }

    /// Waits for the next piece and returns the reader that now holds it; `None` at the end of the body. Take
    /// all events before the next call.
    ///
    /// # Errors
    /// `MalformedXML` if the document is too long, and whatever ended the body early.
    pub(crate) async fn next(&mut self) -> Result<Option<&mut XmlFeed>, S3Error> {
        let Some(piece) = poll_fn(|cx| self.source.poll_next(cx)).await else {
            return Ok(None);
        };
        let piece = piece.map_err(|error| match error.0.downcast::<BodyFault>() {
            Ok(fault) => S3Error::from(*fault),
            Err(unknown) => S3Error::new(Code::InternalError).cause(unknown),
        })?;
        self.bytes_left = self
            .bytes_left
            .checked_sub(piece.len())
            .ok_or_else(|| S3Error::new(Code::MalformedXML).cause("the document is too long"))?;
        self.tee.update(&piece);
        self.feed.push(&piece);
        Ok(Some(&mut self.feed))
    }

    /// Says that the whole document was read: it is complete, and it is what its sender sent.
    ///
    /// # Errors
    /// `MalformedXML`, or the code of what does not match.
    pub(crate) fn finish(self) -> Result<(), S3Error> {
        let trailer = self.source.trailer_checksum();
        verify(&self.expected, &self.tee.finish(), trailer.as_ref())?;
        Ok(self.feed.finish()?)
    }
}

fn verify(expected: &Expected, digests: &Digests, trailer: Option<&ChecksumValue>) -> Result<(), Mismatch> {
    if expected.length.is_some_and(|length| length != digests.length) {
        return Err(Mismatch::Length);
    }
    if expected.md5.is_some_and(|md5| md5 != digests.md5) {
        return Err(Mismatch::ContentMd5);
    }
    if expected.sha256.is_some_and(|sha256| sha256 != digests.sha256) {
        return Err(Mismatch::PayloadSha256);
    }
    let claimed = match &expected.checksum {
        Checksumming::Default | Checksumming::Compute(_) => return Ok(()),
        Checksumming::Verify(value) => value,
        Checksumming::Trailer(algorithm) => trailer.ok_or(Mismatch::Trailer(*algorithm))?,
    };
    if *claimed == digests.checksum { Ok(()) } else { Err(Mismatch::Checksum(claimed.algorithm())) }
}
