//! Bounds of what is kept in memory so that requests need not read it again.

use super::{KIB, MIB};

/// Most buckets whose rows are kept. A row is below 1 KiB.
pub const BUCKET_ROWS_CACHED_MAX: usize = 256;
/// Milliseconds for which a bucket's row is believed without a look at the database: so late is seen what a command
/// beside the server changed.
pub const BUCKET_ROW_BELIEVED_MS: u64 = 500;
/// Most bytes of bucket documents that are kept in memory.
pub const DOCUMENT_CACHE_BYTES_MAX: usize = 512 * KIB as usize;
/// Bytes of the parsed policies and ACLs that are kept: a parsed policy is several times its text.
pub const BUCKET_FACTS_CACHE_BYTES_MAX: usize = 2 * MIB as usize;
