//! Sessions: temporary credentials of an access key, which expire and may do less than the key.
//!
//! Nothing of a session is stored. Its token carries what it is, with a MAC under a key that follows from the secret of
//! the gateways and from the access key behind it, and its secret is another MAC of the same. So every gateway on the
//! store opens it, nobody else can make or widen one, and when the access key goes or changes, its sessions go with it.
//! What a token says is no secret: it can be read by whoever holds it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::auth::{SecretKey, TokenRefusal};
use crate::identity::access_key::random_id;
use crate::identity::{NewKeyError, Policies};
use crate::limits::SESSION_TOKEN_BYTES_MAX;
use crate::types::{OwnerId, Timestamp};

/// Begins the id of every session's key, as AWS's do.
const ID_PREFIX: &str = "ASIA";
/// The first byte of a token: how the rest is laid out.
const LAYOUT: u8 = 1;
const MAC_BYTES: usize = 32;
/// Bytes of a session's secret; in base64 they are the 40 characters that secrets of AWS have.
const SECRET_BYTES: usize = 30;

/// The session by which a principal asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Session {
    /// The id of its key.
    pub access_key_id: String,
    /// The name that AssumeRole gave it; `None` after GetSessionToken.
    pub role_session: Option<String>,
    /// When it began.
    pub issued: Timestamp,
    /// What limits it beside what limits its access key; `None` if nothing does.
    pub policies: Option<Policies>,
}

impl Session {
    /// What logs call it.
    pub fn name(&self) -> &str {
        self.role_session.as_deref().unwrap_or(&self.access_key_id)
    }
}

/// What a new session is to be.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The name that AssumeRole gives it.
    pub role_session: Option<String>,
    /// A session policy that was parsed before.
    pub policy: Option<String>,
    /// Names of ready-made policies.
    pub ready_made: Vec<String>,
    /// Its life in seconds.
    pub seconds: u64,
}

/// The credentials of a new session.
pub struct SessionCredentials {
    /// Id of its key.
    pub access_key_id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// What proves the session, sent along with every request.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Id of the session's key.
    id: String,
    /// Seconds since the epoch.
    issued: i64,
    /// Seconds since the epoch.
    expires: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) role_session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ready_made: Vec<String>,
}

impl Claims {
    /// When the session began.
    pub(super) fn issued(&self) -> Timestamp {
        Timestamp::from_seconds(self.issued)
    }
}

/// What makes and opens the tokens of one access key.
pub(super) struct Sealer {
    key: Zeroizing<[u8; 32]>,
}

impl Sealer {
    /// Of the access key of that id and secret, made at `created`: one that was removed and added again with the same
    /// id and secret opens no old tokens.
    pub(super) fn new(
        gateway_secret: &[u8; 32],
        access_key_id: &str,
        secret: &SecretKey,
        (owner, created): (&OwnerId, Timestamp),
    ) -> Self {
        let (id, secret, made) = (access_key_id.as_bytes(), secret.expose().as_bytes(), created.0.to_le_bytes());
        Self { key: mac(gateway_secret, &[b"session", id, secret, owner.0.as_bytes(), &made]) }
    }

    /// Makes a session of the access key.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub(super) fn begin(
        &self,
        access_key_id: &str,
        new: NewSession,
        now: Timestamp,
    ) -> Result<SessionCredentials, NewKeyError> {
        let NewSession { role_session, policy, ready_made, seconds } = new;
        let (id, issued) = (random_id(ID_PREFIX)?, now.seconds());
        let expires = issued.saturating_add_unsigned(seconds);
        let claims = Claims { id, issued, expires, role_session, policy, ready_made };
        let body = serde_json::to_vec(&claims).expect("claims are plain text and numbers");
        let mut token =
            vec![LAYOUT, u8::try_from(access_key_id.len()).expect("an access key id has 128 bytes at most")];
        token.extend_from_slice(access_key_id.as_bytes());
        token.extend_from_slice(&*mac(&self.key, &[b"token", &body]));
        token.extend_from_slice(&body);
        Ok(SessionCredentials {
            secret: self.secret(&body),
            access_key_id: claims.id,
            token: BASE64_URL.encode(token),
            expires: Timestamp::from_seconds(expires),
        })
    }

    /// Opens a token that names this access key. `access_key_id` is the session's.
    pub(super) fn open(
        &self,
        token: &Token,
        access_key_id: &str,
        now: Timestamp,
    ) -> Result<(Claims, SecretKey), TokenRefusal> {
        let (proof, body) = token.sealed().split_at_checked(MAC_BYTES).ok_or(TokenRefusal::Invalid)?;
        // Nothing is read of what a stranger wrote.
        if !bool::from(proof.ct_eq(&*mac(&self.key, &[b"token", body]))) {
            return Err(TokenRefusal::Invalid);
        }
        let claims: Claims = serde_json::from_slice(body).map_err(|_| TokenRefusal::Invalid)?;
        if claims.id != access_key_id {
            return Err(TokenRefusal::Invalid);
        }
        if now.seconds() >= claims.expires {
            return Err(TokenRefusal::Expired);
        }
        Ok((claims, SecretKey(self.secret(body))))
    }

    /// What is another one when anything of the access key is.
    pub(super) fn stamp(&self) -> [u8; 32] {
        *mac(&self.key, &[b"stamp"])
    }

    fn secret(&self, body: &[u8]) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&mac(&self.key, &[b"secret", body])[..SECRET_BYTES]))
    }
}

/// A token without its encoding.
pub(super) struct Token(Vec<u8>);

impl Token {
    /// Decodes a token.
    pub(super) fn decode(text: &str) -> Result<Self, TokenRefusal> {
        if text.len() > SESSION_TOKEN_BYTES_MAX {
            return Err(TokenRefusal::Invalid);
        }
        let token = Self(BASE64_URL.decode(text).map_err(|_| TokenRefusal::Invalid)?);
        token.access_key_id().ok_or(TokenRefusal::Invalid)?;
        Ok(token)
    }

    /// The access key that the session is said to be of.
    pub(super) fn access_key_id(&self) -> Option<&str> {
        match &*self.0 {
            [LAYOUT, length, rest @ ..] => std::str::from_utf8(rest.get(..usize::from(*length))?).ok(),
            _ => None,
        }
    }

    fn sealed(&self) -> &[u8] {
        match &*self.0 {
            [LAYOUT, length, rest @ ..] => rest.get(usize::from(*length)..).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// HMAC-SHA256 over fields, each preceded by its length, so that no two lists of them are the same bytes.
fn mac(key: &[u8; 32], fields: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for field in fields {
        mac.update(&(field.len() as u64).to_le_bytes());
        mac.update(field);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// A secret for the gateways on a new store.
///
/// # Errors
/// If the system gives no randomness.
pub(super) fn random_secret() -> Result<Zeroizing<[u8; 32]>, NewKeyError> {
    let mut secret = Zeroizing::new([0; 32]);
    OsRng.try_fill_bytes(&mut secret[..]).map_err(NewKeyError::Randomness)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::{NewSession, Sealer, SessionCredentials, Token};
    use crate::auth::{SecretKey, TokenRefusal};
    use crate::limits::SESSION_TOKEN_BYTES_MAX;
    use crate::types::{OwnerId, Timestamp};

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn sealer(gateway: u8, id: &str, secret: &str, owner: &str) -> Sealer {
        made_at(1, gateway, id, secret, owner)
    }

    fn made_at(created: i64, gateway: u8, id: &str, secret: &str, owner: &str) -> Sealer {
        let owner = OwnerId(owner.to_owned());
        Sealer::new(&[gateway; 32], id, &SecretKey::new(secret), (&owner, Timestamp(created)))
    }

    fn begin(sealer: &Sealer, policy: Option<String>) -> SessionCredentials {
        let role_session = Some("backup".to_owned());
        let new = NewSession { role_session, policy, ready_made: vec!["read-only".to_owned()], seconds: 900 };
        sealer.begin("AKID", new, NOW).unwrap()
    }

    fn open(sealer: &Sealer, token: &str, id: &str, now: Timestamp) -> Result<(super::Claims, String), TokenRefusal> {
        let token = Token::decode(token)?;
        // The keyring finds the sealer by the key that the token names.
        let named = token.access_key_id().filter(|id| *id == "AKID").map(|_| &token);
        let (claims, secret) = sealer.open(named.ok_or(TokenRefusal::Invalid)?, id, now)?;
        Ok((claims, secret.expose().to_owned()))
    }

    #[test]
    fn a_session_is_what_its_token_says() {
        let sealer = sealer(1, "AKID", "secret", "o");
        let credentials = begin(&sealer, Some("{}".to_owned()));
        assert!(credentials.access_key_id.starts_with("ASIA") && credentials.access_key_id.len() == 20);
        assert_eq!((credentials.secret.len(), credentials.expires), (40, NOW.plus_seconds(900)));
        assert_eq!(Token::decode(&credentials.token).unwrap().access_key_id(), Some("AKID"));
        let (claims, secret) = open(&sealer, &credentials.token, &credentials.access_key_id, NOW).unwrap();
        assert_eq!(secret, *credentials.secret);
        assert_eq!((claims.role_session.as_deref(), claims.policy.as_deref()), (Some("backup"), Some("{}")));
        assert_eq!((claims.ready_made, claims.issued), (vec!["read-only".to_owned()], NOW.seconds()));
        let other = begin(&sealer, None);
        assert!(other.access_key_id != credentials.access_key_id && *other.secret != *credentials.secret);
        assert!(!credentials.token.contains(&*credentials.secret));
    }

    #[test]
    fn it_ends_in_time() {
        let sealer = sealer(1, "AKID", "secret", "o");
        let credentials = begin(&sealer, None);
        let at = |seconds| open(&sealer, &credentials.token, &credentials.access_key_id, NOW.plus_seconds(seconds));
        assert!(at(899).is_ok());
        assert_eq!(at(900).unwrap_err(), TokenRefusal::Expired);
        assert_eq!(at(1 << 40).unwrap_err(), TokenRefusal::Expired);
    }

    #[test]
    fn a_token_of_another_key_secret_owner_or_gateway_is_refused() {
        let credentials = begin(&sealer(1, "AKID", "secret", "o"), None);
        for other in [
            sealer(2, "AKID", "secret", "o"),
            sealer(1, "AKIE", "secret", "o"),
            sealer(1, "AKID", "secres", "o"),
            sealer(1, "AKID", "secret", "p"),
            sealer(1, "AKIDs", "ecret", "o"),
            made_at(2, 1, "AKID", "secret", "o"),
        ] {
            let refused = open(&other, &credentials.token, &credentials.access_key_id, NOW);
            assert_eq!(refused.unwrap_err(), TokenRefusal::Invalid);
        }
        let sealer = sealer(1, "AKID", "secret", "o");
        assert_eq!(open(&sealer, &credentials.token, "ASIAOTHER", NOW).unwrap_err(), TokenRefusal::Invalid);
        assert_eq!(open(&sealer, &credentials.token, "AKID", NOW).unwrap_err(), TokenRefusal::Invalid);
    }

    #[test]
    fn no_byte_of_a_token_can_be_changed() {
        let sealer = sealer(1, "AKID", "secret", "o");
        let credentials = begin(&sealer, None);
        for at in 0..credentials.token.len() {
            let mut changed = credentials.token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let refused = open(&sealer, &changed, &credentials.access_key_id, NOW);
            assert_eq!(refused.unwrap_err(), TokenRefusal::Invalid, "{at}");
        }
        for cut in 0..credentials.token.len() {
            let refused = open(&sealer, &credentials.token[..cut], &credentials.access_key_id, NOW);
            assert_eq!(refused.unwrap_err(), TokenRefusal::Invalid, "{cut}");
        }
        for nonsense in ["", "AQ", "Af8", "A", "+/", "ü", &"A".repeat(SESSION_TOKEN_BYTES_MAX + 1)] {
            assert_eq!(open(&sealer, nonsense, "ASIA", NOW).unwrap_err(), TokenRefusal::Invalid, "{nonsense:?}");
        }
    }
}
