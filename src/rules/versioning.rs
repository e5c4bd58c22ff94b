//! What a write or a delete does to the versions of a key.
//!
//! Source: Amazon S3 User Guide, "How S3 Versioning works".

/// The versioning state of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Never enabled: every key has one null version.
    #[default]
    Unversioned,
    /// Every write makes a new version.
    Enabled,
    /// Writes replace the null version; others stay.
    Suspended,
}

/// How a new version (or delete marker) is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePlan {
    /// It becomes the null version; a null version that exists is removed in the same transaction.
    ReplaceNull,
    /// It gets an id of its own; nothing is removed.
    Append,
}

impl Versioning {
    /// Where a PUT, copy or completed upload goes.
    pub fn plan_write(self) -> WritePlan {
        match self {
            Self::Unversioned | Self::Suspended => WritePlan::ReplaceNull,
            Self::Enabled => WritePlan::Append,
        }
    }

    /// Where the delete marker of a DELETE without a version goes; `None` if the null version is removed
    /// without leaving a marker.
    pub fn plan_delete(self) -> Option<WritePlan> {
        match self {
            Self::Unversioned => None,
            Self::Enabled => Some(WritePlan::Append),
            Self::Suspended => Some(WritePlan::ReplaceNull),
        }
    }
}
