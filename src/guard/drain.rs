//! Graceful stop: no new work, running work finishes until a deadline, the rest is cancelled with a cause.

/// Why a request ended before its answer was complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The client hung up.
    ClientGone,
    /// A timeout of ours.
    Deadline,
    /// The drain's deadline passed.
    Drain,
}

/// The drain. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Drain {}

impl Drain {
    /// A drain that has not begun.
    pub fn new() -> Self {
        Self {}
    }

    /// Spawns a task that the drain waits for.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(task)
    }

    /// Begins the drain: `draining()` resolves for everybody.
    pub fn begin(&self) {
        unimplemented!()
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        unimplemented!()
    }

    /// Resolves when the drain begins.
    pub async fn draining(&self) {
        unimplemented!()
    }

    /// Resolves when the deadline of the drain has passed and what is left must stop.
    pub async fn cancelled(&self) {
        unimplemented!()
    }

    /// Begins the drain, waits for all tasks until `deadline`, then cancels the rest and waits for them.
    /// Returns how many had to be cancelled.
    pub async fn finish(&self, deadline: std::time::Duration) -> usize {
        let _ = deadline;
        unimplemented!()
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}
