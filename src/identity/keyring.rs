//! All access keys in memory, refreshed from the metadata store.

use std::sync::Arc;

use crate::auth::{SecretKey, SecretLookup};
use crate::meta::{MetaError, MetaStore};
use crate::types::OwnerId;

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

/// The credentials of root, from the environment or the credentials file.
pub struct RootCredentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret.
    pub secret: SecretKey,
}

/// All access keys. A change in the store is seen within `KEYRING_REFRESH_MS`.
pub struct Keyring {
    root: RootCredentials,
    meta: Arc<dyn MetaStore>,
}

impl Keyring {
    /// Loads all keys.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn load(root: RootCredentials, meta: Arc<dyn MetaStore>) -> Result<Self, MetaError> {
        Ok(Self { root, meta })
    }

    /// Reads the store again. Called every `KEYRING_REFRESH_MS` by a task of `app`.
    ///
    /// # Errors
    /// If the store cannot be read; the old keys then stay.
    pub async fn refresh(&self) -> Result<(), MetaError> {
        let _ = (&self.meta, &self.root.access_key_id);
        unimplemented!()
    }

    /// The principal behind an access key id that was just verified; `None` if it went meanwhile.
    pub fn principal(&self, access_key_id: &str) -> Option<Principal> {
        let _ = access_key_id;
        unimplemented!()
    }

    /// The display name of an owner (its key's name, or `root`).
    pub fn display_name(&self, owner: &OwnerId) -> Option<String> {
        let _ = owner;
        unimplemented!()
    }

    /// The canonical id of root.
    pub fn root_owner(&self) -> OwnerId {
        unimplemented!()
    }
}

impl SecretLookup for Keyring {
    fn secret(&self, access_key_id: &str) -> Option<Arc<SecretKey>> {
        let _ = access_key_id;
        unimplemented!()
    }
}
