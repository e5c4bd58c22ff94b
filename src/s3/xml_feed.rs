//! XML, read: a bounded pull reader that is fed as bytes arrive, so that a list of 10,000 parts is judged while
//! it comes and never held.
//!
//! Knows element names, text and nesting; drops namespaces, attributes, comments and processing instructions.
//! Refuses document types, so there are no entities but the five predefined and numeric ones.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

use crate::limits::{XML_DEPTH_MAX, XML_TOKEN_BYTES_MAX};
use crate::s3::{Code, S3Error};

/// Why a document is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Not well-formed.
    #[error("the document is not well-formed")]
    Malformed,
    /// It declares a document type.
    #[error("document types are not allowed")]
    DocumentType,
    /// It nests deeper than `XML_DEPTH_MAX`.
    #[error("the document nests too deep")]
    TooDeep,
    /// A tag or text is longer than `XML_TOKEN_BYTES_MAX`.
    #[error("a tag or text of the document is too long")]
    TooLong,
    /// It is not UTF-8.
    #[error("the document is not UTF-8")]
    Encoding,
}

impl From<XmlError> for S3Error {
    fn from(error: XmlError) -> Self {
        Self::new(Code::MalformedXML).cause(error)
    }
}

/// What the reader saw. Paths are local names from the root, joined by `/`, as in `Delete/Object/Key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XmlEvent<'a> {
    /// An element begins.
    Open {
        /// Its path.
        path: &'a str,
    },
    /// An element ends.
    Close {
        /// Its path.
        path: &'a str,
        /// The text directly in it since its last child; all of its text if it has no children.
        text: &'a str,
    },
}

/// What the next bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Text,
    Tag,
    Comment,
    Cdata,
    Instruction,
}

/// A bounded pull reader that is fed: `push` bytes, take events until there are none, and `finish` at the end.
/// Holds what was pushed and not yet taken, and at most one token more.
#[derive(Debug, Default)]
pub struct XmlFeed {
    buffer: Vec<u8>,
    /// Where the token at hand begins.
    start: usize,
    /// How far the token at hand has been searched for its end, so that one byte at a time costs no more than
    /// all at once.
    searched: usize,
    /// The quote that the search is inside of.
    quote: Option<u8>,
    path: String,
    depth: usize,
    text: String,
    /// The element whose `Close` was returned last leaves the path at the next call.
    closing: bool,
    /// An empty-element tag was opened and its `Close` is due.
    close_due: bool,
    has_root: bool,
}

impl XmlFeed {
    /// A reader of one document.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes of the document.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, `None` when more bytes are needed or the document has ended.
    ///
    /// # Errors
    /// What is wrong with the document; the reader is then of no more use.
    pub fn next_event(&mut self) -> Result<Option<XmlEvent<'_>>, XmlError> {
        if std::mem::take(&mut self.closing) {
            self.leave();
        }
        if std::mem::take(&mut self.close_due) {
            return Ok(Some(self.closed()));
        }
        while let Some((token, end)) = self.token()? {
            let start = std::mem::replace(&mut self.start, end);
            self.searched = end;
            let bytes = std::mem::take(&mut self.buffer);
            let seen = self.consume(token, &bytes[start..end]);
            self.buffer = bytes;
            match seen? {
                Seen::Nothing => {}
                Seen::Open => return Ok(Some(XmlEvent::Open { path: &self.path })),
                Seen::Close => return Ok(Some(self.closed())),
            }
        }
        Ok(None)
    }

    /// Says that the document has ended.
    ///
    /// # Errors
    /// `Malformed` if it has not.
    pub fn finish(&self) -> Result<(), XmlError> {
        let rest_is_blank = self.buffer[self.start..].iter().all(u8::is_ascii_whitespace);
        let open = self.depth - usize::from(self.closing);
        if self.has_root && open == 0 && !self.close_due && rest_is_blank { Ok(()) } else { Err(XmlError::Malformed) }
    }

    fn closed(&mut self) -> XmlEvent<'_> {
        self.closing = true;
        XmlEvent::Close { path: &self.path, text: &self.text }
    }

    fn leave(&mut self) {
        let parent = self.path.rfind('/').unwrap_or(0);
        self.path.truncate(parent);
        self.depth -= 1;
        self.text.clear();
    }

    /// Finds the end of the token at hand.
    fn token(&mut self) -> Result<Option<(Token, usize)>, XmlError> {
        let bytes = &self.buffer[self.start..];
        let Some(token) = kind(bytes)? else { return Ok(None) };
        let from = self.searched - self.start;
        let end = match token {
            Token::Text => bytes[from..].iter().position(|byte| *byte == b'<').map(|at| from + at),
            Token::Tag => tag_end(bytes, from, &mut self.quote),
            Token::Comment => terminated(bytes, from, b"<!--", b"-->"),
            Token::Cdata => terminated(bytes, from, b"<![CDATA[", b"]]>"),
            Token::Instruction => terminated(bytes, from, b"<?", b"?>"),
        };
        if end.unwrap_or(bytes.len()) > XML_TOKEN_BYTES_MAX {
            return Err(XmlError::TooLong);
        }
        if end.is_none() {
            self.searched = self.buffer.len();
        }
        Ok(end.map(|end| (token, self.start + end)))
    }

    fn consume(&mut self, token: Token, bytes: &[u8]) -> Result<Seen, XmlError> {
        let text = std::str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
        match token {
            Token::Comment | Token::Instruction => Ok(Seen::Nothing),
            Token::Text => {
                let text = unescape(text).map_err(|_| XmlError::Malformed)?;
                self.append(&text)
            }
            Token::Cdata => self.append(&text["<![CDATA[".len()..text.len() - "]]>".len()]),
            Token::Tag => self.tag(text),
        }
    }

    /// Adds text to the innermost element; outside of the root only white space may be.
    fn append(&mut self, text: &str) -> Result<Seen, XmlError> {
        if self.depth == 0 {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            return if text.trim().is_empty() { Ok(Seen::Nothing) } else { Err(XmlError::Malformed) };
        }
        if self.text.len() + text.len() > XML_TOKEN_BYTES_MAX {
            return Err(XmlError::TooLong);
        }
        self.text.push_str(text);
        Ok(Seen::Nothing)
    }

    fn tag(&mut self, text: &str) -> Result<Seen, XmlError> {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => {
                check_attributes(&start)?;
                self.enter(local(start.name().as_ref())?)?;
                Ok(Seen::Open)
            }
            Event::Empty(start) => {
                check_attributes(&start)?;
                self.enter(local(start.name().as_ref())?)?;
                self.close_due = true;
                Ok(Seen::Open)
            }
            Event::End(end) => {
                let innermost = self.path.rsplit('/').next().unwrap_or_default();
                if self.depth == 0 || innermost != local(end.name().as_ref())? {
                    return Err(XmlError::Malformed);
                }
                Ok(Seen::Close)
            }
            _ => Err(XmlError::Malformed),
        }
    }

    fn enter(&mut self, name: Cow<'_, str>) -> Result<(), XmlError> {
        if self.depth == 0 && self.has_root {
            return Err(XmlError::Malformed);
        }
        if self.depth == XML_DEPTH_MAX {
            return Err(XmlError::TooDeep);
        }
        if self.depth > 0 {
            self.path.push('/');
        }
        self.path.push_str(&name);
        self.depth += 1;
        self.has_root = true;
        self.text.clear();
        Ok(())
    }
}

/// What one token came to.
enum Seen {
    Nothing,
    Open,
    Close,
}

/// The kind of the token that begins `bytes`, `None` if more bytes are needed to tell.
fn kind(bytes: &[u8]) -> Result<Option<Token>, XmlError> {
    let starts = |prefix: &[u8]| bytes.starts_with(prefix);
    let may_become = |prefix: &[u8]| prefix.starts_with(bytes);
    let token = match bytes {
        [] | [b'<'] => return Ok(None),
        [b'<', b'?', ..] => Token::Instruction,
        [b'<', b'!', ..] if starts(b"<!--") => Token::Comment,
        [b'<', b'!', ..] if starts(b"<![CDATA[") => Token::Cdata,
        [b'<', b'!', ..] if may_become(b"<!--") || may_become(b"<![CDATA[") => return Ok(None),
        [b'<', b'!', ..] => return Err(XmlError::DocumentType),
        [b'<', ..] => Token::Tag,
        [..] => Token::Text,
    };
    Ok(Some(token))
}

/// The end of a tag: the first `>` outside of quotes.
fn tag_end(bytes: &[u8], from: usize, quote: &mut Option<u8>) -> Option<usize> {
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match (*quote, *byte) {
            (Some(open), byte) if byte == open => *quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => *quote = Some(*byte),
            (None, b'>') => return Some(at + 1),
            (None, _) => {}
        }
    }
    None
}

/// The end of a token that ends with `terminator`, which may not overlap its `opening`.
fn terminated(bytes: &[u8], from: usize, opening: &[u8], terminator: &[u8]) -> Option<usize> {
    // What was searched before may have ended inside of the terminator.
    let from = from.saturating_sub(terminator.len() - 1).max(opening.len()).min(bytes.len());
    let found = bytes[from..].windows(terminator.len()).position(|window| window == terminator);
    found.map(|at| from + at + terminator.len())
}

/// The name without its namespace prefix.
fn local(name: &str) -> Result<Cow<'_, str>, XmlError> {
    let name = name.rsplit(':').next().unwrap_or_default();
    let bad = name.is_empty() || name.contains(|c: char| c.is_whitespace() || "/<>&'\"=".contains(c));
    if bad { Err(XmlError::Malformed) } else { Ok(Cow::Borrowed(name)) }
}

fn check_attributes(start: &quick_xml::events::BytesStart<'_>) -> Result<(), XmlError> {
    let mut attributes = start.attributes();
    // Comparing all names with each other would let a long tag cost its length squared.
    attributes.with_checks(false);
    for attribute in attributes {
        attribute.map_err(|_| XmlError::Malformed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{XmlError, XmlEvent, XmlFeed};
    use crate::limits::{XML_DEPTH_MAX, XML_TOKEN_BYTES_MAX};

    /// Reads a document in pieces of `piece` bytes and prints what was seen.
    fn read(document: &[u8], piece: usize) -> Result<Vec<String>, XmlError> {
        let mut feed = XmlFeed::new();
        let mut seen = Vec::new();
        for piece in document.chunks(piece) {
            feed.push(piece);
            while let Some(event) = feed.next_event()? {
                seen.push(match event {
                    XmlEvent::Open { path } => format!("+{path}"),
                    XmlEvent::Close { path, text } => format!("-{path}={text}"),
                });
            }
        }
        feed.finish()?;
        Ok(seen)
    }

    const DELETE: &str = "\u{feff}<?xml version=\"1.0\"?>\n<!-- > -->\
        <s3:Delete xmlns:s3='http://x/?a>b'>\n <Object><Key>a&amp;b&#13;&#x1;<![CDATA[<c>]]></Key></Object>\
        <Quiet/>\n</s3:Delete>\n";

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let want = [
            "+Delete",
            "+Delete/Object",
            "+Delete/Object/Key",
            "-Delete/Object/Key=a&b\r\u{1}<c>",
            "-Delete/Object=",
            "+Delete/Quiet",
            "-Delete/Quiet=",
            "-Delete=\n",
        ];
        for piece in [1, 2, 3, 7, 64, 4096] {
            assert_eq!(read(DELETE.as_bytes(), piece).unwrap(), want, "{piece}");
        }
    }

    #[test]
    fn documents_that_are_not_well_formed_are_refused() {
        let bad = [
            "",
            " ",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a/>x",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "<a>&</a>",
            "<a b></a>",
            "<a",
            "<a><!-- </a>",
            "< a></a>",
            "<></>",
        ];
        for document in bad {
            for piece in [1, 4096] {
                assert!(read(document.as_bytes(), piece).is_err(), "{document:?}");
            }
        }
        assert_eq!(read(b"<a>\xff</a>", 9), Err(XmlError::Encoding));
    }

    #[test]
    fn an_entity_bomb_is_refused_at_its_document_type() {
        let bomb = "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>";
        assert_eq!(read(bomb.as_bytes(), 1), Err(XmlError::DocumentType));
    }

    #[test]
    fn a_depth_bomb_is_refused_at_the_bound() {
        assert!(
            read(format!("{}{}", "<a>".repeat(XML_DEPTH_MAX), "</a>".repeat(XML_DEPTH_MAX)).as_bytes(), 10).is_ok()
        );
        assert_eq!(read("<a>".repeat(100_000).as_bytes(), 4096), Err(XmlError::TooDeep));
    }

    #[test]
    fn a_token_never_grows_beyond_its_bound() {
        let long = "x".repeat(XML_TOKEN_BYTES_MAX + 1);
        for document in [format!("<a>{long}"), format!("<{long}"), format!("<a><!--{long}"), format!("<a b='{long}")] {
            for piece in [100, 1 << 20] {
                assert_eq!(read(document.as_bytes(), piece), Err(XmlError::TooLong));
            }
        }
        let pieces = format!("<a>{}</a>", "<!---->x".repeat(XML_TOKEN_BYTES_MAX + 1));
        assert_eq!(read(pieces.as_bytes(), 4096), Err(XmlError::TooLong));
    }

    #[test]
    fn random_bytes_never_panic() {
        use rand::{Rng as _, SeedableRng as _};
        let alphabet: Vec<u8> = b"<>/!?-[]&;#xab'\"= \n\xff\xc3\xa9CDATA".to_vec();
        for seed in 0..3000 {
            let mut random = rand::rngs::StdRng::seed_from_u64(seed);
            let length = random.random_range(0..200);
            let document: Vec<u8> = (0..length).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect();
            let whole = read(&document, 4096);
            let bytewise = read(&document, 1);
            assert_eq!(whole.is_ok(), bytewise.is_ok(), "seed {seed}: {document:?}");
            let mut wrapped = b"<a>".to_vec();
            wrapped.extend_from_slice(&document);
            let _ = read(&wrapped, 3);
        }
    }
}
