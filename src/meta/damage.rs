//! Facts of damage: which chunks are not what they should be, and whose bytes are in them.

use std::fmt;

use crate::types::{BucketName, ChunkId, ObjectKey, Timestamp, UploadId, VersionId};

/// What is wrong with a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// When it was found first.
    pub found: Timestamp,
    /// What was found last.
    pub detail: String,
}

/// A live chunk that was found damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedChunk {
    /// Which chunk.
    pub chunk: ChunkId,
    /// What is wrong with it.
    pub damage: Damage,
}

/// Somebody whose bytes are in a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkUse {
    /// Which chunk.
    pub chunk: ChunkId,
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What of the key.
    pub of: ChunkUser,
}

/// What of a key has bytes in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkUser {
    /// A version.
    Version(VersionId),
    /// A part of an open upload.
    Upload(UploadId),
    /// A restorable version, by its id.
    Retained(u64),
}

/// Something whose bytes are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostBody {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// What of the key.
    pub of: ChunkUser,
    /// Whether it stays although it cannot be read, because object lock holds it.
    pub is_kept: bool,
}

impl fmt::Display for ChunkUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version}"),
            Self::Upload(upload) => write!(f, "upload {upload}"),
            Self::Retained(id) => write!(f, "restorable version {id}"),
        }
    }
}
