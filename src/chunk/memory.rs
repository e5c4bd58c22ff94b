//! Chunks in memory, for tests of what lies above and for trying things out. Nothing survives the process.
//! Keeps whole images in the layout of chunk files, so that damage can be done to them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::chunk::layout::{SpanTable, SpanWriter, record_of, tail_bytes};
use crate::chunk::{ChunkError, ChunkReader, ChunkRecord, ChunkStore, ChunkWriter};
use crate::types::{ChunkId, Epoch};

/// The in-memory chunk store. Clones share their chunks.
#[derive(Clone)]
pub struct MemoryChunks {
    epoch: Epoch,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    next: u64,
    sealed: BTreeMap<ChunkId, Arc<Vec<u8>>>,
    unsealed: usize,
    free_bytes: u64,
}

impl MemoryChunks {
    /// An empty store for the chunks of `epoch`.
    pub fn new(epoch: Epoch) -> Self {
        Self::with_capacity_bytes(epoch, u64::MAX)
    }

    /// An empty store that takes `bytes` of data and footers, and is `Full` then.
    pub fn with_capacity_bytes(epoch: Epoch, bytes: u64) -> Self {
        let shared = Shared { next: 0, sealed: BTreeMap::new(), unsealed: 0, free_bytes: bytes };
        Self { epoch, shared: Arc::new(Mutex::new(shared)) }
    }

    /// Ids of the sealed chunks, in order.
    pub fn sealed(&self) -> Vec<ChunkId> {
        self.shared().sealed.keys().copied().collect()
    }

    /// Number of chunks that are being written.
    pub fn unsealed(&self) -> usize {
        self.shared().unsealed
    }

    /// The image of a sealed chunk: data, appendix, span table, footer.
    pub fn image(&self, id: ChunkId) -> Option<Vec<u8>> {
        self.shared().sealed.get(&id).map(|image| image.to_vec())
    }

    /// Replaces the image of a sealed chunk, as a failing disk would. Open readers keep the old one.
    pub fn set_image(&self, id: ChunkId, image: Vec<u8>) {
        self.shared().sealed.insert(id, Arc::new(image));
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChunkStore for MemoryChunks {
    fn create(&self) -> Result<Box<dyn ChunkWriter>, ChunkError> {
        let mut shared = self.shared();
        let id = ChunkId::new(self.epoch, shared.next);
        shared.next += 1;
        shared.unsealed += 1;
        let store = self.clone();
        Ok(Box::new(MemoryWriter { store, id, spans: SpanWriter::new(), image: Vec::new(), sealed: false }))
    }

    fn open(&self, record: &ChunkRecord) -> Result<Box<dyn ChunkReader>, ChunkError> {
        let damaged = |detail: &str| ChunkError::Damaged { chunk: record.id, detail: detail.to_owned() };
        let image = self.shared().sealed.get(&record.id).cloned().ok_or_else(|| damaged("the image is missing"))?;
        let tail_length = (image.len() as u64).checked_sub(record.length);
        if !tail_length.is_some_and(|length| tail_bytes(record.length).contains(&length)) {
            return Err(damaged("the image has another length"));
        }
        let spans = SpanTable::parse(record, &image[record.length as usize..]).map_err(damaged)?;
        Ok(Box::new(MemoryReader { record: *record, image, spans }))
    }

    fn inspect(&self, chunk: ChunkId) -> Result<(ChunkRecord, Vec<u8>), ChunkError> {
        let damaged = |detail: &str| ChunkError::Damaged { chunk, detail: detail.to_owned() };
        let image = self.shared().sealed.get(&chunk).cloned().ok_or_else(|| damaged("the image is missing"))?;
        let footer = image.last_chunk().ok_or_else(|| damaged("the image is cut"))?;
        let record = record_of(chunk, footer).map_err(damaged)?;
        let appendix = self.open(&record)?.take_appendix();
        Ok((record, appendix))
    }

    fn remove(&self, chunk: ChunkId) -> Result<(), ChunkError> {
        let mut shared = self.shared();
        if let Some(image) = shared.sealed.remove(&chunk) {
            shared.free_bytes = shared.free_bytes.saturating_add(image.len() as u64);
        }
        Ok(())
    }

    fn sync_removals(&self) -> Result<(), ChunkError> {
        Ok(())
    }

    fn sync_epoch(&self, _: Epoch) -> Result<(), ChunkError> {
        Ok(())
    }

    fn visit_epoch(&self, epoch: Epoch, visit: &mut dyn FnMut(ChunkId) -> bool) -> Result<(), ChunkError> {
        // Collected first: the visitor may remove what it sees.
        let ids: Vec<_> = self.sealed().into_iter().filter(|id| id.epoch() == epoch).collect();
        for id in ids {
            if !visit(id) {
                break;
            }
        }
        Ok(())
    }

    fn epochs(&self) -> Result<Vec<Epoch>, ChunkError> {
        let mut epochs: Vec<_> = self.sealed().into_iter().map(ChunkId::epoch).collect();
        epochs.push(self.epoch);
        epochs.sort_unstable();
        epochs.dedup();
        Ok(epochs)
    }

    fn free_bytes(&self) -> Result<u64, ChunkError> {
        Ok(self.shared().free_bytes)
    }
}

struct MemoryWriter {
    store: MemoryChunks,
    id: ChunkId,
    spans: SpanWriter,
    image: Vec<u8>,
    sealed: bool,
}

impl MemoryWriter {
    fn extend(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        let mut shared = self.store.shared();
        let Some(free) = shared.free_bytes.checked_sub(bytes.len() as u64) else {
            return Err(ChunkError::Full(io::Error::from(Errno::NOSPC)));
        };
        shared.free_bytes = free;
        drop(shared);
        self.image.extend_from_slice(bytes);
        Ok(())
    }
}

impl ChunkWriter for MemoryWriter {
    fn id(&self) -> ChunkId {
        self.id
    }

    fn length(&self) -> u64 {
        self.spans.length()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), ChunkError> {
        self.spans.append(bytes);
        self.extend(bytes)
    }

    fn attach(&mut self, appendix: Vec<u8>) {
        self.spans.attach(appendix);
    }

    fn seal(mut self: Box<Self>) -> Result<ChunkRecord, ChunkError> {
        let spans = std::mem::replace(&mut self.spans, SpanWriter::new());
        let (tail, record) = spans.finish(self.id);
        self.extend(&tail)?;
        let image = Arc::new(std::mem::take(&mut self.image));
        self.store.shared().sealed.insert(self.id, image);
        self.sealed = true;
        Ok(record)
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        let mut shared = self.store.shared();
        shared.unsealed -= 1;
        if !self.sealed {
            shared.free_bytes = shared.free_bytes.saturating_add(self.image.len() as u64);
        }
    }
}

struct MemoryReader {
    record: ChunkRecord,
    image: Arc<Vec<u8>>,
    spans: SpanTable,
}

impl ChunkReader for MemoryReader {
    fn record(&self) -> &ChunkRecord {
        &self.record
    }

    fn take_appendix(&mut self) -> Vec<u8> {
        self.spans.take_appendix()
    }

    fn forget_cached(&self) {}

    fn read_span(&self, index: usize, buffer: &mut [u8]) -> Result<usize, ChunkError> {
        let (start, length) = self.spans.place(index);
        let span = &mut buffer[..length];
        span.copy_from_slice(&self.image[start as usize..start as usize + length]);
        if !self.spans.matches(index, span) {
            let detail = format!("span {index} does not match its checksum");
            return Err(ChunkError::Damaged { chunk: self.record.id, detail });
        }
        Ok(length)
    }

    fn read_span_cached(&self, index: usize, buffer: &mut [u8]) -> Option<Result<usize, ChunkError>> {
        Some(self.read_span(index, buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryChunks;
    use crate::chunk::contract::{self, Subject};
    use crate::chunk::{ChunkError, ChunkStore};
    use crate::types::{ChunkId, Epoch};

    impl Subject for MemoryChunks {
        fn new() -> Self {
            Self::new(contract::EPOCH)
        }

        fn store(&self) -> &dyn ChunkStore {
            self
        }

        fn image(&self, id: ChunkId) -> Vec<u8> {
            self.image(id).unwrap()
        }

        fn set_image(&self, id: ChunkId, image: Vec<u8>) {
            self.set_image(id, image);
        }
    }

    #[test]
    fn memory_chunks_keep_the_contract() {
        contract::check_every_fact::<MemoryChunks>();
    }

    #[test]
    fn a_full_store_takes_nothing_and_recovers_what_was_dropped() {
        let store = MemoryChunks::with_capacity_bytes(Epoch(1), 1000);
        let mut writer = store.create().unwrap();
        writer.append(&[0; 900]).unwrap();
        assert!(matches!(writer.append(&[0; 101]), Err(ChunkError::Full(_))));
        assert_eq!((store.unsealed(), store.free_bytes().unwrap()), (1, 100));
        drop(writer);
        assert_eq!((store.unsealed(), store.free_bytes().unwrap()), (0, 1000));
        let mut writer = store.create().unwrap();
        writer.append(&[0; 980]).unwrap();
        assert!(matches!(writer.seal(), Err(ChunkError::Full(_))), "the footer does not fit");
        assert_eq!((store.unsealed(), store.free_bytes().unwrap()), (0, 1000));
    }
}
