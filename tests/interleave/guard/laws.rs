//! What the drain promises, however tasks, signals and deadlines are interleaved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use shuttle::future::{JoinError, block_on};
use shuttle::rand::Rng as _;

use super::drain::Drain;
use crate::explore::{breaks, holds};
use crate::fault::{self, Fault};
use crate::sync::task::{JoinHandle, spawn, yield_now};
use crate::sync::time::{Passing, passes};
use crate::sync::{Arc, point};

/// Any deadline: time passes as the law says.
const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::MAX;

/// Who is in the house.
#[derive(Default)]
struct House {
    present: AtomicUsize,
    admitted: AtomicUsize,
}

/// One of them, until dropped.
struct Guest(Arc<House>);

impl House {
    fn admit(self: &Arc<Self>) -> Guest {
        self.admitted.fetch_add(1, Ordering::SeqCst);
        self.present.fetch_add(1, Ordering::SeqCst);
        Guest(Arc::clone(self))
    }

    fn counts(&self) -> (usize, usize) {
        (self.present.load(Ordering::SeqCst), self.admitted.load(Ordering::SeqCst))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.present.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn a_while() {
    for _ in 0..shuttle::rand::thread_rng().gen_range(0..3) {
        yield_now().await;
    }
}

/// A connection, and a request on it that is a task of its own.
async fn connection(drain: Drain, guest: Guest) {
    a_while().await;
    let request = guest.0.admit();
    let answered = drain.spawn(async move {
        let _request = request;
        a_while().await;
    });
    answered.await.expect("it was not cancelled");
    drop(guest);
}

/// Accepts as `net::serve` does.
async fn listen(drain: Drain, house: Arc<House>) {
    for _ in 0..2 {
        tokio::select! {
            biased;
            () = drain.draining() => return,
            () = a_while() => {}
        }
        point();
        let guest = house.admit();
        drain.spawn(connection(drain.clone(), guest));
    }
    drain.draining().await;
}

/// Whose task the accept loop is.
#[derive(Clone, Copy)]
enum Listener {
    OfTheDrain,
    OnItsOwn,
}

/// Connections that come while the drain begins are waited for, or do not come.
fn serving(listener: Listener) {
    let (drain, house) = (Drain::new(), Arc::new(House::default()));
    let accepting = listen(drain.clone(), Arc::clone(&house));
    let accepting = match listener {
        Listener::OfTheDrain => drain.spawn(accepting),
        Listener::OnItsOwn => spawn(accepting),
    };
    block_on(a_while());
    assert_eq!(block_on(drain.finish(NEVER)), 0, "everybody ended by himself");
    assert!(drain.cancelled().now_or_never().is_some(), "the drain is over for who asks later");
    let at_the_end = house.counts();
    assert_eq!(at_the_end.0, 0, "everybody has left");
    block_on(accepting).expect("it was not cancelled");
    assert_eq!(house.counts(), at_the_end, "nobody comes after the end");
}

/// Waits for ever, and is dropped only once the drain has cancelled what listens.
async fn stubborn(drain: Drain, guest: Guest) {
    struct Dropped(Drain);
    impl Drop for Dropped {
        fn drop(&mut self) {
            assert!(self.0.is_draining(), "no task is dropped before the drain begins");
            assert!(self.0.cancelled().now_or_never().is_some(), "no task is dropped before it could listen");
        }
    }
    let _dropped = Dropped(drain);
    let _guest = guest;
    std::future::pending::<()>().await;
}

struct Tasks {
    worker: JoinHandle<u8>,
    listener: JoinHandle<&'static str>,
    stubborn: JoinHandle<()>,
}

fn occupy(drain: &Drain, house: &Arc<House>) -> Tasks {
    let (listening, guest, late) = (drain.clone(), house.admit(), house.admit());
    let listener = drain.spawn(async move {
        let _guest = guest;
        listening.cancelled().await;
        assert!(listening.is_draining(), "nothing is cancelled before the drain begins");
        a_while().await;
        // A task that comes so late is dropped all the same.
        drop(listening.spawn(stubborn(listening.clone(), late)));
        "cleaned up"
    });
    let guest = house.admit();
    let worker = drain.spawn(async move {
        let _guest = guest;
        a_while().await;
        7
    });
    let stubborn = drain.spawn(stubborn(drain.clone(), house.admit()));
    Tasks { worker, listener, stubborn }
}

/// With deadlines that come only when nobody can move, everybody ends as he deserves.
fn stopping_in_time() {
    passes(Passing::WhenIdle);
    let (drain, house) = (Drain::new(), Arc::new(House::default()));
    let tasks = occupy(&drain, &house);
    assert_eq!(block_on(drain.finish(SOON)), 2, "all that listen or never end had to be cancelled");
    assert_eq!(house.counts().0, 0, "everybody has left");
    assert_eq!(block_on(tasks.worker).expect("it had the time"), 7);
    assert_eq!(block_on(tasks.listener).expect("it ended by itself"), "cleaned up");
    assert!(matches!(block_on(tasks.stubborn), Err(JoinError::Cancelled)));
}

/// With deadlines that come at any moment the drain ends all the same, and nothing happens before its turn.
fn stopping_at_any_moment() {
    passes(Passing::AnyMoment);
    let (drain, house) = (Drain::new(), Arc::new(House::default()));
    let beginner = spawn({
        let drain = drain.clone();
        async move { drain.begin() }
    });
    let tasks = occupy(&drain, &house);
    let cancelled = block_on(drain.finish(SOON));
    assert!((1..=3).contains(&cancelled), "{cancelled} of three were cancelled, of whom one never ends");
    assert!(!matches!(block_on(tasks.worker), Ok(value) if value != 7));
    let _ = block_on(tasks.listener);
    assert!(matches!(block_on(tasks.stubborn), Err(JoinError::Cancelled)));
    block_on(beginner).expect("it was not cancelled");
}

#[test]
fn nobody_comes_after_the_end_of_the_drain() {
    holds("serving", || serving(Listener::OfTheDrain));
}

#[test]
fn everybody_ends_by_himself_or_is_cancelled_or_dropped() {
    holds("stopping in time", stopping_in_time);
}

#[test]
fn deadlines_may_come_at_any_moment() {
    holds("stopping at any moment", stopping_at_any_moment);
}

#[test]
fn an_accept_loop_that_the_drain_does_not_wait_for_is_noticed() {
    let said = breaks(|| serving(Listener::OnItsOwn));
    assert!(said.contains("nobody comes after the end") || said.contains("everybody has left"), "{said}");
}

#[test]
fn a_signal_that_wakes_nobody_is_noticed() {
    let said = fault::with(Fault::SignalUnheard, || breaks(|| serving(Listener::OfTheDrain)));
    assert!(said.contains("deadlock"), "{said}");
}

#[test]
fn an_end_that_is_not_counted_is_noticed() {
    let said = fault::with(Fault::EndUncounted, || breaks(stopping_in_time));
    assert!(said.contains("had to be cancelled"), "{said}");
}
