//! Root's credentials: from the environment, from the credentials file, or made at the first start.
//!
//! Knows nothing of other keys.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::auth::SecretKey;
use crate::identity::access_key::{NewKeyError, check_pair, random_pair};
use crate::identity::secret_file::{self, SecretFileError};
use crate::limits::CREDENTIALS_FILE_BYTES_MAX;

const FILE_NAME: &str = "credentials";
const ID_FIELD: &str = "access_key_id";
const SECRET_FIELD: &str = "secret_access_key";

/// The credentials of root, from the environment or the credentials file.
pub struct RootCredentials {
    /// Access key id.
    pub access_key_id: String,
    /// Secret.
    pub secret: SecretKey,
}

impl std::fmt::Debug for RootCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootCredentials({})", self.access_key_id)
    }
}

/// Where root's credentials came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootSource {
    /// The environment. The file is neither read nor written.
    Environment,
    /// The file, which was there.
    File(PathBuf),
    /// Made now and stored in the file: the one moment to print them.
    Created(PathBuf),
}

/// Root's credentials and where they came from.
#[derive(Debug)]
pub struct LoadedRoot {
    /// The credentials.
    pub credentials: RootCredentials,
    /// Their source.
    pub source: RootSource,
}

/// Why there are no root credentials.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// A step on the file failed.
    #[error(transparent)]
    Io(#[from] SecretFileError),
    /// The file is not what we write. Its content stays out of the message.
    #[error("read {path}: {reason}", path = .path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The pair breaks a rule, or there is no randomness for one.
    #[error("root credentials: {0}")]
    Pair(#[from] NewKeyError),
}

/// The file in a data directory that keeps root's credentials if nobody configured any.
pub fn root_file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

impl RootCredentials {
    /// Takes root's credentials from `env_pair` (id, secret), else from `DIR/credentials`, else makes and stores
    /// them. The caller holds the lock of the data directory, so nobody else makes a pair meanwhile.
    ///
    /// # Errors
    /// If the file cannot be read or written, or a pair breaks the rules for keys.
    pub fn load_or_create(env_pair: Option<(String, String)>, data_dir: &Path) -> Result<LoadedRoot, RootError> {
        if let Some((access_key_id, secret)) = env_pair {
            let credentials = Self::checked(access_key_id, secret)?;
            return Ok(LoadedRoot { credentials, source: RootSource::Environment });
        }
        let path = root_file(data_dir);
        if let Some(text) = secret_file::read(&path, CREDENTIALS_FILE_BYTES_MAX)? {
            let (access_key_id, secret) = parse(&text).map_err(|reason| malformed(&path, reason))?;
            return Ok(LoadedRoot {
                credentials: Self::checked(access_key_id, secret)?,
                source: RootSource::File(path),
            });
        }
        let (access_key_id, secret) = random_pair()?;
        write_pair(data_dir, &access_key_id, &secret)?;
        let credentials = Self { access_key_id, secret: SecretKey::new(secret) };
        Ok(LoadedRoot { credentials, source: RootSource::Created(path) })
    }

    /// Root's credentials as `DIR/credentials` has them, for programs that speak with a server as root; `None` if there
    /// is no such file, as where they come from the environment.
    ///
    /// # Errors
    /// If the file cannot be read or is not what we write.
    pub fn stored(data_dir: &Path) -> Result<Option<Self>, RootError> {
        let path = data_dir.join(FILE_NAME);
        let Some(text) = secret_file::read(&path, CREDENTIALS_FILE_BYTES_MAX)? else { return Ok(None) };
        let (access_key_id, secret) = parse(&text).map_err(|reason| malformed(&path, reason))?;
        Ok(Some(Self::checked(access_key_id, secret)?))
    }

    fn checked(access_key_id: String, secret: String) -> Result<Self, NewKeyError> {
        check_pair(&access_key_id, &secret)?;
        Ok(Self { access_key_id, secret: SecretKey::new(secret) })
    }
}

fn malformed(path: &Path, reason: &'static str) -> RootError {
    RootError::Malformed { path: path.to_owned(), reason }
}

/// Reads `name = value` lines; empty lines and those that begin with `#` are comments.
fn parse(text: &str) -> Result<(String, String), &'static str> {
    let (mut access_key_id, mut secret) = (None, None);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once('=').ok_or("a line has no \"=\"")?;
        let slot = match name.trim() {
            ID_FIELD => &mut access_key_id,
            SECRET_FIELD => &mut secret,
            _ => return Err("a line is neither access_key_id nor secret_access_key"),
        };
        if slot.replace(value.trim().to_owned()).is_some() {
            return Err("a field stands there twice");
        }
    }
    Ok((access_key_id.ok_or("access_key_id is missing")?, secret.ok_or("secret_access_key is missing")?))
}

/// Stores a pair.
fn write_pair(data_dir: &Path, access_key_id: &str, secret: &str) -> Result<(), SecretFileError> {
    let text = Zeroizing::new(format!("{ID_FIELD} = {access_key_id}\n{SECRET_FIELD} = {secret}\n"));
    secret_file::write(data_dir, FILE_NAME, &text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{RootCredentials, RootError, RootSource};

    #[test]
    fn the_first_start_makes_a_pair_and_the_second_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        assert!(RootCredentials::stored(directory.path()).unwrap().is_none());
        let made = RootCredentials::load_or_create(None, directory.path()).unwrap();
        assert_eq!(made.source, RootSource::Created(path.clone()));
        let stored = RootCredentials::stored(directory.path()).unwrap().expect("the file is there");
        assert_eq!(stored.secret.expose(), made.credentials.secret.expose());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let read = RootCredentials::load_or_create(None, directory.path()).unwrap();
        assert_eq!(read.source, RootSource::File(path));
        assert_eq!(read.credentials.access_key_id, made.credentials.access_key_id);
        assert_eq!(read.credentials.secret.expose(), made.credentials.secret.expose());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_remains_of_a_crash_do_not_stop_the_first_start() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("credentials.new"), "access_key").unwrap();
        let made = RootCredentials::load_or_create(None, directory.path()).unwrap();
        assert!(matches!(made.source, RootSource::Created(_)));
        let mode = std::fs::metadata(directory.path().join("credentials")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_environment_wins_and_writes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Some(("operator".to_owned(), "a long secret".replace(' ', "-")));
        let loaded = RootCredentials::load_or_create(pair, directory.path()).unwrap();
        assert_eq!(loaded.source, RootSource::Environment);
        assert_eq!(loaded.credentials.access_key_id, "operator");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let pair = Some(("operator".to_owned(), "short".to_owned()));
        assert!(matches!(RootCredentials::load_or_create(pair, directory.path()), Err(RootError::Pair(_))));
    }

    #[test]
    fn a_file_that_we_did_not_write_is_refused_without_repeating_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, "# mine\n\naccess_key_id=AKID\n secret_access_key =  12345678=\n").unwrap();
        let loaded = RootCredentials::load_or_create(None, directory.path()).unwrap();
        assert_eq!(loaded.credentials.secret.expose(), "12345678=");
        for text in [
            "",
            "access_key_id = AKID\n",
            "secret_access_key = hunter2hunter2\n",
            "access_key_id = AKID\nsecret_access_key = hunter2hunter2\nsecret_access_key = hunter2hunter2\n",
            "hunter2hunter2",
            "password = hunter2hunter2",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = RootCredentials::load_or_create(None, directory.path()).unwrap_err();
            assert!(matches!(error, RootError::Malformed { .. }), "{text:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        std::fs::write(&path, "#\n".repeat(5000)).unwrap();
        assert!(matches!(RootCredentials::load_or_create(None, directory.path()), Err(RootError::Io(_))));
    }
}
