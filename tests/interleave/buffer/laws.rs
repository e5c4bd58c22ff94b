//! What the pool promises, however its users are interleaved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use shuttle::rand::Rng as _;

use super::pool::{Block, BlockPool, PoolShare};
use crate::explore::{breaks, holds};
use crate::fault::{self, Fault};
use crate::limits::LOAN_BLOCKS;
use crate::sync::task::{JoinHandle, spawn, yield_now};
use crate::sync::time::timeout;
use crate::sync::{Arc, CancellationToken, point};

/// Any deadline: time passes as it likes.
const SOON: Duration = Duration::from_millis(1);

/// What is out, as its holders count it; the bounds are judged at every count.
struct Ledger {
    size: usize,
    out: AtomicUsize,
    read: AtomicUsize,
    lingering: AtomicUsize,
}

/// One count in the ledger; goes down before what it stands for goes back.
struct Entry<'a> {
    counter: &'a AtomicUsize,
    count: usize,
}

impl<'a> Entry<'a> {
    fn new(counter: &'a AtomicUsize, count: usize, most: usize, what: &str) -> Self {
        let now = counter.fetch_add(count, Ordering::SeqCst) + count;
        assert!(now <= most, "{now} {what} are out, of {most}");
        Self { counter, count }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.count, Ordering::SeqCst);
    }
}

impl Ledger {
    fn new(size: usize) -> Arc<Self> {
        Arc::new(Self { size, out: 0.into(), read: 0.into(), lingering: 0.into() })
    }

    fn readers_max(&self) -> usize {
        (self.size / 2).max(1)
    }

    fn lingers_max(&self) -> usize {
        self.readers_max() - (self.readers_max() / 4).max(1)
    }

    fn block(&self, share: PoolShare) -> (Entry<'_>, Option<Entry<'_>>) {
        let is_reader = share == PoolShare::Read;
        let read = is_reader.then(|| Entry::new(&self.read, 1, self.readers_max(), "blocks of readers"));
        (Entry::new(&self.out, 1, self.size, "blocks"), read)
    }

    fn linger(&self) -> Entry<'_> {
        Entry::new(&self.lingering, 1, self.lingers_max(), "lingers")
    }

    fn loan(&self) -> [Entry<'_>; 2] {
        [
            Entry::new(&self.out, LOAN_BLOCKS, self.size, "blocks"),
            Entry::new(&self.read, LOAN_BLOCKS / 2, self.readers_max(), "blocks of readers"),
        ]
    }

    /// Once nobody uses the pool any more.
    fn balance(&self, pool: &BlockPool) {
        assert_eq!(pool.leased(), 0, "every block is back");
        assert!(!pool.is_contended(), "nobody waits");
        let lingers: Vec<_> = std::iter::from_fn(|| pool.try_linger()).collect();
        assert_eq!(lingers.len(), self.lingers_max(), "every linger is back");
        let read: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Read)).collect();
        assert_eq!(read.len(), self.readers_max(), "every share of the readers is back");
        drop(read);
        let all: Vec<_> = std::iter::from_fn(|| pool.try_lease(PoolShare::Write)).collect();
        assert_eq!(all.len(), self.size, "every permit is back");
    }
}

/// The outcome, or nothing if whoever waits is dropped first.
async fn unless_dropped<F: Future>(future: F) -> Option<F::Output> {
    if shuttle::rand::thread_rng().gen_bool(0.5) { Some(future.await) } else { timeout(SOON, future).await.ok() }
}

fn any_share() -> PoolShare {
    if shuttle::rand::thread_rng().gen_bool(0.5) { PoolShare::Read } else { PoolShare::Write }
}

/// Marks a block, lets others go on, and looks for the mark.
async fn use_up(block: &mut Block, mark: u8) {
    block.fill(&[mark; 8]);
    yield_now().await;
    assert_eq!(block.filled(), [mark; 8], "nobody else writes into a leased block");
}

fn all_end(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        shuttle::future::block_on(task).expect("it was not cancelled");
    }
}

/// Readers and writers, each of whom may be dropped while it waits, share a pool that is too small for them.
fn leases(size: usize) {
    let (pool, ledger) = (BlockPool::new(size), Ledger::new(size));
    let tasks = (1..=4_u8).map(|mark| {
        let (pool, ledger) = (pool.clone(), Arc::clone(&ledger));
        spawn(async move {
            for _ in 0..2 {
                let share = any_share();
                if let Some(mut block) = unless_dropped(pool.lease(share)).await {
                    let _entry = ledger.block(share);
                    use_up(&mut block, mark).await;
                }
                if let Some(_block) = pool.try_lease(share) {
                    let _entry = ledger.block(share);
                    point();
                }
            }
        })
    });
    all_end(tasks.collect());
    ledger.balance(&pool);
}

/// How a reader waits for the right to leave its block with a client.
#[derive(Clone, Copy)]
enum Patience {
    Bounded,
    Endless,
}

async fn read_and_linger(pool: BlockPool, ledger: Arc<Ledger>, patience: Patience) {
    let mut block = pool.lease(PoolShare::Read).await;
    let _entry = ledger.block(PoolShare::Read);
    use_up(&mut block, 1).await;
    let linger = match patience {
        Patience::Bounded => timeout(SOON, pool.linger()).await.ok(),
        Patience::Endless => Some(pool.linger().await),
    };
    if let Some(_linger) = linger {
        let _entry = ledger.linger();
        point();
        drop(block);
    }
}

/// Two loans, of whom one may be dropped while it waits, beside readers that linger and a writer.
fn loans(patience: Patience) {
    const SIZE: usize = 2 * LOAN_BLOCKS;
    let (pool, ledger) = (BlockPool::new(SIZE), Ledger::new(SIZE));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (pool, ledger) = (pool.clone(), Arc::clone(&ledger));
        tasks.push(spawn(async move {
            if let Some(lent) = unless_dropped(pool.lend()).await {
                let entries = ledger.loan();
                assert!(pool.leased() >= LOAN_BLOCKS, "what is lent is not in the pool");
                yield_now().await;
                drop(entries);
                drop(lent);
            }
        }));
    }
    for _ in 0..2 {
        tasks.push(spawn(read_and_linger(pool.clone(), Arc::clone(&ledger), patience)));
    }
    let (writers, of_writers) = (pool.clone(), Arc::clone(&ledger));
    tasks.push(spawn(async move {
        let mut first = writers.lease(PoolShare::Write).await;
        let _entry = of_writers.block(PoolShare::Write);
        use_up(&mut first, 2).await;
    }));
    all_end(tasks);
    ledger.balance(&pool);
}

/// A client that has a block and a linger and stalls until another has been served; and a loan that wants the linger.
fn stalled() {
    const SIZE: usize = 2 * LOAN_BLOCKS;
    let (pool, ledger, is_served) = (BlockPool::new(SIZE), Ledger::new(SIZE), CancellationToken::new());
    let (stalling, of_stalling, heard) = (pool.clone(), Arc::clone(&ledger), is_served.clone());
    let stalling = spawn(async move {
        let _block = stalling.lease(PoolShare::Read).await;
        let _entry = of_stalling.block(PoolShare::Read);
        if let Ok(_linger) = timeout(SOON, stalling.linger()).await {
            let _entry = of_stalling.linger();
            heard.cancelled().await;
        }
    });
    let (lending, of_lending) = (pool.clone(), Arc::clone(&ledger));
    let lending = spawn(async move {
        let _lent = lending.lend().await;
        let _entries = of_lending.loan();
        point();
    });
    let (served, of_served) = (pool.clone(), Arc::clone(&ledger));
    let served = spawn(async move {
        let mut block = served.lease(PoolShare::Read).await;
        let _entry = of_served.block(PoolShare::Read);
        use_up(&mut block, 1).await;
        is_served.cancel();
    });
    all_end(vec![stalling, lending, served]);
    ledger.balance(&pool);
}

/// Whoever sits on a block until somebody waits for one is always told.
fn pressure() {
    let (pool, ledger) = (BlockPool::new(1), Ledger::new(1));
    let idle = pool.try_lease(PoolShare::Write).expect("nobody else is there");
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (pool, ledger) = (pool.clone(), Arc::clone(&ledger));
        tasks.push(spawn(async move {
            let share = any_share();
            let _block = pool.lease(share).await;
            let _entry = ledger.block(share);
        }));
    }
    let holder = pool.clone();
    tasks.push(spawn(async move {
        while !holder.is_contended() {
            yield_now().await;
        }
        drop(idle);
    }));
    all_end(tasks);
    ledger.balance(&pool);
}

/// A block whose bytes are in several hands goes back with the last of them.
fn last_clone() {
    let (pool, ledger) = (BlockPool::new(1), Ledger::new(1));
    let mut tasks = Vec::new();
    for mark in 1..=2_u8 {
        let pool = pool.clone();
        tasks.push(spawn(async move {
            let mut block = pool.lease(PoolShare::Write).await;
            block.fill(&[mark; 8]);
            let bytes = block.into_bytes(2..6);
            let elsewhere = spawn({
                let bytes: Bytes = bytes.clone();
                async move {
                    point();
                    assert_eq!(bytes, [mark; 4][..]);
                }
            });
            point();
            assert_eq!(bytes, [mark; 4][..]);
            drop(bytes);
            elsewhere.await.expect("it was not cancelled");
        }));
    }
    all_end(tasks);
    ledger.balance(&pool);
}

#[test]
fn no_more_blocks_are_out_than_there_are_and_all_come_back() {
    holds("leases of one block", || leases(1));
    holds("leases of two blocks", || leases(2));
    holds("leases of three blocks", || leases(3));
}

#[test]
fn loans_readers_that_linger_and_writers_all_get_their_turn() {
    holds("loans", || loans(Patience::Bounded));
}

#[test]
fn a_client_that_stalls_stops_nobody() {
    holds("stalled client", stalled);
}

#[test]
fn whoever_sits_on_a_block_learns_that_somebody_waits() {
    holds("pressure", pressure);
}

#[test]
fn a_block_comes_back_with_the_last_of_its_bytes() {
    holds("bytes in several hands", last_clone);
}

#[test]
fn a_reader_that_waits_for_a_linger_without_end_is_noticed() {
    let said = breaks(|| loans(Patience::Endless));
    assert!(said.contains("deadlock"), "{said}");
}

#[test]
fn a_permit_that_is_lost_with_its_waiter_is_noticed() {
    let said = fault::with(Fault::PermitLostWithWaiter, || breaks(|| leases(2)));
    assert!(said.contains("deadlock") || said.contains("is back"), "{said}");
}

#[test]
fn a_permit_without_a_block_is_noticed() {
    let said = fault::with(Fault::PermitTooMany, || breaks(|| leases(2)));
    assert!(said.contains("are out") || said.contains("stands for a block"), "{said}");
}

#[test]
fn a_count_of_waiters_that_loses_one_is_noticed() {
    let said = fault::with(Fault::CounterTorn, || breaks(|| leases(1)));
    assert!(said.contains("nobody waits") || said.contains("overflow"), "{said}");
}
