//! Small tasks beside the requests: the keyring's refresh, the metrics' upkeep, the loans that the pool makes to
//! connections, and what is told of events at the start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::GaugeSource;
use crate::buffer::{BlockPool, Lent};
use crate::engine::Engine;
use crate::guard::Admission;
use crate::identity::Keyring;
use crate::limits::admin::KEY_USE_KEPT_MS;
use crate::limits::insight::HISTORY_TICK_MS;
use crate::limits::{KEYRING_REFRESH_MS, LOAN_RETURN_MS, METRICS_UPKEEP_MS, MemoryPlan};
use crate::telemetry::record::Gauges;
use crate::telemetry::{Insight, Recorder, record};
use crate::types::{Clock as _, EventBacklog, SystemClock};

/// What the small tasks work with.
pub struct Background {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The access keys.
    pub keyring: Arc<Keyring>,
    /// Names of the webhooks that are configured.
    pub webhooks: Vec<String>,
    /// The metrics.
    pub recorder: Recorder,
    /// What is remembered of requests.
    pub insight: Arc<Insight>,
    /// Reads the values that change.
    pub gauges: GaugeSource,
    /// Who lends blocks to whom.
    pub loans: (MemoryPlan, BlockPool, Admission),
    /// Ends all of them.
    pub stop: CancellationToken,
}

/// Starts all of them.
pub fn start(parts: Background) -> TaskTracker {
    let Background { engine, keyring, webhooks, recorder, insight, gauges, loans, stop } = parts;
    let tasks = TaskTracker::new();
    tasks.spawn(refresh_keys(Arc::clone(&keyring), stop.clone()));
    tasks.spawn(keep_uses_of_keys(keyring, stop.clone()));
    tasks.spawn(keep_metrics(recorder, stop.clone()));
    tasks.spawn(keep_history(insight, gauges, stop.clone()));
    let (plan, pool, admission) = loans;
    tasks.spawn(lend_blocks(plan, pool, admission, stop));
    tasks.spawn(tell_of_unheard_events(engine, webhooks));
    tasks
}

/// Reads the values that change.
pub fn gauges(admission: Admission, pool: BlockPool, engine: Arc<Engine>, data_dir: PathBuf) -> GaugeSource {
    Arc::new(move || Gauges {
        in_flight: admission.in_flight(),
        connections: admission.connections(),
        blocks: pool.size(),
        blocks_leased: pool.leased(),
        disk_free_bytes: free_bytes(&data_dir),
        is_read_only: engine.read_only().is_some(),
    })
}

fn free_bytes(data_dir: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(data_dir).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

/// Reads the access keys again and again until `stop`. While the store can't be read the old keys stay; it is
/// logged when that begins and when it ends, not each time.
pub async fn refresh_keys(keyring: Arc<Keyring>, stop: CancellationToken) {
    let mut ticks = every(KEYRING_REFRESH_MS);
    let mut is_failing = false;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let outcome = keyring.refresh().await;
        match &outcome {
            Err(error) if !is_failing => tracing::error!(%error, "access keys could not be read: the old ones stay"),
            Ok(()) if is_failing => tracing::info!("access keys are read again"),
            Ok(()) | Err(_) => {}
        }
        is_failing = outcome.is_err();
    }
}

/// Tells the store now and then which access keys were used, and once more at the `stop`.
pub async fn keep_uses_of_keys(keyring: Arc<Keyring>, stop: CancellationToken) {
    let mut ticks = every(KEY_USE_KEPT_MS);
    loop {
        let goes_on = stop.run_until_cancelled(ticks.tick()).await.is_some();
        if let Err(error) = keyring.keep_uses().await {
            tracing::debug!(%error, "the last use of access keys could not be kept");
        }
        if !goes_on {
            return;
        }
    }
}

/// Tells of events that wait for webhooks which are not configured (any more). They wait until somebody configures
/// those again.
pub async fn tell_of_unheard_events(engine: Arc<Engine>, webhooks: Vec<String>) {
    match engine.event_backlog().await {
        Ok(backlog) => {
            for EventBacklog { target, queued, dropped } in backlog {
                if queued > 0 && !webhooks.contains(&target) {
                    record::events_waiting(&target, queued, dropped);
                    tracing::warn!(webhook = target, queued, "events wait for a webhook that is not configured");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "events that wait could not be counted"),
    }
}

/// Samples what is counted, until `stop`, and once more then. A disk that hangs holds up nothing but this.
pub async fn keep_history(insight: Arc<Insight>, gauges: GaugeSource, stop: CancellationToken) {
    let mut ticks = every(HISTORY_TICK_MS);
    let mut is_failing = false;
    loop {
        let is_stopping = stop.run_until_cancelled(ticks.tick()).await.is_none();
        let (kept, gauges) = (Arc::clone(&insight), Arc::clone(&gauges));
        let note = move || kept.history.note(SystemClock.now(), &kept.tally.read(), record::reading(&gauges()));
        let noted = tokio::task::spawn_blocking(note).await.unwrap_or(Ok(()));
        if let Err(error) = &noted
            && !is_failing
        {
            tracing::warn!(%error, "samples of the past cannot be written");
        }
        is_failing = noted.is_err();
        if is_stopping {
            return;
        }
    }
}

/// Folds metrics until `stop`.
pub async fn keep_metrics(recorder: Recorder, stop: CancellationToken) {
    let mut ticks = every(METRICS_UPKEEP_MS);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        recorder.upkeep();
    }
}

/// Lends blocks to connections as they come, and returns them some time after they went, until `stop`.
pub async fn lend_blocks(plan: MemoryPlan, pool: BlockPool, admission: Admission, stop: CancellationToken) {
    let wanted = || plan.loans(admission.connections());
    let mut ticks = every(LOAN_RETURN_MS);
    let lending = async {
        let mut loans: Vec<Lent> = Vec::new();
        let mut asked = FuturesUnordered::new();
        loop {
            // Each takes its place in the queue now: one after the other would wait through the whole queue each time.
            while loans.len() + asked.len() < wanted() {
                asked.push(pool.lend());
            }
            tokio::select! {
                Some(loan) = asked.next() => loans.push(loan),
                () = admission.connections_changed() => {}
                _ = ticks.tick() => loans.truncate(wanted()),
            }
        }
    };
    let _stopped: Option<()> = stop.run_until_cancelled(lending).await;
}

fn every(period_ms: u64) -> Interval {
    let mut ticks = interval(Duration::from_millis(period_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
