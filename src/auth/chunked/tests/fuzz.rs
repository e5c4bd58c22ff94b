//! Any bytes as an `aws-chunked` body, and any bytes in one.

use super::{CRC32C, ChunkedDecoder, Outcome, run, signed_body, signing};
use crate::tests::fuzz::{self, Target, pieces};
use crate::types::ChecksumAlgorithm;

const TOKENS: [&str; 16] = [
    "\r\n",
    "\n",
    "0\r\n",
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    ";chunk-signature=",
    "x-amz-checksum-crc32c:",
    "x-amz-checksum-crc32c:mnG7TA==",
    "x-amz-trailer-signature:",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "ffffffffffffffff",
    "40000000",
    "0000000000000000",
    "X-AMZ-CHECKSUM-SHA256: ",
    "\r\n\r\n",
    ";",
];

/// Neither what comes out nor the verdict depends on where the transport cuts. What was decoded before a fault may: a
/// signed frame that came in one piece is held back.
fn does_not_depend_on_cuts(decoder: &dyn Fn() -> ChunkedDecoder, body: &[u8], choice: u8) -> Outcome {
    let whole = run(decoder(), [body]);
    let cut = run(decoder(), pieces(body, choice));
    assert_eq!(whole.end, cut.end);
    match whole.end {
        Ok(_) => assert_eq!(whole.decoded, cut.decoded),
        Err(_) => assert!(cut.decoded.starts_with(&whole.decoded)),
    }
    whole
}

fn decoders_agree(form: u8, choice: u8, body: &[u8]) {
    let trailer = form & 1 > 0;
    let announced = match form >> 1 & 3 {
        _ if !trailer => None,
        0 | 1 => CRC32C,
        2 => Some(ChecksumAlgorithm::Sha256),
        _ => None,
    };
    let length = (form & 8 > 0).then_some(5);
    let seed = |signed| if signed { Some(signing("seed")) } else { None };
    let decoder = || ChunkedDecoder::new(seed(form & 16 > 0), trailer, announced, length);
    let outcome = does_not_depend_on_cuts(&decoder, body, choice);
    if outcome.end.is_ok() {
        assert!(length.is_none_or(|length| outcome.decoded.len() == length as usize));
        assert!(outcome.decoded.len() < body.len(), "frames cost something");
    }
}

/// What is signed decodes to what went in; what was changed on the way decodes to the same or to nothing.
fn signatures_hold(form: u8, choice: u8, payload: &[u8]) {
    let trailer = (form & 1 > 0).then_some("x-amz-checksum-crc32c:mnG7TA==");
    let announced = trailer.and(CRC32C);
    let frames = pieces(payload, choice.max(16));
    let body = signed_body(&frames, trailer);
    let decoder = || ChunkedDecoder::new(Some(signing("seed")), trailer.is_some(), announced, None);
    let decoded = |outcome: Outcome| outcome.end.map(|checksum| (outcome.decoded, checksum));
    let sound = decoded(does_not_depend_on_cuts(&decoder, &body, choice)).expect("it is signed");
    assert_eq!(sound.0, payload);
    let mut tampered = body;
    let at = payload.iter().fold(usize::from(choice), |at, byte| at * 31 % 65_521 + usize::from(*byte));
    let place = at % tampered.len();
    tampered[place] ^= 1 << (form >> 5);
    if let Ok(outcome) = decoded(does_not_depend_on_cuts(&decoder, &tampered, choice)) {
        assert_eq!(outcome, sound, "byte {place} was changed");
    }
}

#[test]
fn no_body_is_read_in_two_ways() {
    let law = |input: &[u8]| {
        let [form, choice, body @ ..] = input else { return };
        decoders_agree(*form, *choice, body);
        signatures_hold(*form, *choice, &body[..body.len().min(512)]);
    };
    fuzz::run(&Target { name: "chunked", runs: 6_000, tokens: &TOKENS, law: &law });
}
