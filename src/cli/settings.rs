//! How commands come to their settings: flags over environment (both are clap's), over the file.

use std::path::PathBuf;

use crate::app::data_dir;
use crate::cli::Failure;
use crate::config::cgroup::{CgroupPaths, memory_limit_bytes};
use crate::config::decide::{decide_data_dir, decide_lifecycle_day, decide_ownership};
use crate::config::{Config, ConfigError, RawConfig, load_file};
use crate::engine::Snapshots;
use crate::identity::KeyRingSettings;
use crate::types::ObjectOwnership;

/// Every setting, and the file.
#[derive(clap::Args)]
pub struct SettingsArgs {
    /// Configuration file, TOML: each flag without its dashes is a key
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    raw: RawConfig,
}

/// Where the data is, for commands that need nothing else.
#[derive(clap::Args)]
pub struct StoreArgs {
    /// Directory of the database, the chunk files and the lock
    #[arg(long, env = "SLUICEGATE_DATA_DIR", value_name = "DIR", global = true)]
    data_dir: Option<PathBuf>,
    /// Configuration file, TOML
    #[arg(long, env = "SLUICEGATE_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl SettingsArgs {
    /// All settings, decided.
    ///
    /// # Errors
    /// What `load_file` and `Config::decide` refuse.
    pub fn decide(self) -> Result<Config, ConfigError> {
        let file = read(self.config)?;
        let raw = self.raw.over(file).with_root_from(&|name| std::env::var(name).ok());
        Config::decide(raw, memory_limit_bytes(&CgroupPaths::default()))
    }
}

impl StoreArgs {
    /// Where the data is.
    ///
    /// # Errors
    /// What `load_file` refuses, or that nobody said.
    pub fn data_dir(&self) -> Result<PathBuf, Failure> {
        let given = self.data_dir.clone().filter(|path| !path.as_os_str().is_empty());
        let given = match given {
            Some(path) => Some(path),
            None => read(self.config.clone())?.data_dir,
        };
        Ok(decide_data_dir(given)?)
    }

    /// Where the keys of the encryption at rest are: in the file that was given, or as the configuration file and the
    /// environment say.
    ///
    /// # Errors
    /// What `load_file` refuses.
    pub fn key_ring(&self, given: Option<PathBuf>) -> Result<KeyRingSettings, ConfigError> {
        let raw = read(self.config.clone())?.with_root_from(&|name| std::env::var(name).ok());
        let given = given.filter(|path| !path.as_os_str().is_empty());
        Ok(KeyRingSettings { file: given.or(raw.encryption_keys), master_key: raw.master_key })
    }

    /// The snapshots of the database: in the directory that was given, or that the file says, or in the data directory.
    ///
    /// # Errors
    /// What `load_file` refuses, or that nobody said where the data is.
    pub fn snapshots(&self, given: Option<PathBuf>) -> Result<Snapshots, Failure> {
        let given = given.filter(|path| !path.as_os_str().is_empty());
        let directory = match given {
            Some(directory) => Some(directory),
            None => read(self.config.clone())?.snapshot_dir,
        };
        Ok(data_dir::snapshots(&self.data_dir()?, directory.as_deref()))
    }

    /// How long a day of lifecycle rules is: what was given, or what the file says.
    ///
    /// # Errors
    /// What `load_file` refuses, or a value out of bounds.
    pub fn lifecycle_day_seconds(&self, given: Option<&str>) -> Result<u32, ConfigError> {
        match given {
            Some(text) => decide_lifecycle_day(Some(text)),
            None => decide_lifecycle_day(read(self.config.clone())?.lifecycle_day_seconds.as_deref()),
        }
    }

    /// The object ownership of a bucket whose creator names none: what was given, or what the file says.
    ///
    /// # Errors
    /// What `load_file` refuses, or a value that is none.
    pub fn default_object_ownership(&self, given: Option<&str>) -> Result<ObjectOwnership, ConfigError> {
        match given.filter(|text| !text.trim().is_empty()) {
            Some(text) => decide_ownership(Some(text)),
            None => decide_ownership(read(self.config.clone())?.default_object_ownership.as_deref()),
        }
    }
}

/// The settings of the file, if one was named.
///
/// # Errors
/// What `load_file` refuses.
pub fn read(config: Option<PathBuf>) -> Result<RawConfig, ConfigError> {
    match config.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => load_file(&path),
        None => Ok(RawConfig::default()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::SettingsArgs;
    use crate::limits::MIB;

    #[derive(clap::Parser)]
    struct Bench {
        #[command(flatten)]
        settings: SettingsArgs,
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sluicegate.toml");
        std::fs::write(&file, "data-dir = \"/file\"\nmemory = \"48MiB\"\nregion = \"eu-west-1\"\n").unwrap();
        let flags = ["x", "--config", file.to_str().unwrap(), "--memory", "33MiB"];
        let config = Bench::parse_from(flags).settings.decide().expect("legal settings");
        assert_eq!(config.memory_bytes, 33 * MIB);
        assert_eq!(config.data_dir.to_str(), Some("/file"));
        assert_eq!(config.region, "eu-west-1");
        assert_eq!(config.listen.port(), 9000);
    }
}
