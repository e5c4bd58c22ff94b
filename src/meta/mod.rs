//! Metadata: every fact about buckets, objects, uploads, chunks and keys, and the transactions that change
//! them. Knows nothing of bytes on disk, HTTP or policy.

mod composite;
#[cfg(test)]
mod contract;
pub mod damage;
pub mod error;
pub mod fact;
mod happening;
pub mod memory;
pub mod origin;
pub mod selection;
pub mod small;
pub mod sqlite;
pub mod store;
pub mod upkeep;

pub use damage::{ChunkUse, ChunkUser, Damage, DamagedChunk, LostBody};
pub use error::MetaError;
pub use fact::{
    AccessKey, BodyRef, BodySource, ChangeAttributes, CommitCopy, CommitDelete, CommitPart, CommitPut, CommitRename,
    CompleteUpload, Completed, DeleteOutcome, EpochStart, Extent, GatewaySecret, KeyChange, KeyPolicy, NewBody,
    NewBucket, NewExtent, NewUpload, PartExtents, PutOutcome, StoredPart, StoredVersion, UploadRecord,
};
pub use memory::MemoryMeta;
pub use origin::{carrying_origin, current_origin, on_behalf_of};
pub use selection::PartSelection;
pub use small::{BodyUse, InlinePart, InlineParts, PartPlace, RetainedBody, SmallBody};
pub use sqlite::{
    BodyName, Finds, FoundBody, FoundEnd, FoundPiece, SqliteMeta, SqliteSettings, copy_database, read_metadata,
    snapshot_time, write_metadata,
};
pub use store::MetaStore;
pub use upkeep::{
    Admission, ExpireVersion, ExpiryOutcome, OwnerAccount, RestoreVersion, RetainedEnvelope, RetainedQuery,
    RetainedVersion,
};
