//! From an HTTP body to a `ByteSource`: length guard, then the `aws-chunked` decoder.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;

use crate::auth::{ChunkedDecoder, ChunkedError, PayloadKind};
use crate::digest::Tee;
use crate::engine::{ByteSource, Checksumming, Expected, SourceError};
use crate::limits::PART_BYTES_MAX;
use crate::net::{BodyError, RequestBody};
use crate::s3::authorize::call::Authorized;
use crate::s3::form_feed::FormError;
use crate::s3::{Code, S3Error, bound};
use crate::types::{ChecksumAlgorithm, ChecksumValue};

const CHECKSUM_PREFIX: &str = "x-amz-checksum-";
/// Headers with that prefix that carry no value.
const ALGORITHM: &str = "x-amz-checksum-algorithm";
const MODE: &str = "x-amz-checksum-mode";
const TYPE: &str = "x-amz-checksum-type";
/// What SDKs say about the checksum that they send.
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// Why a request body gave up. What every source of this module fails with, so that the error table can name it.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// The connection.
    #[error(transparent)]
    Transport(#[from] BodyError),
    /// The `aws-chunked` coding.
    #[error(transparent)]
    Chunked(#[from] ChunkedError),
    /// Fewer bytes came than were announced.
    #[error("the body ended after {actual} of {announced} bytes")]
    TooShort {
        /// Bytes announced.
        announced: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// More bytes came than were announced.
    #[error("the body is longer than the announced {announced} bytes")]
    TooLong {
        /// Bytes announced.
        announced: u64,
    },
    /// The coding of a POST form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The file of a POST form is smaller than its policy says.
    #[error("the file has {bytes} bytes, and its policy wants at least {bytes_min}")]
    BelowPolicy {
        /// Bytes that came.
        bytes: u64,
        /// Least bytes.
        bytes_min: u64,
    },
    /// The file of a POST form is larger than its policy says.
    #[error("the file has more than the {bytes_max} bytes that its policy allows")]
    AbovePolicy {
        /// Bytes that came so far.
        bytes: u64,
        /// Most bytes.
        bytes_max: u64,
    },
}

impl From<BodyFault> for S3Error {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Transport(error) => {
                let ended = match &error {
                    BodyError::Ended(cause) => bound::ended_body(*cause),
                    BodyError::Transport(_) | BodyError::Producer(_) => None,
                };
                match (ended, &error) {
                    (Some((code, explanation)), _) => Self::new(code).cause(error).because(explanation),
                    (None, BodyError::Producer(_)) => Self::new(Code::InternalError).cause(error),
                    (None, BodyError::Ended(_) | BodyError::Transport(_)) => {
                        Self::new(Code::IncompleteBody).cause(error)
                    }
                }
            }
            BodyFault::Chunked(error) => error.into(),
            BodyFault::TooShort { .. } => Self::new(Code::IncompleteBody).cause(fault),
            BodyFault::TooLong { announced } => Self::new(Code::IncompleteBody)
                .message(format!("The request body is longer than the announced {announced} bytes."))
                .cause(fault),
            BodyFault::Form(error) => error.into(),
            BodyFault::BelowPolicy { bytes, bytes_min } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", bytes.to_string())
                .detail("MinSizeAllowed", bytes_min.to_string()),
            BodyFault::AbovePolicy { bytes, bytes_max } => Self::new(Code::EntityTooLarge)
                .detail("ProposedSize", bytes.to_string())
                .detail("MaxSizeAllowed", bytes_max.to_string()),
        }
    }
}

/// Opens the body of a PutObject or UploadPart and says what is expected of it (length, `Content-MD5`, payload
/// hash, checksum header or trailer). Reads nothing: `100 Continue` is sent at the first poll.
///
/// # Errors
/// `MissingContentLength`, `EntityTooLarge`, `InvalidDigest`, `InvalidRequest` for checksum headers that
/// contradict each other.
pub fn open_body(call: &Authorized, body: RequestBody) -> Result<(Box<dyn ByteSource>, Expected), S3Error> {
    let length = announced_length(call, &body)?;
    if let Some(length) = length.filter(|length| *length > PART_BYTES_MAX) {
        return Err(S3Error::new(Code::EntityTooLarge)
            .detail("ProposedSize", length.to_string())
            .detail("MaxSizeAllowed", PART_BYTES_MAX.to_string()));
    }
    open(call, body, length, HeaderChecksums::OfBody)
}

/// What is expected of the file of a POST form. Nothing says how long it is.
///
/// # Errors
/// `InvalidDigest`, `InvalidRequest` for checksum fields that contradict each other.
pub(crate) fn expected_of_form(call: &Authorized) -> Result<Expected, S3Error> {
    let (md5, checksum) = (content_md5(&call.headers)?, checksumming(&call.headers, None)?);
    Ok(Expected { length: None, md5, sha256: None, checksum })
}

/// What the `x-amz-checksum-…` headers of a request are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderChecksums {
    /// The body.
    OfBody,
    /// The object that CompleteMultipartUpload makes; only a trailer is about the body.
    OfObject,
}

/// Opens an XML body of at most `bytes_max` bytes and says what is expected of it. Reads nothing. Whoever reads
/// it counts the bytes and compares it at its end.
///
/// # Errors
/// `MaxMessageLengthExceeded`, and those of `open_body`.
pub(crate) fn open_document(
    call: &Authorized,
    body: RequestBody,
    bytes_max: usize,
    checksums: HeaderChecksums,
) -> Result<(Box<dyn ByteSource>, Expected), S3Error> {
    let length = announced_length(call, &body)?;
    if length.is_some_and(|length| length > bytes_max as u64) {
        return Err(document_too_large(bytes_max));
    }
    open(call, body, length, checksums)
}

/// The refusal of an XML body that is longer than `bytes_max` bytes.
pub(crate) fn document_too_large(bytes_max: usize) -> S3Error {
    S3Error::new(Code::MaxMessageLengthExceeded).detail("MaxMessageLengthBytes", bytes_max.to_string())
}

/// Reads an XML body of at most `bytes_max` bytes, with the same integrity checks as an upload.
///
/// # Errors
/// `MaxMessageLengthExceeded`, `IncompleteBody`, `BadDigest`, …
pub async fn read_document(call: &Authorized, body: RequestBody, bytes_max: usize) -> Result<Vec<u8>, S3Error> {
    let (mut source, expected) = open_document(call, body, bytes_max, HeaderChecksums::OfBody)?;
    // Without a claim any algorithm does; nothing is compared with it.
    let mut tee = Tee::new(match &expected.checksum {
        Checksumming::Default => ChecksumAlgorithm::Crc64Nvme,
        Checksumming::Compute(algorithm) | Checksumming::Trailer(algorithm) => *algorithm,
        Checksumming::Verify(value) => value.algorithm(),
    });
    let mut document = Vec::new();
    while let Some(piece) = poll_fn(|cx| source.poll_next(cx)).await {
        let piece = piece.map_err(crate::engine::EngineError::Source)?;
        if document.len() + piece.len() > bytes_max {
            return Err(document_too_large(bytes_max));
        }
        tee.update(&piece);
        document.extend_from_slice(&piece);
    }
    expected.verify(&tee.finish(), source.trailer_checksum().as_ref())?;
    Ok(document)
}

/// Bytes of the decoded body. Only `aws-chunked` frames may come without: they say by themselves where the body
/// ends.
fn announced_length(call: &Authorized, body: &RequestBody) -> Result<Option<u64>, S3Error> {
    match &call.payload {
        PayloadKind::Chunked { decoded_length, .. } => Ok(*decoded_length),
        PayloadKind::Unsigned | PayloadKind::Sha256(_) => match body.content_length() {
            Some(length) => Ok(Some(length)),
            None => Err(S3Error::new(Code::MissingContentLength)),
        },
    }
}

fn open(
    call: &Authorized,
    body: RequestBody,
    length: Option<u64>,
    checksums: HeaderChecksums,
) -> Result<(Box<dyn ByteSource>, Expected), S3Error> {
    let (coding, sha256, trailer_checksum) = match &call.payload {
        PayloadKind::Unsigned => (Coding::Plain, None, None),
        PayloadKind::Sha256(sha256) => (Coding::Plain, Some(*sha256), None),
        PayloadKind::Chunked { signing, trailer, trailer_checksum, decoded_length } => {
            let decoder = ChunkedDecoder::new(signing.clone(), *trailer, *trailer_checksum, *decoded_length);
            (Coding::Chunked { decoder: Box::new(decoder), input: Bytes::new() }, None, *trailer_checksum)
        }
    };
    let md5 = content_md5(&call.headers)?;
    let checksum = match checksums {
        HeaderChecksums::OfBody => checksumming(&call.headers, trailer_checksum)?,
        HeaderChecksums::OfObject => trailer_checksum.map_or(Checksumming::Default, Checksumming::Trailer),
    };
    let source = BodySource { body, coding, announced: length, delivered: 0, received: call.received() };
    Ok((Box::new(source), Expected { length, md5, sha256, checksum }))
}

/// What `Content-MD5` claims.
///
/// # Errors
/// `InvalidDigest`.
pub(crate) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, S3Error> {
    let Some(value) = headers.get("content-md5") else { return Ok(None) };
    let decoded = BASE64.decode(value.as_bytes().trim_ascii()).ok();
    match decoded.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()) {
        Some(md5) => Ok(Some(md5)),
        None => {
            let shown = String::from_utf8_lossy(value.as_bytes());
            Err(S3Error::new(Code::InvalidDigest).detail("Content-MD5", shown))
        }
    }
}

/// What the headers say about the body's checksum. A claim that we cannot check is refused: to drop it would
/// be to drop an integrity check in silence.
fn checksumming(headers: &HeaderMap, trailer: Option<ChecksumAlgorithm>) -> Result<Checksumming, S3Error> {
    let mut claimed = trailer.map(Checksumming::Trailer);
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(CHECKSUM_PREFIX) || [ALGORITHM, MODE, TYPE].contains(&name) {
            continue;
        }
        let algorithm = ChecksumAlgorithm::from_header(name).ok_or_else(|| {
            S3Error::invalid_request("The algorithm type you specified in x-amz-checksum- header is invalid.")
        })?;
        let value = value.to_str().ok().and_then(|text| ChecksumValue::parse(algorithm, text));
        let value = value.ok_or_else(|| S3Error::invalid_request(format!("Value for {name} header is invalid.")))?;
        if claimed.replace(Checksumming::Verify(value)).is_some() {
            return Err(S3Error::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    check_sdk_algorithm(headers, claimed.as_ref())?;
    match claimed {
        Some(claimed) => Ok(claimed),
        None => Ok(named(headers, ALGORITHM)?.map_or(Checksumming::Default, Checksumming::Compute)),
    }
}

fn check_sdk_algorithm(headers: &HeaderMap, claimed: Option<&Checksumming>) -> Result<(), S3Error> {
    let Some(said) = named(headers, SDK_ALGORITHM)? else { return Ok(()) };
    let sent = match claimed {
        None | Some(Checksumming::Default | Checksumming::Compute(_)) => {
            return Err(S3Error::invalid_request(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer \
                 headers were found.",
            ));
        }
        Some(Checksumming::Verify(value)) => value.algorithm(),
        Some(Checksumming::Trailer(algorithm)) => *algorithm,
    };
    if said == sent {
        Ok(())
    } else {
        Err(S3Error::invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid."))
    }
}

/// The algorithm that a header names.
fn named(headers: &HeaderMap, header: &'static str) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    match value.to_str().ok().and_then(|name| ChecksumAlgorithm::from_name(name.trim())) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(S3Error::invalid_request(format!("Value for {header} header is invalid."))),
    }
}

/// How the bytes on the wire become the body.
enum Coding {
    Plain,
    Chunked { decoder: Box<ChunkedDecoder>, input: Bytes },
}

/// A request body as the engine pulls it: decoded, and of the length that was announced.
struct BodySource {
    body: RequestBody,
    coding: Coding,
    announced: Option<u64>,
    delivered: u64,
    received: Arc<AtomicU64>,
}

impl BodySource {
    /// The next piece as it came over the wire.
    fn poll_wire(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let piece = ready!(self.body.poll_piece(cx));
        if let Some(Ok(piece)) = &piece {
            self.received.fetch_add(piece.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(piece.map(|piece| piece.map_err(BodyFault::from)))
    }

    /// The next decoded piece. Loops over wire pieces that hold nothing but framing.
    fn poll_decoded(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            if let Coding::Chunked { decoder, input } = &mut self.coding {
                match decoder.decode(input) {
                    Ok(Some(piece)) if piece.is_empty() => continue,
                    Ok(Some(piece)) => return Poll::Ready(Some(Ok(piece))),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                }
            }
            let piece = ready!(self.poll_wire(cx)).transpose();
            match (piece, &mut self.coding) {
                (Err(fault), _) => return Poll::Ready(Some(Err(fault))),
                (Ok(Some(piece)), _) if piece.is_empty() => {}
                (Ok(Some(piece)), Coding::Plain) => return Poll::Ready(Some(Ok(piece))),
                (Ok(Some(piece)), Coding::Chunked { input, .. }) => *input = piece,
                (Ok(None), Coding::Plain) => return Poll::Ready(None),
                (Ok(None), Coding::Chunked { decoder, .. }) => {
                    return Poll::Ready(decoder.finish().err().map(|error| Err(error.into())));
                }
            }
        }
    }

    /// Compares what came with what was announced.
    fn guard(&mut self, piece: Option<&Bytes>) -> Result<(), BodyFault> {
        self.delivered += piece.map_or(0, |piece| piece.len() as u64);
        match self.announced {
            Some(announced) if self.delivered > announced => Err(BodyFault::TooLong { announced }),
            Some(announced) if piece.is_none() && self.delivered < announced => {
                Err(BodyFault::TooShort { announced, actual: self.delivered })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl ByteSource for BodySource {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        let piece = ready!(self.poll_decoded(cx)).transpose();
        let guarded = piece.and_then(|piece| self.guard(piece.as_ref()).map(|()| piece));
        Poll::Ready(guarded.map_err(|fault| SourceError(Box::new(fault))).transpose())
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        match &self.coding {
            Coding::Plain => None,
            Coding::Chunked { decoder, .. } => decoder.trailer_checksum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{checksumming, open_body, read_document};
    use crate::auth::PayloadKind;
    use crate::engine::Checksumming;
    use crate::limits::PART_BYTES_MAX;
    use crate::net::RequestBody;
    use crate::s3::authorize::call::Authorized;
    use crate::s3::{Code, Operation};
    use crate::types::ChecksumAlgorithm;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn call(pairs: &[(&'static str, &'static str)], payload: PayloadKind) -> Authorized {
        Authorized::for_test(Operation::PutObject, "/abc/k", headers(pairs), payload)
    }

    fn body(pieces: &[&'static str], content_length: Option<u64>) -> RequestBody {
        RequestBody::from_pieces(pieces.to_vec()).with_content_length(content_length)
    }

    async fn read(
        pairs: &[(&'static str, &'static str)],
        pieces: &[&'static str],
        length: Option<u64>,
    ) -> Result<String, Code> {
        let call = call(pairs, PayloadKind::Unsigned);
        let document = read_document(&call, body(pieces, length), 8).await.map_err(|error| error.code)?;
        Ok(String::from_utf8(document).unwrap())
    }

    #[tokio::test]
    async fn a_body_of_another_length_than_announced_is_refused() {
        assert_eq!(read(&[], &["ab", "c"], Some(3)).await, Ok("abc".to_owned()));
        assert_eq!(read(&[], &["ab"], Some(3)).await, Err(Code::IncompleteBody));
        assert_eq!(read(&[], &["abcd"], Some(3)).await, Err(Code::IncompleteBody));
        assert_eq!(read(&[], &[], Some(0)).await, Ok(String::new()));
    }

    #[tokio::test]
    async fn a_body_without_a_length_is_refused() {
        let chunked = [("transfer-encoding", "chunked")];
        assert_eq!(read(&chunked, &["abc"], None).await, Err(Code::MissingContentLength));
    }

    /// Reads an `aws-chunked` body of unsigned frames with a CRC32 in its trailer, in wire pieces of `piece` bytes.
    async fn read_frames(wire: &'static str, piece: usize, decoded_length: Option<u64>) -> Result<String, Code> {
        let trailer_checksum = Some(ChecksumAlgorithm::Crc32);
        let payload = PayloadKind::Chunked { signing: None, trailer: true, trailer_checksum, decoded_length };
        let call = call(&[], payload);
        let body = RequestBody::from_pieces(wire.as_bytes().chunks(piece)).with_content_length(None);
        let document = read_document(&call, body, 8).await.map_err(|error| error.code)?;
        assert_eq!(call.received().load(std::sync::atomic::Ordering::Relaxed), wire.len() as u64);
        Ok(String::from_utf8(document).unwrap())
    }

    #[tokio::test]
    async fn frames_are_decoded_however_they_arrive() {
        let wire = "2\r\nab\r\n1\r\nc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n";
        for piece in [1, 2, 5, 100] {
            assert_eq!(read_frames(wire, piece, Some(3)).await, Ok("abc".to_owned()), "{piece}");
            assert_eq!(read_frames(wire, piece, None).await, Ok("abc".to_owned()), "{piece}");
            assert_eq!(read_frames(wire, piece, Some(4)).await, Err(Code::IncompleteBody), "{piece}");
            assert_eq!(read_frames(wire, piece, Some(2)).await, Err(Code::IncompleteBody), "{piece}");
            assert_eq!(read_frames("2\r\nab\r\n", piece, None).await, Err(Code::IncompleteBody), "{piece}");
            let wrong = "3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
            assert_eq!(read_frames(wrong, piece, Some(3)).await, Err(Code::BadDigest), "{piece}");
            let bare = "3\r\nabc\r\n0\r\n\r\n";
            assert_eq!(read_frames(bare, piece, Some(3)).await, Err(Code::MalformedTrailerError), "{piece}");
        }
    }

    #[tokio::test]
    async fn a_document_is_bounded_whatever_was_announced() {
        assert_eq!(read(&[], &[], Some(9)).await, Err(Code::MaxMessageLengthExceeded));
        let endless = "9\r\n123456789\r\n0\r\n\r\n";
        assert_eq!(read_frames(endless, 100, None).await, Err(Code::MaxMessageLengthExceeded));
    }

    #[tokio::test]
    async fn a_document_is_compared_with_what_was_said_about_it() {
        let right = [("content-md5", "kAFQmDzST7DWlj99KOF/cg=="), ("x-amz-checksum-crc32", "NSRBwg==")];
        assert_eq!(read(&right, &["abc"], Some(3)).await, Ok("abc".to_owned()));
        let wrong_md5 = [("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")];
        assert_eq!(read(&wrong_md5, &["abc"], Some(3)).await, Err(Code::BadDigest));
        assert_eq!(read(&[("x-amz-checksum-crc32", "AAAAAA==")], &["abc"], Some(3)).await, Err(Code::BadDigest));
        let call = call(&[], PayloadKind::Sha256([0; 32]));
        let error = read_document(&call, body(&["abc"], Some(3)), 8).await.unwrap_err();
        assert_eq!(error.code, Code::XAmzContentSHA256Mismatch);
    }

    #[test]
    fn an_upload_is_refused_by_its_head_before_a_byte_is_read() {
        let open = |pairs: &[(&'static str, &'static str)], length: u64| {
            let opened = open_body(&call(pairs, PayloadKind::Unsigned), body(&[], Some(length)));
            opened.map(|(_, expected)| expected).map_err(|error| error.code)
        };
        assert_eq!(open(&[], PART_BYTES_MAX).unwrap().length, Some(PART_BYTES_MAX));
        assert_eq!(open(&[], PART_BYTES_MAX + 1), Err(Code::EntityTooLarge));
        for bad in ["", "x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(open(&[("content-md5", bad)], 3), Err(Code::InvalidDigest), "{bad}");
        }
        assert_eq!(open(&[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")], 3).unwrap().md5, Some([0; 16]));
    }

    #[test]
    fn checksum_headers_are_one_known_claim_or_an_error() {
        let crc32 = Some(ChecksumAlgorithm::Crc32);
        let judge = |pairs: &[(&'static str, &'static str)], trailer| {
            checksumming(&headers(pairs), trailer).map_err(|error| error.message.into_owned())
        };
        assert_eq!(judge(&[], None), Ok(Checksumming::Default));
        assert_eq!(judge(&[], crc32), Ok(Checksumming::Trailer(ChecksumAlgorithm::Crc32)));
        assert_eq!(
            judge(&[("x-amz-checksum-algorithm", "sha1")], None),
            Ok(Checksumming::Compute(ChecksumAlgorithm::Sha1))
        );
        let sent = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")];
        assert!(matches!(judge(&sent, None), Ok(Checksumming::Verify(_))));
        let table: [(&[(&str, &str)], _, &str); 7] = [
            (&[("x-amz-checksum-crc99", "AAAAAA==")], None, "The algorithm type"),
            (&[("x-amz-checksum-crc32", "AAAA")], None, "Value for x-amz-checksum-crc32 header is invalid."),
            (
                &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")],
                None,
                "Expecting a single",
            ),
            (&[("x-amz-checksum-crc32", "AAAAAA==")], crc32, "Expecting a single"),
            (&[("x-amz-sdk-checksum-algorithm", "CRC32")], None, "x-amz-sdk-checksum-algorithm specified, but no"),
            (&[("x-amz-sdk-checksum-algorithm", "SHA1")], crc32, "Value for x-amz-sdk-checksum-algorithm"),
            (&[("x-amz-sdk-checksum-algorithm", "x")], crc32, "Value for x-amz-sdk-checksum-algorithm"),
        ];
        for (pairs, trailer, message) in table {
            let error = judge(pairs, trailer).unwrap_err();
            assert!(error.starts_with(message), "{pairs:?}: {error}");
        }
    }
}
