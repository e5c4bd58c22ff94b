//! How the engine comes by the keys of sealed bodies: from the envelope among a version's attributes, with the key ring
//! or the customer's key.

use std::sync::Arc;

use crate::cipher::{BodyKey, CipherError, CustomerKey, DataKey, Envelope, Holder, KeyRing, Protection, SharedKeyRing};
use crate::digest::Digests;
use crate::engine::{Engine, EngineError};
use crate::types::VersionAttributes;

/// An envelope and the data key in it.
pub(crate) struct Unsealed {
    pub(crate) envelope: Envelope,
    pub(crate) data: DataKey,
}

impl Unsealed {
    /// Whether what identifies the plaintext stays out of what is stored and shown.
    pub(crate) fn hides_digest(&self) -> bool {
        self.envelope.protection().hides_digest()
    }
}

impl Engine {
    /// The same engine with a key ring. Without one nothing can be sealed but with customers' keys.
    #[must_use]
    pub fn with_keys(self, keys: Arc<KeyRing>) -> Self {
        self.with_shared_keys(Arc::new(SharedKeyRing::from(keys)))
    }

    /// The same engine with a key ring that somebody else exchanges.
    #[must_use]
    pub fn with_shared_keys(self, keys: Arc<SharedKeyRing>) -> Self {
        Self { keys, ..self }
    }

    /// The key ring of now.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.current()
    }

    /// The envelope of a new data key, as it goes among the attributes of a new version or upload.
    ///
    /// # Errors
    /// `Cipher`.
    pub fn new_envelope(&self, holder: &Holder) -> Result<Vec<u8>, EngineError> {
        Ok(self.keys().seal(holder)?.1.to_bytes())
    }

    /// What seals and opens a body with these attributes; `None` if it is plain.
    pub(crate) fn unseal(
        &self,
        attributes: &VersionAttributes,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<Unsealed>, CipherError> {
        match (Envelope::of(attributes.encryption.as_deref())?, customer) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(CipherError::KeyNotApplicable),
            (Some(envelope), customer) => {
                let data = self.keys().open(&envelope, customer)?;
                Ok(Some(Unsealed { envelope, data }))
            }
        }
    }
}

/// Whether only a customer's key opens a body.
pub(crate) fn is_sealed_by_customer(attributes: &VersionAttributes) -> bool {
    // An envelope that cannot be read is found where it is opened.
    let envelope = Envelope::of(attributes.encryption.as_deref()).ok().flatten();
    envelope.is_some_and(|envelope| *envelope.protection() == Protection::Customer)
}

/// What is stored and told of a body's digests.
pub(crate) struct Shown {
    /// The 16 bytes of its ETag.
    pub(crate) etag: [u8; 16],
    pub(crate) sha256: Option<[u8; 32]>,
}

impl Shown {
    /// The true digests of a body, or what tells nothing of it if it is sealed in a way that hides them.
    pub(crate) fn of(digests: &Digests, unsealed: Option<&Unsealed>) -> Self {
        match unsealed.filter(|unsealed| unsealed.envelope.protection().hides_digest()) {
            Some(Unsealed { data, .. }) => Self { etag: data.identity(&digests.sha256), sha256: None },
            None => Self { etag: digests.md5, sha256: Some(digests.sha256) },
        }
    }
}

/// How the body of a resolved version opens.
pub(crate) struct Lock {
    keys: Arc<KeyRing>,
    envelope: Option<Envelope>,
    /// The data key, or why it is not at hand. `None` if the body is plain.
    data: Result<Option<DataKey>, CipherError>,
}

impl Lock {
    /// Opens with the key ring what that can open.
    ///
    /// # Errors
    /// `Damaged` if there is no telling how the body is sealed.
    pub(crate) fn new(keys: Arc<KeyRing>, attributes: &VersionAttributes) -> Result<Self, CipherError> {
        let envelope = Envelope::of(attributes.encryption.as_deref())?;
        let data = envelope.as_ref().map(|envelope| keys.open(envelope, None)).transpose();
        Ok(Self { keys, envelope, data })
    }

    /// Opens with the key that a request carries, or says why the body stays shut.
    pub(crate) fn unlock(&mut self, customer: Option<&CustomerKey>) -> Result<(), CipherError> {
        match (&self.envelope, customer) {
            (None, Some(_)) => return Err(CipherError::KeyNotApplicable),
            (Some(envelope), Some(_)) => self.data = Ok(Some(self.keys.open(envelope, customer)?)),
            (_, None) => {}
        }
        self.data.as_ref().map(drop).map_err(Clone::clone)
    }

    /// How the body is sealed; `None` if it is plain.
    pub(crate) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_ref()
    }

    /// The data key, if the body is sealed and open.
    pub(crate) fn data(&self) -> Result<Option<&DataKey>, CipherError> {
        self.data.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// The key of the body, if it is sealed and open. Which part a chunk is of, it says itself.
    pub(crate) fn key(&self) -> Result<Option<BodyKey>, CipherError> {
        Ok(self.data()?.map(DataKey::whole))
    }
}
