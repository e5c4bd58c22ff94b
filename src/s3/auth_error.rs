//! The one mapping from authentication's errors to the S3 error table.

use crate::auth::AuthError;
use crate::s3::{Code, S3Error};

impl From<AuthError> for S3Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Malformed => Self::new(Code::AccessDenied).cause(error),
        }
    }
}

impl From<crate::auth::ChunkedError> for S3Error {
    fn from(error: crate::auth::ChunkedError) -> Self {
        Self::new(Code::IncompleteBody).cause(error)
    }
}
