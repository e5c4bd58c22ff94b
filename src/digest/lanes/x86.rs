//! The kernels for x86, and which of them is the cheapest for how many streams.

mod avx2;
mod avx512;
mod avx512_half;
mod md5_scalar;
mod sha_ni;
mod stitched;
mod tables;
mod vector;

use std::arch::is_x86_feature_detected;

use super::{Block, Kernel, Kernels, Lane, PORTABLE, State};

fn has_sha() -> bool {
    is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
}

fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

/// A kernel of up to `$lanes` lanes. Only the sets below name kernels, and each set finds every feature that its
/// kernels need.
macro_rules! kernel {
    ($lanes:literal, $hash:expr) => {
        Kernel {
            lanes: $lanes,
            hash: |lanes, blocks| {
                // SAFETY: a kernel is only called from a set of which `is_runnable` has found every feature that the
                // kernel is compiled for.
                unsafe { $hash(lanes, blocks) }
            },
        }
    };
}

/// MD5 in general registers, SHA-256 by the SHA extensions between its steps. Needs `has_sha`.
const STITCHED_ONE: Kernel = kernel!(1, stitched::stitched::<1>);
/// The same of two streams.
const STITCHED_TWO: Kernel = kernel!(2, stitched::stitched::<2>);
/// MD5 in eight lanes of AVX2, SHA-256 by the SHA extensions between its steps. Needs `has_avx2` and `has_sha`.
const AVX2_BESIDE_FOUR: Kernel = kernel!(4, avx2::beside_sha_ni::<1>);
/// The same of twice as many streams.
const AVX2_BESIDE_EIGHT: Kernel = kernel!(8, avx2::beside_sha_ni::<2>);
/// Both in eight lanes of AVX2. Needs `has_avx2`.
const AVX2: Kernel = kernel!(8, avx2::both);
/// `AVX2_BESIDE_FOUR` with the instructions of AVX-512. Needs `has_avx512` and `has_sha`.
const HALF_BESIDE_FOUR: Kernel = kernel!(4, avx512_half::beside_sha_ni::<1>);
/// Both in eight lanes with the instructions of AVX-512. Needs `has_avx512`.
const HALF: Kernel = kernel!(8, avx512_half::both);
/// Both in sixteen lanes of AVX-512. Needs `has_avx512`.
const AVX512: Kernel = kernel!(16, avx512::both);

/// All sets, the cheapest first. Where one kernel ends and the next begins was measured with `cargo bench --bench
/// tee`: half-filled lanes of a wide kernel cost as much as full ones, and a stream or two are cheapest stitched. On
/// processors with fast SHA extensions five to eight streams would be a little cheaper beside them than in vectors,
/// on others nearly twice as dear.
pub(super) static SETS: &[Kernels] = &[
    Kernels {
        name: "avx512, sha",
        is_runnable: || has_avx512() && has_sha(),
        tiers: &[(1, STITCHED_ONE), (2, STITCHED_TWO), (3, HALF_BESIDE_FOUR), (5, HALF), (9, AVX512)],
    },
    Kernels { name: "avx512", is_runnable: has_avx512, tiers: &[(1, PORTABLE), (2, HALF), (9, AVX512)] },
    Kernels {
        name: "avx2, sha",
        is_runnable: || has_avx2() && has_sha(),
        tiers: &[(1, STITCHED_ONE), (2, STITCHED_TWO), (3, AVX2_BESIDE_FOUR), (5, AVX2_BESIDE_EIGHT)],
    },
    Kernels { name: "sha", is_runnable: has_sha, tiers: &[(1, STITCHED_ONE), (2, STITCHED_TWO)] },
    Kernels { name: "avx2", is_runnable: has_avx2, tiers: &[(1, PORTABLE), (2, AVX2)] },
];
