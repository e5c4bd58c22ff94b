//! A directory tree, file by file: what is open at a time is one directory per level. Symbolic links are never
//! followed, or else a tree could bring in what is outside of it.

use std::fs::{File, OpenOptions, ReadDir};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::limits::transfer::TRANSFER_DEPTH_MAX;

/// A walk through a tree.
pub(crate) struct Tree {
    /// Directories that are open, with the prefix of their keys.
    open: Vec<(ReadDir, String)>,
}

/// What a walk meets.
#[derive(Debug)]
pub(crate) enum Met {
    /// A file, and the key below the root.
    File(PathBuf, String),
    /// Something that has no place in a bucket, and why.
    Odd(PathBuf, String),
}

impl Tree {
    /// A walk through `root`.
    ///
    /// # Errors
    /// If it is no directory that can be read.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { open: vec![(std::fs::read_dir(root)?, String::new())] })
    }

    /// The next thing.
    pub(crate) fn next(&mut self) -> Option<Met> {
        loop {
            let (directory, prefix) = self.open.last_mut()?;
            let entry = match directory.next() {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => {
                    let place = prefix.clone();
                    self.open.pop();
                    return Some(Met::Odd(place.into(), format!("read directory: {error}")));
                }
                None => {
                    self.open.pop();
                    continue;
                }
            };
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else { return Some(odd(path, "its name is not UTF-8")) };
            let key = format!("{prefix}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_file() => return Some(Met::File(path, key)),
                Ok(kind) if kind.is_symlink() => return Some(odd(path, "a symbolic link")),
                Ok(kind) if kind.is_dir() && self.open.len() == TRANSFER_DEPTH_MAX => {
                    return Some(odd(path, "too many directories within one another"));
                }
                Ok(kind) if kind.is_dir() => match std::fs::read_dir(&path) {
                    Ok(directory) => self.open.push((directory, format!("{key}/"))),
                    Err(error) => return Some(Met::Odd(path, format!("read directory: {error}"))),
                },
                Ok(_) => return Some(odd(path, "neither a file nor a directory")),
                Err(error) => return Some(Met::Odd(path, format!("look at it: {error}"))),
            }
        }
    }
}

fn odd(path: PathBuf, why: &str) -> Met {
    Met::Odd(path, why.to_owned())
}

/// Opens a file to read it, and nothing that took its place.
///
/// # Errors
/// Of the system, or if it is no file any more.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file any more")) }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    use super::{Met, Tree, open};

    #[test]
    fn a_walk_meets_files_and_tells_what_is_none() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/c ü"), "x").unwrap();
        std::fs::write(at("d"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", at("link")).unwrap();
        std::os::unix::fs::symlink("/etc", at("a/links")).unwrap();
        std::fs::write(root.path().join(OsStr::from_bytes(b"\xff")), "x").unwrap();
        let (mut files, mut odd) = (Vec::new(), Vec::new());
        let mut tree = Tree::new(root.path()).unwrap();
        while let Some(met) = tree.next() {
            match met {
                Met::File(_, key) => files.push(key),
                Met::Odd(_, why) => odd.push(why),
            }
        }
        files.sort();
        odd.sort();
        assert_eq!(files, ["a/b/c ü", "d"]);
        assert_eq!(odd, ["a symbolic link", "a symbolic link", "its name is not UTF-8"]);
        assert!(open(&at("link")).is_err() && open(&at("a")).is_err() && open(&at("d")).is_ok());
    }
}
