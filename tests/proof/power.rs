//! Power cuts: one run is recorded, over several boots; then the power goes at many moments of it, and the gateway
//! must find on what a disk would hold whatever it had acknowledged by then. And the test of the test: gateways whose
//! syncs do nothing are caught.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gateway::{Lane, PATIENCE, scratch};
use super::image::{Disk, Fate, Log};
use super::journal::{Body, Contests, END, Slot};
use super::shim::{Action, Fault, class, kind};
use super::verify::{Verdict, verify};
use super::workload::{Arena, Dice, make_buckets, run, slots};
use super::{is_full, seed, setting};

/// Power cuts of an ordinary run, and of a full one.
const CUTS: u64 = 80;
const CUTS_FULL: u64 = 2_000;
/// How long the clients work in each boot of a recording.
const WORK: Duration = Duration::from_millis(1_200);

/// What the clients knew in one boot.
struct Boot {
    /// Records when the boot was verified and its clients began. Before, the last boot's knowledge holds.
    from: u64,
    slots: Vec<Slot>,
    contests: Contests,
}

/// A recorded run.
struct Recording {
    log: Log,
    /// The buckets are there from here on.
    made: u64,
    boots: Vec<Boot>,
}

/// What is wrong with the disk while a run is recorded, from when the buckets are there.
#[derive(Clone, Copy)]
enum Disorder {
    Nothing,
    /// Syncs of files of these classes do nothing.
    Swallowed(u64),
    Faulty(Fault),
}

/// Records boots that end by a kill, by an orderly stop and by a kill again.
fn record(scratch: &Path, disorder: Disorder) -> Recording {
    let mut lane = Lane::new(scratch);
    lane.record = Some(scratch.join("record"));
    let control = Arc::new(super::shim::Control::share(lane.control.path()));
    let (mut boots, mut made): (Vec<Boot>, u64) = (Vec::new(), 0);
    for number in 0..3 {
        let process = lane.start().expect("nothing kills it");
        let (mut slots, mut contests) = match boots.last() {
            None => {
                assert!(make_buckets(&process.client()));
                made = control.logged();
                (slots(), Contests::new())
            }
            Some(Boot { slots, contests, .. }) => (slots.clone(), contests.clone()),
        };
        verify(&process.client(), &mut slots, &mut contests, END).expect("nothing was lost yet");
        let from = control.logged();
        match disorder {
            Disorder::Nothing => {}
            Disorder::Swallowed(classes) => control.swallow_syncs(classes),
            Disorder::Faulty(fault) => control.set_fault(fault),
        }
        let clock = Arc::clone(&control);
        let arena = Arc::new(Arena::new(process.client(), contests, move || clock.logged()));
        let slots = run(&arena, slots, seed() << 8 | number, WORK);
        let arena = Arc::into_inner(arena).expect("the clients have ended");
        if !matches!(disorder, Disorder::Faulty(_)) {
            assert!(arena.refusals.lock().unwrap().is_empty(), "{:?}", arena.refusals);
        }
        boots.push(Boot { from, slots, contests: arena.contests.into_inner().unwrap() });
        if number == 1 {
            control.clear_fault();
            assert!(process.stop(), "an orderly stop");
        } else {
            process.kill();
            control.clear_fault();
        }
    }
    Recording { log: Log::read(lane.record.as_deref().unwrap()), made, boots }
}

impl Recording {
    /// The moments right after an answer: nothing may be missing then.
    fn answers(&self) -> Vec<u64> {
        let events = self.boots.iter().flat_map(|boot| &boot.slots).flat_map(|slot| &slot.events);
        let times: BTreeSet<u64> = events.filter_map(|event| event.ended.as_ref().map(|(at, _)| *at)).collect();
        times.into_iter().collect()
    }

    /// Has the gateway recover from `image`, as it was at `cut`.
    fn recovers(&self, lane: &Lane, cut: u64) -> Verdict {
        lane.control.reset();
        let process = lane.try_start()?;
        if cut >= self.made {
            let boot = self.boots.iter().rev().find(|boot| boot.from <= cut).unwrap_or(&self.boots[0]);
            let (mut slots, mut contests) = (boot.slots.clone(), boot.contests.clone());
            verify(&process.client(), &mut slots, &mut contests, cut)?;
        }
        lane.try_check()
    }

    /// Cuts the power at `cuts`, in ascending order. Gives what went wrong first, and how often it went well.
    fn cut_at(&self, cuts: &[(u64, Fate)], scratch: &Path) -> (u64, Verdict) {
        let lane = Lane::new(scratch);
        let mut disk = Disk::new(&self.log);
        for (done, (cut, fate)) in cuts.iter().enumerate() {
            disk.advance(*cut);
            disk.image(&lane.data, *fate, seed() << 32 | done as u64);
            if let Err(wrong) = self.recovers(&lane, *cut) {
                return (done as u64, Err(format!("cut at record {cut}, unsynced {fate:?}: {wrong}\n{}", lane.tail())));
            }
        }
        (cuts.len() as u64, Ok(()))
    }
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let wanted = setting("SLUICEGATE_PROOF_CUTS").unwrap_or(if is_full() { CUTS_FULL } else { CUTS });
    let began = Instant::now();
    let place = scratch();
    let recording = record(place.path(), Disorder::Nothing);
    let (answers, records) = (recording.answers(), recording.log.len());
    let mut dice = Dice::new(seed());
    let mut cuts: Vec<_> = (0..wanted)
        .map(|number| {
            let at = match number % 3 {
                // Anywhere, the very start now and then.
                0 if number % 4 == 0 => dice.roll(recording.boots[0].from),
                0 => dice.roll(records + 1),
                _ => answers[dice.roll(answers.len() as u64) as usize],
            };
            (at, Fate::ALL[dice.roll(4) as usize])
        })
        .collect();
    cuts.sort_by_key(|(at, _)| *at);
    // Two at a time, each through one half of the moments.
    let places = [scratch(), scratch()];
    let done: Vec<_> = std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                let cuts: Vec<_> = cuts.iter().skip(half).step_by(2).copied().collect();
                let (recording, place) = (&recording, places[half].path());
                scope.spawn(move || recording.cut_at(&cuts, place))
            })
            .collect();
        halves.into_iter().map(|half| half.join().expect("a half")).collect()
    });
    for (_, verdict) in &done {
        verdict.as_ref().unwrap_or_else(|wrong| panic!("seed {}: {wrong}", seed()));
    }
    let (count, seconds) = (done.iter().map(|(done, _)| done).sum::<u64>(), began.elapsed().as_secs_f64());
    eprintln!("{count} power cuts of {records} steps and {} answers, {seconds:.0} s, seed {}", answers.len(), seed());
}

/// A gateway without one kind of sync loses something, and this notices.
#[test]
fn a_gateway_that_skips_a_sync_is_caught() {
    for (what, swallowed) in
        [("chunk files", class::CHUNK), ("directories", class::DIRECTORY), ("the log of the database", class::WAL)]
    {
        let place = scratch();
        let recording = record(place.path(), Disorder::Swallowed(swallowed));
        let answers = recording.answers();
        let cuts: Vec<_> = answers.iter().step_by(answers.len() / 20 + 1).map(|at| (*at, Fate::Lost)).collect();
        let (done, verdict) = recording.cut_at(&cuts, scratch().path());
        let wrong = verdict.expect_err(&format!("without syncs of {what} nothing was lost in {done} cuts"));
        eprintln!(
            "without syncs of {what}: caught at cut {} of {}: {}",
            done + 1,
            cuts.len(),
            wrong.lines().next().unwrap()
        );
    }
}

/// Moments right after answers, at which what was not synced is lost or torn.
fn after_answers(recording: &Recording, wanted: usize) -> Vec<(u64, Fate)> {
    let answers = recording.answers();
    let cuts = answers.iter().step_by(answers.len() / wanted + 1).enumerate();
    cuts.map(|(number, at)| (*at, [Fate::Lost, Fate::Torn][number % 2])).collect()
}

/// Syncs that fail, six of them: what they were for never reaches the disk, whoever syncs again.
fn failing_syncs(classes: u64, action: Action) -> Disorder {
    failing_syncs_until(9, classes, action)
}

fn failing_syncs_until(last: u64, classes: u64, action: Action) -> Disorder {
    Disorder::Faulty(Fault { kinds: kind::SYNC, classes, first: 4, last, action })
}

#[test]
fn nothing_depends_on_a_sync_that_failed() {
    let wanted = if is_full() { 200 } else { 12 };
    // With the log, the second time, what was not synced is the last that a killed process wrote.
    let log = class::WAL | class::DATABASE;
    for (classes, last) in [(class::CHUNK, 9), (class::DIRECTORY, 9), (log, 9), (log, u64::MAX)] {
        let place = scratch();
        let recording = record(place.path(), failing_syncs_until(last, classes, Action::Fail(libc::EIO)));
        let cuts = after_answers(&recording, wanted);
        let (done, verdict) = recording.cut_at(&cuts, scratch().path());
        verdict.unwrap_or_else(|wrong| panic!("{}: {wrong}", class::name(classes)));
        eprintln!("{done} power cuts after failed syncs of class {classes}");
    }
}

/// A gateway that syncs again after a failure is told that all is well. It loses something, and this notices.
#[test]
fn a_gateway_that_syncs_again_is_caught() {
    for classes in [class::CHUNK, class::DIRECTORY, class::WAL] {
        let place = scratch();
        let recording = record(place.path(), failing_syncs(classes, Action::Lie));
        let (done, verdict) = recording.cut_at(&after_answers(&recording, 20), scratch().path());
        let wrong = verdict.expect_err(&format!("{}: nothing was lost in {done} cuts", class::name(classes)));
        eprintln!("{} synced again: caught: {}", class::name(classes), wrong.lines().next().unwrap());
    }
}

/// The file of a chunk that could not be synced goes, the write is refused, and no sync is tried again.
#[test]
fn a_chunk_that_could_not_be_synced_is_discarded() {
    let place = scratch();
    let lane = Lane::new(place.path());
    let process = lane.start().expect("nothing kills it");
    let client = process.client();
    assert!(make_buckets(&client));
    let (old, new) = (Body::new(1, 40_000), Body::new(2, 40_000));
    client.put("/plain/k", old.bytes()).expect(200);
    for classes in [class::CHUNK, class::DIRECTORY] {
        let Disorder::Faulty(fault) = failing_syncs(classes, Action::Fail(libc::EIO)) else { unreachable!() };
        lane.control.set_fault(Fault { first: 1, last: 1, ..fault });
        client.put("/plain/k", new.bytes()).expect_error(500, "InternalError");
        assert_eq!(lane.control.fired(), 1);
        assert_eq!(client.get("/plain/k").expect(200).etag(), old.md5);
        // One file is left: neither a part of the refused body, nor a second try.
        lane.check();
        assert_eq!(lane.control.resynced(), 0, "a sync of a {} was tried again", class::name(classes));
    }
    client.put("/plain/k", new.bytes()).expect(200);
    assert_eq!(client.get("/plain/k").expect(200).etag(), new.md5);
    assert!(process.stop(), "an orderly stop");
    lane.check();
}

/// A boot removes the files of uploads that failed and is killed before it synced that; the next one sweeps, and says
/// that there is nothing left. If the power goes then, there must be nothing left.
#[test]
fn a_removal_that_nobody_synced_is_not_forgotten() {
    let place = scratch();
    let mut lane = Lane::new(place.path());
    lane.record = Some(place.path().join("record"));
    let process = lane.start().expect("nothing kills it");
    let client = process.client();
    assert!(make_buckets(&client));
    for seed in 0..12 {
        let call = client.call("PUT", "/plain/k").body(Body::new(seed, 300_000).bytes());
        call.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").send().expect_error(400, "BadDigest");
    }
    process.kill();
    let process = lane.start().expect("nothing kills it");
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&lane.log).unwrap().contains("swept after a crash") {
        assert!(Instant::now() < deadline, "a sweep after a crash\n{}", lane.tail());
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill();
    let recording = Recording { log: Log::read(lane.record.as_deref().unwrap()), made: END, boots: Vec::new() };
    let cuts: Vec<_> = (0..10).map(|_| (recording.log.len(), Fate::Torn)).collect();
    let (_, verdict) = recording.cut_at(&cuts, scratch().path());
    verdict.unwrap_or_else(|wrong| panic!("{wrong}"));
}
