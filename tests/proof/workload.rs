//! The workload: clients that write, overwrite, copy, delete and race, each with its own keys and its own dice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::journal::{Attempt, Body, Contests, Effect, Event, Slot, Stored};
use super::support::client::{Answer, Call, Client};
use super::verify::{CONTEST, KEPT, PLAIN};

/// Clients at a time.
pub const CLIENTS: u64 = 6;
/// Inline bodies, and bodies of one and of several blocks.
const SIZES: [usize; 6] = [1, 100, 9_000, 20_000, 300_000, 1_100_000];
/// The least part that is not the last.
const PART_BYTES: usize = 5 << 20;
/// Attempts at each key of a contest.
const ATTEMPTS: u64 = 3;

/// Numbers that look random and are not.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len() as u64) as usize]
    }
}

/// What the clients of one run share.
pub struct Arena {
    pub client: Client,
    /// Tells the time: records in the log of the disk.
    pub clock: Box<dyn Fn() -> u64 + Send + Sync>,
    /// The clients begin nothing new.
    pub stop: AtomicBool,
    pub contests: Mutex<Contests>,
    pub attempts: AtomicU64,
    /// Statuses and codes of answers that left a request in doubt.
    pub refusals: Mutex<Vec<(u16, String)>>,
    /// Requests that were acknowledged.
    pub acknowledged: AtomicU64,
}

impl Arena {
    pub fn new(client: Client, contests: Contests, clock: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            client,
            clock: Box::new(clock),
            stop: AtomicBool::new(false),
            // Each run races for new keys.
            attempts: AtomicU64::new(contests.len() as u64 * ATTEMPTS),
            contests: Mutex::new(contests),
            refusals: Mutex::default(),
            acknowledged: AtomicU64::new(0),
        }
    }
}

/// The keys of all clients.
pub fn slots() -> Vec<Slot> {
    let of_client = |client| {
        let plain = (0..4).map(move |n| Slot::new(PLAIN, format!("{client}/p{n}")));
        let upload = std::iter::once(Slot::new(PLAIN, format!("{client}/upload")));
        let kept = (0..2).map(move |n| Slot::new(KEPT, format!("{client}/k{n}")));
        plain.chain(upload).chain(kept)
    };
    (0..CLIENTS).flat_map(of_client).collect()
}

/// Makes the buckets, unless they are there; false if the gateway died meanwhile.
pub fn make_buckets(client: &Client) -> bool {
    let made = |bucket: &str| {
        let answer = client.call("PUT", &format!("/{bucket}")).try_send();
        answer.is_ok_and(|answer| answer.status == 200 || answer.status == 409)
    };
    let configuration = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    let versioned = || client.call("PUT", &format!("/{KEPT}?versioning")).body(configuration).try_send();
    made(PLAIN) && made(KEPT) && versioned().is_ok_and(|answer| answer.status == 200)
}

/// Runs the clients until the gateway dies, for `time` at most, and gives the keys back.
pub fn run(arena: &Arc<Arena>, slots: Vec<Slot>, seed: u64, time: Duration) -> Vec<Slot> {
    let deadline = Instant::now() + time;
    let per_client = slots.len() / CLIENTS as usize;
    let mut slots = slots.into_iter();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let slots: Vec<_> = slots.by_ref().take(per_client).collect();
            let arena = Arc::clone(arena);
            std::thread::spawn(move || {
                let mut runner = Runner {
                    arena,
                    slots,
                    dice: Dice::new(seed << 8 | number),
                    bodies: seed << 32 | number << 24,
                    now: 0,
                };
                while Instant::now() < deadline && runner.step() {}
                runner.slots
            })
        })
        .collect();
    clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
}

/// One client.
pub struct Runner {
    pub arena: Arc<Arena>,
    pub slots: Vec<Slot>,
    dice: Dice,
    pub bodies: u64,
    /// When this step began.
    now: u64,
}

impl Runner {
    /// A client that owns `slots`. Its dice and bodies follow from `seed`.
    pub fn new(arena: Arc<Arena>, slots: Vec<Slot>, seed: u64) -> Self {
        Self { arena, slots, dice: Dice::new(seed), bodies: seed, now: 0 }
    }

    /// Does `what` unless the key is in doubt.
    pub fn unless_in_doubt(&mut self, slot: usize, what: impl FnOnce(&mut Self) -> bool) {
        if !self.slots[slot].is_in_doubt() {
            assert!(what(self), "{}: no answer", self.path(slot));
        }
    }

    fn body(&mut self, length: usize) -> Arc<Body> {
        self.bodies += 1;
        Body::new(self.bodies, length)
    }

    fn any_body(&mut self) -> Arc<Body> {
        let length = *self.dice.pick(&SIZES);
        self.body(length)
    }

    fn path(&self, slot: usize) -> String {
        format!("/{}/{}", self.slots[slot].bucket, self.slots[slot].key)
    }

    /// Does something; false if the gateway is gone.
    fn step(&mut self) -> bool {
        self.now = (self.arena.clock)();
        if self.arena.stop.load(Ordering::SeqCst) || self.slots.iter().all(Slot::is_in_doubt) {
            return false;
        }
        let slot = self.dice.roll(self.slots.len() as u64) as usize;
        match (self.dice.roll(8), slot) {
            (0, _) => self.race(),
            (_, slot) if self.slots[slot].is_in_doubt() => true,
            (_, 4) => self.advance_upload(4),
            (_, 5 | 6) => self.keep(slot),
            (1, _) => self.delete(slot),
            (2, _) => self.copy(slot),
            (3, _) => self.refused_put(slot),
            (4, _) => self.conditional_put(slot),
            _ => self.put(slot),
        }
    }

    /// Sends a request that changes a key; false if no answer came.
    fn change(&mut self, slot: usize, call: Call, effect: Effect) -> bool {
        let started = self.now;
        self.slots[slot].events.push(Event { effect, started, ended: None });
        let Ok(answer) = call.try_send() else { return false };
        let ended = (self.arena.clock)();
        if self.leaves_doubt(&answer) {
            return true;
        }
        assert!(answer.status < 300, "{}: {} {}", self.path(slot), answer.status, answer.text());
        let event = self.slots[slot].events.last_mut().expect("it was pushed");
        let id = match &event.effect {
            Effect::Begin => Some(answer.one("UploadId")),
            Effect::Set(Some(stored)) | Effect::Add(Some(stored)) | Effect::Complete(stored) => {
                // A copy or a completion tells the ETag in its body.
                let told = answer.header("etag").map_or_else(|| answer.one("ETag"), str::to_owned);
                assert_eq!(told.trim_matches('"'), stored.etag, "{}", answer.text());
                answer.header("x-amz-version-id").map(str::to_owned)
            }
            _ => answer.header("x-amz-version-id").map(str::to_owned),
        };
        event.ended = Some((ended, id));
        self.arena.acknowledged.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether an answer says that the disk failed. A completion may say so after its 200.
    fn leaves_doubt(&self, answer: &Answer) -> bool {
        let is_late = answer.status == 200 && answer.text_starts_with_error();
        if answer.status < 500 && !is_late {
            return false;
        }
        let status = if is_late { 500 } else { answer.status };
        self.arena.refusals.lock().unwrap().push((status, answer.one("Code")));
        true
    }

    pub fn put(&mut self, slot: usize) -> bool {
        let body = self.any_body();
        let call = self.arena.client.call("PUT", &self.path(slot)).body(body.bytes());
        let call = match self.dice.roll(5) {
            0 => call.header("x-amz-server-side-encryption", "AES256"),
            _ => call,
        };
        self.change(slot, call, Effect::Set(Some(Stored::plain(&body))))
    }

    /// PUT of a body of `length`.
    pub fn put_of(&mut self, slot: usize, length: usize) -> bool {
        let body = self.body(length);
        let call = self.arena.client.call("PUT", &self.path(slot)).body(body.bytes());
        self.change(slot, call, Effect::Set(Some(Stored::plain(&body))))
    }

    /// PUT under a condition that holds.
    fn conditional_put(&mut self, slot: usize) -> bool {
        let body = self.any_body();
        let call = self.arena.client.call("PUT", &self.path(slot)).body(body.bytes());
        let call = match self.slots[slot].state().current() {
            Some(stored) => call.header("if-match", format!("\"{}\"", stored.etag)),
            None => call.header("if-none-match", "*"),
        };
        self.change(slot, call, Effect::Set(Some(Stored::plain(&body))))
    }

    /// PUT under a condition that does not hold, or with another digest: it never happened.
    fn refused_put(&mut self, slot: usize) -> bool {
        let body = self.any_body();
        let call = self.arena.client.call("PUT", &self.path(slot)).body(body.bytes());
        let (call, expected) = match self.slots[slot].state().current() {
            // Known only after the whole body has come, and perhaps been written.
            _ if self.dice.roll(2) == 0 => (call.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="), 400),
            Some(_) => (call.header("if-none-match", "*"), 412),
            None => (call.header("if-match", "\"00000000000000000000000000000000\""), 404),
        };
        let Ok(answer) = call.try_send() else { return false };
        if !self.leaves_doubt(&answer) {
            assert_eq!(answer.status, expected, "{}", answer.text());
        }
        true
    }

    pub fn delete(&mut self, slot: usize) -> bool {
        let call = self.arena.client.call("DELETE", &self.path(slot));
        self.change(slot, call, Effect::Set(None))
    }

    /// Copies another key of this client here, if that has something.
    pub fn copy(&mut self, slot: usize) -> bool {
        let source = (slot + 1 + self.dice.roll(3) as usize) % 4;
        let source_slot = &self.slots[source];
        let stored = source_slot.state().current().cloned();
        let (Some(stored), false) = (stored, source_slot.is_in_doubt()) else { return self.put(slot) };
        let call = self.arena.client.call("PUT", &self.path(slot)).header("x-amz-copy-source", self.path(source));
        // A copy has the ETag of one PUT, also of an object that was made of parts.
        let copied = Stored::plain(&stored.body);
        self.change(slot, call, Effect::Set(Some(copied)))
    }

    /// Adds a version or a marker, or removes an old one for good.
    pub fn keep(&mut self, slot: usize) -> bool {
        let state = self.slots[slot].state();
        let path = self.path(slot);
        if state.versions.len() > 3 {
            let oldest = state.versions[0].id.clone().expect("acknowledged");
            let call = self.arena.client.call("DELETE", &format!("{path}?versionId={oldest}"));
            return self.change(slot, call, Effect::Remove(oldest));
        }
        if self.dice.roll(5) == 0 {
            return self.change(slot, self.arena.client.call("DELETE", &path), Effect::Add(None));
        }
        let body = self.any_body();
        let call = self.arena.client.call("PUT", &path).body(body.bytes());
        self.change(slot, call, Effect::Add(Some(Stored::plain(&body))))
    }

    /// The next step of an upload: begin, one or two parts, the end or a part again.
    pub fn advance_upload(&mut self, slot: usize) -> bool {
        let state = self.slots[slot].state();
        let path = self.path(slot);
        let client = self.arena.client.clone();
        let Some(upload) = state.upload else {
            return self.change(slot, client.call("POST", &format!("{path}?uploads")), Effect::Begin);
        };
        let id = upload.id.expect("acknowledged");
        let is_long = upload.parts.get(&1).is_some_and(|part| part.length >= PART_BYTES);
        match (upload.parts.len(), self.dice.roll(8)) {
            (0, roll) => {
                let length = if roll == 0 { PART_BYTES } else { SIZES[3] };
                self.part(slot, &id, 1, length)
            }
            (1, 0..4) if is_long => self.copied_part(slot, &id, 2),
            (_, 0) => self.change(slot, client.call("DELETE", &format!("{path}?uploadId={id}")), Effect::Abort),
            (_, 1) if !is_long => self.part(slot, &id, 1, SIZES[4]),
            _ => {
                let etags = upload.parts.iter().map(|(number, part)| {
                    format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.md5)
                });
                let parts: String = etags.collect();
                let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
                let call = client.call("POST", &format!("{path}?uploadId={id}")).body(list);
                self.change(slot, call, Effect::Complete(Stored::of_parts(&upload.parts)))
            }
        }
    }

    fn part(&mut self, slot: usize, id: &str, number: u16, length: usize) -> bool {
        let body = self.body(length);
        let target = format!("{}?partNumber={number}&uploadId={id}", self.path(slot));
        let call = self.arena.client.call("PUT", &target).body(body.bytes());
        self.change(slot, call, Effect::Part(number, body))
    }

    /// A part that is a copy of another key of this client, if that has something.
    fn copied_part(&mut self, slot: usize, id: &str, number: u16) -> bool {
        let stored = self.slots[0].state().current().cloned();
        let (Some(stored), false) = (stored, self.slots[0].is_in_doubt()) else {
            return self.part(slot, id, number, SIZES[1]);
        };
        let target = format!("{}?partNumber={number}&uploadId={id}", self.path(slot));
        let call = self.arena.client.call("PUT", &target).header("x-amz-copy-source", self.path(0));
        self.change(slot, call, Effect::Part(number, stored.body))
    }

    /// Tries to be the first to write a key that others want to write too.
    fn race(&mut self) -> bool {
        let attempt = self.arena.attempts.fetch_add(1, Ordering::SeqCst);
        let key = format!("{CONTEST}{:05}", attempt / ATTEMPTS);
        let length = SIZES[[1, 3][self.dice.roll(2) as usize]];
        let body = self.body(length);
        let call = self.arena.client.call("PUT", &format!("/{PLAIN}/{key}")).body(body.bytes());
        let started = self.now;
        let index = {
            let mut contests = self.arena.contests.lock().unwrap();
            let attempts = &mut contests.entry(key.clone()).or_default().attempts;
            attempts.push(Attempt { stored: Stored::plain(&body), started, ended: None });
            attempts.len() - 1
        };
        let Ok(answer) = call.header("if-none-match", "*").try_send() else { return false };
        let ended = (self.arena.clock)();
        if self.leaves_doubt(&answer) {
            return true;
        }
        // 409: another was about to be the first, and may yet fail.
        assert!([200, 409, 412].contains(&answer.status), "{} {}", answer.status, answer.text());
        let mut contests = self.arena.contests.lock().unwrap();
        let attempt = &mut contests.get_mut(&key).expect("it was entered").attempts[index];
        match answer.status {
            409 => drop(contests),
            status => attempt.ended = Some((ended, status == 200)),
        }
        true
    }
}
