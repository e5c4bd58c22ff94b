//! SHA-256 by the SHA extensions: four rounds at a time of one stream, so that other work can be put between.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
    _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_storeu_si128,
};

use super::Block;
use super::tables::SHA256_K;

/// One stream while a block is hashed.
#[derive(Clone, Copy)]
pub(super) struct Rounds {
    /// The words A B E F and C D G H, as the instructions want them.
    state: [__m128i; 2],
    /// The next sixteen words of the schedule.
    words: [__m128i; 4],
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn load(words: &[u32; 4]) -> __m128i {
    // SAFETY: sixteen bytes are read from sixteen bytes.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn store(words: __m128i) -> [u32; 4] {
    let mut stored = [0; 4];
    // SAFETY: sixteen bytes are written to sixteen bytes.
    unsafe { _mm_storeu_si128(stored.as_mut_ptr().cast(), words) };
    stored
}

/// Four words of the block, whose bytes are in the order of the network.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn words_of(block: &Block, quarter: usize) -> __m128i {
    let quarter: &[u8; 16] = &block.as_chunks().0[quarter];
    // SAFETY: sixteen bytes are read from sixteen bytes.
    let words = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
    _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203))
}

impl Rounds {
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn new() -> Self {
        let zero = _mm_setzero_si128();
        Self { state: [zero; 2], words: [zero; 4] }
    }

    /// Begins a block in `state`.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn begin(&mut self, state: &[__m128i; 2]) {
        self.state = *state;
    }

    /// Rounds `4 * group` to `4 * group + 3`.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn four_rounds(&mut self, group: usize, block: &Block) {
        if group < 4 {
            self.words[group] = words_of(block, group);
        }
        let words = self.words[group % 4];
        let sums = _mm_add_epi32(words, load(&SHA256_K.as_chunks().0[group]));
        self.state[1] = _mm_sha256rnds2_epu32(self.state[1], self.state[0], sums);
        self.state[0] = _mm_sha256rnds2_epu32(self.state[0], self.state[1], _mm_shuffle_epi32(sums, 0x0e));
        if (3..15).contains(&group) {
            let next = (group + 1) % 4;
            let sums = _mm_sha256msg1_epu32(self.words[next], self.words[(group + 2) % 4]);
            let sums = _mm_add_epi32(sums, _mm_alignr_epi8(words, self.words[(group + 3) % 4], 4));
            self.words[next] = _mm_sha256msg2_epu32(sums, words);
        }
    }

    /// Ends a block that began in `state`.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn end(&self, state: &mut [__m128i; 2]) {
        for (sum, word) in state.iter_mut().zip(&self.state) {
            *sum = _mm_add_epi32(*sum, *word);
        }
    }

    /// Keeps the compiler from moving these rounds past others that are kept likewise: it would gather all rounds
    /// behind all steps of MD5, and the processor does not look so far ahead.
    #[inline]
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn keep_place(&mut self) {
        let [first, second] = &mut self.state;
        // SAFETY: the assembly is a comment.
        unsafe {
            std::arch::asm!(
                "/* {0} {1} */",
                inout(xmm_reg) * first,
                inout(xmm_reg) * second,
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}

/// The words of a state, in the order of the instructions.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn open(state: &[u32; 8]) -> [__m128i; 2] {
    let [abcd, efgh] = state.as_chunks().0 else { unreachable!("eight words are twice four") };
    let cdab = _mm_shuffle_epi32(load(abcd), 0xb1);
    let hgfe = _mm_shuffle_epi32(load(efgh), 0x1b);
    [_mm_alignr_epi8(cdab, hgfe, 8), _mm_blend_epi16(hgfe, cdab, 0xf0)]
}

/// The state of `words`.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn close(words: &[__m128i; 2]) -> [u32; 8] {
    let feba = _mm_shuffle_epi32(words[0], 0x1b);
    let dchg = _mm_shuffle_epi32(words[1], 0xb1);
    let mut state = [0; 8];
    state[..4].copy_from_slice(&store(_mm_blend_epi16(feba, dchg, 0xf0)));
    state[4..].copy_from_slice(&store(_mm_alignr_epi8(dchg, feba, 8)));
    state
}
