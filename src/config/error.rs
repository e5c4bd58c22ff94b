//! Why settings were refused. Each variant reads as one line that says what to change.

use std::io;
use std::path::PathBuf;

use crate::config::format_size;
use crate::limits::MEMORY_BYTES_MIN;

/// Why settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file could not be read.
    #[error("read configuration file {}: {source}", path.display())]
    FileRead {
        /// Which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The configuration file is no TOML, names a setting that does not exist, or gives one a value of the
    /// wrong type.
    #[error("configuration file {}: {detail}", path.display())]
    FileContent {
        /// Which file.
        path: PathBuf,
        /// What is wrong, on one line.
        detail: String,
    },
    /// A setting without a default was not given.
    #[error("{setting} is not set: give --{setting}, {variable} or the key in the configuration file")]
    Missing {
        /// Its name.
        setting: &'static str,
        /// Its environment variable.
        variable: &'static str,
    },
    /// A value cannot be read.
    #[error("{setting}: {value:?} is not {expected}")]
    Value {
        /// Its name.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Only one of certificate and key was given.
    #[error("tls-cert and tls-key belong together: {missing} is not set")]
    TlsHalf {
        /// The one that is not set.
        missing: &'static str,
    },
    /// Only one of access key id and secret was given.
    #[error("the root credentials belong together: {missing} is not set")]
    RootHalf {
        /// The one that is not set.
        missing: &'static str,
    },
    /// Both listeners would use one address.
    #[error("listen and admin-listen are both {address}")]
    SameAddress {
        /// That address.
        address: std::net::SocketAddr,
    },
    /// `memory` is below the least that works.
    #[error("memory: {} is less than the minimum of {}", format_size(*asked_bytes), format_size(MEMORY_BYTES_MIN))]
    MemoryTooSmall {
        /// What was asked for, in bytes.
        asked_bytes: u64,
    },
    /// The cgroup allows less than the least that works.
    #[error(
        "memory: the control group allows {}, which is less than the minimum of {}",
        format_size(*limit_bytes),
        format_size(MEMORY_BYTES_MIN)
    )]
    CgroupTooSmall {
        /// What the cgroup allows, in bytes.
        limit_bytes: u64,
    },
}

/// The refusal of a setting's value.
pub(super) fn wrong(setting: &'static str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Value { setting, value: value.to_owned(), expected }
}
