//! `bucket lifecycle --dry-run`: what the lifecycle rules would remove, seen through the eyes of the worker that
//! does it. Changes nothing.

use crate::cli::named::{all_buckets, find};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::engine::lifecycle::{Asked, Candidate, first_place, page, rules_of};
use crate::engine::look_at_lock_clock;
use crate::meta::MetaStore;
use crate::rules::DayLength;
use crate::types::{Bucket, BucketName, Clock as _, SystemClock, Timestamp};

/// Arguments of `bucket lifecycle`.
#[derive(clap::Args)]
pub struct LifecycleAction {
    /// Name of the bucket; all buckets without it
    name: Option<String>,
    /// Only list. The server does the rest by itself
    #[arg(long, required = true)]
    dry_run: bool,
    /// What would go at that time, e.g. 2030-01-01T00:00:00Z, if nothing else changed [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Seconds that a day of lifecycle rules lasts, as the server was told [default: 86400]
    #[arg(long, env = "SLUICEGATE_LIFECYCLE_DAY_SECONDS", value_name = "SECONDS")]
    lifecycle_day_seconds: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl LifecycleAction {
    /// How long a day is.
    ///
    /// # Errors
    /// If that was said wrongly.
    pub fn day(&self, store: &StoreArgs) -> Result<DayLength, Failure> {
        Ok(DayLength::of_seconds(store.lifecycle_day_seconds(self.lifecycle_day_seconds.as_deref())?))
    }
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_iso(text).ok_or_else(|| "a time such as 2030-01-01T00:00:00Z".to_owned())
}

/// When it is asked.
#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    lock_time: Timestamp,
    day: DayLength,
}

/// Something that would go.
struct Going {
    action: &'static str,
    key: String,
    /// Of the version or upload.
    id: String,
    rule: String,
    is_locked: bool,
}

/// Lists what is due.
///
/// # Errors
/// What the store refuses.
pub async fn dry_run(action: LifecycleAction, day: DayLength, meta: &dyn MetaStore) -> Result<(), Failure> {
    let LifecycleAction { name, at, json, .. } = action;
    let names = match name {
        Some(name) => vec![find(meta, &name).await?.name],
        None => all_buckets(meta).await?.into_iter().map(|bucket| bucket.name).collect(),
    };
    let lock_time = look_at_lock_clock(meta, &SystemClock).await?.time;
    let moment = Moment { now: at.unwrap_or_else(|| SystemClock.now()), lock_time: at.unwrap_or(lock_time), day };
    let mut shown = Vec::new();
    for name in &names {
        walk(meta, name, moment, |bucket, going| {
            if json {
                shown.extend(going.iter().map(|going| as_json(bucket, going)));
            } else {
                print(bucket, going);
            }
        })
        .await?;
    }
    if json {
        output::json(&shown.into());
    }
    Ok(())
}

async fn walk(
    meta: &dyn MetaStore,
    name: &BucketName,
    Moment { now, lock_time, day }: Moment,
    mut show: impl FnMut(&Bucket, &[Going]),
) -> Result<(), Failure> {
    let Some((bucket, rules)) = rules_of(meta, name).await? else { return Ok(()) };
    let asked = Asked { bucket: &bucket, rules: &rules, now, lock_time, day };
    let mut place = Some(first_place());
    while let Some(at) = place {
        let (due, next) = page(meta, asked, &at).await?;
        show(&bucket, &due.into_iter().map(going).collect::<Vec<_>>());
        place = next;
    }
    Ok(())
}

fn going(candidate: Candidate) -> Going {
    match candidate {
        Candidate::Version { expire, version, rule, is_locked } => {
            let key = expire.key.as_str().to_owned();
            Going { action: expire.action.name(), key, id: version.to_string(), rule, is_locked }
        }
        Candidate::Upload { key, upload, rule } => {
            let (key, id) = (key.as_str().to_owned(), upload.to_string());
            Going { action: "abort-upload", key, id, rule, is_locked: false }
        }
    }
}

fn as_json(bucket: &Bucket, going: &Going) -> serde_json::Value {
    let Going { action, key, id, rule, is_locked } = going;
    serde_json::json!({
        "bucket": bucket.name.as_str(),
        "action": action,
        "key": key,
        "id": id,
        "rule": rule,
        "locked": is_locked,
    })
}

fn print(bucket: &Bucket, going: &[Going]) {
    for Going { action, key, id, rule, is_locked } in going {
        let (key, rule) = (output::key(key), output::key(rule));
        let but = if *is_locked { "\tstays: locked" } else { "" };
        output::line(&format!("{action}\t{}/{key}\t{id}\trule {rule}{but}", bucket.name));
    }
}
