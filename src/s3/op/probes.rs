//! The questions that tools ask every bucket about features that it does not have. Nothing of these kinds can
//! be stored here, so the empty answers are the true ones.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::object_headers::{object_error, shown_version};
use crate::s3::parameters::version;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
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

/// Accepts that a feature that nobody has is off, which changes nothing, and refuses that it be on.
///
/// # Errors
/// `MalformedXML`, `NotImplemented`.
pub(crate) async fn accept_off(
    call: &Authorized,
    body: RequestBody,
    root: &'static str,
    off: &'static str,
) -> Result<Response, S3Error> {
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    match read_word(&document, root, "Status")?.as_str() {
        status if status == off => Ok(respond_empty(StatusCode::OK)),
        "Enabled" => Err(S3Error::not_implemented(call.operation.name())),
        _ => Err(S3Error::new(Code::MalformedXML)),
    }
}

/// The text of the one element that a document has below its root.
///
/// # Errors
/// `MalformedXML`.
pub(crate) fn read_word(document: &[u8], root: &str, element: &str) -> Result<String, S3Error> {
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut word = None;
    let inside = format!("{root}/{element}");
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path } if path == root || path == inside => {}
            XmlEvent::Open { path } => {
                return Err(S3Error::new(Code::MalformedXML).cause(format!("{path} is out of place")));
            }
            XmlEvent::Close { path, text } if path == inside => word = Some(text.trim().to_owned()),
            XmlEvent::Close { .. } => {}
        }
    }
    feed.finish()?;
    word.ok_or_else(|| S3Error::new(Code::MalformedXML).cause(format!("{element} is missing")))
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

#[cfg(test)]
mod tests {
    use super::read_word;

    #[test]
    fn a_word_is_all_that_a_document_may_say() {
        let read = |text: &str| read_word(text.as_bytes(), "A", "B").ok();
        assert_eq!(read("<A xmlns='x'><B> on </B></A>").as_deref(), Some("on"));
        for bad in ["", "<A/>", "<A>", "<B>on</B>", "<A><C>on</C></A>", "<A><B><C/>on</B></A>"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
