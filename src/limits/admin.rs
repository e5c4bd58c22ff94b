//! Bounds on the admin API: bodies, sessions, attempts to sign in.

use super::{KIB, MIB};

/// Most bytes of the body of a request to the admin API.
pub const ADMIN_BODY_BYTES_MAX: usize = MIB as usize;
/// Most bytes of it before anybody has proven who they are.
pub const SIGN_IN_BODY_BYTES_MAX: usize = 4 * KIB as usize;
/// Large bodies of senders who are known that are held at once, and as many of others. With it the memory that they take
/// is bounded; the rest waits.
pub const ADMIN_BODIES_AT_ONCE: usize = 2;
/// Requests that go through the console to S3 at once. Fewer than the listener's connections, so that health checks
/// always find one.
pub const DOOR_REQUESTS_MAX: usize = 8;
/// Sessions of the console at once. Beyond, the oldest ends.
pub const CONSOLE_SESSIONS_MAX: usize = 256;
/// Sessions of one key at once, so that no key can end those of all others.
pub const CONSOLE_SESSIONS_PER_KEY_MAX: usize = 16;
/// Life of a session in seconds.
pub const CONSOLE_SESSION_SECONDS: i64 = 12 * 60 * 60;
/// Attempts to sign in that may fail in a row before an address, or a key, has to wait.
pub const SIGN_IN_ATTEMPTS_MAX: u32 = 10;
/// Seconds for which they are counted, and after which the next one is let in.
pub const SIGN_IN_WINDOW_SECONDS: u64 = 60;
/// Addresses and keys whose attempts are counted at once. Beyond, the oldest are forgotten.
pub const SIGN_IN_SOURCES_MAX: usize = 4_096;
/// Milliseconds within which a second use of a key is not noted.
pub const KEY_USE_COARSE_MS: i64 = 60_000;
/// Milliseconds after which the store hears of the uses of keys.
pub const KEY_USE_KEPT_MS: u64 = 60_000;
/// Longest life of a presigned URL in seconds (Amazon S3 User Guide).
pub const PRESIGN_SECONDS_MAX: u64 = 604_800;
/// Most entries of one answer: restorable versions, dry runs of lifecycle.
pub const ADMIN_PAGE_MAX: usize = 1_000;
/// Most buckets of one answer; what comes after is asked for again.
pub const BUCKETS_SHOWN_MAX: usize = 10_000;
/// Longest reason of a pause, in bytes.
pub const PAUSE_REASON_BYTES_MAX: usize = 256;
/// Bytes that the path of a Unix socket may have, with its final zero (sys/un.h).
pub const UNIX_SOCKET_PATH_BYTES_MAX: usize = 108;
/// Milliseconds that the command line waits for an answer of the server.
pub const CONTROL_TIMEOUT_MS: u64 = 60_000;
/// Most bytes of an answer that the command line reads.
pub const CONTROL_ANSWER_BYTES_MAX: usize = 16 * MIB as usize;
