//! Any bytes as the name of anything: buckets, keys, versions, uploads, pages.

use http::Method;

use crate::limits::{BUCKET_NAME_BYTES_MAX, BUCKET_NAME_BYTES_MIN, KEY_BYTES_MAX, PAGE_MAX, PART_NUMBER_MAX};
use crate::s3::listing::{make_token, read_token};
use crate::s3::parameters::{KeyEncoding, page_size, parse_part_number, parse_version, part_marker};
use crate::s3::query::Query;
use crate::s3::route::route;
use crate::tests::fuzz::{self, Target};
use crate::types::{BucketName, ObjectKey, UploadId, VersionId};

const TOKENS: [&str; 28] = [
    "bucket",
    "my-bucket",
    "a.b",
    "xn--",
    "-s3alias",
    "--x-s3",
    ".mrap",
    "192.168.0.1",
    "1.2.3",
    "..",
    "/",
    "//",
    "%",
    "%2F",
    "+",
    "null",
    "0000000000000001ffffffffffffffff",
    "AWtleQ==",
    "AQ==",
    "\u{0}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e4}",
    "&",
    "=",
    ";",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "10000",
];

fn buckets(text: &str) {
    let Ok(name) = BucketName::parse(text) else { return };
    assert!((BUCKET_NAME_BYTES_MIN..=BUCKET_NAME_BYTES_MAX).contains(&text.len()));
    assert!(text.parse::<std::net::IpAddr>().is_err());
    // It can be a host name and a path, and both mean it.
    for (uri, host) in [(format!("/{text}/k"), "s3.example.com"), ("/k".to_owned(), &format!("{text}.s3.example.com"))]
    {
        let request = http::Request::builder().method(Method::GET).uri(uri).header("host", host);
        let head = request.body(()).unwrap().into_parts().0;
        let routed = route(&head, &["s3.example.com".to_owned()]).unwrap();
        assert_eq!(routed.bucket.as_ref(), Some(&name));
    }
}

fn keys(text: &str) {
    let Ok(key) = ObjectKey::parse(text) else {
        assert!(text.is_empty() || text.len() > KEY_BYTES_MAX);
        return;
    };
    // Its encoded form means the same key wherever it stands.
    let encoded = KeyEncoding::Url.encode(text);
    assert_eq!(Query::parse(&format!("key={encoded}")).unwrap().value("key"), Some(text));
    let request = http::Request::builder().method(Method::GET).uri(format!("/bucket/{encoded}"));
    if let Ok(request) = request.body(()) {
        let routed = route(&request.into_parts().0, &[]).unwrap();
        assert_eq!(routed.key, Some(key));
    }
}

fn pages(text: &str) {
    assert_eq!(read_token(&make_token(text)).as_deref(), Some(text));
    if let Some(after) = read_token(text) {
        assert_eq!(make_token(&after), text, "a page has one token");
    }
    if let Ok(version) = parse_version(text) {
        assert_eq!(version.to_string(), text);
        assert_eq!(VersionId::parse(text), Some(version));
    }
    if let Some(upload) = UploadId::parse(text) {
        assert_eq!(upload.to_string(), text);
    }
    assert!(
        page_size("max-keys", Some(text)).is_ok_and(|size| size <= PAGE_MAX)
            || text.parse::<i32>().is_err()
            || text.starts_with(['-', '+'])
    );
    assert!(
        part_marker("part-number-marker", Some(text)).is_ok_and(|marker| marker <= PART_NUMBER_MAX)
            || page_size("max-keys", Some(text)).is_err()
    );
    assert!(
        parse_part_number(text).is_ok_and(|number| (1..=PART_NUMBER_MAX).contains(&number))
            || parse_part_number(text).is_err()
    );
}

fn check(input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n') {
        let Ok(text) = std::str::from_utf8(line) else { continue };
        buckets(text);
        keys(text);
        pages(text);
        if let Some(query) = Query::parse(text) {
            assert!(query.iter().count() <= text.split('&').count());
        }
    }
}

#[test]
fn a_name_means_one_thing_and_no_name_panics() {
    fuzz::run(&Target { name: "names", runs: 8_000, tokens: &TOKENS, law: &check });
}
