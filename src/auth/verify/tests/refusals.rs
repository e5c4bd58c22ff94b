//! Every check refuses what it is there for, and says so.

use aws_sigv4::http_request::SignableBody;
use http::HeaderValue;
use http::request::Parts;

use super::signer::{NOW, Signing, sign_request};
use super::{EMPTY_SHA256, at, head, judge, payload, signed};
use crate::auth::{AuthError, PayloadKind, Place, Verdict, request_host};
use crate::types::{ChecksumAlgorithm, Timestamp};

fn get() -> Parts {
    let body = SignableBody::Precomputed(EMPTY_SHA256.to_owned());
    sign_request("GET", "/b/k", &[], Signing { body, ..Signing::default() })
}

fn put(sha256: &str, headers: &[(&str, &str)]) -> Parts {
    let body = SignableBody::Precomputed(sha256.to_owned());
    sign_request("PUT", "/b/k", headers, Signing { body, ..Signing::default() })
}

fn with(mut head: Parts, name: &'static str, value: &str) -> Parts {
    head.headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    head
}

fn without(mut head: Parts, name: &str) -> Parts {
    assert!(head.headers.remove(name).is_some());
    head
}

fn authorization(head: &Parts) -> String {
    head.headers["authorization"].to_str().unwrap().to_owned()
}

fn refusal(head: &Parts) -> AuthError {
    judge(head, NOW).unwrap_err()
}

/// A signed GET whose `Authorization` header was edited.
fn edited(from: &str, to: &str) -> AuthError {
    let head = get();
    let text = authorization(&head);
    assert!(text.contains(from), "{text}");
    refusal(&with(head, "authorization", &text.replacen(from, to, 1)))
}

fn presigned(seconds: u64) -> Parts {
    sign_request("GET", "/b/k", &[], Signing { presign_seconds: Some(seconds), ..Signing::default() })
}

fn presigned_edited(from: &str, to: &str) -> AuthError {
    let mut head = presigned(60);
    let text = head.uri.to_string();
    assert!(text.contains(from), "{text}");
    head.uri = text.replacen(from, to, 1).parse().unwrap();
    refusal(&head)
}

#[test]
fn a_request_without_a_signature_is_anonymous() {
    let verdict = judge(&head("GET", "/b/k?prefix=x", &[("host", "h"), ("authorization", " ")]), NOW);
    assert_eq!(verdict, Ok(Verdict::Anonymous { payload: PayloadKind::Unsigned }));
    let framed = [
        ("content-encoding", "gzip, AWS-chunked"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
        ("x-amz-decoded-content-length", "5"),
    ];
    let kind = PayloadKind::Chunked {
        signing: None,
        trailer: true,
        trailer_checksum: Some(ChecksumAlgorithm::Crc32),
        decoded_length: Some(5),
    };
    assert_eq!(judge(&head("PUT", "/b/k", &framed), NOW), Ok(Verdict::Anonymous { payload: kind }));
    let frames = head("PUT", "/b/k", &[("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]);
    assert_eq!(refusal(&frames), AuthError::FramesWithoutSeed);
}

#[test]
fn two_mechanisms_or_an_unknown_one_are_refused() {
    for query in ["X-Amz-Algorithm=x", "X-Amz-Signature=x", "X-Amz-Credential=x", "Signature=x", "AWSAccessKeyId=x"] {
        let mut both = get();
        both.uri = format!("http://h/b/k?{query}").parse().unwrap();
        assert_eq!(refusal(&both), AuthError::SeveralMechanisms, "{query}");
    }
    let both = head("GET", "/?Signature=x&X-Amz-Signature=y", &[]);
    assert_eq!(refusal(&both), AuthError::SeveralMechanisms);
    for value in ["Basic dXNlcjpwYXNz", "Bearer x", "AWS", "aws4-hmac-sha256 x"] {
        let refused = refusal(&head("GET", "/", &[("authorization", value)]));
        assert_eq!(refused, AuthError::UnsupportedAuthorization, "{value}");
    }
    let twice = head("GET", "/", &[("authorization", "AWS a:b"), ("authorization", "AWS a:b")]);
    assert_eq!(refusal(&twice), AuthError::RepeatedHeader { name: "authorization" });
    let unreadable = with(get(), "authorization", "AWS4-HMAC-SHA256 Credential=ü");
    assert_eq!(refusal(&unreadable), AuthError::UnreadableValue { name: "authorization" });
}

#[test]
fn every_broken_authorization_header_is_refused_by_its_own_check() {
    assert_eq!(edited("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "), AuthError::UnsupportedAlgorithm);
    assert_eq!(edited("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256,"), AuthError::UnsupportedAlgorithm);
    let all = authorization(&get());
    for component in ["Credential", "SignedHeaders", "Signature"] {
        let pieces = all.strip_prefix("AWS4-HMAC-SHA256 ").unwrap().split(", ");
        let rest: Vec<&str> = pieces.filter(|piece| !piece.starts_with(&format!("{component}="))).collect();
        let head = with(get(), "authorization", &format!("AWS4-HMAC-SHA256 {}", rest.join(", ")));
        assert_eq!(refusal(&head), AuthError::MissingComponent { component });
    }
    let malformed = |component: &str| AuthError::MalformedComponent { component: component.to_owned() };
    assert_eq!(edited("Credential=", "Credentials="), malformed("Credentials"));
    assert_eq!(edited("Signature=", "Signature=a, Signature="), malformed("Signature"));
    assert_eq!(edited("SignedHeaders=", "SignedHeaders, X="), malformed("SignedHeaders"));
}

#[test]
fn every_broken_scope_is_refused_by_its_own_check() {
    let place = Place::Header;
    assert_eq!(edited("/20240229/", "/"), AuthError::MalformedCredential { place });
    assert_eq!(edited("Credential=AKIAIOSFODNN7EXAMPLE/", "Credential=/"), AuthError::EmptyAccessKey { place });
    let date = "2024022".to_owned();
    assert_eq!(edited("/20240229/", "/2024022/"), AuthError::MalformedScopeDate { place, date });
    let (scope_date, request_date) = ("20240228".to_owned(), "20240229".to_owned());
    assert_eq!(edited("/20240229/", "/20240228/"), AuthError::ScopeDateMismatch { place, scope_date, request_date });
    let (given, expected) = ("eu-west-1".to_owned(), "us-east-1".to_owned());
    let refused = edited("us-east-1", "eu-west-1");
    assert_eq!(
        refused.to_string(),
        "The authorization header is malformed; the region 'eu-west-1' is wrong; expecting 'us-east-1'"
    );
    assert_eq!(refused, AuthError::WrongRegion { place, given, expected });
    let given = "sts".to_owned();
    assert_eq!(edited("/s3/", "/sts/"), AuthError::WrongService { place, given, expected: "s3" });
    let given = "aws5_request".to_owned();
    assert_eq!(edited("aws4_request", "aws5_request"), AuthError::WrongTerminator { place, given });
    let access_key_id = "NO/BODY".to_owned();
    assert_eq!(edited("AKIAIOSFODNN7EXAMPLE", "NO/BODY"), AuthError::UnknownAccessKey { access_key_id });
}

#[test]
fn clocks_are_compared_both_ways_and_to_the_second() {
    for now in ["20240229T121500Z", "20240229T114500Z"] {
        signed(&get(), now);
    }
    for now in ["20240229T121501Z", "20240229T114459Z"] {
        let refused = judge(&get(), now).unwrap_err();
        assert_eq!(refused, AuthError::RequestTimeTooSkewed { request_time: at(NOW), server_time: at(now) });
    }
    assert_eq!(refusal(&without(get(), "x-amz-date")), AuthError::MissingDate);
    for date in ["", "Thu, 29 Feb 2024 12:00:00 GMT", "20240229T120000", "20240230T120000Z", "+0240229T120000Z"] {
        assert_eq!(refusal(&with(get(), "x-amz-date", date)), AuthError::MalformedDate, "{date}");
    }
    let mut twice = get();
    twice.headers.append("x-amz-date", HeaderValue::from_static(NOW));
    assert_eq!(refusal(&twice), AuthError::RepeatedHeader { name: "x-amz-date" });
}

#[test]
fn a_changed_signature_is_refused_with_all_that_aws_tells() {
    let signature = authorization(&get()).rsplit_once('=').unwrap().1.to_owned();
    for wrong in ["", "0", &signature[1..], &signature.to_uppercase(), &"0".repeat(64)] {
        let refused = edited(&format!("Signature={signature}"), &format!("Signature={wrong}"));
        let AuthError::SignatureMismatch(mismatch) = refused else {
            assert_eq!(refused, AuthError::MalformedComponent { component: "Signature".to_owned() });
            assert!(wrong.is_empty());
            continue;
        };
        assert_eq!(mismatch.access_key_id, "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(mismatch.host, "127.0.0.1:9000");
        assert_eq!(mismatch.signature_provided, wrong);
        let scope = "AWS4-HMAC-SHA256\n20240229T120000Z\n20240229/us-east-1/s3/aws4_request\n";
        assert!(mismatch.string_to_sign.starts_with(scope));
        let canonical = mismatch.canonical_request.clone().unwrap();
        assert!(canonical.starts_with("GET\n/b/k\n\nhost:127.0.0.1:9000\n"), "{canonical}");
        assert!(canonical.ends_with(EMPTY_SHA256), "{canonical}");
        assert!(!format!("{mismatch:?}").contains(&signature[1..]), "a signature is never logged");
    }
}

#[test]
fn host_and_every_amz_header_must_be_signed() {
    let names = |names: &[&str]| AuthError::HeadersNotSigned { names: names.iter().map(ToString::to_string).collect() };
    assert_eq!(edited("SignedHeaders=host;", "SignedHeaders="), names(&["host"]));
    let head = with(with(get(), "x-amz-meta-z", "1"), "x-amz-acl", "public-read");
    assert_eq!(refusal(&head), names(&["x-amz-acl", "x-amz-meta-z"]));
    // Neither AWS's own tracing header nor anything else has to be.
    signed(&with(with(get(), "x-amzn-trace-id", "Root=1"), "content-md5", "x"), NOW);
    let query = with(presigned(60), "x-amz-acl", "public-read");
    assert_eq!(refusal(&query), names(&["x-amz-acl"]));
}

#[test]
fn the_host_of_http_2_is_the_authority() {
    let head = get();
    assert!(!head.headers.contains_key("host"), "the signer adds none");
    assert_eq!(request_host(&head), Some("127.0.0.1:9000"));
    signed(&with(head.clone(), "host", "127.0.0.1:9000"), NOW);
    assert!(matches!(refusal(&with(head, "host", "elsewhere")), AuthError::SignatureMismatch(_)));
}

#[test]
fn the_payload_line_is_one_that_we_know() {
    assert_eq!(refusal(&without(get(), "x-amz-content-sha256")), AuthError::MissingContentSha256);
    for value in ["", "e3b0", "UNSIGNED", "STREAMING-AWS4-HMAC-SHA256", &"g".repeat(64), &"0".repeat(66)] {
        let refused = refusal(&with(get(), "x-amz-content-sha256", value));
        assert_eq!(refused, AuthError::MalformedContentSha256 { value: value.to_owned() });
    }
    for suffix in ["", "-TRAILER"] {
        let value = format!("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD{suffix}");
        assert_eq!(refusal(&with(get(), "x-amz-content-sha256", &value)), AuthError::EcdsaFrames);
    }
    assert_eq!(payload(&put("UNSIGNED-PAYLOAD", &[]), NOW), PayloadKind::Unsigned);
}

#[test]
fn the_head_of_an_unsigned_trailer_upload_is_checked_like_any() {
    let headers = [("x-amz-trailer", "x-amz-checksum-crc64nvme"), ("x-amz-decoded-content-length", "7")];
    let head = put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", &headers);
    let kind = PayloadKind::Chunked {
        signing: None,
        trailer: true,
        trailer_checksum: Some(ChecksumAlgorithm::Crc64Nvme),
        decoded_length: Some(7),
    };
    assert_eq!(payload(&head, NOW), kind);
    let text = authorization(&head);
    let wrong = format!("{}{}", &text[..text.len() - 4], "0000");
    assert!(matches!(refusal(&with(head.clone(), "authorization", &wrong)), AuthError::SignatureMismatch(_)));
    // Nor does another payload line on a signature for a hash.
    let swapped = with(get(), "x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    assert!(matches!(refusal(&swapped), AuthError::SignatureMismatch(_)));
    // A query full of credentials does not stand in for the header's signature.
    let mut both = with(head, "authorization", &wrong);
    both.uri = presigned(60).uri;
    assert_eq!(refusal(&both), AuthError::SeveralMechanisms);
}

#[test]
fn lengths_and_trailers_of_frames_are_checked() {
    let signed_frames = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    assert_eq!(refusal(&put(signed_frames, &[])), AuthError::MissingDecodedLength);
    for value in ["+1", "-1", "1e3", "18446744073709551616", "0x10"] {
        let refused = refusal(&put(signed_frames, &[("x-amz-decoded-content-length", value)]));
        assert_eq!(refused, AuthError::MalformedDecodedLength { value: value.to_owned() });
    }
    let with_trailer = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let kind = payload(&put(with_trailer, &[]), NOW);
    let PayloadKind::Chunked { signing: Some(_), trailer: true, trailer_checksum: None, decoded_length: None } = kind
    else {
        panic!("{kind:?}");
    };
    for value in ["x-amz-checksum-crc33", "x-amz-checksum-crc32,x-amz-checksum-sha1", "etag"] {
        let refused = refusal(&put(with_trailer, &[("x-amz-trailer", value)]));
        assert_eq!(refused, AuthError::UnsupportedTrailer { value: value.to_owned() });
    }
    let promised = [("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-decoded-content-length", "1")];
    for sha256 in [signed_frames, "UNSIGNED-PAYLOAD", EMPTY_SHA256] {
        assert_eq!(refusal(&put(sha256, &promised)), AuthError::TrailerNotPossible, "{sha256}");
    }
}

#[test]
fn every_broken_presigned_url_is_refused_by_its_own_check() {
    signed(&presigned(1), NOW);
    for name in
        ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"]
    {
        assert_eq!(presigned_edited(&format!("{name}="), "other="), AuthError::MissingParameter { name });
        let twice = presigned_edited(&format!("{name}="), &format!("{name}=x&{name}="));
        assert_eq!(twice, AuthError::RepeatedParameter { name });
    }
    assert_eq!(presigned_edited("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), AuthError::UnsupportedQueryAlgorithm);
    let place = Place::Query;
    assert_eq!(presigned_edited("%2Fs3%2F", "%2F"), AuthError::MalformedCredential { place });
    assert_eq!(presigned_edited("AKIAIOSFODNN7EXAMPLE", ""), AuthError::EmptyAccessKey { place });
    let (given, expected) = ("mars".to_owned(), "us-east-1".to_owned());
    assert_eq!(presigned_edited("us-east-1", "mars"), AuthError::WrongRegion { place, given, expected });
    for date in ["20240229", "Thu%2C%2029%20Feb%202024%2012%3A00%3A00%20GMT", "%C3%BC"] {
        let refused = presigned_edited("X-Amz-Date=20240229T120000Z", &format!("X-Amz-Date={date}"));
        assert_eq!(refused, AuthError::MalformedQueryDate);
    }
    let unreadable = presigned_edited("X-Amz-Date=20240229T120000Z", "X-Amz-Date=%FF");
    assert_eq!(unreadable, AuthError::UnreadableValue { name: "X-Amz-Date" });
    let AuthError::SignatureMismatch(mismatch) = presigned_edited("/b/k", "/b/l") else { panic!("another key") };
    assert!(!mismatch.canonical_request.unwrap().contains("X-Amz-Signature"));
}

#[test]
fn a_presigned_url_lives_as_long_as_it_says() {
    let expires = |value: &str| presigned_edited("X-Amz-Expires=60", &format!("X-Amz-Expires={value}"));
    for value in ["", "soon", "1.5", "-", "%2B60"] {
        assert_eq!(expires(value), AuthError::ExpiresNotANumber, "{value}");
    }
    for value in ["0", "-1", "000", "-99999999999999999999"] {
        assert_eq!(expires(value), AuthError::ExpiresBelowOne, "{value}");
    }
    for value in ["604801", "99999999999999999999"] {
        assert_eq!(expires(value), AuthError::ExpiresTooLong, "{value}");
    }
    let week = presigned(604_800);
    signed(&week, "20240307T120000Z");
    let now = Timestamp(at("20240307T120000Z").0 + 1);
    let expired =
        AuthError::Expired { expires_seconds: Some(604_800), expires: at("20240307T120000Z"), server_time: now };
    assert_eq!(crate::auth::verify(&week, &super::ExampleKey, &super::settings(), now), Err(expired));
    signed(&week, "20240229T114500Z");
    let early = at("20240229T114459Z");
    let refused = judge(&week, "20240229T114459Z");
    assert_eq!(refused, Err(AuthError::NotYetValid { valid_from: at(NOW), server_time: early }));
}

#[test]
fn a_presigned_url_may_promise_its_payload() {
    let sign = |uri: &str, headers: &[(&str, &str)], sha256: &str| {
        let body = SignableBody::Precomputed(sha256.to_owned());
        sign_request("PUT", uri, headers, Signing { presign_seconds: Some(60), body, ..Signing::default() })
    };
    let mut digest = [0; 32];
    hex::decode_to_slice(EMPTY_SHA256, &mut digest).unwrap();
    let by_query = sign(&format!("/b/k?X-Amz-Content-Sha256={EMPTY_SHA256}"), &[], EMPTY_SHA256);
    assert_eq!(payload(&by_query, NOW), PayloadKind::Sha256(digest));
    let header = [("x-amz-content-sha256", EMPTY_SHA256)];
    // botocore signs `UNSIGNED-PAYLOAD` whatever the header says, Go's SDKs sign the hash.
    for line in ["UNSIGNED-PAYLOAD", EMPTY_SHA256] {
        assert_eq!(payload(&sign("/b/k", &header, line), NOW), PayloadKind::Sha256(digest));
    }
}
