//! What the writer promises, however its clients, the thread and its stop are interleaved.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join;
use shuttle::future::block_on;
use shuttle::rand::Rng as _;

use super::failure::Failure;
use super::list::{Committer, Fate, Group, Honesty, Id, List};
use super::writer::{Writer, WriterQueue, command, run};
use crate::explore::{breaks, holds};
use crate::fault::{self, Fault};
use crate::limits::META_QUEUE_MAX;
use crate::meta::MetaError;
use crate::sync::task::spawn;
use crate::sync::time::timeout;
use crate::sync::{Arc, mpsc, point};

/// Any deadline: time passes as it likes.
const SOON: Duration = Duration::from_millis(1);

const CLIENTS: usize = 3;

/// What clients were told.
type Answers = BTreeMap<Id, Result<Id, MetaError>>;

struct House {
    writer: Writer,
    list: Arc<Mutex<List>>,
    answers: Mutex<Answers>,
}

impl House {
    fn new(honesty: Honesty) -> Arc<Self> {
        let list = Arc::<Mutex<List>>::default();
        let committer = Committer { list: Arc::clone(&list), honesty, late: Vec::new() };
        let writer = Writer::start(committer).expect("a thread can always be started");
        Arc::new(Self { writer, list, answers: Mutex::default() })
    }

    /// Submits one command, judges its answer and notes it.
    async fn submit(&self, queue: &WriterQueue, id: Id) {
        let is_refused = shuttle::rand::thread_rng().gen_bool(0.2);
        let answer = queue.submit("append", move |transaction| {
            transaction.run(id, is_refused);
            if is_refused { Err(Failure::Refused(MetaError::NoSuchKey)) } else { Ok(id) }
        });
        let answer = answer.await;
        if let Ok(told) = &answer {
            assert_eq!(*told, id, "everybody gets his own answer");
            assert!(self.list.lock().unwrap().committed.contains(&id), "what is answered Ok is committed");
        }
        let before = self.answers.lock().unwrap().insert(id, answer);
        assert!(before.is_none(), "everybody is answered once");
    }

    /// Two commands at once, and then one more. May go away in between.
    async fn client(self: Arc<Self>, client: usize) {
        let Ok(queue) = self.writer.queue() else {
            return;
        };
        let both = join(self.submit(&queue, (client, 0)), self.submit(&queue, (client, 1)));
        if shuttle::rand::thread_rng().gen_bool(0.7) {
            both.await;
        } else {
            let _ = timeout(SOON, both).await;
        }
        drop(queue);
        match self.writer.queue() {
            Ok(queue) => self.submit(&queue, (client, 2)).await,
            Err(error) => assert!(matches!(error, MetaError::Closed), "{error}"),
        }
    }

    /// Stops the writer; returns how many groups there were at the end.
    fn stop(&self) -> usize {
        point();
        let running = self.writer.stop().expect("nobody else stops it");
        assert!(self.writer.stop().is_none(), "it stops once");
        assert!(matches!(self.writer.queue().err(), Some(MetaError::Closed)), "no queue after the stop");
        running.join().expect("it did not panic");
        let list = self.list.lock().unwrap();
        assert!(list.is_closed, "it is closed when it has stopped");
        list.groups.len()
    }

    fn judge(&self) {
        let (list, answers) = (self.list.lock().unwrap(), self.answers.lock().unwrap());
        assert_eq!(list.tidied, list.groups.len(), "it tidies up after each group");
        let mut fates = BTreeMap::new();
        for Group { ran, fate } in &list.groups {
            for id in ran {
                assert!(fates.insert(*id, *fate).is_none(), "{id:?} is in one group");
            }
        }
        for id in &list.committed {
            assert_eq!(fates.get(id), Some(&Fate::Committed), "{id:?} is there");
        }
        for (id, answer) in answers.iter() {
            let (fate, is_there) = (fates.get(id).copied(), list.committed.contains(id));
            let expected = match answer {
                Ok(_) => (Some(Fate::Committed), true),
                Err(MetaError::NoSuchKey) => (Some(Fate::Committed), false),
                Err(MetaError::Full) => (Some(Fate::Full), false),
                Err(MetaError::Storage(text)) if text == "the list failed" => (Some(Fate::Failed), false),
                Err(error) => panic!("{id:?} was told: {error}"),
            };
            assert_eq!((fate, is_there), expected, "{id:?} was told {answer:?}");
        }
    }
}

/// Clients submit, wait for room in the queue, go away; groups fail; and at some moment the store is closed.
fn submissions(honesty: Honesty) {
    let house = House::new(honesty);
    let clients: Vec<_> = (0..CLIENTS).map(|client| spawn(Arc::clone(&house).client(client))).collect();
    let stopper = shuttle::thread::spawn({
        let house = Arc::clone(&house);
        move || house.stop()
    });
    for client in clients {
        block_on(client).expect("it was not cancelled");
    }
    let groups = stopper.join().expect("it did not panic");
    house.judge();
    assert_eq!(house.list.lock().unwrap().groups.len(), groups, "nothing is committed after the stop");
}

/// Commands that a client has queued one after another run in that order. (Those that it submits at once need not: a
/// sender that waits for room may be overtaken by one that comes when there is some.)
fn pipelines() {
    let list = Arc::<Mutex<List>>::default();
    let committer = Committer { list: Arc::clone(&list), honesty: Honesty::Honest, late: Vec::new() };
    let (commands, queue) = mpsc::channel(META_QUEUE_MAX);
    let thread = shuttle::thread::spawn(move || run(committer, queue));
    let clients = (0..2).map(|client| {
        let commands = commands.clone();
        spawn(async move {
            let mut answers = Vec::new();
            for number in 0..3 {
                let id = (client, number);
                let (command, answer) = command("append", move |transaction| {
                    transaction.run(id, false);
                    Ok(id)
                });
                assert!(commands.send(command).await.is_ok(), "the writer runs as long as it is asked");
                answers.push(answer);
            }
            drop(commands);
            for (number, answer) in answers.into_iter().enumerate() {
                match answer.await.expect("everybody is answered") {
                    Ok(id) => assert_eq!(id, (client, number), "everybody gets his own answer"),
                    Err(error) => assert!(matches!(error, MetaError::Full | MetaError::Storage(_)), "{error}"),
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    drop(commands);
    for client in clients {
        block_on(client).expect("it was not cancelled");
    }
    thread.join().expect("it did not panic");
    let list = list.lock().unwrap();
    assert!(list.is_closed, "it is closed when it has stopped");
    let ran: Vec<Id> = list.groups.iter().flat_map(|group| group.ran.iter().copied()).collect();
    for client in 0..2 {
        let order: Vec<_> = ran.iter().filter(|id| id.0 == client).map(|id| id.1).collect();
        assert_eq!(order, [0, 1, 2], "the order of a client holds");
    }
}

#[test]
fn commands_run_in_the_order_in_which_a_client_queued_them() {
    holds("pipelines", pipelines);
}

#[test]
fn every_command_is_answered_once_as_its_group_ended() {
    holds("submissions", || submissions(Honesty::Honest));
}

#[test]
fn an_answer_before_its_commit_is_noticed() {
    let said = breaks(|| submissions(Honesty::AnswersFirst));
    assert!(said.contains("what is answered Ok is committed"), "{said}");
}

#[test]
fn a_failed_group_that_leaves_something_is_noticed() {
    let said = breaks(|| submissions(Honesty::LeavesHalf));
    assert!(said.contains("is there") || said.contains("was told"), "{said}");
}

#[test]
fn a_command_that_is_lost_is_noticed() {
    let said = fault::with(Fault::CommandLost, || breaks(|| submissions(Honesty::Honest)));
    assert!(said.contains("the metadata writer has stopped"), "{said}");
}

#[test]
fn commands_that_overtake_each_other_are_noticed() {
    let said = fault::with(Fault::CommandsSwapped, || breaks(pipelines));
    assert!(said.contains("the order of a client holds"), "{said}");
}

#[test]
fn an_answer_that_wakes_nobody_is_noticed() {
    let said = fault::with(Fault::AnswerUnheard, || breaks(|| submissions(Honesty::Honest)));
    assert!(said.contains("deadlock"), "{said}");
}
