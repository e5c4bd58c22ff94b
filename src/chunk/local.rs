//! Chunks as files on a local disk. Owns the tree of directories and the names in it; layout and durability
//! are `layout`'s and `durable`'s.
//!
//! The tree is `chunks/<epoch>/<number of the directory>/<chunk id>.chunk`: names carry no part of a key.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::chunk::cached::read_cached_at;
use crate::chunk::durable::{Directory, NewFile, WritePath, failed, probe};
use crate::chunk::layout::{FOOTER_BYTES, SpanTable, SpanWriter, record_of, tail_bytes};
use crate::chunk::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
use crate::limits::{
    CHUNK_DIRECTORIES_OPEN_MAX, CHUNKS_PER_DIRECTORY, SPACE_AMPLE_BYTES, SPACE_BELIEVED_MS, SPACE_RESERVE_BYTES_MAX,
    SPACE_RESERVE_BYTES_MIN, SPACE_RESERVE_DIVISOR,
};
use crate::types::{ChunkId, Epoch, SharedDeadline};

const TREE: &str = "chunks";
const SUFFIX: &str = ".chunk";
/// Of a store that writes nothing: the first boot is another.
const NO_EPOCH: Epoch = Epoch(0);

/// The local chunk store.
pub struct LocalChunks {
    tree: PathBuf,
    epoch: Epoch,
    /// The tree's if this store only looks at what is there.
    epoch_directory: Arc<Directory>,
    write_path: WritePath,
    space: Arc<Space>,
    /// Number of the next chunk. Epochs are never reused, so it starts at 0.
    next: AtomicU64,
    directories: Mutex<BTreeMap<u64, Arc<Directory>>>,
}

impl LocalChunks {
    /// Opens the store under `root` (made if it does not exist) for the chunks of `epoch`, which nobody has
    /// written before. Bypasses the page cache if the file system can.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub fn open(root: &Path, epoch: Epoch) -> Result<Self, ChunkError> {
        let mut store = Self::open_buffered(root, epoch)?;
        store.write_path = probe(&store.epoch_directory)?;
        Ok(store)
    }

    /// The chunks that are there, for who writes none. Makes no directory.
    ///
    /// # Errors
    /// `Io`, also if there is no tree of chunks.
    pub fn existing(root: &Path) -> Result<Self, ChunkError> {
        let tree = Directory::open(&root.join(TREE))?;
        Ok(Self {
            tree: tree.path().to_owned(),
            epoch: NO_EPOCH,
            space: Arc::new(Space::new(tree.path())?),
            epoch_directory: Arc::new(tree),
            write_path: WritePath::Buffered,
            next: AtomicU64::new(0),
            directories: Mutex::default(),
        })
    }

    /// As `open`, but writes through the page cache in any case.
    ///
    /// # Errors
    /// `Full` or `Io`.
    pub fn open_buffered(root: &Path, epoch: Epoch) -> Result<Self, ChunkError> {
        if !root.exists() {
            std::fs::create_dir_all(root).map_err(|source| failed("make data directory", source))?;
            if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Directory::open(parent)?.sync()?;
            }
        }
        let tree = Directory::open(root)?.subdirectory(TREE)?;
        let epoch_directory = Arc::new(tree.subdirectory(&epoch_name(epoch))?);
        let space = Arc::new(Space::new(tree.path())?);
        Ok(Self {
            tree: tree.path().to_owned(),
            epoch,
            epoch_directory,
            write_path: WritePath::Buffered,
            space,
            next: AtomicU64::new(0),
            directories: Mutex::default(),
        })
    }

    /// The directory `number` of this epoch.
    fn directory(&self, number: u64) -> Result<Arc<Directory>, ChunkError> {
        // Held while the directory is made: whoever else needs it has to wait for that anyway.
        let mut directories = self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = directories.get(&number) {
            return Ok(Arc::clone(directory));
        }
        if self.epoch == NO_EPOCH {
            return Err(failed("create chunk file", io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        let directory = Arc::new(self.epoch_directory.subdirectory(&directory_name(number))?);
        directories.insert(number, Arc::clone(&directory));
        while directories.len() > CHUNK_DIRECTORIES_OPEN_MAX {
            directories.pop_first();
        }
        Ok(directory)
    }

    fn path(&self, id: ChunkId) -> PathBuf {
        path_in(&self.tree, id)
    }
}

/// The epochs that have a directory under `root`, which nobody needs to have opened.
///
/// # Errors
/// `Io`.
pub fn epochs_in(root: &Path) -> Result<Vec<Epoch>, ChunkError> {
    let mut epochs = Vec::new();
    for entry in names(&root.join(TREE), "list epochs")? {
        epochs.extend(epoch_in_name(&entry?.file_name()));
    }
    epochs.sort_unstable();
    Ok(epochs)
}

/// Whether the chunk has a file under `root`, whatever is in it.
pub fn has_file(root: &Path, chunk: ChunkId) -> bool {
    path_in(&root.join(TREE), chunk).exists()
}

/// Moves the file of a chunk to the same place under another root on the same file system, durably.
///
/// # Errors
/// `Full` or `Io`.
pub fn move_file(from: &Path, to: &Path, chunk: ChunkId) -> Result<(), ChunkError> {
    std::fs::create_dir_all(to).map_err(|source| failed("make chunk directory", source))?;
    let tree = Directory::open(to)?.subdirectory(TREE)?;
    let number = directory_name(chunk.sequence() / CHUNKS_PER_DIRECTORY);
    let directory = tree.subdirectory(&epoch_name(chunk.epoch()))?.subdirectory(&number)?;
    let source = path_in(&from.join(TREE), chunk);
    std::fs::rename(&source, directory.path().join(file_name(chunk)))
        .map_err(|source| failed("move chunk file", source))?;
    directory.sync()?;
    match source.parent() {
        Some(parent) => Directory::open(parent)?.sync(),
        None => Ok(()),
    }
}

fn path_in(tree: &Path, id: ChunkId) -> PathBuf {
    let directory = directory_name(id.sequence() / CHUNKS_PER_DIRECTORY);
    tree.join(epoch_name(id.epoch())).join(directory).join(file_name(id))
}

/// The space of the disk. New data leaves a reserve free: on a disk that is full to the brim not even a delete can
/// be recorded.
struct Space {
    tree: PathBuf,
    reserve_bytes: u64,
    /// Until when the disk is believed to have ample space.
    ample: SharedDeadline,
}

impl Space {
    fn new(tree: &Path) -> Result<Self, ChunkError> {
        let status = statvfs(tree)?;
        let total_bytes = status.f_blocks.saturating_mul(status.f_frsize);
        let ample = SharedDeadline::default();
        Ok(Self { tree: tree.to_owned(), reserve_bytes: reserve_bytes(total_bytes), ample })
    }

    /// Bytes beyond the reserve, or a lower bound of them if there were ample a moment ago.
    fn free_bytes(&self) -> Result<u64, ChunkError> {
        let now = Instant::now();
        if self.ample.is_ahead(now) {
            return Ok(SPACE_AMPLE_BYTES / 2);
        }
        let status = statvfs(&self.tree)?;
        let free = status.f_bavail.saturating_mul(status.f_frsize).saturating_sub(self.reserve_bytes);
        if free >= SPACE_AMPLE_BYTES {
            self.ample.set(now + Duration::from_millis(SPACE_BELIEVED_MS));
        }
        Ok(free)
    }

    /// Whether `bytes` more may be written.
    fn admit(&self, bytes: usize) -> Result<(), ChunkError> {
        if self.free_bytes()? < bytes as u64 {
            return Err(ChunkError::Full(io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }
}

fn statvfs(path: &Path) -> Result<rustix::fs::StatVfs, ChunkError> {
    rustix::fs::statvfs(path).map_err(|errno| failed("read free space", errno.into()))
}

/// What new data leaves free on a disk of `total_bytes`: never more than a quarter, however small it is.
fn reserve_bytes(total_bytes: u64) -> u64 {
    let share = (total_bytes / SPACE_RESERVE_DIVISOR).clamp(SPACE_RESERVE_BYTES_MIN, SPACE_RESERVE_BYTES_MAX);
    share.min(total_bytes / 4)
}

fn epoch_name(epoch: Epoch) -> String {
    format!("{:06x}", epoch.0)
}

fn directory_name(number: u64) -> String {
    format!("{number:08x}")
}

fn file_name(id: ChunkId) -> String {
    format!("{id}{SUFFIX}")
}

/// The id in a file name; `None` for whatever is not ours.
fn id_in_name(name: &OsStr) -> Option<ChunkId> {
    let (epoch, sequence) = name.to_str()?.strip_suffix(SUFFIX)?.split_once('-')?;
    let epoch = epoch_in_name(OsStr::new(epoch))?;
    let sequence = u64::from_str_radix(sequence, 16).ok().filter(|&sequence| sequence < 1 << 40)?;
    let id = ChunkId::new(epoch, sequence);
    (OsStr::new(&file_name(id)) == name).then_some(id)
}

/// The epoch in a directory name; `None` for whatever is not ours.
fn epoch_in_name(name: &OsStr) -> Option<Epoch> {
    let epoch = Epoch(u32::from_str_radix(name.to_str()?, 16).ok().filter(|&epoch| epoch < 1 << 23)?);
    (OsStr::new(&epoch_name(epoch)) == name).then_some(epoch)
}

/// The names in a directory; none if it does not exist.
fn names(
    path: &Path,
    step: &'static str,
) -> Result<impl Iterator<Item = Result<std::fs::DirEntry, ChunkError>>, ChunkError> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(step, error)),
    };
    Ok(entries.into_iter().flatten().map(move |entry| entry.map_err(|source| failed(step, source))))
}

impl ChunkStore for LocalChunks {
    fn create(&self) -> Result<Box<dyn ChunkWriter>, ChunkError> {
        loop {
            let sequence = self.next.fetch_add(1, Ordering::Relaxed);
            let number = sequence / CHUNKS_PER_DIRECTORY;
            let directory = self.directory(number)?;
            if directory.has_failed() {
                // Nothing can become durable in it any more. If the disk recovered, the next one works.
                self.next.fetch_max((number + 1) * CHUNKS_PER_DIRECTORY, Ordering::Relaxed);
                continue;
            }
            let id = ChunkId::new(self.epoch, sequence);
            let file = NewFile::create(&directory, &file_name(id), self.write_path)?;
            let space = Arc::clone(&self.space);
            return Ok(Box::new(LocalWriter { id, file, spans: SpanWriter::new(), space }));
        }
    }

    fn open(&self, record: &ChunkRecord) -> Result<Box<dyn ChunkReader>, ChunkError> {
        let damaged = |detail: &str| ChunkError::Damaged { chunk: record.id, detail: detail.to_owned() };
        let file = match File::open(self.path(record.id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the file is missing")),
            Err(error) => return Err(failed("open chunk file", error)),
        };
        let actual = file.metadata().map_err(|source| failed("read length of chunk file", source))?.len();
        let tail_length = actual.checked_sub(record.length).filter(|length| tail_bytes(record.length).contains(length));
        let tail_length = tail_length.ok_or_else(|| damaged("the file has another length"))?;
        let mut tail = vec![0; tail_length as usize];
        file.read_exact_at(&mut tail, record.length).map_err(|source| failed("read chunk footer", source))?;
        let spans = SpanTable::parse(record, &tail).map_err(damaged)?;
        Ok(Box::new(LocalReader { record: *record, file, spans }))
    }

    fn inspect(&self, chunk: ChunkId) -> Result<(ChunkRecord, Vec<u8>), ChunkError> {
        let damaged = |detail: &str| ChunkError::Damaged { chunk, detail: detail.to_owned() };
        let file = match File::open(self.path(chunk)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the file is missing")),
            Err(error) => return Err(failed("open chunk file", error)),
        };
        let length = file.metadata().map_err(|source| failed("read length of chunk file", source))?.len();
        let start = length.checked_sub(FOOTER_BYTES as u64).ok_or_else(|| damaged("the file is cut"))?;
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, start).map_err(|source| failed("read chunk footer", source))?;
        let record = record_of(chunk, &footer).map_err(damaged)?;
        let appendix = self.open(&record)?.take_appendix();
        Ok((record, appendix))
    }

    fn remove(&self, chunk: ChunkId) -> Result<(), ChunkError> {
        let path = self.path(chunk);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("remove chunk file", error)),
        }
        let removals = self.epoch_directory.removals();
        let Some((directory, epoch)) = path.parent().and_then(|directory| Some((directory, directory.parent()?)))
        else {
            unreachable!("a chunk lies two directories deep")
        };
        removals.note(directory);
        // Nobody adds files to an epoch that ended, so its directories go with their last file. Removing one
        // that is not empty fails, and that is all there is to it.
        if chunk.epoch() != self.epoch && std::fs::remove_dir(directory).is_ok() {
            removals.note(epoch);
            if std::fs::remove_dir(epoch).is_ok() {
                removals.note(&self.tree);
            }
        }
        Ok(())
    }

    fn sync_removals(&self) -> Result<(), ChunkError> {
        self.epoch_directory.removals().sync()
    }

    fn sync_epoch(&self, epoch: Epoch) -> Result<(), ChunkError> {
        let removals = self.epoch_directory.removals();
        let path = self.tree.join(epoch_name(epoch));
        for directory in names(&path, "list chunk directories")? {
            removals.note(&directory?.path());
        }
        removals.note(&path);
        removals.note(&self.tree);
        removals.sync()
    }

    fn visit_epoch(&self, epoch: Epoch, visit: &mut dyn FnMut(ChunkId) -> bool) -> Result<(), ChunkError> {
        const STEP: &str = "list chunk files";
        for directory in names(&self.tree.join(epoch_name(epoch)), STEP)? {
            let directory = directory?;
            if !directory.file_type().map_err(|source| failed(STEP, source))?.is_dir() {
                continue;
            }
            for file in names(&directory.path(), STEP)? {
                let Some(id) = id_in_name(&file?.file_name()) else { continue };
                // A file in the wrong place would never be found again by its id.
                if id.epoch() == epoch
                    && directory.file_name() == OsStr::new(&directory_name(id.sequence() / CHUNKS_PER_DIRECTORY))
                    && !visit(id)
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn epochs(&self) -> Result<Vec<Epoch>, ChunkError> {
        let mut epochs = Vec::new();
        for entry in names(&self.tree, "list epochs")? {
            epochs.extend(epoch_in_name(&entry?.file_name()));
        }
        epochs.sort_unstable();
        Ok(epochs)
    }

    fn free_bytes(&self) -> Result<u64, ChunkError> {
        self.space.free_bytes()
    }
}

/// A chunk file that is being written. `NewFile` removes it if it is dropped.
struct LocalWriter {
    id: ChunkId,
    file: NewFile,
    spans: SpanWriter,
    space: Arc<Space>,
}

impl ChunkWriter for LocalWriter {
    fn id(&self) -> ChunkId {
        self.id
    }

    fn length(&self) -> u64 {
        self.spans.length()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.space.admit(bytes.len())?;
        self.spans.append(bytes);
        self.file.append(bytes)
    }

    fn attach(&mut self, appendix: Vec<u8>) {
        self.spans.attach(appendix);
    }

    fn seal(self: Box<Self>) -> Result<ChunkRecord, ChunkError> {
        let Self { id, mut file, spans, space: _ } = *self;
        let (tail, record) = spans.finish(id);
        file.append(&tail)?;
        file.sync()?.list()?;
        Ok(record)
    }
}

/// An open chunk file. Keeps the file, so that it outlives its name.
struct LocalReader {
    record: ChunkRecord,
    file: File,
    spans: SpanTable,
}

impl LocalReader {
    /// The length of a span, if `bytes` are those that were written.
    fn verify(&self, index: usize, bytes: &[u8]) -> Result<usize, ChunkError> {
        if self.spans.matches(index, bytes) {
            return Ok(bytes.len());
        }
        let detail = format!("span {index} does not match its checksum");
        Err(ChunkError::Damaged { chunk: self.record.id, detail })
    }
}

impl ChunkReader for LocalReader {
    fn record(&self) -> &ChunkRecord {
        &self.record
    }

    fn take_appendix(&mut self) -> Vec<u8> {
        self.spans.take_appendix()
    }

    fn forget_cached(&self) {
        // Advice: a file system without a cache, or one that keeps it, reads what it has.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }

    fn read_span_cached(&self, index: usize, buffer: &mut [u8]) -> Option<Result<usize, ChunkError>> {
        let (start, length) = self.spans.place(index);
        read_cached_at(&self.file, &mut buffer[..length], start).then(|| self.verify(index, &buffer[..length]))
    }

    fn read_span(&self, index: usize, buffer: &mut [u8]) -> Result<usize, ChunkError> {
        let damaged = |detail| ChunkError::Damaged { chunk: self.record.id, detail };
        let (start, length) = self.spans.place(index);
        let span = &mut buffer[..length];
        match self.file.read_exact_at(span, start) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged("the file was cut".to_owned()));
            }
            Err(error) => return Err(failed("read chunk file", error)),
        }
        self.verify(index, span)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::{Path, PathBuf};

    use super::{LocalChunks, id_in_name, reserve_bytes};
    use crate::chunk::contract::{self, Subject};
    use crate::chunk::{ChunkError, ChunkStore};
    use crate::limits::CHUNKS_PER_DIRECTORY;
    use crate::types::{ChunkId, Epoch};

    struct Local<const BUFFERED: bool> {
        store: LocalChunks,
        _root: tempfile::TempDir,
    }

    impl<const BUFFERED: bool> Subject for Local<BUFFERED> {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let open = if BUFFERED { LocalChunks::open_buffered } else { LocalChunks::open };
            Self { store: open(root.path(), contract::EPOCH).unwrap(), _root: root }
        }

        fn store(&self) -> &dyn ChunkStore {
            &self.store
        }

        fn image(&self, id: ChunkId) -> Vec<u8> {
            std::fs::read(self.store.path(id)).unwrap()
        }

        fn set_image(&self, id: ChunkId, image: Vec<u8>) {
            std::fs::write(self.store.path(id), image).unwrap();
        }
    }

    #[test]
    fn local_chunks_keep_the_contract() {
        contract::check_every_fact::<Local<false>>();
        contract::check_every_fact::<Local<true>>();
    }

    fn files(path: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                found.extend(files(&entry.path()));
            } else {
                found.push(entry.path());
            }
        }
        found
    }

    fn sealed(store: &LocalChunks) -> ChunkId {
        let mut writer = store.create().unwrap();
        writer.append(b"bytes").unwrap();
        writer.seal().unwrap().id
    }

    #[test]
    fn the_reserve_fits_its_disk() {
        let mib = |mib: u64| mib << 20;
        for (total, reserve) in
            [(0, 0), (mib(16), mib(4)), (mib(64), mib(8)), (mib(1000), mib(50)), (mib(1 << 20), mib(256))]
        {
            assert_eq!(reserve_bytes(total), reserve, "{total}");
        }
    }

    #[test]
    fn files_are_named_after_their_ids_alone() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalChunks::open(root.path(), Epoch(42)).unwrap();
        store.next.store(CHUNKS_PER_DIRECTORY - 1, std::sync::atomic::Ordering::Relaxed);
        sealed(&store);
        sealed(&store);
        let mut found = files(root.path());
        found.sort();
        let expected = ["00000000/00002a-0000000fff.chunk", "00000001/00002a-0000001000.chunk"];
        assert_eq!(found, expected.map(|name| root.path().join("chunks/00002a").join(name)));
    }

    #[test]
    fn directories_of_an_ended_epoch_go_with_their_last_file() {
        let root = tempfile::tempdir().unwrap();
        let before = LocalChunks::open(root.path(), Epoch(1)).unwrap();
        let ids = [sealed(&before), sealed(&before)];
        let after = LocalChunks::open(root.path(), Epoch(2)).unwrap();
        after.remove(ids[0]).unwrap();
        assert_eq!(after.epochs().unwrap(), [Epoch(1), Epoch(2)]);
        after.remove(ids[1]).unwrap();
        assert_eq!(after.epochs().unwrap(), [Epoch(2)]);
        after.remove(ids[1]).unwrap();
        let own = sealed(&after);
        after.remove(own).unwrap();
        assert_eq!(after.epochs().unwrap(), [Epoch(2)]);
        sealed(&after);
    }

    #[test]
    fn a_visit_sees_chunk_files_only() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalChunks::open(root.path(), Epoch(1)).unwrap();
        let id = sealed(&store);
        let directory = root.path().join("chunks/000001/00000000");
        for name in ["lost+found", "000001-0000000009.tmp", "000002-0000000000.chunk", "000001-9.chunk"] {
            std::fs::write(directory.join(name), b"x").unwrap();
        }
        std::fs::write(root.path().join("chunks/000001/note"), b"x").unwrap();
        let mut seen = Vec::new();
        store
            .visit_epoch(Epoch(1), &mut |id| {
                seen.push(id);
                true
            })
            .unwrap();
        assert_eq!(seen, [id]);
    }

    #[test]
    fn an_epoch_that_was_written_before_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let store = LocalChunks::open(root.path(), Epoch(1)).unwrap();
        let id = sealed(&store);
        let again = LocalChunks::open(root.path(), Epoch(1)).unwrap();
        assert!(matches!(again.create(), Err(ChunkError::Io { step: "create chunk file", .. })));
        assert!(again.path(id).exists(), "the file of another writer stays");
    }

    #[test]
    fn names_that_are_not_canonical_are_nobodys() {
        assert_eq!(id_in_name(OsStr::new("00002a-0000001392.chunk")), Some(ChunkId::new(Epoch(42), 5010)));
        for name in ["00002A-0000001392.chunk", "+0002a-0000001392.chunk", "ffffff-0000000000.chunk", "a-b", ".chunk"] {
            assert_eq!(id_in_name(OsStr::new(name)), None, "{name}");
        }
    }
}
