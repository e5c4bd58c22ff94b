//! The keys of the encryption at rest: loaded at the start, read again at SIGHUP.

use std::sync::Arc;

use crate::app::StartError;
use crate::config::Config;
use crate::identity::{EncryptionKeys, KeyRingSettings, KeyRingSource, master_key};

/// Loads the keys, and makes one if there is none. The caller holds the lock of the data directory.
///
/// # Errors
/// `KeyRing`.
pub fn load(config: &Config) -> Result<Arc<EncryptionKeys>, StartError> {
    let master_key = config.master_key.as_ref().map(|key| key.0.clone());
    let settings = KeyRingSettings { file: config.encryption_keys.clone(), master_key };
    let loaded = master_key::load_or_create(&settings, &config.data_dir)?;
    let (keys, active) = (loaded.ring.ids().count(), loaded.ring.active_id().unwrap_or_default());
    match &loaded.source {
        KeyRingSource::Environment => tracing::info!(keys, active, "encryption keys are configured"),
        KeyRingSource::File(path) | KeyRingSource::DataDirectory(path) => {
            tracing::info!(path = %path.display(), keys, active, "encryption keys read");
        }
        KeyRingSource::Created(path) => {
            tracing::info!(path = %path.display(), active, "encryption key made: without it nothing encrypted can be read");
        }
    }
    Ok(Arc::new(EncryptionKeys::new(loaded, settings, &config.data_dir)))
}

/// Reads the keys again. What cannot be used is told, and changes nothing.
pub async fn reload(keys: Arc<EncryptionKeys>) {
    match tokio::task::spawn_blocking(move || keys.reload()).await {
        // The keys themselves tell of it.
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(%error, "the encryption keys were not read again"),
        Err(stopped) => tracing::error!(%stopped, "the reload was stopped"),
    }
}
