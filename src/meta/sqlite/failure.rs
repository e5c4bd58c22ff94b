//! What can go wrong inside the SQLite store. `rusqlite::Error` ends here: callers of the port see
//! `MetaError` only.

use crate::meta::MetaError;
use crate::rules::WriteRefusal;

/// Why a piece of work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The work was refused by a rule: an answer, not a fault.
    Refused(MetaError),
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// A row does not read as what was written; names the value.
    Corrupt(&'static str),
}

impl Failure {
    /// This failure as the port's error; `what` is the verb and object of the work that failed.
    pub(super) fn into_meta(self, what: &str) -> MetaError {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) if is_full(&error) => MetaError::Full,
            Self::Sql(error) => MetaError::Storage(format!("{what}: {error}")),
            Self::Corrupt(value) => MetaError::Storage(format!("{what}: stored {value} cannot be read")),
        }
    }
}

/// Whether SQLite found no space for what it had to write.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<MetaError> for Failure {
    fn from(error: MetaError) -> Self {
        Self::Refused(error)
    }
}

impl From<WriteRefusal> for Failure {
    fn from(refusal: WriteRefusal) -> Self {
        Self::Refused(refusal.into())
    }
}
