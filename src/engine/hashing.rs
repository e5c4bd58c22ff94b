//! Where blocks of all uploads are hashed together: a queue, and the threads that take whatever is in it.
//!
//! There is no thread that sleeps until there is work. Whoever queues a block while nobody hashes starts a blocking
//! job that does, the hasher. It takes whatever is queued into the lanes of the processor, tops them up after each
//! piece, and never waits for more. What was hashed goes on in a blocking job of its own, except the last block before
//! the hasher ends, which goes on in the same job: so a stream that is alone pays for no more changes of threads than
//! if it hashed by itself. The other ways lost: a thread of its own costs a stream that is alone two changes more for
//! each block, and jobs that wait for one of them to hash for all would fill the blocking threads that reads need.
//!
//! A second hasher starts when more blocks wait than the lanes of the first will hold twice over, and leaves when the
//! others have room for its own: half-filled lanes cost as much as full ones.
//!
//! The queue holds what uploads own, one block of each, and so is bounded by the pool of blocks.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::available_parallelism;

use tokio::task::spawn_blocking;

use crate::digest::{Flight, Kernels, Work};
use crate::limits::{HASHER_BACKLOG_FLIGHTS, HASHERS_MAX};
use crate::telemetry::record;

/// A block that is to be hashed, and what comes after.
pub(crate) trait Job: Work + Send {
    /// Goes on after the block was hashed. Blocks.
    fn run(self: Box<Self>);
}

/// The queue. One per engine.
pub struct Hashing {
    kernels: &'static Kernels,
    hashers_max: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<dyn Job>>,
    /// Hashers that have a turn.
    hashers: usize,
    /// Blocks in their lanes.
    aboard: usize,
    /// One of them takes no more.
    is_one_leaving: bool,
}

const NEVER_POISONED: &str = "nothing panics while it holds the queue";

impl Hashing {
    /// An empty queue for a processor that runs `kernels`.
    pub fn new(kernels: &'static Kernels) -> Arc<Self> {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::with_hashers(kernels, cores.min(HASHERS_MAX))
    }

    fn with_hashers(kernels: &'static Kernels, hashers_max: usize) -> Arc<Self> {
        Arc::new(Self { kernels, hashers_max, queue: Mutex::default() })
    }

    /// Queues `job`. It is hashed and then run on blocking threads of the runtime; if that stops, it is dropped.
    pub(crate) fn submit(self: &Arc<Self>, job: Box<dyn Job>) {
        let mut queue = self.queue();
        queue.waiting.push_back(job);
        let backlog = HASHER_BACKLOG_FLIGHTS * self.kernels.lanes_max();
        let is_piling_up = queue.hashers < self.hashers_max && queue.waiting.len() > backlog;
        if queue.hashers == 0 || is_piling_up {
            self.start(queue);
        }
    }

    /// Starts another hasher.
    fn start(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        queue.hashers += 1;
        drop(queue);
        let turn = Turn { hashing: Arc::clone(self), aboard: 0, has_begun: false, is_leaving: false, is_over: false };
        drop(spawn_blocking(move || turn.run()));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(NEVER_POISONED)
    }
}

/// One hasher. However it ends, the queue knows.
struct Turn {
    hashing: Arc<Hashing>,
    /// Blocks in its lanes.
    aboard: usize,
    has_begun: bool,
    is_leaving: bool,
    is_over: bool,
}

impl Turn {
    fn run(mut self) {
        self.has_begun = true;
        let mut flight = Flight::new(self.hashing.kernels);
        let mut last: Option<Box<dyn Job>> = None;
        while self.board(&mut flight) {
            if let Some(job) = last.take() {
                drop(spawn_blocking(move || job.run()));
            }
            record::hashed(flight.len() as u64);
            flight.step(|job| {
                if let Some(before) = last.replace(job) {
                    drop(spawn_blocking(move || before.run()));
                }
            });
        }
        if let Some(job) = last {
            job.run();
        }
    }

    /// Fills the lanes from the queue. Without anything to hash the turn is over.
    fn board(&mut self, flight: &mut Flight<Box<dyn Job>>) -> bool {
        let hashing = Arc::clone(&self.hashing);
        let mut queue = hashing.queue();
        queue.aboard -= self.aboard - flight.len();
        let others_lanes = (queue.hashers - 1) * hashing.kernels.lanes_max();
        if self.is_leaving && queue.hashers == 1 {
            (self.is_leaving, queue.is_one_leaving) = (false, false);
        } else if !queue.is_one_leaving && queue.aboard + queue.waiting.len() <= others_lanes {
            (self.is_leaving, queue.is_one_leaving) = (true, true);
        }
        let boarding = if self.is_leaving { 0 } else { flight.room().min(queue.waiting.len()) };
        let boarding: Vec<_> = queue.waiting.drain(..boarding).collect();
        self.aboard = flight.len() + boarding.len();
        queue.aboard += boarding.len();
        if self.aboard == 0 {
            self.end(&mut queue);
            self.is_over = true;
            return false;
        }
        drop(queue);
        boarding.into_iter().for_each(|job| flight.board(job));
        true
    }

    /// Leaves the queue to the other hashers, or to the next that is started.
    fn end(&self, queue: &mut Queue) {
        queue.hashers -= 1;
        queue.aboard -= self.aboard;
        queue.is_one_leaving &= !self.is_leaving;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let hashing = Arc::clone(&self.hashing);
        let mut queue = hashing.queue();
        self.end(&mut queue);
        if queue.hashers > 0 || queue.waiting.is_empty() {
            return;
        }
        if self.has_begun {
            // Hashing panicked. Whoever was aboard is told by that nobody answers; the others go on.
            hashing.start(queue);
        } else {
            // The runtime stops, and runs nothing any more.
            let stranded = std::mem::take(&mut queue.waiting);
            drop(queue);
            drop(stranded);
        }
    }
}

#[cfg(test)]
mod tests;
