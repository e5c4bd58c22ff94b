//! MD5 in general registers and SHA-256 by the SHA extensions, of the same one or two streams, in one loop: MD5 waits
//! for itself in each of its steps, and SHA-256 runs meanwhile.

use super::md5_scalar::four_steps;
use super::sha_ni::{Rounds, close, open};
use super::tables::sixteen_groups;
use super::{Block, Lane};

/// Hashes the first `blocks` blocks of exactly `N` lanes.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn stitched<const N: usize>(lanes: &mut [Lane<'_>], blocks: usize) {
    let mut md5: [[u32; 4]; N] = std::array::from_fn(|n| lanes[n].state.md5);
    let mut sha256 = [open(&lanes[0].state.sha256); N];
    for (words, lane) in sha256.iter_mut().zip(&*lanes) {
        *words = open(&lane.state.sha256);
    }
    let mut rounds = [Rounds::new(); N];
    let input: [&[Block]; N] = std::array::from_fn(|n| &lanes[n].blocks[..blocks]);
    for number in 0..blocks {
        let block: [&Block; N] = input.map(|blocks| &blocks[number]);
        let before = md5;
        for (rounds, state) in rounds.iter_mut().zip(&sha256) {
            rounds.begin(state);
        }
        macro_rules! group {
            ($group:literal) => {
                four_steps::<N>($group, &mut md5, &block);
                for (rounds, block) in rounds.iter_mut().zip(block) {
                    rounds.four_rounds($group, block);
                }
                keep_place(&mut md5);
                rounds.iter_mut().for_each(|rounds| rounds.keep_place());
            };
        }
        sixteen_groups!(group);
        for (sum, word) in md5.as_flattened_mut().iter_mut().zip(before.as_flattened()) {
            *sum = sum.wrapping_add(*word);
        }
        for (rounds, state) in rounds.iter().zip(&mut sha256) {
            rounds.end(state);
        }
    }
    for ((lane, md5), sha256) in lanes.iter_mut().zip(md5).zip(sha256) {
        (lane.state.md5, lane.state.sha256) = (md5, close(&sha256));
    }
}

/// The counterpart of `Rounds::keep_place` for the steps of MD5.
#[inline(always)]
fn keep_place<const N: usize>(states: &mut [[u32; 4]; N]) {
    for [a, b, c, d] in states {
        // SAFETY: the assembly is a comment.
        unsafe {
            std::arch::asm!(
                "/* {0:e} {1:e} {2:e} {3:e} */",
                inout(reg) * a,
                inout(reg) * b,
                inout(reg) * c,
                inout(reg) * d,
                options(nomem, nostack, preserves_flags)
            );
        }
    }
}
