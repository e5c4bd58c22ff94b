//! XML, written. Reading is in `xml_feed`.

use std::fmt::Write as _;

pub use crate::s3::xml_feed::{XmlError, XmlEvent, XmlFeed};

/// The namespace of every document but errors.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Writes one XML document, element by element. Text is escaped; characters that XML 1.0 cannot carry are
/// written as numeric references, as S3 does.
pub struct XmlWriter {
    text: String,
    open: Vec<&'static str>,
}

impl XmlWriter {
    /// Begins a document with root element `root` in S3's namespace.
    pub fn document(root: &'static str) -> Self {
        let mut writer = Self { text: String::from(DECLARATION), open: Vec::new() };
        writer.open_with(root, &[("xmlns", NAMESPACE)]);
        writer
    }

    /// Begins a document with root element `root` in another service's namespace.
    pub(crate) fn in_namespace(root: &'static str, namespace: &str) -> Self {
        let mut writer = Self { text: String::from(DECLARATION), open: Vec::new() };
        writer.open_with(root, &[("xmlns", namespace)]);
        writer
    }

    /// Begins a document with root element `root` in no namespace, as errors are.
    pub fn plain(root: &'static str) -> Self {
        let mut writer = Self { text: String::from(DECLARATION), open: Vec::new() };
        writer.open(root);
        writer
    }

    /// Begins a fragment after a declaration that was already sent (by an answer that was kept alive with
    /// white space).
    pub fn without_declaration(root: &'static str) -> Self {
        let mut writer = Self { text: String::new(), open: Vec::new() };
        writer.open_with(root, &[("xmlns", NAMESPACE)]);
        writer
    }

    /// Opens an element.
    pub fn open(&mut self, element: &'static str) -> &mut Self {
        self.open_with(element, &[])
    }

    /// Opens an element with attributes.
    pub fn open_with(&mut self, element: &'static str, attributes: &[(&str, &str)]) -> &mut Self {
        self.text.push('<');
        self.text.push_str(element);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
        self.text.push('>');
        self.open.push(element);
        self
    }

    /// Closes the innermost element.
    ///
    /// # Panics
    /// If nothing is open: documents are written by our own code only.
    pub fn close(&mut self) -> &mut Self {
        let element = self.open.pop().expect("an element is closed once");
        self.text.push_str("</");
        self.text.push_str(element);
        self.text.push('>');
        self
    }

    /// Writes text into the innermost element.
    pub fn content(&mut self, text: impl std::fmt::Display) -> &mut Self {
        write!(Escaping(&mut self.text), "{text}").expect("a string takes everything");
        self
    }

    /// Writes an element with text.
    pub fn text(&mut self, element: &'static str, text: impl std::fmt::Display) -> &mut Self {
        self.open(element).content(text).close()
    }

    /// Writes an element with text if there is some.
    pub fn optional(&mut self, element: &'static str, text: Option<impl std::fmt::Display>) -> &mut Self {
        match text {
            Some(text) => self.text(element, text),
            None => self,
        }
    }

    /// Closes what is open and returns the document.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }
}

/// Escapes what is written through it, so that `Display` needs no string in between.
struct Escaping<'a>(&'a mut String);

impl std::fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends `text`, escaped. A raw carriage return would be read back as a line feed, and other control
/// characters not at all: keys may hold both.
fn escape(out: &mut String, text: &str) {
    // What needs no escape, nearly always all of it, is copied in one piece.
    let mut copied = 0;
    for (at, character) in text.char_indices() {
        let replaced = match character {
            '&' => Some("&amp;"),
            '<' => Some("&lt;"),
            '>' => Some("&gt;"),
            '"' => Some("&quot;"),
            '\r' => Some("&#13;"),
            '\t' | '\n' => continue,
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => None,
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        copied = at + character.len_utf8();
        match replaced {
            Some(replaced) => out.push_str(replaced),
            None => write!(out, "&#x{:x};", u32::from(character)).expect("a string takes everything"),
        }
    }
    out.push_str(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::XmlWriter;

    #[test]
    fn writes_nested_elements_and_closes_what_is_open() {
        let mut xml = XmlWriter::document("A");
        xml.open("B").text("C", 1).optional("D", None::<&str>).optional("E", Some("x"));
        assert_eq!(
            xml.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<A xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <B><C>1</C><E>x</E></B></A>"
        );
    }

    #[test]
    fn text_that_xml_cannot_carry_becomes_references() {
        let mut xml = XmlWriter::plain("K");
        xml.text("V", "a&b<c>\"\r\n\u{1}\u{fffe}é");
        assert!(xml.finish().ends_with("<K><V>a&amp;b&lt;c&gt;&quot;&#13;\n&#x1;&#xfffe;é</V></K>"));
    }
}
