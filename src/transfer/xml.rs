//! XML answers as a small tree. Bounded by the answer, which is bounded by the client.

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::transfer::TransferError;

/// Deepest element of an answer. Stops a tree that would overflow the stack when it is dropped.
const DEPTH_MAX: usize = 32;

/// An element.
#[derive(Debug, Default)]
pub(crate) struct Element {
    /// Its name without a namespace prefix.
    pub(crate) name: String,
    /// The text in it.
    pub(crate) text: String,
    /// The elements in it, in order.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// Reads a document.
    ///
    /// # Errors
    /// `Answer`.
    pub(crate) fn parse(text: &str) -> Result<Self, TransferError> {
        parse(text).map_err(|reason| TransferError::Answer(reason.to_owned()))
    }

    /// The first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of that name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Whether the first child of that name says `true`.
    pub(crate) fn says(&self, name: &str) -> bool {
        self.text_of(name) == Some("true")
    }
}

fn parse(text: &str) -> Result<Element, &'static str> {
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|_| "no XML")? {
            Event::Start(start) if open.len() <= DEPTH_MAX => open.push(named(&start)),
            Event::Start(_) => return Err("XML that is nested too deeply"),
            Event::Empty(start) => innermost(&mut open)?.children.push(named(&start)),
            Event::End(_) => {
                let closed = open.pop().ok_or("XML that ends too early")?;
                innermost(&mut open)?.children.push(closed);
            }
            Event::Text(text) => innermost(&mut open)?.text.push_str(&text),
            Event::CData(text) => innermost(&mut open)?.text.push_str(&text),
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "amp" => Some('&'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference.resolve_char_ref().ok().flatten(),
                };
                innermost(&mut open)?.text.push(character.ok_or("XML with an unknown entity")?);
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err("XML with a document type"),
        }
    }
    match <[Element; 1]>::try_from(open) {
        Ok([mut document]) => document.children.pop().ok_or("an empty document"),
        Err(_) => Err("XML that ends too early"),
    }
}

fn innermost(open: &mut [Element]) -> Result<&mut Element, &'static str> {
    open.last_mut().ok_or("XML that ends too early")
}

fn named(start: &BytesStart<'_>) -> Element {
    let name = start.name();
    let name: &str = name.as_ref();
    Element { name: name.rsplit(':').next().unwrap_or_default().to_owned(), ..Element::default() }
}

/// A text under `encoding-type=url`.
///
/// # Errors
/// `Answer` if it is not UTF-8 once it is decoded: S3's keys are.
pub(crate) fn decoded(text: &str) -> Result<String, TransferError> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| TransferError::Answer("a key that is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Element, decoded};

    #[test]
    fn an_answer_is_a_tree() {
        let text = "<?xml version=\"1.0\"?><a:L xmlns:a=\"x\"><K>a &amp;&#x2f; b</K><K><![CDATA[<]]></K><E/></a:L>";
        let tree = Element::parse(text).unwrap();
        assert_eq!(tree.name, "L");
        assert_eq!(tree.text_of("K"), Some("a &/ b"));
        assert_eq!(tree.children[1].text, "<");
        assert_eq!(tree.text_of("E"), Some(""));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for text in ["", "text", "<a>", "<a></b>", "<!DOCTYPE a><a/>", "<a>&unknown;</a>", &deep] {
            assert!(Element::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn keys_are_decoded_as_they_are_encoded() {
        assert_eq!(decoded("a+b%2Bc%2F%C3%BC").unwrap(), "a b+c/ü");
        assert!(decoded("%ff").is_err());
    }
}
