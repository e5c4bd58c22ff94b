//! RenameObject. Source: Amazon S3 API Reference, RenameObject. S3 has it in directory buckets only; here it works
//! in every bucket that never had versioning.

use http::{HeaderMap, StatusCode};
use percent_encoding::percent_decode_str;

use crate::engine::{EngineError, RenameObject};
use crate::limits::CLIENT_TOKEN_BYTES_MAX;
use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::authorize::{authorize_key, authorize_source};
use crate::s3::conditions::{rename_precondition, rename_source_precondition};
use crate::s3::metadata::header_text;
use crate::s3::object_headers::{object_error, respond};
use crate::s3::permission::Need;
use crate::s3::source_name::SourceName;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::ObjectKey;
use crate::types::key::InvalidKey;

const SOURCE: &str = "x-amz-rename-source";
const TOKEN: &str = "x-amz-client-token";

/// Gives an object another key in one transaction. Its bytes, its time and all that is said about it stay.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    check_token(&call.headers)?;
    let source = source_key(&call.headers)?;
    if source == *call.key() {
        return Err(S3Error::invalid_request("The source and the destination of a rename are the same object."));
    }
    if source.as_str().ends_with('/') || call.key().as_str().ends_with('/') {
        return Err(S3Error::invalid_request("RenameObject is not supported for keys that end with a slash."));
    }
    // What is renamed goes from where it was, and may come to be read by others.
    let name = SourceName { bucket: call.bucket().name.clone(), key: source.clone(), version: None };
    authorize_source(gateway, call, &name).await?;
    authorize_key(gateway, call, Need::delete(false), source.as_str(), None)?;
    let rename = RenameObject {
        bucket: call.bucket().clone(),
        source: source.clone(),
        source_precondition: rename_source_precondition(&call.headers)?,
        key: call.key().clone(),
        precondition: rename_precondition(&call.headers)?,
    };
    let renamed: Result<_, EngineError> = gateway.engine.rename_object(rename).await;
    renamed.map_err(|error| object_error(error, &source, None))?;
    Ok(respond(StatusCode::OK, HeaderMap::new(), empty_body()))
}

/// A key of the same bucket, URL-encoded, with or without a leading slash.
fn source_key(headers: &HeaderMap) -> Result<ObjectKey, S3Error> {
    let text = header_text(headers, SOURCE).unwrap_or_default();
    let refuse = |message: &'static str| S3Error::invalid_argument(SOURCE, text.clone(), message);
    let bytes = text.as_bytes();
    let whole = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !whole(at)) {
        return Err(refuse("Invalid rename source encoding."));
    }
    let decoded = percent_decode_str(text.strip_prefix('/').unwrap_or(&text)).decode_utf8();
    let decoded = decoded.map_err(|_| refuse("Invalid rename source encoding."))?;
    ObjectKey::parse(decoded.as_ref()).map_err(|error| match error {
        InvalidKey::Empty => refuse("The rename source must name a key of the bucket."),
        InvalidKey::TooLong(_) => S3Error::new(Code::KeyTooLongError),
    })
}

/// A retried rename finds its source gone (`NoSuchKey`), whatever its token: nothing happens twice.
fn check_token(headers: &HeaderMap) -> Result<(), S3Error> {
    match header_text(headers, TOKEN) {
        Some(token)
            if token.is_empty()
                || token.len() > CLIENT_TOKEN_BYTES_MAX
                || !token.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Err(S3Error::invalid_argument(TOKEN, token, "The client token is 1 to 64 printable ASCII characters."))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{check_token, source_key};

    fn one(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_source_is_an_encoded_key() {
        let read = |text: &str| source_key(&one("x-amz-rename-source", text)).map(|key| key.as_str().to_owned());
        for (text, key) in [("a/b", "a/b"), ("/a/b", "a/b"), ("//a", "/a"), ("a%20%2Bb+", "a +b+"), ("%C3%BC", "ü")] {
            assert_eq!(read(text).unwrap(), key, "{text}");
        }
        for bad in ["", "/", "%", "a%zz", "%ff", &"k".repeat(1025)] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(source_key(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_token_is_short_and_printable() {
        assert!(check_token(&HeaderMap::new()).is_ok());
        assert!(check_token(&one("x-amz-client-token", "550e8400-e29b-41d4-a716-446655440000")).is_ok());
        for bad in ["", "a b", &"t".repeat(65)] {
            assert!(check_token(&one("x-amz-client-token", bad)).is_err(), "{bad}");
        }
    }
}
