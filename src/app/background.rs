//! Small tasks that live as long as the server: the keyring's refresh and the metrics' upkeep.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::identity::Keyring;
use crate::limits::{KEYRING_REFRESH_MS, METRICS_UPKEEP_MS};
use crate::telemetry::Recorder;

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

/// Folds metrics until `stop`.
pub async fn keep_metrics(recorder: Recorder, stop: CancellationToken) {
    let mut ticks = every(METRICS_UPKEEP_MS);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        recorder.upkeep();
    }
}

fn every(period_ms: u64) -> Interval {
    let mut ticks = interval(Duration::from_millis(period_ms));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
