//! A sender whom this process has identified before a request reaches the S3 service.

/// Whose key a request counts as signed with. Travels with a request inside of the process only: nothing that a client
/// sends becomes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    access_key_id: String,
}

impl Proven {
    /// The sender has proven to have this key. To be called by whoever checked that.
    pub(crate) fn new(access_key_id: impl Into<String>) -> Self {
        Self { access_key_id: access_key_id.into() }
    }

    /// The key.
    pub(crate) fn access_key_id(&self) -> &str {
        &self.access_key_id
    }
}
