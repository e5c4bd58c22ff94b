//! Why a request is not authenticated: a variant per check, so that a test can say which one refused.

/// Why a request is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthError {
    /// Placeholder variant of the skeleton.
    #[error("the request is not signed as it should be")]
    Malformed,
}
