//! A list in the place of the database: what is committed is appended to it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::sync::Mutex;

use shuttle::rand::Rng as _;

use super::writer::{Command, Commit, Verdict};
use crate::limits::META_GROUP_MAX;
use crate::sync::{Arc, point};

/// A command: of which client, and its how manieth.
pub(super) type Id = (usize, usize);

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Committed,
    Full,
    Failed,
}

/// A group that was run: its commands in order, and its fate.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) ran: Vec<Id>,
    pub(super) fate: Fate,
}

#[derive(Default)]
pub(super) struct List {
    pub(super) committed: Vec<Id>,
    pub(super) groups: Vec<Group>,
    pub(super) tidied: usize,
    pub(super) is_closed: bool,
}

/// What a group has done so far.
pub(crate) struct Transaction<'c> {
    ran: RefCell<Vec<Id>>,
    written: RefCell<Vec<Id>>,
    refused: Cell<bool>,
    _group: PhantomData<&'c ()>,
}

impl Transaction<'_> {
    fn new() -> Self {
        Self { ran: RefCell::default(), written: RefCell::default(), refused: Cell::new(false), _group: PhantomData }
    }

    /// The command runs, and writes unless it is refused.
    pub(super) fn run(&self, id: Id, is_refused: bool) {
        self.ran.borrow_mut().push(id);
        self.refused.set(is_refused);
        if !is_refused {
            self.written.borrow_mut().push(id);
        }
        point();
    }
}

/// How the list goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Honesty {
    Honest,
    /// A group is told that it is committed before it is.
    AnswersFirst,
    /// A group that failed has left something behind.
    LeavesHalf,
}

/// Appends groups to the list; some of them fail, some run twice, as they do in the database.
pub(super) struct Committer {
    pub(super) list: Arc<Mutex<List>>,
    pub(super) honesty: Honesty,
    /// For `Honesty::AnswersFirst`.
    pub(super) late: Vec<Id>,
}

impl Commit for Committer {
    fn commit(&mut self, group: &mut [Box<dyn Command>]) -> Verdict {
        assert!((1..=META_GROUP_MAX).contains(&group.len()), "a group of {}", group.len());
        let mut random = shuttle::rand::thread_rng();
        let attempts = random.gen_range(1..=2);
        let mut transaction = Transaction::new();
        for _ in 0..attempts {
            transaction = Transaction::new();
            for command in group.iter_mut() {
                let outcome = command.run(&transaction);
                assert_eq!(outcome.is_err(), transaction.refused.get(), "a refusal is told to the group");
            }
        }
        point();
        let fate = match random.gen_range(0..5) {
            0 => Fate::Full,
            1 => Fate::Failed,
            _ => Fate::Committed,
        };
        let (ran, written) = (transaction.ran.into_inner(), transaction.written.into_inner());
        let mut list = self.list.lock().unwrap();
        list.groups.push(Group { ran, fate });
        match (fate, self.honesty) {
            (Fate::Committed, Honesty::AnswersFirst) => self.late = written,
            (Fate::Committed, _) => list.committed.extend(written),
            (Fate::Full | Fate::Failed, Honesty::LeavesHalf) => list.committed.extend(written.first()),
            (Fate::Full | Fate::Failed, _) => {}
        }
        match fate {
            Fate::Committed => Verdict::Answered,
            Fate::Full => Verdict::Full,
            Fate::Failed => Verdict::Storage("the list failed".to_owned()),
        }
    }

    fn tidy(&mut self) {
        point();
        let mut list = self.list.lock().unwrap();
        list.committed.append(&mut self.late);
        list.tidied += 1;
    }

    fn close(self) {
        point();
        self.list.lock().unwrap().is_closed = true;
    }
}
