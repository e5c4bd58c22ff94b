//! Signing keys of Signature Version 4, derived once per access key, day and region.
//!
//! A signing key is a pure function of secret, date, region and service, and the cache looks it up by a digest of
//! all of these, so an entry can be useless but never wrong: a rotated secret, a new day or another region simply
//! has another name. Knows nothing of requests.

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use aws_sigv4::sign::v4::generate_signing_key;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::auth::SecretKey;
use crate::limits::SIGNING_KEYS_CACHED_MAX;
use crate::types::Timestamp;

/// A derived key. Neither printed nor compared; wiped on drop.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn derive(secret: &SecretKey, scope: &KeyScope<'_>) -> Self {
        let derived = generate_signing_key(secret.expose(), scope.time.to_system_time(), scope.region, scope.service);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(derived.as_ref());
        Self(bytes)
    }
}

/// What a signing key depends on beside the secret.
pub(super) struct KeyScope<'a> {
    pub(super) access_key_id: &'a str,
    /// Any moment of the scope's day.
    pub(super) time: Timestamp,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl KeyScope<'_> {
    fn day(&self) -> i64 {
        self.time.seconds().div_euclid(86_400)
    }

    /// The name of the key in the cache. Every field is preceded by its length, so no two scopes share one.
    fn name(&self, secret: &SecretKey) -> [u8; 32] {
        let mut digest = Sha256::new();
        for field in [self.access_key_id, self.region, self.service, secret.expose()] {
            digest.update((field.len() as u64).to_le_bytes());
            digest.update(field.as_bytes());
        }
        digest.update(self.day().to_le_bytes());
        digest.finalize().into()
    }
}

struct Entry {
    day: i64,
    key: SigningKey,
}

/// At most `SIGNING_KEYS_CACHED_MAX` signing keys.
pub(super) struct SigningKeyCache {
    entries: RwLock<HashMap<[u8; 32], Entry>>,
}

/// The cache of this process. It holds no decision, only the results of a pure function, so sharing it is harmless.
pub(super) static SIGNING_KEYS: LazyLock<SigningKeyCache> = LazyLock::new(SigningKeyCache::new);

/// A signing key, and how to remember it once the request proved to know the secret.
pub(super) struct Found {
    pub(super) key: SigningKey,
    name: [u8; 32],
    day: i64,
    cached: bool,
}

impl SigningKeyCache {
    pub(super) fn new() -> Self {
        Self { entries: RwLock::new(HashMap::new()) }
    }

    /// The signing key of a scope, from the cache or derived.
    pub(super) fn find(&self, secret: &SecretKey, scope: &KeyScope<'_>) -> Found {
        let (name, day) = (scope.name(secret), scope.day());
        let cached = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.get(&name).map(|entry| entry.key.clone())
        };
        match cached {
            Some(key) => Found { key, name, day, cached: true },
            None => Found { key: SigningKey::derive(secret, scope), name, day, cached: false },
        }
    }

    /// Keeps the key of a request whose signature held. Only those are kept, so nobody without a secret can push
    /// entries out.
    pub(super) fn keep(&self, found: &Found) {
        if found.cached {
            return;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= SIGNING_KEYS_CACHED_MAX {
            // Yesterday's keys go first; if all are of today, half of them go, so that the sweep is rare.
            entries.retain(|_, entry| entry.day >= found.day);
            if entries.len() >= SIGNING_KEYS_CACHED_MAX {
                let mut spared = SIGNING_KEYS_CACHED_MAX / 2;
                entries.retain(|_, _| {
                    let keep = spared > 0;
                    spared = spared.saturating_sub(1);
                    keep
                });
            }
        }
        entries.insert(found.name, Entry { day: found.day, key: found.key.clone() });
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyScope, SigningKeyCache};
    use crate::auth::SecretKey;
    use crate::limits::SIGNING_KEYS_CACHED_MAX;
    use crate::types::Timestamp;

    fn scope(access_key_id: &str, day: i64) -> KeyScope<'_> {
        KeyScope { access_key_id, time: Timestamp::from_seconds(day * 86_400), region: "us-east-1", service: "s3" }
    }

    #[test]
    fn the_cache_never_grows_past_its_bound_and_old_days_go_first() {
        let cache = SigningKeyCache::new();
        let secret = SecretKey::new("secret");
        for number in 0..SIGNING_KEYS_CACHED_MAX - 1 {
            cache.keep(&cache.find(&secret, &scope(&number.to_string(), 1)));
        }
        cache.keep(&cache.find(&secret, &scope("today", 2)));
        assert_eq!(cache.entries.read().unwrap().len(), SIGNING_KEYS_CACHED_MAX);
        cache.keep(&cache.find(&secret, &scope("also today", 2)));
        assert_eq!(cache.entries.read().unwrap().len(), 2, "the keys of day 1 are gone");
        assert!(cache.find(&secret, &scope("today", 2)).cached);
        for number in 0..3 * SIGNING_KEYS_CACHED_MAX {
            cache.keep(&cache.find(&secret, &scope(&number.to_string(), 2)));
            assert!(cache.entries.read().unwrap().len() <= SIGNING_KEYS_CACHED_MAX);
        }
    }

    #[test]
    fn a_rotated_secret_another_day_or_region_is_another_key() {
        let cache = SigningKeyCache::new();
        let old = SecretKey::new("old");
        cache.keep(&cache.find(&old, &scope("AKID", 1)));
        assert!(cache.find(&old, &scope("AKID", 1)).cached);
        let rotated = cache.find(&SecretKey::new("new"), &scope("AKID", 1));
        assert!(!rotated.cached);
        assert!(rotated.key.expose() != cache.find(&old, &scope("AKID", 1)).key.expose());
        assert!(!cache.find(&old, &scope("AKID", 2)).cached);
        let elsewhere = KeyScope { region: "eu-west-1", ..scope("AKID", 1) };
        assert!(!cache.find(&old, &elsewhere).cached);
    }
}
