//! MD5 and SHA-256 of several streams at once: the kernels, one file for each kind of processor, and which of them
//! runs here for how many streams. The only unsafe code of the hashes; knows nothing of tails, lengths and padding.
//!
//! MD5 is a chain of dependent steps, so that one stream leaves most of a processor idle. Two ways use it. Streams
//! share the lanes of vectors; or SHA-256 runs between the steps of MD5, which is what a stream alone can have. Each
//! kernel is compared with the libraries `md-5` and `sha2`, which also are the fallback.
#![allow(unsafe_code)]

mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;

pub(super) use portable::{md5_blocks, sha256_blocks};

/// What both hashes take at a time.
pub(super) type Block = [u8; 64];

/// Both hashes of a stream after whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) md5: [u32; 4],
    pub(super) sha256: [u32; 8],
}

impl State {
    /// Before the first block.
    pub(super) const START: Self = Self {
        md5: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476],
        sha256: [
            0x6a09_e667,
            0xbb67_ae85,
            0x3c6e_f372,
            0xa54f_f53a,
            0x510e_527f,
            0x9b05_688c,
            0x1f83_d9ab,
            0x5be0_cd19,
        ],
    };
}

/// A stream that a kernel hashes.
pub(super) struct Lane<'a> {
    pub(super) state: &'a mut State,
    /// Its next blocks; how many of them are hashed, the call says.
    pub(super) blocks: &'a [Block],
}

/// A way to hash some streams at once.
#[derive(Clone, Copy)]
struct Kernel {
    /// Most streams.
    lanes: usize,
    /// Hashes the first so many blocks of up to `lanes` lanes. To be called on processors that it is for.
    hash: fn(&mut [Lane<'_>], usize),
}

/// The libraries.
const PORTABLE: Kernel = Kernel { lanes: 1, hash: portable::both };

/// The kernels for one kind of processor.
pub struct Kernels {
    name: &'static str,
    is_runnable: fn() -> bool,
    /// Kernels, each from how many streams on it is the cheapest, in ascending order from one.
    tiers: &'static [(usize, Kernel)],
}

/// The libraries for each stream.
static LIBRARIES: Kernels = Kernels { name: "portable", is_runnable: || true, tiers: &[(1, PORTABLE)] };

/// The sets for kinds of processors, the cheapest first.
#[cfg(target_arch = "x86_64")]
static SETS: &[Kernels] = x86::SETS;
#[cfg(not(target_arch = "x86_64"))]
static SETS: &[Kernels] = &[];

impl Kernels {
    /// The cheapest set that this processor runs. Without optimization the libraries are it, which are optimized in
    /// every build: instructions that are function calls cost a hundred times as much.
    pub fn here() -> &'static Self {
        static HERE: LazyLock<&Kernels> = LazyLock::new(|| {
            let best = Kernels::runnable().next().expect("the libraries run everywhere");
            if cfg!(debug_assertions) { &LIBRARIES } else { best }
        });
        *HERE
    }

    /// Every set that this processor runs, the cheapest first, the libraries last.
    pub fn runnable() -> impl Iterator<Item = &'static Self> {
        SETS.iter().filter(|set| (set.is_runnable)()).chain([&LIBRARIES])
    }

    /// The features that it uses.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Streams that fill its widest kernel.
    pub fn lanes_max(&self) -> usize {
        self.tiers.iter().map(|(_, kernel)| kernel.lanes).max().expect("a set has kernels")
    }

    /// The kernel for `streams` streams.
    fn choose(&self, streams: usize) -> Kernel {
        let tier = self.tiers.iter().rev().find(|(from, _)| *from <= streams);
        tier.expect("a set has a kernel for one stream").1
    }

    /// Hashes the first `blocks` blocks of all lanes.
    ///
    /// # Panics
    /// If a lane has fewer.
    pub(super) fn hash(&self, mut lanes: &mut [Lane<'_>], blocks: usize) {
        assert!(lanes.iter().all(|lane| lane.blocks.len() >= blocks), "every lane has as many blocks as are hashed");
        while !lanes.is_empty() {
            let kernel = self.choose(lanes.len());
            let (now, later) = lanes.split_at_mut(kernel.lanes.min(lanes.len()));
            (kernel.hash)(now, blocks);
            lanes = later;
        }
    }
}

#[cfg(test)]
mod tests;
