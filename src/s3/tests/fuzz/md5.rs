//! Any bytes as `Content-MD5`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use crate::s3::Code;
use crate::s3::body::content_md5;
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 12] = [
    "1B2M2Y8AsgTpgAmy7PhCfg==",
    "AAAAAAAAAAAAAAAAAAAAAA==",
    "d41d8cd98f00b204e9800998ecf8427e",
    "AAAA",
    "/+",
    "-_",
    "==",
    "=",
    "\t",
    " ",
    "\n",
    "\u{e4}",
];

/// A digest has one way to be written, but for white space around it; everything else is refused, and nothing that was
/// sent is taken for nothing. Two lines are two headers: the first counts.
fn check(input: &[u8]) {
    let mut headers = HeaderMap::new();
    let lines = input.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    for line in lines {
        headers.append("content-md5", line);
    }
    let Some(first) = headers.get("content-md5") else {
        assert!(content_md5(&headers).is_ok_and(|md5| md5.is_none()));
        return;
    };
    match content_md5(&headers) {
        Ok(Some(md5)) => assert_eq!(STANDARD.encode(md5).as_bytes(), first.as_bytes().trim_ascii()),
        Ok(None) => panic!("a claim that was dropped"),
        Err(error) => {
            assert_eq!(error.code, Code::InvalidDigest);
            let written = STANDARD.decode(first.as_bytes().trim_ascii());
            assert!(written.is_err() || written.is_ok_and(|bytes| bytes.len() != 16), "a digest that was refused");
            // What is shown goes into a document of XML, whatever it was.
            let document = error.document("/", "R", "H");
            let mut reader = quick_xml::Reader::from_str(&document);
            while reader.read_event().expect("a document") != quick_xml::events::Event::Eof {}
        }
    }
    // What is written is read, whatever 16 bytes it is of.
    let mut md5 = [0; 16];
    let known = input.len().min(16);
    md5[..known].copy_from_slice(&input[..known]);
    let value = HeaderValue::from_str(&STANDARD.encode(md5)).expect("base64 is a header");
    let headers = HeaderMap::from_iter([(http::HeaderName::from_static("content-md5"), value)]);
    assert_eq!(content_md5(&headers).ok().flatten(), Some(md5));
}

#[test]
fn a_digest_is_written_in_one_way() {
    fuzz::run(&Target { name: "md5", runs: 6_000, tokens: &TOKENS, law: &check });
}
