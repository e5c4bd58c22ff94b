//! The audit log: one line for each change by an administrator. To the log under the target `audit`, and to a file of
//! its own if there is one.

use std::sync::OnceLock;

use serde::Serialize;

use crate::telemetry::log_file::LogFile;
use crate::types::{Clock as _, SystemClock};

/// Target of the audit lines. On at level `info` unless the filter names it.
pub const AUDIT_TARGET: &str = "audit";

/// The file of this process, as its log is.
static FILE: OnceLock<LogFile> = OnceLock::new();

/// A change by an administrator, or the try of one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Audited<'a> {
    /// The name of the key of who did it; `-` if nobody is known.
    pub name: &'a str,
    /// The id of that key.
    pub access_key_id: &'a str,
    /// From where: an address, or the socket.
    pub from: &'a str,
    /// What was done: a method and a path. Never a secret.
    pub what: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The word of the error; `-` without one.
    pub error: &'a str,
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    audited: &'a Audited<'a>,
}

/// Says where audit lines go beside the log. The first call counts.
pub fn set_audit_file(file: LogFile) {
    let _ = FILE.set(file);
}

/// The file of audit lines, if there is one.
pub fn audit_file() -> Option<&'static LogFile> {
    FILE.get()
}

/// Writes one line.
pub fn audit(audited: &Audited<'_>) {
    let Audited { name, access_key_id, from, what, status, error } = *audited;
    tracing::info!(target: AUDIT_TARGET, name, access_key_id, from, what, status, error, "admin");
    if let Some(file) = FILE.get() {
        file.write_entry(&Line { at: SystemClock.now().iso_millis(), audited });
    }
}

#[cfg(test)]
mod tests {
    use super::{Audited, Line};

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let audited = Audited {
            name: "ann\n\"",
            access_key_id: "AK",
            from: "127.0.0.1",
            what: "POST /v1/keys",
            status: 201,
            error: "-",
        };
        let line = serde_json::to_string(&Line { at: "T".to_owned(), audited: &audited }).unwrap();
        let rest = r#""access_key_id":"AK","from":"127.0.0.1","what":"POST /v1/keys","status":201,"error":"-"}"#;
        assert_eq!(line, format!(r#"{{"at":"T","name":"ann\n\"",{rest}"#));
    }
}
