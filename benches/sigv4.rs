//! What the verdict over a typical header-signed PUT costs, against the HMAC of its string to sign alone: the part
//! that nobody can leave out. Both run in turns within one process; the table shows medians.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints, and stops at the first error")]

mod measure;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::{SigningParams, calculate_signature, generate_signing_key};
use http::request::Parts;
use measure::{median, record};
use sha2::{Digest as _, Sha256};
use sluicegate::auth::{AuthSettings, SecretKey, SecretLookup, Verdict, verify};
use sluicegate::types::Timestamp;

const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const OPERATIONS: u32 = 20_000;
const RUNS: usize = 9;

struct OneKey(Arc<SecretKey>);

impl SecretLookup for OneKey {
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
        (access_key_id == ACCESS_KEY_ID).then(|| Arc::clone(&self.0))
    }
}

fn signed_put(now: Timestamp) -> Parts {
    let url = "http://127.0.0.1:9000/backups/data/4f/4f1c0a9b3e?partNumber=7&uploadId=0005f2b8c1&x-id=UploadPart";
    let headers = [
        ("host", "127.0.0.1:9000"),
        ("content-type", "application/octet-stream"),
        ("content-length", "8388608"),
        ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-sdk-checksum-algorithm", "CRC64NVME"),
        ("amz-sdk-request", "attempt=1"),
        ("accept-encoding", "identity"),
    ];
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
    let signable = SignableRequest::new("PUT", url, headers.into_iter(), SignableBody::UnsignedPayload).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = http::Request::builder().method("PUT").uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let mut request = request.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

fn time_of(mut operation: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..OPERATIONS {
        operation();
    }
    start.elapsed()
}

fn main() {
    let now = Timestamp::from_seconds(1_709_208_000);
    let head = signed_put(now);
    let keys = OneKey(Arc::new(SecretKey::new(SECRET)));
    let settings = AuthSettings { region: "us-east-1".to_owned(), allow_v2: false, domains: Vec::new() };
    assert!(matches!(verify(&head, &keys, &settings, now), Ok(Verdict::Signed(_))));

    let digest = hex::encode(Sha256::digest("a canonical request"));
    let string_to_sign =
        format!("AWS4-HMAC-SHA256\n20240229T120000Z\n20240229/us-east-1/s3/aws4_request\n{digest}").into_bytes();
    let key = generate_signing_key(SECRET, now.to_system_time(), "us-east-1", "s3");
    let (mut verdicts, mut macs, mut derived, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let verdict = time_of(|| drop(black_box(verify(black_box(&head), &keys, &settings, now))));
        let mac = time_of(|| drop(black_box(calculate_signature(black_box(&key), black_box(&string_to_sign)))));
        let chain = time_of(|| {
            let key = generate_signing_key(black_box(SECRET), now.to_system_time(), "us-east-1", "s3");
            drop(black_box(calculate_signature(key, black_box(&string_to_sign))));
        });
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(OPERATIONS);
        verdicts.push(micros(verdict));
        macs.push(micros(mac));
        derived.push(micros(chain));
        ratios.push(verdict.as_secs_f64() / mac.as_secs_f64());
    }
    println!("{:<44} {:>10} {:>12}", "what", "µs each", "per second");
    for (what, values) in [
        ("verdict over a signed PUT (key cached)", verdicts.clone()),
        ("HMAC of its string to sign", macs.clone()),
        ("key derivation and HMAC (no cache)", derived),
    ] {
        let micros = median(values);
        println!("{what:<44} {micros:>10.2} {:>12.0}", 1e6 / micros);
    }
    let (verdict, mac) = (median(verdicts), median(macs));
    record::row("signature of a PUT", "key in the cache", "µs CPU", verdict, Some((mac, "one HMAC")));
    println!("verdict / bare HMAC: {:.2} (median of {RUNS} paired runs)", median(ratios));
}
