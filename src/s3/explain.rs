//! What only the whole request can tell of an error.

use crate::s3::authorize::call::Authorized;
use crate::s3::{Code, S3Error};

/// The CRC32 of nothing, in base64.
const EMPTY_CRC32: &str = "AAAAAA==";

/// Adds to an error what only the whole request can tell.
pub(crate) fn explain(call: &Authorized, error: S3Error) -> S3Error {
    if call.requires_absent && error.code == Code::PreconditionFailed {
        return S3Error::new(Code::AccessDenied).cause("the key exists, and its sender may not overwrite");
    }
    let empty_crc = call.headers.get("x-amz-checksum-crc32").is_some_and(|value| value == EMPTY_CRC32);
    if error.code == Code::BadDigest && empty_crc {
        return error.message(
            "The CRC32 you specified did not match the calculated checksum. It is that of an empty body: if the URL \
             was presigned by an SDK, presign it with the request checksum calculation set to WHEN_REQUIRED.",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::explain;
    use crate::auth::PayloadKind;
    use crate::s3::authorize::call::Authorized;
    use crate::s3::{Code, Operation, S3Error};

    #[test]
    fn a_checksum_of_nothing_is_explained() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-crc32", HeaderValue::from_static("AAAAAA=="));
        let call = Authorized::for_test(Operation::PutObject, "/abc/k", headers, PayloadKind::Unsigned);
        assert!(explain(&call, S3Error::new(Code::BadDigest)).message.contains("WHEN_REQUIRED"));
        assert_eq!(explain(&call, S3Error::new(Code::NoSuchKey)).message, Code::NoSuchKey.message());
    }
}
