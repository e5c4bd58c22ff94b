//! The crash sweep: the process dies at one durable step after the other, of its start, of its work and of its stop,
//! and the next process must find everything in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::gateway::{Lane, Process, scratch};
use super::journal::{Contests, END, Slot};
use super::shim::{Action, Fault, class, kind};
use super::verify::verify;
use super::workload::{Arena, make_buckets, run, slots};
use super::{is_full, seed, setting};

/// Crash points of an ordinary run, and of a full one.
const POINTS: u64 = 160;
const POINTS_FULL: u64 = 2_400;
/// Sweeps at a time, each on its own data.
const LANES: u64 = 2;
/// Deaths that one directory of data goes through before the next begins empty.
const DEATHS: u64 = 30;
/// Steps at work that a run goes to at least: a short one leaves some out.
const STEPS: u64 = 1_500;
/// How long the clients work if the gateway does not die.
const WORK: Duration = Duration::from_secs(2);

/// Calls that are rare among all steps, and are gone through by themselves.
const RARE: [(u64, u64); 8] = [
    (kind::CREATE, class::CHUNK),
    (kind::WRITE, class::CHUNK),
    (kind::TRUNCATE, class::CHUNK),
    (kind::SYNC, class::CHUNK),
    (kind::SYNC, class::DIRECTORY),
    (kind::UNLINK, class::CHUNK),
    (kind::UNLINK | kind::MKDIR, class::DIRECTORY),
    (kind::SYNC, class::WAL),
];

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    /// At a step of its start.
    Start(u64),
    /// At a step of its work.
    Work(u64),
    /// At one of `RARE`, at work.
    Rare(usize, u64),
    /// At a step of its orderly stop.
    Stop(u64),
}

/// The `turn`th place to die of a sweep with `points` of them.
fn point(turn: u64, points: u64) -> Point {
    let (round, place) = (turn / 10, turn % 10);
    match place {
        0 => Point::Start(1 + round % 40),
        1 => Point::Stop(1 + round % 60),
        2..=4 => {
            let rare = (round * 3 + place - 2) as usize;
            Point::Rare(rare % RARE.len(), 1 + (rare / RARE.len()) as u64)
        }
        _ => Point::Work((1 + round * 5 + place - 5) * (STEPS / points.min(STEPS))),
    }
}

/// What the sweeps died at, and how often: where, kind of call, class of file.
#[derive(Default)]
struct Deaths {
    points: BTreeMap<Point, u64>,
    calls: BTreeMap<(u64, u64), u64>,
    acknowledged: u64,
}

struct Sweep {
    lane: Lane,
    slots: Vec<Slot>,
    contests: Contests,
    deaths: Deaths,
}

impl Sweep {
    fn new(lane: Lane, deaths: Deaths) -> Self {
        Self { lane, slots: slots(), contests: Contests::new(), deaths }
    }

    fn count(&mut self, point: Point) {
        // It may also have got away, where there are not so many steps.
        if let Some(died_at) = self.lane.control.killed() {
            *self.deaths.points.entry(point).or_default() += 1;
            *self.deaths.calls.entry(died_at).or_default() += 1;
        }
    }

    /// Starts the gateway on what the last death left, and verifies that.
    fn recover(&mut self, point: Point) -> Process {
        self.lane.control.reset();
        let process = self.lane.start().expect("nothing kills it");
        let client = process.client();
        let is_new = client.head("/plain").status == 404 || client.head("/kept").status == 404;
        if !is_new {
            let verdict = verify(&client, &mut self.slots, &mut self.contests, END);
            verdict.unwrap_or_else(|wrong| panic!("before {point:?}: {wrong}\n{}", self.lane.tail()));
        }
        self.lane.check();
        process
    }

    fn die(&mut self, point: Point, seed: u64) {
        if let Point::Start(step) = point {
            self.lane.control.reset();
            self.lane.control.kill_at(step, step % 2 == 0);
            drop(self.lane.start());
            return self.count(point);
        }
        let process = self.recover(point);
        let control = &self.lane.control;
        match point {
            Point::Work(step) => control.kill_at(step, step % 2 == 0),
            Point::Rare(rare, call) => {
                let (kinds, classes) = RARE[rare];
                control.set_fault(Fault { kinds, classes, first: call, last: call, action: Action::Kill });
            }
            Point::Start(_) | Point::Stop(_) => {}
        }
        let time = if matches!(point, Point::Stop(_)) { WORK / 10 } else { WORK };
        if make_buckets(&process.client()) {
            let arena = Arc::new(Arena::new(process.client(), std::mem::take(&mut self.contests), || 0));
            let slots = std::mem::take(&mut self.slots);
            self.slots = run(&arena, slots, seed, time);
            let arena = Arc::into_inner(arena).expect("the clients have ended");
            assert!(arena.refusals.lock().unwrap().is_empty(), "{:?}\n{}", arena.refusals, self.lane.tail());
            self.contests = arena.contests.into_inner().unwrap();
            self.deaths.acknowledged += arena.acknowledged.load(Ordering::Relaxed);
        }
        if let Point::Stop(step) = point {
            self.lane.control.kill_at(step, step % 2 == 0);
            process.stop();
        } else {
            process.kill();
        }
        self.count(point);
    }
}

/// Sweeps until all lanes together have died `points` times.
fn sweep(next: &AtomicU64, died: &AtomicU64, points: u64) -> Deaths {
    let mut deaths = Deaths::default();
    while died.load(Ordering::SeqCst) < points {
        let scratch = scratch();
        let mut sweep = Sweep::new(Lane::new(scratch.path()), deaths);
        for _ in 0..DEATHS {
            let turn = next.fetch_add(1, Ordering::SeqCst);
            sweep.die(point(turn, points), seed() << 16 | turn);
            if sweep.lane.control.killed().is_some() && died.fetch_add(1, Ordering::SeqCst) + 1 >= points {
                break;
            }
        }
        let process = sweep.recover(Point::Work(0));
        assert!(process.stop(), "an orderly stop\n{}", sweep.lane.tail());
        sweep.lane.check();
        deaths = sweep.deaths;
    }
    deaths
}

#[test]
fn what_was_acknowledged_survives_death_at_every_durable_step() {
    let points = setting("SLUICEGATE_PROOF_POINTS").unwrap_or(if is_full() { POINTS_FULL } else { POINTS });
    let (next, died, began) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    let lanes: Vec<Deaths> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(|| sweep(&next, &died, points))).collect();
        lanes.into_iter().map(|lane| lane.join().expect("a lane")).collect()
    });
    let mut all = Deaths::default();
    for lane in lanes {
        lane.points.into_iter().for_each(|(point, count)| *all.points.entry(point).or_default() += count);
        lane.calls.into_iter().for_each(|(call, count)| *all.calls.entry(call).or_default() += count);
        all.acknowledged += lane.acknowledged;
    }
    let (total, distinct): (u64, usize) = (all.points.values().sum(), all.points.len());
    let (acknowledged, seconds) = (all.acknowledged, began.elapsed().as_secs_f64());
    eprintln!(
        "{total} deaths at {distinct} points, {acknowledged} acknowledged writes, {seconds:.0} s, seed {}",
        seed()
    );
    for ((kind, class), count) in &all.calls {
        eprintln!("{count:6} at a {} of a {}", kind::name(*kind), class::name(*class));
    }
    assert!(total >= points, "{total} of {points}");
    assert!(acknowledged > points, "the clients had something to lose");
}
