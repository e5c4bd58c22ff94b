//! What a disk holds after a power cut. Reads the log of the shim and rebuilds the directory: what was synced before
//! the cut is there, of the rest anything may be there, in any order, torn at sectors.
//!
//! The model is as strict as POSIX allows, stricter than any file system: a sync of a file saves its bytes and not its
//! name, a sync of a directory saves the names in it and nothing below.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use super::shim::kind;
use super::workload::Dice;

/// The unit in which a disk writes.
const SECTOR: usize = 512;
const HEADER: usize = 24;

/// What becomes of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it is lost.
    Lost,
    /// All names are there, no bytes: files have their length and hold zeros.
    NamesOnly,
    /// Any of it is there, writes torn at sectors.
    Torn,
    /// All of it is there.
    Kept,
}

impl Fate {
    pub const ALL: [Self; 4] = [Self::Lost, Self::NamesOnly, Self::Torn, Self::Kept];
}

struct Record {
    kind: u64,
    serial: u32,
    offset: u64,
    bytes: Range<usize>,
}

/// The log of the shim.
pub struct Log {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

impl Log {
    /// Reads a log. Its last record may be torn by the end of the process.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut records = Vec::new();
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + HEADER) {
            let half = |from: usize| u32::from_le_bytes(header[from..from + 4].try_into().unwrap());
            let word = |from: usize| u64::from_le_bytes(header[from..from + 8].try_into().unwrap());
            let body = at + HEADER..at + HEADER + word(16) as usize;
            if body.end > bytes.len() {
                break;
            }
            at = body.end;
            records.push(Record { kind: u64::from(half(0)), serial: half(4), offset: word(8), bytes: body });
        }
        Self { bytes, records }
    }

    /// Records.
    pub fn len(&self) -> u64 {
        self.records.len() as u64
    }
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Range<usize> },
    Length(usize),
}

/// A file: what is durable of it, and what came after, by record.
#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    pending: Vec<(usize, Change)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Directory(usize),
}

#[derive(Clone)]
enum Rename {
    Link(String, Entry),
    Unlink(String),
    Move(String, String, Entry),
}

/// A directory: the names that are durable, and what came after, by record.
#[derive(Default)]
struct Directory {
    durable: BTreeMap<String, Entry>,
    pending: Vec<(usize, Rename)>,
    live: BTreeMap<String, Entry>,
}

/// A disk on its way through a log.
pub struct Disk<'l> {
    log: &'l Log,
    at: usize,
    files: Vec<Inode>,
    directories: Vec<Directory>,
    open: HashMap<u32, Entry>,
    /// Where the syncs that run began.
    syncing: HashMap<u32, usize>,
}

fn change(bytes: &mut Vec<u8>, log: &[u8], change: &Change) {
    match change {
        Change::Write { offset, bytes: range } => {
            let end = offset + range.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[*offset..end].copy_from_slice(&log[range.clone()]);
        }
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

fn rename(names: &mut BTreeMap<String, Entry>, change: &Rename) {
    match change {
        Rename::Link(name, entry) => {
            names.insert(name.clone(), *entry);
        }
        Rename::Unlink(name) => {
            names.remove(name);
        }
        Rename::Move(from, to, entry) => {
            names.remove(from);
            names.insert(to.clone(), *entry);
        }
    }
}

impl<'l> Disk<'l> {
    /// An empty disk.
    pub fn new(log: &'l Log) -> Self {
        // The root is there: whoever made it synced its parent, which is none of the log's.
        let directories = vec![Directory::default()];
        Self { log, at: 0, files: Vec::new(), directories, open: HashMap::new(), syncing: HashMap::new() }
    }

    /// Goes on until `cut` records have happened.
    pub fn advance(&mut self, cut: u64) {
        while self.at < cut as usize {
            self.step();
            self.at += 1;
        }
    }

    fn text(&self, bytes: &Range<usize>) -> String {
        String::from_utf8(self.log.bytes[bytes.clone()].to_vec()).unwrap()
    }

    /// The directory of a path, and the name in it; `None` for the root.
    fn parent(&self, path: &str) -> Option<(usize, String)> {
        let (above, name) = path.trim_matches('/').rsplit_once('/').unwrap_or(("", path.trim_matches('/')));
        if name.is_empty() {
            return None;
        }
        let mut directory = 0;
        for step in above.split('/').filter(|step| !step.is_empty()) {
            match self.directories[directory].live[step] {
                Entry::Directory(next) => directory = next,
                Entry::File(_) => panic!("{path}: {step} is a file"),
            }
        }
        Some((directory, name.to_owned()))
    }

    fn rename(&mut self, directory: usize, change: Rename) {
        rename(&mut self.directories[directory].live, &change);
        self.directories[directory].pending.push((self.at, change));
    }

    fn step(&mut self) {
        let Record { kind, serial, offset, ref bytes } = self.log.records[self.at];
        match kind {
            kind::CREATE | kind::OPEN => self.opened(serial, offset == 1, &self.text(bytes)),
            kind::WRITE => self.changed(serial, Change::Write { offset: offset as usize, bytes: bytes.clone() }),
            kind::TRUNCATE => self.changed(serial, Change::Length(offset as usize)),
            kind::SYNC if offset == 0 => {
                self.syncing.insert(serial, self.at);
            }
            kind::SYNC if offset == 1 => self.synced(serial),
            kind::SYNC => self.lost(serial),
            kind::MKDIR => {
                if let Some((directory, name)) = self.parent(&self.text(bytes)) {
                    self.directories.push(Directory::default());
                    let made = Entry::Directory(self.directories.len() - 1);
                    self.rename(directory, Rename::Link(name, made));
                }
            }
            kind::UNLINK => {
                let (directory, name) = self.parent(&self.text(bytes)).expect("the root stays");
                self.rename(directory, Rename::Unlink(name));
            }
            kind::RENAME => {
                let both = self.text(bytes);
                let (from, to) = both.split_once('\0').expect("two names");
                let ((directory, from), (other, to)) = (self.parent(from).unwrap(), self.parent(to).unwrap());
                assert_eq!(directory, other, "nothing moves between directories");
                let entry = self.directories[directory].live[&from];
                self.rename(directory, Rename::Move(from, to, entry));
            }
            other => panic!("a record of kind {other}"),
        }
    }

    fn opened(&mut self, serial: u32, is_cut: bool, path: &str) {
        let Some((directory, name)) = self.parent(path) else {
            self.open.insert(serial, Entry::Directory(0));
            return;
        };
        let known = self.directories[directory].live.get(&name).copied();
        let entry = known.unwrap_or_else(|| {
            self.files.push(Inode::default());
            let made = Entry::File(self.files.len() - 1);
            self.rename(directory, Rename::Link(name, made));
            made
        });
        self.open.insert(serial, entry);
        if is_cut {
            self.changed(serial, Change::Length(0));
        }
    }

    fn changed(&mut self, serial: u32, change: Change) {
        let Entry::File(file) = self.open[&serial] else { panic!("bytes of a directory") };
        self.files[file].pending.push((self.at, change));
    }

    /// What had happened before a sync began is durable when it ends. No file is synced by two at a time.
    fn synced(&mut self, serial: u32) {
        let began = self.syncing.remove(&serial).expect("a sync begins before it ends");
        match self.open[&serial] {
            Entry::File(file) => {
                let Inode { durable, pending } = &mut self.files[file];
                let later = pending.split_off(pending.partition_point(|(at, _)| *at < began));
                pending.iter().for_each(|(_, step)| change(durable, &self.log.bytes, step));
                *pending = later;
            }
            Entry::Directory(directory) => {
                let Directory { durable, pending, .. } = &mut self.directories[directory];
                let later = pending.split_off(pending.partition_point(|(at, _)| *at < began));
                pending.iter().for_each(|(_, step)| rename(durable, step));
                *pending = later;
            }
        }
    }

    /// After a failed sync the system takes for written what was not: it never will be, unless it is written again.
    fn lost(&mut self, serial: u32) {
        match self.open[&serial] {
            Entry::File(file) => self.files[file].pending.clear(),
            Entry::Directory(directory) => self.directories[directory].pending.clear(),
        }
    }

    /// Writes what the disk holds if the power goes now to `target`.
    pub fn image(&self, target: &Path, fate: Fate, seed: u64) {
        let _ = std::fs::remove_dir_all(target);
        self.directory_image(0, target, fate, &mut Dice::new(seed));
    }

    fn directory_image(&self, directory: usize, target: &Path, fate: Fate, dice: &mut Dice) {
        std::fs::create_dir(target).unwrap();
        let Directory { durable, pending, .. } = &self.directories[directory];
        let mut names = durable.clone();
        for (_, step) in pending {
            let is_kept = match fate {
                Fate::Lost => false,
                Fate::NamesOnly | Fate::Kept => true,
                Fate::Torn => dice.roll(2) == 0,
            };
            let empties = match step {
                Rename::Unlink(name) => match names.get(name) {
                    // A directory can only have gone after all that was in it.
                    Some(Entry::Directory(gone)) => self.is_empty_for_sure(*gone),
                    Some(Entry::File(_)) | None => true,
                },
                Rename::Link(..) | Rename::Move(..) => true,
            };
            if is_kept && empties {
                rename(&mut names, step);
            }
        }
        for (name, entry) in &names {
            let path = target.join(name);
            match *entry {
                Entry::File(file) => std::fs::write(path, self.file_image(file, fate, dice)).unwrap(),
                Entry::Directory(directory) => self.directory_image(directory, &path, fate, dice),
            }
        }
    }

    fn is_empty_for_sure(&self, directory: usize) -> bool {
        let Directory { durable, pending, .. } = &self.directories[directory];
        durable.is_empty() && pending.is_empty()
    }

    fn file_image(&self, file: usize, fate: Fate, dice: &mut Dice) -> Vec<u8> {
        let Inode { durable, pending } = &self.files[file];
        let mut bytes = durable.clone();
        for (_, step) in pending {
            match (fate, step) {
                (Fate::Lost, _) => {}
                (Fate::Kept, _) => change(&mut bytes, &self.log.bytes, step),
                (Fate::NamesOnly, Change::Write { offset, bytes: range }) => {
                    bytes.resize(bytes.len().max(offset + range.len()), 0);
                }
                (Fate::NamesOnly, Change::Length(length)) => bytes.resize(*length, 0),
                (Fate::Torn, Change::Length(_)) => {
                    if dice.roll(2) == 0 {
                        change(&mut bytes, &self.log.bytes, step);
                    }
                }
                (Fate::Torn, Change::Write { offset, bytes: range }) => {
                    // Of four writes one is lost, one is whole, and two are torn.
                    let (lost, whole) = (dice.roll(4) == 0, dice.roll(3) == 0);
                    let mut from = 0;
                    while from < range.len() && !lost {
                        let to = (from + SECTOR - (offset + from) % SECTOR).min(range.len());
                        if whole || dice.roll(2) == 0 {
                            let piece = range.start + from..range.start + to;
                            change(&mut bytes, &self.log.bytes, &Change::Write { offset: offset + from, bytes: piece });
                        }
                        from = to;
                    }
                }
            }
        }
        bytes
    }
}
