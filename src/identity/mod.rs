//! Who is behind an access key: the keyring, root and other identities.

pub mod keyring;

pub use keyring::{Keyring, Principal, RootCredentials};
