//! Signature Version 2: the `Authorization: AWS …` header and presigned URLs. botocore still presigns with it for
//! custom endpoints in some regions.
//!
//! Source: Amazon S3 User Guide, "Signing and Authenticating REST Requests (AWS signature version 2)". Knows nothing
//! of bodies.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

use crate::auth::error::Mismatch;
use crate::auth::head::{Head, parse_date_header};
use crate::auth::payload::{Promise, payload_kind};
use crate::auth::secret::ClaimedKey;
use crate::auth::{AuthError, AuthSettings, SecretLookup, Verified};
use crate::limits::CLOCK_SKEW_SECONDS_MAX;
use crate::types::Timestamp;

/// The token of a session.
const TOKEN: &str = "x-amz-security-token";
/// Query parameters that are part of the canonical resource: those that AWS documents, and those that botocore and
/// minio-go sign beyond. Sorted, as they are signed.
const SUB_RESOURCES: [&str; 38] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Verifies an `Authorization: AWS AKID:signature` header.
pub(super) fn verify_header(
    head: &Head<'_>,
    authorization: &str,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let pair = authorization.strip_prefix("AWS ").and_then(|pair| pair.trim().rsplit_once(':'));
    let (access_key_id, signature) = pair.ok_or(AuthError::MalformedV2Authorization)?;
    if access_key_id.is_empty() || signature.is_empty() {
        return Err(AuthError::MalformedV2Authorization);
    }
    let (date, amz_date) = (head.header("date")?, head.header("x-amz-date")?);
    let text = amz_date.or(date).ok_or(AuthError::MissingDate)?;
    let time = parse_date(text).ok_or(AuthError::MalformedDate)?;
    if (now.seconds() - time.seconds()).abs() > CLOCK_SKEW_SECONDS_MAX {
        return Err(AuthError::RequestTimeTooSkewed { request_time: time, server_time: now });
    }
    // A date that stands among the x-amz headers is signed there; the date line is then empty.
    let date_line = if amz_date.is_some() { "" } else { text };
    let claim = Claim { access_key_id, signature, date_line, presigned: false, signed_at: Some(time), now };
    verify_claim(head, &claim, keys, settings)
}

/// Verifies the `AWSAccessKeyId`, `Expires` and `Signature` parameters of a presigned URL.
pub(super) fn verify_query(
    head: &Head<'_>,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let required = |name| head.parameter(name)?.ok_or(AuthError::MissingV2Parameter { name });
    let access_key_id = required("AWSAccessKeyId")?;
    let expires_text = required("Expires")?;
    let signature = required("Signature")?;
    let digits = !expires_text.is_empty() && expires_text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = expires_text.parse::<i64>().ok().filter(|_| digits);
    let seconds = seconds.ok_or_else(|| AuthError::MalformedV2Expires { value: expires_text.to_owned() })?;
    let expires = Timestamp::from_seconds(seconds);
    if now > expires {
        return Err(AuthError::Expired { expires_seconds: None, expires, server_time: now });
    }
    let claim = Claim { access_key_id, signature, date_line: expires_text, presigned: true, signed_at: None, now };
    verify_claim(head, &claim, keys, settings)
}

/// What a request claims, before its signature is checked.
struct Claim<'a> {
    access_key_id: &'a str,
    signature: &'a str,
    /// The fourth line of the string to sign: the date, nothing, or when the URL expires.
    date_line: &'a str,
    presigned: bool,
    signed_at: Option<Timestamp>,
    now: Timestamp,
}

fn verify_claim(
    head: &Head<'_>,
    claim: &Claim<'_>,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
) -> Result<Verified, AuthError> {
    // A token in the query of a presigned URL is signed like the header that it would be.
    let token = match (head.header(TOKEN)?, head.parameter(TOKEN)?) {
        (Some(_), Some(_)) => return Err(AuthError::SecurityToken),
        (None, Some(_)) if !claim.presigned => return Err(AuthError::SecurityToken),
        (header, parameter) => header.or(parameter).filter(|token| !token.is_empty()),
    };
    let secret = ClaimedKey { access_key_id: claim.access_key_id, token, now: claim.now }.secret(keys)?;
    let holds = |string_to_sign: &[u8]| {
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes keys of any length");
        mac.update(string_to_sign);
        let computed = BASE64.encode(mac.finalize().into_bytes());
        bool::from(computed.as_bytes().ct_eq(claim.signature.as_bytes()))
    };
    let string_to_sign = string_to_sign(head, claim, settings, PathEnd::AsSent);
    let slashed = || self::string_to_sign(head, claim, settings, PathEnd::Slash);
    let verified = holds(&string_to_sign) || names_a_bucket(head.raw_path()) && holds(&slashed());
    if !verified {
        return Err(AuthError::SignatureMismatch(Box::new(Mismatch {
            access_key_id: claim.access_key_id.to_owned(),
            string_to_sign: String::from_utf8_lossy(&string_to_sign).into_owned(),
            signature_provided: claim.signature.to_owned(),
            canonical_request: None,
            host: head.host().to_owned(),
        })));
    }
    let promise = Promise::parse_optional(head.header("x-amz-content-sha256")?)?;
    let payload = payload_kind(head, promise, None)?;
    let (access_key_id, token) = (claim.access_key_id.to_owned(), token.map(str::to_owned));
    Ok(Verified { access_key_id, token, payload, presigned: claim.presigned, signed_at: claim.signed_at })
}

/// How the path ends in the canonical resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathEnd {
    /// As it was sent.
    AsSent,
    /// With a slash: botocore signs `/bucket/` also where it sends `/bucket`. Both name the bucket.
    Slash,
}

/// Whether a path is a bucket's, in path style and without a slash at its end.
fn names_a_bucket(raw_path: &str) -> bool {
    raw_path.len() > 1 && !raw_path[1..].contains('/')
}

fn string_to_sign(head: &Head<'_>, claim: &Claim<'_>, settings: &AuthSettings, end: PathEnd) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(head.parts.method.as_str().as_bytes());
    for name in ["content-md5", "content-type"] {
        text.push(b'\n');
        text.extend_from_slice(&signed_value(head, claim, name));
    }
    text.push(b'\n');
    text.extend_from_slice(claim.date_line.as_bytes());
    text.push(b'\n');
    for (name, value) in amz_headers(head, claim) {
        text.extend_from_slice(&name);
        text.push(b':');
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    push_resource(&mut text, head, settings, end);
    text
}

/// The value of a header; in a presigned URL, botocore moves the headers that it signed into the query.
fn signed_value(head: &Head<'_>, claim: &Claim<'_>, name: &str) -> Vec<u8> {
    if head.headers().contains_key(name) || !claim.presigned {
        return joined_values(head, name);
    }
    let moved = head.parameters.iter().find(|parameter| *parameter.name == *name.as_bytes());
    moved.map(|parameter| parameter.value.trim_ascii().to_vec()).unwrap_or_default()
}

/// All values of a header, each trimmed, joined with commas. Inner spaces stay: Version 2 does not fold them.
fn joined_values(head: &Head<'_>, name: &str) -> Vec<u8> {
    let values: Vec<&[u8]> = head.headers().get_all(name).iter().map(|value| value.as_bytes().trim_ascii()).collect();
    values.join(&b',')
}

/// Every `x-amz-…` header by name. In this version none can be left unsigned. A copy source is never taken from the
/// query: a request without that header is an upload, and the URL was not signed for one.
fn amz_headers(head: &Head<'_>, claim: &Claim<'_>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let names = head.headers().keys().map(|name| name.as_str().as_bytes().to_vec());
    let parameters = head.parameters.iter().filter(|_| claim.presigned).map(|parameter| parameter.name.to_vec());
    let moved = parameters.filter(|name| !name.starts_with(b"x-amz-copy-source"));
    let wanted = names.chain(moved).filter(|name| name.starts_with(b"x-amz-"));
    wanted
        .map(|name| {
            let value = std::str::from_utf8(&name).map(|text| signed_value(head, claim, text)).unwrap_or_default();
            (name, value)
        })
        .collect()
}

/// The bucket of a virtual-host request, the path as sent, and the sub-resources with their decoded values.
fn push_resource(text: &mut Vec<u8>, head: &Head<'_>, settings: &AuthSettings, end: PathEnd) {
    if let Some(bucket) = host_bucket(head.host(), &settings.domains) {
        text.push(b'/');
        text.extend_from_slice(bucket.as_bytes());
    }
    text.extend_from_slice(head.raw_path().as_bytes());
    if end == PathEnd::Slash {
        text.push(b'/');
    }
    let mut separator = b'?';
    for name in SUB_RESOURCES {
        for parameter in head.parameters.iter().filter(|parameter| *parameter.name == *name.as_bytes()) {
            text.push(separator);
            separator = b'&';
            text.extend_from_slice(name.as_bytes());
            if !parameter.value.is_empty() {
                text.push(b'=');
                text.extend_from_slice(&parameter.value);
            }
        }
    }
}

/// The bucket in front of one of our domains, in lower case as buckets are; ports do not count.
fn host_bucket(host: &str, domains: &[String]) -> Option<String> {
    let without_port = |text: &str| {
        let port = text.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        port.map_or(text, |(name, _)| name).to_ascii_lowercase()
    };
    let host = without_port(host);
    domains.iter().find_map(|domain| {
        let bucket = host.strip_suffix(without_port(domain).as_str())?.strip_suffix('.')?;
        (!bucket.is_empty()).then(|| bucket.to_owned())
    })
}

/// What a `Date` header may hold in this version.
fn parse_date(text: &str) -> Option<Timestamp> {
    parse_date_header(text).or_else(|| Timestamp::parse_amz_basic(text))
}
