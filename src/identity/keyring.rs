//! All access keys in memory, refreshed from the metadata store.
//!
//! Readers take a snapshot without a lock; a refresh replaces it as a whole, so a request never sees half of a
//! change. Knows nothing of requests or of how a signature is made.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Mutex;

use crate::auth::{SecretKey, SecretLookup, TokenRefusal};
use crate::identity::key_policy::{document, session_policies};
use crate::identity::session::{Claims, Sealer, Token, random_secret};
use crate::identity::{NewKeyError, NewSession, Policies, RootCredentials, Session, SessionCredentials};
use crate::limits::ACCESS_KEYS_MAX;
use crate::limits::admin::KEY_USE_COARSE_MS;
use crate::meta::{AccessKey, GatewaySecret, KeyPolicy, MetaError, MetaStore};
use crate::policy::{self, ADMIN, ADMINISTER, Document, Verdict};
use crate::types::{Clock as _, OwnerId, SourceRates, SystemClock, Timestamp};

/// The name of the secret that tokens of sessions are sealed with.
const SEALING: &str = "sessions";
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

/// The names of all owners: each has that of its oldest key.
pub fn owner_names(keys: &[AccessKey]) -> HashMap<OwnerId, String> {
    let mut oldest: HashMap<&OwnerId, (Timestamp, &str)> = HashMap::with_capacity(keys.len());
    for key in keys {
        let candidate = (key.created, key.name.as_str());
        let found = oldest.entry(&key.owner).or_insert(candidate);
        *found = candidate.min(*found);
    }
    let mut names: HashMap<OwnerId, String> =
        oldest.into_iter().map(|(owner, (_, name))| (owner.clone(), name.to_owned())).collect();
    names.insert(root_owner(), ROOT_NAME.to_owned());
    names
}

/// Who asks. Anonymous is a principal, never a skipped stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody in particular.
    Anonymous,
    /// An access key.
    Identity {
        /// The canonical id of its owner: what buckets belong to. Keys may share one.
        owner: OwnerId,
        /// Its name, shown in logs.
        name: String,
        /// Which key signed.
        access_key_id: String,
        /// Root sees all buckets.
        is_root: bool,
        /// What limits it; `None` if it may do all that its owner may.
        policies: Option<Policies>,
        /// Its own limits of rates; all its sessions share them.
        rates: SourceRates,
        /// The session by which it asks; `None` if it signed itself.
        session: Option<Arc<Session>>,
    },
}

impl Principal {
    /// The session by which it asks.
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Anonymous => None,
            Self::Identity { session, .. } => session.as_deref(),
        }
    }
}

/// All access keys. A change in the store is seen within `KEYRING_REFRESH_MS`.
pub struct Keyring {
    root: Arc<Root>,
    meta: Arc<dyn MetaStore>,
    snapshot: ArcSwap<Snapshot>,
    /// One refresh at a time: what was read first must not replace what was read later.
    refreshing: Mutex<()>,
    /// Part of what tokens of sessions are sealed with.
    sealing: GatewaySecret,
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
    created: Timestamp,
    /// As they are stored.
    attached: Option<Vec<KeyPolicy>>,
    /// The same, read.
    policies: Option<Policies>,
    rates: SourceRates,
    expires: Option<Timestamp>,
    /// When it was used last, to the minute, in microseconds; 0 if not yet. The store hears of it now and then.
    used: Arc<AtomicI64>,
}

impl Entry {
    fn is_same_as(&self, key: &AccessKey) -> bool {
        let same_secret = self.secret.expose().as_bytes().ct_eq(key.secret.as_bytes());
        self.name == key.name
            && self.owner == key.owner
            && self.created == key.created
            && self.attached == key.policies
            && self.rates == key.rates
            && self.expires == key.expires
            && bool::from(same_secret)
    }
}

/// Reads policies, each text once: many keys have the same.
#[derive(Default)]
struct PolicyReader(HashMap<KeyPolicy, Arc<Document>>);

impl PolicyReader {
    fn read(&mut self, attached: &[KeyPolicy]) -> Policies {
        let read = |policy: &KeyPolicy| match self.0.entry(policy.clone()) {
            hash_map::Entry::Occupied(known) => Arc::clone(known.get()),
            hash_map::Entry::Vacant(new) => Arc::clone(new.insert(document(policy))),
        };
        attached.iter().map(read).collect()
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
    fn build(root: &Root, stored: Vec<AccessKey>, before: Option<&Self>) -> Self {
        let used = |id: &str, at: Option<Timestamp>| {
            let known = before.and_then(|before| before.keys.get(id)).map(|entry| Arc::clone(&entry.used));
            known.unwrap_or_else(|| Arc::new(AtomicI64::new(at.map_or(0, |at| at.0))))
        };
        let mut keys = HashMap::with_capacity(stored.len() + 1);
        let names = owner_names(&stored);
        let mut reader = PolicyReader::default();
        for key in stored.into_iter().take(ACCESS_KEYS_MAX as usize) {
            let AccessKey {
                access_key_id,
                name,
                secret,
                owner,
                created,
                policies: attached,
                rates,
                expires,
                last_used,
            } = key;
            let used = used(&access_key_id, last_used);
            let policies = attached.as_deref().map(|attached| reader.read(attached));
            // The secret moves, so that no copy of it is left behind that nobody wipes.
            let secret = Arc::new(SecretKey::new(secret));
            let entry =
                Entry { name, owner, secret, is_root: false, created, attached, policies, rates, expires, used };
            keys.insert(access_key_id, entry);
        }
        let entry = Entry {
            name: ROOT_NAME.to_owned(),
            owner: root.owner.clone(),
            secret: Arc::clone(&root.secret),
            is_root: true,
            created: Timestamp(0),
            attached: None,
            policies: None,
            rates: SourceRates::default(),
            expires: None,
            used: used(&root.access_key_id, None),
        };
        keys.insert(root.access_key_id.clone(), entry);
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

    /// The key of that id, unless its time is over: then it is as if there were none.
    fn living(&self, access_key_id: &str) -> Option<&Entry> {
        self.keys.get(access_key_id).filter(|entry| entry.expires.is_none_or(|end| SystemClock.now() < end))
    }

    fn principal(&self, access_key_id: &str) -> Option<Principal> {
        let entry = self.living(access_key_id)?;
        Some(Principal::Identity {
            owner: entry.owner.clone(),
            name: entry.name.clone(),
            access_key_id: access_key_id.to_owned(),
            is_root: entry.is_root,
            policies: entry.policies.clone(),
            rates: entry.rates,
            session: None,
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
        let snapshot = ArcSwap::from_pointee(Snapshot::build(&root, meta.access_keys().await?, None));
        let candidate = random_secret().map_err(|error| MetaError::Storage(error.to_string()))?;
        let sealing = meta.gateway_secret(SEALING, candidate).await?;
        Ok(Self { root, meta, snapshot, refreshing: Mutex::new(()), sealing })
    }

    /// Reads the store again. Called every `KEYRING_REFRESH_MS` by a task of `app`.
    ///
    /// # Errors
    /// If the store cannot be read; the old keys then stay.
    pub async fn refresh(&self) -> Result<(), MetaError> {
        let _one = self.refreshing.lock().await;
        let stored = self.meta.access_keys().await?;
        let before = self.snapshot.load();
        if !before.holds_exactly(&self.root, &stored) {
            self.snapshot.store(Arc::new(Snapshot::build(&self.root, stored, Some(&before))));
        }
        Ok(())
    }

    /// The principal behind an access key id that was just verified; `None` if it went meanwhile. Counts as a use of
    /// the key.
    pub fn principal(&self, access_key_id: &str) -> Option<Principal> {
        let snapshot = self.snapshot.load();
        let principal = snapshot.principal(access_key_id)?;
        if let Some(entry) = snapshot.keys.get(access_key_id) {
            note_use(&entry.used, SystemClock.now());
        }
        Some(principal)
    }

    /// Whether that secret is the one of that access key. Takes as long whatever is wrong with the secret.
    pub fn proves(&self, access_key_id: &str, secret: &str) -> bool {
        let given = Sha256::digest(secret);
        match self.snapshot.load().living(access_key_id) {
            Some(entry) => bool::from(Sha256::digest(entry.secret.expose()).ct_eq(&given)),
            None => false,
        }
    }

    /// What changes when the key of that id gets another secret or another owner, or is made anew; `None` without one.
    pub fn stamp(&self, access_key_id: &str) -> Option<[u8; 32]> {
        let snapshot = self.snapshot.load();
        snapshot.living(access_key_id).map(|entry| self.sealer(access_key_id, entry).stamp())
    }

    /// Whether the key of that id may run the gateway: root may, and who has the ready-made policy for it, unless
    /// another of its policies forbids it.
    pub fn is_administrator(&self, access_key_id: &str) -> bool {
        let snapshot = self.snapshot.load();
        let Some(entry) = snapshot.living(access_key_id) else { return false };
        let is_ready_made = |policy: &KeyPolicy| policy.name == ADMIN && policy.document.is_none();
        let is_attached = entry.attached.iter().flatten().any(is_ready_made);
        entry.is_root || (is_attached && entry.policies.as_deref().is_some_and(allow_to_administer))
    }

    /// Tells the store which keys were used since it was told last.
    ///
    /// # Errors
    /// If the store cannot be written; it is told the next time.
    pub async fn keep_uses(&self) -> Result<(), MetaError> {
        let stored = self.meta.access_keys().await?;
        let snapshot = self.snapshot.load_full();
        let used = stored.into_iter().filter_map(|key| {
            let at = snapshot.keys.get(&key.access_key_id)?.used.load(Ordering::Relaxed);
            (at > key.last_used.map_or(0, |known| known.0)).then_some((key.access_key_id, Timestamp(at)))
        });
        let used: Vec<_> = used.collect();
        if used.is_empty() { Ok(()) } else { self.meta.note_keys_used(used).await }
    }

    /// When the key of that id was used last, to the minute, as far as this process knows.
    pub fn last_used(&self, access_key_id: &str) -> Option<Timestamp> {
        let at = self.snapshot.load().keys.get(access_key_id)?.used.load(Ordering::Relaxed);
        (at > 0).then_some(Timestamp(at))
    }

    /// Root's access key id.
    pub fn root_key_id(&self) -> &str {
        &self.root.access_key_id
    }

    pub(super) fn meta(&self) -> &dyn MetaStore {
        &*self.meta
    }

    /// Makes a session of an access key; `None` if the key went meanwhile.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn begin_session(
        &self,
        access_key_id: &str,
        new: NewSession,
        now: Timestamp,
    ) -> Result<Option<SessionCredentials>, NewKeyError> {
        let snapshot = self.snapshot.load();
        let Some(entry) = snapshot.living(access_key_id) else { return Ok(None) };
        self.sealer(access_key_id, entry).begin(access_key_id, new, now).map(Some)
    }

    /// The principal behind the session that `token` proves.
    ///
    /// # Errors
    /// Why the token proves nothing.
    pub fn session(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<Principal, TokenRefusal> {
        let snapshot = self.snapshot.load();
        let token = Token::decode(token)?;
        let (claims, _) = self.open(&snapshot, &token, access_key_id, now)?;
        let mut principal = token.access_key_id().and_then(|id| snapshot.principal(id)).ok_or(TokenRefusal::Invalid)?;
        if let Principal::Identity { session, .. } = &mut principal {
            let (issued, policies) = (claims.issued(), session_policies(&claims));
            let (access_key_id, role_session) = (access_key_id.to_owned(), claims.role_session);
            *session = Some(Arc::new(Session { access_key_id, role_session, issued, policies }));
        }
        Ok(principal)
    }

    fn open(
        &self,
        snapshot: &Snapshot,
        token: &Token,
        access_key_id: &str,
        now: Timestamp,
    ) -> Result<(Claims, SecretKey), TokenRefusal> {
        let parent = token.access_key_id().ok_or(TokenRefusal::Invalid)?;
        let entry = snapshot.living(parent).ok_or(TokenRefusal::Invalid)?;
        self.sealer(parent, entry).open(token, access_key_id, now)
    }

    fn sealer(&self, access_key_id: &str, entry: &Entry) -> Sealer {
        Sealer::new(&self.sealing, access_key_id, &entry.secret, (&entry.owner, entry.created))
    }

    /// The display name of an owner (the name of its oldest key, or `root`).
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
        self.snapshot.load().living(access_key_id).map(|entry| Arc::clone(&entry.secret))
    }

    fn session_secret(&self, access_key_id: &str, token: &str, now: Timestamp) -> Result<Arc<SecretKey>, TokenRefusal> {
        let (_, secret) = self.open(&self.snapshot.load(), &Token::decode(token)?, access_key_id, now)?;
        Ok(Arc::new(secret))
    }
}

/// Whether these policies together let their key run the gateway.
fn allow_to_administer(policies: &[Arc<Document>]) -> bool {
    let context = policy::MapContext::default();
    let request = policy::Request {
        action: ADMINISTER,
        target: policy::Target::Service,
        principal: policy::Principal::Anonymous,
        now: SystemClock.now(),
        context: &context,
    };
    matches!(policy::evaluate(policies.iter().map(|document| &**document), &request, false), Verdict::Allow(_))
}

/// Notes a use, unless one of the same minute is noted.
fn note_use(used: &AtomicI64, now: Timestamp) {
    let known = used.load(Ordering::Relaxed);
    if now.0 - known >= KEY_USE_COARSE_MS * 1_000 {
        used.store(now.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Keyring, Principal, Root, Snapshot, owner_names, root_owner};
    use crate::auth::{SecretKey, SecretLookup as _, TokenRefusal};
    use crate::identity::{NewSession, RootCredentials};
    use crate::meta::{AccessKey, KeyPolicy, MemoryMeta, MetaStore as _};
    use crate::types::{OwnerId, Rate, SourceRates, Timestamp};

    fn root() -> Root {
        Root::new(RootCredentials { access_key_id: "ROOT".to_owned(), secret: SecretKey::new("root secret") })
    }

    fn key(id: &str, name: &str, secret: &str) -> AccessKey {
        let owner = OwnerId(format!("owner of {name}"));
        let created = Timestamp::from_seconds(0);
        let (access_key_id, name, secret) = (id.to_owned(), name.to_owned(), secret.to_owned());
        let rates = SourceRates::default();
        let (policies, expires, last_used) = (None, None, None);
        AccessKey { access_key_id, name, secret, owner, created, policies, rates, expires, last_used }
    }

    fn policy(name: &str, document: Option<&str>) -> KeyPolicy {
        KeyPolicy { name: name.to_owned(), document: document.map(Into::into) }
    }

    #[test]
    fn policies_are_read_once_and_a_change_of_them_is_a_change() {
        const OWN: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#;
        let attached = Some(vec![policy("full", None), policy("own", Some(OWN))]);
        let limited = |id: &str, name: &str| AccessKey { policies: attached.clone(), ..key(id, name, "s") };
        let root = root();
        let stored = vec![key("A", "alice", "a"), limited("B", "bob"), limited("C", "carol")];
        let snapshot = Snapshot::build(&root, stored.clone(), None);
        assert!(snapshot.holds_exactly(&root, &stored));
        let [bob, carol] = ["B", "C"].map(|id| snapshot.keys[id].policies.clone().unwrap());
        assert_eq!(bob.len(), 2);
        assert!(bob.iter().zip(&*carol).all(|(one, other)| Arc::ptr_eq(one, other)));
        assert!(matches!(snapshot.principal("A"), Some(Principal::Identity { policies: None, .. })));
        for change in [None, Some(vec![]), Some(vec![policy("full", None)])] {
            let mut changed = stored.clone();
            changed[1].policies = change;
            assert!(!snapshot.holds_exactly(&root, &changed));
        }
        let mut changed = stored;
        changed[0].rates.requests = Some(Rate { per_second: 1, burst: 1 });
        assert!(!snapshot.holds_exactly(&root, &changed), "rates too");
        let snapshot = Snapshot::build(&root, changed.clone(), None);
        assert!(
            matches!(snapshot.principal("A"), Some(Principal::Identity { rates, .. }) if rates == changed[0].rates)
        );
    }

    #[tokio::test]
    async fn a_session_is_its_key_until_either_ends() {
        const NOW: Timestamp = Timestamp(1_700_000_000_000_000);
        let meta = Arc::new(MemoryMeta::new());
        meta.add_access_key(key("A", "alice", "a")).await.unwrap();
        let credentials = |id: &str| RootCredentials { access_key_id: id.to_owned(), secret: SecretKey::new("root") };
        let keyring = Keyring::load(credentials("ROOT"), meta.clone()).await.unwrap();
        let ready_made = vec!["read-only".to_owned()];
        let new = NewSession { role_session: Some("n".to_owned()), policy: None, ready_made, seconds: 900 };
        let made = keyring.begin_session("A", new.clone(), NOW).unwrap().unwrap();
        let at = |keyring: &Keyring, seconds: i64| {
            let now = NOW.plus_seconds(seconds);
            let secret = keyring.session_secret(&made.access_key_id, &made.token, now);
            let principal = keyring.session(&made.access_key_id, &made.token, now);
            assert_eq!(secret.as_ref().err(), principal.as_ref().err());
            assert!(secret.is_err() || secret.unwrap().expose() == *made.secret);
            principal
        };
        let principal = at(&keyring, 899).unwrap();
        assert!(matches!(&principal, Principal::Identity { name, access_key_id, policies: None, .. }
            if name == "alice" && access_key_id == "A"));
        let session = principal.session().unwrap();
        assert_eq!((session.name(), session.issued), ("n", NOW));
        assert_eq!(session.policies.as_ref().map(|policies| policies.len()), Some(1));
        assert_eq!(at(&keyring, 900).unwrap_err(), TokenRefusal::Expired);
        // Another gateway on the store opens it too; a key of no store, or a session's own, makes none.
        let other = Keyring::load(credentials("OTHER"), meta.clone()).await.unwrap();
        assert_eq!(at(&other, 1).unwrap(), principal);
        assert!(keyring.begin_session("B", new.clone(), NOW).unwrap().is_none());
        assert!(keyring.begin_session(&made.access_key_id, new, NOW).unwrap().is_none());
        meta.remove_access_key("A").await.unwrap();
        keyring.refresh().await.unwrap();
        assert_eq!(at(&keyring, 1).unwrap_err(), TokenRefusal::Invalid);
        meta.add_access_key(AccessKey { created: NOW, ..key("A", "alice", "a") }).await.unwrap();
        keyring.refresh().await.unwrap();
        assert_eq!(at(&keyring, 1).unwrap_err(), TokenRefusal::Invalid, "a new key is another key");
    }

    #[test]
    fn an_owner_has_the_name_of_its_oldest_key() {
        let of = |name: &str, owner: OwnerId, seconds| AccessKey {
            owner,
            created: Timestamp::from_seconds(seconds),
            ..key(name, name, "s")
        };
        let nas = OwnerId("nas".to_owned());
        let keys =
            [of("a", nas.clone(), 2), of("b", nas.clone(), 1), of("c", nas.clone(), 1), of("d", root_owner(), 0)];
        let names = owner_names(&keys);
        assert_eq!((names[&nas].as_str(), names[&root_owner()].as_str()), ("b", "root"));
    }

    #[test]
    fn root_and_stored_keys_are_found_by_id_and_owner() {
        let root = root();
        let snapshot = Snapshot::build(&root, vec![key("A", "alice", "a"), key("B", "bob", "b")], None);
        let Some(Principal::Identity { owner, name, access_key_id, is_root, policies: None, session: None, .. }) =
            snapshot.principal("B")
        else {
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
        let snapshot = Snapshot::build(&root, stored.clone(), None);
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
        let snapshot = Snapshot::build(&root, stored.clone(), None);
        assert!(snapshot.holds_exactly(&root, &stored));
        assert!(!snapshot.holds_exactly(&root, &stored[..1]), "one went");
        let more = [stored.clone(), vec![key("C", "carol", "c")]].concat();
        assert!(!snapshot.holds_exactly(&root, &more), "one came");
        for changed in [key("B", "bob", "rotated"), key("B", "robert", "b"), key("Z", "bob", "b")] {
            assert!(!snapshot.holds_exactly(&root, &[stored[0].clone(), changed]));
        }
    }
}
