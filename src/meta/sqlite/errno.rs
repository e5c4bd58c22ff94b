//! The system's own word for the last failure of a connection: SQLite tells a full disk from a broken one, but not a
//! disk quota that is used up.

#![allow(unsafe_code, reason = "rusqlite does not wrap sqlite3_system_errno")]

use rusqlite::{Connection, ErrorCode, ffi};
use rustix::io::Errno;

/// Whether `error`, the last of `connection`, came of a disk quota that is used up.
pub(super) fn is_quota(connection: &Connection, error: &rusqlite::Error) -> bool {
    if error.sqlite_error_code() != Some(ErrorCode::SystemIoFailure) {
        return false;
    }
    // SAFETY: the handle belongs to `connection`, which is open and stays borrowed by this thread during the call.
    let errno = unsafe { ffi::sqlite3_system_errno(connection.handle()) };
    errno == Errno::DQUOT.raw_os_error()
}
