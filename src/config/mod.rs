//! Settings: raw ones from flags, environment and file become one decided `Config`, and every default and
//! every relation between settings is judged here. Knows the bounds; must never start anything.

pub mod cgroup;
pub mod decide;
pub mod error;
pub mod file;
pub mod keeping;
pub mod log_files;
pub mod rate;
pub mod raw;
mod span;
#[cfg(test)]
mod tests;
pub mod traces;
pub mod value;
pub mod webhook;

pub use decide::{Config, LogFormat, MemoryLowered, RootPair, TlsPaths};
pub use error::ConfigError;
pub use file::load_file;
pub use keeping::Keeping;
pub use log_files::{LineTarget, LogFiles};
pub use raw::RawConfig;
pub use traces::TraceConfig;
pub use value::format_size;
pub use webhook::{RawWebhook, WebhookConfig};
