//! What the runner tells of its workers, and how an operator hurries them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::types::{Clock as _, SystemClock, Timestamp};
use crate::worker::{Pace, Progress, Worker};

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// A step, or the next one follows at once.
    Running,
    /// It waits until there is something to do.
    Resting,
    /// Its last step failed.
    Failing,
    /// It has ended.
    Done,
}

impl JobState {
    /// A word for machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Resting => "resting",
            Self::Failing => "failing",
            Self::Done => "done",
        }
    }
}

/// What is known of a worker.
#[derive(Clone, Debug)]
pub struct JobFacts {
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: JobState,
    /// When its last step ended.
    pub last_step: Option<Timestamp>,
    /// Why its last step failed, if it did.
    pub last_error: Option<String>,
    /// Steps since the process began.
    pub steps: u64,
    /// Until the next step.
    pub rest: Option<Duration>,
    /// How far it is.
    pub progress: Progress,
}

/// One worker under the eyes of an operator.
pub(super) struct Job {
    worker: Arc<dyn Worker>,
    hurried: Notify,
    facts: Mutex<JobFacts>,
}

impl Job {
    fn new(worker: Arc<dyn Worker>) -> Self {
        let facts = JobFacts {
            name: worker.name().to_owned(),
            state: JobState::Running,
            last_step: None,
            last_error: None,
            steps: 0,
            rest: None,
            progress: Progress::default(),
        };
        Self { worker, hurried: Notify::new(), facts: Mutex::new(facts) }
    }

    fn facts(&self) -> MutexGuard<'_, JobFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step begins.
    pub(super) fn begin(&self) {
        let mut facts = self.facts();
        facts.rest = None;
        if facts.state == JobState::Resting {
            facts.state = JobState::Running;
        }
    }

    /// A step went well.
    pub(super) fn stepped(&self, pace: Pace) {
        let mut facts = self.facts();
        (facts.state, facts.rest) = match pace {
            Pace::Busy => (JobState::Running, None),
            Pace::Idle(rest) => (JobState::Resting, Some(rest)),
            Pace::Done => (JobState::Done, None),
        };
        facts.last_error = None;
        facts.last_step = Some(SystemClock.now());
        facts.steps += 1;
    }

    /// A step failed.
    pub(super) fn failed(&self, error: &dyn std::error::Error, rest: Duration) {
        let mut facts = self.facts();
        facts.state = JobState::Failing;
        facts.last_error = Some(error.to_string());
        facts.last_step = Some(SystemClock.now());
        facts.rest = Some(rest);
        facts.steps += 1;
    }

    /// Resolves when somebody hurries it.
    pub(super) async fn hurried(&self) {
        self.hurried.notified().await;
    }
}

/// All workers of a runner. Cheap to clone.
#[derive(Clone, Default)]
pub struct Jobs {
    jobs: Arc<Mutex<Vec<Arc<Job>>>>,
}

impl Jobs {
    pub(super) fn add(&self, worker: Arc<dyn Worker>) -> Arc<Job> {
        let job = Arc::new(Job::new(worker));
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&job));
        job
    }

    fn all(&self) -> Vec<Arc<Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known of them, in the order in which they were started.
    pub async fn list(&self) -> Vec<JobFacts> {
        let mut list = Vec::new();
        for job in self.all() {
            let progress = job.worker.progress().await;
            list.push(JobFacts { progress, ..job.facts().clone() });
        }
        list
    }

    /// Makes the worker of that name begin its work now; false if there is none.
    pub fn hurry(&self, name: &str) -> bool {
        let found = self.all().into_iter().find(|job| job.worker.name() == name);
        if let Some(job) = &found {
            job.worker.hurry();
            job.hurried.notify_one();
        }
        found.is_some()
    }
}
