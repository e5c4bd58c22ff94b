//! The questions that tools ask every bucket about features that it does not have. Nothing of these kinds can
//! be stored here, so the empty answers are the true ones.

use crate::net::Response;
use crate::s3::authorize::Authorized;
use crate::s3::object_headers::{object_error, shown_version};
use crate::s3::parameters::version;
use crate::s3::respond::respond_document;
use crate::s3::xml::XmlWriter;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{VersionAttributes, VersionId};

/// A document that says nothing.
pub(crate) fn empty(root: &'static str) -> Response {
    respond_document(XmlWriter::document(root).finish())
}

/// A list without entries.
pub(crate) fn empty_list(root: &'static str) -> Response {
    let mut xml = XmlWriter::document(root);
    xml.text("IsTruncated", false);
    respond_document(xml.finish())
}

/// The error of a configuration that is not there.
pub(crate) fn absent(call: &Authorized, code: Code) -> S3Error {
    S3Error::new(code).detail("BucketName", call.bucket().name.as_str())
}

/// GetBucketAbac: attributes decide nothing.
pub(crate) fn abac() -> Response {
    let mut xml = XmlWriter::document("AbacStatus");
    xml.text("Status", "Disabled");
    respond_document(xml.finish())
}

/// GetBucketRequestPayment: nobody is charged, least of all the requester.
pub(crate) fn request_payment() -> Response {
    let mut xml = XmlWriter::document("RequestPaymentConfiguration");
    xml.text("Payer", "BucketOwner");
    respond_document(xml.finish())
}

/// Attributes of the version that the request names, and its id as it is shown.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker.
pub(crate) async fn find_attributes(
    gateway: &Gateway,
    call: &Authorized,
) -> Result<(VersionAttributes, Option<VersionId>), S3Error> {
    let version = version(&call.query)?;
    let found = call.open(gateway, version).await;
    let object = found.map_err(|error| object_error(error, call.key(), version))?;
    let facts = object.version();
    Ok((facts.metadata.attributes.clone(), shown_version(call.bucket(), facts.version)))
}
