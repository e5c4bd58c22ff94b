//! The verdict over a request's head: which mechanism signed it, if any, and what the signature vouches for.
//!
//! Knows nothing of who stands behind an access key, nor of what the request wants.

use http::request::Parts;

use crate::auth::head::Head;
use crate::auth::payload::{Promise, payload_kind};
use crate::auth::{AuthError, AuthSettings, SecretLookup, Verdict, Verified, v2, v4};
use crate::types::Timestamp;

/// Judges a request's head. `now` is the moment at which the head was complete.
///
/// # Errors
/// The check that refused.
pub fn verify(
    head: &Parts,
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<Verdict, AuthError> {
    let head = Head::new(head);
    match Mechanism::find(&head)? {
        Mechanism::Anonymous => {
            let promise = Promise::parse_optional(head.header("x-amz-content-sha256")?)?;
            Ok(Verdict::Anonymous { payload: payload_kind(&head, promise, None)? })
        }
        Mechanism::V4Header(value) => {
            v4::verify_header(&head, value, keys, &v4::Endpoint::s3(settings), now).map(Verdict::Signed)
        }
        Mechanism::V4Query => v4::verify_query(&head, keys, &v4::Endpoint::s3(settings), now).map(Verdict::Signed),
        Mechanism::V2Header(_) | Mechanism::V2Query if !settings.allow_v2 => Err(AuthError::V2Disabled),
        Mechanism::V2Header(value) => v2::verify_header(&head, value, keys, settings, now).map(Verdict::Signed),
        Mechanism::V2Query => v2::verify_query(&head, keys, settings, now).map(Verdict::Signed),
    }
}

/// Judges the head of a request to the Security Token Service, whose body was read; `None` if it is not signed.
///
/// # Errors
/// The check that refused. Only Signature Version 4 in the header is accepted.
pub fn verify_sts(
    head: &Parts,
    body: &[u8],
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<Option<Verified>, AuthError> {
    verify_read(head, body, keys, &v4::Endpoint::sts(settings), now)
}

/// Judges the head of a request to the admin API, whose body was read; `None` if it is not signed. The hash of the body
/// must have been signed; it need not be named in a header.
///
/// # Errors
/// The check that refused. Only Signature Version 4 in the header is accepted.
pub fn verify_admin(
    head: &Parts,
    body: &[u8],
    keys: &dyn SecretLookup,
    settings: &AuthSettings,
    now: Timestamp,
) -> Result<Option<Verified>, AuthError> {
    verify_read(head, body, keys, &v4::Endpoint::s3(settings), now)
}

fn verify_read(
    head: &Parts,
    body: &[u8],
    keys: &dyn SecretLookup,
    expected: &v4::Endpoint<'_>,
    now: Timestamp,
) -> Result<Option<Verified>, AuthError> {
    let head = Head::new(head);
    match Mechanism::find(&head)? {
        Mechanism::Anonymous => Ok(None),
        Mechanism::V4Header(value) => v4::verify_read_header(&head, value, body, keys, expected, now).map(Some),
        Mechanism::V4Query | Mechanism::V2Header(_) | Mechanism::V2Query => Err(AuthError::UnsupportedAuthorization),
    }
}

/// How a request is signed, if it is.
enum Mechanism<'a> {
    Anonymous,
    V4Header(&'a str),
    V4Query,
    V2Header(&'a str),
    V2Query,
}

impl<'a> Mechanism<'a> {
    /// Finds the one mechanism. Any trace of a signature counts: a request that carries one, however broken, is
    /// never taken for an anonymous one, and two are refused, so that neither shields the other from its check.
    fn find(head: &Head<'a>) -> Result<Self, AuthError> {
        // An empty header says nothing: the request goes on as an anonymous one.
        let authorization = head.header("authorization")?.filter(|value| !value.is_empty());
        let has_any = |names: &[&str]| names.iter().any(|name| head.has_parameter(name));
        let query_v4 = has_any(&["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"]);
        let query_v2 = has_any(&["AWSAccessKeyId", "Signature"]);
        match (authorization, query_v4, query_v2) {
            (None, false, false) => Ok(Self::Anonymous),
            (None, true, false) => Ok(Self::V4Query),
            (None, false, true) => Ok(Self::V2Query),
            (Some(value), false, false) if value.starts_with("AWS4-") => Ok(Self::V4Header(value)),
            (Some(value), false, false) if value.starts_with("AWS ") => Ok(Self::V2Header(value)),
            (Some(_), false, false) => Err(AuthError::UnsupportedAuthorization),
            (Some(_), _, _) | (None, true, true) => Err(AuthError::SeveralMechanisms),
        }
    }
}

#[cfg(test)]
mod tests;
