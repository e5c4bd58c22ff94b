//! The plain shapes of an answer.

use std::collections::HashMap;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::net::{Response, empty_body, full_body};
use crate::s3::Gateway;
use crate::s3::authorize::call::Authorized;
use crate::s3::xml::XmlWriter;
use crate::types::OwnerId;

/// A status and nothing else.
pub(crate) fn respond_empty(status: StatusCode) -> Response {
    let mut response = Response::new(empty_body());
    *response.status_mut() = status;
    response
}

/// A 200 with a document.
pub(crate) fn respond_document(document: String) -> Response {
    let mut response = Response::new(full_body(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// Who owns something, as documents show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShownOwner {
    /// Canonical id.
    pub(crate) id: OwnerId,
    /// Its name, unless it is gone.
    pub(crate) name: Option<String>,
}

impl ShownOwner {
    /// An owner and its name.
    pub(crate) fn of(gateway: &Gateway, id: &OwnerId) -> Self {
        Self { id: id.clone(), name: gateway.keyring.display_name(id) }
    }

    /// Writes its children.
    pub(crate) fn write_fields(&self, xml: &mut XmlWriter) {
        xml.text("ID", &self.id).optional("DisplayName", self.name.as_ref());
    }

    /// Writes it as an `Owner` element.
    pub(crate) fn write(&self, xml: &mut XmlWriter) {
        xml.open("Owner");
        self.write_fields(xml);
        xml.close();
    }
}

/// The owners of what is on one page of a listing.
#[derive(Clone, Debug)]
pub(crate) struct ShownOwners {
    bucket: ShownOwner,
    /// Others, where objects are their writers'.
    writers: HashMap<OwnerId, ShownOwner>,
}

impl ShownOwners {
    /// Looks up everybody who is on a page.
    pub(crate) fn of<'a>(
        gateway: &Gateway,
        call: &Authorized,
        writers: impl Iterator<Item = Option<&'a OwnerId>>,
    ) -> Self {
        let bucket = ShownOwner::of(gateway, &call.bucket().owner);
        let mut shown = HashMap::new();
        for writer in writers.flatten().filter(|_| call.facts.has_acls()) {
            if !shown.contains_key(writer) {
                shown.insert(writer.clone(), ShownOwner::of(gateway, writer));
            }
        }
        Self { bucket, writers: shown }
    }

    /// Everything is the bucket owner's.
    #[cfg(test)]
    pub(crate) fn only(bucket: ShownOwner) -> Self {
        Self { bucket, writers: HashMap::new() }
    }

    /// The owner of what `writer` wrote.
    pub(crate) fn find(&self, writer: Option<&OwnerId>) -> &ShownOwner {
        writer.and_then(|writer| self.writers.get(writer)).unwrap_or(&self.bucket)
    }
}
