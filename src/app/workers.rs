//! The workers of a server: which there are, and which of them take a lease.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::data_dir;
use crate::config::Config;
use crate::engine::{Engine, LogStyle};
use crate::meta::EpochStart;
use crate::notify::Webhook;
use crate::rules::DayLength;
use crate::worker::{
    AccessLogDelivery, Collector, DiskTrial, EpochSweeper, EventDelivery, Leased, LifecycleRules, LockClockKeeper,
    Rewrapper, Runner, Scrubber, SnapshotKeeper, UndeleteCollector, UploadExpiry,
};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// Starts all of them; they end with the token.
pub(crate) fn start(
    config: &Config,
    engine: &Arc<Engine>,
    boot: &EpochStart,
    webhooks: Vec<Webhook>,
    stop: CancellationToken,
) -> Runner {
    let EpochStart { epoch, crashed } = boot.clone();
    let workers = Runner::new(stop);
    let age_seconds = config.upload_expiry_days * SECONDS_PER_DAY;
    let collector = Collector::new(Arc::clone(engine));
    workers.start(Arc::new(Leased::new(collector, Arc::clone(engine), epoch, crashed.clone())));
    let expiry = UploadExpiry::new(Arc::clone(engine), age_seconds);
    workers.start(Arc::new(Leased::new(expiry, Arc::clone(engine), epoch, crashed.clone())));
    let lifecycle = LifecycleRules::new(Arc::clone(engine), DayLength::of_seconds(config.lifecycle_day_seconds));
    workers.start(Arc::new(Leased::new(lifecycle, Arc::clone(engine), epoch, crashed.clone())));
    let undelete = UndeleteCollector::new(Arc::clone(engine));
    workers.start(Arc::new(Leased::new(undelete, Arc::clone(engine), epoch, crashed.clone())));
    let scrubber = Scrubber::new(Arc::clone(engine), config.keeping.scrub_rate, config.keeping.scrub_interval);
    workers.start(Arc::new(Leased::new(scrubber, Arc::clone(engine), epoch, crashed.clone())));
    if let Some(interval) = config.keeping.snapshot_interval {
        let snapshots = data_dir::snapshots(&config.data_dir, config.keeping.snapshot_dir.as_deref());
        let keeper = SnapshotKeeper::new(Arc::clone(engine), snapshots, interval, config.keeping.snapshot_keep);
        workers.start(Arc::new(Leased::new(keeper, Arc::clone(engine), epoch, crashed.clone())));
    }
    workers.start(Arc::new(Rewrapper::new(Arc::clone(engine))));
    workers.start(Arc::new(LockClockKeeper::new(Arc::clone(engine))));
    workers.start(Arc::new(DiskTrial::new(Arc::clone(engine))));
    for webhook in webhooks {
        let delivery = EventDelivery::new(Arc::clone(engine), webhook, config.region.clone());
        workers.start(Arc::new(Leased::new(delivery, Arc::clone(engine), epoch, crashed.clone())));
    }
    let style = LogStyle { region: config.region.clone(), encrypts: config.encrypt_by_default };
    let logs = AccessLogDelivery::new(Arc::clone(engine), style, config.access_log_interval);
    workers.start(Arc::new(logs));
    let sweeper = EpochSweeper::new(Arc::clone(engine), crashed.clone());
    workers.start(Arc::new(Leased::new(sweeper, Arc::clone(engine), epoch, crashed)));
    workers
}
