//! Primitives that are broken on purpose: what a law does not notice, it does not check.

use std::cell::Cell;

/// How a primitive is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A semaphore forgets the permit that it has handed to a waiter who was dropped before it looked.
    PermitLostWithWaiter,
    /// A semaphore has one permit more than it was made with.
    PermitTooMany,
    /// A counter is read and written in two steps.
    CounterTorn,
    /// A queue drops what is taken from it while the taker is busy.
    CommandLost,
    /// A queue lets the second overtake the first.
    CommandsSwapped,
    /// An answer wakes nobody.
    AnswerUnheard,
    /// A signal wakes nobody.
    SignalUnheard,
    /// A tracker never hears of the end of one task.
    EndUncounted,
}

thread_local! {
    // Tasks of a schedule all run on the thread of its test.
    static FAULT: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Whether primitives are broken in this way.
pub(crate) fn is(fault: Fault) -> bool {
    FAULT.get() == Some(fault)
}

/// Breaks primitives while `work` runs.
pub(crate) fn with<T>(fault: Fault, work: impl FnOnce() -> T) -> T {
    FAULT.set(Some(fault));
    let outcome = work();
    FAULT.set(None);
    outcome
}
