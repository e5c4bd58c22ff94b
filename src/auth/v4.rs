//! Signature Version 4: the `Authorization` header and presigned URLs.
//!
//! Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)". Knows nothing of bodies
//! beyond the payload line that the head signs.

use aws_sigv4::sign::v4::calculate_signature;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::canonical::{self, Spelling};
use crate::auth::error::{Mismatch, Place};
use crate::auth::head::{Head, parse_date_header};
use crate::auth::payload::{Promise, UNSIGNED_PAYLOAD, payload_kind};
use crate::auth::secret::ClaimedKey;
use crate::auth::signing_key::{Found, KeyScope, SIGNING_KEYS};
use crate::auth::{AuthError, AuthSettings, FrameSigning, SecretKey, SecretLookup, Verified};
use crate::limits::{CLOCK_SKEW_SECONDS_MAX, PRESIGN_SECONDS_MAX};
use crate::types::Timestamp;

/// The one algorithm that we speak.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// What a request claims, before its signature is checked.
struct Claim<'a> {
    place: Place,
    credential: Credential<'a>,
    /// The token of a session.
    token: Option<&'a str>,
    now: Timestamp,
    signed_headers: &'a str,
    signature: &'a str,
    /// The date as it was signed, `20130524T000000Z`.
    timestamp: String,
    time: Timestamp,
    /// Payload lines that the client may have signed, the likeliest first.
    payload_lines: Vec<&'a str>,
}

/// `AKID/20130524/us-east-1/s3/aws4_request`.
struct Credential<'a> {
    access_key_id: &'a str,
    /// Everything behind the access key id.
    scope: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
}

impl<'a> Credential<'a> {
    fn parse(text: &'a str, place: Place) -> Result<Self, AuthError> {
        let malformed = || AuthError::MalformedCredential { place };
        // An access key id may hold slashes, a scope may not: split from the right.
        let mut pieces = text.rsplitn(5, '/');
        let mut piece = || pieces.next().ok_or_else(malformed);
        let (terminator, service, region, date, access_key_id) = (piece()?, piece()?, piece()?, piece()?, piece()?);
        if access_key_id.is_empty() {
            return Err(AuthError::EmptyAccessKey { place });
        }
        Ok(Self { access_key_id, scope: &text[access_key_id.len() + 1..], date, region, service, terminator })
    }

    /// Compares the scope with the request's date, our region and our service.
    fn check(&self, claim_timestamp: &str, place: Place, expected: &Endpoint<'_>) -> Result<(), AuthError> {
        if self.terminator != TERMINATOR {
            return Err(AuthError::WrongTerminator { place, given: self.terminator.to_owned() });
        }
        if self.service != expected.service {
            let given = self.service.to_owned();
            return Err(AuthError::WrongService { place, given, expected: expected.service });
        }
        if self.region != expected.region {
            let (given, expected) = (self.region.to_owned(), expected.region.to_owned());
            return Err(AuthError::WrongRegion { place, given, expected });
        }
        if self.date.len() != 8 || !self.date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AuthError::MalformedScopeDate { place, date: self.date.to_owned() });
        }
        // A valid timestamp is ASCII and begins with its date.
        let request_date = claim_timestamp.get(..8).unwrap_or_default();
        if self.date != request_date {
            let (scope_date, request_date) = (self.date.to_owned(), request_date.to_owned());
            return Err(AuthError::ScopeDateMismatch { place, scope_date, request_date });
        }
        Ok(())
    }
}

/// Who we are: what a scope has to name.
pub(super) struct Endpoint<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'static str,
}

impl<'a> Endpoint<'a> {
    pub(super) fn s3(settings: &'a AuthSettings) -> Self {
        Self { region: &settings.region, service: "s3" }
    }

    pub(super) fn sts(settings: &'a AuthSettings) -> Self {
        Self { region: &settings.region, service: "sts" }
    }
}

/// Verifies an `Authorization: AWS4-HMAC-SHA256 …` header.
pub(super) fn verify_header(
    head: &Head<'_>,
    authorization: &str,
    keys: &dyn SecretLookup,
    expected: &Endpoint<'_>,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let payload = || {
        let line = head.header("x-amz-content-sha256")?.ok_or(AuthError::MissingContentSha256)?;
        Ok((line.to_owned(), Promise::parse(line)?))
    };
    verify_header_over(head, authorization, &payload, keys, expected, now)
}

/// Verifies the header of a request whose body was read: whatever the head promises of it, the hash of what came must
/// have been signed.
pub(super) fn verify_read_header(
    head: &Head<'_>,
    authorization: &str,
    body: &[u8],
    keys: &dyn SecretLookup,
    expected: &Endpoint<'_>,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let payload = || Ok((hex::encode(Sha256::digest(body)), Promise::Unsigned));
    verify_header_over(head, authorization, &payload, keys, expected, now)
}

fn verify_header_over(
    head: &Head<'_>,
    authorization: &str,
    payload: &dyn Fn() -> Result<(String, Promise), AuthError>,
    keys: &dyn SecretLookup,
    expected: &Endpoint<'_>,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let components = Components::parse(authorization)?;
    let credential = Credential::parse(components.credential, Place::Header)?;
    let (timestamp, time) = header_date(head)?;
    credential.check(&timestamp, Place::Header, expected)?;
    let token = head.header("x-amz-security-token")?.filter(|token| !token.is_empty());
    let (payload_line, promise) = payload()?;
    if (now.seconds() - time.seconds()).abs() > CLOCK_SKEW_SECONDS_MAX {
        return Err(AuthError::RequestTimeTooSkewed { request_time: time, server_time: now });
    }
    let claim = Claim {
        place: Place::Header,
        credential,
        token,
        now,
        signed_headers: components.signed_headers,
        signature: components.signature,
        timestamp,
        time,
        payload_lines: vec![&payload_line],
    };
    verify_claim(head, &claim, promise, keys)
}

/// Verifies the `X-Amz-…` parameters of a presigned URL.
pub(super) fn verify_query(
    head: &Head<'_>,
    keys: &dyn SecretLookup,
    expected: &Endpoint<'_>,
    now: Timestamp,
) -> Result<Verified, AuthError> {
    let required = |name| head.parameter(name)?.ok_or(AuthError::MissingParameter { name });
    let algorithm = required("X-Amz-Algorithm")?;
    let credential_text = required("X-Amz-Credential")?;
    let timestamp = required("X-Amz-Date")?;
    let expires_text = required("X-Amz-Expires")?;
    let signed_headers = required("X-Amz-SignedHeaders")?;
    let signature = required(SIGNATURE_PARAMETER)?;
    if algorithm != ALGORITHM {
        return Err(AuthError::UnsupportedQueryAlgorithm);
    }
    let credential = Credential::parse(credential_text, Place::Query)?;
    let time = parse_amz_date(timestamp).ok_or(AuthError::MalformedQueryDate)?;
    credential.check(timestamp, Place::Query, expected)?;
    // One that is not in the query is a header, which must be signed like any; which of two counts is no guess.
    let token = match (head.parameter("X-Amz-Security-Token")?, head.header("x-amz-security-token")?) {
        (Some(_), Some(_)) => return Err(AuthError::SecurityToken),
        (parameter, header) => parameter.or(header).filter(|token| !token.is_empty()),
    };
    check_lifetime(time, expires_text, now)?;
    let promised = match head.parameter("X-Amz-Content-Sha256")? {
        Some(value) => Some(value),
        None => head.header("x-amz-content-sha256")?,
    };
    let promise = Promise::parse_optional(promised)?;
    // S3's rule is `UNSIGNED-PAYLOAD` for every presigned URL; botocore keeps to it even when it signs a hash as a
    // header, the Go SDKs sign the hash. The promise itself is signed either way.
    let mut payload_lines = vec![promised.unwrap_or(UNSIGNED_PAYLOAD)];
    if payload_lines[0] != UNSIGNED_PAYLOAD {
        payload_lines.push(UNSIGNED_PAYLOAD);
    }
    let claim = Claim {
        place: Place::Query,
        credential,
        token,
        now,
        signed_headers,
        signature,
        timestamp: timestamp.to_owned(),
        time,
        payload_lines,
    };
    verify_claim(head, &claim, promise, keys)
}

/// What a POST form claims beside its signature.
pub(super) struct FormClaim<'a> {
    pub(super) algorithm: &'a str,
    pub(super) credential: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) date: &'a str,
}

/// Whose key must have signed a form, and the signing key of its scope. A scope lives as long as a presigned URL may.
pub(super) fn form_signing_key<'a>(
    claim: &FormClaim<'a>,
    keys: &dyn SecretLookup,
    expected: &Endpoint<'_>,
    now: Timestamp,
) -> Result<(&'a str, Found), AuthError> {
    if claim.algorithm != ALGORITHM {
        return Err(AuthError::UnsupportedQueryAlgorithm);
    }
    let credential = Credential::parse(claim.credential, Place::Query)?;
    let time = parse_amz_date(claim.date).ok_or(AuthError::MalformedQueryDate)?;
    credential.check(claim.date, Place::Query, expected)?;
    check_lifetime(time, &PRESIGN_SECONDS_MAX.to_string(), now)?;
    let Credential { access_key_id, region, service, .. } = credential;
    let secret = ClaimedKey { access_key_id, token: claim.token, now }.secret(keys)?;
    Ok((access_key_id, SIGNING_KEYS.find(&secret, &KeyScope { access_key_id, time, region, service })))
}

/// Remembers the signing key of a form whose signature held.
pub(super) fn keep_signing_key(found: &Found) {
    SIGNING_KEYS.keep(found);
}

/// The three components of the header.
struct Components<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Components<'a> {
    fn parse(authorization: &'a str) -> Result<Self, AuthError> {
        let (algorithm, rest) = authorization.split_once([' ', '\t']).unwrap_or((authorization, ""));
        if algorithm != ALGORITHM {
            return Err(AuthError::UnsupportedAlgorithm);
        }
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in rest.split(',').map(str::trim).filter(|component| !component.is_empty()) {
            let (name, value) = component.split_once('=').unwrap_or((component, ""));
            let slot = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(AuthError::MalformedComponent { component: name.to_owned() }),
            };
            if value.is_empty() || slot.replace(value).is_some() {
                return Err(AuthError::MalformedComponent { component: name.to_owned() });
            }
        }
        let missing = |component| AuthError::MissingComponent { component };
        Ok(Self {
            credential: credential.ok_or(missing("Credential"))?,
            signed_headers: signed_headers.ok_or(missing("SignedHeaders"))?,
            signature: signature.ok_or(missing("Signature"))?,
        })
    }
}

/// The date of a header-signed request, as it is signed and as a point in time.
fn header_date(head: &Head<'_>) -> Result<(String, Timestamp), AuthError> {
    let amz_date = head.header("x-amz-date")?;
    let text = match amz_date {
        Some(text) => text,
        None => head.header("date")?.ok_or(AuthError::MissingDate)?,
    };
    if let Some(time) = parse_amz_date(text) {
        return Ok((text.to_owned(), time));
    }
    // Only the standard header may have an HTTP date; it is signed in the other form all the same.
    let http_date = if amz_date.is_none() { parse_date_header(text) } else { None };
    let time = http_date.ok_or(AuthError::MalformedDate)?;
    Ok((time.amz_basic(), time))
}

/// `20130524T000000Z` and nothing that a lenient parser might also take: its first eight bytes are the scope's date.
fn parse_amz_date(text: &str) -> Option<Timestamp> {
    let shaped = text.len() == 16
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if shaped { Timestamp::parse_amz_basic(text) } else { None }
}

fn check_lifetime(time: Timestamp, expires_text: &str, now: Timestamp) -> Result<(), AuthError> {
    let digits = expires_text.strip_prefix('-').unwrap_or(expires_text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AuthError::ExpiresNotANumber);
    }
    if digits.len() < expires_text.len() || digits.bytes().all(|byte| byte == b'0') {
        return Err(AuthError::ExpiresBelowOne);
    }
    let seconds = match digits.parse::<u64>() {
        Ok(seconds) if seconds <= PRESIGN_SECONDS_MAX => seconds,
        Ok(_) | Err(_) => return Err(AuthError::ExpiresTooLong),
    };
    if time.seconds() - now.seconds() > CLOCK_SKEW_SECONDS_MAX {
        return Err(AuthError::NotYetValid { valid_from: time, server_time: now });
    }
    let expires = time.plus_seconds(seconds.cast_signed());
    if now > expires {
        return Err(AuthError::Expired { expires_seconds: Some(seconds), expires, server_time: now });
    }
    Ok(())
}

/// `host` and every `x-amz-…` header must be signed: an unsigned one could be added or changed on the way.
fn check_signed_headers(head: &Head<'_>, signed_headers: &str) -> Result<(), AuthError> {
    let is_signed = |name: &str| signed_headers.split(';').any(|signed| signed == name);
    let required = head.headers().keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    let unsigned = std::iter::once("host").chain(required).filter(|name| !is_signed(name));
    let mut names: Vec<String> = unsigned.map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(());
    }
    names.sort_unstable();
    Err(AuthError::HeadersNotSigned { names })
}

/// Checks the signature, whatever the payload line says: the head of an unsigned trailer upload is signed like any.
fn verify_claim(
    head: &Head<'_>,
    claim: &Claim<'_>,
    promise: Promise,
    keys: &dyn SecretLookup,
) -> Result<Verified, AuthError> {
    check_signed_headers(head, claim.signed_headers)?;
    let access_key_id = claim.credential.access_key_id;
    let secret = ClaimedKey { access_key_id, token: claim.token, now: claim.now }.secret(keys)?;
    let signing = check_signature(head, claim, &secret)?;
    let payload = payload_kind(head, promise, Some(signing))?;
    let presigned = claim.place == Place::Query;
    let token = claim.token.map(str::to_owned);
    let signed_at = Some(claim.time);
    Ok(Verified { access_key_id: access_key_id.to_owned(), token, payload, presigned, signed_at })
}

/// Computes the signature of every canonical request that the client may have meant; one must be the one provided.
fn check_signature(head: &Head<'_>, claim: &Claim<'_>, secret: &SecretKey) -> Result<FrameSigning, AuthError> {
    let credential = &claim.credential;
    let scope = KeyScope {
        access_key_id: credential.access_key_id,
        time: claim.time,
        region: credential.region,
        service: credential.service,
    };
    let found = SIGNING_KEYS.find(secret, &scope);
    let header_lines = canonical::header_lines(head, claim.signed_headers);
    let left_out = (claim.place == Place::Query).then_some(SIGNATURE_PARAMETER);
    let mut first: Option<(Vec<u8>, Vec<u8>)> = None;
    for (path_spelling, query_spelling) in SPELLINGS {
        let path = canonical::path(head, path_spelling);
        let query = canonical::query(head, query_spelling, left_out);
        for payload in &claim.payload_lines {
            let canonical_request = canonical::request(&canonical::Pieces {
                method: head.parts.method.as_str(),
                path: &path,
                query: &query,
                header_lines: &header_lines,
                signed_headers: claim.signed_headers,
                payload,
            });
            let string_to_sign = string_to_sign(&claim.timestamp, credential.scope, &canonical_request);
            let signature = calculate_signature(found.key.expose(), &string_to_sign);
            if bool::from(signature.as_bytes().ct_eq(claim.signature.as_bytes())) {
                SIGNING_KEYS.keep(&found);
                return Ok(FrameSigning {
                    signing_key: found.key,
                    scope: credential.scope.to_owned(),
                    timestamp: claim.timestamp.clone(),
                    seed_signature: signature,
                });
            }
            first.get_or_insert((canonical_request, string_to_sign));
        }
    }
    let (canonical_request, string_to_sign) = first.unwrap_or_default();
    Err(AuthError::SignatureMismatch(Box::new(Mismatch {
        access_key_id: credential.access_key_id.to_owned(),
        string_to_sign: String::from_utf8_lossy(&string_to_sign).into_owned(),
        signature_provided: claim.signature.to_owned(),
        canonical_request: Some(String::from_utf8_lossy(&canonical_request).into_owned()),
        host: head.host().to_owned(),
    })))
}

/// Spellings of path and query, the canonical one first: nearly every request ends there. Go's SDKs sign the path as
/// sent, botocore the query.
const SPELLINGS: [(Spelling, Spelling); 4] = [
    (Spelling::Canonical, Spelling::Canonical),
    (Spelling::AsSent, Spelling::Canonical),
    (Spelling::Canonical, Spelling::AsSent),
    (Spelling::AsSent, Spelling::AsSent),
];

pub(super) fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &[u8]) -> Vec<u8> {
    let digest = hex::encode(Sha256::digest(canonical_request));
    [ALGORITHM, timestamp, scope, &digest].join("\n").into_bytes()
}
