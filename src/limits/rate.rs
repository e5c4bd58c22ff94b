//! Bounds on rates: of requests and bytes by source.

use super::KIB;

/// Keys and addresses whose rates are known at once. Beyond, those that are nearest to having their whole burst again
/// are forgotten, which costs them least.
pub const RATE_SOURCES_MAX: usize = 8_192;
/// Least limit of bytes in a second. With less a client could wait for one block longer than its own timeout.
pub const RATE_BYTES_MIN: u64 = 16 * KIB;
/// Most entries of a bandwidth timetable.
pub const TIMETABLE_ENTRIES_MAX: usize = 48;
/// Longest `Retry-After` in seconds.
pub const RETRY_AFTER_SECONDS_MAX: u64 = 60;
