mod fuzz;

use aws_sigv4::sign::v4::calculate_signature;
use bytes::Bytes;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use sha2::{Digest as _, Sha256};

use super::{ChunkedDecoder, ChunkedError, EMPTY_SHA256};
use crate::auth::signing_key::{KeyScope, SigningKey};
use crate::auth::{FrameSigning, SecretKey};
use crate::limits::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES_MAX, TRAILER_BYTES_MAX};
use crate::types::{ChecksumAlgorithm, ChecksumValue, Timestamp};

const CRC32C: Option<ChecksumAlgorithm> = Some(ChecksumAlgorithm::Crc32c);
const TIMESTAMP: &str = "20130524T000000Z";

fn signing(seed_signature: &str) -> FrameSigning {
    let scope = KeyScope {
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        time: Timestamp::parse_amz_basic(TIMESTAMP).unwrap(),
        region: "us-east-1",
        service: "s3",
    };
    let secret = SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    FrameSigning {
        signing_key: SigningKey::derive(&secret, &scope),
        scope: "20130524/us-east-1/s3/aws4_request".to_owned(),
        timestamp: TIMESTAMP.to_owned(),
        seed_signature: seed_signature.to_owned(),
    }
}

/// Signs frames as a client does, for the tests that need bodies of their own.
fn signed_body(frames: &[&[u8]], trailer: Option<&str>) -> Vec<u8> {
    let mut signing = signing("seed");
    let mut body = Vec::new();
    let sign = |signing: &mut FrameSigning, kind: &str, middle: &str, bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        let FrameSigning { scope, timestamp, seed_signature, .. } = &*signing;
        let text = format!("AWS4-HMAC-SHA256-{kind}\n{timestamp}\n{scope}\n{seed_signature}\n{middle}{digest}");
        signing.seed_signature = calculate_signature(signing.signing_key.expose(), text.as_bytes());
    };
    for frame in frames.iter().copied().chain([&b""[..]]) {
        sign(&mut signing, "PAYLOAD", &format!("{EMPTY_SHA256}\n"), frame);
        body.extend(format!("{:x};chunk-signature={}\r\n", frame.len(), signing.seed_signature).bytes());
        body.extend_from_slice(frame);
        if !frame.is_empty() || trailer.is_none() {
            body.extend_from_slice(b"\r\n");
        }
    }
    if let Some(trailer) = trailer {
        sign(&mut signing, "TRAILER", "", format!("{trailer}\n").as_bytes());
        body.extend(format!("{trailer}\r\nx-amz-trailer-signature:{}\r\n\r\n", signing.seed_signature).bytes());
    }
    body
}

struct Outcome {
    decoded: Vec<u8>,
    end: Result<Option<ChecksumValue>, ChunkedError>,
}

/// Feeds `pieces` one after the other.
fn run<'a>(mut decoder: ChunkedDecoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut decoded = Vec::new();
    for piece in pieces {
        let mut input = Bytes::copy_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(bytes)) => decoded.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(fault) => {
                    assert_eq!(decoder.decode(&mut input), Err(fault.clone()), "a fault stays");
                    assert_eq!(decoder.finish(), Err(fault.clone()));
                    assert_eq!(decoder.trailer_checksum(), None);
                    return Outcome { decoded, end: Err(fault) };
                }
            }
        }
        assert!(input.is_empty(), "the decoder asks for more only when it has taken everything");
    }
    let end = decoder.finish().map(|()| decoder.trailer_checksum());
    Outcome { decoded, end }
}

fn unsigned(trailer_checksum: Option<ChecksumAlgorithm>, decoded_length: Option<u64>) -> ChunkedDecoder {
    ChunkedDecoder::new(None, true, trailer_checksum, decoded_length)
}

fn unsigned_fault(body: impl AsRef<[u8]>) -> ChunkedError {
    run(unsigned(CRC32C, None), [body.as_ref()]).end.unwrap_err()
}

fn crc32c(base64: &str) -> ChecksumValue {
    ChecksumValue::parse(ChecksumAlgorithm::Crc32c, base64).unwrap()
}

/// The frames of the documented examples: 64 KiB and 1 KiB of `a`.
fn documented(signatures: [&str; 3]) -> Vec<u8> {
    let [first, second, last] = signatures;
    let mut body = format!("10000;chunk-signature={first}\r\n").into_bytes();
    body.extend([b'a'; 65_536]);
    body.extend(format!("\r\n400;chunk-signature={second}\r\n").bytes());
    body.extend([b'a'; 1024]);
    body.extend(format!("\r\n0;chunk-signature={last}\r\n").bytes());
    body
}

fn documented_plain() -> Vec<u8> {
    let mut body = documented([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    body.extend_from_slice(b"\r\n");
    body
}

fn documented_decoder() -> ChunkedDecoder {
    let seed = signing("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    ChunkedDecoder::new(Some(seed), false, None, Some(66_560))
}

#[test]
fn the_documented_signed_body_holds() {
    let body = documented_plain();
    assert_eq!(body.len(), 66_824);
    let outcome = run(documented_decoder(), [body.as_slice()]);
    assert_eq!(outcome.end, Ok(None));
    assert_eq!(outcome.decoded, [b'a'; 66_560]);
}

#[test]
fn the_documented_signed_trailer_holds() {
    let frames = documented([
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]);
    let signature = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435";
    let decoder = || {
        let seed = signing("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
        ChunkedDecoder::new(Some(seed), true, CRC32C, Some(66_560))
    };
    // As documented, as minio-go ends its lines, and with a space and capitals in it.
    for trailer in [
        format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\n\r\n"),
        format!("x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:{signature}\r\n\r\n"),
        format!("X-Amz-Checksum-Crc32c: sOO8/Q==\r\nX-Amz-Trailer-Signature: {signature}\r\n\r\n\r\n"),
    ] {
        let outcome = run(decoder(), [frames.as_slice(), trailer.as_bytes()]);
        assert_eq!(outcome.end, Ok(Some(crc32c("sOO8/Q=="))), "{trailer}");
        assert_eq!(outcome.decoded.len(), 66_560);
    }
    for (trailer, fault) in [
        (
            format!("x-amz-checksum-crc32c:sOO8/A==\r\nx-amz-trailer-signature:{signature}\r\n\r\n"),
            ChunkedError::TrailerSignatureMismatch,
        ),
        (format!("x-amz-trailer-signature:{signature}\r\n\r\n"), ChunkedError::TrailerSignatureMismatch),
        (
            format!("x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:{signature}\r\nx-amz-meta-a:b\r\n\r\n"),
            ChunkedError::UnexpectedTrailer { name: "x-amz-meta-a".to_owned() },
        ),
        ("x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n".to_owned(), ChunkedError::Incomplete),
    ] {
        let outcome = run(decoder(), [frames.as_slice(), trailer.as_bytes()]);
        assert_eq!(outcome.end, Err(fault), "{trailer}");
    }
}

#[test]
fn a_frame_that_was_changed_is_refused_at_its_end() {
    let mut body = documented_plain();
    let first = body.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    body[first + 70] = b'b';
    let outcome = run(documented_decoder(), body.chunks(1000));
    assert_eq!(outcome.end, Err(ChunkedError::FrameSignatureMismatch { frame: 0 }));
    assert!(outcome.decoded.len() < 65_536, "the last piece of a bad frame never leaves");

    let frames: [&[u8]; 3] = [b"one", b"two", b"three"];
    let body = signed_body(&frames, None);
    let decoder = || ChunkedDecoder::new(Some(signing("seed")), false, None, Some(11));
    assert_eq!(run(decoder(), [body.as_slice()]).end, Ok(None));
    // The last, empty frame is signed like the others: without it a body could be cut at any frame.
    let text = String::from_utf8(body).unwrap();
    let last = text.rfind("chunk-signature=").unwrap() + 16;
    let forged = format!("{}{}{}", &text[..last], "0".repeat(64), &text[last + 64..]);
    assert_eq!(run(decoder(), [forged.as_bytes()]).end, Err(ChunkedError::FrameSignatureMismatch { frame: 3 }));
    // Frames cannot change places.
    let swapped = text.replace("one", "???").replace("two", "one").replace("???", "two");
    assert_eq!(run(decoder(), [swapped.as_bytes()]).end, Err(ChunkedError::FrameSignatureMismatch { frame: 0 }));
    let unsigned = run(decoder(), [&b"3\r\none\r\n0\r\n\r\n"[..]]);
    assert_eq!(unsigned.end, Err(ChunkedError::Malformed("a frame has no signature")));
}

#[test]
fn an_empty_part_of_37_bytes_holds() {
    let body = b"0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n";
    assert_eq!(body.len(), 37);
    let outcome = run(unsigned(CRC32C, Some(0)), [&body[..]]);
    assert_eq!((outcome.decoded.len(), outcome.end), (0, Ok(Some(crc32c("AAAAAA==")))));
}

#[test]
fn unsigned_frames_and_the_line_ends_of_every_sdk_hold() {
    for body in [
        "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\n\r\n\r\n",
        "B\r\nhello world\r\n0\r\nx-amz-checksum-crc32c: yZRlqg== \n\n",
        "00b;ext=1\r\nhello world\r\n000\r\nX-AMZ-CHECKSUM-CRC32C:yZRlqg==\r\n\r\n",
    ] {
        let outcome = run(unsigned(CRC32C, Some(11)), [body.as_bytes()]);
        assert_eq!(outcome.decoded, b"hello world");
        assert_eq!(outcome.end, Ok(Some(crc32c("yZRlqg=="))), "{body:?}");
    }
    assert_eq!(run(unsigned(None, None), [&b"1\r\na\r\n0\r\n\r\n"[..]]).end, Ok(None));
}

#[test]
fn only_the_announced_trailer_is_taken_and_only_once() {
    let unexpected = |name: &str| ChunkedError::UnexpectedTrailer { name: name.to_owned() };
    let fault = |trailer: &str| unsigned_fault(format!("0\r\n{trailer}"));
    assert_eq!(fault("x-amz-checksum-crc32:AAAAAA==\r\n\r\n"), unexpected("x-amz-checksum-crc32"));
    let twice = "x-amz-checksum-crc32c:AAAAAA==\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n";
    assert_eq!(fault(twice), unexpected("x-amz-checksum-crc32c"));
    assert_eq!(fault("x-amz-trailer-signature:00\r\n\r\n"), unexpected("x-amz-trailer-signature"));
    let crc32 =
        run(unsigned(Some(ChecksumAlgorithm::Crc32), None), [&b"0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n"[..]]);
    assert_eq!(crc32.end, Err(unexpected("x-amz-checksum-crc32c")), "a prefix is not the name");
    let nothing = run(unsigned(None, None), [&b"0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n"[..]]);
    assert_eq!(nothing.end, Err(unexpected("x-amz-checksum-crc32c")));
    let algorithm = ChecksumAlgorithm::Crc32c;
    assert_eq!(fault("\r\n"), ChunkedError::MissingTrailer { algorithm });
    for value in ["", "AAAA", "not base64", "AAAAAAAAAAA="] {
        let trailer = format!("x-amz-checksum-crc32c:{value}\r\n\r\n");
        assert_eq!(fault(&trailer), ChunkedError::InvalidTrailerValue { algorithm });
    }
    assert_eq!(fault("no colon\r\n\r\n"), ChunkedError::MalformedTrailer);
    assert_eq!(unsigned_fault(b"0\r\n\xff:\r\n\r\n"), ChunkedError::MalformedTrailer);
    assert_eq!(fault(&"x".repeat(TRAILER_BYTES_MAX + 1)), ChunkedError::TrailerTooLong);
    // Signed trailers may have empty lines before the signature; they count, too.
    let body = signed_body(&[], None);
    let decoder = ChunkedDecoder::new(Some(signing("seed")), true, None, None);
    let flood = "\r\n".repeat(TRAILER_BYTES_MAX);
    assert_eq!(run(decoder, [body.as_slice(), flood.as_bytes()]).end, Err(ChunkedError::TrailerTooLong));
}

#[test]
fn lengths_are_compared_as_soon_as_they_can_be() {
    let fault = |announced: u64, body: &str| run(unsigned(None, Some(announced)), [body.as_bytes()]);
    let outcome = fault(4, "3\r\nabc\r\n2\r\n");
    assert_eq!(outcome.end, Err(ChunkedError::TooLong { announced: 4 }));
    assert_eq!(outcome.decoded, b"abc");
    let outcome = fault(4, "3\r\nabc\r\n0\r\n");
    assert_eq!(outcome.end, Err(ChunkedError::TooShort { announced: 4, decoded: 3 }));
    assert_eq!(
        unsigned_fault(format!("{:x}\r\n", FRAME_BYTES_MAX + 1)),
        ChunkedError::FrameTooLarge { bytes: FRAME_BYTES_MAX + 1 }
    );
}

#[test]
fn what_is_not_aws_chunked_is_refused() {
    for body in ["\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", "1 \r\n", ";a\r\n", "00000000000000001\r\n"] {
        assert_eq!(unsigned_fault(body), ChunkedError::Malformed("a frame header has no size"), "{body:?}");
    }
    assert_eq!(unsigned_fault("1\na"), ChunkedError::Malformed("a frame header does not end with CR LF"));
    for body in ["1\r\nab", "1\r\nabc\r\n", "1\r\na\n0\r\n", "1\r\na\r\rb"] {
        assert_eq!(unsigned_fault(body), ChunkedError::Malformed("a frame is longer than it says"), "{body:?}");
    }
    let long = format!("1;{}", "x".repeat(FRAME_HEADER_BYTES_MAX));
    assert_eq!(unsigned_fault(&long), ChunkedError::FrameHeaderTooLong);
    let trickled = run(unsigned(None, None), long.as_bytes().chunks(1));
    assert_eq!(trickled.end, Err(ChunkedError::FrameHeaderTooLong));
    let end = "0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n";
    for more in ["0\r\n", "\r\n\r\n", "\n", "x"] {
        assert_eq!(unsigned_fault(format!("{end}{more}")), ChunkedError::DataAfterEnd, "{more:?}");
    }
    let plain = [documented_plain(), b"\r\n".to_vec()].concat();
    assert_eq!(run(documented_decoder(), [plain.as_slice()]).end, Err(ChunkedError::DataAfterEnd));
}

#[test]
fn a_body_that_is_cut_anywhere_is_incomplete() {
    let signed = signed_body(&[b"hello", b" world"], Some("x-amz-checksum-crc32c:yZRlqg=="));
    for cut in 0..signed.len() {
        let decoder = ChunkedDecoder::new(Some(signing("seed")), true, CRC32C, Some(11));
        assert_eq!(run(decoder, [&signed[..cut]]).end, Err(ChunkedError::Incomplete), "{cut}");
    }
    let plain = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n";
    for cut in 0..plain.len() {
        assert_eq!(run(unsigned(CRC32C, None), [&plain[..cut]]).end, Err(ChunkedError::Incomplete), "{cut}");
    }
}

#[test]
fn decoded_pieces_are_slices_of_the_input() {
    let mut input = Bytes::from_static(b"5\r\nhello\r\n0\r\n\r\n");
    let data = input[3..].as_ptr();
    let piece = unsigned(None, None).decode(&mut input).unwrap().unwrap();
    assert_eq!((piece.as_ptr(), &piece[..]), (data, &b"hello"[..]));
}

proptest! {
    #[test]
    fn any_split_of_the_input_decodes_to_the_same(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
        splits in prop::collection::vec(1_usize..50, 1..40),
    ) {
        let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let body = signed_body(&slices, Some("x-amz-checksum-crc32c:yZRlqg=="));
        let whole = frames.concat();
        let mut pieces = Vec::new();
        let (mut rest, mut turn) = (body.as_slice(), splits.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*turn.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        let decoder = ChunkedDecoder::new(Some(signing("seed")), true, CRC32C, Some(whole.len() as u64));
        let outcome = run(decoder, pieces);
        prop_assert_eq!(outcome.decoded, whole);
        prop_assert_eq!(outcome.end, Ok(Some(crc32c("yZRlqg=="))));
    }

    #[test]
    fn one_changed_byte_never_passes_for_the_same_body(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut body = signed_body(&[b"hello", b" world"], Some("x-amz-checksum-crc32c:yZRlqg=="));
        let at = at.index(body.len());
        body[at] ^= flip;
        let decoder = ChunkedDecoder::new(Some(signing("seed")), true, CRC32C, Some(11));
        let outcome = run(decoder, [body.as_slice()]);
        if outcome.end.is_ok() {
            prop_assert_eq!(outcome.decoded, b"hello world", "only spelling may change: case, spaces");
            prop_assert_eq!(outcome.end, Ok(Some(crc32c("yZRlqg=="))));
        }
    }

    #[test]
    fn no_input_panics_and_no_line_outgrows_its_bound(
        pieces in prop::collection::vec(
            prop::sample::select(vec!["0", "5", "\r\n", "\n", "\r", ";", "chunk-signature=", "hello", ":", "\u{ff}",
                "x-amz-checksum-crc32c", "AAAAAA==", "x-amz-trailer-signature", "ffffffffffffffff", " "]),
            0..40,
        ),
        noise in prop::collection::vec(any::<u8>(), 0..200),
        with_signing in any::<bool>(),
        trailer in any::<bool>(),
    ) {
        let signing = with_signing.then(|| signing("seed"));
        let mut decoder = ChunkedDecoder::new(signing, trailer, CRC32C, None);
        for piece in pieces.iter().map(|piece| piece.as_bytes()).chain([noise.as_slice()]) {
            let mut input = Bytes::copy_from_slice(piece);
            while let Ok(Some(bytes)) = decoder.decode(&mut input) {
                prop_assert!(!bytes.is_empty());
            }
            prop_assert!(decoder.line.len() <= TRAILER_BYTES_MAX);
        }
        let _ = decoder.finish();
    }
}
