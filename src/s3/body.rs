//! From an HTTP body to a `ByteSource`: length guard, then the `aws-chunked` decoder.

use crate::auth::ChunkedError;
use crate::engine::{ByteSource, Expected};
use crate::net::{BodyError, RequestBody};
use crate::s3::authorize::Authorized;
use crate::s3::{Code, S3Error};

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
    /// More bytes came than one body may have.
    #[error("the body is longer than {bytes_max} bytes")]
    TooLarge {
        /// Most bytes.
        bytes_max: u64,
    },
}

impl From<BodyFault> for S3Error {
    fn from(fault: BodyFault) -> Self {
        Self::new(Code::IncompleteBody).cause(fault)
    }
}

/// Opens the body of a PutObject or UploadPart and says what is expected of it (length, `Content-MD5`, payload
/// hash, checksum header or trailer). Reads nothing: `100 Continue` is sent at the first poll.
///
/// # Errors
/// `MissingContentLength`, `EntityTooLarge`, `InvalidDigest`, `InvalidRequest` for checksum headers that
/// contradict each other.
pub fn open_body(call: &Authorized, body: RequestBody) -> Result<(Box<dyn ByteSource>, Expected), S3Error> {
    let _ = (call, body);
    unimplemented!()
}

/// Reads an XML body of at most `bytes_max` bytes, with the same integrity checks as an upload.
///
/// # Errors
/// `MaxMessageLengthExceeded`, `IncompleteBody`, `BadDigest`, …
pub async fn read_document(call: &Authorized, body: RequestBody, bytes_max: usize) -> Result<Vec<u8>, S3Error> {
    let _ = (call, body, bytes_max);
    unimplemented!()
}
