//! Answers about objects: their headers, their XML, and the errors that name them.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::engine::EngineError;
use crate::limits::PART_BYTES_MAX;
use crate::net::{Response, ResponseBody, full_body};
use crate::s3::lock::insert_lock;
use crate::s3::metadata::{insert_text, write_metadata};
use crate::s3::respond::ShownOwner;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, ETag, ObjectKey, ObjectVersion, OwnerId, UploadId, VersionId};

/// Which version an answer is about.
pub(crate) const VERSION_ID: &str = "x-amz-version-id";

/// An answer.
pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: ResponseBody) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A 200 with a document.
pub(crate) fn respond_xml(mut headers: HeaderMap, document: String) -> Response {
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    respond(StatusCode::OK, headers, full_body(document))
}

/// Shows a version, if the bucket's versioning is or was on.
pub(crate) fn insert_version(headers: &mut HeaderMap, name: &'static str, version: Option<VersionId>) {
    if let Some(version) = version {
        insert_text(headers, HeaderName::from_static(name), &version.to_string());
    }
}

/// Shows an ETag, in quotes.
pub(crate) fn insert_etag(headers: &mut HeaderMap, etag: &ETag) {
    insert_text(headers, http::header::ETAG, &etag.quoted());
}

/// What every answer about a version says: a 304, too. `shown` is its id as `shown_version` tells it.
pub(crate) fn insert_validators(headers: &mut HeaderMap, version: &ObjectVersion, shown: Option<VersionId>) {
    insert_etag(headers, &version.etag);
    insert_text(headers, http::header::LAST_MODIFIED, &version.modified.truncated_to_seconds().http_date());
    insert_version(headers, VERSION_ID, shown);
}

/// What GET and HEAD say about a version, apart from length and checksum.
pub(crate) fn insert_description(headers: &mut HeaderMap, version: &ObjectVersion, shown: Option<VersionId>) {
    insert_validators(headers, version, shown);
    headers.insert(http::header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    write_metadata(headers, &version.metadata);
    let tags = version.metadata.attributes.tags.0.len();
    if tags > 0 {
        headers.insert(HeaderName::from_static("x-amz-tagging-count"), HeaderValue::from(tags));
    }
    insert_lock(headers, &version.metadata.attributes);
}

/// The id of a version as answers show it. While versioning was never on, the null version stays unnamed: clients
/// that saw its id would ask for it.
pub(crate) fn shown_version(bucket: &Bucket, version: VersionId) -> Option<VersionId> {
    (bucket.is_versioned || version != VersionId::Null).then_some(version)
}

/// Writes an `Owner` or `Initiator`.
pub(crate) fn write_person(xml: &mut XmlWriter, element: &'static str, gateway: &Gateway, id: &OwnerId) {
    xml.open(element);
    ShownOwner::of(gateway, id).write_fields(xml);
    xml.close();
}

/// An error about the object that a request names, with the names that S3 adds.
pub(crate) fn object_error(error: EngineError, key: &ObjectKey, version: Option<VersionId>) -> S3Error {
    let error = S3Error::from(error);
    let is_about_key = error.code == Code::NoSuchKey;
    let is_about_version = error.code == Code::NoSuchVersion;
    match version {
        Some(version) if is_about_version => error.detail("Key", key.as_str()).detail("VersionId", version.to_string()),
        Some(_) | None if is_about_key => error.detail("Key", key.as_str()),
        Some(_) | None => error,
    }
}

/// An error about an upload, with the id that S3 adds.
pub(crate) fn upload_error(error: EngineError, upload: UploadId) -> S3Error {
    let error = S3Error::from(error);
    if error.code == Code::NoSuchUpload { error.detail("UploadId", upload.to_string()) } else { error }
}

/// The refusal of a body that is larger than one request may carry.
pub(crate) fn body_too_large() -> S3Error {
    S3Error::new(Code::EntityTooLarge).detail("MaxSizeAllowed", PART_BYTES_MAX.to_string())
}

/// Names the header behind a 412.
pub(crate) fn naming_condition(error: S3Error, condition: Option<&'static str>) -> S3Error {
    match condition {
        Some(condition) if error.code == Code::PreconditionFailed => error.detail("Condition", condition),
        Some(_) | None => error,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{insert_description, object_error};
    use crate::engine::EngineError;
    use crate::types::{ETag, ObjectKey, ObjectMetadata, ObjectVersion, Timestamp, VersionId};

    fn version(version: VersionId) -> ObjectVersion {
        ObjectVersion {
            key: ObjectKey::parse("k").unwrap(),
            version,
            is_latest: true,
            is_delete_marker: false,
            size: 3,
            etag: ETag::single([0; 16]),
            modified: Timestamp(1_445_412_480_999_999),
            checksum: None,
            sha256: None,
            metadata: ObjectMetadata::default(),
        }
    }

    #[test]
    fn a_version_is_described_and_the_null_version_is_not_named() {
        let mut headers = HeaderMap::new();
        insert_description(&mut headers, &version(VersionId::Null), None);
        assert_eq!(headers["etag"], format!("\"{}\"", "0".repeat(32)));
        assert_eq!(headers["last-modified"], "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(headers["accept-ranges"], "bytes");
        assert_eq!(headers["content-type"], "binary/octet-stream");
        assert_eq!(headers.len(), 4);
        let id = VersionId::Ordered { order: 1, salt: 2 };
        insert_description(&mut headers, &version(id), Some(id));
        assert_eq!(headers["x-amz-version-id"], "00000000000000010000000000000002");
    }

    #[test]
    fn errors_name_what_they_are_about() {
        let key = ObjectKey::parse("k").unwrap();
        let missing = object_error(EngineError::NoSuchKey { delete_marker: None }, &key, None);
        assert_eq!(missing.details, [("Key", "k".to_owned())]);
        let missing = object_error(EngineError::NoSuchVersion, &key, Some(VersionId::Null));
        assert_eq!(missing.details, [("Key", "k".to_owned()), ("VersionId", "null".to_owned())]);
    }
}
