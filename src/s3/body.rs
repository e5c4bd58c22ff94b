//! From an HTTP body to a `ByteSource`: length guard, then the `aws-chunked` decoder.

use crate::engine::{ByteSource, Expected};
use crate::net::RequestBody;
use crate::s3::S3Error;
use crate::s3::authorize::Authorized;

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
