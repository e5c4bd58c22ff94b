//! The runner: owns the workers' tasks, paces them, rests after failures, stops them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{WORKER_BACKOFF_MS_MAX, WORKER_BACKOFF_MS_MIN};
use crate::worker::job::Job;
use crate::worker::{Jobs, Pace, Worker};

/// Runs workers, each on a task of its own, until a token stops them.
pub struct Runner {
    tasks: TaskTracker,
    stop: CancellationToken,
    jobs: Jobs,
}

impl Runner {
    /// A runner whose workers end when `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tasks: TaskTracker::new(), stop, jobs: Jobs::default() }
    }

    /// Starts a worker.
    pub fn start(&self, worker: Arc<dyn Worker>) {
        let job = self.jobs.add(Arc::clone(&worker));
        self.tasks.spawn(run(worker, job, self.stop.clone()));
    }

    /// Its workers, for an operator to look at.
    pub fn jobs(&self) -> Jobs {
        self.jobs.clone()
    }

    /// Waits until every worker has ended: after the token was cancelled, or when each is done.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn run(worker: Arc<dyn Worker>, job: Arc<Job>, stop: CancellationToken) {
    let name = worker.name();
    let mut failures = 0;
    // Cancelled or done: either way the worker gives back what it holds.
    let _ = stop.run_until_cancelled(async {
        loop {
            job.begin();
            let rest = match worker.step().await {
                Ok(pace) => {
                    job.stepped(pace);
                    if pace == Pace::Done {
                        break;
                    }
                    failures = 0;
                    rest(pace)
                }
                Err(error) => {
                    let rest = backoff(failures);
                    job.failed(&error, rest);
                    failures += 1;
                    tracing::warn!(worker = name, %error, failures, rest_ms = rest.as_millis(), "a background step failed");
                    rest
                }
            };
            // Even a busy worker lets others run between its steps.
            if rest.is_zero() {
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                () = sleep(rest) => {}
                () = job.hurried() => {}
            }
        }
    })
    .await;
    if let Err(error) = worker.stop().await {
        tracing::warn!(worker = name, %error, "a background worker could not stop cleanly");
    }
}

fn rest(pace: Pace) -> Duration {
    match pace {
        Pace::Busy | Pace::Done => Duration::ZERO,
        Pace::Idle(rest) => rest,
    }
}

/// Doubles with each failure in a row.
fn backoff(failures: u32) -> Duration {
    let rest_ms = WORKER_BACKOFF_MS_MIN.saturating_mul(1 << failures.min(32));
    Duration::from_millis(rest_ms.min(WORKER_BACKOFF_MS_MAX))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::{Runner, backoff};
    use crate::engine::EngineError;
    use crate::limits::{WORKER_BACKOFF_MS_MAX, WORKER_BACKOFF_MS_MIN};
    use crate::worker::{Pace, Worker};

    /// Takes its paces from a script and notes when each step came.
    struct Scripted {
        script: Mutex<Vec<Result<Pace, EngineError>>>,
        steps_ms: Mutex<Vec<u128>>,
        stops: AtomicU32,
        began: Instant,
    }

    impl Scripted {
        fn new(mut script: Vec<Result<Pace, EngineError>>) -> Arc<Self> {
            script.reverse();
            let (steps_ms, stops) = (Mutex::default(), AtomicU32::new(0));
            Arc::new(Self { script: Mutex::new(script), steps_ms, stops, began: Instant::now() })
        }
    }

    #[async_trait]
    impl Worker for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        async fn step(&self) -> Result<Pace, EngineError> {
            self.steps_ms.lock().unwrap().push(self.began.elapsed().as_millis());
            let next = self.script.lock().unwrap().pop();
            match next {
                Some(pace) => pace,
                None => std::future::pending().await,
            }
        }

        async fn stop(&self) -> Result<(), EngineError> {
            self.stops.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn steps_come_at_the_pace_that_the_worker_returns() {
        let idle = Pace::Idle(Duration::from_millis(700));
        let worker = Scripted::new(vec![Ok(Pace::Busy), Ok(idle), Ok(Pace::Done)]);
        let runner = Runner::new(CancellationToken::new());
        runner.start(worker.clone());
        runner.finished().await;
        assert_eq!(*worker.steps_ms.lock().unwrap(), [0, 0, 700]);
        assert_eq!(worker.stops.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_double_the_rest_and_a_success_forgets_them() {
        let failure = || Err(EngineError::Stopped);
        let script = vec![failure(), failure(), Ok(Pace::Busy), failure(), Ok(Pace::Done)];
        let worker = Scripted::new(script);
        let runner = Runner::new(CancellationToken::new());
        runner.start(worker.clone());
        runner.finished().await;
        let first = u128::from(WORKER_BACKOFF_MS_MIN);
        assert_eq!(*worker.steps_ms.lock().unwrap(), [0, first, 3 * first, 3 * first, 4 * first]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_a_step_that_waits_and_one_that_rests() {
        let stop = CancellationToken::new();
        let runner = Runner::new(stop.clone());
        let waiting = Scripted::new(Vec::new());
        let resting = Scripted::new(vec![Ok(Pace::Idle(Duration::from_secs(86_400)))]);
        runner.start(waiting.clone());
        runner.start(resting.clone());
        tokio::task::yield_now().await;
        stop.cancel();
        runner.finished().await;
        assert!([waiting, resting].iter().all(|worker| worker.stops.load(Ordering::SeqCst) == 1));
    }

    #[test]
    fn the_rest_after_failures_is_bounded() {
        assert_eq!(backoff(0), Duration::from_millis(WORKER_BACKOFF_MS_MIN));
        assert_eq!(backoff(u32::MAX), Duration::from_millis(WORKER_BACKOFF_MS_MAX));
    }
}
