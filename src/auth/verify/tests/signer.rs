//! Requests that the signer of the aws-sigv4 crate signs: random ones hold, and none holds once it is changed.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{ACCESS_KEY_ID, SECRET, at, judge};
use crate::auth::{AuthError, Verdict};

pub(crate) const NOW: &str = "20240229T120000Z";

/// How a request is to be signed.
pub(crate) struct Signing<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) presign_seconds: Option<u64>,
    pub(crate) body: SignableBody<'a>,
}

impl Default for Signing<'_> {
    fn default() -> Self {
        Self { region: "us-east-1", service: "s3", presign_seconds: None, body: SignableBody::UnsignedPayload }
    }
}

/// Signs as an SDK would, at `NOW`.
pub(crate) fn sign_request(method: &str, uri: &str, headers: &[(&str, &str)], signing: Signing<'_>) -> Parts {
    let identity = Credentials::new(ACCESS_KEY_ID, SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if let Some(seconds) = signing.presign_seconds {
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
    }
    let params = SigningParams::builder()
        .identity(&identity)
        .region(signing.region)
        .name(signing.service)
        .time(at(NOW).to_system_time())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let url = format!("http://127.0.0.1:9000{uri}");
    let signable = SignableRequest::new(method, url.clone(), headers.iter().copied(), signing.body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A piece of a path: any bytes, escaped the way most SDKs do it.
fn escaped() -> impl Strategy<Value = String> {
    prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| percent_encode(&bytes, ESCAPED).to_string())
}

fn queries() -> impl Strategy<Value = String> {
    let pair = (prop::string::string_regex("[a-zA-Z0-9._~%-]{0,3}").unwrap(), any::<String>());
    prop::collection::vec(pair, 0..5).prop_map(|pairs| {
        let escape = |text: &str| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
        let pairs: Vec<String> =
            pairs.iter().map(|(name, value)| format!("q{}={}", escape(name), escape(value))).collect();
        pairs.join("&")
    })
}

fn changed(mut head: Parts, uri: &str) -> Parts {
    head.uri = uri.parse().unwrap();
    head
}

proptest! {
    #[test]
    fn what_an_sdk_signs_holds_and_nothing_else(
        path in escaped(),
        query in queries(),
        value in "[ -~]{0,20}",
        presign in any::<bool>(),
    ) {
        let uri = format!("/b/{path}?{query}");
        let headers = [("x-amz-meta-a", value.as_str()), ("content-type", "a/b"), ("accept-encoding", "identity")];
        let presign_seconds = presign.then_some(60);
        let head = sign_request("PUT", &uri, &headers, Signing { presign_seconds, ..Signing::default() });
        let verdict = judge(&head, NOW);
        let signed = matches!(&verdict, Ok(Verdict::Signed(verified)) if verified.presigned == presign);
        prop_assert!(signed, "{:?} {:#?}", head.uri, verdict);

        let text = head.uri.to_string().replacen("/b/", "/c/", 1);
        let moved = judge(&changed(head.clone(), &text), NOW);
        prop_assert!(matches!(moved, Err(AuthError::SignatureMismatch(_))));
        let text = head.uri.to_string().replacen('?', "?added=1&", 1);
        let widened = judge(&changed(head.clone(), &text), NOW);
        prop_assert!(matches!(widened, Err(AuthError::SignatureMismatch(_))));
        let mut other = head.clone();
        other.method = http::Method::GET;
        prop_assert!(matches!(judge(&other, NOW), Err(AuthError::SignatureMismatch(_))));
        let mut other = head.clone();
        other.headers.append("x-amz-meta-a", http::HeaderValue::from_static("more"));
        prop_assert!(matches!(judge(&other, NOW), Err(AuthError::SignatureMismatch(_))));
        let mut other = head;
        other.headers.append("x-amz-acl", http::HeaderValue::from_static("public-read"));
        let names = vec!["x-amz-acl".to_owned()];
        prop_assert_eq!(judge(&other, NOW), Err(AuthError::HeadersNotSigned { names }));
    }

    #[test]
    fn no_head_panics(
        path in "/[!-~]{0,30}",
        authorization in prop::collection::vec(any::<u8>(), 0..80),
        scheme in prop::sample::select(vec!["", "AWS ", "AWS4-HMAC-SHA256 Credential=", "AWS4-HMAC-SHA256 "]),
        date in prop::collection::vec(any::<u8>(), 0..20),
        length in prop::collection::vec(any::<u8>(), 0..20),
        sha in prop::sample::select(vec!["STREAMING-UNSIGNED-PAYLOAD-TRAILER", "UNSIGNED-PAYLOAD", "zz", ""]),
    ) {
        let parameters = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=";
        for uri in [path.clone(), format!("{path}?{parameters}{path}"), format!("{path}?Signature={path}")] {
            let Ok(uri) = uri.parse::<http::Uri>() else { continue };
            let mut head = http::Request::new(()).into_parts().0;
            head.uri = uri;
            let full = [scheme.as_bytes(), &authorization].concat();
            let values: [(&'static str, &[u8]); 4] = [
                ("authorization", &full),
                ("x-amz-date", &date),
                ("x-amz-decoded-content-length", &length),
                ("x-amz-content-sha256", sha.as_bytes()),
            ];
            for (name, value) in values {
                if let Ok(value) = http::HeaderValue::from_bytes(value) {
                    head.headers.insert(name, value);
                }
            }
            let verdict = judge(&head, NOW);
            prop_assert!(!matches!(verdict, Ok(Verdict::Signed(_))));
        }
    }
}
