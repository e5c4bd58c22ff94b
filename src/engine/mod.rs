//! What an object operation means: the order of durability, the bounded chunk writer and reader, multipart
//! uploads, listings and the steps of maintenance. Knows nothing of HTTP, XML, signatures or policy.

pub mod error;
pub mod object;
pub mod reader;
pub mod request;
pub mod source;
pub mod upload;
pub mod writer;

use std::sync::Arc;

use crate::buffer::BlockPool;
use crate::chunk::ChunkStore;
use crate::meta::MetaStore;
use crate::types::Clock;

pub use error::{EngineError, Mismatch};
pub use reader::{BodyReader, BodySlice, OpenObject};
pub use request::{
    Checksumming, CopyMetadata, CopyObject, CopySource, CreateBucket, CreateUpload, DeleteObject, Deleted, Expected,
    ListedBuckets, PartCopy, PutObject, UploadPart, Written, WrittenPart,
};
pub use source::{ByteSource, SourceError};
pub use upload::{ClaimedPart, Completion, CompletionClaim};

/// The engine. One per process; shared by every request.
pub struct Engine {
    pub(crate) meta: Arc<dyn MetaStore>,
    pub(crate) chunks: Arc<dyn ChunkStore>,
    pub(crate) pool: BlockPool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Engine {
    /// An engine over two stores. The caller has begun the epoch that `chunks` writes in.
    pub fn new(meta: Arc<dyn MetaStore>, chunks: Arc<dyn ChunkStore>, pool: BlockPool, clock: Arc<dyn Clock>) -> Self {
        Self { meta, chunks, pool, clock }
    }
}
