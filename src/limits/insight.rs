//! Bounds of what the gateway remembers to explain itself: ended requests, uploads on their way in, samples of the
//! past, and log files. All of it is part of the fixed cost of the process, beside `--memory`.

use super::{GIB, KIB, MIB};

/// Refused requests that are remembered. Bounds a flood of them by number…
pub const REFUSED_KEPT_MAX: usize = 1024;
/// …and by bytes, explanations included: a canonical request is as long as its client makes it.
pub const REFUSED_BYTES_MAX: usize = 512 * KIB as usize;
/// Answers "there is none" (404) that are remembered: clients ask before they write, so these are many, and must not
/// push refusals out.
pub const MISSING_KEPT_MAX: usize = 256;
/// Bytes of them.
pub const MISSING_BYTES_MAX: usize = 96 * KIB as usize;
/// Served requests that are remembered, as short lines.
pub const SERVED_KEPT_MAX: usize = 512;
/// Bytes of those lines.
pub const SERVED_BYTES_MAX: usize = 192 * KIB as usize;
/// Served requests that are remembered at once; beyond, one in `SERVED_SAMPLE_MS`.
pub const SERVED_BURST: u64 = 256;
/// Milliseconds between two served requests that are remembered under load: then they are a sample, and remembering
/// costs nothing that could be measured.
pub const SERVED_SAMPLE_MS: u64 = 50;
/// Most bytes of a target, key or user agent in what is remembered of a request.
pub const REMEMBERED_TEXT_BYTES_MAX: usize = KIB as usize;
/// Most bytes of a canonical request or a string to sign in an explanation.
pub const EXPLAINED_TEXT_BYTES_MAX: usize = 8 * KIB as usize;
/// Most bytes of one fact of an explanation.
pub const EXPLAINED_FACT_BYTES_MAX: usize = 512;
/// Requests that one answer about them lists.
pub const REQUESTS_LISTED_MAX: usize = 1_000;
/// Requests that are listed if nobody says how many.
pub const REQUESTS_LISTED: usize = 100;
/// Signatures that are tried to find out why one does not match.
pub const SUSPICIONS_MAX: usize = 96;
/// Wrong signatures that are looked into in one second: the search costs about as much as a hundred requests do, so
/// nobody may have it for each of his.
pub const SUSPICIONS_PER_SECOND_MAX: u64 = 8;

/// Bytes beyond which an upload counts as one that is worth to be watched.
pub const WATCHED_UPLOAD_BYTES_MIN: u64 = MIB;

/// Bytes of one sample in the file of the past.
pub const SAMPLE_BYTES: usize = 96;
/// Seconds of each step of the last hour, and how many there are.
pub const HOUR_STEPS: (u32, usize) = (10, 360);
/// Seconds of each step of the last day, and how many there are.
pub const DAY_STEPS: (u32, usize) = (300, 288);
/// Seconds of each step of the last thirty days, and how many there are.
pub const MONTH_STEPS: (u32, usize) = (3_600, 720);
/// Milliseconds between two writes of samples. Nothing of them is synced.
pub const HISTORY_TICK_MS: u64 = 10_000;
/// Buckets of the histogram of durations: four for each doubling, from a microsecond to over an hour.
pub const LATENCY_BUCKETS: usize = 128;

/// Lines that wait for a log file. Beyond, they are dropped and counted: a disk that hangs holds up no request.
pub const LOG_FILE_LINES_MAX: usize = 4_096;
/// Bytes of those lines.
pub const LOG_FILE_PENDING_BYTES_MAX: usize = MIB as usize;
/// Longest line of a log file in bytes.
pub const LOG_FILE_LINE_BYTES_MAX: usize = 16 * KIB as usize;
/// Size at which the access log is rotated (default of `--access-log-max-size`).
pub const ACCESS_LOG_FILE_BYTES: u64 = 100 * MIB;
/// Least `--access-log-max-size`.
pub const ACCESS_LOG_FILE_BYTES_MIN: u64 = 64 * KIB;
/// Greatest `--access-log-max-size`.
pub const ACCESS_LOG_FILE_BYTES_MAX: u64 = 1_024 * GIB;
/// Rotated access logs that are kept (default of `--access-log-keep`).
pub const ACCESS_LOG_FILES_KEPT: usize = 5;
/// Most of them.
pub const ACCESS_LOG_FILES_KEPT_MAX: usize = 1_000;
/// Size at which the audit log is rotated.
pub const AUDIT_LOG_FILE_BYTES: u64 = 100 * MIB;
/// Rotated audit logs that are kept.
pub const AUDIT_LOG_FILES_KEPT: usize = 20;

/// Clients whose clocks are compared with ours.
pub const CLIENT_CLOCKS: usize = 64;
/// Minutes for which what a client's clock said counts.
pub const CLIENT_CLOCK_MINUTES_MAX: u32 = 24 * 60;

/// All that is remembered, in bytes, at most. Lines that wait for log files come on top, only if there are some.
pub const INSIGHT_BYTES_MAX: usize = REFUSED_BYTES_MAX
    + MISSING_BYTES_MAX
    + SERVED_BYTES_MAX
    + (HOUR_STEPS.1 + DAY_STEPS.1 + MONTH_STEPS.1) * SAMPLE_BYTES
    + 4 * LATENCY_BUCKETS * size_of::<u64>();

const _: () = {
    assert!(INSIGHT_BYTES_MAX <= MIB as usize, "the fixed cost of the process has room for one MiB of it");
    assert!(3 * EXPLAINED_TEXT_BYTES_MAX < REFUSED_BYTES_MAX / 8, "one explanation leaves room for others");
    assert!(REQUESTS_LISTED <= REQUESTS_LISTED_MAX, "what is listed by default may be listed");
};
