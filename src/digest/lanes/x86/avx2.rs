//! Eight lanes of AVX2.

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_loadu_si256, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_set_epi64x, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_sllv_epi32,
    _mm256_srlv_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::tables::{MD5_K, MD5_SHIFTS, SHA256_K, md5_word, sixteen_groups};
use super::vector::kernels;
use super::{Block, Lane, State, sha_ni};

pub(super) type Vector = __m256i;
pub(super) const LANES: usize = 8;

kernels!("avx2", with_sha_ni "avx2,sha,ssse3,sse4.1");

/// Half a block.
#[inline]
#[target_feature(enable = "avx2")]
fn load(half: &[u8; 32]) -> Vector {
    // SAFETY: 32 bytes are read from 32 bytes.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_words(words: &[u32; LANES]) -> Vector {
    // SAFETY: 32 bytes are read from 32 bytes.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store_words(vector: Vector) -> [u32; LANES] {
    let mut words = [0; LANES];
    // SAFETY: 32 bytes are written to 32 bytes.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}

/// See `md5_scalar::settled`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn settled(mut x: Vector) -> Vector {
    // SAFETY: the assembly is a comment.
    unsafe { std::arch::asm!("/* {0} */", inout(ymm_reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}

/// See `Rounds::keep_place`.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn keep_place(state: &mut [Vector; 4]) {
    let [a, b, c, d] = state;
    // SAFETY: the assembly is a comment.
    unsafe {
        std::arch::asm!(
            "/* {0} {1} {2} {3} */",
            inout(ymm_reg) * a,
            inout(ymm_reg) * b,
            inout(ymm_reg) * c,
            inout(ymm_reg) * d,
            options(nomem, nostack, preserves_flags)
        );
    }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn splat(word: u32) -> Vector {
    _mm256_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn add(x: Vector, y: Vector) -> Vector {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn shift_right(x: Vector, bits: u32) -> Vector {
    _mm256_srlv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn swap_bytes(x: Vector) -> Vector {
    let (high, low) = (0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    _mm256_shuffle_epi8(x, _mm256_set_epi64x(high, low, high, low))
}

/// The first words of all blocks, then the second words, and so on.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(blocks: [&Block; LANES]) -> [Vector; 16] {
    let mut words = [splat(0); 16];
    for half in 0..2 {
        let mut rows = [splat(0); 8];
        for (row, block) in rows.iter_mut().zip(blocks) {
            *row = load(&block.as_chunks().0[half]);
        }
        let mut pairs = rows;
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        let mut fours = pairs;
        for i in 0..2 {
            let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
            fours[4 * i] = _mm256_unpacklo_epi64(a, c);
            fours[4 * i + 1] = _mm256_unpackhi_epi64(a, c);
            fours[4 * i + 2] = _mm256_unpacklo_epi64(b, d);
            fours[4 * i + 3] = _mm256_unpackhi_epi64(b, d);
        }
        for i in 0..4 {
            words[8 * half + i] = _mm256_permute2x128_si256(fours[i], fours[4 + i], 0x20);
            words[8 * half + 4 + i] = _mm256_permute2x128_si256(fours[i], fours[4 + i], 0x31);
        }
    }
    words
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_left(x: Vector, bits: u32) -> Vector {
    _mm256_or_si256(_mm256_sllv_epi32(x, splat(bits)), shift_right(x, 32 - bits))
}

#[inline]
#[target_feature(enable = "avx2")]
fn rotate_right(x: Vector, bits: u32) -> Vector {
    rotate_left(x, 32 - bits)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_xor_si256(x, _mm256_xor_si256(y, z))
}

/// Bits of `x` where `by` is set, else of `y`. `by` is the last to be known.
#[inline]
#[target_feature(enable = "avx2")]
fn choose(by: Vector, x: Vector, y: Vector) -> Vector {
    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(x, y), by), y)
}

/// `choose`, where `x` is the last to be known.
#[inline]
#[target_feature(enable = "avx2")]
fn choose_late(by: Vector, x: Vector, y: Vector) -> Vector {
    _mm256_or_si256(_mm256_and_si256(by, x), _mm256_andnot_si256(by, y))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    choose(_mm256_xor_si256(x, y), z, y)
}

/// `x ^ (y | !z)`.
#[inline]
#[target_feature(enable = "avx2")]
fn xor_or_not(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_xor_si256(x, _mm256_or_si256(y, _mm256_xor_si256(z, splat(u32::MAX))))
}
