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
    /// Who: the name of a key, or `local` for whoever may open the socket.
    pub who: &'a str,
    /// From where: an address, or `socket`.
    pub from: &'a str,
    /// What was done: `POST /v1/keys`, or `key add`.
    pub action: &'a str,
    /// On what: a key, a bucket; may be empty. Never a secret.
    pub target: &'a str,
    /// How it ended: `ok`, or the word of the error.
    pub outcome: &'a str,
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
    let Audited { who, from, action, target, outcome } = *audited;
    tracing::info!(target: AUDIT_TARGET, who, from, action, what = target, outcome);
    if let Some(file) = FILE.get() {
        file.write_entry(&Line { at: SystemClock.now().iso_millis(), audited });
    }
}

#[cfg(test)]
mod tests {
    use super::{Audited, Line};

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let audited =
            Audited { who: "ann\n\"", from: "127.0.0.1", action: "POST /v1/keys", target: "k", outcome: "ok" };
        let line = serde_json::to_string(&Line { at: "T".to_owned(), audited: &audited }).unwrap();
        assert_eq!(
            line,
            r#"{"at":"T","who":"ann\n\"","from":"127.0.0.1","action":"POST /v1/keys","target":"k","outcome":"ok"}"#
        );
    }
}
