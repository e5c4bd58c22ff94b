//! What GetObject and HeadObject share: from a request to a status, headers and the span of the body that is
//! to be served.
//!
//! Source: Amazon S3 API Reference, GetObject; RFC 9110, sections 13 and 14.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::engine::OpenObject;
use crate::rules::{CurrentFacts, ReadVerdict};
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::{insert_checksum, insert_part_checksum, insert_type, wants_checksum};
use crate::s3::conditions::{failed_read_condition, precondition_failed, read_precondition};
use crate::s3::encryption_headers::{customer_key, insert_encryption, refuse_request_headers};
use crate::s3::expiration::ExpirationHeader;
use crate::s3::metadata::header_text;
use crate::s3::object_headers::{insert_description, insert_validators, object_error, shown_version};
use crate::s3::parameters;
use crate::s3::query::Query;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{ByteRange, ChecksumValue, ETag, ObjectVersion, ResolvedRange, Timestamp, VersionId};

/// Query parameters that override a header of the answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", header::CONTENT_TYPE),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-expires", header::EXPIRES),
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
];

/// A read that was prepared.
pub(crate) struct Reading {
    /// 200, 206, or 304 if the client has it already.
    pub(crate) status: StatusCode,
    /// All headers, `Content-Length` included.
    pub(crate) headers: HeaderMap,
    /// The version, and what of its body is to be served; `None` for a 304.
    pub(crate) body: Option<(OpenObject, Span)>,
}

/// What of a body is to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// No byte: an empty part.
    Nothing,
    /// All of it.
    Whole,
    /// A range.
    Range(ResolvedRange),
}

/// What a request selects, before headers are written.
struct Selection {
    status: StatusCode,
    span: Span,
    part: Option<SelectedPart>,
}

struct SelectedPart {
    /// Parts of the object; `None` if it was written in one piece.
    count: Option<u16>,
    checksum: Option<ChecksumValue>,
}

impl Selection {
    const WHOLE: Self = Self { status: StatusCode::OK, span: Span::Whole, part: None };
}

/// Finds the version, judges the conditions, selects the span and writes the headers, in this order: a
/// condition that fails wins over a range that cannot be served.
///
/// # Errors
/// Everything that GetObject answers but its body.
pub(crate) async fn prepare(gateway: &Gateway, call: &Authorized) -> Result<Reading, S3Error> {
    let version = parameters::version(&call.query)?;
    let overrides = overrides(&call.query, call.signature.is_some())?;
    let precondition = read_precondition(&call.headers)?;
    let part = parameters::part_number(&call.query)?;
    let range = header_text(&call.headers, "range");
    if part.is_some() && range.is_some() {
        return Err(S3Error::invalid_request("Cannot specify both Range header and partNumber query parameter"));
    }
    refuse_request_headers(&call.headers)?;
    let customer_key = customer_key(&call.headers)?;
    let open = call.open(gateway, version).await;
    let mut open = open.map_err(|error| object_error(error, call.key(), version))?;
    open.unlock(customer_key.as_ref())?;
    let facts = open.version();
    let shown = shown_version(call.bucket(), facts.version);
    match precondition.judge(&CurrentFacts { etag: facts.etag, size: facts.size, modified: facts.modified }) {
        ReadVerdict::Proceed => {}
        ReadVerdict::NotModified => return Ok(not_modified(facts, shown)),
        ReadVerdict::Failed => return Err(precondition_failed(failed_read_condition(&precondition))),
    }
    let selection = match (part, range) {
        (Some(number), _) => select_part(&open, number).await?,
        (None, Some(range)) if if_range_holds(&call.headers, facts) => select_range(&range, facts.size)?,
        (None, Some(_) | None) => Selection::WHOLE,
    };
    let mut headers = answer_headers(facts, shown, &selection, wants_checksum(&call.headers));
    insert_encryption(&mut headers, &facts.metadata.attributes, customer_key.as_ref());
    headers.extend(overrides);
    ExpirationHeader::of(gateway, call).insert(&mut headers, facts).await;
    Ok(Reading { status: selection.status, headers, body: Some((open, selection.span)) })
}

/// A 304 carries what a 200 would say about freshness (RFC 9110, section 15.4.5).
fn not_modified(version: &ObjectVersion, shown: Option<VersionId>) -> Reading {
    let mut headers = HeaderMap::new();
    insert_description(&mut headers, version, shown);
    let mut fresh = HeaderMap::new();
    insert_validators(&mut fresh, version, shown);
    for name in [header::CACHE_CONTROL, header::EXPIRES] {
        if let Some(value) = headers.remove(&name) {
            fresh.insert(name, value);
        }
    }
    Reading { status: StatusCode::NOT_MODIFIED, headers: fresh, body: None }
}

async fn select_part(open: &OpenObject, number: u16) -> Result<Selection, S3Error> {
    let count = open.part_count();
    let Some((part, start)) = open.part(number).await? else {
        return Err(S3Error::new(Code::InvalidPartNumber)
            .detail("ActualPartCount", count.unwrap_or(1).to_string())
            .detail("PartNumberRequested", number.to_string()));
    };
    let checksum = if count.is_some() { part.checksum } else { None };
    let selected = Some(SelectedPart { count, checksum });
    if part.size > 0 {
        let range = ResolvedRange { start, length: part.size };
        return Ok(Selection { status: StatusCode::PARTIAL_CONTENT, span: Span::Range(range), part: selected });
    }
    // An empty part has no first byte that a `Content-Range` could name.
    Ok(Selection { status: StatusCode::OK, span: Span::Nothing, part: selected })
}

/// Anything but one well-formed range serves the whole body, as S3 does.
fn select_range(text: &str, size: u64) -> Result<Selection, S3Error> {
    let Some(range) = ByteRange::parse(text) else {
        return Ok(Selection::WHOLE);
    };
    match range.resolve(size) {
        Some(range) => Ok(Selection { status: StatusCode::PARTIAL_CONTENT, span: Span::Range(range), part: None }),
        None => {
            let unsatisfied = HeaderValue::try_from(format!("bytes */{size}")).expect("digits are legal in headers");
            Err(S3Error::new(Code::InvalidRange)
                .detail("RangeRequested", text)
                .detail("ActualObjectSize", size.to_string())
                .header(header::CONTENT_RANGE, unsatisfied))
        }
    }
}

/// Whether `If-Range` lets a range be served: its tag is the same and strong, or its date is exactly ours (RFC
/// 9110, section 13.1.5).
fn if_range_holds(headers: &HeaderMap, version: &ObjectVersion) -> bool {
    let Some(condition) = header_text(headers, "if-range") else {
        return true;
    };
    match Timestamp::parse_http_date(&condition) {
        Some(date) => date.seconds() == version.modified.seconds(),
        None => ETag::parse(&condition) == Some(version.etag),
    }
}

fn answer_headers(
    version: &ObjectVersion,
    shown: Option<VersionId>,
    selection: &Selection,
    wants_checksum: bool,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert_description(&mut headers, version, shown);
    let length = match selection.span {
        Span::Nothing => 0,
        Span::Whole => version.size,
        Span::Range(range) => {
            let text = format!("bytes {}-{}/{}", range.start, range.end() - 1, version.size);
            let value = HeaderValue::try_from(text).expect("digits are legal in headers");
            headers.insert(header::CONTENT_RANGE, value);
            range.length
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(count) = selection.part.as_ref().and_then(|part| part.count) {
        headers.insert(HeaderName::from_static("x-amz-mp-parts-count"), HeaderValue::from(count));
    }
    if wants_checksum {
        insert_selected_checksum(&mut headers, version, selection);
    }
    headers
}

/// A checksum is shown with exactly the bytes that it covers: the object's with the whole body, a part's with
/// that part, none with a range.
fn insert_selected_checksum(headers: &mut HeaderMap, version: &ObjectVersion, selection: &Selection) {
    match &selection.part {
        Some(SelectedPart { count: Some(_), checksum: Some(checksum) }) => {
            insert_part_checksum(headers, checksum);
            if let Some(object) = &version.checksum {
                insert_type(headers, object.kind);
            }
        }
        Some(SelectedPart { count: Some(_), checksum: None }) => {}
        Some(SelectedPart { count: None, .. }) => insert_object_checksum(headers, version),
        None if selection.span == Span::Whole => insert_object_checksum(headers, version),
        None => {}
    }
}

fn insert_object_checksum(headers: &mut HeaderMap, version: &ObjectVersion) {
    if let Some(checksum) = &version.checksum {
        insert_checksum(headers, checksum);
    }
}

/// The headers that `response-…` parameters ask for. Only a signature makes them the wish of somebody who may
/// read the object; otherwise any link could make a browser take it for something else.
fn overrides(query: &Query, signed: bool) -> Result<HeaderMap, S3Error> {
    let mut headers = HeaderMap::new();
    for (parameter, name) in OVERRIDES {
        let Some(text) = query.value(parameter) else {
            continue;
        };
        if !signed {
            return Err(S3Error::invalid_request(
                "Request specific response headers cannot be used for anonymous GET requests.",
            ));
        }
        let latin1: Option<Vec<u8>> = text.chars().map(|character| u8::try_from(character).ok()).collect();
        let value = latin1.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok()).ok_or_else(|| {
            S3Error::invalid_argument(parameter, text, "Header value cannot be represented using ISO-8859-1.")
        })?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    use proptest::prelude::{any, proptest};

    use super::{SelectedPart, Selection, Span, answer_headers, if_range_holds, not_modified, overrides, select_range};
    use crate::s3::Code;
    use crate::s3::query::Query;
    use crate::types::{
        ChecksumAlgorithm, ChecksumType, ChecksumValue, ContentHeaders, ETag, ObjectChecksum, ObjectKey,
        ObjectMetadata, ObjectVersion, ResolvedRange, Timestamp, VersionId,
    };

    fn version(parts: Option<u16>) -> ObjectVersion {
        let value = ChecksumValue::new(ChecksumAlgorithm::Crc32, [1, 2, 3, 4]).unwrap();
        let kind = if parts.is_some() { ChecksumType::Composite } else { ChecksumType::FullObject };
        let content = ContentHeaders {
            cache_control: Some("max-age=5".into()),
            expires: Some("0".into()),
            ..ContentHeaders::default()
        };
        ObjectVersion {
            key: ObjectKey::parse("k").unwrap(),
            version: VersionId::Null,
            is_latest: true,
            is_delete_marker: false,
            size: 10,
            etag: ETag { md5: [0xaa; 16], parts },
            modified: Timestamp(1_445_412_480_500_000),
            checksum: Some(ObjectChecksum { value, kind, parts }),
            sha256: None,
            metadata: ObjectMetadata { content, ..ObjectMetadata::default() },
        }
    }

    fn range(start: u64, length: u64) -> Span {
        Span::Range(ResolvedRange { start, length })
    }

    #[test]
    fn one_range_is_partial_and_anything_else_is_the_whole() {
        let select = |text| select_range(text, 10).map(|selection| (selection.status.as_u16(), selection.span));
        assert_eq!(select("bytes=0-0").unwrap(), (206, range(0, 1)));
        assert_eq!(select("bytes=-3").unwrap(), (206, range(7, 3)));
        assert_eq!(select("bytes=4-").unwrap(), (206, range(4, 6)));
        assert_eq!(select("bytes=0-99").unwrap(), (206, range(0, 10)));
        for whole in ["bytes=0-1,3-4", "bytes=5-1", "lines=1-2", "", "bytes"] {
            assert_eq!(select(whole).unwrap(), (200, Span::Whole), "{whole}");
        }
    }

    #[test]
    fn a_range_beyond_the_end_names_the_size() {
        for (text, size) in [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10), ("bytes=-5", 0), ("bytes=0-0", 0)] {
            let error = select_range(text, size).err().unwrap();
            assert_eq!(error.code, Code::InvalidRange, "{text}");
            assert_eq!(error.details, [("RangeRequested", text.to_owned()), ("ActualObjectSize", size.to_string())]);
            let expected = format!("bytes */{size}");
            assert_eq!(error.headers, [(http::header::CONTENT_RANGE, HeaderValue::try_from(expected).unwrap())]);
        }
    }

    #[test]
    fn if_range_needs_the_same_strong_tag_or_the_same_second() {
        let version = version(None);
        let tag = version.etag.quoted();
        let weak = format!("W/{tag}");
        let table = [
            (tag.as_str(), true),
            (weak.as_str(), false),
            ("\"other\"", false),
            ("Wed, 21 Oct 2015 07:28:00 GMT", true),
            ("Wed, 21 Oct 2015 07:28:01 GMT", false),
        ];
        for (condition, holds) in table {
            let mut headers = HeaderMap::new();
            headers.insert("if-range", HeaderValue::try_from(condition).unwrap());
            assert_eq!(if_range_holds(&headers, &version), holds, "{condition}");
        }
        assert!(if_range_holds(&HeaderMap::new(), &version));
    }

    #[test]
    fn the_whole_body_shows_its_checksum_and_a_range_shows_none() {
        let whole = answer_headers(&version(None), None, &Selection::WHOLE, true);
        assert_eq!(whole["content-length"], "10");
        assert_eq!(whole["x-amz-checksum-crc32"], "AQIDBA==");
        assert_eq!(whole["x-amz-checksum-type"], "FULL_OBJECT");
        let unasked = answer_headers(&version(None), None, &Selection::WHOLE, false);
        assert!(!unasked.contains_key("x-amz-checksum-crc32"));
        let selection = Selection { status: StatusCode::PARTIAL_CONTENT, span: range(2, 3), part: None };
        let partial = answer_headers(&version(None), None, &selection, true);
        assert_eq!(partial["content-range"], "bytes 2-4/10");
        assert_eq!(partial["content-length"], "3");
        assert!(!partial.contains_key("x-amz-checksum-crc32"));
    }

    #[test]
    fn a_part_shows_its_own_checksum_and_how_many_there_are() {
        let checksum = ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]);
        let part = Some(SelectedPart { count: Some(2), checksum });
        let selection = Selection { status: StatusCode::PARTIAL_CONTENT, span: range(5, 5), part };
        let headers = answer_headers(&version(Some(2)), None, &selection, true);
        assert_eq!(headers["x-amz-mp-parts-count"], "2");
        assert_eq!(headers["x-amz-checksum-crc32"], "AAAAAA==");
        assert_eq!(headers["x-amz-checksum-type"], "COMPOSITE");
        assert_eq!(headers["content-range"], "bytes 5-9/10");
        let only = Some(SelectedPart { count: None, checksum: None });
        let selection = Selection { status: StatusCode::PARTIAL_CONTENT, span: range(0, 10), part: only };
        let headers = answer_headers(&version(None), None, &selection, true);
        assert!(!headers.contains_key("x-amz-mp-parts-count"));
        assert_eq!(headers["x-amz-checksum-crc32"], "AQIDBA==");
    }

    #[test]
    fn a_304_carries_validators_and_freshness_and_no_length() {
        let headers = not_modified(&version(None), None).headers;
        assert_eq!(headers["cache-control"], "max-age=5");
        assert_eq!(headers["expires"], "0");
        assert!(headers.contains_key("etag") && headers.contains_key("last-modified"));
        assert_eq!(headers.len(), 4);
    }

    #[test]
    fn overrides_need_a_signature_and_a_legal_value() {
        let read = |raw, signed| overrides(&Query::parse(raw).unwrap(), signed).map_err(|error| error.code);
        let headers = read("response-content-type=text%2Fplain&response-expires=0&x=1", true).unwrap();
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!((headers["expires"].as_bytes(), headers.len()), (&b"0"[..], 2));
        assert_eq!(read("response-content-type=a", false), Err(Code::InvalidRequest));
        assert!(read("x=1", false).unwrap().is_empty());
        assert_eq!(read("response-content-language=%C3%A4", true).unwrap()["content-language"].as_bytes(), b"\xe4");
        for bad in ["response-cache-control=a%0D%0Ab", "response-content-disposition=%E2%82%AC"] {
            assert_eq!(read(bad, true), Err(Code::InvalidArgument), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_range_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), size: u64) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let headers = HeaderMap::from_iter([(HeaderName::from_static("if-range"), value)]);
                let _ = if_range_holds(&headers, &version(None));
            }
            let _ = select_range(&String::from_utf8_lossy(&bytes), size).is_ok();
            let _ = select_range(&format!("bytes={}", String::from_utf8_lossy(&bytes)), size).is_ok();
        }
    }
}
