//! Any bytes as the headers of any request.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::{KEY_BYTES_MAX, USER_METADATA_BYTES_MAX};
use crate::rules::EtagCondition;
use crate::s3::checksum_headers::{claimed_checksum, requested_algorithm, upload_checksum, wants_checksum};
use crate::s3::conditions::{
    any_date, copy_source_precondition, delete_precondition, read_precondition, rename_precondition,
    rename_source_precondition, write_precondition,
};
use crate::s3::copy_source::copy_range;
use crate::s3::encryption_headers::{customer_key, source_key};
use crate::s3::metadata::{header_text, object_metadata, write_metadata};
use crate::s3::source_name::source_name;
use crate::s3::tagging::header_tags;
use crate::tests::fuzz::{self, Target};
use crate::types::{ByteRange, ETag, Timestamp};

const TOKENS: [&str; 72] = [
    "\nrange: bytes=",
    "0-99",
    "-5",
    "5-",
    "\nif-match: ",
    "\nif-none-match: *",
    "\"d41d8cd98f00b204e9800998ecf8427e\"",
    "\"d41d8cd98f00b204e9800998ecf8427e-3\"",
    "W/",
    ", ",
    "\nif-modified-since: ",
    "\nif-unmodified-since: ",
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "2030-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "-9999-01-01T00:00:00+23:59",
    "\nx-amz-copy-source: ",
    "/bucket/key",
    "?versionId=",
    "null",
    "%2F",
    "%zz",
    "arn:aws:s3:::",
    "\nx-amz-copy-source-range: bytes=0-9",
    "\nx-amz-copy-source-if-match: ",
    "\nx-amz-copy-source-if-modified-since: ",
    "\nx-amz-if-match-size: ",
    "\nx-amz-if-match-last-modified-time: ",
    "\nx-amz-rename-source-if-match: ",
    "\nx-amz-meta-a: ",
    "\nx-amz-meta-: ",
    "=?UTF-8?B?",
    "=?UTF-8?Q?",
    "=?iso-8859-1?q?",
    "?=",
    "=E4",
    "\u{e4}",
    "\ncontent-type: ",
    "\ncontent-encoding: ",
    "aws-chunked",
    "gzip,aws-chunked",
    "\ncache-control: ",
    "\ncontent-disposition: ",
    "\ncontent-language: ",
    "\nexpires: ",
    "\nx-amz-website-redirect-location: /",
    "\nx-amz-storage-class: STANDARD_IA",
    "\nx-amz-tagging: a=b",
    "&",
    "=",
    "+",
    "\nx-amz-checksum-crc32: AAAAAA==",
    "\nx-amz-checksum-crc64nvme: ",
    "\nx-amz-checksum-sha256: ",
    "-3",
    "\nx-amz-checksum-algorithm: CRC32C",
    "\nx-amz-checksum-type: COMPOSITE",
    "\nx-amz-checksum-type: FULL_OBJECT",
    "\nx-amz-sdk-checksum-algorithm: ",
    "\ncontent-md5: 1B2M2Y8AsgTpgAmy7PhCfg==",
    "\nx-amz-checksum-mode: ENABLED",
    "\nx-amz-server-side-encryption-customer-algorithm: AES256",
    "\nx-amz-server-side-encryption-customer-key: ",
    "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "\nx-amz-server-side-encryption-customer-key-md5: ",
    "hRasmdxgYDKV3nvbahU1MA==",
    "\nx-amz-mp-object-size: ",
    "\nx-amz-object-lock-mode: GOVERNANCE",
    "\nx-amz-object-lock-retain-until-date: ",
    "\t",
];

/// Lines of `name: value`, as far as they can be headers.
pub(super) fn header_lines(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
    headers
}

fn metadata(headers: &HeaderMap) {
    let Ok(metadata) = object_metadata(headers) else { return };
    let size: usize = metadata.user.0.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(size <= USER_METADATA_BYTES_MAX);
    let mut shown = HeaderMap::new();
    write_metadata(&mut shown, &metadata);
    let again = object_metadata(&shown).unwrap();
    assert_eq!(again.user, metadata.user);
    assert_eq!(again.storage_class, metadata.storage_class);
    let mut content = metadata.content;
    content.content_type.get_or_insert_with(|| "binary/octet-stream".to_owned());
    assert_eq!(again.content, content);
}

fn conditions(headers: &HeaderMap) {
    let _ = (write_precondition(headers), delete_precondition(headers));
    let _ = (rename_precondition(headers), rename_source_precondition(headers), copy_source_precondition(headers));
    if let Ok(condition) = read_precondition(headers)
        && headers.contains_key("if-none-match")
    {
        assert!(condition.if_none_match.is_some(), "a condition is not dropped");
    }
}

fn values(text: &str) {
    if let Some(range) = ByteRange::parse(text) {
        for size in [0, 1, 10, u64::from(u32::MAX), u64::MAX] {
            if let Some(resolved) = range.resolve(size) {
                assert!(resolved.length > 0 && resolved.end() <= size);
            }
        }
    }
    if let Some(etag) = ETag::parse(text) {
        assert_eq!(ETag::parse(&etag.quoted()), Some(etag));
    }
    let _ = EtagCondition::parse(text);
    for moment in [any_date(text), Timestamp::parse_http_date(text), Timestamp::parse_amz_basic(text)] {
        if let Some(moment) = moment.filter(|moment| moment.0 >= 0) {
            assert_eq!(Timestamp::parse_http_date(&moment.http_date()), Some(moment.truncated_to_seconds()));
        }
    }
    if let Some(moment) = Timestamp::parse_iso(text).filter(|moment| moment.0 >= 0) {
        let shown = Timestamp(moment.0 - moment.0.rem_euclid(1000));
        assert_eq!(Timestamp::parse_iso(&moment.iso_millis()), Some(shown));
    }
}

fn check(input: &[u8]) {
    let headers = header_lines(input);
    metadata(&headers);
    conditions(&headers);
    for name in headers.keys() {
        values(&header_text(&headers, name.as_str()).unwrap());
    }
    if let Ok(source) = source_name(&headers) {
        assert!((1..=KEY_BYTES_MAX).contains(&source.key.as_str().len()));
    }
    if let Ok(Some(range)) = copy_range(&headers) {
        assert!(matches!(range, ByteRange::FromTo(first, last) if first <= last));
    }
    let _ = (wants_checksum(&headers), requested_algorithm(&headers), upload_checksum(&headers));
    if let Ok((Some(value), _)) = claimed_checksum(&headers) {
        let same = crate::types::ChecksumValue::parse(value.algorithm(), &value.base64());
        assert_eq!(same, Some(value));
    }
    let _ = (customer_key(&headers), source_key(&headers));
    let _ = header_tags(&headers).map(|tags| assert!(tags.0.len() <= 10));
}

#[test]
fn no_header_panics_and_what_is_kept_comes_back() {
    fuzz::run(&Target { name: "headers", runs: 6_000, tokens: &TOKENS, law: &check });
}
