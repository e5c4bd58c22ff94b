//! Documents of a bucket: the configurations that clients put, keep and delete, one of each kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::Bucket;

/// A kind of bucket document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Access control list.
    Acl,
    /// Cross-origin rules.
    Cors,
    /// Default encryption.
    Encryption,
    /// Lifecycle rules.
    Lifecycle,
    /// Server access logging.
    Logging,
    /// Event notifications.
    Notification,
    /// Object lock: that it is on, and the default retention.
    ObjectLock,
    /// Object ownership.
    Ownership,
    /// Bucket policy.
    Policy,
    /// Public access block.
    PublicAccessBlock,
    /// Limits of bytes and objects (`sluicegate bucket quota`).
    Quota,
    /// Who pays for requests.
    RequestPayment,
    /// Tags of the bucket.
    Tagging,
    /// Days that deleted objects stay restorable (`sluicegate bucket undelete`).
    Undelete,
    /// Website hosting.
    Website,
}

/// A document and its bucket.
#[derive(Clone, Debug)]
pub struct BucketDocument {
    /// The bucket.
    pub bucket: Bucket,
    /// The document, as it is stored.
    pub body: Arc<[u8]>,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Acl,
        Self::Cors,
        Self::Encryption,
        Self::Lifecycle,
        Self::Logging,
        Self::Notification,
        Self::ObjectLock,
        Self::Ownership,
        Self::Policy,
        Self::PublicAccessBlock,
        Self::Quota,
        Self::RequestPayment,
        Self::Tagging,
        Self::Undelete,
        Self::Website,
    ];

    /// Its name as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acl => "acl",
            Self::Cors => "cors",
            Self::Encryption => "encryption",
            Self::Lifecycle => "lifecycle",
            Self::Logging => "logging",
            Self::Notification => "notification",
            Self::ObjectLock => "object-lock",
            Self::Ownership => "ownership",
            Self::Policy => "policy",
            Self::PublicAccessBlock => "public-access-block",
            Self::Quota => "quota",
            Self::RequestPayment => "request-payment",
            Self::Tagging => "tagging",
            Self::Undelete => "undelete",
            Self::Website => "website",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// All documents of a bucket as they are at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents(pub BTreeMap<DocumentKind, Arc<[u8]>>);

impl Documents {
    /// The document of that kind.
    pub fn get(&self, kind: DocumentKind) -> Option<&[u8]> {
        self.0.get(&kind).map(AsRef::as_ref)
    }

    /// Bytes that the documents take.
    pub fn bytes(&self) -> usize {
        self.0.values().map(|body| body.len()).sum()
    }
}
