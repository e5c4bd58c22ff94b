//! MD5 in general registers: four steps at a time of several streams, so that other work can be put between.

use super::Block;
use super::tables::{MD5_K, MD5_SHIFTS, md5_word};

/// The same number, of which the compiler no longer knows where it came from. It would otherwise add the constant of
/// a step where the step waits for it, instead of while the step before runs, and the chain of 64 steps is all that
/// MD5 costs: a fifth is at stake.
#[inline(always)]
fn settled(mut x: u32) -> u32 {
    // SAFETY: the assembly is a comment.
    unsafe { std::arch::asm!("/* {0:e} */", inout(reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}

#[inline(always)]
fn word(block: &Block, number: usize) -> u32 {
    let at = 4 * number;
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

/// Steps `4 * quad` to `4 * quad + 3` of each stream.
#[inline(always)]
pub(super) fn four_steps<const N: usize>(quad: usize, states: &mut [[u32; 4]; N], blocks: &[&Block; N]) {
    for within in 0..4 {
        let step = 4 * quad + within;
        for (state, block) in states.iter_mut().zip(blocks) {
            // The four words change places from step to step.
            let [a, b, c, d] = std::array::from_fn(|place| state[(place + 4 - within) % 4]);
            let ready = settled(a.wrapping_add(MD5_K[step].wrapping_add(word(block, md5_word(step)))));
            // Each way has the fewest operations after `b`, which is the last to be known.
            let sum = match quad / 4 {
                0 => ready.wrapping_add(((c ^ d) & b) ^ d),
                1 => settled(ready.wrapping_add(!d & c)).wrapping_add(d & b),
                2 => ready.wrapping_add((c ^ d) ^ b),
                _ => ready.wrapping_add((!d | b) ^ c),
            };
            state[(4 - within) % 4] = sum.rotate_left(MD5_SHIFTS[quad / 4][within]).wrapping_add(b);
        }
    }
}
