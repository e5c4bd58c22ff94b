//! What the tee costs against its hashes alone, and against hashing a whole buffer once per hash.
//!
//! `SLUICEGATE_BENCH_ROUNDS` sets the number of rounds (default 9).
#![allow(clippy::print_stdout, missing_docs)]

mod measure;

use std::hint::black_box;

use md5::Md5;
use sha2::{Digest as _, Sha256};
use sluicegate::digest::{SpanCrc, Tee};
use sluicegate::limits::{BLOCK_BYTES, MIB};
use sluicegate::types::ChecksumAlgorithm;

const BUFFER_BYTES: usize = 8 * MIB as usize;
const PASSES: usize = 4;

fn main() {
    let rounds = measure::setting("SLUICEGATE_BENCH_ROUNDS", 9);
    let buffer: Vec<u8> =
        (0..BUFFER_BYTES as u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let variants: [(&str, fn(&[u8])); 6] = [
        ("three hashes, one after another", one_after_another),
        ("our tee, whole buffer", tee_at_once),
        ("our tee, block by block", tee_by_block),
        ("MD5 alone", |bytes| {
            black_box(Md5::digest(bytes));
        }),
        ("SHA-256 alone", |bytes| {
            black_box(Sha256::digest(bytes));
        }),
        ("CRC-64/NVME alone", |bytes| {
            black_box(SpanCrc::of(bytes));
        }),
    ];
    let mut costs = vec![Vec::new(); variants.len()];
    for _ in 0..rounds {
        for (number, (_, variant)) in variants.iter().enumerate() {
            let ((), cost) = measure::cost(|| (0..PASSES).for_each(|_| variant(black_box(&buffer))));
            costs[number].push(cost.cpu_seconds);
        }
    }
    let gigabytes = (BUFFER_BYTES * PASSES) as f64 / 1e9;
    println!("{rounds} rounds of {PASSES} x {} MiB, medians", BUFFER_BYTES as u64 / MIB);
    println!("{:34} {:>12} {:>12} {:>8}", "", "GB/CPU-s", "CPU-s/GB", "ratio");
    for (number, (name, _)) in variants.iter().enumerate() {
        let seconds = measure::median(costs[number].iter().copied()) / gigabytes;
        let ratio = measure::median(costs[0].iter().zip(&costs[number]).map(|(first, own)| first / own));
        println!("{name:34} {:>12.3} {seconds:>12.3} {ratio:>8.2}", 1.0 / seconds);
    }
}

fn one_after_another(bytes: &[u8]) {
    black_box((Md5::digest(bytes), Sha256::digest(bytes), SpanCrc::of(bytes)));
}

fn tee_at_once(bytes: &[u8]) {
    let mut tee = Tee::new(ChecksumAlgorithm::Crc64Nvme);
    tee.update(bytes);
    black_box(tee.finish());
}

fn tee_by_block(bytes: &[u8]) {
    let mut tee = Tee::new(ChecksumAlgorithm::Crc64Nvme);
    bytes.chunks(BLOCK_BYTES).for_each(|block| tee.update(block));
    black_box(tee.finish());
}
