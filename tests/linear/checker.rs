//! Whether a history of one key could have happened one operation after the other, each between its call and its
//! answer (linearizability of a register; the search is that of Wing and Gong, with memory of what was tried).

use std::collections::HashSet;
use std::time::Instant;

/// A value that was written; each is written once.
pub type Value = u32;

/// What was asked, and what it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A write that is to succeed whatever is there: PUT, or Complete of an upload.
    Write(Value),
    /// A write that succeeded only if nothing was there, or was refused because something was.
    WriteIfAbsent(Value, bool),
    /// A write over a certain value: it succeeded, it was refused for another value, or there was none.
    WriteOver { expected: Value, value: Value, outcome: Over },
    /// A delete.
    Delete,
    /// A read.
    Read(Option<Value>),
}

/// What a write over a certain value came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Written,
    Differs,
    Absent,
}

/// An event and when it was called and answered.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub event: Event,
    pub called: Instant,
    pub answered: Instant,
}

impl Event {
    /// What the register holds afterwards; `None` if this cannot happen to one that holds `state`.
    fn apply(self, state: Option<Value>) -> Option<Option<Value>> {
        match self {
            Self::Write(value) => Some(Some(value)),
            Self::WriteIfAbsent(value, true) => state.is_none().then_some(Some(value)),
            Self::WriteIfAbsent(_, false) => state.is_some().then_some(state),
            Self::WriteOver { expected, value, outcome } => match outcome {
                Over::Written => (state == Some(expected)).then_some(Some(value)),
                Over::Differs => state.is_some_and(|held| held != expected).then_some(state),
                Over::Absent => state.is_none().then_some(state),
            },
            Self::Delete => Some(None),
            Self::Read(found) => (found == state).then_some(state),
        }
    }
}

/// Whether the history of a register that held nothing has an order.
pub fn is_linearizable(history: &[Operation]) -> bool {
    assert!(history.len() <= 64, "a history has its operations in the bits of a number");
    let mut tried = HashSet::new();
    search(history, 0, None, &mut tried)
}

fn search(history: &[Operation], done: u64, state: Option<Value>, tried: &mut HashSet<(u64, Option<Value>)>) -> bool {
    if done.count_ones() as usize == history.len() {
        return true;
    }
    if !tried.insert((done, state)) {
        return false;
    }
    let open = |index: &usize| done & (1 << index) == 0;
    // What was answered before another was called comes before it.
    let first_answer = (0..history.len()).filter(open).map(|index| history[index].answered).min();
    (0..history.len()).filter(open).any(|index| {
        let operation = &history[index];
        first_answer.is_some_and(|answer| operation.called <= answer)
            && operation.event.apply(state).is_some_and(|next| search(history, done | 1 << index, next, tried))
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Event, Operation, Over, is_linearizable};

    /// A history from events with the milliseconds of call and answer.
    fn history(events: &[(Event, u64, u64)]) -> bool {
        let zero = Instant::now();
        let at = |milliseconds: u64| zero + Duration::from_millis(milliseconds);
        let operations: Vec<_> = events
            .iter()
            .map(|(event, called, answered)| Operation { event: *event, called: at(*called), answered: at(*answered) })
            .collect();
        is_linearizable(&operations)
    }

    #[test]
    fn the_checker_knows_good_from_bad() {
        use Event::{Delete, Read, Write, WriteIfAbsent, WriteOver};
        assert!(history(&[(Write(1), 0, 1), (Read(Some(1)), 2, 3)]));
        assert!(!history(&[(Write(1), 0, 1), (Read(None), 2, 3)]), "an acknowledged write was not there");
        assert!(history(&[(Write(1), 0, 3), (Read(None), 1, 2)]), "one under way may not be there yet");
        assert!(!history(&[(Write(1), 0, 1), (Write(2), 2, 3), (Read(Some(1)), 4, 5)]), "an old value came back");
        assert!(!history(&[(Write(1), 0, 9), (Read(Some(1)), 1, 2), (Read(None), 3, 4)]), "a value went away again");
        assert!(history(&[(Write(1), 0, 9), (Delete, 0, 9), (Read(Some(1)), 1, 2), (Read(None), 3, 4)]));
        assert!(!history(&[(WriteIfAbsent(1, true), 0, 9), (WriteIfAbsent(2, true), 0, 9)]), "two first ones");
        assert!(history(&[(WriteIfAbsent(1, true), 0, 9), (WriteIfAbsent(2, false), 0, 9)]));
        let over = |expected, value, outcome| WriteOver { expected, value, outcome };
        assert!(!history(&[
            (Write(1), 0, 1),
            (over(1, 2, Over::Written), 2, 9),
            (over(1, 3, Over::Written), 2, 9),
            (Read(Some(3)), 10, 11)
        ]));
        assert!(history(&[(Write(1), 0, 1), (over(1, 2, Over::Written), 2, 9), (over(1, 3, Over::Differs), 2, 9)]));
        assert!(!history(&[(Write(1), 0, 1), (over(1, 2, Over::Absent), 2, 3)]));
    }
}
