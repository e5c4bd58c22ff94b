use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::{Hashing, Job, Kernels, Work};
use crate::digest::{Digests, Tee};
use crate::types::ChecksumAlgorithm;

const PATIENCE: Duration = Duration::from_secs(20);

/// A block that tells where it was hashed and run, and what came out.
struct Probe {
    tee: Option<Tee>,
    bytes: Vec<u8>,
    /// Called when it is first hashed.
    at_hashing: Option<Box<dyn FnOnce() + Send>>,
    hashed_by: Option<ThreadId>,
    ended: SyncSender<(Digests, ThreadId, ThreadId)>,
}

impl Work for Probe {
    fn parts(&mut self) -> (&mut Tee, &[u8]) {
        self.hashed_by.get_or_insert_with(|| std::thread::current().id());
        if let Some(at_hashing) = self.at_hashing.take() {
            at_hashing();
        }
        (self.tee.as_mut().expect("not run yet"), &self.bytes)
    }
}

impl Job for Probe {
    fn run(mut self: Box<Self>) {
        let digests = self.tee.take().expect("run once").finish();
        let hashed_by = self.hashed_by.expect("hashed before it is run");
        self.ended.send((digests, hashed_by, std::thread::current().id())).unwrap();
    }
}

type Ended = Receiver<(Digests, ThreadId, ThreadId)>;

fn probe(bytes: Vec<u8>, at_hashing: Option<Box<dyn FnOnce() + Send>>) -> (Box<Probe>, Ended) {
    let (ended, receiver) = sync_channel(1);
    let tee = Some(Tee::new(ChecksumAlgorithm::Crc64Nvme));
    (Box::new(Probe { tee, bytes, at_hashing, hashed_by: None, ended }), receiver)
}

fn noise(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|n| ((n ^ seed << 20).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as u8).collect()
}

fn digests_of(bytes: &[u8]) -> Digests {
    let mut tee = Tee::new(ChecksumAlgorithm::Crc64Nvme);
    tee.update(bytes);
    tee.finish()
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

fn portable() -> &'static Kernels {
    Kernels::runnable().last().unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn every_block_is_hashed_and_goes_on_with_every_set_of_kernels() {
    let runtime = runtime();
    let _inside = runtime.enter();
    for kernels in Kernels::runnable() {
        for hashers_max in [1, 3] {
            let hashing = Hashing::with_hashers(kernels, hashers_max);
            let probes: Vec<_> = (0..70)
                .map(|n| {
                    let bytes = noise(n, n * 37 % 1900);
                    let (job, ended) = probe(bytes.clone(), None);
                    hashing.submit(job);
                    (bytes, ended)
                })
                .collect();
            for (bytes, ended) in probes {
                let (digests, ..) = ended.recv_timeout(PATIENCE).unwrap();
                assert_eq!(digests, digests_of(&bytes), "{} bytes, {}", bytes.len(), kernels.name());
            }
            wait_until("all hashers end", || hashing.queue().hashers == 0);
            let queue = hashing.queue();
            assert_eq!((queue.aboard, queue.waiting.len(), queue.is_one_leaving), (0, 0, false));
        }
    }
}

#[test]
fn a_block_that_is_alone_stays_on_one_thread() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let hashing = Hashing::new(Kernels::here());
    for _ in 0..10 {
        let (job, ended) = probe(noise(1, 100_000), None);
        hashing.submit(job);
        let (_, hashed_by, run_by) = ended.recv_timeout(PATIENCE).unwrap();
        assert_eq!(hashed_by, run_by);
        wait_until("the hasher ends", || hashing.queue().hashers == 0);
    }
}

#[test]
fn a_panic_in_hashing_takes_those_aboard_along_and_nobody_else() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let hashing = Hashing::with_hashers(portable(), 1);
    let (gate, opened) = sync_channel::<()>(1);
    let (first, broken) = probe(
        noise(1, 10),
        Some(Box::new(move || {
            opened.recv().unwrap();
            panic!("as a kernel might");
        })),
    );
    hashing.submit(first);
    let others: Vec<_> = (0..5).map(|n| probe(noise(n, 5000), None)).collect();
    let others: Vec<_> = others
        .into_iter()
        .map(|(job, ended)| {
            hashing.submit(job);
            ended
        })
        .collect();
    gate.send(()).unwrap();
    assert!(broken.recv_timeout(PATIENCE).is_err(), "nobody answers");
    for (n, ended) in others.into_iter().enumerate() {
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap().0, digests_of(&noise(n, 5000)));
    }
    wait_until("the hasher ends", || hashing.queue().hashers == 0);
    assert_eq!(hashing.queue().aboard, 0);
}

#[test]
fn helpers_come_when_blocks_pile_up_and_no_more_than_are_allowed() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let hashing = Hashing::with_hashers(portable(), 2);
    let (gates, probes): (Vec<_>, Vec<_>) = (0..12)
        .map(|n| {
            let (gate, opened) = sync_channel::<()>(1);
            let (job, ended) = probe(noise(n, 100), Some(Box::new(move || opened.recv().unwrap())));
            hashing.submit(job);
            // One lane, and as many as two that wait, are no reason for a helper.
            let busy = if n < 3 { 1 } else { 2 };
            wait_until("a hasher is busy", || hashing.queue().aboard == busy);
            assert_eq!(hashing.queue().hashers, busy, "{n} blocks");
            (gate, ended)
        })
        .unzip();
    gates.iter().for_each(|gate| gate.send(()).unwrap());
    for (n, ended) in probes.into_iter().enumerate() {
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap().0, digests_of(&noise(n, 100)));
    }
    wait_until("both end", || hashing.queue().hashers == 0);
    let queue = hashing.queue();
    assert_eq!((queue.aboard, queue.waiting.len(), queue.is_one_leaving), (0, 0, false));
}

#[test]
fn a_helper_leaves_when_the_others_have_room() {
    let Some(kernels) = Kernels::runnable().find(|kernels| kernels.lanes_max() >= 8) else { return };
    let lanes = kernels.lanes_max();
    let runtime = runtime();
    let _inside = runtime.enter();
    let hashing = Hashing::with_hashers(kernels, 2);
    // Both stand with one block aboard until all others wait.
    let ((first_gate, first_opened), (gate, opened)) = (sync_channel::<()>(1), sync_channel::<()>(1));
    let (first, ended) = probe(noise(0, 3000), Some(Box::new(move || first_opened.recv().unwrap())));
    hashing.submit(first);
    wait_until("the first is aboard", || hashing.queue().aboard == 1);
    let mut opened = Some(opened);
    let rest: Vec<_> = (1..=3 * lanes)
        .map(|n| {
            let stop =
                opened.take().map(|opened| -> Box<dyn FnOnce() + Send> { Box::new(move || opened.recv().unwrap()) });
            let (job, ended) = probe(noise(n, 3000), stop);
            hashing.submit(job);
            ended
        })
        .collect();
    assert_eq!(hashing.queue().hashers, 2);
    gate.send(()).unwrap();
    for (n, ended) in rest.into_iter().enumerate() {
        assert_eq!(ended.recv_timeout(PATIENCE).unwrap().0, digests_of(&noise(n + 1, 3000)), "while the first stands");
    }
    wait_until("the helper leaves", || hashing.queue().hashers == 1);
    first_gate.send(()).unwrap();
    ended.recv_timeout(PATIENCE).unwrap();
    wait_until("the first ends", || hashing.queue().hashers == 0);
}

#[test]
fn a_runtime_that_has_stopped_drops_what_is_queued() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _inside = handle.enter();
    let hashing = Hashing::new(Kernels::here());
    let (job, ended) = probe(noise(1, 10), None);
    hashing.submit(job);
    assert!(ended.recv_timeout(PATIENCE).is_err(), "nobody answers");
    let queue = hashing.queue();
    assert_eq!((queue.hashers, queue.waiting.len()), (0, 0));
}
