//! The plain shapes of an answer.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::net::{Response, empty_body, full_body};
use crate::s3::Gateway;
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
