//! Eight lanes of AVX2 with the three-way logic and rotations of AVX-512. All else is that of AVX2.

use std::arch::x86_64::{_mm256_rolv_epi32, _mm256_rorv_epi32, _mm256_ternarylogic_epi32};

use super::avx2::{
    LANES, Vector, add, keep_place, load_words, settled, shift_right, splat, store_words, swap_bytes, transpose,
};
use super::tables::{MD5_K, MD5_SHIFTS, SHA256_K, md5_word, sixteen_groups};
use super::vector::kernels;
use super::{Block, Lane, State, sha_ni};

kernels!("avx2,avx512f,avx512vl", with_sha_ni "avx2,avx512f,avx512vl,sha,ssse3,sse4.1");

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn rotate_left(x: Vector, bits: u32) -> Vector {
    _mm256_rolv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn rotate_right(x: Vector, bits: u32) -> Vector {
    _mm256_rorv_epi32(x, splat(bits))
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn xor3(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32(x, y, z, 0x96)
}

/// Bits of `x` where `by` is set, else of `y`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn choose(by: Vector, x: Vector, y: Vector) -> Vector {
    _mm256_ternarylogic_epi32(by, x, y, 0xca)
}

/// `choose`, where `x` is the last to be known.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn choose_late(by: Vector, x: Vector, y: Vector) -> Vector {
    choose(by, x, y)
}

#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn majority(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32(x, y, z, 0xe8)
}

/// `x ^ (y | !z)`.
#[inline]
#[target_feature(enable = "avx2,avx512f,avx512vl")]
fn xor_or_not(x: Vector, y: Vector, z: Vector) -> Vector {
    _mm256_ternarylogic_epi32(x, y, z, 0x2d)
}
