//! Sixteen lanes of AVX-512.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_rolv_epi32, _mm512_rorv_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srlv_epi32, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

use super::tables::{MD5_K, MD5_SHIFTS, SHA256_K, md5_word, sixteen_groups};
use super::vector::kernels;
use super::{Block, Lane, State};

type Vector = __m512i;
const LANES: usize = 16;

kernels!("avx512f,avx512bw");

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(block: &Block) -> Vector {
    // SAFETY: 64 bytes are read from 64 bytes.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(words: &[u32; LANES]) -> Vector {
    // SAFETY: 64 bytes are read from 64 bytes.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_words(vector: Vector) -> [u32; LANES] {
    let mut words = [0; LANES];
    // SAFETY: 64 bytes are written to 64 bytes.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    words
}

/// See `md5_scalar::settled`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn settled(mut x: Vector) -> Vector {
    // SAFETY: the assembly is a comment.
    unsafe { std::arch::asm!("/* {0} */", inout(zmm_reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn splat(word: u32) -> Vector {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn add(x: Vector, y: Vector) -> Vector {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate_left(x: Vector, bits: u32) -> Vector {
    _mm512_rolv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rotate_right(x: Vector, bits: u32) -> Vector {
    _mm512_rorv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn shift_right(x: Vector, bits: u32) -> Vector {
    _mm512_srlv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32(x, y, z, 0x96)
}

/// Bits of `x` where `by` is set, else of `y`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose(by: Vector, x: Vector, y: Vector) -> Vector {
    _mm512_ternarylogic_epi32(by, x, y, 0xca)
}

/// `choose`, where `x` is the last to be known.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn choose_late(by: Vector, x: Vector, y: Vector) -> Vector {
    choose(by, x, y)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32(x, y, z, 0xe8)
}

/// `x ^ (y | !z)`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn xor_or_not(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm512_ternarylogic_epi32(x, y, z, 0x2d)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(x: Vector) -> Vector {
    _mm512_shuffle_epi8(x, _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
}

/// The first words of all blocks, then the second words, and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn transpose(blocks: [&Block; LANES]) -> [Vector; 16] {
    let zero = splat(0);
    let mut pairs = [zero; 16];
    for i in 0..8 {
        let (even, odd) = (load(blocks[2 * i]), load(blocks[2 * i + 1]));
        pairs[2 * i] = _mm512_unpacklo_epi32(even, odd);
        pairs[2 * i + 1] = _mm512_unpackhi_epi32(even, odd);
    }
    let mut fours = [zero; 16];
    for i in 0..4 {
        let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut words = [zero; 16];
    for i in 0..4 {
        let [a, b, c, d] = [fours[i], fours[4 + i], fours[8 + i], fours[12 + i]];
        let (even, even_later) = (_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(c, d, 0x88));
        let (odd, odd_later) = (_mm512_shuffle_i32x4(a, b, 0xdd), _mm512_shuffle_i32x4(c, d, 0xdd));
        words[i] = _mm512_shuffle_i32x4(even, even_later, 0x88);
        words[i + 8] = _mm512_shuffle_i32x4(even, even_later, 0xdd);
        words[i + 4] = _mm512_shuffle_i32x4(odd, odd_later, 0x88);
        words[i + 12] = _mm512_shuffle_i32x4(odd, odd_later, 0xdd);
    }
    words
}
