//! The verdict over a request's head.

use http::request::Parts;

use crate::auth::AuthError;
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
    fn secret(&self, access_key_id: &str) -> Option<std::sync::Arc<SecretKey>>;
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
#[derive(Clone, PartialEq, Eq)]
pub struct FrameSigning {
    pub(crate) signing_key: Vec<u8>,
    pub(crate) scope: String,
    pub(crate) timestamp: String,
    pub(crate) seed_signature: String,
}

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
    let _ = (head, keys, settings, now);
    unimplemented!()
}
