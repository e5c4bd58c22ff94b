//! TLS: the certificate from PEM files, replaced without a restart.
//!
//! Owns which certificate new handshakes get. Must never know what is spoken inside.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::limits::PEM_BYTES_MAX;
use crate::net::state::NEVER_POISONED;

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// PEM file with the certificate chain, the server's own certificate first.
    pub cert_path: PathBuf,
    /// PEM file with the private key: PKCS #8, SEC 1 or PKCS #1.
    pub key_path: PathBuf,
}

/// A certificate in use. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    reloader: Arc<TlsReloader>,
}

impl Tls {
    /// Reads certificate and key. Blocks on file I/O.
    ///
    /// # Errors
    /// If a file cannot be read, holds no certificate or key, or the two do not belong together.
    pub fn load(settings: &TlsSettings) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let stamps = Stamps::of(settings)?;
        let current = ArcSwap::from_pointee(read_certificate(settings, &provider)?);
        let reloader = Arc::new(TlsReloader {
            settings: settings.clone(),
            provider: Arc::clone(&provider),
            current,
            seen: Mutex::new(Some(stamps)),
        });
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&reloader) as Arc<dyn ResolvesServerCert>);
        Ok(Self { config: Arc::new(config), reloader })
    }

    /// What replaces the certificate while the server runs.
    pub fn reloader(&self) -> Arc<TlsReloader> {
        Arc::clone(&self.reloader)
    }

    /// The configuration, without application protocols.
    pub(crate) fn server_config(&self) -> ServerConfig {
        (*self.config).clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.reloader.settings).finish_non_exhaustive()
    }
}

/// Replaces the certificate of new handshakes.
pub struct TlsReloader {
    settings: TlsSettings,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    /// The files as they were last looked at, whether they could be used or not.
    seen: Mutex<Option<Stamps>>,
}

impl TlsReloader {
    /// Reads the files again. Blocks on file I/O.
    ///
    /// # Errors
    /// If the files cannot be used; the certificate in use stays.
    pub fn reload(&self) -> io::Result<()> {
        self.current.store(Arc::new(read_certificate(&self.settings, &self.provider)?));
        Ok(())
    }

    /// Reads the files again if they have changed since the last look; says whether there is a new certificate.
    /// Files that cannot be used (half-written, a key that does not fit) are logged once and looked at again when
    /// they change. Blocks on file I/O.
    pub fn reload_if_changed(&self) -> bool {
        let stamps = Stamps::of(&self.settings).ok();
        {
            let mut seen = self.seen.lock().expect(NEVER_POISONED);
            if *seen == stamps {
                return false;
            }
            *seen = stamps;
        }
        match self.reload() {
            Ok(()) => {
                tracing::info!(cert = %self.settings.cert_path.display(), "certificate replaced");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the new certificate cannot be used, the old one stays");
                false
            }
        }
    }
}

impl fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloader").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for TlsReloader {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// What tells whether the files have changed: inode, length and time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamps {
    cert: (u64, u64, i64, i64),
    key: (u64, u64, i64, i64),
}

impl Stamps {
    fn of(settings: &TlsSettings) -> io::Result<Self> {
        let stamp = |metadata: Metadata| (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec());
        let cert = stamp(std::fs::metadata(&settings.cert_path)?);
        let key = stamp(std::fs::metadata(&settings.key_path)?);
        Ok(Self { cert, key })
    }
}

fn read_certificate(settings: &TlsSettings, provider: &CryptoProvider) -> io::Result<CertifiedKey> {
    let TlsSettings { cert_path, key_path } = settings;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read_pem(cert_path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid("read certificate", cert_path, &error))?;
    let key = PrivateKeyDer::from_pem_slice(&read_pem(key_path)?)
        .map_err(|error| invalid("read private key", key_path, &error))?;
    // Refuses an empty chain, and a key that does not belong to the certificate.
    CertifiedKey::from_der(chain, key, provider).map_err(|error| invalid("use certificate and key", cert_path, &error))
}

fn read_pem(path: &Path) -> io::Result<Vec<u8>> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("read {}: {error}", path.display()));
    let mut pem = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(PEM_BYTES_MAX).read_to_end(&mut pem).map_err(failed)?;
    Ok(pem)
}

fn invalid(what: &str, path: &Path, error: &dyn fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} {}: {error}", path.display()))
}
