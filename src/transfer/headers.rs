//! What of an object's head goes with it to the other side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::transfer::client::text;
use crate::transfer::xml::Element;
use crate::types::Timestamp;

const CONTENT: [&str; 7] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
    "x-amz-website-redirect-location",
];
const META: &str = "x-amz-meta-";
const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";
const CHECKSUMS: [&str; 5] = [
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
];

/// Content headers, user metadata and locks of a version. A retention that has ended locks nothing and would be
/// refused.
pub(crate) fn carried(source: &HeaderMap, now: Timestamp) -> HeaderMap {
    let mut carried = HeaderMap::new();
    for (name, value) in source {
        if CONTENT.contains(&name.as_str()) || name.as_str().starts_with(META) {
            carried.append(name.clone(), value.clone());
        }
    }
    without_framing(&mut carried);
    let until = text(source, UNTIL).and_then(Timestamp::parse_iso);
    if until.is_some_and(|until| until > now) {
        for name in [MODE, UNTIL] {
            carried.extend(source.get(name).map(|value| (HeaderName::from_static(name), value.clone())));
        }
    }
    if text(source, HOLD) == Some("ON") {
        carried.insert(HeaderName::from_static(HOLD), HeaderValue::from_static("ON"));
    }
    carried
}

/// Some servers store `aws-chunked`, which was the framing of the upload, as if it were of the object.
fn without_framing(headers: &mut HeaderMap) {
    let Some(encoding) = text(headers, CONTENT_ENCODING.as_str()) else { return };
    let kept: Vec<&str> = encoding.split(',').map(str::trim).filter(|coding| *coding != "aws-chunked").collect();
    let kept = kept.join(",");
    match HeaderValue::try_from(&kept) {
        Ok(value) if !kept.is_empty() => headers.insert(CONTENT_ENCODING, value),
        _ => headers.remove(CONTENT_ENCODING),
    };
}

/// The checksums of a whole object, which the other side then verifies and keeps.
pub(crate) fn checksums(source: &HeaderMap) -> HeaderMap {
    let is_composite = text(source, "x-amz-checksum-type") == Some("COMPOSITE");
    let is_whole = |value: &HeaderValue| !is_composite && !value.as_bytes().contains(&b'-');
    let found = CHECKSUMS.iter().filter_map(|name| Some((HeaderName::from_static(name), source.get(*name)?.clone())));
    found.filter(|(_, value)| is_whole(value)).collect()
}

/// Whether the ETag of an object is the MD5 of its bytes, or of those of its parts, as far as its head tells.
pub(crate) fn is_digest(source: &HeaderMap, etag: &str) -> bool {
    let is_kms = text(source, "x-amz-server-side-encryption").is_some_and(|kind| kind.starts_with("aws:kms"));
    let is_customer = source.contains_key("x-amz-server-side-encryption-customer-algorithm");
    let digits = etag.split('-').next().unwrap_or_default();
    !is_kms && !is_customer && digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// How many parts an ETag says that its object has; `None` if it was written at once.
pub(crate) fn parts(etag: &str) -> Option<u16> {
    etag.split_once('-')?.1.parse().ok().filter(|parts| *parts > 0)
}

/// `Content-MD5` of an ETag that is a digest.
pub(crate) fn content_md5(etag: &str) -> Option<String> {
    Some(STANDARD.encode(hex::decode(etag).ok()?))
}

/// The tags of a document as the header `x-amz-tagging` has them.
pub(crate) fn tagging(document: &Element) -> String {
    let escape = |text: Option<&str>| utf8_percent_encode(text.unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let tags = document.child("TagSet").map(|set| set.children.as_slice()).unwrap_or_default();
    let pairs = tags.iter().map(|tag| format!("{}={}", escape(tag.text_of("Key")), escape(tag.text_of("Value"))));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{carried, checksums, is_digest, parts, tagging};
    use crate::transfer::xml::Element;
    use crate::types::Timestamp;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn an_object_takes_along_what_is_its_own() {
        let source = headers(&[
            ("content-type", "text/plain"),
            ("content-encoding", "aws-chunked,gzip"),
            ("x-amz-meta-mtime", "1.5"),
            ("x-amz-version-id", "v"),
            ("last-modified", "now"),
            ("x-amz-object-lock-mode", "COMPLIANCE"),
            ("x-amz-object-lock-retain-until-date", "2030-01-01T00:00:00Z"),
            ("x-amz-object-lock-legal-hold", "OFF"),
        ]);
        let kept = carried(&source, Timestamp::from_seconds(0));
        assert_eq!(kept.len(), 5, "{kept:?}");
        assert_eq!(kept["content-encoding"], "gzip");
        assert!(carried(&source, Timestamp::from_seconds(4_000_000_000)).get("x-amz-object-lock-mode").is_none());
        assert!(carried(&headers(&[("content-encoding", "aws-chunked")]), Timestamp(0)).is_empty());
    }

    #[test]
    fn only_checksums_of_whole_objects_go_along() {
        assert_eq!(checksums(&headers(&[("x-amz-checksum-crc32", "AAAAAA==")])).len(), 1);
        assert!(checksums(&headers(&[("x-amz-checksum-crc32", "AAAAAA==-2")])).is_empty());
        let composite = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-type", "COMPOSITE")];
        assert!(checksums(&headers(&composite)).is_empty());
    }

    #[test]
    fn etags_are_judged() {
        let md5 = "d41d8cd98f00b204e9800998ecf8427e";
        assert!(is_digest(&headers(&[]), md5) && is_digest(&headers(&[]), &format!("{md5}-3")));
        assert!(!is_digest(&headers(&[("x-amz-server-side-encryption", "aws:kms")]), md5));
        assert!(!is_digest(&headers(&[]), "abc"));
        assert_eq!((parts(md5), parts(&format!("{md5}-3"))), (None, Some(3)));
    }

    #[test]
    fn tags_become_a_header() {
        let text = "<Tagging><TagSet><Tag><Key>a b</Key><Value>&amp;=</Value></Tag><Tag><Key>k</Key><Value/></Tag>\
            </TagSet></Tagging>";
        assert_eq!(tagging(&Element::parse(text).unwrap()), "a%20b=%26%3D&k=");
    }
}
