//! What it costs to decode `aws-chunked` bodies: signed 64 KiB frames against a plain SHA-256 of the same bytes, and
//! unsigned frames against a copy of them. Both run in turns within one process; the table shows medians.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first error")]

mod measure;

use std::hint::black_box;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::{SigningParams, calculate_signature, generate_signing_key};
use bytes::Bytes;
use measure::{cost, median, record};
use sha2::{Digest as _, Sha256};
use sluicegate::auth::{
    AuthSettings, ChunkedDecoder, FrameSigning, PayloadKind, SecretKey, SecretLookup, Verdict, verify,
};
use sluicegate::types::{ChecksumAlgorithm, Timestamp};

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const BODY_BYTES: usize = 64 << 20;
const FRAME_BYTES: usize = 64 << 10;
/// What one read of the socket yields.
const READ_BYTES: usize = 256 << 10;
const RUNS: usize = 7;
/// Passes over the body per run where one pass takes less than the kernel's tick.
const SHORT_PASSES: usize = 32;
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct OneKey(Arc<SecretKey>);

impl SecretLookup for OneKey {
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
        (access_key_id == ACCESS_KEY_ID).then(|| Arc::clone(&self.0))
    }
}

/// Signs the head of an upload; returns its signature and what the verdict says about its frames.
fn seed(now: Timestamp) -> (String, FrameSigning) {
    let url = "http://127.0.0.1:9000/b/k";
    let decoded_length = BODY_BYTES.to_string();
    let headers = [("host", "127.0.0.1:9000"), ("x-amz-decoded-content-length", decoded_length.as_str())];
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET, None, None, "bench").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(now.to_system_time())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let body = SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned());
    let signable = SignableRequest::new("PUT", url, headers.into_iter(), body).unwrap();
    let (instructions, signature) = sign(signable, &params).unwrap().into_parts();
    let mut request = http::Request::builder().method("PUT").uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let settings = AuthSettings { region: "us-east-1".to_owned(), allow_v2: false, domains: Vec::new() };
    let keys = OneKey(Arc::new(SecretKey::new(SECRET)));
    let Ok(Verdict::Signed(verified)) = verify(&request.into_parts().0, &keys, &settings, now) else {
        panic!("the head does not hold");
    };
    let PayloadKind::Chunked { signing: Some(signing), .. } = verified.payload else { panic!("not signed frames") };
    (signature, signing)
}

fn signed_body(data: &[u8], now: Timestamp, mut signature: String) -> Bytes {
    let key = generate_signing_key(SECRET, now.to_system_time(), "us-east-1", "s3");
    let mut body = Vec::with_capacity(data.len() + data.len() / 512);
    for frame in data.chunks(FRAME_BYTES).chain([&b""[..]]) {
        let digest = hex::encode(Sha256::digest(frame));
        let scope = "20240229T120000Z\n20240229/us-east-1/s3/aws4_request";
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{scope}\n{signature}\n{EMPTY_SHA256}\n{digest}");
        signature = calculate_signature(&key, text.as_bytes());
        body.extend(format!("{:x};chunk-signature={signature}\r\n", frame.len()).bytes());
        body.extend_from_slice(frame);
        body.extend_from_slice(b"\r\n");
    }
    Bytes::from(body)
}

fn unsigned_body(data: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(data.len() + data.len() / 512);
    for frame in data.chunks(FRAME_BYTES) {
        body.extend(format!("{:x}\r\n", frame.len()).bytes());
        body.extend_from_slice(frame);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    Bytes::from(body)
}

fn decode(mut decoder: ChunkedDecoder, body: &Bytes) {
    let mut decoded = 0;
    let mut rest = body.clone();
    while !rest.is_empty() {
        let mut read = rest.split_to(READ_BYTES.min(rest.len()));
        while let Some(piece) = decoder.decode(&mut read).unwrap() {
            decoded += black_box(piece).len();
        }
    }
    decoder.finish().unwrap();
    assert_eq!(decoded, BODY_BYTES);
}

fn compare(what: [&str; 2], passes: usize, mut decoding: impl FnMut(), mut baseline: impl FnMut()) {
    let mut decodings = || (0..passes).for_each(|_| decoding());
    let mut baselines = || (0..passes).for_each(|_| baseline());
    let runs: Vec<_> = (0..RUNS).map(|_| [cost(&mut decodings).1, cost(&mut baselines).1]).collect();
    let gigabytes = (BODY_BYTES * passes) as f64 / 1e9;
    for (name, of) in what.into_iter().zip(0..) {
        let wall = median(runs.iter().map(|run| run[of].wall_seconds));
        let cpu = median(runs.iter().map(|run| run[of].cpu_seconds));
        println!("{name:<36} {:>8.2} {:>12.4}", gigabytes / wall, cpu / gigabytes);
    }
    let ratio = median(runs.iter().map(|run| run[0].cpu_seconds / run[1].cpu_seconds));
    println!("  CPU ratio: {ratio:.4} (median of {RUNS} paired runs)");
    let ours = median(runs.iter().map(|run| run[0].cpu_seconds)) / gigabytes;
    record::row("decoding aws-chunked", what[0], "CPU-s/GB", ours, Some((ours / ratio, what[1])));
}

fn main() {
    let data: Vec<u8> = (0..BODY_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let now = Timestamp::from_seconds(1_709_208_000);
    let (signature, signing) = seed(now);
    let signed = signed_body(&data, now, signature);
    let unsigned = unsigned_body(&data);
    let length = Some(BODY_BYTES as u64);
    println!("{:<36} {:>8} {:>12}", "what", "GB/s", "CPU-s/GB");
    compare(
        ["signed 64 KiB frames", "plain SHA-256"],
        1,
        || decode(ChunkedDecoder::new(Some(signing.clone()), false, None, length), &signed),
        || {
            black_box(Sha256::digest(black_box(&data)));
        },
    );
    let mut copy = vec![0_u8; BODY_BYTES];
    compare(
        ["unsigned 64 KiB frames and trailer", "memcpy"],
        SHORT_PASSES,
        || decode(ChunkedDecoder::new(None, true, Some(ChecksumAlgorithm::Crc32), length), &unsigned),
        || {
            copy.copy_from_slice(black_box(&data));
            black_box(&mut copy);
        },
    );
}
