//! `x-amz-copy-source`: which version a copy is made of.
//!
//! Source: Amazon S3 API Reference, CopyObject and UploadPartCopy.

use http::HeaderMap;
use percent_encoding::percent_decode_str;

use crate::s3::metadata::header_text;
use crate::s3::parameters::parse_version;
use crate::s3::{Code, S3Error};
use crate::types::key::InvalidKey;
use crate::types::{BucketName, ObjectKey, VersionId};

const SOURCE: &str = "x-amz-copy-source";

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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{parse_source, source_name};
    use crate::s3::Code;
    use crate::types::VersionId;

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

    proptest! {
        #[test]
        fn arbitrary_source_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert("x-amz-copy-source", value);
                let _ = source_name(&headers);
            }
        }
    }
}
