//! Object keys: opaque UTF-8, never a path.

use std::fmt;

use crate::limits::KEY_BYTES_MAX;

/// An object key: 1 to 1,024 bytes of UTF-8, otherwise opaque.
///
/// `a`, `a/`, `a/b`, `..` and keys with bytes that XML cannot carry are all just keys; nothing here or
/// below turns one into a file name. Order is binary UTF-8 order, as in listings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// Why a text is no object key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidKey {
    /// The key is empty.
    #[error("the key is empty")]
    Empty,
    /// The key is longer than `KEY_BYTES_MAX`; carries its length in bytes.
    #[error("the key is {0} bytes long")]
    TooLong(usize),
}

impl ObjectKey {
    /// Checks the length of `key`.
    ///
    /// # Errors
    /// `InvalidKey` if it is empty or longer than `KEY_BYTES_MAX`.
    pub fn parse(key: impl Into<String>) -> Result<Self, InvalidKey> {
        let key = key.into();
        match key.len() {
            0 => Err(InvalidKey::Empty),
            1..=KEY_BYTES_MAX => Ok(Self(key)),
            length => Err(InvalidKey::TooLong(length)),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidKey, ObjectKey};

    #[test]
    fn only_the_length_is_judged() {
        for good in ["a", "a/", "/", "..", "../x", "\u{1}", &"k".repeat(1024)] {
            assert!(ObjectKey::parse(good).is_ok(), "{good:?}");
        }
        assert_eq!(ObjectKey::parse(""), Err(InvalidKey::Empty));
        assert_eq!(ObjectKey::parse("k".repeat(1025)), Err(InvalidKey::TooLong(1025)));
    }
}
