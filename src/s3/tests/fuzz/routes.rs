//! Any bytes as the head of a request.

use http::{Method, Uri};

use super::headers::header_lines;
use crate::auth::{AuthSettings, SecretKey, SecretLookup, Verdict, verify, verify_sts};
use crate::limits::KEY_BYTES_MAX;
use crate::s3::listing::ListParameters;
use crate::s3::parameters::{key_encoding, part_number, upload, version};
use crate::s3::route::{names_service, route, route_website};
use crate::tests::fuzz::{self, Target};
use crate::types::Timestamp;

const TOKENS: [&str; 64] = [
    "GET ",
    "PUT ",
    "POST ",
    "DELETE ",
    "HEAD ",
    "OPTIONS ",
    "/bucket",
    "/bucket/key",
    "/",
    "*",
    "?",
    "&",
    "=",
    "%2F",
    "%",
    "%00",
    "acl",
    "cors",
    "policy",
    "lifecycle",
    "tagging",
    "uploads",
    "uploadId=",
    "partNumber=1",
    "versionId=",
    "versions",
    "list-type=2",
    "prefix=a",
    "delimiter=/",
    "max-keys=1000",
    "encoding-type=url",
    "continuation-token=",
    "response-content-type=",
    "versioning",
    "object-lock",
    "retention",
    "legal-hold",
    "select",
    "delete",
    "website",
    "\nhost: ",
    "bucket.s3.example.com",
    "bucket.web.example.com",
    "s3.example.com:9000",
    "\nauthorization: ",
    "AWS4-HMAC-SHA256 Credential=AKID/20240229/us-east-1/s3/aws4_request, ",
    "SignedHeaders=host;x-amz-date, ",
    "Signature=",
    "AWS AKID:c2ln",
    "\nx-amz-date: 20240229T120000Z",
    "\ndate: Thu, 29 Feb 2024 12:00:00 +0000",
    "\nx-amz-content-sha256: ",
    "UNSIGNED-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "\nx-amz-trailer: x-amz-checksum-crc32c",
    "\nx-amz-decoded-content-length: ",
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&",
    "X-Amz-Credential=AKID%2F20240229%2Fus-east-1%2Fs3%2Faws4_request&",
    "X-Amz-Date=20240229T120000Z&",
    "X-Amz-Expires=60&",
    "X-Amz-SignedHeaders=host&",
    "X-Amz-Signature=00&",
    "AWSAccessKeyId=AKID&Expires=2000000000&Signature=",
    "\nx-amz-security-token: ",
];

/// Every key id has a secret that nobody who writes these requests knows.
struct Unknown;

impl SecretLookup for Unknown {
    fn secret(&self, _: &str) -> Option<std::sync::Arc<SecretKey>> {
        Some(std::sync::Arc::new(SecretKey::new("nobody knows this secret key")))
    }
}

fn check(input: &[u8]) -> Option<()> {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (request, headers) = input.split_at(line);
    let (method, uri) = std::str::from_utf8(request).ok()?.split_once(' ')?;
    let mut head = http::Request::new(()).into_parts().0;
    head.method = Method::from_bytes(method.as_bytes()).ok()?;
    head.uri = uri.parse::<Uri>().ok()?;
    head.headers = header_lines(headers);
    let (domains, websites) = (["s3.example.com".to_owned()], ["web.example.com".to_owned()]);
    let routed = route(&head, &domains);
    if names_service(&head, &domains) {
        assert!(routed.as_ref().is_ok_and(|routed| routed.bucket.is_none()) || routed.is_err());
    }
    for routed in route_website(&head, &domains, &websites).into_iter().chain([routed]).flatten() {
        assert!(routed.key.as_ref().is_none_or(|key| key.as_str().len() <= KEY_BYTES_MAX));
        let query = &routed.query;
        let _ = (version(query), upload(query), part_number(query), key_encoding(query));
        let _ = ListParameters::read(query, &head.headers);
    }
    let settings = AuthSettings { region: "us-east-1".to_owned(), allow_v2: true, domains: domains.to_vec() };
    let now = Timestamp::parse_amz_basic("20240229T120000Z").unwrap();
    let verdict = verify(&head, &Unknown, &settings, now);
    assert!(!matches!(verdict, Ok(Verdict::Signed(_))), "a signature without its key: {verdict:?}");
    assert!(!matches!(verify_sts(&head, input, &Unknown, &settings, now), Ok(Some(_))));
    Some(())
}

#[test]
fn no_head_panics_and_no_signature_is_guessed() {
    let law = |input: &[u8]| {
        check(input);
    };
    fuzz::run(&Target { name: "routes", runs: 6_000, tokens: &TOKENS, law: &law });
}
