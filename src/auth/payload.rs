//! What `x-amz-content-sha256`, `x-amz-trailer` and `x-amz-decoded-content-length` promise about the body.
//!
//! Knows nothing of how a body is read.

use subtle::ConstantTimeEq as _;

use crate::auth::AuthError;
use crate::auth::head::Head;
use crate::auth::signing_key::SigningKey;
use crate::types::ChecksumAlgorithm;

/// The payload line of a request that promises nothing about its body.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const SIGNED_FRAMES: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_FRAMES_AND_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_FRAMES_AND_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const ECDSA_FRAMES_PREFIX: &str = "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD";

/// How the body is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// As it comes, nothing promised (`UNSIGNED-PAYLOAD`, presigned, V2, anonymous).
    Unsigned,
    /// As it comes; its SHA-256 was signed.
    Sha256([u8; 32]),
    /// `aws-chunked`.
    Chunked {
        /// Signed frames, and how to check them; `None` for `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
        signing: Option<FrameSigning>,
        /// A trailer section follows the last frame (`…-TRAILER`).
        trailer: bool,
        /// The checksum that `x-amz-trailer` announces.
        trailer_checksum: Option<ChecksumAlgorithm>,
        /// `x-amz-decoded-content-length`.
        decoded_length: Option<u64>,
    },
}

/// What frame signatures chain from: signing key, scope, time and the signature of the head.
#[derive(Clone)]
pub struct FrameSigning {
    pub(crate) signing_key: SigningKey,
    pub(crate) scope: String,
    pub(crate) timestamp: String,
    pub(crate) seed_signature: String,
}

impl PartialEq for FrameSigning {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.signing_key.expose().ct_eq(other.signing_key.expose()))
            && self.scope == other.scope
            && self.timestamp == other.timestamp
            && bool::from(self.seed_signature.as_bytes().ct_eq(other.seed_signature.as_bytes()))
    }
}

impl Eq for FrameSigning {}

impl std::fmt::Debug for FrameSigning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameSigning")
    }
}

/// What `x-amz-content-sha256` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    Unsigned,
    Sha256([u8; 32]),
    SignedFrames { trailer: bool },
    UnsignedFrames,
}

impl Promise {
    /// Reads a value of `x-amz-content-sha256`.
    pub(super) fn parse(value: &str) -> Result<Self, AuthError> {
        match value {
            UNSIGNED_PAYLOAD => return Ok(Self::Unsigned),
            SIGNED_FRAMES => return Ok(Self::SignedFrames { trailer: false }),
            SIGNED_FRAMES_AND_TRAILER => return Ok(Self::SignedFrames { trailer: true }),
            UNSIGNED_FRAMES_AND_TRAILER => return Ok(Self::UnsignedFrames),
            other if other.starts_with(ECDSA_FRAMES_PREFIX) => return Err(AuthError::EcdsaFrames),
            _ => {}
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(value, &mut digest)
            .map_err(|_| AuthError::MalformedContentSha256 { value: value.to_owned() })?;
        Ok(Self::Sha256(digest))
    }

    /// The promise of a request whose payload line is optional (presigned, Version 2, anonymous).
    pub(super) fn parse_optional(value: Option<&str>) -> Result<Self, AuthError> {
        value.map_or(Ok(Self::Unsigned), Self::parse)
    }
}

/// Decides how the body is to be read. `signing` is there if a Version 4 signature of the head is.
pub(super) fn payload_kind(
    head: &Head<'_>,
    promise: Promise,
    signing: Option<FrameSigning>,
) -> Result<PayloadKind, AuthError> {
    let announced = head.header("x-amz-trailer")?.filter(|value| !value.is_empty());
    match promise {
        Promise::SignedFrames { trailer } => {
            let signing = signing.ok_or(AuthError::FramesWithoutSeed)?;
            chunked(head, Some(signing), trailer, announced)
        }
        Promise::UnsignedFrames => chunked(head, None, true, announced),
        // botocore frames the bodies of requests that it does not sign, or presigns, without a payload line:
        // only the coding and the trailer tell.
        Promise::Unsigned if announced.is_some() && is_aws_chunked(head) => chunked(head, None, true, announced),
        Promise::Unsigned | Promise::Sha256(_) if announced.is_some() => Err(AuthError::TrailerNotPossible),
        Promise::Unsigned => Ok(PayloadKind::Unsigned),
        Promise::Sha256(digest) => Ok(PayloadKind::Sha256(digest)),
    }
}

fn chunked(
    head: &Head<'_>,
    signing: Option<FrameSigning>,
    trailer: bool,
    announced: Option<&str>,
) -> Result<PayloadKind, AuthError> {
    let trailer_checksum = match announced {
        Some(_) if !trailer => return Err(AuthError::TrailerNotPossible),
        Some(name) => Some(
            ChecksumAlgorithm::from_header(name)
                .ok_or_else(|| AuthError::UnsupportedTrailer { value: name.to_owned() })?,
        ),
        None => None,
    };
    let decoded_length = match head.header("x-amz-decoded-content-length")? {
        Some(value) => Some(parse_length(value)?),
        // Frames end by themselves; with a trailer, its checksum proves the end.
        None if trailer => None,
        None => return Err(AuthError::MissingDecodedLength),
    };
    Ok(PayloadKind::Chunked { signing, trailer, trailer_checksum, decoded_length })
}

fn parse_length(value: &str) -> Result<u64, AuthError> {
    let malformed = || AuthError::MalformedDecodedLength { value: value.to_owned() };
    // `u64::from_str` takes a leading `+`, HTTP does not.
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    value.parse().map_err(|_| malformed())
}

fn is_aws_chunked(head: &Head<'_>) -> bool {
    let values = head.headers().get_all(http::header::CONTENT_ENCODING).iter();
    let mut codings = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    codings.any(|coding| coding.trim().eq_ignore_ascii_case("aws-chunked"))
}
