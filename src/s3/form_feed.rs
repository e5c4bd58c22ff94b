//! `multipart/form-data`, read as it arrives: fields, each whole and bounded, and then a file that is never held.
//! Sans-I/O: bytes in, fields and pieces out.
//!
//! Source: RFC 7578; RFC 2046, section 5.1.1.

use bytes::{Bytes, BytesMut};
use memchr::memmem::{Finder, find};

use crate::limits::{FORM_BOUNDARY_BYTES_MAX, FORM_FIELD_HEAD_BYTES_MAX, FORM_FIELDS_BYTES_MAX, FORM_FIELDS_MAX};

/// The name of the field that is the file. What follows it is not read.
const FILE: &str = "file";

/// Why a form is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It is no multipart form.
    #[error("the form is malformed: {0}")]
    Malformed(&'static str),
    /// What comes before the file is longer than S3 allows.
    #[error("the fields before the file are too long")]
    TooLong,
    /// It ended without a file.
    #[error("the form has no file")]
    NoFile,
}

/// What comes before the body of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldHead {
    pub(crate) name: String,
    pub(crate) filename: Option<String>,
}

/// What the reader saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FormEvent {
    /// A field.
    Field {
        /// Its head.
        head: FieldHead,
        /// Its value.
        value: Bytes,
    },
    /// The file begins; `FormFeed::into_file` reads it.
    File {
        /// Its head.
        head: FieldHead,
    },
}

/// The boundary that a `Content-Type` names; `None` if it is no form's.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let mut pieces = content_type.split(';');
    let is_form = pieces.next()?.trim().eq_ignore_ascii_case("multipart/form-data");
    let boundary = pieces.find_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case("boundary").then_some(unquoted)
    })?;
    (is_form && (1..=FORM_BOUNDARY_BYTES_MAX).contains(&boundary.len())).then_some(boundary)
}

/// Reads the fields before the file.
pub(crate) struct FormFeed {
    delimiter: Vec<u8>,
    buffer: BytesMut,
    /// How far the buffer was searched for the next delimiter.
    searched: usize,
    /// The head of the field at hand; `None` between fields.
    head: Option<FieldHead>,
    /// Bytes of all fields so far.
    bytes: usize,
    fields: usize,
}

impl FormFeed {
    /// A reader of one form.
    pub(crate) fn new(boundary: &str) -> Self {
        // The delimiter begins with the end of the line before it; the first one stands as if there were one.
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        Self { delimiter, buffer: BytesMut::from(&b"\r\n"[..]), searched: 0, head: None, bytes: 0, fields: 0 }
    }

    /// Adds bytes of the form. Take all events before the next call.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event, `None` when more bytes are needed.
    ///
    /// # Errors
    /// What is wrong with the form; the reader is then of no more use.
    pub(crate) fn next_event(&mut self) -> Result<Option<FormEvent>, FormError> {
        loop {
            if self.head.is_some() {
                return self.value();
            }
            match self.field_head()? {
                None => return Ok(None),
                Some(head) if head.name.eq_ignore_ascii_case(FILE) => return Ok(Some(FormEvent::File { head })),
                Some(head) => self.head = Some(head),
            }
        }
    }

    /// Goes on with the file; what was pushed beyond its head is its beginning.
    pub(crate) fn into_file(self) -> FileFeed {
        FileFeed {
            finder: Finder::new(&self.delimiter).into_owned(),
            pending: self.buffer.freeze(),
            state: State::Body,
        }
    }

    /// Reads from a delimiter to the empty line behind a field's head.
    fn field_head(&mut self) -> Result<Option<FieldHead>, FormError> {
        let start = self.delimiter.len();
        let seen = self.buffer.len().min(start);
        if self.buffer[..seen] != self.delimiter[..seen] {
            return Err(FormError::Malformed("no boundary where one is due"));
        }
        match self.buffer.get(start..start + 2) {
            None => return Ok(None),
            Some(b"--") => return Err(FormError::NoFile),
            Some(b"\r\n") => {}
            Some(_) => return Err(FormError::Malformed("a boundary is followed by something else")),
        }
        // The head may be empty: then its end is that of the delimiter's line.
        let Some(end) = find(&self.buffer[start..], b"\r\n\r\n") else {
            let long = self.buffer.len() - start > FORM_FIELD_HEAD_BYTES_MAX;
            return if long { Err(FormError::TooLong) } else { Ok(None) };
        };
        if end > FORM_FIELD_HEAD_BYTES_MAX {
            return Err(FormError::TooLong);
        }
        let head = parse_head(&self.buffer[start..start + end])?;
        self.fields += 1;
        self.count(end)?;
        let _ = self.buffer.split_to(start + end + 4);
        self.searched = 0;
        Ok(Some(head))
    }

    fn value(&mut self) -> Result<Option<FormEvent>, FormError> {
        let from = self.searched.saturating_sub(self.delimiter.len() - 1);
        let Some(at) = find(&self.buffer[from..], &self.delimiter) else {
            self.searched = self.buffer.len();
            let long = self.bytes + self.buffer.len() > FORM_FIELDS_BYTES_MAX + self.delimiter.len();
            return if long { Err(FormError::TooLong) } else { Ok(None) };
        };
        let value = self.buffer.split_to(from + at).freeze();
        self.count(value.len())?;
        self.searched = 0;
        Ok(self.head.take().map(|head| FormEvent::Field { head, value }))
    }

    fn count(&mut self, bytes: usize) -> Result<(), FormError> {
        self.bytes += bytes;
        let fits = self.bytes <= FORM_FIELDS_BYTES_MAX && self.fields <= FORM_FIELDS_MAX;
        if fits { Ok(()) } else { Err(FormError::TooLong) }
    }
}

/// Reads the one header that counts, `Content-Disposition`. What it says of the file's type does not: the object's is
/// a field of its own.
fn parse_head(head: &[u8]) -> Result<FieldHead, FormError> {
    let text = std::str::from_utf8(head).map_err(|_| FormError::Malformed("a field's head is not UTF-8"))?;
    let disposition = text.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let disposition = disposition.ok_or(FormError::Malformed("a field has no Content-Disposition"))?;
    let (kind, mut rest) = disposition.split_once(';').unwrap_or((disposition, ""));
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormError::Malformed("a field is no form-data"));
    }
    let (mut name, mut filename) = (None, None);
    while let Some((parameter, value)) = rest.split_once('=') {
        let (value, after) = parameter_value(value).ok_or(FormError::Malformed("a quote is not closed"))?;
        match parameter.trim().to_ascii_lowercase().as_str() {
            "name" => name = Some(value),
            "filename" => filename = Some(value),
            _ => {}
        }
        rest = after;
    }
    let name = name.ok_or(FormError::Malformed("a field has no name"))?;
    Ok(FieldHead { name, filename })
}

/// A value, quoted or not, and what follows its semicolon. Browsers leave backslashes as they are; others escape
/// quotes with them.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.trim_start().strip_prefix('"') else {
        let (value, rest) = text.split_once(';').unwrap_or((text, ""));
        return Some((value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                value.push('"');
                characters.next();
            }
            '"' => {
                let rest = &quoted[at + 1..];
                return Some((value, rest.split_once(';').map_or("", |(_, rest)| rest)));
            }
            other => value.push(other),
        }
    }
    None
}

/// Where a file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its end has not been seen.
    Body,
    /// Its delimiter has been seen, but not what must follow it.
    Delimited,
    Ended,
}

/// Reads a file up to the delimiter behind it. Holds the piece at hand, and of those before no more than what may be
/// the beginning of a delimiter.
pub(crate) struct FileFeed {
    finder: Finder<'static>,
    pending: Bytes,
    state: State,
}

/// What of a file has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FilePiece {
    /// Bytes of it.
    Bytes(Bytes),
    /// More of the form is needed.
    More,
    /// It has ended.
    End,
}

impl FileFeed {
    /// Adds bytes of the form.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.pending = if self.pending.is_empty() { bytes } else { [&self.pending[..], &bytes[..]].concat().into() };
    }

    /// What of the file has come.
    ///
    /// # Errors
    /// If the delimiter is followed by what may not follow it.
    pub(crate) fn next_piece(&mut self) -> Result<FilePiece, FormError> {
        if self.state == State::Body {
            let delimiter = self.finder.needle();
            if let Some(at) = self.finder.find(&self.pending) {
                let piece = self.pending.split_to(at);
                let _ = self.pending.split_to(delimiter.len());
                self.state = State::Delimited;
                if !piece.is_empty() {
                    return Ok(FilePiece::Bytes(piece));
                }
            } else {
                let kept = (1..delimiter.len()).rev().find(|length| self.pending.ends_with(&delimiter[..*length]));
                let piece = self.pending.split_to(self.pending.len() - kept.unwrap_or(0));
                return Ok(if piece.is_empty() { FilePiece::More } else { FilePiece::Bytes(piece) });
            }
        }
        if self.state == State::Delimited {
            match self.pending.get(..2) {
                None => return Ok(FilePiece::More),
                Some(b"--" | b"\r\n") => self.state = State::Ended,
                Some(_) => return Err(FormError::Malformed("the file's boundary is followed by something else")),
            }
        }
        Ok(FilePiece::End)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    use super::{FilePiece, FormError, FormEvent, FormFeed, boundary, parse_head};
    use crate::limits::{FORM_FIELDS_BYTES_MAX, FORM_FIELDS_MAX};

    /// Fields as `name(filename)=value`, and the file's bytes.
    fn read(form: &[u8], piece: usize) -> Result<(Vec<String>, Vec<u8>), FormError> {
        let mut feed = FormFeed::new("XX");
        let mut fields = Vec::new();
        let mut pieces = form.chunks(piece.max(1));
        loop {
            match feed.next_event()? {
                Some(FormEvent::Field { head, value }) => {
                    let filename = head.filename.map(|name| format!("({name})")).unwrap_or_default();
                    fields.push(format!("{}{filename}={}", head.name, String::from_utf8_lossy(&value)));
                }
                Some(FormEvent::File { .. }) => break,
                None => feed.push(pieces.next().ok_or(FormError::Malformed("the test's form ended"))?),
            }
        }
        let mut file = feed.into_file();
        let mut bytes = Vec::new();
        loop {
            match file.next_piece()? {
                FilePiece::Bytes(piece) => bytes.extend_from_slice(&piece),
                FilePiece::More => {
                    let piece = pieces.next().ok_or(FormError::Malformed("the test's form ended"))?;
                    file.push(Bytes::copy_from_slice(piece));
                }
                FilePiece::End => return Ok((fields, bytes)),
            }
        }
    }

    fn field(name: &str, value: &str) -> String {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    fn file(bytes: &[u8]) -> Vec<u8> {
        let head = b"--XX\r\ncontent-type: text/plain\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n";
        [&head[..], bytes, b"\r\n--XX--\r\n"].concat()
    }

    #[test]
    fn fields_and_file_are_the_same_however_the_bytes_arrive() {
        let body = b"one\r\n--X\r\n-\r\n--Xtwo\r\n\r\n--";
        let form = [field("key", "a\r\nb").into_bytes(), field("empty", "").into_bytes(), file(body)].concat();
        for piece in [1, 2, 3, 5, 7, 64, 4096] {
            let (fields, bytes) = read(&form, piece).unwrap();
            assert_eq!(fields, ["key=a\r\nb", "empty="], "{piece}");
            assert_eq!(bytes, body, "{piece}");
        }
        assert_eq!(read(&file(b""), 1).unwrap(), (vec![], vec![]));
    }

    #[test]
    fn fields_behind_the_file_are_not_read() {
        let form = [file(b"x").strip_suffix(b"--\r\n").unwrap(), b"\r\n", field("key", "late").as_bytes()].concat();
        assert_eq!(read(&form, 9).unwrap(), (vec![], b"x".to_vec()));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let table: [(&[u8], FormError); 6] = [
            (b"preamble\r\n--XX", FormError::Malformed("no boundary where one is due")),
            (b"--XX--\r\n", FormError::NoFile),
            (b"--XXY\r\n", FormError::Malformed("a boundary is followed by something else")),
            (b"--XX\r\n\r\n", FormError::Malformed("a field has no Content-Disposition")),
            (b"--XX\r\nContent-Disposition: attachment\r\n\r\n", FormError::Malformed("a field is no form-data")),
            (b"--XX\r\nContent-Disposition: form-data\r\n\r\n", FormError::Malformed("a field has no name")),
        ];
        for (form, error) in table {
            for piece in [1, 4096] {
                assert_eq!(read(form, piece), Err(error), "{}", String::from_utf8_lossy(form));
            }
        }
        let open = file(b"x").strip_suffix(b"--\r\n").unwrap().to_vec();
        assert_eq!(read(&open, 9), Err(FormError::Malformed("the test's form ended")), "a cut file has no end");
        let glued = [open, b"YY".to_vec()].concat();
        assert!(matches!(read(&glued, 9), Err(FormError::Malformed(_))));
    }

    #[test]
    fn what_comes_before_the_file_is_bounded() {
        let long = field("a", &"v".repeat(FORM_FIELDS_BYTES_MAX));
        assert_eq!(read(long.as_bytes(), 4096), Err(FormError::TooLong));
        let endless = format!("--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}", "v".repeat(40_000));
        assert_eq!(read(endless.as_bytes(), 100), Err(FormError::TooLong));
        let head = format!("--XX\r\nX: {}", "v".repeat(10_000));
        assert_eq!(read(head.as_bytes(), 100), Err(FormError::TooLong));
        let many = field("a", "").repeat(FORM_FIELDS_MAX + 1);
        assert_eq!(read(many.as_bytes(), 4096), Err(FormError::TooLong));
    }

    #[test]
    fn names_are_quoted_in_more_than_one_way() {
        let parse = |rest: &str| {
            let head = parse_head(format!("Content-Disposition: form-data; {rest}").as_bytes()).unwrap();
            (head.name, head.filename)
        };
        assert_eq!(parse("name=key"), ("key".to_owned(), None));
        assert_eq!(parse("name=\"a;b=c\" ; filename=\"C:\\x\\y.txt\"").1, Some("C:\\x\\y.txt".to_owned()));
        assert_eq!(parse("filename=\"a\\\"b\"; NAME=\"f\""), ("f".to_owned(), Some("a\"b".to_owned())));
        assert!(parse_head(b"Content-Disposition: form-data; name=\"open").is_err());
    }

    #[test]
    fn only_a_forms_type_has_a_boundary() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=x; BOUNDARY=\"a b\""), Some("a b"));
        let long = format!("multipart/form-data; boundary={}", "x".repeat(71));
        for bad in ["", "multipart/form-data", "multipart/mixed; boundary=a", "multipart/form-data; boundary=", &long] {
            assert_eq!(boundary(bad), None, "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn any_file_without_the_delimiter_comes_out_as_it_went_in(
            choices in proptest::collection::vec(0_usize..6, 0..60), piece in 1_usize..40
        ) {
            let alphabet: [&[u8]; 6] = [b"\r", b"\n", b"-", b"X", b"\r\n--X", b"z"];
            let body: Vec<u8> = choices.iter().flat_map(|choice| alphabet[*choice].to_vec()).collect();
            if memchr::memmem::find(&[&body[..], b"\r\n--X"].concat(), b"\r\n--XX").is_none() {
                prop_assert_eq!(read(&file(&body), piece).unwrap().1, body);
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
            let _ = read(&bytes, piece);
            let _ = read(&[b"--XX\r\n", &bytes[..]].concat(), piece);
            let _ = parse_head(&[b"Content-Disposition: form-data; ", &bytes[..]].concat());
        }
    }
}
