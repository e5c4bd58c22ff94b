//! Bounds of what `doctor` asks other servers, and of what it warns about.

/// Milliseconds that `doctor` waits for the answer of another server.
pub const DOCTOR_ASK_MS: u64 = 10_000;
/// Most bytes that `doctor` reads of an answer.
pub const DOCTOR_ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Days before its end from which on a certificate is worth a warning.
pub const CERTIFICATE_WARNING_DAYS: i64 = 30;
