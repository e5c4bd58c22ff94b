//! A fixed number of page-aligned blocks, leased one at a time.

use std::sync::Arc;

/// Which side leases: readers may hold at most half of the pool, so that slow downloads never stop uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolShare {
    /// Uploads.
    Write,
    /// Downloads.
    Read,
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct BlockPool {
    inner: Arc<()>,
}

/// A leased block of `BLOCK_BYTES`; dropping it returns it. Filled from the front.
pub struct Block {
    filled: usize,
}

impl BlockPool {
    /// Allocates `blocks` blocks once.
    pub fn new(blocks: usize) -> Self {
        let _ = blocks;
        unimplemented!()
    }

    /// Waits for a free block; first come, first served. Cancel-safe.
    pub async fn lease(&self, share: PoolShare) -> Block {
        let _ = (&self.inner, share);
        unimplemented!()
    }

    /// A block, if one is free now.
    pub fn try_lease(&self, share: PoolShare) -> Option<Block> {
        let _ = share;
        unimplemented!()
    }

    /// Whether somebody waits for a block: holders of idle blocks then return them at once.
    pub fn is_contended(&self) -> bool {
        unimplemented!()
    }

    /// Blocks in the pool.
    pub fn size(&self) -> usize {
        unimplemented!()
    }

    /// Blocks leased now.
    pub fn leased(&self) -> usize {
        unimplemented!()
    }
}

impl Block {
    /// Copies from `bytes` until the block is full; returns how many bytes fitted.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let _ = bytes;
        unimplemented!()
    }

    /// The filled bytes.
    pub fn filled(&self) -> &[u8] {
        unimplemented!()
    }

    /// The whole block, to read into; say afterwards with `set_filled` how much was read.
    pub fn spare(&mut self) -> &mut [u8] {
        unimplemented!()
    }

    /// Declares the first `length` bytes filled.
    pub fn set_filled(&mut self, length: usize) {
        self.filled = length;
    }
}
