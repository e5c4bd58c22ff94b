//! MD5 and SHA-256 of several streams at once: the kernels, one file for each kind of processor, and which of them
//! runs here for how many streams. The only unsafe code of the hashes; knows nothing of tails, lengths and padding.
//!
//! MD5 is a chain of dependent steps, so that one stream leaves most of a processor idle. Two ways use it. Streams
//! share the lanes of vectors; or SHA-256 runs between the steps of MD5, which is what a stream alone can have. Each
//! kernel is compared with the libraries `md-5` and `sha2`, which also are the fallback.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_half;
#[cfg(target_arch = "x86_64")]
mod md5_scalar;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
#[cfg(target_arch = "x86_64")]
mod stitched;
mod tables;
#[cfg(target_arch = "x86_64")]
mod vector;

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
    pub(super) const START: Self = Self { md5: tables::MD5_START, sha256: tables::SHA256_START };
}

/// A stream that a kernel hashes.
pub(super) struct Lane<'a> {
    pub(super) state: &'a mut State,
    /// Its next blocks; how many of them are hashed, the call says.
    pub(super) blocks: &'a [Block],
}

/// A way to hash some streams at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// The libraries.
    Portable,
    /// MD5 in general registers, SHA-256 by the SHA extensions between its steps.
    #[cfg(target_arch = "x86_64")]
    StitchedOne,
    /// The same of two streams.
    #[cfg(target_arch = "x86_64")]
    StitchedTwo,
    /// MD5 in eight lanes of AVX2, SHA-256 by the SHA extensions between its steps.
    #[cfg(target_arch = "x86_64")]
    Avx2BesideFour,
    /// The same of twice as many streams.
    #[cfg(target_arch = "x86_64")]
    Avx2BesideEight,
    /// Both in eight lanes of AVX2.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// `Avx2BesideFour` with the instructions of AVX-512.
    #[cfg(target_arch = "x86_64")]
    HalfBesideFour,
    /// Both in eight lanes with the instructions of AVX-512.
    #[cfg(target_arch = "x86_64")]
    Half,
    /// Both in sixteen lanes of AVX-512.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kernel {
    /// Most streams at once.
    const fn lanes(self) -> usize {
        match self {
            Self::Portable => 1,
            #[cfg(target_arch = "x86_64")]
            Self::StitchedOne => 1,
            #[cfg(target_arch = "x86_64")]
            Self::StitchedTwo => 2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2BesideFour | Self::HalfBesideFour => 4,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2BesideEight | Self::Avx2 | Self::Half => 8,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => 16,
        }
    }

    fn run(self, lanes: &mut [Lane<'_>], blocks: usize) {
        // SAFETY: a kernel is only named in a set of kernels, and `Kernels::runnable` hands out a set only after it
        // has found every feature that the kernels of the set need.
        unsafe {
            match self {
                Self::Portable => portable::both(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::StitchedOne => stitched::stitched::<1>(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::StitchedTwo => stitched::stitched::<2>(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2BesideFour => avx2::beside_sha_ni::<1>(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2BesideEight => avx2::beside_sha_ni::<2>(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => avx2::both(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::HalfBesideFour => avx512_half::beside_sha_ni::<1>(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::Half => avx512_half::both(lanes, blocks),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512::both(lanes, blocks),
            }
        }
    }
}

/// The kernels for one kind of processor.
#[derive(Debug)]
pub struct Kernels {
    name: &'static str,
    is_runnable: fn() -> bool,
    /// Kernels, each from how many streams on it is the cheapest, in ascending order from one.
    tiers: &'static [(usize, Kernel)],
}

#[cfg(target_arch = "x86_64")]
fn has_sha() -> bool {
    std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("ssse3")
        && std::arch::is_x86_feature_detected!("sse4.1")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl")
}

/// All sets, the cheapest first. Where one kernel ends and the next begins was measured with `cargo bench --bench
/// tee`: half-filled lanes of a wide kernel cost as much as full ones, and a stream or two alone are cheapest
/// stitched. On processors with fast SHA extensions five to eight streams would be a little cheaper beside them than
/// in vectors, on others nearly twice as dear.
static SETS: &[Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    Kernels {
        name: "avx512, sha",
        is_runnable: || has_avx512() && has_sha(),
        tiers: &[
            (1, Kernel::StitchedOne),
            (2, Kernel::StitchedTwo),
            (3, Kernel::HalfBesideFour),
            (5, Kernel::Half),
            (9, Kernel::Avx512),
        ],
    },
    #[cfg(target_arch = "x86_64")]
    Kernels {
        name: "avx512",
        is_runnable: has_avx512,
        tiers: &[(1, Kernel::Portable), (2, Kernel::Half), (9, Kernel::Avx512)],
    },
    #[cfg(target_arch = "x86_64")]
    Kernels {
        name: "avx2, sha",
        is_runnable: || std::arch::is_x86_feature_detected!("avx2") && has_sha(),
        tiers: &[
            (1, Kernel::StitchedOne),
            (2, Kernel::StitchedTwo),
            (3, Kernel::Avx2BesideFour),
            (5, Kernel::Avx2BesideEight),
        ],
    },
    #[cfg(target_arch = "x86_64")]
    Kernels { name: "sha", is_runnable: has_sha, tiers: &[(1, Kernel::StitchedOne), (2, Kernel::StitchedTwo)] },
    #[cfg(target_arch = "x86_64")]
    Kernels {
        name: "avx2",
        is_runnable: || std::arch::is_x86_feature_detected!("avx2"),
        tiers: &[(1, Kernel::Portable), (2, Kernel::Avx2)],
    },
    Kernels { name: "portable", is_runnable: || true, tiers: &[(1, Kernel::Portable)] },
];

impl Kernels {
    /// The cheapest set that this processor runs. Without optimization the libraries are it, which are optimized in
    /// every build: instructions that are function calls cost a hundred times as much.
    pub fn here() -> &'static Self {
        static HERE: LazyLock<&Kernels> = LazyLock::new(|| {
            let mut sets = Kernels::runnable();
            let found = if cfg!(debug_assertions) { sets.last() } else { sets.next() };
            found.expect("the libraries run everywhere")
        });
        *HERE
    }

    /// Every set that this processor runs, the cheapest first, the libraries last.
    pub fn runnable() -> impl Iterator<Item = &'static Self> {
        SETS.iter().filter(|set| (set.is_runnable)())
    }

    /// The features that it uses.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Streams that fill its widest kernel.
    pub fn lanes_max(&self) -> usize {
        self.tiers.iter().map(|(_, kernel)| kernel.lanes()).max().expect("a set has kernels")
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
            let (now, later) = lanes.split_at_mut(kernel.lanes().min(lanes.len()));
            kernel.run(now, blocks);
            lanes = later;
        }
    }
}

#[cfg(test)]
mod tests;
