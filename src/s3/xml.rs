//! XML, written and read.

/// Writes one XML document, element by element. Text is escaped; characters that XML 1.0 cannot carry are
/// written as numeric references, as S3 does.
pub struct XmlWriter {
    text: String,
}

impl XmlWriter {
    /// Begins a document with root element `root` in S3's namespace.
    pub fn document(root: &'static str) -> Self {
        let _ = root;
        Self { text: String::new() }
    }

    /// Opens an element.
    pub fn open(&mut self, element: &'static str) -> &mut Self {
        let _ = element;
        self
    }

    /// Closes the innermost element.
    pub fn close(&mut self) -> &mut Self {
        self
    }

    /// Writes an element with text.
    pub fn text(&mut self, element: &'static str, text: impl std::fmt::Display) -> &mut Self {
        let _ = (element, text);
        self
    }

    /// Writes an element with text if there is some.
    pub fn optional(&mut self, element: &'static str, text: Option<impl std::fmt::Display>) -> &mut Self {
        let _ = (element, text);
        self
    }

    /// Closes what is open and returns the document.
    pub fn finish(self) -> String {
        self.text
    }
}
