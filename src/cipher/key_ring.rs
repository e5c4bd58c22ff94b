//! The key ring: the wrapping keys of the gateway, by id. Its text is read here and made here; where it is kept is
//! the caller's business.
//!
//! ```text
//! # comments and empty lines are ignored
//! active = 2026-main
//! 2026-main = <32 bytes in base64>
//! 2025-main = <32 bytes in base64>
//! ```
//!
//! Without an `active` line the first key is active: it wraps for SSE-S3, and for SSE-KMS without a key id. All keys
//! unwrap.

use std::fmt;

use zeroize::Zeroizing;

use crate::cipher::key::{Secret, random};
use crate::cipher::{CipherError, CustomerKey, DataKey, Envelope, Holder, Protection};
use crate::limits::{
    ENCRYPTION_KEY_ID_BYTES_MAX, ENCRYPTION_KEY_LINE_BYTES, ENCRYPTION_KEYS_FILE_BYTES_MAX, ENCRYPTION_KEYS_MAX,
};

const ACTIVE_FIELD: &str = "active";
/// The alias of the key that S3 uses for SSE-KMS when a request names none.
const DEFAULT_ALIAS: &str = "alias/aws/s3";

/// Wrapping keys by id. Shows ids only.
#[derive(Clone, Default)]
pub struct KeyRing {
    /// In the order of the file; ids are unique.
    keys: Vec<(String, Secret)>,
    active: usize,
}

/// Why a text is no key ring. Carries the line's number and never its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// A line cannot be read.
    #[error("line {line}: {reason}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The whole is wrong.
    #[error("{0}")]
    Whole(&'static str),
}

/// What a ring would lose that another one has. Carries the key's id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyLoss {
    /// No key has that id.
    #[error("the key {0} is missing")]
    Gone(String),
    /// Another key has that id.
    #[error("the key {0} is another one than before")]
    Changed(String),
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl KeyRing {
    /// Reads the text of a ring.
    ///
    /// # Errors
    /// What is wrong, without the text.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut keys: Vec<(String, Secret)> = Vec::new();
        let mut active = None;
        for (index, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |reason| KeyRingError::Line { line: index, reason };
            let (name, value) = line.split_once('=').ok_or(wrong("a line is \"id = key\""))?;
            let (name, value) = (name.trim(), value.trim());
            if name == ACTIVE_FIELD {
                if active.replace(value).is_some() {
                    return Err(wrong("there is a second active line"));
                }
                continue;
            }
            if !is_id(name) {
                return Err(wrong("an id is letters, digits and -_/:.+,@ only"));
            }
            if keys.iter().any(|(id, _)| id == name) {
                return Err(wrong("the id stands there twice"));
            }
            let key = Secret::from_base64(value).ok_or(wrong("a key is 32 bytes in base64"))?;
            keys.push((name.to_owned(), key));
        }
        if keys.len() > ENCRYPTION_KEYS_MAX {
            return Err(KeyRingError::Whole("there are too many keys"));
        }
        let active = match active {
            None => 0,
            Some(active) => {
                let found = keys.iter().position(|(id, _)| id == active);
                found.ok_or(KeyRingError::Whole("the active key is not among the keys"))?
            }
        };
        if keys.is_empty() { Err(KeyRingError::Whole("there is no key")) } else { Ok(Self { keys, active }) }
    }

    /// A ring of one new random key, with a random id.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn generate() -> Result<Self, CipherError> {
        let mut ring = Self::default();
        ring.rotate()?;
        Ok(ring)
    }

    /// Adds a new random key and makes it the active one; returns its id. The others stay and unwrap.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn rotate(&mut self) -> Result<&str, CipherError> {
        let id = format!("local-{}", hex::encode(random::<8>()?));
        self.keys.push((id, Secret::generate()?));
        self.active = self.keys.len() - 1;
        Ok(&self.keys[self.active].0)
    }

    /// A ring of one key, in base64, whose id is `prefix` and a fingerprint of the key: another key never answers to
    /// the id of this one.
    ///
    /// # Errors
    /// `Line` if it is no key.
    pub fn of_key(prefix: &str, base64: &str) -> Result<Self, KeyRingError> {
        let key = Secret::from_base64(base64);
        let key = key.ok_or(KeyRingError::Line { line: 1, reason: "a key is 32 bytes in base64" })?;
        Ok(Self { keys: vec![(format!("{prefix}-{}", key.fingerprint()), key)], active: 0 })
    }

    /// Adds the keys of `others` whose ids are new. The active key stays, if there is one.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        if self.keys.is_empty() {
            return others;
        }
        for (id, key) in others.keys {
            if self.keys.iter().all(|(known, _)| *known != id) {
                self.keys.push((id, key));
            }
        }
        self
    }

    /// The first key of `before` that is not in this ring, or not the same; `None` if this ring opens all that the
    /// other one opened.
    pub fn loss_from(&self, before: &Self) -> Option<KeyLoss> {
        before.keys.iter().find_map(|(id, key)| match self.keys.iter().find(|(known, _)| known == id) {
            None => Some(KeyLoss::Gone(id.clone())),
            Some((_, now)) => (now.fingerprint() != key.fingerprint()).then(|| KeyLoss::Changed(id.clone())),
        })
    }

    /// Whether one more key would be more than `parse` reads.
    pub fn is_full(&self) -> bool {
        let bytes = self.to_text().len() as u64 + ENCRYPTION_KEY_LINE_BYTES;
        self.keys.len() >= ENCRYPTION_KEYS_MAX || bytes > ENCRYPTION_KEYS_FILE_BYTES_MAX
    }

    /// The text that `parse` reads, with secrets.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64 + self.keys.len() * 128));
        if let Some(active) = self.active_id() {
            text.push_str(&format!("{ACTIVE_FIELD} = {active}\n"));
        }
        for (id, key) in &self.keys {
            text.push_str(id);
            text.push_str(" = ");
            text.push_str(&key.base64());
            text.push('\n');
        }
        text
    }

    /// Ids in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// The id of the active key; `None` if the ring is empty.
    pub fn active_id(&self) -> Option<&str> {
        self.keys.get(self.active).map(|(id, _)| id.as_str())
    }

    /// Whether a request may name this key.
    pub fn knows(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The key behind what a client calls it: its id, its ARN (of any region and account: there is one ring), or
    /// its alias.
    fn find(&self, name: &str) -> Option<&(String, Secret)> {
        let exact = |name: &str| self.keys.iter().find(|(id, _)| id == name);
        let resource = match name.strip_prefix("arn:") {
            // arn:partition:kms:region:account:resource
            Some(arn) => arn.splitn(5, ':').nth(4).unwrap_or_default(),
            None => name,
        };
        let active = || self.keys.get(self.active).filter(|_| resource == DEFAULT_ALIAS);
        exact(name)
            .or_else(|| exact(resource))
            .or_else(|| exact(resource.strip_prefix("key/").or(resource.strip_prefix("alias/"))?))
            .or_else(active)
    }

    fn required(&self, name: &str) -> Result<&Secret, CipherError> {
        let found = self.find(name).ok_or_else(|| CipherError::UnknownKey(name.to_owned()))?;
        Ok(&found.1)
    }

    /// The id of the key that wraps an envelope; `None` if that is the customer's.
    ///
    /// # Errors
    /// `UnknownKey`, `Damaged`.
    pub fn wrapping_id(&self, envelope: &Envelope) -> Result<Option<&str>, CipherError> {
        match envelope.protection() {
            Protection::Customer => Ok(None),
            Protection::Gateway { key } => {
                let found = self.find(key).ok_or_else(|| CipherError::UnknownKey(key.clone()))?;
                Ok(Some(&found.0))
            }
            // Which key a name meant then, only opening tells.
            Protection::Kms { key, .. } => Ok(Some(self.opened(envelope, key)?.0)),
        }
    }

    /// The key that opens an envelope, and the data key in it. Its name may stand for another key by now: an alias of
    /// the active key after a rotation, an alias that became the id of a new key. So the named one is only the first
    /// that is tried.
    fn opened(&self, envelope: &Envelope, name: &str) -> Result<(&str, DataKey), CipherError> {
        let named = self.find(name).ok_or_else(|| CipherError::UnknownKey(name.to_owned()))?;
        let others = self.keys.iter().filter(|(id, _)| *id != named.0);
        let found =
            std::iter::once(named).chain(others).find_map(|(id, key)| Some((id.as_str(), envelope.unwrap(key)?)));
        found.ok_or(CipherError::Damaged("the envelope of a data key"))
    }

    /// How a body would be protected: which key a holder means.
    ///
    /// # Errors
    /// `UnknownKey`.
    pub fn protection(&self, holder: &Holder) -> Result<Protection, CipherError> {
        let active = || self.active_id().map(str::to_owned).ok_or(CipherError::UnknownKey(DEFAULT_ALIAS.to_owned()));
        match holder {
            Holder::Gateway => Ok(Protection::Gateway { key: active()? }),
            Holder::Kms { key, bucket_key, context } => {
                let key = match key {
                    Some(key) => key.clone(),
                    None => active()?,
                };
                self.required(&key)?;
                Ok(Protection::Kms { key, bucket_key: *bucket_key, context: context.clone() })
            }
            Holder::Customer(_) => Ok(Protection::Customer),
        }
    }

    /// Makes a data key and wraps it.
    ///
    /// # Errors
    /// `UnknownKey`, `NoRandomness`.
    pub fn seal(&self, holder: &Holder) -> Result<(DataKey, Envelope), CipherError> {
        let data = DataKey::generate()?;
        let envelope = self.wrap(&data, holder)?;
        Ok((data, envelope))
    }

    /// Wraps a data key.
    ///
    /// # Errors
    /// `UnknownKey`, `NoRandomness`.
    pub fn wrap(&self, data: &DataKey, holder: &Holder) -> Result<Envelope, CipherError> {
        let customer = match holder {
            Holder::Customer(key) => Some(key),
            Holder::Gateway | Holder::Kms { .. } => None,
        };
        self.wrap_as(data, self.protection(holder)?, customer)
    }

    /// Wraps a data key the way another one is wrapped.
    ///
    /// # Errors
    /// `KeyNeeded`, `UnknownKey`, `NoRandomness`.
    pub fn wrap_as(
        &self,
        data: &DataKey,
        protection: Protection,
        customer: Option<&CustomerKey>,
    ) -> Result<Envelope, CipherError> {
        let key = match &protection {
            Protection::Customer => &customer.ok_or(CipherError::KeyNeeded)?.secret,
            Protection::Gateway { key } | Protection::Kms { key, .. } => self.required(key)?,
        };
        Envelope::wrap(data, key, protection)
    }

    /// Unwraps a data key. `customer` is the key that the request carries.
    ///
    /// # Errors
    /// `KeyNeeded`, `KeyNotApplicable`, `WrongKey`, `UnknownKey`, `Damaged`.
    pub fn open(&self, envelope: &Envelope, customer: Option<&CustomerKey>) -> Result<DataKey, CipherError> {
        match (envelope.protection(), customer) {
            (Protection::Customer, None) => Err(CipherError::KeyNeeded),
            (Protection::Customer, Some(key)) => envelope.unwrap(&key.secret).ok_or(CipherError::WrongKey),
            (Protection::Gateway { .. } | Protection::Kms { .. }, Some(_)) => Err(CipherError::KeyNotApplicable),
            (Protection::Gateway { key } | Protection::Kms { key, .. }, None) => Ok(self.opened(envelope, key)?.1),
        }
    }
}

fn is_id(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/:.+,@".contains(&byte);
    (1..=ENCRYPTION_KEY_ID_BYTES_MAX).contains(&name.len()) && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::{KeyLoss, KeyRing, KeyRingError};
    use crate::cipher::{CipherError, CustomerKey, Holder, Protection};

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const B: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text).unwrap()
    }

    fn kms(key: Option<&str>) -> Holder {
        Holder::Kms { key: key.map(str::to_owned), bucket_key: false, context: None }
    }

    #[test]
    fn the_first_key_is_active_unless_a_line_says_otherwise() {
        assert_eq!(ring(&format!("# mine\n\na={A}\n b =  {B} \n")).active_id(), Some("a"));
        let other = ring(&format!("active = b\na = {A}\nb = {B}\n"));
        assert_eq!(other.active_id(), Some("b"));
        assert_eq!(other.ids().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_wrong_text_is_refused_without_being_repeated() {
        let long = format!("{} = {A}", "i".repeat(3000));
        let cases = [
            (String::new(), KeyRingError::Whole("there is no key")),
            (format!("active = c\na = {A}"), KeyRingError::Whole("the active key is not among the keys")),
            (B.replace('=', ""), KeyRingError::Line { line: 1, reason: "a line is \"id = key\"" }),
            ("a = hunter2".into(), KeyRingError::Line { line: 1, reason: "a key is 32 bytes in base64" }),
            (format!("a = {A}\na = {B}"), KeyRingError::Line { line: 2, reason: "the id stands there twice" }),
            (
                format!("a b = {A}"),
                KeyRingError::Line { line: 1, reason: "an id is letters, digits and -_/:.+,@ only" },
            ),
            (long, KeyRingError::Line { line: 1, reason: "an id is letters, digits and -_/:.+,@ only" }),
            (
                format!("active = a\nactive = a\na = {A}"),
                KeyRingError::Line { line: 2, reason: "there is a second active line" },
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(KeyRing::parse(&text).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_key_answers_to_its_id_its_arn_and_its_alias() {
        let ring = ring(&format!("main = {A}\nalias/mine = {B}\narn:aws:kms:eu-west-1:7:key/far = {B}"));
        for known in [
            "main",
            "key/main",
            "alias/main",
            "arn:aws:kms:us-east-1:123456789012:key/main",
            "arn:aws-cn:kms:cn-north-1:1:alias/main",
            "alias/mine",
            "arn:aws:kms:us-east-1:1:alias/mine",
            "arn:aws:kms:eu-west-1:7:key/far",
            "alias/aws/s3",
            "arn:aws:kms:us-east-1:1:alias/aws/s3",
        ] {
            assert!(ring.knows(known), "{known}");
        }
        for unknown in ["", "other", "mine", "arn:", "arn:aws:kms:us-east-1:1:key/far", "key/", "MAIN", "key/key/main"]
        {
            assert!(!ring.knows(unknown), "{unknown}");
        }
        let refused = ring.seal(&kms(Some("other"))).err();
        assert_eq!(refused, Some(CipherError::UnknownKey("other".into())));
    }

    #[test]
    fn each_holder_opens_its_own_envelopes() {
        let ring = ring(&format!("main = {A}\nother = {B}"));
        let customer = CustomerKey::parse(B).unwrap();
        for holder in [Holder::Gateway, kms(None), kms(Some("other"))] {
            let (data, envelope) = ring.seal(&holder).unwrap();
            assert_eq!(ring.open(&envelope, None).unwrap().0.bytes(), data.0.bytes());
            assert_eq!(ring.open(&envelope, Some(&customer)).err(), Some(CipherError::KeyNotApplicable));
        }
        let (data, envelope) = ring.seal(&Holder::Customer(customer.clone())).unwrap();
        assert_eq!(ring.open(&envelope, Some(&customer)).unwrap().0.bytes(), data.0.bytes());
        assert_eq!(ring.open(&envelope, None).err(), Some(CipherError::KeyNeeded));
        let wrong = CustomerKey::parse(A).unwrap();
        assert_eq!(ring.open(&envelope, Some(&wrong)).err(), Some(CipherError::WrongKey));
        let named = ring.seal(&kms(Some("alias/other"))).unwrap().1;
        let told = Protection::Kms { key: "alias/other".into(), bucket_key: false, context: None };
        assert_eq!(named.protection(), &told);
    }

    #[test]
    fn after_a_rotation_old_envelopes_open_and_new_ones_use_the_new_key() {
        let mut ring = KeyRing::generate().unwrap();
        let before = ring.active_id().unwrap().to_owned();
        let (data, old) = ring.seal(&Holder::Gateway).unwrap();
        let after = ring.rotate().unwrap().to_owned();
        assert_ne!(before, after);
        let read = KeyRing::parse(&ring.to_text()).unwrap();
        assert_eq!(read.active_id(), Some(after.as_str()));
        assert_eq!(read.open(&old, None).unwrap().0.bytes(), data.0.bytes());
        let new = read.wrap(&data, &Holder::Gateway).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", [&before, &after]), "ids and no secrets");
        assert_eq!(new.protection(), &Protection::Gateway { key: after });
    }

    #[test]
    fn a_key_without_an_id_is_named_after_what_it_is() {
        let id = |key| KeyRing::of_key("master", key).unwrap().active_id().unwrap().to_owned();
        assert_eq!(id(A), id(A));
        assert_ne!(id(A), id(B));
        assert!(
            id(B).starts_with("master-") && id(B).len() == "master-".len() + 16 && super::is_id(&id(B)),
            "{}",
            id(B)
        );
        assert!(KeyRing::of_key("master", "hunter2").is_err());
    }

    #[test]
    fn a_ring_says_which_of_its_keys_an_envelope_needs() {
        let ring = ring(&format!("main = {A}\nother = {B}"));
        let needs = |holder: &Holder| {
            let envelope = ring.seal(holder).unwrap().1;
            ring.wrapping_id(&envelope).unwrap().map(str::to_owned)
        };
        assert_eq!(needs(&Holder::Gateway).as_deref(), Some("main"));
        assert_eq!(needs(&kms(Some("alias/other"))).as_deref(), Some("other"));
        assert_eq!(needs(&Holder::Customer(CustomerKey::parse(B).unwrap())), None);
    }

    #[test]
    fn a_name_that_means_another_key_by_now_still_opens_what_it_sealed() {
        let before = ring(&format!("old = {A}\nalso = {B}"));
        let sealed = |name: &str| before.seal(&kms(Some(name))).unwrap();
        let (of_active, of_alias) = (sealed("alias/aws/s3"), sealed("alias/also"));
        let mut after =
            before.with(ring(&format!("alias/also = {}", super::Secret::generate().unwrap().base64().as_str())));
        after.rotate().unwrap();
        for ((data, envelope), id) in [(of_active, "old"), (of_alias, "also")] {
            assert_eq!(after.open(&envelope, None).unwrap().0.bytes(), data.0.bytes());
            assert_eq!(after.wrapping_id(&envelope), Ok(Some(id)));
        }
    }

    #[test]
    fn a_ring_tells_which_key_it_would_lose() {
        let before = ring(&format!("a = {A}\nb = {B}"));
        let loss = |text: &str| ring(text).loss_from(&before);
        assert_eq!(loss(&format!("active = c\nb = {B}\na = {A}\nc = {A}")), None);
        assert_eq!(loss(&format!("a = {A}")), Some(KeyLoss::Gone("b".to_owned())));
        assert_eq!(loss(&format!("a = {B}\nb = {B}")), Some(KeyLoss::Changed("a".to_owned())));
    }

    #[test]
    fn a_ring_is_full_before_it_could_not_be_read_again() {
        let of = |keys: usize| ring(&(0..keys).map(|number| format!("k{number} = {A}\n")).collect::<String>());
        let mut almost = of(1023);
        assert!(!almost.is_full());
        almost.rotate().unwrap();
        assert!(almost.is_full() && KeyRing::parse(&almost.to_text()).is_ok());
        let id = "i".repeat(2000);
        let long: String = (0..520).map(|number| format!("{id}{number:04} = {A}\n")).collect();
        assert!(ring(&long).is_full(), "in bytes");
    }

    #[test]
    fn rings_join_and_the_first_keeps_its_active_key() {
        let joined = ring(&format!("a = {A}")).with(ring(&format!("active = b\na = {B}\nb = {B}")));
        assert_eq!((joined.active_id(), joined.ids().count()), (Some("a"), 2));
        let alone = KeyRing::default().with(ring(&format!("a = {A}")));
        assert_eq!(alone.active_id(), Some("a"));
        assert!(KeyRing::default().seal(&Holder::Gateway).is_err());
    }
}
