//! Bounds of imports and exports: a process of its own that stays below `TRANSFER_MEMORY_BYTES`.

use super::{GIB, KIB, MIB, PART_BYTES_MAX, PART_BYTES_MIN, PART_NUMBER_MAX};

/// What an import or export may take in memory, by the sum below; its code and the runtime are in it.
pub const TRANSFER_MEMORY_BYTES: u64 = 64 * MIB;
/// Objects on their way at a time, unless `--parallel` says otherwise.
pub const TRANSFERS_DEFAULT: usize = 4;
/// Most objects on their way at a time.
pub const TRANSFERS_MAX: usize = 16;
/// Bytes that a connection buffers of what comes in. Bounds the head of an answer, and one piece of a body.
pub const TRANSFER_BUFFER_BYTES_MAX: usize = 64 * KIB as usize;
/// Pieces of a body that wait between the side that reads and the side that writes.
pub const TRANSFER_PIECES: usize = 2;
/// Bytes that are read from a file at once.
pub const TRANSFER_FILE_PIECE_BYTES: usize = 64 * KIB as usize;
/// Entries of one page of a listing. Keys may have 1,024 bytes, three times as many when they are escaped.
pub const TRANSFER_PAGE: usize = 250;
/// Most bytes of an answer that is read as a whole: a page of a listing, or a bucket's configuration.
pub const TRANSFER_ANSWER_BYTES_MAX: usize = 2 * MIB as usize;
/// Most versions of one key: all of them are held, because the oldest is copied first and listed last.
pub const TRANSFER_VERSIONS_MAX: usize = 4_000;
/// What a version of a key takes in memory while it waits for its turn.
pub const TRANSFER_VERSION_BYTES: usize = 256;
/// Failures that a report tells one by one; further ones are counted.
pub const TRANSFER_FAULTS_TOLD_MAX: usize = 1_000;
/// Longest reason of a failure in bytes: it may quote what a server answered.
pub const TRANSFER_REASON_BYTES_MAX: usize = 500;
/// Size in bytes from which a file is uploaded in parts, and that parts have at least.
pub const TRANSFER_PART_BYTES: u64 = 64 * MIB;
/// Deepest directory of a tree that is imported. Bounds what is open at a time.
pub const TRANSFER_DEPTH_MAX: usize = 128;
/// Tries of a step that fails for reasons that pass.
pub const TRANSFER_TRIES: u32 = 8;
/// Milliseconds before the second try; doubles with each further one.
pub const TRANSFER_RETRY_MS_MIN: u64 = 200;
/// Longest such time in milliseconds.
pub const TRANSFER_RETRY_MS_MAX: u64 = 10_000;
/// Seconds until a connection is made.
pub const TRANSFER_CONNECT_SECONDS: u64 = 10;
/// Seconds until the head of an answer has come, and in which some of a body must move.
pub const TRANSFER_STALL_SECONDS: u64 = 60;
/// Seconds that the completion of an upload may take: a server may put 10,000 parts together.
pub const TRANSFER_COMPLETE_SECONDS: u64 = 900;
/// Seconds between two lines of progress, where there is no terminal.
pub const TRANSFER_PROGRESS_SECONDS: u64 = 10;
/// Most bytes of an archive with keys and policies, and of each file in it once it is unpacked.
pub const IAM_ARCHIVE_BYTES_MAX: u64 = 8 * MIB;

const _: () = {
    // What one transfer holds: two connections, the pieces between them, and the versions of its key.
    let each = 2 * 2 * TRANSFER_BUFFER_BYTES_MAX
        + (TRANSFER_PIECES + 2) * TRANSFER_FILE_PIECE_BYTES
        + TRANSFER_VERSIONS_MAX * TRANSFER_VERSION_BYTES;
    let pages = 4 * TRANSFER_ANSWER_BYTES_MAX;
    assert!((TRANSFERS_MAX * each + pages) as u64 + 24 * MIB <= TRANSFER_MEMORY_BYTES, "an import fits its memory");
    assert!(TRANSFER_PART_BYTES >= PART_BYTES_MIN && TRANSFER_PART_BYTES <= PART_BYTES_MAX);
    assert!(TRANSFER_PAGE * 4 * KIB as usize <= TRANSFER_ANSWER_BYTES_MAX, "a page of the longest keys is read");
    assert!(TRANSFER_PART_BYTES * PART_NUMBER_MAX as u64 >= 500 * GIB, "larger files get larger parts");
};
