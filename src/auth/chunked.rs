//! The `aws-chunked` body coding: frames, their signatures, the trailer.
//!
//! Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in
//! Multiple Chunks" and "… Including Trailing Headers". Frames are hashed as they stream and never held: a client
//! may announce a frame of any size, and costs one header line of memory. Knows nothing of storage, and nothing of
//! whether the trailer's checksum is true: whoever reads the bytes compares it.

use aws_sigv4::sign::v4::calculate_signature;
use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::payload::FrameSigning;
use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::types::{ChecksumAlgorithm, ChecksumValue};

/// SHA-256 of nothing: the fifth line of a frame's string to sign.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";
const FRAME_TOO_LONG: ChunkedError = ChunkedError::Malformed("a frame is longer than it says");
/// A size of more hex digits than this is above `FRAME_BYTES_MAX` even with some leading zeros.
const SIZE_DIGITS_MAX: usize = 16;

/// Why an `aws-chunked` body is refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChunkedError {
    /// `IncompleteBody`, 400. A frame header or the end of a frame is not what the coding allows.
    #[error("the body is not aws-chunked: {0}")]
    Malformed(&'static str),
    /// `InvalidRequest`, 400. A frame header longer than `FRAME_HEADER_BYTES_MAX`.
    #[error("a frame header of the aws-chunked body is too long")]
    FrameHeaderTooLong,
    /// `EntityTooLarge`, 400. A frame of more than `FRAME_BYTES_MAX`.
    #[error("a frame of the aws-chunked body is too large: {bytes} bytes")]
    FrameTooLarge {
        /// Its announced size.
        bytes: u64,
    },
    /// `SignatureDoesNotMatch`, 403.
    #[error("the signature of frame {frame} does not match its bytes")]
    FrameSignatureMismatch {
        /// Which frame, from 0.
        frame: u64,
    },
    /// `SignatureDoesNotMatch`, 403.
    #[error("the signature of the trailer does not match it")]
    TrailerSignatureMismatch,
    /// `IncompleteBody`, 400. More bytes than `x-amz-decoded-content-length` announced.
    #[error("the frames hold more than the announced {announced} bytes")]
    TooLong {
        /// `x-amz-decoded-content-length`.
        announced: u64,
    },
    /// `IncompleteBody`, 400. The last frame came before all announced bytes.
    #[error("the frames hold {decoded} of the announced {announced} bytes")]
    TooShort {
        /// `x-amz-decoded-content-length`.
        announced: u64,
        /// What came.
        decoded: u64,
    },
    /// `IncompleteBody`, 400. The transport ended before the coding did.
    #[error("the aws-chunked body ended early")]
    Incomplete,
    /// `IncompleteBody`, 400. The transport goes on where the coding ended.
    #[error("bytes follow the end of the aws-chunked body")]
    DataAfterEnd,
    /// `MalformedTrailerError`, 400.
    #[error("the trailer is malformed")]
    MalformedTrailer,
    /// `MalformedTrailerError`, 400. More than `TRAILER_BYTES_MAX`.
    #[error("the trailer is too long")]
    TrailerTooLong,
    /// `MalformedTrailerError`, 400. A trailer that `x-amz-trailer` does not announce, or that comes twice.
    #[error("the trailer {name:?} was not announced")]
    UnexpectedTrailer {
        /// Its name, as sent.
        name: String,
    },
    /// `MalformedTrailerError`, 400. The announced trailer is not there.
    #[error("the announced trailer {} is missing", .algorithm.header())]
    MissingTrailer {
        /// What was announced.
        algorithm: ChecksumAlgorithm,
    },
    /// `InvalidRequest`, 400: `Value for x-amz-checksum-… trailing header is invalid.`
    #[error("Value for {} trailing header is invalid.", .algorithm.header())]
    InvalidTrailerValue {
        /// What was announced.
        algorithm: ChecksumAlgorithm,
    },
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FrameHeader,
    FrameData {
        remaining: u64,
    },
    /// The line end behind a frame's data.
    FrameEnd,
    /// The empty line behind the last frame of a body without trailer.
    LastLine,
    Trailer,
    /// Everything came. minio-go ends a trailer with one empty line too many: that one is let through.
    Ended {
        surplus_lines: u8,
    },
}

/// Frame signatures: each one signs the one before it.
struct Chain {
    signing: FrameSigning,
    digest: Sha256,
    /// The signature that the frame under way claims.
    claimed: String,
    trailer_signed: bool,
}

impl Chain {
    /// Ends a frame: computes its signature, compares, and moves on.
    fn end_frame(&mut self, frame: u64) -> Result<(), ChunkedError> {
        let digest = hex::encode(std::mem::take(&mut self.digest).finalize());
        let lines = [
            "AWS4-HMAC-SHA256-PAYLOAD",
            &self.signing.timestamp,
            &self.signing.scope,
            &self.signing.seed_signature,
            EMPTY_SHA256,
            &digest,
        ];
        let signature = calculate_signature(self.signing.signing_key.expose(), lines.join("\n").as_bytes());
        if !bool::from(signature.as_bytes().ct_eq(self.claimed.as_bytes())) {
            return Err(ChunkedError::FrameSignatureMismatch { frame });
        }
        self.signing.seed_signature = signature;
        Ok(())
    }

    /// Compares the trailer's signature. `trailer` is `name:value\n`, or empty.
    fn check_trailer(&mut self, trailer: &str, claimed: &str) -> Result<(), ChunkedError> {
        let digest = hex::encode(Sha256::digest(trailer));
        let lines = [
            "AWS4-HMAC-SHA256-TRAILER",
            &self.signing.timestamp,
            &self.signing.scope,
            &self.signing.seed_signature,
            &digest,
        ];
        let signature = calculate_signature(self.signing.signing_key.expose(), lines.join("\n").as_bytes());
        if !bool::from(signature.as_bytes().ct_eq(claimed.as_bytes())) {
            return Err(ChunkedError::TrailerSignatureMismatch);
        }
        self.trailer_signed = true;
        Ok(())
    }
}

/// Decodes an `aws-chunked` body piece by piece. Decoded bytes leave before their frame's signature is
/// checked; `finish` succeeds only if every signature, length and trailer held.
pub struct ChunkedDecoder {
    chain: Option<Chain>,
    trailer: bool,
    announced: Option<ChecksumAlgorithm>,
    decoded_length: Option<u64>,
    state: State,
    decoded: u64,
    frame: u64,
    /// The part of a line that came before the input ended. Bounded by the line's own limit.
    line: Vec<u8>,
    trailer_bytes: usize,
    checksum: Option<ChecksumValue>,
    /// The trailer as it is signed.
    canonical_trailer: String,
    /// The first fault. A body that was refused once stays refused.
    fault: Option<ChunkedError>,
}

impl ChunkedDecoder {
    /// A decoder of one body.
    pub fn new(
        signing: Option<FrameSigning>,
        trailer: bool,
        trailer_checksum: Option<ChecksumAlgorithm>,
        decoded_length: Option<u64>,
    ) -> Self {
        let chain = signing.map(|signing| Chain {
            signing,
            digest: Sha256::new(),
            claimed: String::new(),
            trailer_signed: false,
        });
        Self {
            chain,
            trailer,
            announced: trailer_checksum,
            decoded_length,
            state: State::FrameHeader,
            decoded: 0,
            frame: 0,
            line: Vec::new(),
            trailer_bytes: 0,
            checksum: None,
            canonical_trailer: String::new(),
            fault: None,
        }
    }

    /// Consumes from the front of `input` and returns the next decoded piece (a slice of `input`, no copy), or
    /// `None` when more input is needed or the body has ended.
    ///
    /// # Errors
    /// What is wrong with the body; the same again at every later call.
    pub fn decode(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let result = self.advance(input);
        if let Err(fault) = &result {
            self.fault = Some(fault.clone());
        }
        result
    }

    /// Says that the transport has ended; checks that the body has, too.
    ///
    /// # Errors
    /// What is missing.
    pub fn finish(&mut self) -> Result<(), ChunkedError> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if matches!(self.state, State::Ended { .. }) && self.line.is_empty() {
            return Ok(());
        }
        self.fault = Some(ChunkedError::Incomplete);
        Err(ChunkedError::Incomplete)
    }

    /// The announced trailer checksum, once the body has ended.
    pub fn trailer_checksum(&self) -> Option<ChecksumValue> {
        let ended = self.fault.is_none() && matches!(self.state, State::Ended { .. });
        self.checksum.as_ref().filter(|_| ended).cloned()
    }

    fn advance(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, ChunkedError> {
        while !input.is_empty() {
            match self.state {
                State::FrameHeader => {
                    if let Some(line) =
                        self.take_line(input, FRAME_HEADER_BYTES_MAX, ChunkedError::FrameHeaderTooLong)?
                    {
                        self.begin_frame(strict_line(&line)?)?;
                    }
                }
                State::FrameData { remaining } => return self.take_data(input, remaining).map(Some),
                State::FrameEnd => {
                    if self.take_empty_line(input, FRAME_TOO_LONG)? {
                        self.state = State::FrameHeader;
                    }
                }
                State::LastLine => {
                    if self.take_empty_line(input, FRAME_TOO_LONG)? {
                        self.state = State::Ended { surplus_lines: 0 };
                    }
                }
                State::Trailer => {
                    let bytes_max = TRAILER_BYTES_MAX - self.trailer_bytes;
                    if let Some(line) = self.take_line(input, bytes_max, ChunkedError::TrailerTooLong)? {
                        self.trailer_bytes += line.len();
                        self.take_trailer(line.trim_ascii())?;
                    }
                }
                State::Ended { surplus_lines: 0 } => return Err(ChunkedError::DataAfterEnd),
                State::Ended { surplus_lines } => {
                    if self.take_empty_line(input, ChunkedError::DataAfterEnd)? {
                        self.state = State::Ended { surplus_lines: surplus_lines - 1 };
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes one line with its end off the front of `input`; `None` if it goes on in the next input. A line of more
    /// than `bytes_max` is `too_long`, known before it is held.
    fn take_line(
        &mut self,
        input: &mut Bytes,
        bytes_max: usize,
        too_long: ChunkedError,
    ) -> Result<Option<Bytes>, ChunkedError> {
        let room = bytes_max.saturating_sub(self.line.len());
        let window = &input[..input.len().min(room)];
        match window.iter().position(|byte| *byte == b'\n') {
            Some(at) if self.line.is_empty() => Ok(Some(input.split_to(at + 1))),
            Some(at) => {
                self.line.extend_from_slice(&input[..=at]);
                input.advance(at + 1);
                Ok(Some(Bytes::from(std::mem::take(&mut self.line))))
            }
            None if window.len() < input.len() => Err(too_long),
            None => {
                self.line.extend_from_slice(input);
                input.clear();
                Ok(None)
            }
        }
    }

    /// Takes `\r\n` off the front of `input`, which is not empty; false if it goes on in the next input. Anything else
    /// is the `fault`.
    fn take_empty_line(&mut self, input: &mut Bytes, fault: ChunkedError) -> Result<bool, ChunkedError> {
        if self.line.is_empty() && input[0] != b'\r' {
            return Err(fault);
        }
        match self.take_line(input, 2, fault.clone())? {
            Some(line) if *line == *b"\r\n" => Ok(true),
            Some(_) => Err(fault),
            None => Ok(false),
        }
    }

    /// Reads `size[;chunk-signature=…]`.
    fn begin_frame(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        let (size, extension) = match line.iter().position(|byte| *byte == b';') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[line.len()..]),
        };
        let size = parse_size(size)?;
        if let Some(chain) = &mut self.chain {
            let claimed = extension.strip_prefix(b"chunk-signature=").and_then(|hex| std::str::from_utf8(hex).ok());
            let claimed = claimed.ok_or(ChunkedError::Malformed("a frame has no signature"))?;
            chain.claimed.clear();
            chain.claimed.push_str(claimed);
        }
        let total = self.decoded.saturating_add(size);
        if let Some(announced) = self.decoded_length
            && total > announced
        {
            return Err(ChunkedError::TooLong { announced });
        }
        if size > 0 {
            self.state = State::FrameData { remaining: size };
            return Ok(());
        }
        if let Some(chain) = &mut self.chain {
            chain.end_frame(self.frame)?;
        }
        if let Some(announced) = self.decoded_length
            && self.decoded < announced
        {
            return Err(ChunkedError::TooShort { announced, decoded: self.decoded });
        }
        self.state = if self.trailer { State::Trailer } else { State::LastLine };
        Ok(())
    }

    /// Takes data off the front of `input`. The last piece of a frame leaves only if the frame's signature holds.
    fn take_data(&mut self, input: &mut Bytes, remaining: u64) -> Result<Bytes, ChunkedError> {
        let count = usize::try_from(remaining).map_or(input.len(), |remaining| remaining.min(input.len()));
        let piece = input.split_to(count);
        let remaining = remaining - count as u64;
        self.decoded += count as u64;
        if let Some(chain) = &mut self.chain {
            chain.digest.update(&piece);
            if remaining == 0 {
                chain.end_frame(self.frame)?;
            }
        }
        if remaining == 0 {
            self.frame += 1;
            self.state = State::FrameEnd;
        } else {
            self.state = State::FrameData { remaining };
        }
        Ok(piece)
    }

    /// Reads one line of the trailer, trimmed. SDKs differ in line ends: `\r\n`, or minio-go's `\n` with an empty
    /// line before the signature.
    fn take_trailer(&mut self, line: &[u8]) -> Result<(), ChunkedError> {
        if line.is_empty() {
            return self.end_trailer();
        }
        let text = std::str::from_utf8(line).map_err(|_| ChunkedError::MalformedTrailer)?;
        let (name, value) = text.split_once(':').ok_or(ChunkedError::MalformedTrailer)?;
        let (name, value) = (name.trim(), value.trim());
        if let Some(chain) = &mut self.chain {
            // Whatever follows the signature would not be signed.
            if chain.trailer_signed {
                return Err(ChunkedError::UnexpectedTrailer { name: name.to_owned() });
            }
            if name.eq_ignore_ascii_case(TRAILER_SIGNATURE) {
                return chain.check_trailer(&self.canonical_trailer, value);
            }
        }
        let announced = self.announced.filter(|algorithm| algorithm.header().eq_ignore_ascii_case(name));
        let Some(algorithm) = announced.filter(|_| self.checksum.is_none()) else {
            return Err(ChunkedError::UnexpectedTrailer { name: name.to_owned() });
        };
        let checksum = ChecksumValue::parse(algorithm, value).ok_or(ChunkedError::InvalidTrailerValue { algorithm })?;
        self.checksum = Some(checksum);
        self.canonical_trailer = format!("{}:{value}\n", algorithm.header());
        Ok(())
    }

    /// Reads the empty line that ends a trailer; before its signature, an empty line ends nothing.
    fn end_trailer(&mut self) -> Result<(), ChunkedError> {
        if self.chain.as_ref().is_some_and(|chain| !chain.trailer_signed) {
            return Ok(());
        }
        if let Some(algorithm) = self.announced
            && self.checksum.is_none()
        {
            return Err(ChunkedError::MissingTrailer { algorithm });
        }
        self.state = State::Ended { surplus_lines: 1 };
        Ok(())
    }
}

/// A line without its `\r\n`. A bare `\n` does not end the lines around frames.
fn strict_line(line: &[u8]) -> Result<&[u8], ChunkedError> {
    line.strip_suffix(b"\r\n").ok_or(ChunkedError::Malformed("a frame header does not end with CR LF"))
}

fn parse_size(digits: &[u8]) -> Result<u64, ChunkedError> {
    let malformed = ChunkedError::Malformed("a frame header has no size");
    if digits.is_empty() || digits.len() > SIZE_DIGITS_MAX || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(malformed);
    }
    let text = std::str::from_utf8(digits).map_err(|_| malformed.clone())?;
    let bytes = u64::from_str_radix(text, 16).map_err(|_| malformed)?;
    if bytes > FRAME_BYTES_MAX { Err(ChunkedError::FrameTooLarge { bytes }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
