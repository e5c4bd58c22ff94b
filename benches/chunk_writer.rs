//! Durable chunks on a real disk: a new buffer per chunk, a task per chunk without bound, a bounded pool of
//! chunk buffers, and our writer, whose buffers are blocks.
//!
//! Every way copies the same bytes into its buffers, writes files of 10 MiB and syncs each. The last rows
//! also hash, as a PUT does. Options: `-- --rounds N` (default 3), `--chunks N` (default 100), `--dir DIR` (default: below
//! `target`).
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

mod measure;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use measure::record;
use sluicegate::buffer::{BlockPool, PoolShare};
use sluicegate::chunk::{ChunkError, ChunkStore, LocalChunks};
use sluicegate::digest::Kernels;
use sluicegate::engine::hashing::Hashing;
use sluicegate::engine::writer::{StoredBody, WriterContext, write_body};
use sluicegate::engine::{ByteSource, SourceError};
use sluicegate::limits::{BLOCK_BYTES, BLOCKS_PER_STREAM, MIB};
use sluicegate::types::{ChecksumAlgorithm, ChecksumValue, Epoch};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const CHUNK_BYTES: usize = 10 * MIB as usize;
const PIECE_BYTES: usize = 64 * 1024;

/// Counts every byte that is asked for.
struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(size.saturating_sub(layout.size()) as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Where a run writes, and what.
struct Ground {
    directory: PathBuf,
    chunks: usize,
    piece: Bytes,
    runtime: Runtime,
}

type Open = fn(&Path, Epoch) -> Result<LocalChunks, ChunkError>;

/// One way to write: its buffers outside of the allocator in bytes, and the work.
struct Way {
    name: String,
    mapped_bytes: u64,
    run: Box<dyn Fn(&Ground)>,
}

fn main() {
    let rounds = measure::option("--rounds").unwrap_or(measure::unless_quick(3, 1));
    let scratch = measure::scratch();
    let ground = Ground {
        directory: scratch.path().join("chunks"),
        chunks: measure::option("--chunks").unwrap_or(measure::unless_quick(100, 12)),
        piece: (0..PIECE_BYTES as u32).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect::<Vec<_>>().into(),
        runtime: Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
    };
    let ways = ways();
    let mut runs = vec![Vec::new(); ways.len()];
    for round in 0..rounds {
        for (number, way) in ways.iter().enumerate() {
            runs[number].push(measure_run(&ground, way, round));
        }
    }
    report(&ground, &ways, &runs);
}

fn ways() -> Vec<Way> {
    let mut ways = vec![
        Way { name: "sequential, new buffer each".into(), mapped_bytes: 0, run: Box::new(sequential) },
        Way { name: "unbounded tasks".into(), mapped_bytes: 0, run: Box::new(unbounded) },
    ];
    for buffers in [1, 4, 6] {
        let name = format!("bounded pool, {buffers} x 10 MiB");
        ways.push(Way { name, mapped_bytes: 0, run: Box::new(move |ground| bounded(ground, buffers)) });
    }
    let opens: [(&str, Open); 2] = [("buffered", LocalChunks::open_buffered), ("direct", LocalChunks::open)];
    for (streams, (path, open)) in [1, 4].into_iter().flat_map(|streams| opens.map(|open| (streams, open))) {
        let mapped_bytes = (streams * BLOCKS_PER_STREAM * BLOCK_BYTES) as u64;
        let name = format!("ours, {path}, {streams} streams");
        ways.push(Way { name, mapped_bytes, run: Box::new(move |ground| ours(ground, open, streams)) });
        let name = format!("ours, {path}, {streams} streams, hashed");
        ways.push(Way { name, mapped_bytes, run: Box::new(move |ground| ours_hashed(ground, open, streams)) });
    }
    ways
}

/// CPU seconds, wall seconds, bytes allocated.
type Run = (f64, f64, f64);

fn measure_run(ground: &Ground, way: &Way, round: usize) -> Run {
    std::fs::create_dir_all(&ground.directory).unwrap();
    let before = ALLOCATED.load(Ordering::Relaxed);
    let ((), cost) = measure::cost(|| (way.run)(ground));
    let allocated = ALLOCATED.load(Ordering::Relaxed) - before + way.mapped_bytes;
    std::fs::remove_dir_all(&ground.directory).unwrap();
    println!("round {round}: {:36} {:6.2} s", way.name, cost.wall_seconds);
    (cost.cpu_seconds, cost.wall_seconds, allocated as f64)
}

fn report(ground: &Ground, ways: &[Way], runs: &[Vec<Run>]) {
    let gigabytes = (ground.chunks * CHUNK_BYTES) as f64 / 1e9;
    let ratio = |base: &[Run], own: &[Run], part: fn(&Run) -> f64| {
        measure::median(base.iter().zip(own).map(|(base, own)| part(base) / part(own)))
    };
    println!("\n{} chunks of 10 MiB, medians; ratios above 1 are better than the row they compare with", ground.chunks);
    println!(
        "{:36} {:>8} {:>10} {:>14} {:>20} {:>20}",
        "", "GB/s", "CPU-s/GB", "bytes", "rate/CPU x sequent.", "rate/CPU x unbound."
    );
    for (number, way) in ways.iter().enumerate() {
        let own = &runs[number];
        let [cpu, wall, bytes] =
            [|run: &Run| run.0, |run: &Run| run.1, |run: &Run| run.2].map(|part| measure::median(own.iter().map(part)));
        let ratios = [&runs[0], &runs[1]]
            .map(|base| format!("{:.2} / {:.2}", ratio(base, own, |run| run.1), ratio(base, own, |run| run.0)));
        println!(
            "{:36} {:>8.2} {:>10.3} {:>14} {:>20} {:>20}",
            way.name,
            gigabytes / wall,
            cpu / gigabytes,
            bytes as u64,
            ratios[0],
            ratios[1]
        );
        if way.name.starts_with("ours") && !way.name.ends_with("hashed") {
            let floor = cpu / gigabytes * ratio(&runs[0], own, |run| run.0);
            let floor = Some((floor, "one after another, a new buffer each"));
            record::row("chunks of 10 MiB", &way.name, "CPU-s/GB", cpu / gigabytes, floor);
        }
    }
}

fn fill(buffer: &mut Vec<u8>, piece: &[u8]) {
    buffer.clear();
    while buffer.len() < CHUNK_BYTES {
        buffer.extend_from_slice(piece);
    }
}

fn write_file(directory: &Path, number: usize, bytes: &[u8]) {
    let mut file = File::create_new(directory.join(number.to_string())).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_data().unwrap();
}

fn sequential(ground: &Ground) {
    for number in 0..ground.chunks {
        let mut buffer = Vec::with_capacity(CHUNK_BYTES);
        fill(&mut buffer, &ground.piece);
        write_file(&ground.directory, number, &buffer);
    }
    sync_directory(&ground.directory);
}

fn sync_directory(directory: &Path) {
    File::open(directory).unwrap().sync_all().unwrap();
}

/// One task for each chunk, each with a buffer of its own, as fast as chunks can be filled.
fn unbounded(ground: &Ground) {
    ground.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for number in 0..ground.chunks {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            fill(&mut buffer, &ground.piece);
            let directory = ground.directory.clone();
            tasks.spawn_blocking(move || write_file(&directory, number, &buffer));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
    sync_directory(&ground.directory);
}

/// `buffers` buffers of a chunk each go round: filled, written by a task, given back.
fn bounded(ground: &Ground, buffers: usize) {
    ground.runtime.block_on(async {
        let (give_back, mut free) = mpsc::channel(buffers);
        for _ in 0..buffers {
            give_back.send(Vec::with_capacity(CHUNK_BYTES)).await.unwrap();
        }
        let mut tasks = JoinSet::new();
        for number in 0..ground.chunks {
            let mut buffer: Vec<u8> = free.recv().await.unwrap();
            fill(&mut buffer, &ground.piece);
            let (directory, give_back) = (ground.directory.clone(), give_back.clone());
            tasks.spawn_blocking(move || {
                write_file(&directory, number, &buffer);
                give_back.try_send(buffer).unwrap();
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
    sync_directory(&ground.directory);
}

/// Our pool and our store, without the hashes of a PUT (span checksums are part of a chunk).
fn ours(ground: &Ground, open: Open, streams: usize) {
    let pool = BlockPool::new(streams * BLOCKS_PER_STREAM);
    let chunks = Arc::new(open(&ground.directory, Epoch(1)).unwrap());
    ground.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for stream in 0..streams {
            let (pool, chunks, piece) = (pool.clone(), Arc::clone(&chunks), ground.piece.clone());
            let own = (stream..ground.chunks).step_by(streams).count();
            tasks.spawn(async move {
                for _ in 0..own {
                    let mut writer = chunks.create().unwrap();
                    while writer.length() < CHUNK_BYTES as u64 {
                        let mut block = pool.lease(PoolShare::Write).await;
                        while block.fill(&piece) > 0 {}
                        let job = move || {
                            writer.append(block.filled()).unwrap();
                            writer
                        };
                        writer = tokio::task::spawn_blocking(job).await.unwrap();
                    }
                    tokio::task::spawn_blocking(move || writer.seal().unwrap()).await.unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

/// A body of one chunk, always at hand.
struct Steady {
    piece: Bytes,
    left: usize,
}

impl ByteSource for Steady {
    fn poll_next(&mut self, _cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, SourceError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = self.piece.slice(..self.left.min(self.piece.len()));
        self.left -= piece.len();
        Poll::Ready(Some(Ok(piece)))
    }

    fn trailer_checksum(&self) -> Option<ChecksumValue> {
        None
    }
}

/// Everything that a PUT does with its body.
fn ours_hashed(ground: &Ground, open: Open, streams: usize) {
    let pool = BlockPool::new(streams * BLOCKS_PER_STREAM);
    let chunks: Arc<dyn ChunkStore> = Arc::new(open(&ground.directory, Epoch(1)).unwrap());
    let hashing = Hashing::new(Kernels::here());
    ground.runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for stream in 0..streams {
            let (pool, chunks, piece) = (pool.clone(), Arc::clone(&chunks), ground.piece.clone());
            let hashing = Arc::clone(&hashing);
            let own = (stream..ground.chunks).step_by(streams).count();
            tasks.spawn(async move {
                for _ in 0..own {
                    let mut source = Steady { piece: piece.clone(), left: CHUNK_BYTES };
                    let context = WriterContext {
                        pool: &pool,
                        chunks: &chunks,
                        hashing: &hashing,
                        checksum: ChecksumAlgorithm::Crc64Nvme,
                        announced: Some(CHUNK_BYTES as u64),
                        bytes_max: CHUNK_BYTES as u64,
                        key: None,
                        label: None,
                    };
                    let (stored, _) = write_body(context, &mut source).await.unwrap();
                    let StoredBody::Chunks(unclaimed) = stored else { panic!("a chunk is not inline") };
                    assert_eq!(unclaimed.disarm().len(), 1);
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}
