//! Secrets, and whoever knows the secret of an access key or of a session.
//!
//! Knows nothing of signatures.

use std::sync::Arc;

use crate::auth::AuthError;
use crate::types::Timestamp;

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
