//! The verdict over a request's head: which mechanism signed it, if any, and what the signature vouches for.
//!
//! Knows nothing of who stands behind an access key, nor of what the request wants.

use std::sync::Arc;

use http::request::Parts;
use subtle::ConstantTimeEq as _;

use crate::auth::head::Head;
use crate::auth::payload::{Promise, payload_kind};
use crate::auth::signing_key::SigningKey;
use crate::auth::{AuthError, v2, v4};
use crate::types::{ChecksumAlgorithm, Timestamp};

/// A secret. Never printed, never compared with `==`, wiped on drop.
pub struct SecretKey(pub(crate) zeroize::Zeroizing<String>);

impl SecretKey {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(zeroize::Zeroizing::new(secret.into()))
    }

    /// The secret itself, for key derivation only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Finds the secret of an access key.
pub trait SecretLookup: Send + Sync {
    /// The secret of `access_key_id`, or `None` if there is no such key.
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>>;

    /// The secret of the session that `token` proves, if the key id is that session's.
    ///
    /// # Errors
    /// Why the token proves nothing; without sessions, none does.
    fn session_secret(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<Arc<SecretKey>, TokenRefusal> {
        let _ = (access_key_id, token, now);
        Err(TokenRefusal::Invalid)
    }
}

/// Why a session's token proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// It was not made here, or for another key id, or the key behind it is gone.
    Invalid,
    /// It was good once.
    Expired,
}

impl From<TokenRefusal> for AuthError {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Invalid => Self::SecurityToken,
            TokenRefusal::Expired => Self::ExpiredToken,
        }
    }
}

/// A key that a request names, with the token of its session.
#[derive(Clone, Copy)]
pub(super) struct ClaimedKey<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl ClaimedKey<'_> {
    /// Its secret. The answer tells whether a key exists, as AWS's does, so there is no work to keep constant here.
    pub(super) fn secret(&self, keys: &dyn SecretLookup) -> Result<Arc<SecretKey>, AuthError> {
        let access_key_id = self.access_key_id;
        match self.token {
            Some(token) => Ok(keys.session_secret(access_key_id, token, self.now)?),
            None => keys
                .secret(access_key_id)
                .ok_or_else(|| AuthError::UnknownAccessKey { access_key_id: access_key_id.to_owned() }),
        }
    }
}

/// What verification depends on beside the request.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// The region that scopes must name.
    pub region: String,
    /// Whether Signature Version 2 is accepted.
    pub allow_v2: bool,
    /// Base domains of virtual-host style: Signature Version 2 signs the bucket of the host name.
    pub domains: Vec<String>,
}

/// How the body is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// As it comes, nothing promised (`UNSIGNED-PAYLOAD`, presigned, V2, anonymous).
    Unsigned,
    /// As it comes; its SHA-256 was signed.
    Sha256([u8; 32]),
    /// `aws-chunked`.
    Chunked {
        /// Signed frames, and how to check them; `None` for `STREAMING-UNSIGNED-PAYLOAD-TRAILER`.
        signing: Option<FrameSigning>,
        /// A trailer section follows the last frame (`…-TRAILER`).
        trailer: bool,
        /// The checksum that `x-amz-trailer` announces.
        trailer_checksum: Option<ChecksumAlgorithm>,
        /// `x-amz-decoded-content-length`.
        decoded_length: Option<u64>,
    },
}

/// What frame signatures chain from: signing key, scope, time and the signature of the head.
#[derive(Clone)]
pub struct FrameSigning {
    pub(crate) signing_key: SigningKey,
    pub(crate) scope: String,
    pub(crate) timestamp: String,
    pub(crate) seed_signature: String,
}

impl PartialEq for FrameSigning {
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.signing_key.expose().ct_eq(other.signing_key.expose()))
            && self.scope == other.scope
            && self.timestamp == other.timestamp
            && bool::from(self.seed_signature.as_bytes().ct_eq(other.seed_signature.as_bytes()))
    }
}

impl Eq for FrameSigning {}

impl std::fmt::Debug for FrameSigning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameSigning")
    }
}

/// A request whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose key signed it.
    pub access_key_id: String,
    /// The token of the session that the key is of, if it is of one.
    pub token: Option<String>,
    /// How to read its body.
    pub payload: PayloadKind,
    /// Whether it was presigned.
    pub presigned: bool,
}

/// The verdict over a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It carries no signature at all.
    Anonymous {
        /// How to read its body.
        payload: PayloadKind,
    },
    /// Its signature holds.
    Signed(Verified),
}

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
    let head = Head::new(head);
    match Mechanism::find(&head)? {
        Mechanism::Anonymous => Ok(None),
        Mechanism::V4Header(value) => v4::verify_sts_header(&head, value, body, keys, settings, now).map(Some),
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
