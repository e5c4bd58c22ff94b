//! `x-amz-copy-source` and `x-amz-copy-source-range`: what a copy copies.
//!
//! Source: Amazon S3 API Reference, CopyObject and UploadPartCopy.

use http::HeaderMap;

use crate::engine::{CopySource, EngineError};
use crate::limits::COPY_BYTES_MAX;
use crate::s3::authorize::call::Authorized;
use crate::s3::authorize::{AuthorizedSource, authorize_source};
use crate::s3::conditions::{copy_source_precondition, failed_source_condition};
use crate::s3::encryption_headers::source_key;
use crate::s3::metadata::header_text;
use crate::s3::object_headers::naming_condition;
use crate::s3::source_name::SourceName;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{ByteRange, VersionId};

const RANGE: &str = "x-amz-copy-source-range";

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

    use super::copy_range;
    use crate::s3::Code;
    use crate::types::ByteRange;

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
        fn arbitrary_range_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert("x-amz-copy-source-range", value);
                let _ = copy_range(&headers);
            }
        }
    }
}
