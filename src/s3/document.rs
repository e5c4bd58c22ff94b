//! Request documents that are judged while they arrive: the part list of CompleteMultipartUpload and the key
//! list of DeleteObjects. Holds one piece of the body at a time; its integrity is known only at the end, so
//! nothing that was read may take effect before `finish`.

use std::future::poll_fn;

use crate::digest::Tee;
use crate::engine::{ByteSource, Checksumming, EngineError, Expected};
use crate::net::RequestBody;
use crate::s3::S3Error;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::{HeaderChecksums, document_too_large, open_document};
use crate::s3::xml::XmlFeed;
use crate::types::ChecksumAlgorithm;

/// A document under way.
pub(crate) struct Document {
    source: Box<dyn ByteSource>,
    expected: Expected,
    tee: Tee,
    feed: XmlFeed,
    length: usize,
    bytes_max: usize,
}

impl Document {
    /// Opens the document of a request. Reads nothing.
    ///
    /// # Errors
    /// `MaxMessageLengthExceeded` if more than `bytes_max` bytes were announced, and those of the headers.
    pub(crate) fn open(
        call: &Authorized,
        body: RequestBody,
        bytes_max: usize,
        claims: HeaderChecksums,
    ) -> Result<Self, S3Error> {
        let (source, expected) = open_document(call, body, bytes_max, claims)?;
        let algorithm = match &expected.checksum {
            Checksumming::Default => ChecksumAlgorithm::Crc32,
            Checksumming::Compute(algorithm) | Checksumming::Trailer(algorithm) => *algorithm,
            Checksumming::Verify(value) => value.algorithm(),
        };
        Ok(Self { source, expected, tee: Tee::new(algorithm), feed: XmlFeed::new(), length: 0, bytes_max })
    }

    /// Waits for the next piece and returns the reader that now holds it; `None` at the end of the body. Take
    /// all events before the next call.
    ///
    /// # Errors
    /// `MaxMessageLengthExceeded`, and whatever ended the body early.
    pub(crate) async fn next(&mut self) -> Result<Option<&mut XmlFeed>, S3Error> {
        let Some(piece) = poll_fn(|cx| self.source.poll_next(cx)).await else {
            return Ok(None);
        };
        let piece = piece.map_err(EngineError::Source)?;
        self.length += piece.len();
        if self.length > self.bytes_max {
            return Err(document_too_large(self.bytes_max));
        }
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
        self.expected.verify(&self.tee.finish(), trailer.as_ref())?;
        Ok(self.feed.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::Document;
    use crate::auth::PayloadKind;
    use crate::net::RequestBody;
    use crate::s3::authorize::call::Authorized;
    use crate::s3::body::HeaderChecksums;
    use crate::s3::xml::XmlEvent;
    use crate::s3::{Code, Operation, S3Error};

    async fn read(
        header: Option<(&'static str, &'static str)>,
        payload: PayloadKind,
        pieces: &[&'static str],
        claims: HeaderChecksums,
    ) -> Result<Vec<String>, S3Error> {
        let headers =
            header.into_iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let call = Authorized::for_test(Operation::DeleteObjects, "/abc", HeaderMap::from_iter(headers), payload);
        let mut document = Document::open(&call, RequestBody::from_pieces(pieces.to_vec()), 32, claims)?;
        let mut texts = Vec::new();
        while let Some(feed) = document.next().await? {
            while let Some(event) = feed.next_event()? {
                if let XmlEvent::Close { text, .. } = event {
                    texts.push(text.to_owned());
                }
            }
        }
        document.finish()?;
        Ok(texts)
    }

    #[tokio::test]
    async fn a_document_is_read_across_pieces() {
        let texts = read(None, PayloadKind::Unsigned, &["<a><b>x", "y</", "b></a>"], HeaderChecksums::OfBody).await;
        assert_eq!(texts.unwrap(), ["xy", ""]);
    }

    #[tokio::test]
    async fn a_document_that_is_not_what_was_sent_is_refused_at_its_end() {
        let md5 = Some(("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="));
        let crc32 = Some(("x-amz-checksum-crc32", "AAAAAA=="));
        let unsigned = PayloadKind::Unsigned;
        let code = |outcome: Result<Vec<String>, S3Error>| outcome.unwrap_err().code;
        assert_eq!(code(read(md5, unsigned.clone(), &["<a/>"], HeaderChecksums::OfBody).await), Code::BadDigest);
        assert_eq!(code(read(crc32, unsigned.clone(), &["<a/>"], HeaderChecksums::OfBody).await), Code::BadDigest);
        assert!(read(crc32, unsigned.clone(), &["<a/>"], HeaderChecksums::OfObject).await.is_ok());
        let composite = Some(("x-amz-checksum-crc32", "AAAAAA==-2"));
        assert!(read(composite, unsigned.clone(), &["<a/>"], HeaderChecksums::OfObject).await.is_ok());
        let signed = PayloadKind::Sha256([0; 32]);
        let outcome = read(None, signed, &["<a/>"], HeaderChecksums::OfObject).await;
        assert_eq!(code(outcome), Code::XAmzContentSHA256Mismatch);
        assert_eq!(code(read(None, unsigned, &["<a>"], HeaderChecksums::OfBody).await), Code::MalformedXML);
    }

    #[tokio::test]
    async fn a_document_is_bounded() {
        let long = ["<a>0123456789", "0123456789", "0123456789</a>"];
        let outcome = read(None, PayloadKind::Unsigned, &long, HeaderChecksums::OfBody).await;
        assert_eq!(outcome.unwrap_err().code, Code::MaxMessageLengthExceeded);
    }
}
