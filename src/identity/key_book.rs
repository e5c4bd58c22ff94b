//! What an operator does with access keys while the gateway runs: list, add, change and remove them, and give them
//! other secrets. A change counts at once, not only after the next refresh of the keyring.
//!
//! Knows nothing of who asks, nor of how.

use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::identity::access_key::random_pair;
use crate::identity::{
    Keyring, NewKeyError, NewPolicyError, ROOT_NAME, account_id, limits_of, new_access_key, own_policy, owner_names,
    ready_made_policy, root_owner,
};
use crate::limits::{KEY_POLICIES_BYTES_MAX, KEY_POLICIES_MAX};
use crate::meta::{AccessKey, KeyChange, KeyPolicy, MetaError};
use crate::types::{BucketName, Clock as _, OwnerId, Rate, SourceRates, SystemClock, Timestamp};

/// What may be told of a key: everything but its secret.
#[derive(Clone, Debug)]
pub struct KeyFacts {
    /// Its name.
    pub name: String,
    /// Its id.
    pub access_key_id: String,
    /// The canonical id of its owner.
    pub owner: OwnerId,
    /// The name of its owner.
    pub owner_name: String,
    /// The account id of its owner.
    pub account: String,
    /// What limits it: names, and the documents of those that are not ready-made; `None` if nothing does.
    pub policies: Option<Vec<(String, Option<Arc<str>>)>>,
    /// Its own limits of rates.
    pub rates: SourceRates,
    /// When it was made; `None` for root's.
    pub created: Option<Timestamp>,
    /// When it ends; `None` for never.
    pub expires: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub last_used: Option<Timestamp>,
    /// Whether it is root's, which nobody changes from here.
    pub is_root: bool,
}

/// A key and its secret, which is told once.
pub struct MadeKey {
    /// The key.
    pub facts: KeyFacts,
    /// Its secret.
    pub secret: Zeroizing<String>,
}

/// What a new key is to be.
#[derive(Default)]
pub struct KeyPlan {
    /// Its name.
    pub name: String,
    /// The key whose buckets it works on; without, it owns what it creates.
    pub works_for: Option<String>,
    /// Names of ready-made policies.
    pub ready_made: Vec<String>,
    /// Names and texts of its own policies.
    pub documents: Vec<(String, String)>,
    /// Buckets that it is confined to.
    pub buckets: Vec<BucketName>,
    /// An id and a secret that somebody brought.
    pub pair: Option<(String, String)>,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// What of a key is to change. What is `None` or empty stays.
#[derive(Default)]
pub struct KeyEdit {
    /// Names of ready-made policies to attach.
    pub attach: Vec<String>,
    /// Names and texts of its own policies to attach; each replaces the one of its name.
    pub documents: Vec<(String, String)>,
    /// Names of policies to detach.
    pub detach: Vec<String>,
    /// Another rate of requests, or none of its own.
    pub requests: Option<Option<Rate>>,
    /// Another rate of bytes, or none of its own.
    pub bytes: Option<Option<Rate>>,
    /// Another end, or none.
    pub expires: Option<Option<Timestamp>>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// No key has that name or id.
    #[error("there is no access key {0:?}")]
    NoSuchKey(String),
    /// Root's key is not in the store.
    #[error("root's key is set where the server is configured, not here")]
    Root,
    /// Name or id are taken.
    #[error("an access key of that name or with that id exists")]
    Exists,
    /// The key has no policy of one of those names.
    #[error("the key lacks one of these policies; nothing was changed")]
    NoSuchPolicy,
    /// More than a key, or all keys together, may have.
    #[error(
        "a key has at most {KEY_POLICIES_MAX} policies, and those of all keys have at most {KEY_POLICIES_BYTES_MAX} bytes"
    )]
    TooManyPolicies,
    /// No ready-made policy has that name.
    #[error("there is no ready-made policy {0:?}")]
    NotReadyMade(String),
    /// A time that has passed.
    #[error("a key cannot end in the past")]
    Past,
    /// Name, id or secret.
    #[error(transparent)]
    Key(#[from] NewKeyError),
    /// A policy.
    #[error(transparent)]
    Policy(#[from] NewPolicyError),
    /// The store failed.
    #[error(transparent)]
    Store(MetaError),
}

impl KeyFault {
    fn of(error: MetaError, name: &str) -> Self {
        match error {
            MetaError::NoSuchAccessKey => Self::NoSuchKey(name.to_owned()),
            MetaError::AccessKeyExists => Self::Exists,
            MetaError::NoSuchKeyPolicy => Self::NoSuchPolicy,
            MetaError::TooManyKeyPolicies => Self::TooManyPolicies,
            error => Self::Store(error),
        }
    }
}

/// All access keys, to be worked on. Cheap to clone.
#[derive(Clone)]
pub struct KeyBook {
    keyring: Arc<Keyring>,
}

impl KeyBook {
    /// The keys of that ring.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self { keyring }
    }

    /// All keys: root's, then the others by name.
    ///
    /// # Errors
    /// `Store`.
    pub async fn list(&self) -> Result<Vec<KeyFacts>, KeyFault> {
        let keys = self.stored().await?;
        let names = owner_names(&keys);
        let others = keys.into_iter().map(|key| self.facts(key, &names));
        Ok(std::iter::once(self.root()).chain(others).collect())
    }

    /// The key of that name, or else of that id.
    ///
    /// # Errors
    /// `NoSuchKey`, `Store`.
    pub async fn find(&self, name_or_id: &str) -> Result<KeyFacts, KeyFault> {
        let keys = self.list().await?;
        let by_name = keys.iter().find(|key| key.name == name_or_id);
        let found = by_name.or_else(|| keys.iter().find(|key| key.access_key_id == name_or_id));
        found.cloned().ok_or_else(|| KeyFault::NoSuchKey(name_or_id.to_owned()))
    }

    /// Adds a key.
    ///
    /// # Errors
    /// Any but `Root` and `NoSuchPolicy`; then there is no new key.
    pub async fn add(&self, plan: KeyPlan) -> Result<MadeKey, KeyFault> {
        let KeyPlan { name, works_for, ready_made, documents, buckets, pair, expires } = plan;
        let now = SystemClock.now();
        if expires.is_some_and(|end| end <= now) {
            return Err(KeyFault::Past);
        }
        let mut key = new_access_key(&name, pair, now)?;
        if let Some(other) = works_for {
            key.owner = self.find(&other).await?.owner;
        }
        key.policies = limits_of(policies(&ready_made, &documents)?, &buckets)?;
        key.expires = expires;
        if key.access_key_id == self.keyring.root_key_id() {
            return Err(KeyFault::Exists);
        }
        let secret = Zeroizing::new(key.secret.clone());
        self.keyring.meta().add_access_key(key).await.map_err(|error| KeyFault::of(error, &name))?;
        self.made(&name, secret).await
    }

    /// Changes a key, as a whole or not at all.
    ///
    /// # Errors
    /// Any but `Exists`.
    pub async fn edit(&self, name_or_id: &str, edit: KeyEdit) -> Result<KeyFacts, KeyFault> {
        let id = self.stored_id(name_or_id).await?;
        let KeyEdit { attach, documents, detach, requests, bytes, expires } = edit;
        if expires.flatten().is_some_and(|end| end <= SystemClock.now()) {
            return Err(KeyFault::Past);
        }
        let attach = policies(&attach, &documents)?;
        let change = KeyChange { detach, attach, requests, bytes, expires, secret: None };
        self.change(&id, change).await?;
        self.find(&id).await
    }

    /// Gives a key another secret. What was signed with the old one, and sessions of the key, end at once.
    ///
    /// # Errors
    /// `NoSuchKey`, `Root`, `Key`, `Store`.
    pub async fn rotate(&self, name_or_id: &str) -> Result<MadeKey, KeyFault> {
        let id = self.stored_id(name_or_id).await?;
        let (_, secret) = random_pair()?;
        let secret = Zeroizing::new(secret);
        self.change(&id, KeyChange { secret: Some(secret.to_string()), ..KeyChange::default() }).await?;
        self.made(&id, secret).await
    }

    /// Removes a key, and all sessions with it.
    ///
    /// # Errors
    /// `NoSuchKey`, `Root`, `Store`.
    pub async fn remove(&self, name_or_id: &str) -> Result<(), KeyFault> {
        let id = self.stored_id(name_or_id).await?;
        self.keyring.meta().remove_access_key(&id).await.map_err(|error| KeyFault::of(error, &id))?;
        self.refresh().await
    }

    async fn change(&self, id: &str, change: KeyChange) -> Result<(), KeyFault> {
        let changed = self.keyring.meta().change_access_key(id, change).await;
        changed.map_err(|error| KeyFault::of(error, id))?;
        self.refresh().await
    }

    async fn made(&self, name_or_id: &str, secret: Zeroizing<String>) -> Result<MadeKey, KeyFault> {
        self.refresh().await?;
        Ok(MadeKey { facts: self.find(name_or_id).await?, secret })
    }

    async fn refresh(&self) -> Result<(), KeyFault> {
        self.keyring.refresh().await.map_err(KeyFault::Store)
    }

    async fn stored(&self) -> Result<Vec<AccessKey>, KeyFault> {
        self.keyring.meta().access_keys().await.map_err(KeyFault::Store)
    }

    /// The id of a key that can be changed.
    async fn stored_id(&self, name_or_id: &str) -> Result<String, KeyFault> {
        let found = self.find(name_or_id).await?;
        if found.is_root { Err(KeyFault::Root) } else { Ok(found.access_key_id) }
    }

    fn root(&self) -> KeyFacts {
        let (id, owner) = (self.keyring.root_key_id(), root_owner());
        KeyFacts {
            name: ROOT_NAME.to_owned(),
            access_key_id: id.to_owned(),
            owner_name: ROOT_NAME.to_owned(),
            account: account_id(&owner),
            owner,
            policies: None,
            rates: SourceRates::default(),
            created: None,
            expires: None,
            last_used: self.keyring.last_used(id),
            is_root: true,
        }
    }

    fn facts(&self, key: AccessKey, names: &HashMap<OwnerId, String>) -> KeyFacts {
        // The secret goes here; nothing of it is copied.
        let _secret = Zeroizing::new(key.secret);
        let owner_name = names.get(&key.owner).cloned().unwrap_or_default();
        let known = self.keyring.last_used(&key.access_key_id);
        let named = |policy: KeyPolicy| (policy.name, policy.document);
        KeyFacts {
            name: key.name,
            last_used: known.max(key.last_used),
            access_key_id: key.access_key_id,
            account: account_id(&key.owner),
            owner: key.owner,
            owner_name,
            policies: key.policies.map(|policies| policies.into_iter().map(named).collect()),
            rates: key.rates,
            created: Some(key.created),
            expires: key.expires,
            is_root: false,
        }
    }
}

/// Policies to attach: ready-made ones by name, and own ones by name and text.
fn policies(ready_made: &[String], documents: &[(String, String)]) -> Result<Vec<KeyPolicy>, KeyFault> {
    let known = |name: &String| ready_made_policy(name).ok_or_else(|| KeyFault::NotReadyMade(name.clone()));
    let own = documents.iter().map(|(name, text)| own_policy(name, text).map_err(KeyFault::from));
    ready_made.iter().map(known).chain(own).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{KeyBook, KeyEdit, KeyFault, KeyPlan};
    use crate::auth::{SecretKey, SecretLookup as _};
    use crate::identity::{Keyring, RootCredentials};
    use crate::meta::MemoryMeta;
    use crate::types::{Clock as _, SystemClock};

    async fn house() -> (Arc<Keyring>, KeyBook) {
        let root = RootCredentials { access_key_id: "ROOT".to_owned(), secret: SecretKey::new("root secret") };
        let keyring = Arc::new(Keyring::load(root, Arc::new(MemoryMeta::new())).await.unwrap());
        (Arc::clone(&keyring), KeyBook::new(keyring))
    }

    fn plan(name: &str) -> KeyPlan {
        KeyPlan { name: name.to_owned(), ..KeyPlan::default() }
    }

    #[tokio::test]
    async fn a_key_counts_from_its_adding_to_its_removal() {
        let (keyring, book) = house().await;
        let made = book.add(plan("ann")).await.unwrap();
        let id = made.facts.access_key_id.clone();
        assert!(keyring.proves(&id, &made.secret) && !keyring.proves(&id, "another"));
        assert!(matches!(book.add(plan("ann")).await, Err(KeyFault::Exists)));
        let again = book.rotate("ann").await.unwrap();
        assert!(keyring.proves(&id, &again.secret) && !keyring.proves(&id, &made.secret));
        assert_eq!(again.facts.access_key_id, id);
        book.remove(&id).await.unwrap();
        assert!(keyring.secret(&id).is_none());
        assert!(matches!(book.rotate("ann").await, Err(KeyFault::NoSuchKey(_))));
        for refused in [book.remove("root").await, book.remove("ROOT").await] {
            assert!(matches!(refused, Err(KeyFault::Root)));
        }
    }

    #[tokio::test]
    async fn a_key_whose_time_is_over_is_none() {
        let (keyring, book) = house().await;
        let soon = SystemClock.now().plus_seconds(3_600);
        let id = book.add(KeyPlan { expires: Some(soon), ..plan("ann") }).await.unwrap().facts.access_key_id;
        assert!(keyring.secret(&id).is_some());
        let past = KeyEdit { expires: Some(Some(SystemClock.now())), ..KeyEdit::default() };
        assert!(matches!(book.edit("ann", past).await, Err(KeyFault::Past)));
        let ended = crate::meta::KeyChange { expires: Some(Some(SystemClock.now())), ..Default::default() };
        keyring.meta().change_access_key("ann", ended).await.unwrap();
        keyring.refresh().await.unwrap();
        assert!(keyring.secret(&id).is_none() && keyring.principal(&id).is_none() && keyring.stamp(&id).is_none());
    }

    #[tokio::test]
    async fn administrators_are_root_and_who_was_made_one() {
        let (keyring, book) = house().await;
        assert!(keyring.is_administrator("ROOT") && !keyring.is_administrator("nobody"));
        let with = |name: &str, policies: &[&str], documents: Vec<(String, String)>| KeyPlan {
            ready_made: policies.iter().map(|&name| name.to_owned()).collect(),
            documents,
            ..plan(name)
        };
        let text = |effect: &str| format!(r#"{{"Statement":{{"Effect":"{effect}","Action":"*","Resource":"*"}}}}"#);
        let own = |effect: &str| vec![("own".to_owned(), text(effect))];
        for (name, policies, documents, expected) in [
            ("plain", &[][..], Vec::new(), false),
            ("full", &["full"][..], Vec::new(), false),
            ("stars", &[][..], own("Allow"), false),
            ("admin", &["admin"][..], Vec::new(), true),
            ("denied", &["admin"][..], own("Deny"), false),
        ] {
            let id = book.add(with(name, policies, documents)).await.unwrap().facts.access_key_id;
            assert_eq!(keyring.is_administrator(&id), expected, "{name}");
        }
        let confined = KeyPlan { buckets: vec!["photos".parse_bucket()], ..with("confined", &["admin"], Vec::new()) };
        let id = book.add(confined).await.unwrap().facts.access_key_id;
        assert!(!keyring.is_administrator(&id), "who is confined to buckets does not run the gateway");
    }

    trait ParseBucket {
        fn parse_bucket(&self) -> crate::types::BucketName;
    }

    impl ParseBucket for str {
        fn parse_bucket(&self) -> crate::types::BucketName {
            crate::types::BucketName::parse(self).unwrap()
        }
    }

    #[tokio::test]
    async fn the_last_use_reaches_the_store() {
        let (keyring, book) = house().await;
        let id = book.add(plan("ann")).await.unwrap().facts.access_key_id;
        assert_eq!(book.find("ann").await.unwrap().last_used, None);
        keyring.principal(&id).unwrap();
        keyring.keep_uses().await.unwrap();
        let stored = keyring.meta().access_keys().await.unwrap()[0].last_used;
        assert!(stored.is_some() && stored == book.find("ann").await.unwrap().last_used);
    }
}
