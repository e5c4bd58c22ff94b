//! Why signatures do not match: each way in which proxies and clients break them is found by name, and a wrong secret
//! is none of them.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};

use super::signer::{NOW, Signing, sign_request};
use super::{ExampleKey, at, judge};
use crate::auth::{AuthError, Mismatch, PathChange, Suspicion, claimed_key_id, diagnose, signed_but_missing};

const HEADERS: [(&str, &str); 3] =
    [("host", "127.0.0.1:9000"), ("accept-encoding", "identity"), ("expect", "100-continue")];

fn signed(uri: &str) -> Parts {
    sign_request("PUT", uri, &HEADERS, Signing::default())
}

fn set(head: &mut Parts, name: &'static str, value: &'static str) {
    head.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
}

fn mismatch(head: &Parts) -> Mismatch {
    match judge(head, NOW) {
        Err(AuthError::SignatureMismatch(mismatch)) => *mismatch,
        other => panic!("a mismatch: {other:?}"),
    }
}

fn found(head: &Parts) -> Option<Suspicion> {
    diagnose(&mismatch(head), head, &ExampleKey, &["s3.example.com:9443".to_owned()], at(NOW))
}

/// What is found when a request for one path arrives with another.
fn path_change(sent: &str, arrived: &str) -> Option<PathChange> {
    let mut head = signed(sent);
    head.uri = arrived.parse().unwrap();
    match found(&head) {
        Some(Suspicion::Path { how, .. }) => Some(how),
        Some(other) => panic!("{sent} as {arrived}: {other:?}"),
        None => None,
    }
}

#[test]
fn a_host_that_a_proxy_changed_is_found() {
    for (further, value) in [
        ("x-forwarded-host", "127.0.0.1:9000"),
        ("x-forwarded-host", "127.0.0.1:9000, inner"),
        ("forwarded", "for=10.0.0.1;host=\"127.0.0.1:9000\";proto=http"),
    ] {
        let mut head = signed("/b/k");
        set(&mut head, "host", "backend:8080");
        assert_eq!(found(&head), None, "nothing says what it was");
        set(&mut head, further, value);
        assert_eq!(found(&head), Some(Suspicion::Host { signed: "127.0.0.1:9000".to_owned() }), "{further}");
    }
    let mut head = sign_request("GET", "/b/k", &[("host", "s3.example.com")], Signing::default());
    set(&mut head, "host", "10.0.0.7:9000");
    assert_eq!(found(&head), Some(Suspicion::Host { signed: "s3.example.com".to_owned() }), "a name that we know");
    let mut head = sign_request("GET", "/b/k", &[("host", "h:443")], Signing::default());
    set(&mut head, "host", "h");
    assert_eq!(found(&head), Some(Suspicion::Host { signed: "h:443".to_owned() }), "a port that went");
}

#[test]
fn a_path_that_was_written_in_another_way_is_found() {
    assert_eq!(path_change("/b/a%2520b", "/b/a%20b"), Some(PathChange::SignedTwiceEscaped));
    assert_eq!(path_change("/b/a%20b", "/b/a%2520b"), Some(PathChange::EscapedAgain));
    assert_eq!(path_change("/b/a%2Bb", "/b/a%20b"), Some(PathChange::PlusForSpace));
    assert_eq!(path_change("/b/a%20b", "/b/a+b"), Some(PathChange::PlusForSpace));
    assert_eq!(path_change("/b//k", "/b/k"), Some(PathChange::Slashes));
    assert_eq!(path_change("/b/k", "/b//k"), Some(PathChange::Slashes));
    assert_eq!(path_change("/b/k/", "/b/k"), Some(PathChange::LastSlash));
    assert_eq!(path_change("/b/k", "/b/other"), None);
    let mut head = signed("/s3/b/k");
    head.uri = "/b/k".parse().unwrap();
    set(&mut head, "x-forwarded-prefix", "/s3/");
    let expected = Suspicion::Path { signed: "/s3/b/k".to_owned(), how: PathChange::Prefix };
    assert_eq!(found(&head), Some(expected));
}

#[test]
fn other_changes_on_the_way_are_found() {
    let mut head = signed("/b/k?x=1");
    head.uri = "/b/k?x=1&utm=2".parse().unwrap();
    assert_eq!(found(&head), Some(Suspicion::ParameterAdded { name: "utm".to_owned() }));
    let mut head = signed("/b/k?x=a%2Bb");
    head.uri = "/b/k?x=a+b".parse().unwrap();
    assert_eq!(found(&head), Some(Suspicion::QueryEscaped { signed: "x=a%2Bb".to_owned() }));
    let mut head = signed("/b/k");
    set(&mut head, "accept-encoding", "gzip, br");
    let expected = Suspicion::Header { name: "accept-encoding".to_owned(), signed: "identity".to_owned() };
    assert_eq!(found(&head), Some(expected));
    let mut head = signed("/b/k");
    head.headers.remove("expect");
    assert_eq!(signed_but_missing(&mismatch(&head), &head), ["expect"]);
    let expected = Suspicion::Header { name: "expect".to_owned(), signed: "100-continue".to_owned() };
    assert_eq!(found(&head), Some(expected));
    let mut head = sign_request("HEAD", "/b/k", &HEADERS, Signing::default());
    head.method = Method::GET;
    assert_eq!(found(&head), Some(Suspicion::Method { signed: "HEAD" }));
}

#[test]
fn nothing_is_found_where_the_signature_is_just_wrong() {
    let mut head = signed("/b/k");
    let authorization = head.headers["authorization"].to_str().unwrap().to_owned();
    let (start, _) = authorization.split_once("Signature=").unwrap();
    let wrong = format!("{start}Signature={}", "0".repeat(64));
    head.headers.insert("authorization", HeaderValue::try_from(wrong).unwrap());
    assert_eq!(found(&head), None);
    assert!(signed_but_missing(&mismatch(&head), &head).is_empty());
}

#[test]
fn the_claimed_key_is_told_of_every_kind_of_signature() {
    let of = |authorization: &'static str, uri: &str| {
        let mut head = http::Request::new(()).into_parts().0;
        head.uri = uri.parse().unwrap();
        if !authorization.is_empty() {
            set(&mut head, "authorization", authorization);
        }
        claimed_key_id(&head)
    };
    assert_eq!(of("AWS4-HMAC-SHA256 Credential=ID/20240229/r/s3/aws4_request, x", "/"), Some("ID".to_owned()));
    assert_eq!(of("AWS ID:sig", "/"), Some("ID".to_owned()));
    assert_eq!(of("", "/?X-Amz-Credential=ID%2F20240229%2Fr"), Some("ID".to_owned()));
    assert_eq!(of("", "/?AWSAccessKeyId=ID"), Some("ID".to_owned()));
    assert_eq!(of("Basic c2VjcmV0", "/"), None);
}
