//! Where small bodies gather, and what slow clients send.

use crate::buffer::Block;
use crate::limits::INLINE_BYTES_MAX;

/// Up to `INLINE_BYTES_MAX` bytes on the heap: whole small bodies, and what slow clients send while they hold
/// no block.
#[derive(Default)]
pub(crate) struct Stash {
    bytes: Vec<u8>,
}

impl Stash {
    pub(crate) fn room(&self) -> usize {
        INLINE_BYTES_MAX - self.bytes.len()
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            // Doubling, but never beyond what the memory sum counts.
            let capacity = needed.max(2 * self.bytes.capacity()).min(INLINE_BYTES_MAX);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
    }

    /// Moves bytes to the end of `block`, until that holds `limit`.
    pub(crate) fn pour(&mut self, block: &mut Block, limit: usize) {
        let poured = self.bytes.len().min(limit - block.filled().len());
        block.fill(&self.bytes[..poured]);
        if poured == self.bytes.len() {
            // A client that fills blocks may never need the stash again: its memory goes to those who do.
            self.bytes = Vec::new();
        } else {
            self.bytes.drain(..poured);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
