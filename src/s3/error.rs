//! An S3 error on its way to the client, its document, and the one mapping from the engine's errors.

use std::borrow::Cow;

use http::header::{ALLOW, CONTENT_TYPE, LAST_MODIFIED, RETRY_AFTER};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::cipher::CipherError;
use crate::engine::{EngineError, FixedEncryption, Mismatch, ReadOnly};
use crate::limits::{OBJECT_BYTES_MAX, PART_BYTES_MIN, RETRY_AFTER_SECONDS};
use crate::net::{Response, full_body};
use crate::rules::BucketRefusal;
use crate::s3::body::BodyFault;
use crate::s3::xml::XmlWriter;
use crate::telemetry::Explanation;
use crate::types::VersionId;

pub use crate::s3::code::Code;

/// Says that a key's newest version, or the version asked for, is a delete marker.
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
/// Which version an answer is about.
const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");

/// An S3 error on its way to the client.
#[derive(Debug)]
pub struct S3Error {
    /// Its code.
    pub code: Code,
    /// Its message, never empty. For the client; the log gets `cause`.
    pub message: Cow<'static, str>,
    /// Further elements of the XML body, in order.
    pub details: Vec<(&'static str, String)>,
    /// Further headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What happened, for the log only.
    pub cause: Option<String>,
    /// Why, for the operator, if the stage that refused knows more than the code says.
    pub explanation: Option<Box<Explanation>>,
}

impl S3Error {
    /// An error with the table's message.
    pub fn new(code: Code) -> Self {
        let error = Self {
            code,
            message: Cow::Borrowed(code.message()),
            details: Vec::new(),
            headers: Vec::new(),
            cause: None,
            explanation: None,
        };
        match code.status() {
            StatusCode::SERVICE_UNAVAILABLE => error.header(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS)),
            _ => error,
        }
    }

    /// `InvalidArgument` about one argument, as S3 words it: which one, and what it was.
    pub fn invalid_argument(
        name: impl Into<String>,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Code::InvalidArgument).message(message).detail("ArgumentName", name).detail("ArgumentValue", value)
    }

    /// `InvalidRequest` with a message that says what is wrong.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest).message(message)
    }

    /// `NotImplemented` that names what is missing: an operation or an element.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(Code::NotImplemented).message(format!("{what} is not implemented by this server."))
    }

    /// Writes are paused.
    pub fn paused() -> Self {
        let reason = "Writes are paused for maintenance. Reading goes on; please try again later.";
        Self::new(Code::ServiceUnavailable).message(reason).cause("writes are paused")
    }

    /// Replaces the message; an empty one is ignored.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        let message = message.into();
        if !message.is_empty() {
            self.message = message;
        }
        self
    }

    /// Adds an element to the XML body.
    #[must_use]
    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Notes what happened, for the log.
    #[must_use]
    pub fn cause(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Explains it to the operator.
    #[must_use]
    pub fn because(mut self, explanation: Explanation) -> Self {
        self.explanation = Some(Box::new(explanation));
        self
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The document of this error.
    pub fn document(&self, resource: &str, request_id: &str, host_id: &str) -> String {
        let mut xml = XmlWriter::plain("Error");
        xml.text("Code", self.code.name()).text("Message", &self.message);
        for (element, value) in &self.details {
            xml.text(element, value);
        }
        xml.text("Resource", resource).text("RequestId", request_id).text("HostId", host_id);
        xml.finish()
    }

    /// The answer that carries this error. The service cuts the body off answers to HEAD and to conditions.
    pub fn into_response(self, resource: &str, request_id: &str, host_id: &str) -> Response {
        let mut response = Response::new(full_body(self.document(resource, request_id, host_id)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

impl std::fmt::Display for S3Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.name(), self.message)
    }
}

/// The headers that name a delete marker.
fn marked(error: S3Error, version: VersionId) -> S3Error {
    let id = HeaderValue::try_from(version.to_string()).expect("a version id is hex digits or null");
    error.header(DELETE_MARKER, HeaderValue::from_static("true")).header(VERSION_ID, id)
}

impl From<Mismatch> for S3Error {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::ContentMd5 => {
                Self::new(Code::BadDigest).message("The Content-MD5 you specified did not match what we received.")
            }
            Mismatch::PayloadSha256 => Self::new(Code::XAmzContentSHA256Mismatch),
            Mismatch::Checksum(algorithm) => Self::new(Code::BadDigest)
                .message(format!("The {algorithm} you specified did not match the calculated checksum.")),
            Mismatch::Length => Self::new(Code::IncompleteBody),
            Mismatch::Trailer(algorithm) => Self::new(Code::MalformedTrailerError)
                .message(format!("The trailer {} is missing or malformed.", algorithm.header())),
        }
    }
}

impl From<EngineError> for S3Error {
    fn from(error: EngineError) -> Self {
        if let Some(storage) = from_storage(&error) {
            return storage;
        }
        match error {
            EngineError::NoSuchBucket => Self::new(Code::NoSuchBucket),
            // Whether the owner is the caller is for CreateBucket to see; the safe reading is "somebody else".
            EngineError::BucketExists { owner: _ } => Self::new(Code::BucketAlreadyExists),
            EngineError::TooManyBuckets => Self::new(Code::TooManyBuckets),
            EngineError::BucketNotEmpty => Self::new(Code::BucketNotEmpty),
            EngineError::NoSuchKey { delete_marker: None } => Self::new(Code::NoSuchKey),
            EngineError::NoSuchKey { delete_marker: Some(version) } => marked(Self::new(Code::NoSuchKey), version),
            EngineError::NoSuchVersion => Self::new(Code::NoSuchVersion),
            EngineError::IsDeleteMarker { version, modified } => {
                let date = HeaderValue::try_from(modified.http_date()).expect("a date is plain ASCII");
                marked(Self::new(Code::MethodNotAllowed).detail("ResourceType", "DeleteMarker"), version)
                    .header(ALLOW, HeaderValue::from_static("DELETE"))
                    .header(LAST_MODIFIED, date)
            }
            EngineError::BucketState(BucketRefusal::HasLock) => Self::new(Code::InvalidBucketState).message(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            ),
            EngineError::BucketState(BucketRefusal::NeedsVersioning) => Self::new(Code::InvalidBucketState)
                .message("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"),
            EngineError::BucketState(BucketRefusal::HasVersions) => {
                Self::invalid_request("RenameObject is not supported in a bucket that has or had versioning.")
            }
            EngineError::Locked(refusal) => Self::new(Code::AccessDenied)
                .message("Access Denied because object protected by object lock.")
                .cause(refusal),
            EngineError::QuotaExceeded(refusal) => Self::new(Code::QuotaExceeded)
                .message(format!("The write would exceed a quota: {refusal}."))
                .detail("Limit", refusal.limit.to_string())
                .detail("Used", refusal.used.to_string()),
            EngineError::PreconditionFailed => Self::new(Code::PreconditionFailed),
            EngineError::Conflict => Self::new(Code::ConditionalRequestConflict),
            EngineError::NoSuchUpload => Self::new(Code::NoSuchUpload),
            EngineError::InvalidPart { number: n } => Self::new(Code::InvalidPart).detail("PartNumber", n.to_string()),
            EngineError::InvalidPartOrder => Self::new(Code::InvalidPartOrder),
            EngineError::PartTooSmall { number, size, md5 } => Self::new(Code::EntityTooSmall)
                .detail("ProposedSize", size.to_string())
                .detail("MinSizeAllowed", PART_BYTES_MIN.to_string())
                .detail("PartNumber", number.to_string())
                .detail("ETag", hex::encode(md5)),
            EngineError::NoParts => Self::new(Code::MalformedXML),
            EngineError::ObjectSizeMismatch { actual } => Self::invalid_request(format!(
                "The provided 'x-amz-mp-object-size' header does not match what was computed: {actual} bytes."
            )),
            EngineError::TooLarge => {
                Self::new(Code::EntityTooLarge).detail("MaxSizeAllowed", OBJECT_BYTES_MAX.to_string())
            }
            EngineError::Mismatch(mismatch) => mismatch.into(),
            EngineError::ChecksumRequest(message) => Self::invalid_request(message),
            EngineError::InvalidRange { size } => {
                Self::new(Code::InvalidRange).detail("ActualObjectSize", size.to_string())
            }
            EngineError::Source(source) => match source.0.downcast::<BodyFault>() {
                Ok(fault) => (*fault).into(),
                Err(unknown) => Self::new(Code::InternalError).cause(unknown),
            },
            error @ (EngineError::ReadOnly(_) | EngineError::Stopped) => {
                Self::new(Code::ServiceUnavailable).cause(error)
            }
            EngineError::Damaged(what) => Self::new(Code::InternalError).cause(what),
            EngineError::Cipher(source) => source.into(),
            EngineError::UploadKey(source) => upload_key_error(source),
            EngineError::FixedEncryption(fixed) => fixed.into(),
            error @ (EngineError::Chunk(_) | EngineError::Meta(_)) => Self::new(Code::InternalError).cause(error),
        }
    }
}

/// Source: Amazon S3 API Reference, UpdateObjectEncryption.
impl From<FixedEncryption> for S3Error {
    fn from(fixed: FixedEncryption) -> Self {
        Self::invalid_request(match fixed {
            FixedEncryption::Plain => {
                "The UpdateObjectEncryption operation doesn't support unencrypted source objects. Only source objects \
                 encrypted with SSE-S3 or SSE-KMS are supported."
            }
            FixedEncryption::Customer => {
                "The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS \
                 or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported."
            }
        })
    }
}

/// Source: Amazon S3 User Guide, "Using server-side encryption with customer-provided keys (SSE-C)"; what S3 answers
/// where the guide is silent.
impl From<CipherError> for S3Error {
    fn from(error: CipherError) -> Self {
        match &error {
            CipherError::KeyNeeded => Self::invalid_request(
                "The object was stored using a form of Server Side Encryption. The correct parameters must be \
                 provided to retrieve the object.",
            ),
            CipherError::KeyNotApplicable => {
                Self::invalid_request("The encryption parameters are not applicable to this object.")
            }
            CipherError::WrongKey => Self::new(Code::AccessDenied).cause(error),
            CipherError::UnknownKey(id) => {
                Self::new(Code::KmsNotFoundException).message(format!("Key '{id}' does not exist")).cause(&error)
            }
            CipherError::Damaged(_) | CipherError::NoRandomness => Self::new(Code::InternalError).cause(error),
        }
    }
}

/// What a part or completion is told about its key.
fn upload_key_error(error: CipherError) -> S3Error {
    match error {
        CipherError::KeyNeeded => S3Error::invalid_request(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters.",
        ),
        CipherError::KeyNotApplicable | CipherError::WrongKey => {
            S3Error::invalid_request("The provided encryption parameters did not match the ones used originally.")
        }
        CipherError::UnknownKey(_) | CipherError::Damaged(_) | CipherError::NoRandomness => error.into(),
    }
}

/// What a client should know about a failing store: that it is full. Damage is an internal error like any
/// other to the client, and named as damage in the log.
fn from_storage(error: &EngineError) -> Option<S3Error> {
    if error.is_full() {
        let reason = "There is no space left to store the data: the disk, its inodes or a quota are used up. \
                      Deleting objects and aborting uploads still works.";
        return Some(S3Error::new(Code::InsufficientStorage).message(reason).cause(error));
    }
    if matches!(error, EngineError::ReadOnly(ReadOnly::Maintenance)) {
        return Some(S3Error::paused());
    }
    if matches!(error, EngineError::ReadOnly(_)) {
        let reason = "The disk fails: nothing can be written until it is well again. Reading goes on.";
        return Some(S3Error::new(Code::ServiceUnavailable).message(reason).cause(error));
    }
    if error.is_damaged() {
        return Some(S3Error::new(Code::InternalError).cause(format!("damaged data: {error}")));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Code, S3Error};
    use crate::engine::{EngineError, Mismatch};
    use crate::types::{ChecksumAlgorithm, Timestamp, VersionId};

    #[test]
    fn every_code_has_an_error_status_and_a_message() {
        for code in Code::ALL {
            let status = code.status();
            assert!(status.as_u16() >= 300, "{code:?}");
            assert!(!code.message().trim().is_empty(), "{code:?}");
            assert_eq!(Code::ALL.iter().filter(|other| other.name() == code.name()).count(), 1);
        }
    }

    #[test]
    fn an_empty_message_never_replaces_the_tables() {
        assert_eq!(S3Error::new(Code::NoSuchKey).message("").message, Code::NoSuchKey.message());
    }

    #[test]
    fn the_document_carries_details_and_ids_in_order() {
        let error = S3Error::invalid_argument("max-keys", "a<b", "Provided max-keys not an integer");
        assert_eq!(
            error.document("/b/k", "R", "H"),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidArgument</Code>\
             <Message>Provided max-keys not an integer</Message><ArgumentName>max-keys</ArgumentName>\
             <ArgumentValue>a&lt;b</ArgumentValue><Resource>/b/k</Resource><RequestId>R</RequestId>\
             <HostId>H</HostId></Error>"
        );
    }

    #[test]
    fn slow_down_says_when_to_retry() {
        let response = S3Error::new(Code::SlowDown).into_response("/", "R", "H");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }

    #[test]
    fn delete_markers_are_named_in_headers() {
        let error = S3Error::from(EngineError::IsDeleteMarker { version: VersionId::Null, modified: Timestamp(0) });
        assert_eq!(error.status(), 405);
        let response = error.into_response("/", "R", "H");
        assert_eq!(response.headers()["x-amz-delete-marker"], "true");
        assert_eq!(response.headers()["x-amz-version-id"], "null");
        assert_eq!(response.headers()["allow"], "DELETE");
    }

    #[test]
    fn each_mismatch_has_the_code_that_clients_branch_on() {
        let code = |mismatch| S3Error::from(EngineError::Mismatch(mismatch)).code;
        assert_eq!(code(Mismatch::ContentMd5), Code::BadDigest);
        assert_eq!(code(Mismatch::PayloadSha256), Code::XAmzContentSHA256Mismatch);
        assert_eq!(code(Mismatch::Checksum(ChecksumAlgorithm::Crc32)), Code::BadDigest);
        assert_eq!(code(Mismatch::Length), Code::IncompleteBody);
        assert_eq!(code(Mismatch::Trailer(ChecksumAlgorithm::Sha1)), Code::MalformedTrailerError);
    }
}
