//! A fixed number of page-aligned blocks, leased one at a time.
//!
//! Three rules keep everybody moving when blocks are short. Readers may hold at most half of the pool, so
//! that downloads never stop uploads. A reader that lets its client decide when a block comes back needs a
//! `Linger` as well, and there are fewer of those than reader blocks, so that stalled clients never stop the
//! downloads of others. Whoever fills a block while others wait gives it back as soon as its client pauses.

use std::ops::Range;

use bytes::Bytes;

use crate::buffer::region::{self, RawBlock};
use crate::limits::{BLOCK_BYTES, LOAN_BLOCKS};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, OwnedSemaphorePermit, PoisonError, Semaphore};

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
    inner: Arc<Inner>,
}

struct Inner {
    size: usize,
    /// Last in, first out: an idle server keeps touching the same few blocks, and the rest stays untouched.
    free: Mutex<Vec<RawBlock>>,
    /// One permit for each block. Tokio's semaphore is fair and cancel-safe.
    all: Arc<Semaphore>,
    /// One permit for each block that readers may hold.
    read: Arc<Semaphore>,
    /// One permit for each block that readers may leave with their clients.
    linger: Arc<Semaphore>,
    /// How many wait for a permit of `all`.
    waiting: AtomicUsize,
}

/// A leased block of `BLOCK_BYTES`; dropping it returns it. Filled from the front.
pub struct Block {
    /// `None` only while the block is being dropped.
    raw: Option<RawBlock>,
    filled: usize,
    pool: Arc<Inner>,
    // Dropped after `Drop::drop` has put the block back, so that whoever gets the permit finds the block.
    _all: OwnedSemaphorePermit,
    _read: Option<OwnedSemaphorePermit>,
}

/// Blocks that the pool does without for a while: their memory has gone back to the system. Dropping it gives them
/// back to the pool.
pub struct Lent {
    blocks: Vec<RawBlock>,
    pool: Arc<Inner>,
    // Dropped after `Drop::drop` has put the blocks back.
    _all: OwnedSemaphorePermit,
    _read: OwnedSemaphorePermit,
    _linger: OwnedSemaphorePermit,
}

/// The right to leave one block of the readers' share with a client for as long as that client likes.
pub struct Linger {
    _permit: OwnedSemaphorePermit,
}

/// Counts a waiter, even if its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Read permits in a loan: half, as readers have half of the pool.
const LOAN_READS: u32 = LOAN_BLOCKS as u32 / 2;
/// Lingers in a loan: their share of the readers' half.
const LOAN_LINGERS: u32 = LOAN_READS - LOAN_READS / 4;

const NEVER_CLOSED: &str = "the pool's semaphores are never closed";

impl BlockPool {
    /// Allocates `blocks` blocks once.
    ///
    /// # Panics
    /// If `blocks` is zero, or if there is no address space for them.
    pub fn new(blocks: usize) -> Self {
        assert!(blocks > 0, "a pool without blocks would serve nobody");
        let read = (blocks / 2).max(1);
        let reserve = (read / 4).max(1);
        Self {
            inner: Arc::new(Inner {
                size: blocks,
                free: Mutex::new(region::allocate(blocks)),
                all: Arc::new(Semaphore::new(blocks)),
                read: Arc::new(Semaphore::new(read)),
                linger: Arc::new(Semaphore::new(read - reserve)),
                waiting: AtomicUsize::new(0),
            }),
        }
    }

    /// Waits for a free block; first come, first served. Cancel-safe.
    pub async fn lease(&self, share: PoolShare) -> Block {
        let read = match share {
            PoolShare::Write => None,
            PoolShare::Read => Some(Arc::clone(&self.inner.read).acquire_owned().await.expect(NEVER_CLOSED)),
        };
        let all = match Arc::clone(&self.inner.all).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::begin(&self.inner.waiting);
                Arc::clone(&self.inner.all).acquire_owned().await.expect(NEVER_CLOSED)
            }
        };
        self.take(all, read)
    }

    /// A block, if one is free now.
    pub fn try_lease(&self, share: PoolShare) -> Option<Block> {
        let read = match share {
            PoolShare::Write => None,
            PoolShare::Read => Some(Arc::clone(&self.inner.read).try_acquire_owned().ok()?),
        };
        let all = Arc::clone(&self.inner.all).try_acquire_owned().ok()?;
        Some(self.take(all, read))
    }

    fn take(&self, all: OwnedSemaphorePermit, read: Option<OwnedSemaphorePermit>) -> Block {
        let raw = self.inner.free().pop().expect("each permit stands for a block in the free list");
        Block { raw: Some(raw), filled: 0, pool: Arc::clone(&self.inner), _all: all, _read: read }
    }

    /// Takes `LOAN_BLOCKS` blocks out of the pool, and their memory out of the process; each share becomes smaller
    /// by its part. Waits for its turn like everybody else. Cancel-safe.
    ///
    /// # Panics
    /// If the pool has fewer blocks than that.
    pub async fn lend(&self) -> Lent {
        let inner = &self.inner;
        assert!(inner.size >= 2 * LOAN_BLOCKS, "only a part of the pool is ever lent");
        // Clients decide when a linger comes back, so it is waited for with nothing in hand.
        let linger = Arc::clone(&inner.linger).acquire_many_owned(LOAN_LINGERS).await.expect(NEVER_CLOSED);
        let read = Arc::clone(&inner.read).acquire_many_owned(LOAN_READS).await.expect(NEVER_CLOSED);
        let all = {
            let _waiting = Waiting::begin(&inner.waiting);
            Arc::clone(&inner.all).acquire_many_owned(LOAN_BLOCKS as u32).await.expect(NEVER_CLOSED)
        };
        // From the cold end: most of these were never touched.
        let mut blocks: Vec<_> = inner.free().drain(..LOAN_BLOCKS).collect();
        blocks.iter_mut().for_each(RawBlock::discard);
        Lent { blocks, pool: Arc::clone(inner), _all: all, _read: read, _linger: linger }
    }

    /// Waits for the right to leave a block with a client. Cancel-safe. May wait as long as other clients
    /// stall: callers bound the wait and then copy instead.
    pub async fn linger(&self) -> Linger {
        Linger { _permit: Arc::clone(&self.inner.linger).acquire_owned().await.expect(NEVER_CLOSED) }
    }

    /// The right to leave a block with a client, if it can be had now.
    pub fn try_linger(&self) -> Option<Linger> {
        Some(Linger { _permit: Arc::clone(&self.inner.linger).try_acquire_owned().ok()? })
    }

    /// Whether somebody waits for a block, any block: holders of idle blocks then return them at once. A
    /// reader that waits for other readers only does not count, because a writer's block would not help it.
    pub fn is_contended(&self) -> bool {
        self.inner.waiting.load(Ordering::Relaxed) > 0
    }

    /// Blocks in the pool.
    pub fn size(&self) -> usize {
        self.inner.size
    }

    /// Blocks leased now, lent ones among them.
    pub fn leased(&self) -> usize {
        self.inner.size - self.inner.free().len()
    }
}

impl Inner {
    fn free(&self) -> MutexGuard<'_, Vec<RawBlock>> {
        // A push or pop leaves the list whole even if its caller panics afterwards.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Block {
    fn raw(&self) -> &RawBlock {
        self.raw.as_ref().expect("a block that is not being dropped has its memory")
    }

    fn raw_mut(&mut self) -> &mut RawBlock {
        self.raw.as_mut().expect("a block that is not being dropped has its memory")
    }

    /// Copies from `bytes` until the block is full; returns how many bytes fitted.
    pub fn fill(&mut self, bytes: &[u8]) -> usize {
        let start = self.filled;
        let fitted = bytes.len().min(BLOCK_BYTES - start);
        self.raw_mut().bytes_mut()[start..start + fitted].copy_from_slice(&bytes[..fitted]);
        self.filled += fitted;
        fitted
    }

    /// The filled bytes.
    pub fn filled(&self) -> &[u8] {
        &self.raw().bytes()[..self.filled]
    }

    /// The filled bytes, to be changed in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        let filled = self.filled;
        &mut self.raw_mut().bytes_mut()[..filled]
    }

    /// The whole block, to read into; say afterwards with `set_filled` how much was read.
    pub fn spare(&mut self) -> &mut [u8] {
        self.raw_mut().bytes_mut()
    }

    /// Declares the first `length` bytes filled.
    ///
    /// # Panics
    /// If `length` is above `BLOCK_BYTES`.
    pub fn set_filled(&mut self, length: usize) {
        assert!(length <= BLOCK_BYTES, "a block has no more than BLOCK_BYTES");
        self.filled = length;
    }

    /// The filled bytes in `range`, without a copy. Dropping the last clone returns the block.
    ///
    /// # Panics
    /// If `range` does not lie in what is filled.
    pub fn into_bytes(self, range: Range<usize>) -> Bytes {
        Bytes::from_owner(self).slice(range)
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        self.filled()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // To the cold end again.
        self.pool.free().splice(..0, self.blocks.drain(..));
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(raw) = self.raw.take() {
            self.pool.free().push(raw);
        }
    }
}
