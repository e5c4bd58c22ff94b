//! Where a key goes in a directory. Every step is relative to the directory that was opened before and follows no
//! symbolic link, so that nothing is ever written outside of the root, whatever keys and links say.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Timespec, Timestamps};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::transfer::mtime::FileTime;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

/// The directory of an export, for this process alone.
pub(crate) struct Root {
    directory: OwnedFd,
}

/// The place of a file.
pub(crate) struct Place {
    directory: OwnedFd,
    name: String,
}

/// A file that is being written beside its place.
pub(crate) struct Draft {
    file: File,
    temporary: String,
    place: Place,
}

/// The names of a key's directories and file; the file is `None` for a key that stands for a directory.
///
/// # Errors
/// Why a file cannot have it.
pub(crate) fn names(key: &str) -> Result<(Vec<&str>, Option<&str>), &'static str> {
    let (key, is_folder) = key.strip_suffix('/').map_or((key, false), |key| (key, true));
    let mut names: Vec<&str> = key.split('/').collect();
    for name in &names {
        match *name {
            "" => return Err("no file name may be empty"),
            "." | ".." => return Err("it would leave its directory"),
            name if name.contains('\0') => return Err("no file name may have a NUL"),
            name if name.len() > 255 => return Err("no file name may have more than 255 bytes"),
            _ => {}
        }
    }
    let file = if is_folder { None } else { names.pop() };
    Ok((names, file))
}

impl Root {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// Of the system, or if another export works there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let directory = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
        rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another export works there"))?;
        Ok(Self { directory })
    }

    /// Makes the directories of these names below one another.
    ///
    /// # Errors
    /// Of the system, or if something else is in the way.
    pub(crate) fn directory(&self, names: &[&str]) -> io::Result<OwnedFd> {
        let mut at = rustix::fs::openat(&self.directory, ".", DIRECTORY, Mode::empty())?;
        for name in names {
            let next = match rustix::fs::openat(&at, *name, DIRECTORY, Mode::empty()) {
                Err(rustix::io::Errno::NOENT) => {
                    match rustix::fs::mkdirat(&at, *name, Mode::from_raw_mode(0o777)) {
                        Ok(()) => rustix::fs::fsync(&at)?,
                        // Another object of the same directory was quicker.
                        Err(rustix::io::Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    rustix::fs::openat(&at, *name, DIRECTORY, Mode::empty())
                }
                opened => opened,
            };
            at = next.map_err(|error| in_the_way(error, name))?;
        }
        Ok(at)
    }

    /// The place of a file.
    ///
    /// # Errors
    /// As `directory`.
    pub(crate) fn place(&self, directories: &[&str], name: &str) -> io::Result<Place> {
        Ok(Place { directory: self.directory(directories)?, name: name.to_owned() })
    }
}

fn in_the_way(error: rustix::io::Errno, name: &str) -> io::Error {
    match error {
        rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => {
            io::Error::other(format!("{name:?} is in the way: it is no directory"))
        }
        error => error.into(),
    }
}

impl Place {
    /// Length and time of the file that is there.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) fn found(&self) -> io::Result<Option<(u64, FileTime)>> {
        let facts = match rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(facts) => facts,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(facts.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let nanos = u32::try_from(facts.st_mtime_nsec).unwrap_or_default();
        let time = FileTime { seconds: facts.st_mtime, nanos };
        Ok(Some((u64::try_from(facts.st_size).unwrap_or_default(), time)))
    }

    /// Begins a file. Its temporary name follows from its own, so that what a crash left is written over.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) fn draft(self) -> io::Result<Draft> {
        let digest = hex::encode(&Sha256::digest(self.name.as_bytes())[..8]);
        let temporary = format!(".sluicegate-export-{digest}.part");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, &temporary, flags, Mode::from_raw_mode(0o666))?;
        Ok(Draft { file: File::from(file), temporary, place: self })
    }
}

impl Draft {
    /// Writes what comes, on the thread that calls.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) fn write(mut self, mut pieces: mpsc::Receiver<Bytes>) -> io::Result<Self> {
        while let Some(piece) = pieces.blocking_recv() {
            self.file.write_all(&piece)?;
        }
        Ok(self)
    }

    /// Makes the file durable and puts it in its place.
    ///
    /// # Errors
    /// Of the system.
    pub(crate) fn finish(self, time: FileTime) -> io::Result<()> {
        let Self { file, temporary, place } = self;
        let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
        rustix::fs::futimens(&file, &Timestamps { last_access: time, last_modification: time })?;
        file.sync_all()?;
        let renamed = rustix::fs::renameat(&place.directory, &temporary, &place.directory, &place.name);
        if let Err(error) = renamed {
            let _ = rustix::fs::unlinkat(&place.directory, &temporary, AtFlags::empty());
            return Err(error.into());
        }
        Ok(rustix::fs::fsync(&place.directory)?)
    }

    /// Forgets the file.
    pub(crate) fn discard(self) {
        let _ = rustix::fs::unlinkat(&self.place.directory, &self.temporary, AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::{Root, names};
    use crate::transfer::mtime::FileTime;

    #[test]
    fn keys_that_are_no_file_names_are_refused() {
        assert_eq!(names("a/b c/ü"), Ok((vec!["a", "b c"], Some("ü"))));
        assert_eq!(names("a/b/"), Ok((vec!["a", "b"], None)));
        for key in ["../a", "a/../../b", "a/.", "/etc/passwd", "a//b", "//", "/", "", "a\0b", &"n".repeat(256)] {
            assert!(names(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_link_leads_nowhere() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(outside.path(), inside.path().join("link")).unwrap();
        let root = Root::open(inside.path()).unwrap();
        assert!(root.place(&["link"], "file").is_err());
        assert!(Root::open(inside.path()).is_err(), "one at a time");
        let place = root.place(&["a", "b"], "file").unwrap();
        assert!(place.found().unwrap().is_none());
        let time = FileTime { seconds: -5, nanos: 250_000_000 };
        let (sender, pieces) = tokio::sync::mpsc::channel(1);
        sender.try_send("text".into()).unwrap();
        drop(sender);
        place.draft().unwrap().write(pieces).unwrap().finish(time).unwrap();
        assert_eq!(std::fs::read_to_string(inside.path().join("a/b/file")).unwrap(), "text");
        assert_eq!(root.place(&["a", "b"], "file").unwrap().found().unwrap(), Some((4, time)));
        let left = std::fs::read_dir(inside.path().join("a/b")).unwrap().count();
        assert_eq!(left, 1, "no temporary file is left");
        assert!(std::fs::read_dir(outside.path()).unwrap().next().is_none());
    }
}
