//! The server's side of the canonical request of Signature Version 4.
//!
//! Source: Amazon S3 API Reference, "Signature Calculations for the Authorization Header". Nothing is normalised:
//! `//`, `.` and `..` are legal in keys. Bytes are decoded and encoded once each, which is what well-behaved clients
//! sign; those that sign their own spelling are met by [`Spelling::AsSent`]. Neither spelling lets a signature stand
//! for two meanings: a string that encodes canonically decodes to one path and one query only.
//!
//! Knows nothing of keys or clocks.

use std::borrow::Cow;

use http::HeaderMap;
use percent_encoding::{percent_decode, percent_encode};

use crate::auth::head::Head;
use crate::types::{URL_PATH, URL_VALUE};

/// How the path or the query is spelled in the canonical request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Decoded and encoded again by AWS's rules.
    Canonical,
    /// As it stood on the request line.
    AsSent,
}

/// The canonical path.
pub(super) fn path<'a>(head: &Head<'a>, spelling: Spelling) -> Cow<'a, str> {
    let raw = head.raw_path();
    match spelling {
        Spelling::AsSent => Cow::Borrowed(raw),
        Spelling::Canonical => {
            let decoded: Cow<'a, [u8]> = percent_decode(raw.as_bytes()).into();
            match decoded {
                Cow::Borrowed(bytes) => percent_encode(bytes, URL_PATH).into(),
                Cow::Owned(bytes) => Cow::Owned(Cow::from(percent_encode(&bytes, URL_PATH)).into_owned()),
            }
        }
    }
}

/// The canonical query: sorted by encoded name, then by encoded value; repeated parameters stay; a bare name gets
/// its `=`; the signature itself is left out.
pub(super) fn query(head: &Head<'_>, spelling: Spelling, left_out: Option<&str>) -> String {
    let wanted =
        head.parameters.iter().filter(|parameter| left_out.is_none_or(|out| *parameter.name != *out.as_bytes()));
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = wanted
        .map(|parameter| {
            let name = spell(spelling, parameter.raw_name, &parameter.name);
            (name, spell(spelling, parameter.raw_value, &parameter.value))
        })
        .collect();
    pairs.sort_unstable();
    let mut text = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (name, value) in &pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

fn spell<'a>(spelling: Spelling, raw: &'a [u8], decoded: &'a [u8]) -> Cow<'a, str> {
    match spelling {
        Spelling::Canonical => percent_encode(decoded, URL_VALUE).into(),
        // A URI is UTF-8 by construction, and pairs are cut at ASCII bytes.
        Spelling::AsSent => String::from_utf8_lossy(raw),
    }
}

/// The header lines, in the order in which the client lists them. A header that is listed but not there counts as
/// empty; if the client did send it, the signatures differ.
pub(super) fn header_lines(head: &Head<'_>, signed_headers: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(512);
    for name in signed_headers.split(';') {
        lines.extend_from_slice(name.as_bytes());
        lines.push(b':');
        if name == "host" && !head.headers().contains_key("host") {
            lines.extend_from_slice(head.host().as_bytes());
        } else {
            push_header_values(&mut lines, head.headers(), name);
        }
        lines.push(b'\n');
    }
    lines
}

/// Appends all values of a header, joined with commas, each trimmed and its inner runs of white space folded into
/// one space. Tabs are folded like spaces: botocore and minio-go split at any white space.
pub(super) fn push_header_values(out: &mut Vec<u8>, headers: &HeaderMap, name: &str) {
    for (at, value) in headers.get_all(name).iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_folded(out, value.as_bytes());
    }
}

/// Appends `value`, trimmed and folded.
pub(super) fn push_folded(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

/// The pieces of a canonical request.
pub(super) struct Pieces<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) header_lines: &'a [u8],
    pub(super) signed_headers: &'a str,
    pub(super) payload: &'a str,
}

/// The canonical request. Bytes, because header values need not be UTF-8.
pub(super) fn request(pieces: &Pieces<'_>) -> Vec<u8> {
    let length = pieces.path.len() + pieces.query.len() + pieces.header_lines.len() + pieces.signed_headers.len() + 128;
    let mut text = Vec::with_capacity(length);
    for line in [pieces.method.as_bytes(), pieces.path.as_bytes(), pieces.query.as_bytes(), pieces.header_lines] {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(pieces.signed_headers.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(pieces.payload.as_bytes());
    text
}
