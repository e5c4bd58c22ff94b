//! What is stored: the database's integrity, uploads that nobody finishes, runs that did not end cleanly.

use std::sync::Arc;
use std::time::Duration;

use crate::app::store::{Absent, open_metadata};
use crate::app::{DataLock, StartError};
use crate::cli::Failure;
use crate::cli::doctor::{Finding, Grade};
use crate::cli::named::all_buckets;
use crate::cli::output::describe;
use crate::config::Config;
use crate::engine::{LockClockReport, confirm_lock_clock, look_at_lock_clock};
use crate::limits::{DOCTOR_DATABASE_MS, PAGE_MAX};
use crate::meta::{MetaError, MetaStore};
use crate::types::{BucketId, Clock as _, SystemClock, Timestamp, UploadListQuery};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// Everything about what is stored.
pub async fn look(config: &Config) -> Vec<Finding> {
    let meta: Arc<dyn MetaStore> = match open_metadata(&config.data_dir, Absent::Refuse) {
        Ok(meta) => meta,
        Err(StartError::NoData { .. }) => {
            return vec![Finding::new(Grade::Good, "database", "there is none yet: the first start makes it")];
        }
        Err(error) => return vec![Finding::new(Grade::Bad, "database", describe(&error))],
    };
    let mut findings = vec![database(&*meta).await];
    let days = i64::try_from(config.upload_expiry_days).unwrap_or(i64::MAX);
    let before = SystemClock.now().plus_seconds(-days.saturating_mul(SECONDS_PER_DAY));
    findings.push(uploads(&*meta, before).await);
    findings.push(runs(config, &*meta).await);
    findings.push(locks(&*meta).await);
    findings
}

/// Declares the machine's clock right.
///
/// # Errors
/// If the store cannot be opened or written.
pub async fn confirm_clock(config: &Config) -> Result<(), Failure> {
    let meta = open_metadata(&config.data_dir, Absent::Refuse)?;
    confirm_lock_clock(&*meta, &SystemClock).await?;
    Ok(meta.close().await?)
}

/// Whether locks of objects are judged by the machine's clock.
async fn locks(meta: &dyn MetaStore) -> Finding {
    match look_at_lock_clock(meta, &SystemClock).await {
        Err(error) => Finding::new(Grade::Bad, "locks", describe(&error)),
        Ok(report) => judge_locks(report),
    }
}

fn judge_locks(LockClockReport { clock, time, is_believed }: LockClockReport) -> Finding {
    let (shown, seen) = (clock.iso_millis(), time.iso_millis());
    if !is_believed {
        let detail = format!(
            "the clock leapt to {shown}: locks are judged by {seen} until it is put right; if it is right, run \
             `sluicegate doctor --confirm-clock`"
        );
        return Finding::new(Grade::Warning, "locks", detail);
    }
    if clock < time {
        let detail = format!("the clock went back to {shown}: locks are judged by {seen} until it is later than that");
        return Finding::new(Grade::Warning, "locks", detail);
    }
    Finding::new(Grade::Good, "locks", "retentions are judged by the clock")
}

async fn database(meta: &dyn MetaStore) -> Finding {
    let mut faults = Vec::new();
    let mut count = 0_u64;
    let mut report = |fault: String| {
        count += 1;
        if faults.is_empty() {
            faults.push(fault);
        }
    };
    let limit = Duration::from_millis(DOCTOR_DATABASE_MS);
    match tokio::time::timeout(limit, meta.verify(&mut report)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Finding::new(Grade::Bad, "database", describe(&error)),
        Err(_) if faults.is_empty() => {
            let detail = "too large to check here: run `sluicegate check`".to_owned();
            return Finding::new(Grade::Good, "database", detail);
        }
        Err(_) => {}
    }
    match faults.first() {
        None => Finding::new(Grade::Good, "database", "its rows agree with each other"),
        Some(first) => Finding::new(Grade::Bad, "database", format!("{count} faults, the first: {first}")),
    }
}

async fn uploads(meta: &dyn MetaStore, before: Timestamp) -> Finding {
    match count_uploads(meta, before).await {
        Err(error) => Finding::new(Grade::Bad, "uploads", describe(&error)),
        Ok((open, 0)) => Finding::new(Grade::Good, "uploads", format!("{open} unfinished, none older than the limit")),
        Ok((open, stale)) => {
            let detail = format!("{open} unfinished, {stale} older than the limit: a running server aborts them");
            Finding::new(Grade::Warning, "uploads", detail)
        }
    }
}

/// Unfinished uploads, and how many of them were initiated before `before`.
async fn count_uploads(meta: &dyn MetaStore, before: Timestamp) -> Result<(u64, u64), MetaError> {
    let (mut open, mut stale) = (0, 0);
    for bucket in all_buckets(meta).await? {
        let counted = count_uploads_of(meta, bucket.id, before).await?;
        open += counted.0;
        stale += counted.1;
    }
    Ok((open, stale))
}

async fn count_uploads_of(meta: &dyn MetaStore, bucket: BucketId, before: Timestamp) -> Result<(u64, u64), MetaError> {
    let (mut open, mut stale) = (0, 0);
    let mut query = UploadListQuery {
        prefix: String::new(),
        delimiter: String::new(),
        key_marker: String::new(),
        upload_marker: None,
        max_uploads: PAGE_MAX,
    };
    loop {
        let page = meta.list_uploads(bucket, &query).await?;
        open += page.uploads.len() as u64;
        stale += page.uploads.iter().filter(|upload| upload.initiated < before).count() as u64;
        let Some((key_marker, upload_marker)) = page.next else { return Ok((open, stale)) };
        (query.key_marker, query.upload_marker) = (key_marker, upload_marker);
    }
}

/// Begins and ends an epoch of its own: that shows which ones never ended, and that the database takes
/// durable writes.
async fn runs(config: &Config, meta: &dyn MetaStore) -> Finding {
    let server_runs = DataLock::take(&config.data_dir).is_err();
    let begun = meta.begin_epoch().await;
    let boot = match begun {
        Ok(boot) => boot,
        Err(error) => return Finding::new(Grade::Bad, "runs", describe(&error)),
    };
    if let Err(error) = meta.end_epoch(boot.epoch).await {
        return Finding::new(Grade::Bad, "runs", describe(&error));
    }
    let unclean = boot.crashed.len().saturating_sub(usize::from(server_runs));
    if unclean == 0 {
        return Finding::new(Grade::Good, "runs", "every earlier run ended cleanly or was swept");
    }
    let detail = format!("{unclean} did not end cleanly and are not swept yet: a running server does that");
    Finding::new(Grade::Warning, "runs", detail)
}

#[cfg(test)]
mod tests {
    use super::{SECONDS_PER_DAY, confirm_clock, judge_locks, look};
    use crate::app::store::{Absent, open_metadata};
    use crate::cli::doctor::Grade;
    use crate::config::{Config, RawConfig};
    use crate::engine::LockClockReport;
    use crate::meta::MetaStore as _;
    use crate::rules::Seen;
    use crate::types::{Clock as _, SystemClock, Timestamp, Uptime};

    fn config(data_dir: &std::path::Path) -> Config {
        Config::decide(RawConfig { data_dir: Some(data_dir.to_owned()), ..RawConfig::default() }, None).unwrap()
    }

    #[tokio::test]
    async fn a_store_that_was_never_made_is_no_fault() {
        let scratch = tempfile::tempdir().unwrap();
        let findings = look(&config(scratch.path())).await;
        assert!(findings.iter().all(|finding| finding.grade == Grade::Good), "{findings:?}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "looking makes nothing");
    }

    #[test]
    fn a_clock_that_locks_do_not_go_by_is_a_warning() {
        let at = Timestamp::from_seconds;
        let judge = |clock, is_believed| judge_locks(LockClockReport { clock: at(clock), time: at(100), is_believed });
        assert_eq!(judge(100, true).grade, Grade::Good);
        assert!(judge(50, true).grade == Grade::Warning && judge(50, true).detail.contains("went back"));
        assert!(judge(9_999, false).grade == Grade::Warning && judge(9_999, false).detail.contains("--confirm-clock"));
    }

    #[tokio::test]
    async fn a_leap_is_warned_of_until_it_is_confirmed() {
        let scratch = tempfile::tempdir().unwrap();
        let meta = open_metadata(scratch.path(), Absent::Create).unwrap();
        let year_ago = SystemClock.now().plus_seconds(-365 * SECONDS_PER_DAY);
        meta.keep_lock_clock(Seen { time: year_ago, uptime: Uptime { boot: -1, micros: 0 } }).await.unwrap();
        meta.close().await.unwrap();
        let locks = async || {
            let findings = look(&config(scratch.path())).await;
            findings.into_iter().find(|finding| finding.topic == "locks").unwrap().grade
        };
        assert_eq!(locks().await, Grade::Warning);
        confirm_clock(&config(scratch.path())).await.unwrap();
        assert_eq!(locks().await, Grade::Good);
    }

    #[tokio::test]
    async fn a_run_that_did_not_end_is_noticed_and_looking_adds_none() {
        let scratch = tempfile::tempdir().unwrap();
        let meta = open_metadata(scratch.path(), Absent::Create).unwrap();
        meta.begin_epoch().await.unwrap();
        meta.close().await.unwrap();
        for _ in 0..2 {
            let findings = look(&config(scratch.path())).await;
            let runs = findings.iter().find(|finding| finding.topic == "runs").unwrap();
            assert!(runs.grade == Grade::Warning && runs.detail.starts_with("1 "), "{runs:?}");
        }
    }
}
