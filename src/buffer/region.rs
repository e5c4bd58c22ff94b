//! The memory behind the pool: one anonymous mapping, cut into blocks. The only unsafe code of the buffers;
//! knows nothing of leases.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::limits::BLOCK_BYTES;

/// One mapping of `blocks * BLOCK_BYTES` zeroed bytes. The kernel provides a page when it is first touched,
/// so blocks that were never leased cost address space only.
struct Region {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the region owns its mapping, which any thread may access and unmap; who may access which part of it
// is decided by `RawBlock`, of which there is exactly one for each part.
unsafe impl Send for Region {}
// SAFETY: as above; a shared `Region` by itself gives access to nothing.
unsafe impl Sync for Region {}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `base` and `bytes` are what `mmap_anonymous` returned and was asked for, and every `RawBlock`
        // holds the region, so that no reference into it is left.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "a whole mapping can always be unmapped");
    }
}

/// Exclusive right to one block of a region: page-aligned, `BLOCK_BYTES` long. Cannot be cloned, so that
/// owning it is owning the memory.
pub(super) struct RawBlock {
    region: Arc<Region>,
    index: usize,
}

/// Maps memory for `count` blocks and cuts it into them.
///
/// # Panics
/// If the address space is exhausted: nothing could be served then, and the pool is made at start.
pub(super) fn allocate(count: usize) -> Vec<RawBlock> {
    if count == 0 {
        return Vec::new();
    }
    let bytes = count.checked_mul(BLOCK_BYTES).expect("the pool is part of --memory, which is a number of bytes");
    // SAFETY: an anonymous private mapping at an address of the kernel's choice overlaps nothing.
    let mapped =
        unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }
            .expect("address space for the block pool");
    let base = NonNull::new(mapped.cast::<u8>()).expect("the kernel never maps address zero on its own choice");
    let region = Arc::new(Region { base, bytes });
    // In descending order, so that popping from the end leases the lowest block first.
    (0..count).rev().map(|index| RawBlock { region: Arc::clone(&region), index }).collect()
}

impl RawBlock {
    fn start(&self) -> NonNull<u8> {
        // SAFETY: `index` is below the count that the region was sized for, so the offset stays inside it.
        unsafe { self.region.base.add(self.index * BLOCK_BYTES) }
    }

    /// The block's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the range lies inside the mapping, which lives as long as `self`; it was zeroed by the
        // kernel, so it is initialized; no other `RawBlock` has this index, and `&self` keeps writers out.
        unsafe { std::slice::from_raw_parts(self.start().as_ptr(), BLOCK_BYTES) }
    }

    /// Returns the block's pages to the system; it is zeroed when it is touched again.
    pub(super) fn discard(&mut self) {
        // SAFETY: the range lies inside the mapping, starts at a page and is whole pages long; `&mut self` keeps
        // readers and writers out, and fresh zeroed pages are initialized bytes.
        let discarded = unsafe { madvise(self.start().as_ptr().cast(), BLOCK_BYTES, Advice::LinuxDontNeed) };
        // A kernel that refuses keeps the pages resident, which is all there is to it.
        let _ = discarded;
    }

    /// The block's bytes, to write.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start().as_ptr(), BLOCK_BYTES) }
    }
}

#[cfg(test)]
mod tests {
    use super::allocate;
    use crate::limits::BLOCK_BYTES;

    #[test]
    fn blocks_are_page_aligned_zeroed_and_apart() {
        let mut blocks = allocate(5);
        for (number, block) in blocks.iter_mut().enumerate() {
            assert_eq!(block.bytes().as_ptr() as usize % 4096, 0);
            assert!(block.bytes().iter().all(|&byte| byte == 0));
            block.bytes_mut().fill(number as u8 + 1);
        }
        for (number, block) in blocks.iter().enumerate() {
            assert_eq!(block.bytes().len(), BLOCK_BYTES);
            assert!(block.bytes().iter().all(|&byte| byte == number as u8 + 1));
        }
    }

    #[test]
    fn a_discarded_block_is_zeroed_and_its_neighbours_are_not() {
        let mut blocks = allocate(3);
        blocks.iter_mut().for_each(|block| block.bytes_mut().fill(7));
        blocks[1].discard();
        for (number, block) in blocks.iter().enumerate() {
            let expected = if number == 1 { 0 } else { 7 };
            assert!(block.bytes().iter().all(|&byte| byte == expected), "{number}");
        }
    }

    #[test]
    fn a_block_outlives_its_neighbours() {
        let mut blocks = allocate(3);
        let mut last = blocks.pop().unwrap();
        drop(blocks);
        last.bytes_mut()[BLOCK_BYTES - 1] = 7;
        assert_eq!(last.bytes()[BLOCK_BYTES - 1], 7);
    }
}
