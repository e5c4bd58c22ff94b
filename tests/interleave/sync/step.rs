//! The moment between two steps.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Lets the scheduler decide who goes on. A task that unwinds is let through: its test has failed already.
pub(crate) fn point() {
    if !std::thread::panicking() {
        STEPS.set(STEPS.get() + 1);
        // To the shuttle a sleep is a step, of no length, after which anybody may go on.
        shuttle::thread::sleep(Duration::ZERO);
    }
}

/// Steps taken so far by anybody: as long as it stands still, nobody moves.
pub(crate) fn steps() -> u64 {
    STEPS.get()
}

/// A future whose polls are steps, and whose being dropped is one.
#[derive(Debug)]
pub(crate) struct Stepped<F>(Pin<Box<F>>);

impl<F> Stepped<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Stepped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        point();
        self.0.as_mut().poll(context)
    }
}

impl<F> Drop for Stepped<F> {
    fn drop(&mut self) {
        point();
    }
}
