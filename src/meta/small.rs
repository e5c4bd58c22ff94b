//! Facts of small bodies: those that this store keeps itself, beside a row.

use crate::meta::{ChunkUser, StoredVersion};
use crate::types::{BucketName, ManifestId, ObjectKey};

/// A part of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartPlace {
    /// The manifest.
    pub manifest: ManifestId,
    /// The number of the part.
    pub number: u16,
}

/// A small body by what stays the same when what it belongs to gets another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallBody {
    /// Of a version or a restorable version: the order number of its row.
    Row(u64),
    /// Of a part.
    Part(PartPlace),
}

/// Somebody who has a body, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyUse {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What of the key.
    pub of: ChunkUser,
}

/// A restorable version with its body, if that is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedBody {
    /// The bucket that it was deleted from.
    pub bucket: BucketName,
    /// The version: its id is its order number. Only versions without an id of their own are kept.
    pub stored: StoredVersion,
}

/// A part whose bytes lie beside its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlinePart {
    /// Which part.
    pub place: PartPlace,
    /// Its size in bytes.
    pub size: u64,
    /// Its MD5.
    pub md5: [u8; 16],
    /// Row of its bytes, which `MetaStore::inline_part` reads.
    pub row: i64,
}

/// A page of parts, of which few or none lie beside their rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InlineParts {
    /// Those that do.
    pub parts: Vec<InlinePart>,
    /// Rows that were looked at.
    pub rows: u32,
    /// The last part that was looked at; `None` if there is none any more.
    pub last: Option<PartPlace>,
}
