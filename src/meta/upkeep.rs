//! Facts of upkeep: what is stored and how much may be, what lifecycle removes, what stays restorable.

use crate::rules::lifecycle::Action;
use crate::rules::{Quota, Usage};
use crate::types::{BucketId, BucketName, ETag, ObjectKey, OwnerId, Tags, Timestamp, UploadId};

/// A write that asks whether quotas would let it in, before its body is received.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Its bucket.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// In whose name, if that is not the bucket's owner. Ignored for a part: its upload says.
    pub owner: Option<OwnerId>,
    /// Bytes of its body.
    pub size: u64,
    /// The upload and number, if it is a part.
    pub part: Option<(UploadId, u16)>,
}

/// What an identity uses and may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerAccount {
    /// What is stored in its name.
    pub usage: Usage,
    /// Its limits.
    pub quota: Quota,
}

/// A version that lifecycle removes, and everything by which that was decided: the transaction leaves it alone
/// if any of it has changed.
#[derive(Clone, Debug)]
pub struct ExpireVersion {
    /// Its bucket.
    pub bucket: BucketId,
    /// Generation of the bucket whose rules were asked.
    pub generation: u64,
    /// Its key.
    pub key: ObjectKey,
    /// The order number of its row.
    pub order: u64,
    /// What is to be done.
    pub action: Action,
    /// For a noncurrent version: when the current one was created. While that is so it has not been current
    /// itself since it was judged.
    pub current: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
    /// The time by which locks are judged (see `rules::LockClock`).
    pub lock_time: Timestamp,
    /// The time.
    pub now: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryOutcome {
    /// It was done.
    Done,
    /// The rules, the version or its neighbours changed: nothing was done.
    Changed,
    /// Object lock holds it: nothing was done.
    Locked,
}

/// A version that was deleted or overwritten and can be restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedVersion {
    /// Names it: the order number that its row had.
    pub id: u64,
    /// Its key.
    pub key: ObjectKey,
    /// Bytes of its body.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was written.
    pub modified: Timestamp,
    /// When it was deleted or overwritten.
    pub deleted: Timestamp,
    /// Until when it can be restored.
    pub until: Timestamp,
}

/// The id of a restorable version, and its encryption envelope if it has one.
pub type RetainedEnvelope = (u64, Option<Vec<u8>>);

/// A page of restorable versions as it is asked for.
#[derive(Clone, Debug)]
pub struct RetainedQuery {
    /// The name of their bucket, which need not exist any more.
    pub bucket: BucketName,
    /// Only keys with this prefix.
    pub prefix: String,
    /// Only what comes after this key and id.
    pub after: Option<(ObjectKey, u64)>,
    /// Most versions to return.
    pub max: u32,
}

/// Puts a restorable version back as the current one.
#[derive(Clone, Debug)]
pub struct RestoreVersion {
    /// The bucket that gets it: the one that it was deleted from, or one of the same name.
    pub bucket: BucketId,
    /// Its key.
    pub key: ObjectKey,
    /// Its id.
    pub id: u64,
    /// When.
    pub now: Timestamp,
}
