//! A fixed number of page-aligned blocks, leased one at a time.
//!
//! Three rules keep everybody moving when blocks are short. Readers may hold at most half of the pool, so
//! that downloads never stop uploads. A reader that lets its client decide when a block comes back needs a
//! `Linger` as well, and there are fewer of those than reader blocks, so that stalled clients never stop the
//! downloads of others. Whoever fills a block while others wait gives it back as soon as its client pauses.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::buffer::region::{self, RawBlock};
use crate::limits::{BLOCK_BYTES, LOAN_BLOCKS};

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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use tokio::task::JoinSet;

    use super::{Block, BlockPool, PoolShare};
    use crate::limits::{BLOCK_BYTES, LOAN_BLOCKS};

    fn assert_send_sync<T: Send + Sync + 'static>() {}

    #[test]
    fn blocks_and_pools_cross_threads() {
        assert_send_sync::<Block>();
        assert_send_sync::<BlockPool>();
    }

    #[test]
    fn a_block_keeps_what_it_was_filled_with() {
        let pool = BlockPool::new(1);
        let mut block = pool.try_lease(PoolShare::Write).unwrap();
        assert_eq!(block.fill(b"abc"), 3);
        assert_eq!(block.fill(&vec![b'x'; BLOCK_BYTES]), BLOCK_BYTES - 3);
        assert_eq!(block.fill(b"no room"), 0);
        assert_eq!(&block.filled()[..4], b"abcx");
        assert_eq!(block.filled().len(), BLOCK_BYTES);
    }

    #[test]
    fn a_block_is_empty_when_it_is_leased_again() {
        let pool = BlockPool::new(1);
        let mut block = pool.try_lease(PoolShare::Write).unwrap();
        block.fill(b"secret of another request");
        drop(block);
        assert!(pool.try_lease(PoolShare::Write).unwrap().filled().is_empty());
    }

    #[test]
    fn the_last_clone_of_the_bytes_returns_the_block() {
        let pool = BlockPool::new(2);
        let mut block = pool.try_lease(PoolShare::Read).unwrap();
        block.spare()[..5].copy_from_slice(b"hello");
        block.set_filled(5);
        let bytes = block.into_bytes(1..4);
        let clone = bytes.clone();
        assert_eq!(&bytes[..], b"ell");
        drop(bytes);
        assert_eq!(pool.leased(), 1);
        drop(clone);
        assert_eq!(pool.leased(), 0);
    }

    #[test]
    fn the_block_that_came_back_last_is_leased_first() {
        let pool = BlockPool::new(8);
        let first = pool.try_lease(PoolShare::Write).unwrap();
        let address = first.filled().as_ptr();
        drop(first);
        assert_eq!(pool.try_lease(PoolShare::Write).unwrap().filled().as_ptr(), address);
    }

    #[test]
    fn readers_hold_at_most_half_and_linger_on_fewer() {
        let pool = BlockPool::new(8);
        let held: Vec<_> = (0..4).map(|_| pool.try_lease(PoolShare::Read).unwrap()).collect();
        assert!(pool.try_lease(PoolShare::Read).is_none());
        let lingering: Vec<_> = std::iter::from_fn(|| pool.try_linger()).collect();
        assert_eq!((held.len(), lingering.len()), (4, 3));
        let written: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
        assert_eq!(written.len(), 4);
    }

    #[test]
    fn a_loan_takes_its_part_of_every_share_and_gives_it_back() {
        let shares = |pool: &BlockPool| {
            let lingers: Vec<_> = std::iter::from_fn(|| pool.try_linger()).collect();
            let read: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Read)).collect();
            let write: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
            (lingers.len(), read.len(), write.len())
        };
        let pool = BlockPool::new(4 * LOAN_BLOCKS);
        assert_eq!(shares(&pool), (12, 16, 16));
        let loans = [pool.lend().now_or_never().unwrap(), pool.lend().now_or_never().unwrap()];
        assert_eq!((shares(&pool), pool.leased()), ((6, 8, 8), 2 * LOAN_BLOCKS));
        drop(loans);
        assert_eq!((shares(&pool), pool.leased()), ((12, 16, 16), 0));
    }

    #[test]
    fn a_loan_waits_for_blocks_and_presses_their_holders() {
        let pool = BlockPool::new(2 * LOAN_BLOCKS);
        let mut held: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
        let mut loan = Box::pin(pool.lend());
        assert!((&mut loan).now_or_never().is_none());
        assert!(pool.is_contended());
        held.truncate(LOAN_BLOCKS);
        assert!((&mut loan).now_or_never().is_some());
        assert!(!pool.is_contended());
    }

    #[test]
    fn a_reader_that_waits_for_readers_presses_no_writer() {
        let pool = BlockPool::new(4);
        let _held: Vec<_> = (0..2).map(|_| pool.try_lease(PoolShare::Read).unwrap()).collect();
        let mut waiter = Box::pin(pool.lease(PoolShare::Read));
        assert!((&mut waiter).now_or_never().is_none());
        assert!(!pool.is_contended());
    }

    #[test]
    fn blocks_are_leased_in_the_order_of_asking() {
        let pool = BlockPool::new(1);
        let held = pool.try_lease(PoolShare::Write).unwrap();
        let mut first = Box::pin(pool.lease(PoolShare::Write));
        let mut second = Box::pin(pool.lease(PoolShare::Read));
        assert!((&mut first).now_or_never().is_none());
        assert!((&mut second).now_or_never().is_none());
        assert!(pool.is_contended());
        drop(held);
        assert!(pool.try_lease(PoolShare::Write).is_none(), "nobody overtakes the queue");
        assert!((&mut second).now_or_never().is_none());
        let block = (&mut first).now_or_never().unwrap();
        drop(block);
        assert!((&mut second).now_or_never().is_some());
        assert!(!pool.is_contended());
    }

    #[test]
    fn a_waiter_that_is_dropped_loses_no_block() {
        let pool = BlockPool::new(2);
        let held: Vec<_> = (0..2).map(|_| pool.try_lease(PoolShare::Write).unwrap()).collect();
        let mut reader = Box::pin(pool.lease(PoolShare::Read));
        let mut writer = Box::pin(pool.lease(PoolShare::Write));
        assert!((&mut reader).now_or_never().is_none());
        assert!((&mut writer).now_or_never().is_none());
        drop(held);
        // Both have been handed a permit by now, and neither has looked.
        drop((reader, writer));
        assert!(!pool.is_contended());
        assert_eq!(pool.leased(), 0);
        let again = (pool.try_lease(PoolShare::Read).unwrap(), pool.try_lease(PoolShare::Write).unwrap());
        assert_eq!(pool.leased(), 2);
        drop(again);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_thousand_racing_tasks_never_exceed_the_pool() {
        let pool = BlockPool::new(7);
        let (held, peak) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        let mut aborts = Vec::new();
        let mut random = StdRng::seed_from_u64(0x51);
        for number in 0..1000_usize {
            let (pool, held, peak) = (pool.clone(), Arc::clone(&held), Arc::clone(&peak));
            let share = if number % 3 == 0 { PoolShare::Read } else { PoolShare::Write };
            let mark = (number % 251) as u8;
            let handle = tasks.spawn(async move {
                for _ in 0..5 {
                    let mut block = pool.lease(share).await;
                    peak.fetch_max(held.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // Counts down even if the task is aborted while it holds the block.
                    let _count = CountDown(&held);
                    block.fill(&[mark; 64]);
                    tokio::task::yield_now().await;
                    assert_eq!(block.filled(), [mark; 64], "nobody else writes into a leased block");
                    // Locals drop in reverse order: the count goes down before the block goes back.
                }
            });
            if random.random_bool(0.3) {
                aborts.push(handle);
            }
            if random.random_bool(0.1) {
                tokio::task::yield_now().await;
                aborts.drain(..).for_each(|handle| handle.abort());
            }
        }
        aborts.drain(..).for_each(|handle| handle.abort());
        while let Some(ended) = tasks.join_next().await {
            assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()));
        }
        assert!(peak.load(Ordering::SeqCst) <= 7);
        assert_eq!(pool.leased(), 0);
        assert!(!pool.is_contended());
        let every: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
        assert_eq!(every.len(), 7, "no permit was lost");
    }

    struct CountDown<'a>(&'a AtomicUsize);

    impl Drop for CountDown<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_cancelled_producer_does_not_deadlock_its_consumer() {
        let pool = BlockPool::new(1);
        let (send, mut receive) = tokio::sync::mpsc::channel::<Block>(1);
        let producer = tokio::spawn({
            let pool = pool.clone();
            async move { while send.send(pool.lease(PoolShare::Write).await).await.is_ok() {} }
        });
        let block = receive.recv().await.unwrap();
        producer.abort();
        assert!(producer.await.unwrap_err().is_cancelled());
        drop(block);
        // What the producer had leased or queued came back with it.
        while receive.recv().await.is_some() {}
        drop(pool.lease(PoolShare::Write).await);
        assert_eq!(pool.leased(), 0);
    }
}
