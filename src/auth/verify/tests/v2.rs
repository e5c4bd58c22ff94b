//! Signature Version 2: the examples of the Amazon S3 User Guide, what botocore presigns, and refusals.

use super::{at, head, judge, settings, signed};
use crate::auth::verify::tests::ExampleKey;
use crate::auth::{AuthError, AuthSettings, PayloadKind, verify};

fn example(method: &str, host: &str, uri: &str, signature: &str, now: &str, headers: &[(&str, &str)]) {
    let authorization = format!("AWS AKIAIOSFODNN7EXAMPLE:{signature}");
    let mut all = vec![("host", host), ("authorization", authorization.as_str())];
    all.extend_from_slice(headers);
    assert_eq!(signed(&head(method, uri, &all), now).payload, PayloadKind::Unsigned);
}

#[test]
fn the_documented_examples_hold() {
    let host = "johnsmith.s3.amazonaws.com";
    let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
    example("GET", host, "/photos/puppy.jpg", "bWq2s1WEIj+Ydj0vQ697zp+IXMU=", "20070327T193642Z", &date);
    let put =
        [("content-type", "image/jpeg"), ("content-length", "94328"), ("date", "Tue, 27 Mar 2007 21:15:45 +0000")];
    example("PUT", host, "/photos/puppy.jpg", "MyyxeRY7whkBe+bq8fHCL/2kKUg=", "20070327T211545Z", &put);
    let list = [("date", "Tue, 27 Mar 2007 19:42:41 +0000")];
    let uri = "/?prefix=photos&max-keys=50&marker=puppy";
    example("GET", host, uri, "htDYFYduRNen8P9ZfE/s9SuKy0U=", "20070327T194241Z", &list);
    let fetch = [("date", "Tue, 27 Mar 2007 19:44:46 +0000")];
    example("GET", host, "/?acl", "c2WLPFtWHVgbEmeEG93a4cG37dM=", "20070327T194446Z", &fetch);
    example(
        "GET",
        "JohnSmith.S3.amazonaws.com:8080",
        "/?acl",
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
        "20070327T194446Z",
        &fetch,
    );
    let buckets = [("date", "Wed, 28 Mar 2007 01:29:59 +0000")];
    example("GET", "s3.amazonaws.com", "/", "qGdzdERIC03wnaRNKh6OqZehG9s=", "20070328T012959Z", &buckets);
    let keys = [("date", "Wed, 28 Mar 2007 01:49:49 +0000")];
    let uri = "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re";
    example("GET", "s3.amazonaws.com", uri, "DNEZGsoieTZ92F3bUfSPQcbGmlM=", "20070328T014949Z", &keys);
    let upload = [
        ("date", "Tue, 27 Mar 2007 21:06:08 +0000"),
        ("x-amz-acl", "public-read"),
        ("content-type", "application/x-download"),
        ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
        ("x-amz-meta-reviewedby", "joe@johnsmith.net"),
        ("x-amz-meta-reviewedby", "jane@johnsmith.net"),
        ("x-amz-meta-filechecksum", "0x02661779"),
        ("x-amz-meta-checksumalgorithm", "crc32"),
        ("content-encoding", "gzip"),
    ];
    let uri = "/static.johnsmith.net/db-backup.dat.gz";
    example("PUT", "s3.amazonaws.com", uri, "ilyl83RwaSoYIEdixDQcA4OnAnc=", "20070327T210608Z", &upload);
}

#[test]
fn the_documented_presigned_url_holds_until_it_expires() {
    let uri = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&\
               Expires=1175139620";
    let head = head("GET", uri, &[("host", "johnsmith.s3.amazonaws.com")]);
    assert!(signed(&head, "20070327T000000Z").presigned);
    let refused = judge(&head, "20070329T034021Z").unwrap_err();
    let expires = at("20070329T034020Z");
    let server_time = at("20070329T034021Z");
    assert_eq!(refused, AuthError::Expired { expires_seconds: None, expires, server_time });
}

#[test]
fn what_botocore_signs_and_presigns_holds() {
    let uri = "/b/k?uploadId=abc&partNumber=1&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&\
               Signature=juCra4F5cE9oD8TKGYZTBkkJbvM%3D&content-type=text%2Fplain&x-amz-acl=private&\
               x-amz-meta-a=%20x%20%20y%20&Expires=1709208060";
    signed(&head("PUT", uri, &[("host", "127.0.0.1:9000")]), "20240229T120000Z");
    let sent = [("host", "127.0.0.1:9000"), ("content-type", "text/plain"), ("x-amz-acl", "private")];
    signed(&head("PUT", uri, &sent), "20240229T120000Z");
    let other = [("host", "127.0.0.1:9000"), ("x-amz-acl", "public-read")];
    assert!(matches!(judge(&head("PUT", uri, &other), "20240229T120000Z"), Err(AuthError::SignatureMismatch(_))));
    let headers = [("x-amz-meta-a", " x  y "), ("date", "Thu, 29 Feb 2024 12:00:00 GMT")];
    let uri = "/b/k%20k?versionId=1%2B2&response-content-type=text%2Fplain&list-type=2";
    example("GET", "127.0.0.1:9000", uri, "LCHJDot3xEHxbTeVsJr7EeXBBgs=", "20240229T120000Z", &headers);
}

fn refusal(authorization: &str, headers: &[(&str, &str)], now: &str) -> AuthError {
    let mut all = vec![("host", "johnsmith.s3.amazonaws.com"), ("authorization", authorization)];
    all.extend_from_slice(headers);
    judge(&head("GET", "/photos/puppy.jpg", &all), now).unwrap_err()
}

#[test]
fn every_broken_header_is_refused_by_its_own_check() {
    let now = "20070327T193642Z";
    let date = [("date", "Tue, 27 Mar 2007 19:36:42 +0000")];
    let good = "AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=";
    for broken in ["AWS HAHAHA", "AWS :sig", "AWS AKID:", "AWS  :"] {
        assert_eq!(refusal(broken, &date, now), AuthError::MalformedV2Authorization, "{broken}");
    }
    assert_eq!(refusal(good, &[], now), AuthError::MissingDate);
    assert_eq!(refusal(good, &[("date", "yesterday")], now), AuthError::MalformedDate);
    assert!(matches!(refusal(good, &date, "20070327T195143Z"), AuthError::RequestTimeTooSkewed { .. }));
    let unknown = refusal("AWS NOBODY:bWq2s1WEIj+Ydj0vQ697zp+IXMU=", &date, now);
    assert_eq!(unknown, AuthError::UnknownAccessKey { access_key_id: "NOBODY".to_owned() });
    let token = [date[0], ("x-amz-security-token", "t")];
    assert_eq!(refusal(good, &token, now), AuthError::SecurityToken);
    let AuthError::SignatureMismatch(mismatch) = refusal(good, &[date[0], ("x-amz-acl", "private")], now) else {
        panic!("an added x-amz header was not signed");
    };
    assert_eq!(
        mismatch.string_to_sign,
        "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\nx-amz-acl:private\n/johnsmith/photos/puppy.jpg"
    );
    assert_eq!(mismatch.canonical_request, None);
    let frames = [("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")];
    assert!(matches!(refusal(good, &[date[0], frames[0]], now), AuthError::SignatureMismatch(_)));
}

#[test]
fn every_broken_url_is_refused_by_its_own_check() {
    let refusal = |query: &str| {
        let uri = format!("/photos/puppy.jpg?{query}");
        judge(&head("GET", &uri, &[("host", "johnsmith.s3.amazonaws.com")]), "20070327T000000Z").unwrap_err()
    };
    assert_eq!(refusal("AWSAccessKeyId=A&Signature=s"), AuthError::MissingV2Parameter { name: "Expires" });
    assert_eq!(refusal("AWSAccessKeyId=A&Expires=1"), AuthError::MissingV2Parameter { name: "Signature" });
    assert_eq!(refusal("Signature=s&Expires=1"), AuthError::MissingV2Parameter { name: "AWSAccessKeyId" });
    let twice = "AWSAccessKeyId=A&AWSAccessKeyId=B&Signature=s&Expires=1";
    assert_eq!(refusal(twice), AuthError::RepeatedParameter { name: "AWSAccessKeyId" });
    for value in ["", "-1", "+5", "soon", "99999999999999999999"] {
        let refused = refusal(&format!("AWSAccessKeyId=A&Signature=s&Expires={}", value.replace('+', "%2B")));
        assert_eq!(refused, AuthError::MalformedV2Expires { value: value.to_owned() });
    }
}

#[test]
fn version_2_can_be_switched_off() {
    let off = AuthSettings { allow_v2: false, ..settings() };
    let by_header = head("GET", "/", &[("authorization", "AWS AKIAIOSFODNN7EXAMPLE:x")]);
    let by_query = head("GET", "/?AWSAccessKeyId=A&Signature=s&Expires=1", &[]);
    for head in [by_header, by_query] {
        assert_eq!(verify(&head, &ExampleKey, &off, at("20070327T000000Z")), Err(AuthError::V2Disabled));
    }
}
