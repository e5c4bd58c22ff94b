//! Small documents: a few named texts, each at most once. Anything else in them is a mistake of their sender, and
//! said to be one: a setting that is not understood must not be dropped.

use crate::limits::XML_BYTES_MAX;
use crate::net::RequestBody;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::xml::{XmlEvent, XmlFeed};
use crate::s3::{Code, S3Error};

/// The elements of a small document, by their path from the root.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the document of a request. `known` are the paths of all elements that it may have.
    ///
    /// # Errors
    /// `MalformedXML`, and those of the body.
    pub(crate) async fn read(call: &Authorized, body: RequestBody, known: &[&str]) -> Result<Self, S3Error> {
        Self::parse(&read_document(call, body, XML_BYTES_MAX).await?, known)
    }

    /// Reads a document.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn parse(document: &[u8], known: &[&str]) -> Result<Self, S3Error> {
        let malformed = |cause: String| S3Error::new(Code::MalformedXML).cause(cause);
        let mut feed = XmlFeed::new();
        feed.push(document);
        let mut fields = Self::default();
        while let Some(event) = feed.next_event()? {
            match event {
                XmlEvent::Open { path } if !known.contains(&path) => {
                    return Err(malformed(format!("{path} is not known here")));
                }
                XmlEvent::Open { path } if fields.has(path) => return Err(malformed(format!("{path} comes twice"))),
                XmlEvent::Open { .. } => {}
                XmlEvent::Close { path, text } => fields.0.push((path.to_owned(), text.trim().to_owned())),
            }
        }
        feed.finish()?;
        Ok(fields)
    }

    /// The text of an element.
    pub(crate) fn value(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == path).map(|(_, text)| text.as_str())
    }

    /// Whether the document has an element.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.value(path).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;

    const KNOWN: [&str; 3] = ["A", "A/B", "A/C"];

    #[test]
    fn elements_are_found_by_their_paths() {
        let fields = Fields::parse(b"<A xmlns=\"x\"> <B> b </B><C/></A>", &KNOWN).unwrap();
        assert_eq!((fields.value("A/B"), fields.value("A/C"), fields.value("B")), (Some("b"), Some(""), None));
        assert!(fields.has("A/C") && !Fields::parse(b"<A/>", &KNOWN).unwrap().has("A/C"));
    }

    #[test]
    fn unknown_and_repeated_elements_are_refused() {
        for bad in ["", "<B/>", "<A><D/></A>", "<A><B/><B/></A>", "<A><B><C/></B></A>", "<A>", "<A/><A/>"] {
            assert!(Fields::parse(bad.as_bytes(), &KNOWN).is_err(), "{bad}");
        }
    }
}
