//! New access keys: random ones, and rules for those that an operator brings.
//!
//! Knows nothing of where keys are stored.

use rand::TryRngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use crate::identity::ROOT_NAME;
use crate::limits::{
    ACCESS_KEY_ID_BYTES_MAX, ACCESS_KEY_ID_BYTES_MIN, KEY_NAME_BYTES_MAX, SECRET_KEY_BYTES_MAX, SECRET_KEY_BYTES_MIN,
};
use crate::meta::AccessKey;
use crate::types::{OwnerId, SourceRates, Timestamp};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Characters behind `AKIA` or `ASIA`: 80 random bits.
const ID_RANDOM_CHARACTERS: usize = 16;
/// Characters of a secret: 238 random bits. Letters and digits only, so that it pastes into any URL or shell.
const SECRET_CHARACTERS: usize = 40;

/// Why there is no new key.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// Length, control characters, spaces at an end, or `root`.
    #[error(
        "a key's name has 1 to {KEY_NAME_BYTES_MAX} bytes, no control characters, no spaces at its ends, and is not \
         \"{ROOT_NAME}\""
    )]
    InvalidName,
    /// Length or characters.
    #[error(
        "an access key id has {ACCESS_KEY_ID_BYTES_MIN} to {ACCESS_KEY_ID_BYTES_MAX} characters: letters, digits and \
         - . _ + @"
    )]
    InvalidAccessKeyId,
    /// Length or characters.
    #[error("a secret has {SECRET_KEY_BYTES_MIN} to {SECRET_KEY_BYTES_MAX} characters: printable ASCII without spaces")]
    InvalidSecret,
    /// The system gives no randomness.
    #[error("read random bytes from the system: {0}")]
    Randomness(#[source] <OsRng as rand::TryRngCore>::Error),
}

/// Makes a key of that name, with a random canonical owner id and without policies, made at `now`. Id and secret are
/// random unless `brought` has them.
///
/// # Errors
/// If a rule is broken or the system gives no randomness.
pub fn new_access_key(name: &str, brought: Option<(String, String)>, now: Timestamp) -> Result<AccessKey, NewKeyError> {
    check_name(name)?;
    let (access_key_id, secret) = match brought {
        Some((access_key_id, secret)) => {
            check_pair(&access_key_id, &secret)?;
            (access_key_id, secret)
        }
        None => random_pair()?,
    };
    let mut owner = [0; 32];
    OsRng.try_fill_bytes(&mut owner).map_err(NewKeyError::Randomness)?;
    let owner = OwnerId(hex::encode(owner));
    Ok(AccessKey {
        access_key_id,
        name: name.to_owned(),
        secret,
        owner,
        created: now,
        policies: None,
        rates: SourceRates::default(),
        expires: None,
        last_used: None,
    })
}

fn check_name(name: &str) -> Result<(), NewKeyError> {
    let legal = (1..=KEY_NAME_BYTES_MAX).contains(&name.len())
        && name.trim() == name
        && !name.chars().any(char::is_control)
        && name != ROOT_NAME;
    if legal { Ok(()) } else { Err(NewKeyError::InvalidName) }
}

/// Checks an id and a secret that somebody brought. What would break out of an `Authorization` header, a query or a
/// credentials file is refused here, once.
pub(super) fn check_pair(access_key_id: &str, secret: &str) -> Result<(), NewKeyError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+@".contains(&byte);
    let id_lengths = ACCESS_KEY_ID_BYTES_MIN..=ACCESS_KEY_ID_BYTES_MAX;
    if !id_lengths.contains(&access_key_id.len()) || !access_key_id.bytes().all(legal) {
        return Err(NewKeyError::InvalidAccessKeyId);
    }
    let secret_lengths = SECRET_KEY_BYTES_MIN..=SECRET_KEY_BYTES_MAX;
    if !secret_lengths.contains(&secret.len()) || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NewKeyError::InvalidSecret);
    }
    Ok(())
}

/// An id like AWS's and a secret, from the system's randomness.
pub(super) fn random_pair() -> Result<(String, String), NewKeyError> {
    Ok((random_id("AKIA")?, random_text(BASE62, SECRET_CHARACTERS)?))
}

/// An id with that beginning.
pub(super) fn random_id(prefix: &str) -> Result<String, NewKeyError> {
    Ok(format!("{prefix}{}", random_text(BASE32, ID_RANDOM_CHARACTERS)?))
}

/// Random characters of an alphabet, each equally likely: bytes beyond the last whole multiple of its size are drawn
/// again.
fn random_text(alphabet: &[u8], characters: usize) -> Result<String, NewKeyError> {
    let usable = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(characters);
    let mut bytes = Zeroizing::new([0_u8; 64]);
    while text.len() < characters {
        OsRng.try_fill_bytes(&mut bytes[..]).map_err(NewKeyError::Randomness)?;
        let drawn = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < usable);
        text.extend(drawn.take(characters - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{NewKeyError, new_access_key};
    use crate::types::Timestamp;

    const NOW: Timestamp = Timestamp(1);

    #[test]
    fn random_keys_have_the_shape_of_aws_keys_and_differ() {
        let mut seen = HashSet::new();
        for _ in 0..50 {
            let key = new_access_key("ci", None, NOW).unwrap();
            assert!(key.access_key_id.len() == 20 && key.access_key_id.starts_with("AKIA"), "{}", key.access_key_id);
            assert!(key.secret.len() == 40 && key.secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(key.owner.0.len() == 64 && key.owner.0.bytes().all(|byte| byte.is_ascii_hexdigit()));
            assert_eq!((key.name.as_str(), key.created), ("ci", NOW));
            assert!(seen.insert(key.access_key_id) && seen.insert(key.secret) && seen.insert(key.owner.0));
        }
    }

    #[test]
    fn brought_pairs_are_kept_and_bad_ones_refused() {
        let make = |id: &str, secret: &str| new_access_key("ci", Some((id.to_owned(), secret.to_owned())), NOW);
        let key = make("minio_admin@x.y-1", "se/cr+et=with:all").unwrap();
        assert_eq!((key.access_key_id.as_str(), key.secret.as_str()), ("minio_admin@x.y-1", "se/cr+et=with:all"));
        for id in ["", "ab", "a/b", "a,b", "a:b", "a b", "a=b", "schlüssel", "a\nb", &"a".repeat(129)] {
            assert!(matches!(make(id, "long enough".trim()), Err(NewKeyError::InvalidAccessKeyId)), "{id:?}");
        }
        for secret in ["", "short", "with a space", "geheimnüs", "line\nbreaks", &"s".repeat(129)] {
            assert!(matches!(make("AKID", secret), Err(NewKeyError::InvalidSecret)), "{secret:?}");
        }
        for name in ["", " a", "a ", "a\tb", "root", &"n".repeat(65)] {
            assert!(matches!(new_access_key(name, None, NOW), Err(NewKeyError::InvalidName)), "{name:?}");
        }
    }
}
