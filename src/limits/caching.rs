//! Bounds of what is kept in memory so that requests need not read it again.

use super::{GIB, KIB, MIB};

/// Most buckets whose rows are kept. A row is below 1 KiB.
pub const BUCKET_ROWS_CACHED_MAX: usize = 256;
/// Milliseconds for which a bucket's row is believed without a look at the database: so late is seen what a command
/// beside the server changed.
pub const BUCKET_ROW_BELIEVED_MS: u64 = 500;
/// Most bytes of bucket documents that are kept in memory.
pub const DOCUMENT_CACHE_BYTES_MAX: usize = 512 * KIB as usize;
/// Bytes of the parsed policies and ACLs that are kept: a parsed policy is several times its text.
pub const BUCKET_FACTS_CACHE_BYTES_MAX: usize = 2 * MIB as usize;
/// Milliseconds that a look-up in the database may take on the reactor before it counts as one that waited for the disk.
pub const LOOK_UP_HERE_MS_MAX: u64 = 2;
/// Milliseconds for which look-ups leave the reactor after such a one.
pub const LOOK_UP_REST_MS: u64 = 1_000;
/// Turns of the reactor for which a look-up waits until it may run there, before it goes to another thread: a look-up in
/// the page cache takes less than a turn.
pub const LOOK_UP_TURNS: usize = 4;
/// Free bytes beyond the reserve that are believed for a while: more than any disk takes in that time.
pub const SPACE_AMPLE_BYTES: u64 = GIB;
/// Milliseconds for which ample space is believed.
pub const SPACE_BELIEVED_MS: u64 = 50;
