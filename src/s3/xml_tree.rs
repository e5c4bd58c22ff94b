//! Small XML documents as a tree: configurations whose elements may come in any order and repeat. Only for
//! documents that were read whole and are bounded; lists of keys and parts are judged as they arrive.

use crate::s3::xml::{XmlEvent, XmlFeed};
use crate::s3::{Code, S3Error};

/// An element.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Its name without a namespace.
    pub(crate) name: String,
    /// Its text, if it has no children.
    pub(crate) text: String,
    /// Its children, in order.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document whose root is `root`.
    ///
    /// # Errors
    /// `MalformedXML`; `MissingRequestBodyError` if there is no document.
    pub(crate) fn read(document: &[u8], root: &str) -> Result<Self, S3Error> {
        if document.is_empty() {
            return Err(S3Error::new(Code::MissingRequestBodyError));
        }
        let mut feed = XmlFeed::new();
        feed.push(document);
        let mut open: Vec<Self> = Vec::new();
        let mut whole = None;
        while let Some(event) = feed.next_event()? {
            match event {
                XmlEvent::Open { path } => {
                    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                    open.push(Self { name, ..Self::default() });
                }
                XmlEvent::Close { text, .. } => {
                    let Some(mut element) = open.pop() else { break };
                    if element.children.is_empty() {
                        element.text = text.to_owned();
                    }
                    match open.last_mut() {
                        Some(parent) => parent.children.push(element),
                        None => whole = Some(element),
                    }
                }
            }
        }
        feed.finish()?;
        match whole {
            Some(element) if element.name == root => Ok(element),
            Some(element) => Err(malformed(format!("the root is {}", element.name))),
            None => Err(malformed("there is no root")),
        }
    }

    /// Refuses children that are not among `names`: what is not understood must not be dropped in silence.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn allow(&self, names: &[&str]) -> Result<(), S3Error> {
        match self.children.iter().find(|child| !names.contains(&child.name.as_str())) {
            Some(child) => Err(malformed(format!("{} in {}", child.name, self.name))),
            None => Ok(()),
        }
    }

    /// All children of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The only child of that name, if there is one.
    ///
    /// # Errors
    /// `MalformedXML` if there are several.
    pub(crate) fn child(&self, name: &str) -> Result<Option<&Self>, S3Error> {
        let mut named = self.children.iter().filter(|child| child.name == name);
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => Err(malformed(format!("several {name} in {}", self.name))),
            (first, _) => Ok(first),
        }
    }

    /// The text of the only child of that name, if there is one.
    ///
    /// # Errors
    /// `MalformedXML` if there are several, or if it has children.
    pub(crate) fn text_of(&self, name: &str) -> Result<Option<&str>, S3Error> {
        match self.child(name)? {
            Some(child) if !child.children.is_empty() => Err(malformed(format!("{name} has children"))),
            child => Ok(child.map(|child| child.text.as_str())),
        }
    }

    /// As `text_of`, for a child that must be there.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn required_text(&self, name: &str) -> Result<&str, S3Error> {
        self.text_of(name)?.ok_or_else(|| malformed(format!("no {name} in {}", self.name)))
    }
}

/// `MalformedXML`, with what is wrong for the log.
pub(crate) fn malformed(cause: impl std::fmt::Display) -> S3Error {
    S3Error::new(Code::MalformedXML).cause(cause)
}

#[cfg(test)]
mod tests {
    use super::Element;
    use crate::s3::Code;

    #[test]
    fn elements_keep_their_order_and_their_text() {
        let tree = Element::read(b"<A xmlns='x'> <B>1</B><C><D>a&amp;b</D></C><B> 2</B></A>", "A").unwrap();
        let texts: Vec<&str> = tree.all("B").map(|child| child.text.as_str()).collect();
        assert_eq!(texts, ["1", " 2"]);
        assert_eq!(tree.child("C").unwrap().unwrap().required_text("D").unwrap(), "a&b");
        assert!(tree.text.is_empty());
        assert!(tree.allow(&["B", "C"]).is_ok());
    }

    #[test]
    fn what_is_missing_doubled_or_unknown_is_malformed() {
        let code = |document: &str| Element::read(document.as_bytes(), "A").unwrap_err().code;
        assert_eq!(code(""), Code::MissingRequestBodyError);
        for bad in ["<B/>", "<A>", "x", "<A/><A/>"] {
            assert_eq!(code(bad), Code::MalformedXML, "{bad}");
        }
        let tree = Element::read(b"<A><B/><B/><C><D/></C></A>", "A").unwrap();
        assert_eq!(tree.child("B").unwrap_err().code, Code::MalformedXML);
        assert_eq!(tree.text_of("C").unwrap_err().code, Code::MalformedXML);
        assert_eq!(tree.required_text("X").unwrap_err().code, Code::MalformedXML);
        assert_eq!(tree.allow(&["B"]).unwrap_err().code, Code::MalformedXML);
    }
}
