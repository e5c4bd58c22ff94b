//! What every chunk store promises, as one suite that each implementation runs.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::buffer::{BlockPool, PoolShare};
use crate::chunk::{ChunkError, ChunkRecord, ChunkStore, ChunkWriter};
use crate::limits::{BLOCK_BYTES, CHUNK_APPENDIX_BYTES_MAX, CHUNK_BYTES_MAX};
use crate::types::{ChunkId, Epoch};

/// The epoch that subjects write in.
pub(super) const EPOCH: Epoch = Epoch(7);

/// An implementation under test, with a way to damage its chunks.
pub(super) trait Subject: Sync {
    fn new() -> Self;
    fn store(&self) -> &dyn ChunkStore;
    fn image(&self, id: ChunkId) -> Vec<u8>;
    fn set_image(&self, id: ChunkId, image: Vec<u8>);
}

/// Checks every fact on a fresh subject each.
pub(super) fn check_every_fact<S: Subject>() {
    what_was_sealed_is_read_back(&S::new());
    appends_may_be_cut_anywhere(&S::new());
    an_unsealed_chunk_that_is_dropped_leaves_nothing(&S::new());
    an_appendix_is_kept_and_proved_with_its_chunk(&S::new());
    a_chunk_says_what_it_is_without_any_row(&S::new());
    a_flipped_bit_is_damage_wherever_it_is(&S::new());
    a_cut_or_grown_image_is_damaged(&S::new());
    a_wrong_record_is_damage(&S::new());
    a_reader_survives_the_removal_of_its_chunk(&S::new());
    a_missing_chunk_is_damaged_and_removed_twice_without_error(&S::new());
    threads_write_chunks_of_their_own(&S::new());
    a_visit_stops_when_it_is_told_to(&S::new());
}

fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Appends `bytes` from a page-aligned block, as the engine does.
fn append(writer: &mut dyn ChunkWriter, bytes: &[u8]) {
    let pool = BlockPool::new(1);
    for piece in bytes.chunks(BLOCK_BYTES) {
        let mut block = pool.try_lease(PoolShare::Write).unwrap();
        block.fill(piece);
        writer.append(block.filled()).unwrap();
    }
}

fn seal(store: &dyn ChunkStore, bytes: &[u8]) -> ChunkRecord {
    let mut writer = store.create().unwrap();
    append(&mut *writer, bytes);
    assert_eq!(writer.length(), bytes.len() as u64);
    let id = writer.id();
    let record = writer.seal().unwrap();
    assert_eq!((record.id, record.length), (id, bytes.len() as u64));
    record
}

fn read(store: &dyn ChunkStore, record: &ChunkRecord) -> Result<Vec<u8>, ChunkError> {
    let reader = store.open(record)?;
    assert_eq!(reader.record(), record);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; BLOCK_BYTES];
    for index in 0..record.length.div_ceil(BLOCK_BYTES as u64) as usize {
        let length = reader.read_span(index, &mut buffer)?;
        bytes.extend_from_slice(&buffer[..length]);
    }
    Ok(bytes)
}

fn visible(store: &dyn ChunkStore) -> Vec<ChunkId> {
    let mut ids = Vec::new();
    store
        .visit_epoch(EPOCH, &mut |id| {
            ids.push(id);
            true
        })
        .unwrap();
    ids.sort_unstable();
    ids
}

fn what_was_sealed_is_read_back(subject: &impl Subject) {
    let store = subject.store();
    let sizes = [1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, CHUNK_BYTES_MAX as usize];
    let mut records = Vec::new();
    for (seed, size) in sizes.into_iter().enumerate() {
        records.push(seal(store, &random_bytes(seed as u64, size)));
    }
    for (seed, record) in records.iter().enumerate() {
        assert!(read(store, record).unwrap() == random_bytes(seed as u64, record.length as usize), "{record:?}");
    }
    assert_eq!(visible(store), records.iter().map(|record| record.id).collect::<Vec<_>>());
    assert_eq!(store.epochs().unwrap(), [EPOCH]);
    assert!(store.free_bytes().unwrap() > 0);
}

fn appends_may_be_cut_anywhere(subject: &impl Subject) {
    let store = subject.store();
    let mut random = StdRng::seed_from_u64(3);
    for round in 0..8 {
        let bytes = random_bytes(round, random.random_range(1..3 * BLOCK_BYTES));
        let mut writer = store.create().unwrap();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // Page-aligned cuts now and then: an implementation may treat them in a way of their own.
            let mut cut = random.random_range(1..=2 * BLOCK_BYTES).min(rest.len());
            if random.random_bool(0.5) && cut > 4096 {
                cut &= !4095;
            }
            let (now, later) = rest.split_at(cut);
            append(&mut *writer, now);
            rest = later;
        }
        let record = writer.seal().unwrap();
        assert!(read(store, &record).unwrap() == bytes, "round {round}");
        let at_once = seal(store, &bytes);
        let tables = [record, at_once].map(|record| {
            let image = subject.image(record.id);
            image[record.length as usize..image.len() - 48].to_vec()
        });
        assert_eq!(tables[0], tables[1], "span checksums do not depend on the cuts");
    }
}

fn an_unsealed_chunk_that_is_dropped_leaves_nothing(subject: &impl Subject) {
    let store = subject.store();
    drop(store.create().unwrap());
    let mut writer = store.create().unwrap();
    writer.append(&random_bytes(1, BLOCK_BYTES + 5)).unwrap();
    drop(writer);
    assert!(visible(store).is_empty());
}

fn an_appendix_is_kept_and_proved_with_its_chunk(subject: &impl Subject) {
    let store = subject.store();
    let bytes = random_bytes(1, BLOCK_BYTES + 100);
    for length in [0, 1, 48, CHUNK_APPENDIX_BYTES_MAX] {
        let appendix = random_bytes(2, length);
        let mut writer = store.create().unwrap();
        append(&mut *writer, &bytes);
        writer.attach(b"replaced".to_vec());
        writer.attach(appendix.clone());
        let record = writer.seal().unwrap();
        let mut reader = store.open(&record).unwrap();
        assert_eq!(reader.take_appendix(), appendix);
        assert!(reader.take_appendix().is_empty());
        assert!(read(store, &record).unwrap() == bytes, "the data is what it was");
        let sound = subject.image(record.id);
        for position in bytes.len()..bytes.len() + length.min(64) {
            let mut image = sound.clone();
            image[position] ^= 1;
            subject.set_image(record.id, image);
            assert_damaged(store.open(&record), record.id, &format!("byte {position} of {length}"));
        }
    }
}

fn a_chunk_says_what_it_is_without_any_row(subject: &impl Subject) {
    let store = subject.store();
    let mut writer = store.create().unwrap();
    append(&mut *writer, &random_bytes(1, BLOCK_BYTES + 100));
    writer.attach(b"appendix".to_vec());
    let record = writer.seal().unwrap();
    assert_eq!(store.inspect(record.id).unwrap(), (record, b"appendix".to_vec()));
    let plain = seal(store, &random_bytes(2, 100));
    assert_eq!(store.inspect(plain.id).unwrap(), (plain, Vec::new()));
    let sound = subject.image(record.id);
    for position in BLOCK_BYTES + 100..sound.len() {
        let mut image = sound.clone();
        image[position] ^= 1;
        subject.set_image(record.id, image);
        assert_damaged(store.inspect(record.id), record.id, &format!("byte {position}"));
    }
    for length in [0, 1, 47, 100, sound.len() - 1] {
        subject.set_image(record.id, sound[..length].to_vec());
        assert_damaged(store.inspect(record.id), record.id, &format!("{length} bytes"));
    }
    subject.set_image(plain.id, sound);
    assert_damaged(store.inspect(plain.id), plain.id, "the file of another chunk");
    store.remove(plain.id).unwrap();
    assert_damaged(store.inspect(plain.id), plain.id, "removed");
}

fn assert_damaged<T>(result: Result<T, ChunkError>, id: ChunkId, context: &str) {
    match result {
        Err(ChunkError::Damaged { chunk, .. }) => assert_eq!(chunk, id, "{context}"),
        Err(other) => panic!("{context}: {other:?} is not damage"),
        Ok(_) => panic!("{context}: not noticed"),
    }
}

fn a_flipped_bit_is_damage_wherever_it_is(subject: &impl Subject) {
    let store = subject.store();
    let bytes = random_bytes(1, BLOCK_BYTES + 100);
    let record = seal(store, &bytes);
    let sound = subject.image(record.id);
    // The first and last byte of each span, and every byte of table and footer.
    let spans = [0, BLOCK_BYTES - 1, BLOCK_BYTES, bytes.len() - 1];
    for position in spans.into_iter().chain(bytes.len()..sound.len()) {
        let mut image = sound.clone();
        image[position] ^= 0x10;
        subject.set_image(record.id, image);
        assert_damaged(read(store, &record), record.id, &format!("bit at {position}"));
    }
    // A range read is stopped by its own span only.
    let mut image = sound.clone();
    image[3] ^= 1;
    subject.set_image(record.id, image);
    let reader = store.open(&record).unwrap();
    let mut buffer = vec![0; BLOCK_BYTES];
    assert_damaged(reader.read_span(0, &mut buffer), record.id, "span 0");
    if let Some(read) = reader.read_span_cached(0, &mut buffer) {
        assert_damaged(read, record.id, "span 0");
    }
    assert!(reader.read_span_cached(1, &mut buffer).is_none_or(|read| read.unwrap() == 100));
    assert_eq!(reader.read_span(1, &mut buffer).unwrap(), 100);
    subject.set_image(record.id, sound);
    assert!(read(store, &record).unwrap() == bytes);
}

fn a_cut_or_grown_image_is_damaged(subject: &impl Subject) {
    let store = subject.store();
    let record = seal(store, &random_bytes(1, 5000));
    let sound = subject.image(record.id);
    for length in [0, 1, 4096, 5000, 5008, sound.len() - 1, sound.len() + 1] {
        let mut image = sound.clone();
        image.resize(length, 0);
        subject.set_image(record.id, image);
        assert_damaged(read(store, &record), record.id, &format!("{length} bytes"));
    }
}

fn a_wrong_record_is_damage(subject: &impl Subject) {
    let store = subject.store();
    let record = seal(store, &random_bytes(1, 5000));
    let other = seal(store, &random_bytes(2, 5000));
    for wrong in [
        ChunkRecord { seal: record.seal ^ 1, ..record },
        ChunkRecord { length: record.length - 1, ..record },
        ChunkRecord { length: record.length + 1, ..record },
        ChunkRecord { seal: other.seal, ..record },
    ] {
        assert_damaged(store.open(&wrong), record.id, &format!("{wrong:?}"));
    }
    // A whole and sound file in the place of another.
    subject.set_image(record.id, subject.image(other.id));
    assert_damaged(store.open(&record), record.id, "the file of another chunk");
    assert_damaged(store.open(&ChunkRecord { seal: other.seal, ..record }), record.id, "even with its seal");
}

fn a_reader_survives_the_removal_of_its_chunk(subject: &impl Subject) {
    let store = subject.store();
    let bytes = random_bytes(1, BLOCK_BYTES + 1);
    let record = seal(store, &bytes);
    let reader = store.open(&record).unwrap();
    store.remove(record.id).unwrap();
    let mut buffer = vec![0; BLOCK_BYTES];
    assert_eq!(reader.read_span(1, &mut buffer).unwrap(), 1);
    assert_eq!(buffer[0], bytes[BLOCK_BYTES]);
    assert_eq!(reader.read_span(0, &mut buffer).unwrap(), BLOCK_BYTES);
    assert!(buffer == bytes[..BLOCK_BYTES]);
}

fn a_missing_chunk_is_damaged_and_removed_twice_without_error(subject: &impl Subject) {
    let store = subject.store();
    let record = seal(store, b"x");
    store.remove(record.id).unwrap();
    store.remove(record.id).unwrap();
    store.remove(ChunkId::new(Epoch(3), 9)).unwrap();
    assert_damaged(store.open(&record), record.id, "removed");
    assert!(visible(store).is_empty());
}

fn threads_write_chunks_of_their_own(subject: &impl Subject) {
    let store = subject.store();
    let mut records = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u64)
            .map(|thread| {
                scope.spawn(move || {
                    (0..6)
                        .map(|round| (thread * 10 + round, 1000 + thread as usize * 40_000))
                        .map(|(seed, length)| (seed, seal(store, &random_bytes(seed, length))))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for (seed, record) in &records {
        assert!(read(store, record).unwrap() == random_bytes(*seed, record.length as usize));
    }
    records.sort_by_key(|(_, record)| record.id);
    let ids: Vec<_> = records.iter().map(|(_, record)| record.id).collect();
    assert_eq!(visible(store), ids);
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "no id twice");
}

fn a_visit_stops_when_it_is_told_to(subject: &impl Subject) {
    let store = subject.store();
    for seed in 0..5 {
        seal(store, &random_bytes(seed, 10));
    }
    let mut seen = 0;
    store
        .visit_epoch(EPOCH, &mut |_| {
            seen += 1;
            seen < 3
        })
        .unwrap();
    assert_eq!(seen, 3);
    assert!(store.visit_epoch(Epoch(99), &mut |_| panic!("an epoch without chunks")).is_ok());
}
