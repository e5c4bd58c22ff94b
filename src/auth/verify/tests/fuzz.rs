//! Any request, signed by the signer of the aws-sigv4 crate, which shares no code with our canonical request: its
//! signature holds, and holds for nothing that means something else.
//!
//! S3 is not as other services of AWS: the path is encoded once, not twice, and nothing in it is normalised. The signer
//! is told so, see `sign_request`. Some requests are left out because the two differ on purpose:
//! - text that is not UTF-8 behind the question mark: the signer replaces it, we keep its bytes as botocore does;
//! - tabs and text that is not ASCII in headers: the signer keeps tabs, we fold them as botocore and minio-go do.

use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::signer::{NOW, Signing, sign_request};
use super::{Verdict, judge};
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 24] = [
    "GET\n",
    "PUT\n",
    "/bucket/key",
    "//",
    "/../",
    "/./",
    "%2F",
    "%2f",
    "%20",
    "+",
    "%2B",
    "%25",
    "%zz",
    "?",
    "&",
    "=",
    "a=1",
    "X-Amz-",
    "~",
    "*",
    "\nx-amz-meta-a:",
    "\nx-amz-acl:private",
    "  ",
    "%C3%A4",
];

/// A path, and names and values of a query.
type Meaning = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

/// What a request means: its path and its parameters, decoded once, in an order that signatures do not tell apart.
fn meaning(uri: &http::Uri) -> Meaning {
    let decode = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect();
    pairs.sort();
    (decode(uri.path()), pairs)
}

fn holds(head: &Parts) -> bool {
    matches!(judge(head, NOW), Ok(Verdict::Signed(_)))
}

fn check(input: &[u8]) -> Option<()> {
    let (choice, text) = input.split_first()?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let mut lines = text.split('\n');
    let (method, uri) = (lines.next()?, lines.next()?);
    http::Method::from_bytes(method.as_bytes()).ok()?;
    let parsed: http::Uri = format!("http://127.0.0.1:9000{uri}").parse().ok()?;
    if !uri.starts_with('/')
        || meaning(&parsed).1.iter().any(|(name, value)| {
            let is_text = std::str::from_utf8(name).is_ok() && std::str::from_utf8(value).is_ok();
            !is_text || name.starts_with(b"X-Amz-") || name == b"Signature" || name == b"AWSAccessKeyId"
        })
    {
        return None;
    }
    let ours = ["authorization", "host", "date", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"];
    let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
    let legal = headers.iter().all(|(name, value)| {
        let name = http::HeaderName::from_bytes(name.as_bytes());
        name.is_ok_and(|name| !ours.contains(&name.as_str()) && !name.as_str().starts_with("x-amz-trailer"))
            && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
    });
    if !legal {
        return None;
    }
    let presign_seconds = (choice & 1 > 0).then_some(60);
    let head = sign_request(method, uri, &headers, Signing { presign_seconds, ..Signing::default() });
    let verdict = judge(&head, NOW);
    assert!(matches!(verdict, Ok(Verdict::Signed(_))), "{} {verdict:#?}", head.uri);
    changed(&head, *choice);
    Some(())
}

/// One byte of the signed request line becomes another.
fn changed(head: &Parts, choice: u8) {
    let mut text = head.uri.to_string().into_bytes();
    let from = b"http://127.0.0.1:9000".len();
    let place = from + usize::from(choice) * 31 % (text.len() - from);
    text[place] = text[place].wrapping_add(1 + choice / 2);
    let uri = String::from_utf8(text).ok().and_then(|text| text.parse::<http::Uri>().ok());
    let Some(uri) = uri.filter(|uri| meaning(uri) != meaning(&head.uri)) else { return };
    let mut other = head.clone();
    other.uri = uri;
    assert!(!holds(&other), "{} holds for {}", head.uri, other.uri);
    let mut other = head.clone();
    other.method = http::Method::from_bytes(b"OTHER").unwrap();
    assert!(head.method == "OTHER" || !holds(&other));
}

#[test]
fn what_another_implementation_signs_holds_and_means_one_thing() {
    let law = |input: &[u8]| {
        check(input);
    };
    // Not everything is left out.
    assert_eq!(check(b"0GET\n/bucket/a%2Fb?c=d&e\nx-amz-meta-a: b  c"), Some(()));
    fuzz::run(&Target { name: "sigv4", runs: 5_000, tokens: &TOKENS, law: &law });
}
