//! Who is behind an access key: the keyring, root and other identities.

pub mod access_key;
pub mod encryption_keys;
pub mod key_book;
pub mod key_policy;
pub mod keyring;
pub mod master_key;
pub mod proven;
pub mod root;
pub mod secret_file;
pub mod session;

pub use access_key::{NewKeyError, new_access_key};
pub use encryption_keys::{EncryptionKeys, KeyRingFacts, KeyRingFault};
pub use key_book::{KeyBook, KeyEdit, KeyFacts, KeyFault, KeyPlan, MadeKey};
pub use key_policy::{
    NewPolicyError, Policies, check_session_policy, confining_policy, limits_of, own_policy, ready_made_names,
    ready_made_policy,
};
pub use keyring::{Keyring, Principal, ROOT_NAME, account_id, owner_names, root_owner};
pub use master_key::{KeyRingSettings, KeyRingSource, LoadKeyRingError, LoadedKeyRing};
pub use proven::Proven;
pub use root::{LoadedRoot, RootCredentials, RootError, RootSource, root_file};
pub use session::{NewSession, Session, SessionCredentials};
