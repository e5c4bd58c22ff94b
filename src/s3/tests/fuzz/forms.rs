//! Any bytes as a POST form, and as the policy of one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::HeaderMap;

use crate::auth::{
    AuthSettings, FormFields, FormVerdict, PostPolicy, PostPolicyError, SecretKey, SecretLookup, verify_form,
};
use crate::limits::{FORM_BOUNDARY_BYTES_MAX, FORM_FIELDS_BYTES_MAX, FORM_FIELDS_MAX};
use crate::s3::form::form_headers;
use crate::s3::form_feed::{FieldHead, FilePiece, FormError, FormEvent, FormFeed, boundary};
use crate::tests::fuzz::{self, Target, pieces};
use crate::types::Timestamp;

const TOKENS: [&str; 48] = [
    "\r\n--XX\r\n",
    "\r\n--XX--\r\n",
    "--XX",
    "\r\n",
    "\r\n\r\n",
    "Content-Disposition: form-data; name=\"",
    "Content-Disposition: form-data; name=\"file\"; filename=\"",
    "\"",
    "\\\"",
    "filename=",
    "name=",
    ";",
    "=",
    "content-type: text/plain",
    "${filename}",
    "key",
    "policy",
    "acl",
    "tagging",
    "<Tagging><TagSet>",
    "x-amz-algorithm",
    "AWS4-HMAC-SHA256",
    "x-amz-credential",
    "AKID/20240229/us-east-1/s3/aws4_request",
    "x-amz-date",
    "20240229T120000Z",
    "x-amz-signature",
    "AWSAccessKeyId",
    "signature",
    "x-amz-meta-a",
    "success_action_status",
    "success_action_redirect",
    "{\"expiration\":\"2030-01-01T00:00:00.000Z\",\"conditions\":[",
    "]}",
    "[\"starts-with\",\"$key\",\"\"]",
    "[\"eq\",\"$acl\",\"private\"]",
    "[\"content-length-range\",1,10]",
    "{\"bucket\":\"bucket\"}",
    "{\"key\":\"k\"}",
    ",",
    "$",
    "multipart/form-data; boundary=",
    "x-ignore-",
    "\u{e4}",
    "\u{0}",
    "content-md5",
    "x-amz-copy-source",
    "--",
];

type Read = Result<(Vec<(FieldHead, Bytes)>, FieldHead, Vec<u8>), FormError>;

/// The fields and the file.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut pieces = pieces.into_iter();
    let ended = FormError::Malformed("the test's form ended");
    let mut feed = FormFeed::new("XX");
    let mut fields = Vec::new();
    let head = loop {
        match feed.next_event()? {
            Some(FormEvent::Field { head, value }) => fields.push((head, value)),
            Some(FormEvent::File { head }) => break head,
            None => feed.push(pieces.next().ok_or(ended)?),
        }
    };
    let mut file = feed.into_file();
    let mut bytes = Vec::new();
    loop {
        match file.next_piece()? {
            FilePiece::Bytes(piece) => bytes.extend_from_slice(&piece),
            FilePiece::More => file.push(Bytes::copy_from_slice(pieces.next().ok_or(ended)?)),
            FilePiece::End => return Ok((fields, head, bytes)),
        }
    }
}

struct Unknown;

impl SecretLookup for Unknown {
    fn secret(&self, _: &str) -> Option<std::sync::Arc<SecretKey>> {
        Some(std::sync::Arc::new(SecretKey::new("nobody knows this secret key")))
    }
}

fn now() -> Timestamp {
    Timestamp::parse_amz_basic("20240229T120000Z").unwrap()
}

fn form(choice: u8, body: &[u8]) {
    let whole = read([body]);
    assert_eq!(whole, read(pieces(body, choice)));
    let Ok((read, _, file)) = whole else { return };
    assert!(read.len() <= FORM_FIELDS_MAX);
    assert!(read.iter().map(|(_, value)| value.len()).sum::<usize>() <= FORM_FIELDS_BYTES_MAX);
    assert!(memchr::memmem::find(&file, b"\r\n--XX").is_none());
    let mut fields = FormFields::default();
    for (head, value) in &read {
        if let Ok(value) = std::str::from_utf8(value) {
            let _ = fields.add(&head.name, value.to_owned());
        }
    }
    let _ = form_headers(&HeaderMap::new(), &fields);
    let settings = AuthSettings { region: "us-east-1".to_owned(), allow_v2: true, domains: Vec::new() };
    let verdict = verify_form(&fields, &Unknown, &settings, now());
    assert!(!matches!(verdict, Ok(FormVerdict::Signed { .. })), "a signature without its key");
}

fn policy(json: &[u8]) {
    let Ok(policy) = PostPolicy::parse(&BASE64.encode(json)) else { return };
    assert_eq!(PostPolicy::parse(&format!(" {} \n", BASE64.encode(json))).as_ref(), Ok(&policy));
    let mut fields = FormFields::for_test(&[("key", "k"), ("acl", "private"), ("content-type", "a/b, a/c")]);
    let verdict = policy.judge(&fields, "bucket", now());
    if let Ok(size) = verdict {
        assert_eq!(policy.judge(&fields, "bucket", now()), Ok(size));
        fields.add("no-policy-has-this-name", String::new()).unwrap();
        let uncovered = policy.judge(&fields, "bucket", now());
        let is_named = json.windows(8).any(|part| part == b"no-polic") || json.contains(&b'\\');
        assert!(is_named || matches!(uncovered, Err(PostPolicyError::Uncovered(_))));
    }
}

fn check(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    form(*choice, rest);
    policy(rest);
    if let Some(boundary) = std::str::from_utf8(rest).ok().and_then(boundary) {
        assert!((1..=FORM_BOUNDARY_BYTES_MAX).contains(&boundary.len()));
    }
}

#[test]
fn no_form_is_read_in_two_ways() {
    fuzz::run(&Target { name: "forms", runs: 6_000, tokens: &TOKENS, law: &check });
}
