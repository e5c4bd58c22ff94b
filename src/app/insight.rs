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

/// Notes by which names clients may call this server, the likeliest first.
pub fn name_hosts(insight: &Insight, config: &Config, s3: SocketAddr) {
    let port = s3.port();
    let own = match s3.ip() {
        ip if ip.is_unspecified() => None,
        IpAddr::V4(ip) => Some(format!("{ip}:{port}")),
        IpAddr::V6(ip) => Some(format!("[{ip}]:{port}")),
    };
    let usual = ["localhost", "127.0.0.1"].map(|name| format!("{name}:{port}"));
    let domains = config.domains.iter().take(4).map(|domain| format!("{domain}:{port}"));
    let public = config.public_url.as_deref().map(signed_host);
    let _ = insight.hosts.set(public.into_iter().chain(own).chain(usual).chain(domains).collect());
}

/// What clients sign as Host of a URL without a path: they leave the port out where it is the usual one.
fn signed_host(url: &str) -> String {
    let (host, usual) = match url.split_once("://") {
        Some(("https", host)) => (host, ":443"),
        Some((_, host)) => (host, ":80"),
        None => (url, ""),
    };
    host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase()
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

#[cfg(test)]
mod tests {
    use super::signed_host;

    #[test]
    fn the_usual_port_is_no_part_of_host() {
        for (url, host) in [
            ("https://S3.example.com", "s3.example.com"),
            ("https://s3.example.com:443", "s3.example.com"),
            ("https://s3.example.com:80", "s3.example.com:80"),
            ("http://nas:80", "nas"),
            ("http://[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(signed_host(url), host, "{url}");
        }
    }
}
