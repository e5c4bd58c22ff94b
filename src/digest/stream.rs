//! One stream of bytes as kernels want it: whole blocks, and what waits for the rest of its block.

use super::lanes::{Block, Kernels, Lane, State, md5_blocks, sha256_blocks};

const BLOCK: usize = size_of::<Block>();

/// MD5 and SHA-256 of a stream so far.
///
/// Bytes are added in three steps, in this order, so that many streams can be in the second one at once: `begin`
/// takes what completes a block that was begun, `lane` is for the whole blocks after that, `end` keeps the rest.
pub(super) struct Stream {
    state: State,
    /// Bytes seen.
    length: u64,
    /// The last `length % BLOCK` bytes, from the start.
    tail: Block,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self { state: State::START, length: 0, tail: [0; BLOCK] }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn tail_bytes(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Takes the bytes that complete the block which was begun, if one was; returns how many that are.
    pub(super) fn begin(&mut self, kernels: &Kernels, bytes: &[u8]) -> usize {
        let tail = self.tail_bytes();
        if tail == 0 {
            return 0;
        }
        let taken = bytes.len().min(BLOCK - tail);
        self.end(&bytes[..taken]);
        if tail + taken == BLOCK {
            kernels.hash(&mut [Lane { state: &mut self.state, blocks: &[self.tail] }], 1);
        }
        taken
    }

    /// The lane that the next `blocks` go through. Who hashes some of them tells with `passed`.
    pub(super) fn lane<'a>(&'a mut self, blocks: &'a [Block]) -> Lane<'a> {
        debug_assert_eq!(self.tail_bytes(), 0, "a lane begins where a block does");
        Lane { state: &mut self.state, blocks }
    }

    /// So many bytes went through the lane.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.length += bytes as u64;
    }

    /// Keeps the bytes after the last whole block.
    pub(super) fn end(&mut self, rest: &[u8]) {
        let tail = self.tail_bytes();
        self.tail[tail..tail + rest.len()].copy_from_slice(rest);
        self.length += rest.len() as u64;
    }

    /// The hashes of all bytes, MD5 first. Both fill the last block up in the same way, but count the bits from
    /// opposite ends.
    pub(super) fn finish(self) -> ([u8; 16], [u8; 32]) {
        let Self { mut state, length, tail: last } = self;
        let mut blocks = [last, [0; BLOCK]];
        let tail = (length % BLOCK as u64) as usize;
        let bytes = blocks.as_flattened_mut();
        bytes[tail..].fill(0);
        bytes[tail] = 0x80;
        let needed = if tail + 1 + size_of::<u64>() <= BLOCK { 1 } else { 2 };
        let bits = length.wrapping_mul(8);
        let end = needed * BLOCK - size_of::<u64>()..needed * BLOCK;
        blocks.as_flattened_mut()[end.clone()].copy_from_slice(&bits.to_le_bytes());
        md5_blocks(&mut state.md5, &blocks[..needed]);
        blocks.as_flattened_mut()[end].copy_from_slice(&bits.to_be_bytes());
        sha256_blocks(&mut state.sha256, &blocks[..needed]);
        let (mut md5, mut sha256) = ([0; 16], [0; 32]);
        for (bytes, word) in md5.as_chunks_mut().0.iter_mut().zip(state.md5) {
            *bytes = word.to_le_bytes();
        }
        for (bytes, word) in sha256.as_chunks_mut().0.iter_mut().zip(state.sha256) {
            *bytes = word.to_be_bytes();
        }
        (md5, sha256)
    }
}
