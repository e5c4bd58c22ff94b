//! Files with secrets in the data directory: readable by their owner only, and whole or not there. A power cut while
//! one is written never leaves half a secret. Knows nothing of what is in them.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Why a file with secrets could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{step} {path}: {source}", path = .path.display())]
pub struct SecretFileError {
    /// What was tried.
    pub step: &'static str,
    /// On which path.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// The text of a file of at most `bytes_max`; `None` if there is no file.
///
/// # Errors
/// If it cannot be read, is longer, or is no text.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Option<Zeroizing<String>>, SecretFileError> {
    let failed = |source| SecretFileError { step: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut text = Zeroizing::new(String::new());
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > bytes_max {
        return Err(failed(io::Error::new(ErrorKind::InvalidData, "the file is too long")));
    }
    Ok(Some(text))
}

/// Makes durable what is in a file and where it is found, whoever wrote it.
///
/// # Errors
/// If that cannot be done, or it is no file.
pub(crate) fn settle(path: &Path) -> Result<(), SecretFileError> {
    let failed = |source| SecretFileError { step: "sync", path: path.to_owned(), source };
    // A pipe would keep whoever opens it waiting, and keeps nothing itself.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    sync(&file).map_err(failed)?;
    // A link is found in one directory, and what it leads to in another.
    for found in [path.to_owned(), path.canonicalize().map_err(failed)?] {
        let parent = found.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match File::open(parent) {
            Ok(directory) => sync(&directory).map_err(failed)?,
            // Who may use a directory may not always look into it.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => sync_all_around(&file).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

/// Syncs a file or directory. A filesystem that cannot be written or knows no sync has nothing to sync.
fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(|error| match error.kind() {
        ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::ReadOnlyFilesystem => Ok(()),
        _ => Err(error),
    })
}

/// Syncs the whole filesystem of a file.
#[cfg(target_os = "linux")]
fn sync_all_around(file: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(file)?)
}

/// There is no way to.
#[cfg(not(target_os = "linux"))]
fn sync_all_around(_: &File) -> io::Result<()> {
    Err(ErrorKind::PermissionDenied.into())
}

/// Replaces `DIR/name`: temporary file with mode 0600, synced, renamed, directory synced.
///
/// # Errors
/// The step that failed; the old file is then still there, unless that was the last one.
pub(crate) fn write(directory: &Path, name: &str, text: &str) -> Result<(), SecretFileError> {
    let path = directory.join(name);
    let temporary = directory.join(format!("{name}.new"));
    let failed = |step, at: &Path| {
        let path = at.to_owned();
        move |source| SecretFileError { step, path, source }
    };
    // What a crash left behind may have another mode or be a link; it is never written into.
    match std::fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &temporary)(error)),
        Ok(()) | Err(_) => {}
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
    let mut file = opened.map_err(failed("create", &temporary))?;
    file.write_all(text.as_bytes()).map_err(failed("write", &temporary))?;
    file.sync_all().map_err(failed("sync", &temporary))?;
    let is_new = !path.exists();
    std::fs::rename(&temporary, &path).map_err(failed("rename", &temporary))?;
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    if synced.is_err() && is_new {
        // The next start would find the name and take it for durable; a secret that is in use must not vanish.
        std::fs::remove_file(&path).map_err(failed("remove", &path))?;
    }
    synced.map_err(failed("sync", directory))
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn files_and_links_to_them_are_settled_and_what_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("elsewhere")).unwrap();
        std::fs::write(at("elsewhere/file"), "x").unwrap();
        std::os::unix::fs::symlink(at("elsewhere/file"), at("link")).unwrap();
        settle(&at("elsewhere/file")).unwrap();
        settle(&at("link")).unwrap();
        assert_eq!(settle(&at("none")).unwrap_err().source.kind(), std::io::ErrorKind::NotFound);
        // Nobody would ever write into this pipe.
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for none in ["elsewhere", "pipe"] {
            let refused = settle(&at(none)).unwrap_err().to_string();
            assert!(refused.contains("no regular file"), "{refused}");
        }
    }
}
