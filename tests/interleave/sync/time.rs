//! Deadlines without a clock. A law says how time passes: whatever a deadline's length is, it may come at any moment,
//! or only when nobody can move without it, as tokio's paused clock does.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::step::steps;
use super::task::{spawn, yield_now};

/// How time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// A deadline may come at any moment.
    AnyMoment,
    /// A deadline comes when everybody waits.
    WhenIdle,
}

/// So many times in a row somebody else could have gone on and nobody did. A scheduler that overlooks a task that can
/// move this often would have to throw a coin as often.
const IDLE_TURNS: usize = 48;

thread_local! {
    static PASSING: Cell<Passing> = const { Cell::new(Passing::AnyMoment) };
}

/// Says how time passes in the schedules of this thread.
pub(crate) fn passes(how: Passing) {
    PASSING.set(how);
}

/// The deadline has come.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// As tokio's: looks at the future before the deadline. `Duration::MAX` never ends.
pub(crate) async fn timeout<F: Future>(deadline: Duration, future: F) -> Result<F::Output, Elapsed> {
    let (ring, mut rung) = tokio::sync::oneshot::channel::<()>();
    let is_over = Arc::new(AtomicBool::new(false));
    let timer = spawn({
        let is_over = Arc::clone(&is_over);
        async move {
            if deadline == Duration::MAX {
                return std::future::pending::<()>().await;
            }
            pass(&is_over).await;
            let _ = ring.send(());
        }
    });
    let mut future = pin!(future);
    let outcome = tokio::select! {
        biased;
        output = &mut future => Ok(output),
        _ = &mut rung => Err(Elapsed),
    };
    is_over.store(true, Ordering::SeqCst);
    timer.abort();
    outcome
}

/// Returns when a deadline may have come, or when nobody waits for it any more.
async fn pass(is_over: &AtomicBool) {
    yield_now().await;
    if PASSING.get() == Passing::AnyMoment {
        return;
    }
    let (mut seen, mut idle) = (steps(), 0);
    while idle < IDLE_TURNS && !is_over.load(Ordering::SeqCst) {
        yield_now().await;
        idle = if steps() == seen { idle + 1 } else { 0 };
        seen = steps();
    }
}
