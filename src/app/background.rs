//! Small tasks beside the requests: the keyring's refresh, the metrics' upkeep, the loans that the pool makes to
//! connections, and what is told of events at the start.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::buffer::{BlockPool, Lent};
use crate::engine::Engine;
use crate::guard::Admission;
use crate::identity::Keyring;
use crate::limits::admin::KEY_USE_KEPT_MS;
use crate::limits::{KEYRING_REFRESH_MS, LOAN_RETURN_MS, METRICS_UPKEEP_MS, MemoryPlan};
use crate::telemetry::{Recorder, record};
use crate::types::EventBacklog;

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
