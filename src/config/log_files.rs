//! Log files beside the log: which, how large, and how many of the old ones stay.

use std::path::{Path, PathBuf};

use crate::config::error::wrong;
use crate::config::value::parse_size;
use crate::config::{ConfigError, RawConfig};
use crate::limits::insight::{
    ACCESS_LOG_FILE_BYTES, ACCESS_LOG_FILE_BYTES_MAX, ACCESS_LOG_FILE_BYTES_MIN, ACCESS_LOG_FILES_KEPT,
    ACCESS_LOG_FILES_KEPT_MAX,
};

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// Log files beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFiles {
    /// Where access lines go, if anywhere.
    pub access: Option<LineTarget>,
    /// Size at which their file is rotated, in bytes.
    pub access_bytes_max: u64,
    /// Rotated files that are kept.
    pub access_kept: usize,
    /// The file of audit lines, if there is one.
    pub audit: Option<PathBuf>,
}

impl LogFiles {
    /// Judges these settings.
    ///
    /// # Errors
    /// `Value`.
    pub fn decide(raw: &RawConfig) -> Result<Self, ConfigError> {
        let target = |path: &PathBuf| {
            if path == Path::new("-") { LineTarget::Stdout } else { LineTarget::File(path.clone()) }
        };
        let files = Self {
            access: raw.access_log.as_ref().map(target),
            access_bytes_max: decide_size(raw.access_log_max_size.as_deref())?,
            access_kept: decide_kept(raw.access_log_keep.as_deref())?,
            audit: raw.audit_log.clone(),
        };
        match (&files.access, &files.audit) {
            (Some(LineTarget::File(access)), Some(audit)) if access == audit => {
                Err(wrong("audit-log", &audit.display().to_string(), "another file than that of --access-log"))
            }
            _ => Ok(files),
        }
    }
}

fn decide_size(text: Option<&str>) -> Result<u64, ConfigError> {
    let Some(text) = text else { return Ok(ACCESS_LOG_FILE_BYTES) };
    parse_size(text)
        .filter(|bytes| (ACCESS_LOG_FILE_BYTES_MIN..=ACCESS_LOG_FILE_BYTES_MAX).contains(bytes))
        .ok_or_else(|| wrong("access-log-max-size", text, "a size such as 100MiB, from 64KiB to 1TiB"))
}

fn decide_kept(text: Option<&str>) -> Result<usize, ConfigError> {
    let Some(text) = text else { return Ok(ACCESS_LOG_FILES_KEPT) };
    let kept = text.trim().parse().ok().filter(|kept| (1..=ACCESS_LOG_FILES_KEPT_MAX).contains(kept));
    kept.ok_or_else(|| wrong("access-log-keep", text, "a number from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::{LineTarget, LogFiles};
    use crate::config::{ConfigError, RawConfig};
    use crate::limits::MIB;

    fn decide(change: impl FnOnce(&mut RawConfig)) -> Result<LogFiles, ConfigError> {
        let mut raw = RawConfig::default();
        change(&mut raw);
        LogFiles::decide(&raw)
    }

    #[test]
    fn there_is_no_file_unless_one_is_named() {
        let files = decide(|_| {}).expect("defaults suffice");
        let nothing = LogFiles { access: None, access_bytes_max: 100 * MIB, access_kept: 5, audit: None };
        assert_eq!(files, nothing);
        assert_eq!(decide(|raw| raw.access_log = Some("-".into())).unwrap().access, Some(LineTarget::Stdout));
        let file = decide(|raw| raw.access_log = Some("a.log".into())).unwrap();
        assert_eq!(file.access, Some(LineTarget::File("a.log".into())));
    }

    #[test]
    fn what_is_out_of_bounds_names_its_setting() {
        type Change = fn(&mut RawConfig);
        let cases: [(&str, Change); 5] = [
            ("access-log-max-size", |raw| raw.access_log_max_size = Some("1".into())),
            ("access-log-max-size", |raw| raw.access_log_max_size = Some("2TiB".into())),
            ("access-log-keep", |raw| raw.access_log_keep = Some("0".into())),
            ("access-log-keep", |raw| raw.access_log_keep = Some("1001".into())),
            ("audit-log", |raw| (raw.access_log, raw.audit_log) = (Some("x".into()), Some("x".into()))),
        ];
        for (name, change) in cases {
            match decide(change) {
                Err(ConfigError::Value { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
