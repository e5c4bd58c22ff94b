//! Bounds on what is told to others: events to webhooks, access logs to buckets.

use super::{KIB, MIB};

/// Webhooks that the operator may configure. Each has a worker of its own.
pub const WEBHOOKS_MAX: usize = 16;
/// Longest name of a webhook in bytes.
pub const WEBHOOK_NAME_BYTES_MAX: usize = 64;
/// Events that may wait for one webhook; later ones are dropped and counted until there is room. Bounds the disk
/// that a webhook which is gone for good can take: about 100 MB.
pub const EVENTS_QUEUED_PER_TARGET_MAX: u32 = if cfg!(test) { 1_000 } else { 100_000 };
/// Events that one step of a delivery reads, and that a crash may tell twice.
pub const EVENTS_STEP: u32 = 64;
/// Deliveries to one webhook at once, each of another key.
pub const EVENT_DELIVERIES_MAX: usize = 8;
/// Milliseconds that a delivery rests when nothing is due.
pub const EVENTS_IDLE_MS: u64 = 200;
/// Milliseconds until a webhook must have answered. Longer counts as failed.
pub const WEBHOOK_TIMEOUT_MS: u64 = 10_000;
/// Most bytes of a webhook's answer that are read, so that its connection can be used again.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 * KIB as usize;
/// Bytes that a connection to a webhook buffers of what it answers. Bounds the head of the answer, too.
pub const WEBHOOK_BUFFER_BYTES_MAX: usize = 16 * KIB as usize;
/// Milliseconds before an event whose delivery failed is tried again; doubles with each failure.
pub const EVENT_RETRY_MS_MIN: u64 = 500;
/// Longest such time in milliseconds.
pub const EVENT_RETRY_MS_MAX: u64 = 5 * 60_000;
/// Hours after which an event that could never be delivered is dropped, so that it does not hold up its key.
pub const EVENT_AGE_HOURS_MAX: i64 = 72;
/// Failures in a row after which a webhook is left alone for a while.
pub const BREAKER_FAILURES: u32 = 4;
/// Shortest such while in milliseconds; doubles with each failed try.
pub const BREAKER_REST_MS_MIN: u64 = 500;
/// Longest such while in milliseconds.
pub const BREAKER_REST_MS_MAX: u64 = 30_000;
/// Most rules in one notification configuration (Amazon S3 User Guide).
pub const NOTIFICATION_RULES_MAX: usize = 100;
/// Longest id of a configuration's rule in bytes.
pub const CONFIGURATION_ID_BYTES_MAX: usize = 255;
/// Bytes of access log lines that wait in memory for their delivery; later ones are dropped and counted.
pub const ACCESS_LOG_BUFFER_BYTES_MAX: usize = MIB as usize;
/// Bytes of lines for one log object after which it is written before its time.
pub const ACCESS_LOG_OBJECT_BYTES: usize = 256 * KIB as usize;
/// Seconds between two deliveries of access logs (default of `--access-log-interval`).
pub const ACCESS_LOG_INTERVAL_SECONDS: u64 = 300;
/// Longest `--access-log-interval` in seconds.
pub const ACCESS_LOG_INTERVAL_SECONDS_MAX: u64 = 3600;
/// Milliseconds after which a change of a bucket's logging is seen by every process, at most.
pub const ACCESS_LOG_REFRESH_MS: u64 = 1_000;
/// Most buckets whose requests are logged: their configurations are held in memory.
pub const LOGGED_BUCKETS_MAX: u32 = 1_000;
/// Most bytes of a header or URI in an access log line.
pub const ACCESS_LOG_FIELD_BYTES_MAX: usize = 2 * KIB as usize;
