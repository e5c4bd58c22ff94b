//! `x-amz-copy-source` and `x-amz-copy-source-range`: what a copy copies.
//!
//! Source: Amazon S3 API Reference, CopyObject and UploadPartCopy.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::engine::{CopySource, EngineError};
use crate::limits::COPY_BYTES_MAX;
use crate::s3::authorize::{Authorized, AuthorizedSource, authorize_source};
use crate::s3::conditions::{copy_source_precondition, failed_source_condition};
use crate::s3::encryption_headers::source_key;
use crate::s3::metadata::header_text;
use crate::s3::object_headers::naming_condition;
use crate::s3::parameters::parse_version;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::key::InvalidKey;
use crate::types::{BucketName, ByteRange, ObjectKey, VersionId};

const SOURCE: &str = "x-amz-copy-source";
const RANGE: &str = "x-amz-copy-source-range";

/// What `x-amz-copy-source` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceName {
    /// Its bucket.
    pub(crate) bucket: BucketName,
    /// Its key.
    pub(crate) key: ObjectKey,
    /// Its version.
    pub(crate) version: Option<VersionId>,
}

/// Reads `x-amz-copy-source`: `bucket/key?versionId=id`, URL-encoded, with or without a leading slash.
///
/// # Errors
/// `InvalidArgument` if it is malformed, `InvalidBucketName`, `KeyTooLongError`, `NotImplemented` for access
/// points.
pub(crate) fn source_name(headers: &HeaderMap) -> Result<SourceName, S3Error> {
    let header = header_text(headers, SOURCE).unwrap_or_default();
    parse_source(&header)
}

fn parse_source(header: &str) -> Result<SourceName, S3Error> {
    let refuse = |message: &'static str| S3Error::invalid_argument(SOURCE, header, message);
    let (path, version) = match header.rsplit_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    let decoded = decode(path).ok_or_else(|| refuse("Invalid copy source encoding."))?;
    let decoded = decoded.strip_prefix('/').unwrap_or(&decoded);
    if decoded.starts_with("arn:") {
        return Err(S3Error::new(Code::NotImplemented)
            .message("A copy source that is an access point is not implemented.")
            .detail("Header", SOURCE));
    }
    let (bucket, key) = decoded
        .split_once('/')
        .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        .ok_or_else(|| refuse("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"))?;
    let key = ObjectKey::parse(key).map_err(|error| match error {
        InvalidKey::Empty => refuse("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"),
        InvalidKey::TooLong(length) => S3Error::new(Code::KeyTooLongError)
            .detail("Size", length.to_string())
            .detail("MaxSizeAllowed", crate::limits::KEY_BYTES_MAX.to_string()),
    })?;
    let version = match version {
        // Further parameters (`&…`) are none of S3's.
        Some(text) => Some(parse_version(&decode(text).ok_or_else(|| refuse("Invalid copy source encoding."))?)?),
        None => None,
    };
    let bucket =
        BucketName::parse(bucket).map_err(|_| S3Error::new(Code::InvalidBucketName).detail("BucketName", bucket))?;
    Ok(SourceName { bucket, key, version })
}

/// Decodes as S3 does, where `+` is a space: its own examples encode the source as form data. `None` for
/// broken escapes and for what is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !whole(at)) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// Opens the way to the source: its bucket exists, the caller may read this object in it, and its conditions
/// are read.
///
/// # Errors
/// Of `source_name`, of authorization, of the conditions.
pub(crate) async fn copy_source(
    gateway: &Gateway,
    call: &Authorized,
    name: &SourceName,
) -> Result<CopySource, S3Error> {
    let precondition = copy_source_precondition(&call.headers)?;
    let AuthorizedSource { bucket, judged } = authorize_source(gateway, call, name).await?;
    let customer_key = source_key(&call.headers)?;
    Ok(CopySource { bucket, key: name.key.clone(), version: name.version, judged, precondition, customer_key })
}

/// Reads `x-amz-copy-source-range`, which must be `bytes=first-last`: an open end, a suffix or a list would
/// copy something else than its sender expects.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn copy_range(headers: &HeaderMap) -> Result<Option<ByteRange>, S3Error> {
    let Some(text) = header_text(headers, RANGE) else {
        return Ok(None);
    };
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let strict = text
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
        .is_some_and(|(first, last)| is_digits(first) && is_digits(last));
    match ByteRange::parse(&text).filter(|_| strict) {
        Some(range) => Ok(Some(range)),
        None => Err(S3Error::invalid_argument(
            RANGE,
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy",
        )),
    }
}

/// What errors say about the source of a copy.
#[derive(Clone, Debug)]
pub(crate) struct SourceNaming {
    key: String,
    version: Option<VersionId>,
    range: String,
    condition: Option<&'static str>,
}

impl SourceNaming {
    /// Takes down the names of a copy's source.
    pub(crate) fn new(source: &CopySource, headers: &HeaderMap) -> Self {
        Self {
            key: source.key.as_str().to_owned(),
            version: source.version,
            range: header_text(headers, RANGE).unwrap_or_default(),
            condition: failed_source_condition(&source.precondition),
        }
    }
}

/// An error of a copy, where it is about the source, in S3's words.
pub(crate) fn source_error(error: EngineError, source: &SourceNaming) -> S3Error {
    match error {
        EngineError::NoSuchKey { .. } => S3Error::new(Code::NoSuchKey).detail("Key", source.key.clone()),
        EngineError::IsDeleteMarker { .. } => S3Error::invalid_request(
            "The source of a copy request may not specifically refer to a delete marker by version id.",
        ),
        EngineError::TooLarge => S3Error::invalid_request(format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {COPY_BYTES_MAX}"
        )),
        EngineError::InvalidRange { size } => S3Error::new(Code::InvalidRange)
            .message(format!("Range specified is not valid for source object of size: {size}"))
            .detail("RangeRequested", source.range.clone())
            .detail("ActualObjectSize", size.to_string()),
        EngineError::NoSuchVersion => {
            let version = source.version.map(|version| version.to_string()).unwrap_or_default();
            S3Error::new(Code::NoSuchVersion).detail("Key", source.key.clone()).detail("VersionId", version)
        }
        error @ EngineError::PreconditionFailed => naming_condition(S3Error::from(error), source.condition),
        error => S3Error::from(error),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{copy_range, parse_source, source_name};
    use crate::s3::Code;
    use crate::types::{ByteRange, VersionId};

    #[test]
    fn a_source_is_bucket_key_and_version() {
        let version = "0".repeat(15) + "1" + &"f".repeat(16);
        let known = VersionId::parse(&version);
        let table = [
            ("bucket/key", "key", None),
            ("/bucket/key", "key", None),
            ("/bucket//key", "/key", None),
            ("bucket/a/b/c", "a/b/c", None),
            ("bucket%2Fa%2Fb", "a/b", None),
            ("bucket/a%20b", "a b", None),
            ("bucket/a+b", "a b", None),
            ("bucket/a%2Bb", "a+b", None),
            ("bucket/gr%C3%BCn", "grün", None),
            ("bucket/grün", "grün", None),
            ("bucket/../x", "../x", None),
            ("bucket/a%3FversionId=x", "a?versionId=x", None),
            ("bucket/what?", "what?", None),
            ("bucket/key?versionId=null", "key", Some(VersionId::Null)),
            (&format!("bucket/key?versionId={version}"), "key", known),
        ];
        for (header, key, version) in table {
            let source = parse_source(header).unwrap_or_else(|error| panic!("{header}: {error}"));
            assert_eq!(
                (source.bucket.as_str(), source.key.as_str(), source.version),
                ("bucket", key, version),
                "{header}"
            );
        }
    }

    #[test]
    fn a_malformed_source_is_refused_with_the_code_of_its_fault() {
        let table = [
            ("", Code::InvalidArgument),
            ("/", Code::InvalidArgument),
            ("bucket", Code::InvalidArgument),
            ("bucket/", Code::InvalidArgument),
            ("//key", Code::InvalidArgument),
            ("bucket/%", Code::InvalidArgument),
            ("bucket/%zz", Code::InvalidArgument),
            ("bucket/%ff", Code::InvalidArgument),
            ("bucket/key?versionId=", Code::InvalidArgument),
            ("bucket/key?versionId=x", Code::InvalidArgument),
            ("B_/key", Code::InvalidBucketName),
            ("arn:aws:s3:us-east-1:1:accesspoint/ap/object/key", Code::NotImplemented),
            ("arn%3Aaws%3As3:::x/key", Code::NotImplemented),
        ];
        for (header, code) in table {
            assert_eq!(parse_source(header).unwrap_err().code, code, "{header}");
        }
        let long = format!("bucket/{}", "k".repeat(1025));
        assert_eq!(parse_source(&long).unwrap_err().code, Code::KeyTooLongError);
    }

    #[test]
    fn a_copy_range_has_both_ends() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-copy-source-range", HeaderValue::from_static(text));
            copy_range(&headers).map_err(|error| error.code)
        };
        assert_eq!(read("bytes=0-0"), Ok(Some(ByteRange::FromTo(0, 0))));
        assert_eq!(read("bytes=5-9"), Ok(Some(ByteRange::FromTo(5, 9))));
        for bad in ["", "bytes=", "bytes=-5", "bytes=5-", "5-9", "bytes=9-5", "bytes=0-1,3-4", "bytes=a-b", "Bytes 0-1"]
        {
            assert_eq!(read(bad), Err(Code::InvalidArgument), "{bad}");
        }
        assert_eq!(copy_range(&HeaderMap::new()).unwrap(), None);
    }

    proptest! {
        #[test]
        fn arbitrary_source_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert("x-amz-copy-source", value.clone());
                headers.insert("x-amz-copy-source-range", value);
                let _ = source_name(&headers);
                let _ = copy_range(&headers);
            }
        }
    }
}
