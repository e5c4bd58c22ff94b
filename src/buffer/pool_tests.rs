//! The pool, one step after another and in races.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

use crate::buffer::{Block, BlockPool, PoolShare};
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
