//! All access keys in memory, refreshed from the metadata store.
//!
//! Readers take a snapshot without a lock; a refresh replaces it as a whole, so a request never sees half of a
//! change. Knows nothing of requests or of how a signature is made.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::auth::{SecretKey, SecretLookup};
use crate::identity::RootCredentials;
use crate::limits::ACCESS_KEYS_MAX;
use crate::meta::{AccessKey, MetaError, MetaStore};
use crate::types::OwnerId;

/// Root's name, in logs and as `DisplayName`. No stored key may have it.
pub const ROOT_NAME: &str = "root";

/// The canonical id of root: the same in every data directory, and known without its credentials.
pub fn root_owner() -> OwnerId {
    OwnerId(hex::encode(Sha256::digest(ROOT_NAME)))
}

/// The account id of an owner, twelve digits as in ARNs: derived from its canonical id, so that it never changes and
/// needs no storage. Two owners may share one by chance (one in a million for a thousand keys); a policy that must
/// not depend on that names the canonical id.
pub fn account_id(owner: &OwnerId) -> String {
    const ACCOUNTS: u64 = 1_000_000_000_000;
    let digest = Sha256::digest(owner.0.as_bytes());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    format!("{:012}", number % ACCOUNTS)
}

/// Who asks. Anonymous is a principal, never a skipped stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody in particular.
    Anonymous,
    /// The owner of an access key.
    Identity {
        /// Its canonical id: what buckets belong to.
        owner: OwnerId,
        /// Its name, shown in logs and as `DisplayName`.
        name: String,
        /// Which key signed.
        access_key_id: String,
        /// Root sees all buckets.
        is_root: bool,
    },
}

/// All access keys. A change in the store is seen within `KEYRING_REFRESH_MS`.
pub struct Keyring {
    root: Arc<Root>,
    meta: Arc<dyn MetaStore>,
    snapshot: ArcSwap<Snapshot>,
}

struct Root {
    access_key_id: String,
    secret: Arc<SecretKey>,
    owner: OwnerId,
}

impl Root {
    fn new(credentials: RootCredentials) -> Self {
        Self { access_key_id: credentials.access_key_id, secret: Arc::new(credentials.secret), owner: root_owner() }
    }
}

/// One key of the ring.
struct Entry {
    name: String,
    owner: OwnerId,
    secret: Arc<SecretKey>,
    is_root: bool,
}

impl Entry {
    fn is_same_as(&self, key: &AccessKey) -> bool {
        let same_secret = self.secret.expose().as_bytes().ct_eq(key.secret.as_bytes());
        self.name == key.name && self.owner == key.owner && bool::from(same_secret)
    }
}

/// All keys at one moment.
struct Snapshot {
    keys: HashMap<String, Entry>,
    names: HashMap<OwnerId, String>,
}

impl Snapshot {
    /// Root and the stored keys. Root wins over a stored key of the same id, so that nobody who may add keys can
    /// take root's place.
    fn build(root: &Root, stored: Vec<AccessKey>) -> Self {
        let mut keys = HashMap::with_capacity(stored.len() + 1);
        let mut names = HashMap::with_capacity(stored.len() + 1);
        for key in stored.into_iter().take(ACCESS_KEYS_MAX as usize) {
            names.insert(key.owner.clone(), key.name.clone());
            // The secret moves, so that no copy of it is left behind that nobody wipes.
            let secret = Arc::new(SecretKey::new(key.secret));
            keys.insert(key.access_key_id, Entry { name: key.name, owner: key.owner, secret, is_root: false });
        }
        let (name, owner) = (ROOT_NAME.to_owned(), root.owner.clone());
        names.insert(owner.clone(), name.clone());
        keys.insert(root.access_key_id.clone(), Entry { name, owner, secret: Arc::clone(&root.secret), is_root: true });
        Self { keys, names }
    }

    /// Whether these are exactly the stored keys and root: nearly every refresh, and then nothing is rebuilt.
    fn holds_exactly(&self, root: &Root, stored: &[AccessKey]) -> bool {
        let others = stored.iter().filter(|key| key.access_key_id != root.access_key_id);
        let (mut count, mut same) = (0, true);
        for key in others {
            count += 1;
            same &= self.keys.get(&key.access_key_id).is_some_and(|entry| entry.is_same_as(key));
        }
        same && count + 1 == self.keys.len()
    }

    fn principal(&self, access_key_id: &str) -> Option<Principal> {
        let entry = self.keys.get(access_key_id)?;
        Some(Principal::Identity {
            owner: entry.owner.clone(),
            name: entry.name.clone(),
            access_key_id: access_key_id.to_owned(),
            is_root: entry.is_root,
        })
    }
}

impl Keyring {
    /// Loads all keys.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn load(root: RootCredentials, meta: Arc<dyn MetaStore>) -> Result<Self, MetaError> {
        let root = Arc::new(Root::new(root));
        let snapshot = ArcSwap::from_pointee(Snapshot::build(&root, meta.access_keys().await?));
        Ok(Self { root, meta, snapshot })
    }

    /// Reads the store again. Called every `KEYRING_REFRESH_MS` by a task of `app`.
    ///
    /// # Errors
    /// If the store cannot be read; the old keys then stay.
    pub async fn refresh(&self) -> Result<(), MetaError> {
        let stored = self.meta.access_keys().await?;
        if !self.snapshot.load().holds_exactly(&self.root, &stored) {
            self.snapshot.store(Arc::new(Snapshot::build(&self.root, stored)));
        }
        Ok(())
    }

    /// The principal behind an access key id that was just verified; `None` if it went meanwhile.
    pub fn principal(&self, access_key_id: &str) -> Option<Principal> {
        self.snapshot.load().principal(access_key_id)
    }

    /// The display name of an owner (its key's name, or `root`).
    pub fn display_name(&self, owner: &OwnerId) -> Option<String> {
        self.snapshot.load().names.get(owner).cloned()
    }

    /// The canonical id of root.
    pub fn root_owner(&self) -> OwnerId {
        self.root.owner.clone()
    }
}

impl SecretLookup for Keyring {
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
        self.snapshot.load().keys.get(access_key_id).map(|entry| Arc::clone(&entry.secret))
    }
}

#[cfg(test)]
mod tests {
    use super::{Principal, Root, Snapshot};
    use crate::auth::SecretKey;
    use crate::identity::RootCredentials;
    use crate::meta::AccessKey;
    use crate::types::{OwnerId, Timestamp};

    fn root() -> Root {
        Root::new(RootCredentials { access_key_id: "ROOT".to_owned(), secret: SecretKey::new("root secret") })
    }

    fn key(id: &str, name: &str, secret: &str) -> AccessKey {
        let owner = OwnerId(format!("owner of {name}"));
        let created = Timestamp::from_seconds(0);
        AccessKey { access_key_id: id.to_owned(), name: name.to_owned(), secret: secret.to_owned(), owner, created }
    }

    #[test]
    fn root_and_stored_keys_are_found_by_id_and_owner() {
        let root = root();
        let snapshot = Snapshot::build(&root, vec![key("A", "alice", "a"), key("B", "bob", "b")]);
        let Some(Principal::Identity { owner, name, access_key_id, is_root }) = snapshot.principal("B") else {
            panic!("bob is nobody");
        };
        assert_eq!((owner.0.as_str(), name.as_str(), access_key_id.as_str()), ("owner of bob", "bob", "B"));
        assert!(!is_root);
        assert!(matches!(snapshot.principal("ROOT"), Some(Principal::Identity { is_root: true, .. })));
        assert_eq!(snapshot.principal("b"), None);
        assert_eq!(snapshot.names.get(&root.owner).map(String::as_str), Some("root"));
        assert_eq!(snapshot.names.get(&OwnerId("owner of alice".to_owned())).map(String::as_str), Some("alice"));
        assert_eq!(root.owner.0, "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2");
    }

    #[test]
    fn a_stored_key_with_the_id_of_root_does_not_replace_root() {
        let root = root();
        let stored = vec![key("ROOT", "mallory", "m")];
        let snapshot = Snapshot::build(&root, stored.clone());
        assert_eq!(snapshot.keys["ROOT"].secret.expose(), "root secret");
        assert!(snapshot.keys["ROOT"].is_root);
        assert!(snapshot.holds_exactly(&root, &stored));
    }

    #[test]
    fn an_account_has_twelve_digits_for_good() {
        let id = super::account_id(&super::root_owner());
        assert_eq!(id, "792970751834");
        assert_ne!(id, super::account_id(&OwnerId("other".to_owned())));
    }

    #[test]
    fn any_change_of_a_stored_key_is_seen() {
        let root = root();
        let stored = vec![key("A", "alice", "a"), key("B", "bob", "b")];
        let snapshot = Snapshot::build(&root, stored.clone());
        assert!(snapshot.holds_exactly(&root, &stored));
        assert!(!snapshot.holds_exactly(&root, &stored[..1]), "one went");
        let more = [stored.clone(), vec![key("C", "carol", "c")]].concat();
        assert!(!snapshot.holds_exactly(&root, &more), "one came");
        for changed in [key("B", "bob", "rotated"), key("B", "robert", "b"), key("Z", "bob", "b")] {
            assert!(!snapshot.holds_exactly(&root, &[stored[0].clone(), changed]));
        }
    }
}
