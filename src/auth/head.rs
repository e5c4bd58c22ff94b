//! A request's head as authentication reads it: single-valued headers, the decoded query, the host.
//!
//! Knows nothing of signatures.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use percent_encoding::percent_decode;

use crate::auth::AuthError;
use crate::types::Timestamp;

/// One query parameter, as sent and decoded. Names and values are bytes: nothing forces a client to send UTF-8.
pub(super) struct Parameter<'a> {
    pub(super) raw_name: &'a [u8],
    pub(super) raw_value: &'a [u8],
    pub(super) name: Cow<'a, [u8]>,
    pub(super) value: Cow<'a, [u8]>,
}

/// A request's head.
pub(super) struct Head<'a> {
    pub(super) parts: &'a Parts,
    pub(super) parameters: Vec<Parameter<'a>>,
}

impl<'a> Head<'a> {
    /// Splits and decodes the query once.
    pub(super) fn new(parts: &'a Parts) -> Self {
        let query = parts.uri.query().unwrap_or("").as_bytes();
        let pairs = query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let (raw_name, raw_value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            Parameter { raw_name, raw_value, name: decode_query(raw_name), value: decode_query(raw_value) }
        });
        Self { parts, parameters: parameters.collect() }
    }

    pub(super) fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    /// The path as sent. A request for `*` or an authority has none: it is signed as `/`.
    pub(super) fn raw_path(&self) -> &'a str {
        match self.parts.uri.path() {
            "" => "/",
            path => path,
        }
    }

    /// The only value of a header, trimmed.
    pub(super) fn header(&self, name: &'static str) -> Result<Option<&'a str>, AuthError> {
        let mut values = self.parts.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(AuthError::RepeatedHeader { name });
        }
        let text = value.to_str().map_err(|_| AuthError::UnreadableValue { name })?;
        Ok(Some(text.trim()))
    }

    /// The only value of a query parameter, decoded. Names are case-sensitive, as AWS spells them.
    pub(super) fn parameter(&self, name: &'static str) -> Result<Option<&str>, AuthError> {
        let mut values = self.parameters.iter().filter(|parameter| *parameter.name == *name.as_bytes());
        let Some(parameter) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(AuthError::RepeatedParameter { name });
        }
        let text = std::str::from_utf8(&parameter.value).map_err(|_| AuthError::UnreadableValue { name })?;
        Ok(Some(text))
    }

    pub(super) fn has_parameter(&self, name: &str) -> bool {
        self.parameters.iter().any(|parameter| *parameter.name == *name.as_bytes())
    }

    /// The host that the client signed, for Signature Version 2's bucket and for error answers.
    pub(super) fn host(&self) -> &'a str {
        request_host(self.parts).unwrap_or("")
    }
}

/// The host that a request names, with its port: the `Host` header, or `:authority` of HTTP/2, which has no such
/// header. Routing must use the same one, so that the bucket which is served is the bucket that was signed.
pub fn request_host(head: &Parts) -> Option<&str> {
    match head.headers.get(HOST) {
        Some(value) => value.to_str().ok().map(str::trim),
        None => head.uri.authority().map(http::uri::Authority::as_str),
    }
}

/// Decodes a name or value of a query. `+` is a space, as in every HTML form: Go's and Rust's SDKs and minio-go
/// decode it so before they sign (`%20`), and so does the stage that reads the parameter's meaning. A literal plus
/// arrives as `%2B` from all of them.
fn decode_query(raw: &[u8]) -> Cow<'_, [u8]> {
    if raw.contains(&b'+') {
        let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        return Cow::Owned(percent_decode(&spaced).collect());
    }
    percent_decode(raw).into()
}
/// A `Date` header: the forms of RFC 9110, and their kin with a numeric zone (RFC 5322) that AWS documents and that
/// s3cmd and botocore send. The day of the week says nothing that the date does not, so a wrong one is no fault.
pub(super) fn parse_date_header(text: &str) -> Option<Timestamp> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let zoned = ["+0000", "-0000", "UTC"].into_iter().find_map(|zone| text.strip_suffix(zone));
    let text = zoned.map_or(Cow::Borrowed(text), |start| Cow::Owned(format!("{start}GMT")));
    Timestamp::parse_http_date(&text).or_else(|| {
        let (day, date) = text.split_once(", ").filter(|(day, _)| DAYS.contains(day))?;
        let others = DAYS.into_iter().filter(|other| *other != day);
        others.map(|other| format!("{other}, {date}")).find_map(|text| Timestamp::parse_http_date(&text))
    })
}

#[cfg(test)]
mod tests {
    use super::parse_date_header;

    #[test]
    fn dates_are_read_in_every_zone_spelling_and_whatever_the_day_of_the_week() {
        let right = parse_date_header("Wed, 07 Jul 2010 21:53:04 GMT");
        assert!(right.is_some());
        for same in
            ["Wed, 07 Jul 2010 21:53:04 +0000", "Tue, 07 Jul 2010 21:53:04 GMT", "Sun, 07 Jul 2010 21:53:04 UTC"]
        {
            assert_eq!(parse_date_header(same), right, "{same}");
        }
        for wrong in ["Xyz, 07 Jul 2010 21:53:04 GMT", "Wed, 32 Jul 2010 21:53:04 GMT", "Tue, ", ", ", ""] {
            assert_eq!(parse_date_header(wrong), None, "{wrong}");
        }
    }
}
