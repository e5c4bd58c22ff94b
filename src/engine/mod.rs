//! What an object operation means: the order of durability, the bounded chunk writer and reader, multipart
//! uploads, listings and the steps of maintenance. Knows nothing of HTTP, XML, signatures or policy.

pub mod access_log;
pub mod adopt;
pub mod bucket;
mod bucket_rows;
mod catalogue;
pub mod check;
pub(crate) mod check_inline;
pub(crate) mod commit;
pub mod complete;
pub(crate) mod copy;
pub mod disk;
pub mod error;
pub mod event;
pub(crate) mod expect;
pub mod hashing;
pub(crate) mod inline;
pub mod label;
pub mod lifecycle;
pub mod lock_clock;
pub mod maintenance;
pub mod object;
pub mod open_object;
pub mod pause;
pub(crate) mod pin;
pub(crate) mod quota;
pub mod reader;
pub(crate) mod record;
pub mod request;
pub mod retained;
pub mod rewrap;
pub mod scrub;
mod scrub_small;
pub(crate) mod seal;
pub mod sealed;
pub mod small;
pub mod snapshot;
pub mod source;
pub(crate) mod stash;
pub(crate) mod suspect;
pub(crate) mod unclaimed;
pub(crate) mod unsealed;
pub mod upload;
pub mod writer;

use std::sync::Arc;

use crate::buffer::BlockPool;
use crate::chunk::ChunkStore;
use crate::cipher::SharedKeyRing;
use crate::digest::Kernels;
use crate::engine::access_log::AccessLogs;
use crate::engine::bucket::DocumentCache;
use crate::engine::bucket_rows::BucketRows;
use crate::engine::commit::Commits;
use crate::engine::disk::DiskCircuit;
use crate::engine::hashing::Hashing;
use crate::engine::lock_clock::SharedLockClock;
use crate::engine::pause::PauseSwitch;
use crate::engine::pin::Pins;
use crate::engine::suspect::{Suspects, WatchedChunks};
use crate::engine::unclaimed::TrackedChunks;
use crate::meta::MetaStore;
use crate::types::Clock;

pub use access_log::{LogStyle, LoggedBucket};
pub use adopt::{Adopted, Adopting, Found, Outcome};
pub use check::{CheckObserver, CheckProgress, CheckStage, CheckSummary, Fault};
pub use complete::{ClaimedPart, Completion, CompletionClaim};
pub use disk::ReadOnly;
pub use error::{EngineError, FixedEncryption, Mismatch};
pub use event::{carrying_origin, current_origin, on_behalf_of};
pub use lifecycle::{DryRun, LifecycleStep};
pub use lock_clock::{LockClockReport, confirm_lock_clock, look_at_lock_clock};
pub use maintenance::{Collected, Swept};
pub use open_object::OpenObject;
pub use pause::Pause;
pub use reader::{BodyReader, BodySlice};
pub use request::{
    Checksumming, CopyMetadata, CopyObject, CopySource, CreateBucket, CreateUpload, DeleteObject, Deleted, Expected,
    ListedBuckets, PartCopy, PutObject, RenameObject, UploadPart, Written, WrittenPart,
};
pub use retained::RestoreFault;
pub use rewrap::{RewrapPass, Rewrapped};
pub use scrub::{ScrubBudget, ScrubStep, scrub_state};
pub use small::SmallName;
pub use snapshot::{SNAPSHOTS, Snapshot, Snapshots};
pub use source::{ByteSource, SourceError};
pub use upload::default_checksum_type;

/// The engine. One per process; shared by every request.
pub struct Engine {
    pub(crate) meta: Arc<dyn MetaStore>,
    pub(crate) chunks: Arc<dyn ChunkStore>,
    pub(crate) pool: BlockPool,
    pub(crate) hashing: Arc<Hashing>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<SharedKeyRing>,
    commits: Commits,
    disk: Arc<DiskCircuit>,
    bucket_rows: BucketRows,
    documents: DocumentCache,
    lock_clock: SharedLockClock,
    pins: Pins,
    suspects: Arc<Suspects>,
    access_logs: AccessLogs,
    pausing: PauseSwitch,
}

impl Engine {
    /// An engine over two stores. The caller has begun the epoch that `chunks` writes in.
    pub fn new(meta: Arc<dyn MetaStore>, chunks: Arc<dyn ChunkStore>, pool: BlockPool, clock: Arc<dyn Clock>) -> Self {
        let unclaimed = Arc::default();
        let chunks: Arc<dyn ChunkStore> = Arc::new(TrackedChunks::new(chunks, Arc::clone(&unclaimed)));
        let suspects = Arc::default();
        let chunks: Arc<dyn ChunkStore> = Arc::new(WatchedChunks::new(chunks, Arc::clone(&suspects)));
        let disk = Arc::default();
        let commits = Commits::new(Arc::clone(&meta), Arc::clone(&chunks), unclaimed, Arc::clone(&disk));
        Self {
            meta,
            chunks,
            pool,
            hashing: Hashing::new(Kernels::here()),
            clock,
            keys: Arc::default(),
            commits,
            disk,
            bucket_rows: BucketRows::default(),
            documents: DocumentCache::default(),
            lock_clock: SharedLockClock::default(),
            pins: Pins::default(),
            suspects,
            access_logs: AccessLogs::default(),
            pausing: PauseSwitch::default(),
        }
    }
}

#[cfg(test)]
mod tests;
