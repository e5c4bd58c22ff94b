//! Whether this server can do its work: metadata answers, the disk takes writes, and it is not stopping.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, ReadOnly};
use crate::guard::Drain;
use crate::limits::READY_TIMEOUT_MS;

/// Why the server is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// A stop signal came.
    #[error("draining")]
    Draining,
    /// The metadata store failed.
    #[error("metadata: {0}")]
    Metadata(String),
    /// The data directory takes no writes.
    #[error("disk: {0}")]
    Disk(#[source] std::io::Error),
    /// Reading works, but writes keep failing, or only the reserve of space is left.
    #[error("read-only: {}", .0.explanation())]
    ReadOnly(ReadOnly),
    /// No answer within `READY_TIMEOUT_MS`.
    #[error("the check took too long")]
    Slow,
}

impl NotReady {
    /// What the server is instead: for whoever sends only reads to one that cannot write.
    pub fn status(&self) -> &'static str {
        match self {
            Self::ReadOnly(_) => "read-only",
            Self::Draining | Self::Metadata(_) | Self::Disk(_) | Self::Slow => "not ready",
        }
    }

    /// A word for machines.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Metadata(_) => "metadata",
            Self::Disk(_) => "disk",
            Self::ReadOnly(cause) => cause.reason(),
            Self::Slow => "slow",
        }
    }
}

/// Asks whether the server is ready.
#[derive(Clone)]
pub struct Probe {
    engine: Arc<Engine>,
    drain: Drain,
    data_dir: PathBuf,
}

impl Probe {
    /// A probe of an engine whose files are in `data_dir`.
    pub fn new(engine: Arc<Engine>, drain: Drain, data_dir: PathBuf) -> Self {
        Self { engine, drain, data_dir }
    }

    /// Whether a stop signal came.
    pub fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// Checks now.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub async fn check(&self) -> Result<(), NotReady> {
        if self.is_draining() {
            return Err(NotReady::Draining);
        }
        let limit = Duration::from_millis(READY_TIMEOUT_MS);
        tokio::time::timeout(limit, self.check_storage()).await.unwrap_or(Err(NotReady::Slow))
    }

    async fn check_storage(&self) -> Result<(), NotReady> {
        let page = self.engine.list_buckets(None, "", "", 1).await;
        page.map_err(|error| NotReady::Metadata(error.to_string()))?;
        if let Some(cause) = self.engine.read_only() {
            return Err(NotReady::ReadOnly(cause));
        }
        let data_dir = self.data_dir.clone();
        let written = tokio::task::spawn_blocking(move || write_probe(&data_dir)).await;
        written.map_err(|stopped| NotReady::Disk(stopped.into()))?.map_err(NotReady::Disk)
    }
}

/// Makes, fills and removes a small file: a read-only remount, a full disk and lost permissions all show.
/// It is not synced: a health check must not add syncs to a busy disk.
fn write_probe(data_dir: &Path) -> std::io::Result<()> {
    let path = data_dir.join("ready.probe");
    let written = std::fs::File::create(&path).and_then(|mut file| file.write_all(&[0; 4096]));
    let removed = std::fs::remove_file(&path);
    match removed {
        // Two checks at once remove one file: whoever comes second finds it gone.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => written.and(Err(error)),
        Ok(()) | Err(_) => written,
    }
}

#[cfg(test)]
mod tests {
    use super::write_probe;

    #[test]
    fn the_probe_leaves_nothing_and_notices_a_directory_that_takes_no_files() {
        let directory = tempfile::tempdir().unwrap();
        write_probe(directory.path()).expect("a writable directory");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        assert!(write_probe(&directory.path().join("gone")).is_err());
    }
}
