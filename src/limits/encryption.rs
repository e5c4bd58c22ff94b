//! Bounds on the keys of the encryption at rest, and on the work that a new one makes.

use super::{KIB, MIB};

/// Longest id of a key of the key ring, and of a KMS key in a request, in bytes (AWS KMS: an ARN of 2,048).
pub const ENCRYPTION_KEY_ID_BYTES_MAX: usize = 2048;
/// Most bytes of a KMS encryption context, as its header carries it: what fits a request's headers on S3.
pub const ENCRYPTION_CONTEXT_BYTES_MAX: usize = 8 * KIB as usize;
/// Most keys of a key ring. Stops the wrong file from filling memory, and rotations from making one that cannot be read.
pub const ENCRYPTION_KEYS_MAX: usize = 1024;
/// Most bytes of a key ring's file.
pub const ENCRYPTION_KEYS_FILE_BYTES_MAX: u64 = MIB;
/// More than the line of a key that a rotation makes, in bytes.
pub const ENCRYPTION_KEY_LINE_BYTES: u64 = KIB;
/// Versions that one step of wrapping data keys anew looks at. Bounds what an error makes it look at again.
pub const REWRAP_STEP: u32 = 256;
/// Of them so many at once, so that they share group commits.
pub const REWRAP_AT_ONCE: usize = 16;
/// Milliseconds that a job rests which nobody asked for. Whoever asks wakes it.
pub const REWRAP_LOOK_MS: u64 = 3_600_000;
/// Key ids that are told in one line. Bounds the line.
pub const KEY_IDS_TOLD_MAX: usize = 4;
