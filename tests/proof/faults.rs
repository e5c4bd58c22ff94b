//! Faults of the disk at the Nth call, for every N: once, and from then on. A request succeeds or is refused with the
//! right error; nothing that was acknowledged is lost; and when the disk is well again the gateway is too, without a
//! restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::gateway::{Lane, Process, scratch};
use super::journal::{Body, Contests, END, Slot};
use super::shim::{Action, Fault, class, kind};
use super::support::client::{Client, Credentials};
use super::support::md5_hex;
use super::support::server::ROOT_ID;
use super::verify::{PLAIN, verify};
use super::workload::{Arena, Runner, make_buckets, slots};
use super::{is_full, seed};

/// Calls that an ordinary run goes through one by one; beyond, it takes larger and larger steps.
const EACH: u64 = 3;

/// A kind of fault, and what clients are to be told: of a full disk 507, else 500, and 503 when writes keep failing.
struct Case {
    name: &'static str,
    kinds: u64,
    classes: u64,
    action: Action,
    told: &'static [(u16, &'static str)],
}

const FULL: &[(u16, &str)] = &[(507, "InsufficientStorage")];
const BROKEN: &[(u16, &str)] = &[(500, "InternalError"), (503, "ServiceUnavailable")];
const NOTHING: &[(u16, &str)] = &[];

const fn case(
    name: &'static str,
    kinds: u64,
    classes: u64,
    action: Action,
    told: &'static [(u16, &'static str)],
) -> Case {
    Case { name, kinds, classes, action, told }
}

const DATA: u64 = class::CHUNK;
const META: u64 = class::DATABASE | class::WAL;

const CASES: &[Case] = &[
    case("EIO, write of a chunk file", kind::WRITE, DATA, Action::Fail(libc::EIO), BROKEN),
    case("EIO, sync of a chunk file", kind::SYNC, DATA, Action::Fail(libc::EIO), BROKEN),
    case("EIO, sync of a directory", kind::SYNC, class::DIRECTORY, Action::Fail(libc::EIO), BROKEN),
    case("EIO, new chunk file", kind::CREATE, DATA, Action::Fail(libc::EIO), BROKEN),
    case("EIO, cut of a chunk file", kind::TRUNCATE, DATA, Action::Fail(libc::EIO), BROKEN),
    case("EIO, unlink of a chunk file", kind::UNLINK, DATA, Action::Fail(libc::EIO), NOTHING),
    case("EIO, write of the database", kind::WRITE, META, Action::Fail(libc::EIO), BROKEN),
    case("EIO, sync of the database", kind::SYNC, META, Action::Fail(libc::EIO), BROKEN),
    case("EIO, read of the database", kind::READ, META, Action::Fail(libc::EIO), BROKEN),
    case("ENOSPC, write of a chunk file", kind::WRITE, DATA, Action::Fail(libc::ENOSPC), FULL),
    case("ENOSPC, sync of a chunk file", kind::SYNC, DATA, Action::Fail(libc::ENOSPC), FULL),
    case("ENOSPC, new chunk file", kind::CREATE, DATA, Action::Fail(libc::ENOSPC), FULL),
    case("ENOSPC, write of the database", kind::WRITE, META, Action::Fail(libc::ENOSPC), FULL),
    case("EDQUOT, write of a chunk file", kind::WRITE, DATA, Action::Fail(libc::EDQUOT), FULL),
    case("EDQUOT, write of the database", kind::WRITE, META, Action::Fail(libc::EDQUOT), FULL),
    case("EMFILE, open of anything", kind::CREATE | kind::OPEN, !0, Action::Fail(libc::EMFILE), BROKEN),
    case("short writes of chunk files", kind::WRITE, DATA, Action::Short, NOTHING),
    case("short writes of the database", kind::WRITE, META, Action::Short, NOTHING),
];

/// A gateway and one client, who works through a script.
struct Patient {
    lane: Lane,
    process: Process,
    slots: Vec<Slot>,
    contests: Contests,
    bodies: u64,
}

impl Patient {
    fn new(scratch: &tempfile::TempDir) -> Self {
        let lane = Lane::new(scratch.path());
        let process = lane.start().expect("nothing kills it");
        assert!(make_buckets(&process.client()));
        let mine = slots().into_iter().filter(|slot| slot.key.starts_with("0/")).collect();
        Self { lane, process, slots: mine, contests: Contests::new(), bodies: seed() << 40 }
    }

    /// A little of everything that changes something. Gives the refusals.
    fn script(&mut self) -> Vec<(u16, String)> {
        let contests = std::mem::take(&mut self.contests);
        let arena = Arc::new(Arena::new(self.process.client(), contests, || 0));
        let slots = std::mem::take(&mut self.slots);
        let mut runner = Runner::new(Arc::clone(&arena), slots, self.bodies);
        for (slot, length) in [(0, 300), (1, 40_000), (2, 1_200_000), (0, 300_000)] {
            runner.unless_in_doubt(slot, |runner| runner.put_of(slot, length));
        }
        runner.unless_in_doubt(3, |runner| runner.copy(3));
        for _ in 0..3 {
            runner.unless_in_doubt(4, |runner| runner.advance_upload(4));
        }
        for slot in [5, 6, 5] {
            runner.unless_in_doubt(slot, |runner| runner.keep(slot));
        }
        for slot in [1, 3] {
            runner.unless_in_doubt(slot, |runner| runner.delete(slot));
        }
        let Runner { arena: shared, slots, bodies, .. } = runner;
        drop(shared);
        (self.slots, self.bodies) = (slots, bodies);
        let arena = Arc::into_inner(arena).expect("the client has ended");
        self.contests = arena.contests.into_inner().unwrap();
        arena.refusals.into_inner().unwrap()
    }

    /// Requires that everything is as the journal allows, and that all is well again.
    fn is_well(&mut self, what: &str) {
        let log = || self.lane.tail();
        self.lane.await_ready();
        let client = self.process.client();
        let verdict = verify(&client, &mut self.slots, &mut self.contests, END);
        verdict.unwrap_or_else(|wrong| panic!("{what}: {wrong}\n{}", log()));
        let refusals = self.script();
        assert!(refusals.is_empty(), "{what}: the disk is well again, but {refusals:?}\n{}", self.lane.tail());
        let verdict = verify(&client, &mut self.slots, &mut self.contests, END);
        verdict.unwrap_or_else(|wrong| panic!("{what}, afterwards: {wrong}\n{}", self.lane.tail()));
    }
}

/// Goes through one case. Gives the calls that failed, and the refusals.
fn go_through(case: &Case) -> (u64, u64) {
    let scratch = scratch();
    let mut patient = Patient::new(&scratch);
    assert!(patient.script().is_empty());
    let (mut faults, mut refused) = (0, 0);
    for lasting in [false, true] {
        let mut call = 1;
        loop {
            let what = format!("{}, call {call}{}", case.name, if lasting { " and all after it" } else { "" });
            let last = if lasting { u64::MAX } else { call };
            let Case { kinds, classes, action, .. } = *case;
            patient.lane.control.set_fault(Fault { kinds, classes, first: call, last, action });
            let refusals = patient.script();
            if kinds == kind::UNLINK {
                // That is the collector's, who comes once a second.
                std::thread::sleep(Duration::from_millis(1_300));
            }
            patient.lane.control.clear_fault();
            let fired = patient.lane.control.fired();
            for (status, code) in &refusals {
                let is_told = case.told.contains(&(*status, code.as_str()));
                assert!(is_told, "{what}: {status} {code}\n{}", patient.lane.tail());
            }
            patient.is_well(&what);
            faults += fired;
            refused += refusals.len() as u64;
            if fired == 0 {
                break;
            }
            call += if is_full() || call < EACH { 1 } else { call };
        }
    }
    let Patient { lane, process, .. } = patient;
    assert!(process.stop(), "an orderly stop\n{}", lane.tail());
    // What a commit in doubt left is for the sweep of the next start.
    let process = lane.start().expect("nothing kills it");
    lane.check();
    drop(process);
    (faults, refused)
}

#[test]
fn a_fault_at_any_call_loses_nothing_and_passes() {
    let began = Instant::now();
    let (cases, next) = (CASES, std::sync::atomic::AtomicUsize::new(0));
    let told = std::sync::Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    // Each case by itself: all that fail are told.
                    let outcome = std::panic::catch_unwind(|| go_through(case)).ok();
                    told.lock().unwrap().insert(case.name, outcome);
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    for (name, outcome) in &told {
        match outcome {
            Some((faults, refused)) => eprintln!("{faults:6} faults, {refused:5} refusals: {name}"),
            None => eprintln!("failed: {name}"),
        }
    }
    eprintln!("{:.0} s", began.elapsed().as_secs_f64());
    assert!(told.values().all(|outcome| outcome.is_some_and(|(faults, _)| faults > 0)), "each came, none failed");
}

/// Writes that keep failing make the gateway read-only: it says so, refuses at once what takes space, reads and deletes
/// as before; and it finds out by itself when the disk is well again.
#[test]
fn a_disk_that_keeps_failing_makes_the_gateway_read_only_and_back() {
    for (errno, reason, told) in
        [(libc::EIO, "failing", (503, "ServiceUnavailable")), (libc::EDQUOT, "full", (507, "InsufficientStorage"))]
    {
        let scratch = scratch();
        let lane = Lane::new(scratch.path());
        let process = lane.start().expect("nothing kills it");
        let client = process.client();
        client.bucket("sick");
        let body = Body::new(seed(), 300_000);
        client.put("/sick/before", body.bytes()).expect(200);
        client.put("/sick/gone", "inline").expect(200);
        let is_read_only = || lane.admin("/metrics").text().contains("sluicegate_read_only 1\n");
        assert!(!is_read_only());
        let fault = Fault {
            kinds: kind::WRITE | kind::SYNC,
            classes: DATA,
            first: 1,
            last: u64::MAX,
            action: Action::Fail(errno),
        };
        lane.control.set_fault(fault);
        let refusals: Vec<_> = (0..12).map(|_| client.put("/sick/during", body.bytes())).collect();
        assert!(refusals.iter().all(|answer| answer.status >= 500), "no write is acknowledged");
        assert_eq!((refusals[11].status, refusals[11].one("Code").as_str()), told, "{}", lane.tail());
        assert!(told.0 != 503 || refusals[11].header("retry-after").is_some());
        // Also what would go to the database only: nobody can tell it from what takes space.
        client.put("/sick/small", "inline").expect_error(told.0, told.1);
        let ready = lane.admin("/health/ready");
        let state: serde_json::Value = serde_json::from_str(&ready.text()).expect("health is JSON");
        assert_eq!((ready.status, &state["status"], &state["reason"]), (503, &"read-only".into(), &reason.into()));
        assert_eq!(lane.admin("/health/live").status, 200);
        assert!(is_read_only());
        assert_eq!(md5_hex(&client.get("/sick/before").expect(200).body), body.md5, "reads go on");
        client.delete("/sick/gone").expect(204);
        let fired = lane.control.fired();
        std::thread::sleep(Duration::from_millis(2_500));
        assert!(lane.control.fired() > fired, "it tries by itself");
        assert_eq!(lane.admin("/health/ready").status, 503);
        lane.control.clear_fault();
        lane.await_ready();
        assert!(!is_read_only());
        client.put("/sick/during", body.bytes()).expect(200);
        assert_eq!(client.get("/sick?list-type=2").expect(200).all("Key"), ["before", "during"]);
        lane.check();
        assert!(process.stop(), "an orderly stop");
    }
}

/// A read of a chunk that fails or returns a flipped bit: the body is refused or right, never wrong.
#[test]
fn a_flipped_bit_is_never_served() {
    reads_are_right_or_refused(Action::Flip);
}

#[test]
fn a_failed_read_is_refused() {
    reads_are_right_or_refused(Action::Fail(libc::EIO));
}

/// Bodies in the database too: it does not check what it reads.
#[test]
fn a_flipped_bit_of_the_database_is_never_served() {
    let bodies: Vec<_> = (0..20).map(|number| Body::new(seed() << 8 | number, 16_000)).collect();
    let (mut right, mut refused) = (0, 0);
    for call in 0..80 {
        // Most reads are of pages without a body: an ordinary run goes on until one of a body was hit.
        if call >= 16 && refused > 0 && !is_full() {
            break;
        }
        let scratch = scratch();
        let lane = Lane::new(scratch.path());
        let process = lane.start().expect("nothing kills it");
        assert!(make_buckets(&process.client()));
        for (number, body) in bodies.iter().enumerate() {
            process.client().put(&format!("/{PLAIN}/{number}"), body.bytes()).expect(200);
        }
        let parts = process.client().post(&format!("/{PLAIN}/parts?uploads"), "").expect(200).one("UploadId");
        let part = format!("/{PLAIN}/parts?partNumber=1&uploadId={parts}");
        let etag = process.client().put(&part, bodies[0].bytes()).expect(200).etag();
        let list = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
        let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
        process.client().post(&format!("/{PLAIN}/parts?uploadId={parts}"), list).expect(200);
        assert!(process.stop(), "an orderly stop");
        // Another process: what this one has read is not cached.
        let process = lane.start().expect("nothing kills it");
        let fault = Fault { kinds: kind::READ, classes: META, first: call + 1, last: call + 1, action: Action::Flip };
        lane.control.set_fault(fault);
        let get = |key: &str| process.client().call("GET", &format!("/{PLAIN}/{key}")).try_send();
        let keys = (0..bodies.len()).map(|number| number.to_string()).chain(["parts".to_owned()]);
        for (key, body) in keys.zip(bodies.iter().chain([&bodies[0]])) {
            match get(&key) {
                Ok(answer) if answer.status == 200 => {
                    assert_eq!(md5_hex(&answer.body), body.md5, "call {call}, {key}");
                    right += 1;
                }
                Ok(_) | Err(_) => refused += 1,
            }
        }
    }
    eprintln!("{right} answers right, {refused} refused");
    assert!(refused > 0, "{right} answers, none refused");
}

fn reads_are_right_or_refused(action: Action) {
    let scratch = scratch();
    let mut patient = Patient::new(&scratch);
    assert!(patient.script().is_empty());
    let (mut flipped, mut refused) = (0, 0);
    for call in 1.. {
        // New chunks each time: what was read before may be cached.
        assert!(patient.script().is_empty());
        let fault = Fault { kinds: kind::READ, classes: DATA, first: call, last: call, action };
        patient.lane.control.set_fault(fault);
        for slot in patient.slots.iter().filter(|slot| slot.bucket == PLAIN) {
            let Some(stored) = slot.state().current().cloned() else { continue };
            let answer = patient.process.client().call("GET", &format!("/{PLAIN}/{}", slot.key)).try_send();
            match answer {
                Ok(answer) if answer.status == 200 => {
                    assert_eq!(md5_hex(&answer.body), stored.body.md5, "{}", slot.key);
                }
                Ok(answer) => {
                    assert_eq!((answer.status, answer.one("Code").as_str()), (500, "InternalError"));
                    refused += 1;
                }
                // The answer had begun: it ends early.
                Err(_) => refused += 1,
            }
        }
        patient.lane.control.clear_fault();
        let fired = patient.lane.control.fired();
        flipped += fired;
        patient.is_well(&format!("{action:?} in read {call}"));
        if fired == 0 {
            break;
        }
    }
    assert!(flipped > 0 && refused > 0, "{flipped} reads of {action:?}, {refused} answers refused");
    eprintln!("{flipped} reads of {action:?}, {refused} answers refused");
}

/// A disk that stalls delays whoever waits for it, and nobody else.
#[test]
fn a_stalled_disk_delays_and_breaks_nothing() {
    let scratch = scratch();
    let mut patient = Patient::new(&scratch);
    assert!(patient.script().is_empty());
    let stall = Fault { kinds: kind::SYNC, classes: DATA, first: 1, last: 2, action: Action::Stall(2_500) };
    patient.lane.control.set_fault(stall);
    let client = patient.process.client();
    let began = Instant::now();
    let reads = std::thread::spawn(move || {
        let mut slowest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            client.get("/plain/0/p2").expect(200);
            client.put("/kept/beside", "inline").expect(200);
            client.delete("/kept/beside").expect(204);
            slowest = slowest.max(asked.elapsed());
        }
        slowest
    });
    std::thread::sleep(Duration::from_millis(50));
    let refusals = patient.script();
    assert!(refusals.is_empty(), "{refusals:?}");
    assert!(began.elapsed() > Duration::from_millis(2_500), "it stalled");
    let slowest = reads.join().expect("the other client");
    assert!(slowest < Duration::from_secs(1), "others waited {slowest:?}");
    patient.lane.control.clear_fault();
    assert_eq!(patient.lane.control.fired(), 2);
    let client = patient.process.client();
    for version in client.get("/kept?versions&prefix=beside").expect(200).all("VersionId") {
        client.delete(&format!("/kept/beside?versionId={version}")).expect(204);
    }
    patient.is_well("after a stall");
}

/// Half a minute, as of a drive that retries a sector or of a controller that resets.
const LONG_STALL: Duration = Duration::from_secs(30);
/// What nobody waits for who does not need the disk that stalls: generous, since other tests use the processors.
const AT_ONCE: Duration = Duration::from_secs(10);

#[test]
fn half_a_minute_of_stall_acknowledges_nothing_early_and_wedges_nothing() {
    // Side by side: they wait for clocks, not for processors.
    std::thread::scope(|scope| {
        // Two syncs of chunk files: others have files of their own. One of the log: whoever changes anything shares it.
        scope.spawn(|| stall_for_long(DATA, 2));
        scope.spawn(|| stall_for_long(class::WAL, 1));
    });
}

/// One sync (or `syncs`) of files of these classes takes half a minute.
fn stall_for_long(classes: u64, syncs: u64) {
    let scratch = scratch();
    let mut patient = Patient::new(&scratch);
    assert!(patient.script().is_empty());
    let client = patient.process.client();
    client.bucket("stall");
    client.put("/stall/read", Body::new(seed(), 300_000).bytes()).expect(200);
    let stall = Fault { kinds: kind::SYNC, classes, first: 1, last: syncs, action: Action::Stall(30_000) };
    patient.lane.control.set_fault(stall);
    let began = Instant::now();
    // In the database too: without a chunk file it takes part in the log only.
    let lengths: &[usize] = if classes == DATA { &[300_000; 2] } else { &[300, 9_000, 300_000, 300] };
    let stalled: Vec<_> = (0..)
        .zip(lengths)
        .map(|(number, length)| {
            let (client, body) = (client.clone(), Body::new(seed() << 8 | number, *length));
            let stalled = std::thread::spawn(move || {
                let answer = client.put(&format!("/stall/{number}"), body.bytes());
                (began.elapsed(), answer, body)
            });
            (number, stalled)
        })
        .collect();
    while patient.lane.control.fired() < syncs {
        assert!(began.elapsed() < AT_ONCE, "the stall begins");
        std::thread::sleep(Duration::from_millis(5));
    }
    let others = {
        let (client, lane) = (client.clone(), Lane::beside(&patient.lane));
        std::thread::spawn(move || serve_beside(&client, &lane, began, lengths.len()))
    };
    // Everything else that changes something: what needs the disk that stalls waits for it.
    let refusals = patient.script();
    assert!(refusals.is_empty(), "{refusals:?}\n{}", patient.lane.tail());
    assert_eq!(began.elapsed() >= LONG_STALL, classes != DATA, "only who shares the sync waits: {:?}", began.elapsed());
    let (rounds, slowest) = others.join().expect("the others");
    assert!(slowest < AT_ONCE, "others waited {slowest:?}");
    for (number, stalled) in stalled {
        let (waited, answer, body) = stalled.join().expect("the stalled client");
        answer.expect(200);
        assert!(waited >= LONG_STALL, "/stall/{number} is acknowledged after {waited:?}, before it is durable");
        assert_eq!(md5_hex(&client.get(&format!("/stall/{number}")).expect(200).body), body.md5);
    }
    eprintln!("{rounds} rounds beside the stall, the slowest answer took {slowest:?}");
    patient.lane.control.clear_fault();
    assert_eq!(patient.lane.control.fired(), syncs);
    client.put("/stall/next", "the next").expect(200);
    patient.is_well("after half a minute");
    patient.lane.check();
    let Patient { lane, process, .. } = patient;
    assert!(process.stop(), "an orderly stop\n{}", lane.tail());
}

/// What goes on while a disk stalls: reads, health and refusals. What is being written is not there yet. Gives the
/// rounds, and the slowest answer.
fn serve_beside(client: &Client, lane: &Lane, began: Instant, stalled: usize) -> (u64, Duration) {
    let stranger = Client::new(client.address, Some(Credentials::new(ROOT_ID, "not the secret")));
    let (mut rounds, mut slowest) = (0, Duration::ZERO);
    let mut timed = |ask: &dyn Fn()| {
        let asked = Instant::now();
        ask();
        slowest = slowest.max(asked.elapsed());
    };
    // What is asked last is answered before the stall ends.
    while began.elapsed() < LONG_STALL - Duration::from_secs(5) {
        timed(&|| assert_eq!(client.get("/stall/read").expect(200).body.len(), 300_000));
        timed(&|| drop(client.get("/plain/0/p2").expect(200)));
        timed(&|| drop(client.get("/stall?list-type=2").expect(200)));
        timed(&|| drop(lane.admin("/health/live").expect(200)));
        timed(&|| drop(stranger.get("/stall/read").expect_error(403, "SignatureDoesNotMatch")));
        let overwrite = client.call("PUT", "/stall/read").header("if-none-match", "*").body("x");
        timed(&|| drop(overwrite.clone().send().expect_error(412, "PreconditionFailed")));
        let mismatched = client.call("PUT", "/stall/x").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==").body("x");
        timed(&|| drop(mismatched.clone().send().expect_error(400, "BadDigest")));
        for number in 0..stalled {
            timed(&|| drop(client.get(&format!("/stall/{number}")).expect_error(404, "NoSuchKey")));
        }
        rounds += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    (rounds, slowest)
}

/// A disk that fails while the gateway starts: it starts, or says why not and leaves nothing that keeps it from
/// starting the next time.
#[test]
fn a_fault_at_the_start_is_told_and_passes() {
    const CALLS: u64 = kind::CREATE
        | kind::OPEN
        | kind::WRITE
        | kind::SYNC
        | kind::RENAME
        | kind::UNLINK
        | kind::TRUNCATE
        | kind::MKDIR;
    let (mut refused, mut call) = (0, 1);
    loop {
        let scratch = scratch();
        let lane = Lane::new(scratch.path());
        let errno = [libc::EIO, libc::ENOSPC][call as usize % 2];
        let fault = Fault { kinds: CALLS, classes: !0, first: call, last: call, action: Action::Fail(errno) };
        lane.control.set_fault(fault);
        match lane.try_start() {
            Ok(process) => drop(process),
            Err(_) => refused += 1,
        }
        let told = std::fs::read_to_string(&lane.log).unwrap();
        assert!(!told.contains("panicked"), "call {call}: {told}");
        if lane.control.fired() == 0 {
            break;
        }
        lane.control.reset();
        let process = lane.start().expect("nothing kills it");
        assert!(make_buckets(&process.client()), "call {call}: {}", lane.tail());
        lane.check();
        assert!(process.stop(), "call {call}: {}", lane.tail());
        call += if is_full() || call < 20 { 1 } else { call / 4 };
    }
    assert!(refused > 0, "{call} calls");
    eprintln!("{refused} starts refused, of {call} calls");
}
