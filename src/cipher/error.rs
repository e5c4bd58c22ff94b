//! Why something could not be sealed or opened.

/// Why something could not be sealed or opened. Carries no key material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The body is encrypted with a customer's key, and none was given.
    #[error("the body is encrypted with a customer's key, which is missing")]
    KeyNeeded,
    /// A customer's key was given for a body that is not encrypted with one.
    #[error("the body is not encrypted with a customer's key")]
    KeyNotApplicable,
    /// The customer's key is not the one that the body was encrypted with.
    #[error("the customer's key is not the one of the body")]
    WrongKey,
    /// The ring has no such key.
    #[error("no key with the id \"{0}\" is in the key ring")]
    UnknownKey(String),
    /// Sealed bytes, or what says how to open them, are not what was written.
    #[error("sealed bytes are damaged: {0}")]
    Damaged(&'static str),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}
