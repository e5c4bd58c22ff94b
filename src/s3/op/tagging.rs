//! PutObjectTagging, GetObjectTagging, DeleteObjectTagging, PutBucketTagging, GetBucketTagging,
//! DeleteBucketTagging. Source: Amazon S3 API Reference, the operations of these names.

use http::{HeaderMap, StatusCode};

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response, empty_body};
use crate::rules::tag::Tagged;
use crate::s3::authorize::authorize_tags;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::bucket_document::{load, remove, store};
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond, respond_xml, shown_version};
use crate::s3::op::probes::absent;
use crate::s3::parameters;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::tagging::{read_tagging, write_tagging};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{AttributeChange, DocumentKind, Tags};

/// Replaces the tags of a version.
pub(crate) async fn put_object(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    // A mistake in the query is told before the body is read.
    parameters::version(&call.query)?;
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let tags = read_tagging(&document, Tagged::Object)?;
    authorize_tags(gateway, call, &tags).await?;
    change_object(gateway, call, tags, StatusCode::OK).await
}

/// Removes the tags of a version.
pub(crate) async fn delete_object(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    change_object(gateway, call, Tags::default(), StatusCode::NO_CONTENT).await
}

async fn change_object(
    gateway: &Gateway,
    call: &Authorized,
    tags: Tags,
    status: StatusCode,
) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let change = AttributeChange::Tags(tags);
    let changed = gateway.engine.change_attributes(call.bucket(), call.key(), version, change).await;
    let changed = changed.map_err(|error| object_error(error, call.key(), version))?;
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, changed);
    Ok(respond(status, headers, empty_body()))
}

/// Shows the tags of a version.
pub(crate) async fn get_object(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let open = call.open(gateway, version).await;
    let open = open.map_err(|error| object_error(error, call.key(), version))?;
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, shown_version(call.bucket(), open.version().version));
    Ok(respond_xml(headers, write_tagging(&open.version().metadata.attributes.tags)))
}

/// Replaces the tags of a bucket.
pub(crate) async fn put_bucket(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    let tags = read_tagging(&document, Tagged::Bucket)?;
    store(gateway, call.bucket(), DocumentKind::Tagging, &tags.0).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

/// Shows the tags of a bucket.
pub(crate) async fn get_bucket(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    match load(gateway, call.bucket(), DocumentKind::Tagging).await? {
        Some(pairs) => Ok(respond_document(write_tagging(&Tags(pairs)))),
        None => Err(absent(call, Code::NoSuchTagSet)),
    }
}

/// Removes the tags of a bucket.
pub(crate) async fn delete_bucket(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    remove(gateway, call.bucket(), DocumentKind::Tagging).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}
