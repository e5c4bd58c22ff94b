//! Attributes of a version: what the gateway keeps about it that is neither its bytes nor its headers, and what
//! may change while the bytes stay. Owner, tags, ACL, lock, encryption.

use crate::types::{OwnerId, Timestamp};

/// Attributes of an object version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionAttributes {
    /// Who owns the version, if that is not the bucket's owner.
    pub owner: Option<OwnerId>,
    /// Tags, sorted by key.
    pub tags: Tags,
    /// Access control list; `None` is the default: everything to the owner, nothing to others.
    pub acl: Option<Acl>,
    /// Until when the version must not be removed.
    pub retention: Option<Retention>,
    /// `Some(true)`: the version must not be removed until this is taken away. `None` if nobody ever said.
    pub legal_hold: Option<bool>,
    /// How the body is encrypted: an envelope that only the engine reads.
    pub encryption: Option<Vec<u8>>,
}

/// Tags of an object or bucket: unique keys with values, sorted by key where a request made them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<(String, String)>);

impl Tags {
    /// The value of a tag.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// Who may shorten or remove a retention.
///
/// Source: Amazon S3 User Guide, "Locking objects with Object Lock".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionMode {
    /// Those with `s3:BypassGovernanceRetention`.
    Governance,
    /// Nobody.
    Compliance,
}

/// A retention: the version must not be removed before `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Its mode.
    pub mode: RetentionMode,
    /// Its end.
    pub until: Timestamp,
}

/// An access control list of a bucket or version.
///
/// Source: Amazon S3 User Guide, "Access control list (ACL) overview".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl {
    /// Its grants, in the order of arrival.
    pub grants: Vec<Grant>,
}

/// One grant of an ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: AclPermission,
}

/// Whom an ACL grants something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// An identity, by its canonical id.
    Owner(OwnerId),
    /// Everybody, with or without a key.
    AllUsers,
    /// Everybody with a key.
    AuthenticatedUsers,
    /// The service that delivers server access logs.
    LogDelivery,
}

/// What an ACL grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclPermission {
    /// All of the others.
    FullControl,
    /// Create objects in a bucket.
    Write,
    /// Write the ACL.
    WriteAcp,
    /// List a bucket, or read an object.
    Read,
    /// Read the ACL.
    ReadAcp,
}

impl AclPermission {
    /// All permissions.
    pub const ALL: [Self; 5] = [Self::FullControl, Self::Write, Self::WriteAcp, Self::Read, Self::ReadAcp];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::FullControl => "FULL_CONTROL",
            Self::Write => "WRITE",
            Self::WriteAcp => "WRITE_ACP",
            Self::Read => "READ",
            Self::ReadAcp => "READ_ACP",
        }
    }

    /// The permission of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// A change of a version's attributes, as one request makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeChange {
    /// Replaces the tags.
    Tags(Tags),
    /// Replaces the ACL.
    Acl(Option<Acl>),
    /// Replaces or removes the retention.
    Retention {
        /// The new one.
        retention: Option<Retention>,
        /// Whether the caller may, and wants to, bypass governance.
        bypass_governance: bool,
    },
    /// Sets or removes the legal hold.
    LegalHold(bool),
    /// Replaces the envelope `from` by `to`, which has the same data key. Does nothing to any other envelope.
    Envelope {
        /// The envelope that `to` was made of.
        from: Vec<u8>,
        /// The new one.
        to: Vec<u8>,
    },
}
