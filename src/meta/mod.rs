//! Metadata: every fact about buckets, objects, uploads, chunks and keys, and the transactions that change
//! them. Knows nothing of bytes on disk, HTTP or policy.

mod composite;
#[cfg(test)]
mod contract;
pub mod memory;
pub mod sqlite;
pub mod store;

pub use memory::MemoryMeta;
pub use sqlite::{SqliteMeta, SqliteSettings};
pub use store::{
    AccessKey, BodyRef, BodySource, CommitCopy, CommitDelete, CommitPart, CommitPut, CompleteUpload, Completed,
    DeleteOutcome, EpochStart, Extent, MetaError, MetaStore, NewBody, NewBucket, NewExtent, NewUpload, PartSelection,
    PutOutcome, StoredPart, StoredVersion, UploadRecord,
};
