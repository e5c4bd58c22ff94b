//! What a client says about an object beside its bytes: content headers, user metadata, storage class. Reads
//! them from requests and writes them into responses, in S3's coding of text that is not US-ASCII.
//!
//! Source: Amazon S3 User Guide, "Working with object metadata"; RFC 2047.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, STANDARD_NO_PAD as BASE64_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::USER_METADATA_BYTES_MAX;
use crate::s3::{Code, S3Error};
use crate::types::{ContentHeaders, ObjectMetadata, StorageClass, UserMetadata, VersionAttributes};

/// Before the name of every piece of user metadata.
const USER_PREFIX: &str = "x-amz-meta-";
const REDIRECT: &str = "x-amz-website-redirect-location";
const STORAGE_CLASS: &str = "x-amz-storage-class";

/// The value of a header as text: UTF-8, or ISO-8859-1 if it is not that. Lines of the same name are joined
/// with a comma, as RFC 9110 section 5.3 says.
pub(crate) fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    joined(headers, name, ", ")
}

/// Inserts a header whose value comes from a client or from storage. Bytes that no header may carry are left
/// out: what was stored once must never make an object unreadable.
pub(crate) fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let value = HeaderValue::from_bytes(text.as_bytes()).or_else(|_| {
        let legal: Vec<u8> = text.bytes().filter(|byte| *byte == b'\t' || (*byte >= 0x20 && *byte != 0x7f)).collect();
        HeaderValue::from_bytes(&legal)
    });
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

/// Everything that a PUT, a copy with `REPLACE` or a new upload says about its object.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidStorageClass`, `InvalidArgument`.
pub(crate) fn object_metadata(headers: &HeaderMap) -> Result<ObjectMetadata, S3Error> {
    Ok(ObjectMetadata {
        content: content_headers(headers)?,
        user: user_metadata(headers)?,
        storage_class: storage_class(headers)?,
        attributes: VersionAttributes::default(),
    })
}

/// `x-amz-storage-class`, `STANDARD` if there is none.
///
/// # Errors
/// `InvalidStorageClass`.
pub(crate) fn storage_class(headers: &HeaderMap) -> Result<StorageClass, S3Error> {
    let Some(name) = header_text(headers, STORAGE_CLASS) else {
        return Ok(StorageClass::Standard);
    };
    StorageClass::from_name(&name)
        .ok_or_else(|| S3Error::new(Code::InvalidStorageClass).detail("StorageClassRequested", name))
}

/// `x-amz-website-redirect-location`.
///
/// # Errors
/// `InvalidArgument` if it is neither a path nor a web address.
pub(crate) fn website_redirect(headers: &HeaderMap) -> Result<Option<String>, S3Error> {
    let Some(location) = header_text(headers, REDIRECT).filter(|location| !location.is_empty()) else {
        return Ok(None);
    };
    let legal = ["/", "http://", "https://"].iter().any(|prefix| location.starts_with(prefix));
    if !legal {
        let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        return Err(S3Error::invalid_argument(REDIRECT, location, message));
    }
    Ok(Some(location))
}

fn content_headers(headers: &HeaderMap) -> Result<ContentHeaders, S3Error> {
    let kept = |name| header_text(headers, name).filter(|text| !text.is_empty());
    Ok(ContentHeaders {
        content_type: kept("content-type"),
        cache_control: kept("cache-control"),
        content_disposition: kept("content-disposition"),
        content_encoding: kept("content-encoding").and_then(|text| stored_encoding(&text)),
        content_language: kept("content-language"),
        expires: kept("expires"),
        website_redirect: website_redirect(headers)?,
    })
}

/// `Content-Encoding` without `aws-chunked`, which describes the transfer and not the object: replayed on GET
/// it makes clients decode a coding that is not there. `None` if nothing else is left.
fn stored_encoding(header: &str) -> Option<String> {
    let is_transfer = |coding: &&str| coding.eq_ignore_ascii_case("aws-chunked");
    let codings = || header.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    if !codings().any(|coding| is_transfer(&coding)) {
        return Some(header.to_owned());
    }
    let kept: Vec<&str> = codings().filter(|coding| !is_transfer(coding)).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

fn user_metadata(headers: &HeaderMap) -> Result<UserMetadata, S3Error> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for name in headers.keys() {
        // `HeaderName` is lower-case already.
        let Some(short) = name.as_str().strip_prefix(USER_PREFIX).filter(|short| !short.is_empty()) else {
            continue;
        };
        let value = joined(headers, name.as_str(), ",").unwrap_or_default();
        pairs.push((short.to_owned(), decode_words(&value).into_owned()));
    }
    let size: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > USER_METADATA_BYTES_MAX {
        return Err(S3Error::new(Code::MetadataTooLarge)
            .detail("Size", size.to_string())
            .detail("MaxSizeAllowed", USER_METADATA_BYTES_MAX.to_string()));
    }
    Ok(UserMetadata(pairs))
}

/// Writes what is stored into the headers of a GET or HEAD response.
pub(crate) fn write_metadata(headers: &mut HeaderMap, metadata: &ObjectMetadata) {
    let content = &metadata.content;
    let content_type = content.content_type.as_deref().unwrap_or("binary/octet-stream");
    insert_text(headers, http::header::CONTENT_TYPE, content_type);
    let rest = [
        (http::header::CACHE_CONTROL, &content.cache_control),
        (http::header::CONTENT_DISPOSITION, &content.content_disposition),
        (http::header::CONTENT_ENCODING, &content.content_encoding),
        (http::header::CONTENT_LANGUAGE, &content.content_language),
        (http::header::EXPIRES, &content.expires),
        (HeaderName::from_static(REDIRECT), &content.website_redirect),
    ];
    for (name, text) in rest {
        if let Some(text) = text {
            insert_text(headers, name, text);
        }
    }
    if metadata.storage_class != StorageClass::Standard {
        insert_text(headers, HeaderName::from_static(STORAGE_CLASS), metadata.storage_class.name());
    }
    write_user_metadata(headers, &metadata.user);
}

/// A name that cannot be a header is counted in `x-amz-missing-meta` instead, as S3 does.
fn write_user_metadata(headers: &mut HeaderMap, user: &UserMetadata) {
    let mut missing = 0_u32;
    for (name, value) in &user.0 {
        match HeaderName::from_bytes(format!("{USER_PREFIX}{name}").as_bytes()) {
            Ok(name) => insert_text(headers, name, &encode_words(value)),
            Err(_) => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert(HeaderName::from_static("x-amz-missing-meta"), HeaderValue::from(missing));
    }
}

fn joined(headers: &HeaderMap, name: &str, separator: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let mut text = decode_bytes(values.next()?.as_bytes());
    for value in values {
        text.push_str(separator);
        text.push_str(&decode_bytes(value.as_bytes()));
    }
    // The separator's own space, where the last line was empty, is no part of the value.
    text.truncate(text.trim_end().len());
    Some(text)
}

/// Most clients send UTF-8; what is not UTF-8 is ISO-8859-1, in which every byte means something.
fn decode_bytes(bytes: &[u8]) -> String {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
    };
    text.trim().to_owned()
}

/// The text as a header may carry it: US-ASCII as it is, everything else as one RFC 2047 word. Text that a
/// reader would take for encoded words, or would trim, is encoded, too, so that it comes back unchanged.
fn encode_words(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if plain && text.trim() == text && decode_words(text) == text {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("=?UTF-8?B?{}?=", BASE64.encode(text)))
}

/// Decodes the RFC 2047 words of a value. What is no encoded word, or cannot be decoded, stays as it is; white
/// space between two words belongs to the coding and is dropped (RFC 2047, section 6.2).
fn decode_words(text: &str) -> Cow<'_, str> {
    if !text.contains("=?") {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        match decode_word(word) {
            Some((value, length)) => {
                if !(after_word && before.trim().is_empty()) {
                    decoded.push_str(before);
                }
                decoded.push_str(&value);
                rest = &word[length..];
                after_word = true;
            }
            None => {
                decoded.push_str(before);
                decoded.push_str("=?");
                rest = &word[2..];
                after_word = false;
            }
        }
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// Decodes the word `=?charset?coding?text?=` at the start of `input`; returns its text and its length.
fn decode_word(input: &str) -> Option<(String, usize)> {
    let inner = input.strip_prefix("=?")?;
    let (charset, inner_rest) = inner.split_once('?')?;
    let (coding, inner_rest) = inner_rest.split_once('?')?;
    let (text, _) = inner_rest.split_once("?=")?;
    let length = 2 + charset.len() + 1 + coding.len() + 1 + text.len() + 2;
    let bytes = if coding.eq_ignore_ascii_case("b") {
        BASE64.decode(text).or_else(|_| BASE64_NO_PAD.decode(text)).ok()?
    } else if coding.eq_ignore_ascii_case("q") {
        decode_quoted(text)?
    } else {
        return None;
    };
    let value = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" => String::from_utf8(bytes).ok()?,
        "iso-8859-1" | "latin1" => bytes.into_iter().map(char::from).collect(),
        _ => return None,
    };
    Some((value, length))
}

fn decode_quoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'_' => b' ',
            b'=' => {
                let digits = [bytes.next()?, bytes.next()?];
                let mut value = [0];
                hex::decode_to_slice(digits, &mut value).ok()?;
                value[0]
            }
            other => other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{decode_words, encode_words, insert_text, object_metadata, stored_encoding, write_metadata};
    use crate::s3::Code;
    use crate::types::{ObjectMetadata, StorageClass, UserMetadata};

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_transfer_coding_is_not_stored() {
        let table = [
            ("aws-chunked", None),
            ("AWS-Chunked", None),
            ("aws-chunked, gzip", Some("gzip")),
            ("gzip,aws-chunked", Some("gzip")),
            ("gzip, aws-chunked, br", Some("gzip,br")),
            ("gzip, br", Some("gzip, br")),
            ("aws-chunked,", None),
            ("identity", Some("identity")),
        ];
        for (sent, stored) in table {
            assert_eq!(stored_encoding(sent).as_deref(), stored, "{sent}");
        }
    }

    #[test]
    fn every_header_is_kept_and_comes_back_as_it_was_sent() {
        let sent: &[(&'static str, &[u8])] = &[
            ("content-type", b"text/html; charset=utf-8"),
            ("cache-control", b"no-cache"),
            ("content-disposition", "attachment; filename=\"ä.txt\"".as_bytes()),
            ("content-encoding", b"gzip"),
            ("content-language", b"de"),
            ("expires", b"0"),
            ("x-amz-website-redirect-location", b"/other"),
            ("x-amz-storage-class", b"STANDARD_IA"),
            ("x-amz-meta-mtime", b"1445412480.5"),
        ];
        let metadata = object_metadata(&headers(sent)).unwrap();
        assert_eq!(metadata.storage_class, StorageClass::StandardIa);
        let mut answer = HeaderMap::new();
        write_metadata(&mut answer, &metadata);
        for (name, value) in sent {
            assert_eq!(answer.get(*name).unwrap().as_bytes(), *value, "{name}");
        }
        assert_eq!(answer.len(), sent.len());
    }

    #[test]
    fn a_value_that_is_joined_with_an_empty_line_comes_back_as_it_was_kept() {
        let sent = headers(&[("content-language", b"de"), ("content-language", b"")]);
        let kept = object_metadata(&sent).unwrap();
        assert_eq!(kept.content.content_language.as_deref(), Some("de,"));
        let mut shown = HeaderMap::new();
        write_metadata(&mut shown, &kept);
        assert_eq!(object_metadata(&shown).unwrap().content.content_language, kept.content.content_language);
    }

    #[test]
    fn an_object_without_headers_has_the_default_type_and_no_class() {
        let mut answer = HeaderMap::new();
        write_metadata(&mut answer, &object_metadata(&headers(&[("content-type", b"")])).unwrap());
        assert_eq!(answer.len(), 1);
        assert_eq!(answer["content-type"], "binary/octet-stream");
    }

    #[test]
    fn user_metadata_is_decoded_joined_and_measured() {
        let sent: &[(&'static str, &[u8])] = &[
            ("x-amz-meta-plain", b"a b"),
            ("x-amz-meta-twice", b"1"),
            ("x-amz-meta-twice", b"2"),
            ("x-amz-meta-raw", "grün".as_bytes()),
            ("x-amz-meta-latin", b"gr\xfcn"),
            ("x-amz-meta-word", b"=?UTF-8?B?Z3LDvG4=?="),
            ("x-amz-meta-", b"no name"),
            ("x-amz-metadata-directive", b"REPLACE"),
        ];
        let user = object_metadata(&headers(sent)).unwrap().user;
        let value = |name: &str| user.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        assert_eq!(value("plain"), Some("a b"));
        assert_eq!(value("twice"), Some("1,2"));
        for name in ["raw", "latin", "word"] {
            assert_eq!(value(name), Some("grün"), "{name}");
        }
        assert_eq!(user.0.len(), 5);
    }

    #[test]
    fn metadata_beyond_two_kibibytes_is_refused_with_its_size() {
        let fits = vec![b'v'; 2048 - 1];
        assert!(object_metadata(&headers(&[("x-amz-meta-k", &fits)])).is_ok());
        let large = vec![b'v'; 2048];
        let error = object_metadata(&headers(&[("x-amz-meta-k", &large)])).unwrap_err();
        assert_eq!(error.code, Code::MetadataTooLarge);
        assert_eq!(error.details, [("Size", "2049".to_owned()), ("MaxSizeAllowed", "2048".to_owned())]);
    }

    #[test]
    fn an_unknown_class_and_a_bad_redirect_are_refused() {
        for class in ["GLACIER", "standard", ""] {
            let error = object_metadata(&headers(&[("x-amz-storage-class", class.as_bytes())])).unwrap_err();
            assert_eq!(error.code, Code::InvalidStorageClass, "{class}");
        }
        let error = object_metadata(&headers(&[("x-amz-website-redirect-location", b"ftp://x")])).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
    }

    #[test]
    fn encoded_words_are_decoded_as_rfc_2047_says() {
        let table = [
            ("plain", "plain"),
            ("=?UTF-8?B?w6Q=?=", "ä"),
            ("=?utf-8?b?w6Q?=", "ä"),
            ("=?UTF-8?Q?a=C3=A4_b?=", "aä b"),
            ("=?ISO-8859-1?Q?=E4?=", "ä"),
            ("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=", "äö"),
            ("x =?UTF-8?B?w6Q=?= y", "x ä y"),
            ("=?UTF-8?B?!!?=", "=?UTF-8?B?!!?="),
            ("=?klingon?B?w6Q=?=", "=?klingon?B?w6Q=?="),
            ("=?UTF-8?X?w6Q=?=", "=?UTF-8?X?w6Q=?="),
            ("=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
            ("=?=?UTF-8?B?w6Q=?=", "=?ä"),
            ("=?", "=?"),
            ("=?UTF-8?Q?=C?=", "=?UTF-8?Q?=C?="),
        ];
        for (encoded, decoded) in table {
            assert_eq!(decode_words(encoded), decoded, "{encoded}");
        }
    }

    #[test]
    fn a_name_that_no_header_can_carry_is_counted() {
        let user = UserMetadata(vec![("a b".into(), "1".into()), ("ok".into(), "2".into())]);
        let mut answer = HeaderMap::new();
        write_metadata(&mut answer, &ObjectMetadata { user, ..ObjectMetadata::default() });
        assert_eq!(answer["x-amz-missing-meta"], "1");
        assert_eq!(answer["x-amz-meta-ok"], "2");
    }

    #[test]
    fn stored_control_characters_never_make_an_object_unreadable() {
        let mut answer = HeaderMap::new();
        insert_text(&mut answer, http::header::CONTENT_TYPE, "a\r\nset-cookie: b\u{7f}");
        assert_eq!(answer["content-type"], "aset-cookie: b");
    }

    proptest! {
        #[test]
        fn any_text_survives_its_coding(text in any::<String>()) {
            let coded = encode_words(&text);
            let decoded = decode_words(&coded);
            prop_assert_eq!(decoded.as_ref(), text.as_str());
            prop_assert_eq!(coded.bytes().all(|byte| (0x20..0x7f).contains(&byte)), true);
        }

        #[test]
        fn arbitrary_header_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in [
                    "content-type", "content-encoding", "expires", "x-amz-storage-class", "x-amz-meta-k",
                    "x-amz-website-redirect-location",
                ] {
                    let mut headers = HeaderMap::new();
                    headers.insert(HeaderName::from_static(name), value.clone());
                    if let Ok(metadata) = object_metadata(&headers) {
                        write_metadata(&mut HeaderMap::new(), &metadata);
                    }
                }
            }
        }

        #[test]
        fn words_with_arbitrary_insides_never_panic(inside in "\\PC{0,40}", more in "[=?BbQqUTF8-]{0,40}") {
            let _ = decode_words(&format!("=?UTF-8?B?{inside}?=")).len();
            let _ = decode_words(&format!("=?UTF-8?Q?{inside}?={more}")).len();
            let _ = decode_words(&more).len();
        }
    }
}
