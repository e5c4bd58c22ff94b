//! How this process reaches other HTTP servers: webhooks, collectors of traces, servers that data is moved between.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;

/// Why no connection can be made at all.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The system's certificates could not be read, and the server is behind TLS.
    #[error("read the system's certificates: {0}")]
    Roots(#[source] io::Error),
    /// TLS could not be set up.
    #[error("set up TLS: {0}")]
    Tls(#[source] rustls::Error),
}

/// Connects over HTTP/1.1, with TLS where the URL asks for it; `connect_timeout` bounds how long a connection may take
/// to come about, for whoever has no deadline of its own. The system's certificates are read only if they are needed: a
/// container may have none.
///
/// # Errors
/// `Roots`, `Tls`.
pub fn connector(
    is_tls: bool,
    connect_timeout: Option<Duration>,
) -> Result<HttpsConnector<HttpConnector>, ConnectorError> {
    let provider = rustls::crypto::ring::default_provider();
    let builder = HttpsConnectorBuilder::new();
    let builder = if is_tls {
        builder.with_provider_and_native_roots(provider).map_err(ConnectorError::Roots)?
    } else {
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(ConnectorError::Tls)?;
        let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        builder.with_tls_config(config)
    };
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(connect_timeout);
    Ok(builder.https_or_http().enable_http1().wrap_connector(http))
}

#[cfg(test)]
mod tests {
    use super::connector;

    #[test]
    fn there_is_one_stack_of_tls() {
        assert!(connector(false, None).is_ok());
    }
}
