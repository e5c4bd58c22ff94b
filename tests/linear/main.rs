//! Races on one key: puts, conditional puts, completions against aborts, deletes and every kind of read, at once and
//! over TCP. What the clients saw must have an order in which a single register would have said the same, and of an
//! upload that is completed and aborted at once one of the two wins.
//!
//! `SLUICEGATE_LINEAR_ROUNDS` makes it longer.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod checker;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use checker::{Event, Operation, Over, Value, is_linearizable};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use support::{Client, Server, md5_hex};

const CLIENTS: usize = 6;
const STEPS: usize = 5;

/// The body of a value: small ones lie in the database, large ones in chunks.
fn body(value: Value) -> Vec<u8> {
    let text = format!("{value:010}");
    text.repeat(if value.is_multiple_of(3) { 4_000 } else { 1 }).into_bytes()
}

fn value_of(body: &[u8]) -> Value {
    let value = std::str::from_utf8(&body[..10]).unwrap().parse().unwrap();
    assert_eq!(body, self::body(value), "a body is of one value");
    value
}

/// A value that was read, and its ETag.
type Seen = (Value, String);

/// One key and what happened to it.
struct Register<'a> {
    client: &'a Client,
    target: String,
    key: String,
    last_value: &'a AtomicU32,
    history: Mutex<Vec<Operation>>,
}

impl Register<'_> {
    fn note(&self, called: Instant, event: Event) {
        let operation = Operation { event, called, answered: Instant::now() };
        self.history.lock().unwrap().push(operation);
    }

    fn new_value(&self) -> Value {
        self.last_value.fetch_add(1, Ordering::Relaxed)
    }

    fn put(&self) {
        let (value, called) = (self.new_value(), Instant::now());
        self.client.put(&self.target, body(value)).expect(200);
        self.note(called, Event::Write(value));
    }

    fn put_if_absent(&self) {
        let (value, called) = (self.new_value(), Instant::now());
        let answer = self.client.call("PUT", &self.target).header("if-none-match", "*").body(body(value)).send();
        match answer.status {
            200 => self.note(called, Event::WriteIfAbsent(value, true)),
            412 => self.note(called, Event::WriteIfAbsent(value, false)),
            // Refused because another write was under way: it says nothing.
            409 => {}
            other => panic!("{other}: {}", answer.text()),
        }
    }

    fn put_over(&self, (expected, etag): &Seen) {
        let (value, called) = (self.new_value(), Instant::now());
        let answer = self.client.call("PUT", &self.target).header("if-match", etag.as_str()).body(body(value)).send();
        let outcome = match answer.status {
            200 => Over::Written,
            412 => Over::Differs,
            404 => Over::Absent,
            409 => return,
            other => panic!("{other}: {}", answer.text()),
        };
        self.note(called, Event::WriteOver { expected: *expected, value, outcome });
    }

    fn delete(&self) {
        let called = Instant::now();
        self.client.delete(&self.target).expect(204);
        self.note(called, Event::Delete);
    }

    fn get(&self) -> Option<Seen> {
        let called = Instant::now();
        let answer = self.client.get(&self.target);
        let found = match answer.status {
            200 => Some((value_of(&answer.body), answer.etag())),
            404 => None,
            other => panic!("{other}: {}", answer.text()),
        };
        self.note(called, Event::Read(found.as_ref().map(|(value, _)| *value)));
        found
    }

    /// Reads by listing: the size and the ETag tell no value, but whether there is one; a value is found by its ETag
    /// among those that were written.
    fn list(&self) {
        let called = Instant::now();
        let listed = self.client.get(&format!("/race?list-type=2&prefix={}", self.key)).expect(200);
        let etags = listed.all("ETag");
        assert!(etags.len() <= 1, "{}", listed.text());
        // ETags of uploads are no MD5 of a body; those are told apart by what a GET finds.
        let etag = etags.first().map(|etag| etag.trim_matches('"').to_owned());
        match etag {
            None => self.note(called, Event::Read(None)),
            Some(etag) if etag.contains('-') => {}
            Some(etag) => {
                let known = (0..self.last_value.load(Ordering::Relaxed)).find(|value| md5_hex(&body(*value)) == etag);
                self.note(called, Event::Read(Some(known.expect("a value that was written"))));
            }
        }
    }

    /// Completes an upload while somebody else may abort it. One of them wins.
    fn complete_against_abort(&self, abort: bool) {
        let value = self.new_value();
        let upload = self.client.post(&format!("{}?uploads", self.target), "").expect(200).one("UploadId");
        let part = format!("{}?partNumber=1&uploadId={upload}", self.target);
        let etag = self.client.put(&part, body(value)).expect(200).etag();
        let list = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        let whole = format!("{}?uploadId={upload}", self.target);
        std::thread::scope(|scope| {
            let aborted = abort.then(|| scope.spawn(|| self.client.delete(&whole).status == 204));
            let called = Instant::now();
            let completed = self.client.post(&whole, list);
            let is_completed = completed.status == 200 && completed.text().contains("<ETag>");
            if is_completed {
                self.note(called, Event::Write(value));
            } else {
                assert!(completed.text().contains("NoSuchUpload"), "{}", completed.text());
            }
            let is_aborted = aborted.is_some_and(|aborted| aborted.join().unwrap());
            assert!(is_completed != is_aborted, "completed: {is_completed}, aborted: {is_aborted}");
        });
    }

    fn act(&self, random: &mut StdRng, seen: &mut Seen) {
        match random.random_range(0..12) {
            0 | 1 => self.put(),
            2 | 3 => self.put_if_absent(),
            4 | 5 => self.put_over(seen),
            6 => self.delete(),
            7 => self.complete_against_abort(random.random()),
            8 => self.list(),
            _ => {
                if let Some(found) = self.get() {
                    *seen = found;
                }
            }
        }
    }
}

/// A history by its calls, in microseconds from the first.
fn told(history: &[Operation]) -> String {
    let mut history = history.to_vec();
    history.sort_by_key(|operation| operation.called);
    let zero = history[0].called;
    let line = |operation: &Operation| {
        let (called, answered) = ((operation.called - zero).as_micros(), (operation.answered - zero).as_micros());
        format!("{called:>8} ..{answered:>8} {:?}\n", operation.event)
    };
    history.iter().map(line).collect()
}

#[test]
fn one_key_is_one_register() {
    let mut server = Server::start_with(&["--log", "info,access=off"]);
    let client = server.client();
    client.bucket("race");
    let rounds = std::env::var("SLUICEGATE_LINEAR_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let last_value = AtomicU32::new(0);
    let mut operations = 0;
    for round in 0..rounds {
        let key = format!("k{round}");
        let target = format!("/race/{key}");
        let register = Register { client: &client, target, key, last_value: &last_value, history: Mutex::default() };
        std::thread::scope(|scope| {
            for number in 0..CLIENTS as u64 {
                let register = &register;
                scope.spawn(move || {
                    let mut random = StdRng::seed_from_u64(round << 8 | number);
                    // Nothing was ever written with this ETag.
                    let mut seen = (Value::MAX, md5_hex(b""));
                    for _ in 0..STEPS {
                        register.act(&mut random, &mut seen);
                    }
                });
            }
        });
        let history = register.history.into_inner().unwrap();
        operations += history.len();
        assert!(is_linearizable(&history), "round {round} has no order:\n{}", told(&history));
    }
    eprintln!("linearizable: {operations} operations on {rounds} keys by {CLIENTS} clients at once");
    server.stop_and_check();
}
