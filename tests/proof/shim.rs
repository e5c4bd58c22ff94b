//! The test's end of `shim.c`: builds it, and owns the page that it shares with the process.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A kind of call.
pub mod kind {
    pub const CREATE: u64 = 1;
    pub const WRITE: u64 = 2;
    pub const SYNC: u64 = 4;
    pub const RENAME: u64 = 8;
    pub const UNLINK: u64 = 16;
    pub const TRUNCATE: u64 = 32;
    pub const MKDIR: u64 = 64;
    pub const READ: u64 = 128;
    pub const OPEN: u64 = 256;

    pub fn name(kind: u64) -> &'static str {
        match kind {
            CREATE => "create",
            WRITE => "write",
            SYNC => "sync",
            RENAME => "rename",
            UNLINK => "unlink",
            TRUNCATE => "truncate",
            MKDIR => "mkdir",
            READ => "read",
            OPEN => "open",
            _ => "?",
        }
    }
}

/// A class of file.
pub mod class {
    pub const CHUNK: u64 = 1;
    pub const DIRECTORY: u64 = 2;
    pub const DATABASE: u64 = 4;
    pub const WAL: u64 = 8;
    pub const OTHER: u64 = 32;

    pub fn name(class: u64) -> &'static str {
        match class {
            CHUNK => "chunk file",
            DIRECTORY => "directory",
            DATABASE => "database",
            WAL => "database log",
            OTHER => "other file",
            _ => "?",
        }
    }
}

/// What a fault does.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// Fails with this errno.
    Fail(i32),
    /// Writes half.
    Short,
    /// Takes so many milliseconds.
    Stall(u64),
    /// Flips a bit of what was read.
    Flip,
    /// Kills the process.
    Kill,
    /// A sync that failed is told as one that succeeded.
    Lie,
}

/// Which calls fail, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub kinds: u64,
    pub classes: u64,
    /// The first call that it hits, from 1, counted from when it is set.
    pub first: u64,
    /// The last one.
    pub last: u64,
    pub action: Action,
}

const STEPS: u64 = 0;
const KILL_AT: u64 = 1;
const KILL_TORN: u64 = 2;
const KILLED: u64 = 3;
const LOGGED: u64 = 4;
const MATCHED: u64 = 5;
const FAULT_FIRST: u64 = 6;
const FAULT_LAST: u64 = 7;
const FAULT_KINDS: u64 = 8;
const FAULT_CLASSES: u64 = 9;
const FAULT_ACTION: u64 = 10;
const FAULT_VALUE: u64 = 11;
const FIRED: u64 = 12;
const SWALLOWED: u64 = 13;
const RESYNCED: u64 = 14;
const WORDS: u64 = 16;

/// The control page of one gateway process after another.
pub struct Control {
    file: File,
    path: PathBuf,
}

impl Control {
    /// A page of zeros at `path`.
    pub fn new(path: &Path) -> Self {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap();
        file.set_len(8 * WORDS).unwrap();
        Self { file, path: path.to_owned() }
    }

    /// Another hold on the page at `path`.
    pub fn share(path: &Path) -> Self {
        let file = File::options().read(true).write(true).open(path).unwrap();
        Self { file, path: path.to_owned() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn word(&self, index: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 8 * index).unwrap();
        u64::from_le_bytes(bytes)
    }

    fn set(&self, index: u64, value: u64) {
        self.file.write_all_at(&value.to_le_bytes(), 8 * index).unwrap();
    }

    /// Forgets everything, for a new process.
    pub fn reset(&self) {
        (0..WORDS).for_each(|index| self.set(index, 0));
    }

    /// Durable steps since the process began.
    pub fn steps(&self) -> u64 {
        self.word(STEPS)
    }

    /// Kills the process at the `step`th durable step from now; a write is torn first if `torn`.
    pub fn kill_at(&self, step: u64, torn: bool) {
        self.set(KILL_TORN, u64::from(torn));
        self.set(KILL_AT, self.steps() + step);
    }

    /// The kind of call and the class of file that the process died at.
    pub fn killed(&self) -> Option<(u64, u64)> {
        let killed = self.word(KILLED);
        (killed != 0).then_some((killed >> 8, killed & 0xff))
    }

    /// Records in the log.
    pub fn logged(&self) -> u64 {
        self.word(LOGGED)
    }

    /// Sets a fault. Calls that match are counted from here.
    pub fn set_fault(&self, fault: Fault) {
        self.clear_fault();
        let (action, value) = match fault.action {
            Action::Fail(errno) => (1, u64::try_from(errno).unwrap()),
            Action::Short => (2, 0),
            Action::Stall(ms) => (3, ms),
            Action::Flip => (4, 0),
            Action::Kill => (5, 0),
            Action::Lie => (6, 0),
        };
        self.set(MATCHED, 0);
        self.set(FIRED, 0);
        self.set(FAULT_KINDS, fault.kinds);
        self.set(FAULT_CLASSES, fault.classes);
        self.set(FAULT_ACTION, action);
        self.set(FAULT_VALUE, value);
        self.set(FAULT_FIRST, fault.first);
        self.set(FAULT_LAST, fault.last);
    }

    /// The disk is well again.
    pub fn clear_fault(&self) {
        self.set(FAULT_LAST, 0);
    }

    /// Calls that the fault hit.
    pub fn fired(&self) -> u64 {
        self.word(FIRED)
    }

    /// Syncs of files of these classes do nothing from now on.
    pub fn swallow_syncs(&self, classes: u64) {
        self.set(SWALLOWED, classes);
    }

    /// Syncs of files whose sync had failed before.
    pub fn resynced(&self) -> u64 {
        self.word(RESYNCED)
    }
}

/// The compiled shim.
pub fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proof/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&library)
            .arg(source)
            .status();
        assert!(built.expect("a C compiler, cc").success(), "{source} compiles");
        library
    })
}
