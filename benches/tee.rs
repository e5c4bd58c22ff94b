//! What both digests and the CRC cost, in CPU-seconds per GB: the tee of the libraries, one hash after another over
//! pieces in the cache, against streams that are hashed together, with each set of kernels that this processor runs.
//!
//! `-- --rounds N` sets the number of rounds (default 9).
#![allow(clippy::print_stdout, missing_docs)]

mod measure;

use std::hint::black_box;

use md5::Md5;
use measure::record;
use sha2::{Digest as _, Sha256};
use sluicegate::digest::{Flight, Kernels, SpanCrc, Tee};
use sluicegate::limits::BLOCK_BYTES;
use sluicegate::types::ChecksumAlgorithm;

/// Blocks that are hashed per variant and round: one of each stream at a time.
const BLOCKS: usize = 64;
const STREAMS_MAX: usize = 32;
const STREAMS: [usize; 6] = [1, 2, 4, 8, 16, STREAMS_MAX];
const PIECE_BYTES: usize = 16 * 1024;

fn main() {
    let rounds = measure::option("--rounds").unwrap_or(measure::unless_quick(9, 3));
    let noise: Vec<u8> = (0..((STREAMS_MAX + 1) * BLOCK_BYTES) as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    // Blocks of the pool begin at multiples of their length too: their bytes fall on the same lines of the cache.
    let skip = noise.as_ptr().align_offset(BLOCK_BYTES);
    let blocks: Vec<&[u8]> = noise[skip..].chunks_exact(BLOCK_BYTES).take(STREAMS_MAX).collect();
    let mut variants: Vec<(String, Box<dyn Fn()>)> = vec![
        ("libraries, one after another".into(), Box::new(|| libraries(&blocks))),
        ("MD5 alone".into(), Box::new(|| hash_each(&blocks, |block| <[u8; 16]>::from(Md5::digest(block))))),
        ("SHA-256 alone".into(), Box::new(|| hash_each(&blocks, |block| <[u8; 32]>::from(Sha256::digest(block))))),
        ("CRC-64/NVME alone".into(), Box::new(|| hash_each(&blocks, SpanCrc::of))),
    ];
    for kernels in Kernels::runnable() {
        for streams in STREAMS {
            let blocks = &blocks[..streams];
            variants.push((format!("{}: {streams}", kernels.name()), Box::new(move || together(kernels, blocks))));
        }
    }
    let mut costs = vec![Vec::new(); variants.len()];
    for _ in 0..rounds {
        for ((_, variant), costs) in variants.iter().zip(&mut costs) {
            costs.push(measure::cost(variant).1.cpu_seconds);
        }
    }
    let gigabytes = (BLOCKS * BLOCK_BYTES) as f64 / 1e9;
    println!("{rounds} rounds of {BLOCKS} blocks, medians; this processor takes: {}", Kernels::here().name());
    println!("{:34} {:>12} {:>12} {:>14}", "kernels: streams", "CPU-s/GB", "lowest", "libraries / it");
    for ((name, _), own) in variants.iter().zip(&costs) {
        let seconds = measure::median(own.iter().copied()) / gigabytes;
        let lowest = own.iter().copied().fold(f64::INFINITY, f64::min) / gigabytes;
        let ratio = measure::median(costs[0].iter().zip(own).map(|(libraries, own)| libraries / own));
        println!("{name:34} {seconds:>12.3} {lowest:>12.3} {ratio:>14.2}");
        if let Some(streams) = name.strip_prefix(&format!("{}: ", Kernels::here().name())) {
            let floor = Some((seconds * ratio, "libraries, one after another"));
            record::row("MD5, SHA-256 and CRC", &format!("{streams} at a time"), "CPU-s/GB", seconds, floor);
        }
    }
}

fn hash_each<T>(blocks: &[&[u8]], hash: impl Fn(&[u8]) -> T) {
    for block in blocks.iter().cycle().take(BLOCKS) {
        black_box(hash(black_box(block)));
    }
}

/// A stream by itself, as the libraries hash it.
fn libraries(blocks: &[&[u8]]) {
    let (mut md5, mut sha256, mut crc) = (Md5::new(), Sha256::new(), SpanCrc::new());
    for piece in blocks.iter().cycle().take(BLOCKS).flat_map(|block| block.chunks(PIECE_BYTES)) {
        md5.update(piece);
        sha256.update(piece);
        crc.update(piece);
    }
    black_box((md5.finalize(), sha256.finalize(), crc.value()));
}

/// One stream for each of `blocks`, hashed as uploads under load are.
fn together(kernels: &'static Kernels, blocks: &[&[u8]]) {
    let mut tees: Vec<_> = blocks.iter().map(|_| Tee::new(ChecksumAlgorithm::Crc64Nvme)).collect();
    for _ in 0..BLOCKS / blocks.len() {
        let mut waiting = tees.iter_mut().zip(blocks.iter().copied().map(black_box));
        let mut flight = Flight::new(kernels);
        loop {
            waiting.by_ref().take(flight.room()).for_each(|work| flight.board(work));
            if flight.is_empty() {
                break;
            }
            flight.step(drop);
        }
    }
    tees.into_iter().for_each(|tee| drop(black_box(tee.finish())));
}
