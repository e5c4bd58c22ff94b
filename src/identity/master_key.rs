//! The key ring of the encryption at rest: from a file that the operator keeps, from the environment, or made at the
//! first start in `DIR/master.key`, so that SSE-S3 works out of the box.
//!
//! Whoever has the ring and the data directory can read everything that is encrypted with it; whoever loses the ring
//! loses all that. A ring that is kept elsewhere protects disks that are lost or thrown away; `DIR/master.key` protects
//! chunk files only.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::cipher::{CipherError, KeyLoss, KeyRing, KeyRingError};
use crate::identity::secret_file::{self, SecretFileError};
use crate::limits::ENCRYPTION_KEYS_FILE_BYTES_MAX;

const FILE_NAME: &str = "master.key";
/// Begins the id of a key that the environment gives without one. What follows tells it from every other: when the
/// variable gets another key, what the old one wrapped asks for the old one, instead of seeming damaged.
const ENVIRONMENT_PREFIX: &str = "master";

/// Where the operator keeps keys.
#[derive(Clone, Default)]
pub struct KeyRingSettings {
    /// A file of keys.
    pub file: Option<PathBuf>,
    /// A key, `id:base64` or base64 alone.
    pub master_key: Option<Zeroizing<String>>,
}

/// Where the active key came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRingSource {
    /// The operator's file.
    File(PathBuf),
    /// The environment.
    Environment,
    /// `DIR/master.key`, which was there.
    DataDirectory(PathBuf),
    /// `DIR/master.key`, which was made now.
    Created(PathBuf),
}

/// A key ring and where its active key came from.
#[derive(Debug)]
pub struct LoadedKeyRing {
    /// All keys.
    pub ring: KeyRing,
    /// Source of the active one.
    pub source: KeyRingSource,
}

/// Why there is no key ring.
#[derive(Debug, thiserror::Error)]
pub enum LoadKeyRingError {
    /// A file could not be read or written.
    #[error("encryption keys: {0}")]
    Io(#[from] SecretFileError),
    /// The operator's file is not there.
    #[error("encryption keys: there is no file {}", .0.display())]
    Missing(PathBuf),
    /// A file is no key ring. Its content stays out of the message.
    #[error("encryption keys in {}: {source}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: KeyRingError,
    },
    /// The key of the environment is none.
    #[error("SLUICEGATE_MASTER_KEY is no key: 32 bytes in base64, with or without an id and a colon before them")]
    Environment,
    /// No key could be made.
    #[error("encryption keys: {0}")]
    Make(#[from] CipherError),
    /// There is no room for one more key.
    #[error("encryption keys in {}: there are so many that one more could not be read again", .0.display())]
    Full(PathBuf),
    /// What is kept is not what is used.
    #[error("encryption keys in {}: {loss}: put the file back that the server was started with", path.display())]
    Differs {
        /// Which file.
        path: PathBuf,
        /// Which key.
        loss: KeyLoss,
    },
}

/// Loads the ring: the operator's file, else the environment's key, and always what is in `DIR/master.key`, so that
/// what was encrypted before keys were configured stays readable. If there is no key at all, makes one. The caller
/// holds the lock of the data directory.
///
/// # Errors
/// If a key is configured that cannot be used.
pub fn load_or_create(settings: &KeyRingSettings, data_dir: &Path) -> Result<LoadedKeyRing, LoadKeyRingError> {
    if let Some(loaded) = load(settings, data_dir)? {
        // Whoever wrote it may have been stopped before it was durable; from here on it is relied upon.
        let kept = data_dir.join(FILE_NAME);
        if kept.exists() {
            secret_file::settle(&kept)?;
        }
        return Ok(loaded);
    }
    let ring = KeyRing::generate()?;
    secret_file::write(data_dir, FILE_NAME, &ring.to_text())?;
    Ok(LoadedKeyRing { ring, source: KeyRingSource::Created(data_dir.join(FILE_NAME)) })
}

/// As `load_or_create`, but makes nothing: `None` if there is no key at all.
///
/// # Errors
/// If a key is configured that cannot be used.
pub fn load(settings: &KeyRingSettings, data_dir: &Path) -> Result<Option<LoadedKeyRing>, LoadKeyRingError> {
    let mut ring = KeyRing::default();
    let mut source = None;
    if let Some(path) = &settings.file {
        ring = read(path)?.ok_or_else(|| LoadKeyRingError::Missing(path.clone()))?;
        source = Some(KeyRingSource::File(path.clone()));
    }
    if let Some(key) = &settings.master_key {
        ring = ring.with(from_environment(key)?);
        source = source.or(Some(KeyRingSource::Environment));
    }
    let path = data_dir.join(FILE_NAME);
    if let Some(kept) = read(&path)? {
        ring = ring.with(kept);
        source = source.or(Some(KeyRingSource::DataDirectory(path)));
    }
    Ok(source.map(|source| LoadedKeyRing { ring, source }))
}

/// As `load`, of a server that runs: what was there is still there, and is made durable before it is used.
///
/// # Errors
/// If a key cannot be used, or is not there.
pub(super) fn load_settled(settings: &KeyRingSettings, data_dir: &Path) -> Result<LoadedKeyRing, LoadKeyRingError> {
    let kept = data_dir.join(FILE_NAME);
    let settle = || {
        let mut paths = settings.file.iter().chain([&kept]).filter(|path| path.exists());
        paths.try_for_each(|path| secret_file::settle(path))
    };
    // Before, so that nothing is read that is no file; after, because its owner may have written it in between.
    settle()?;
    let loaded = load(settings, data_dir)?;
    settle()?;
    loaded.ok_or(LoadKeyRingError::Missing(kept))
}

/// Adds a new active key to `DIR/master.key`, which is made if it is not there; returns the key's id. The old keys
/// stay. The caller holds the lock of the data directory: of a server that runs, only that itself changes the file.
///
/// # Errors
/// If the file cannot be read or written.
pub fn rotate(data_dir: &Path) -> Result<String, LoadKeyRingError> {
    let ring = with_new_key(data_dir, &KeyRing::default())?;
    Ok(ring.active_id().unwrap_or_default().to_owned())
}

/// The ring of `DIR/master.key` and of what is `used` with a new active key, which is durable there.
///
/// # Errors
/// `Differs` if a key is another one in the file than in use; if the file cannot be read or written.
pub(super) fn with_new_key(data_dir: &Path, used: &KeyRing) -> Result<KeyRing, LoadKeyRingError> {
    let path = data_dir.join(FILE_NAME);
    let kept = read(&path)?.unwrap_or_default();
    let mut ring = used.clone().with(kept.clone());
    if let Some(loss) = ring.loss_from(&kept) {
        return Err(LoadKeyRingError::Differs { path, loss });
    }
    if ring.is_full() {
        return Err(LoadKeyRingError::Full(path));
    }
    ring.rotate()?;
    secret_file::write(data_dir, FILE_NAME, &ring.to_text())?;
    Ok(ring)
}

fn read(path: &Path) -> Result<Option<KeyRing>, LoadKeyRingError> {
    let Some(text) = secret_file::read(path, ENCRYPTION_KEYS_FILE_BYTES_MAX)? else { return Ok(None) };
    let ring = KeyRing::parse(&text);
    ring.map(Some).map_err(|source| LoadKeyRingError::Content { path: path.to_owned(), source })
}

fn from_environment(key: &str) -> Result<KeyRing, LoadKeyRingError> {
    let ring = match key.trim().rsplit_once(':') {
        Some((id, key)) => KeyRing::parse(&Zeroizing::new(format!("{id} = {key}"))),
        None => KeyRing::of_key(ENVIRONMENT_PREFIX, key.trim()),
    };
    ring.map_err(|_| LoadKeyRingError::Environment)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{KeyRingSettings, KeyRingSource, LoadKeyRingError, load, load_or_create, rotate};
    use crate::cipher::Holder;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";

    #[test]
    fn the_first_start_makes_a_key_and_later_ones_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let settings = KeyRingSettings::default();
        assert!(load(&settings, directory.path()).unwrap().is_none());
        let made = load_or_create(&settings, directory.path()).unwrap();
        let path = directory.path().join("master.key");
        assert_eq!(made.source, KeyRingSource::Created(path.clone()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = load_or_create(&settings, directory.path()).unwrap();
        assert_eq!(read.source, KeyRingSource::DataDirectory(path));
        let envelope = made.ring.seal(&Holder::Gateway).unwrap().1;
        assert!(read.ring.open(&envelope, None).is_ok());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn configured_keys_win_and_the_kept_ones_still_open() {
        let directory = tempfile::tempdir().unwrap();
        let made = load_or_create(&KeyRingSettings::default(), directory.path()).unwrap();
        let old = made.ring.seal(&Holder::Gateway).unwrap().1;
        let file = directory.path().join("keys.txt");
        std::fs::write(&file, format!("mine = {KEY}\n")).unwrap();
        let settings = KeyRingSettings { file: Some(file.clone()), master_key: Some(format!("env:{KEY}").into()) };
        let loaded = load_or_create(&settings, directory.path()).unwrap();
        assert_eq!((loaded.source, loaded.ring.active_id()), (KeyRingSource::File(file), Some("mine")));
        assert!(loaded.ring.knows("env") && loaded.ring.open(&old, None).is_ok());
        let settings = KeyRingSettings { file: None, master_key: Some(KEY.to_owned().into()) };
        let loaded = load_or_create(&settings, directory.path()).unwrap();
        assert_eq!(loaded.source, KeyRingSource::Environment);
        assert!(loaded.ring.active_id().unwrap().starts_with("master-"));
    }

    #[test]
    fn with_configured_keys_none_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let settings = KeyRingSettings { file: None, master_key: Some(KEY.to_owned().into()) };
        load_or_create(&settings, directory.path()).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_rotation_changes_the_active_key_and_keeps_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let before = load_or_create(&KeyRingSettings::default(), directory.path()).unwrap().ring;
        let id = rotate(directory.path()).unwrap();
        let after = load_or_create(&KeyRingSettings::default(), directory.path()).unwrap().ring;
        assert_eq!(after.active_id(), Some(id.as_str()));
        assert!(after.knows(before.active_id().unwrap()));
    }

    #[test]
    fn keys_that_cannot_be_used_are_refused_without_being_shown() {
        let directory = tempfile::tempdir().unwrap();
        let load = |settings| load_or_create(&settings, directory.path()).unwrap_err();
        let absent = directory.path().join("absent");
        let error = load(KeyRingSettings { file: Some(absent), master_key: None });
        assert!(matches!(error, LoadKeyRingError::Missing(_)));
        for secret in ["hunter2hunter2", "", "id:hunter2hunter2"] {
            let error = load(KeyRingSettings { file: None, master_key: Some(secret.to_owned().into()) });
            assert!(matches!(error, LoadKeyRingError::Environment), "{error}");
        }
        let wrong = directory.path().join("wrong");
        std::fs::write(&wrong, "a = hunter2hunter2").unwrap();
        let error = load(KeyRingSettings { file: Some(wrong), master_key: None });
        assert!(matches!(error, LoadKeyRingError::Content { .. }));
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}
