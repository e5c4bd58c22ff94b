//! Runs a law under many schedules: half of them random walks, half with random priorities that change at few moments
//! (PCT), which finds what needs one task to be kept waiting for long.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// Schedules per law in an ordinary run.
const ROUNDS: usize = 3_000;
/// Schedules within which a broken primitive must have been noticed.
const ROUNDS_UNTIL_CAUGHT: usize = 20_000;
/// Moments at which PCT lets another task go first.
const PRIORITY_CHANGES: usize = 3;
/// More steps than any schedule needs: beyond, tasks turn in circles.
const STEPS_MAX: usize = 200_000;

/// What a thread of the shuttle has as its stack: formatting a failure needs more than the default.
const STACK_BYTES: usize = 256 * 1024;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Notes which schedules were taken.
struct Counted<S> {
    scheduler: S,
    hasher: DefaultHasher,
    seen: Arc<Mutex<HashSet<u64>>>,
}

impl<S: Scheduler> Counted<S> {
    fn new(scheduler: S, seen: &Arc<Mutex<HashSet<u64>>>) -> Self {
        Self { scheduler, hasher: DefaultHasher::new(), seen: Arc::clone(seen) }
    }
}

impl<S: Scheduler> Scheduler for Counted<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        let last = std::mem::take(&mut self.hasher);
        if last.finish() != DefaultHasher::new().finish() {
            self.seen.lock().unwrap().insert(last.finish());
        }
        self.scheduler.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let next = self.scheduler.next_task(runnable, current, is_yielding);
        next.map(usize::from).hash(&mut self.hasher);
        next
    }

    fn next_u64(&mut self) -> u64 {
        let value = self.scheduler.next_u64();
        value.hash(&mut self.hasher);
        value
    }
}

fn run(rounds: usize, config: &Config, law: impl Fn() + Send + Sync + 'static) -> (usize, usize) {
    let seed = setting("SLUICEGATE_INTERLEAVE_SEED", 0x51);
    let (law, seen) = (Arc::new(law), Arc::default());
    let walks = RandomScheduler::new_from_seed(seed, rounds / 2);
    let again = Arc::clone(&law);
    let ran = Runner::new(Counted::new(walks, &seen), config.clone()).run(move || again());
    let priorities = PctScheduler::new_from_seed(seed, PRIORITY_CHANGES, rounds - rounds / 2);
    let ran = ran + Runner::new(Counted::new(priorities, &seen), config.clone()).run(move || law());
    let distinct = seen.lock().unwrap().len();
    (ran, distinct)
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    // The orderings are known not to be checked.
    config.silence_warnings = true;
    config
}

/// Tries the law under many schedules. Dies at the first that breaks it.
pub(crate) fn holds(name: &str, law: impl Fn() + Send + Sync + 'static) {
    let rounds = setting("SLUICEGATE_INTERLEAVE_ROUNDS", ROUNDS as u64) as usize;
    let begun = Instant::now();
    let (ran, distinct) = run(rounds, &config(), law);
    eprintln!("{name}: {ran} schedules, {distinct} distinct, {:.1} s", begun.elapsed().as_secs_f64());
    assert!(distinct * 10 > ran, "{name}: the schedules repeat themselves");
}

/// What the law says when it is broken, which it must be under one of many schedules.
pub(crate) fn breaks(law: impl Fn() + Send + Sync + 'static) -> String {
    let mut config = config();
    config.failure_persistence = FailurePersistence::None;
    let outcome = catch_unwind(AssertUnwindSafe(|| run(ROUNDS_UNTIL_CAUGHT, &config, law)));
    let panic = outcome.expect_err("no schedule has shown what is broken");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&'static str>().map_or_else(|_| String::new(), |text| (*text).to_owned()),
    }
}
