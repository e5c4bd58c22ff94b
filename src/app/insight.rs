//! What is remembered of requests: its files are opened, opened again, and closed.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::app::StartError;
use crate::config::{Config, LineTarget};
use crate::limits::insight::{AUDIT_LOG_FILE_BYTES, AUDIT_LOG_FILES_KEPT};
use crate::telemetry::audit::{audit_file, set_audit_file};
use crate::telemetry::{Insight, LogFile, LogTarget};

/// File of the samples of the past, in the data directory.
const HISTORY: &str = "history";

/// Opens the files. That the past cannot be kept is no reason not to serve.
///
/// # Errors
/// `DataDir` for a log file that cannot be opened: whoever asked for one relies on it.
pub fn open(config: &Config) -> Result<Arc<Insight>, StartError> {
    let insight = Insight::default();
    let files = &config.log_files;
    let opened = |name, path: &Path, target| {
        let failed = |source| StartError::DataDir { step: "open log file", path: path.to_owned(), source };
        LogFile::open(name, target).map_err(failed)
    };
    let access = match &files.access {
        Some(LineTarget::Stdout) => Some(opened("access", Path::new("-"), LogTarget::Stdout)?),
        Some(LineTarget::File(path)) => {
            let (bytes_max, kept) = (files.access_bytes_max, files.access_kept);
            Some(opened("access", path, LogTarget::File { path: path.clone(), bytes_max, kept })?)
        }
        None => None,
    };
    if let Some(file) = access {
        let _ = insight.access_file.set(file);
    }
    if let Some(path) = &files.audit {
        let (bytes_max, kept) = (AUDIT_LOG_FILE_BYTES, AUDIT_LOG_FILES_KEPT);
        set_audit_file(opened("audit", path, LogTarget::File { path: path.clone(), bytes_max, kept })?);
    }
    let path = config.data_dir.join(HISTORY);
    if let Err(error) = insight.history.open(&path) {
        tracing::warn!(%error, path = %path.display(), "the samples of the past cannot be kept");
    }
    Ok(Arc::new(insight))
}

/// Notes by which names clients may call this server.
pub fn name_hosts(insight: &Insight, config: &Config, s3: SocketAddr) {
    let port = s3.port();
    let own = match s3.ip() {
        ip if ip.is_unspecified() => None,
        IpAddr::V4(ip) => Some(format!("{ip}:{port}")),
        IpAddr::V6(ip) => Some(format!("[{ip}]:{port}")),
    };
    let usual = ["localhost", "127.0.0.1"].map(|name| format!("{name}:{port}"));
    let domains = config.domains.iter().take(4).map(|domain| format!("{domain}:{port}"));
    let _ = insight.hosts.set(own.into_iter().chain(usual).chain(domains).collect());
}

/// Opens the log files again, after somebody moved them away.
pub fn reopen(insight: &Insight) {
    for file in insight.access_file.get().into_iter().chain(audit_file()) {
        file.reopen();
    }
}

/// Writes what waits for the log files.
pub async fn close(insight: Arc<Insight>) {
    let flush = move || insight.access_file.get().into_iter().chain(audit_file()).for_each(LogFile::flush);
    let _ = tokio::task::spawn_blocking(flush).await;
}
