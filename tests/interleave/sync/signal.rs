//! Tokio's signals and trackers of tasks, and the cell that is written once, step by step.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::task::{JoinHandle, spawn};
use super::{Stepped, point};
use crate::fault::{self, Fault};

#[derive(Clone, Debug)]
pub(crate) struct CancellationToken(tokio_util::sync::CancellationToken);

impl CancellationToken {
    pub(crate) fn new() -> Self {
        Self(tokio_util::sync::CancellationToken::new())
    }

    pub(crate) fn cancel(&self) {
        point();
        self.0.cancel();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        point();
        self.0.is_cancelled()
    }

    pub(crate) async fn cancelled(&self) {
        Stepped::new(Heard(Box::pin(self.0.cancelled()))).await;
    }
}

/// A signal, unless it is not heard.
struct Heard<F>(Pin<Box<F>>);

impl<F: Future> Future for Heard<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let deaf = &mut Context::from_waker(Waker::noop());
        let context = if fault::is(Fault::SignalUnheard) { deaf } else { context };
        self.0.as_mut().poll(context)
    }
}

#[derive(Debug)]
pub(crate) struct TaskTracker {
    tracker: tokio_util::task::TaskTracker,
    /// For `Fault::EndUncounted`.
    _uncounted: Option<TaskTrackerToken>,
}

impl TaskTracker {
    pub(crate) fn new() -> Self {
        let tracker = tokio_util::task::TaskTracker::new();
        let uncounted = fault::is(Fault::EndUncounted).then(|| tracker.token());
        Self { tracker, _uncounted: uncounted }
    }

    /// As tokio's: counted before it is spawned, and until its future is dropped.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        point();
        spawn(Stepped::new(self.tracker.track_future(future)))
    }

    pub(crate) fn close(&self) -> bool {
        point();
        self.tracker.close()
    }

    pub(crate) async fn wait(&self) {
        Stepped::new(self.tracker.wait()).await;
    }

    pub(crate) fn len(&self) -> usize {
        point();
        self.tracker.len()
    }
}

#[derive(Debug)]
pub(crate) struct OnceLock<T>(std::sync::OnceLock<T>);

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self(std::sync::OnceLock::new())
    }

    pub(crate) fn get(&self) -> Option<&T> {
        point();
        self.0.get()
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        point();
        self.0.set(value)
    }
}
