//! Everything of another server: buckets with their settings, objects, versions.
//!
//! What is at the target is the only state: the versions that a key has there are looked up before anything of it is
//! written, and only what is missing behind them is. So an import that was killed goes on where it was, and one that
//! is repeated writes nothing twice.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::limits::PART_BYTES_MAX;
use crate::limits::transfer::{TRANSFER_TRIES, TRANSFER_VERSIONS_MAX};
use crate::transfer::TransferError;
use crate::transfer::client::{S3Client, pause};
use crate::transfer::copy::Copier;
use crate::transfer::listing::{Group, Lister, Scope, Version, buckets, versions_of};
use crate::transfer::report::{Report, Tally};
use crate::transfer::settings::{self, Kind, Versioning, When};

/// What to import.
#[derive(Clone, Debug)]
pub struct S3Import {
    /// These buckets; all if there are none.
    pub buckets: Vec<String>,
    /// Only keys that begin with it.
    pub prefix: String,
    /// Objects on their way at a time.
    pub parallel: usize,
    /// Whether only to look.
    pub dry_run: bool,
    /// Whether the settings of buckets stay as they are at the target.
    pub objects_only: bool,
    /// Whether an object whose ETag is no digest of its bytes is taken by its length.
    pub any_etag: bool,
}

struct Job {
    source: S3Client,
    target: S3Client,
    import: S3Import,
    tally: Arc<Tally>,
}

/// Imports.
///
/// # Errors
/// If the source cannot even be listed. Everything else is in the report.
pub async fn import_s3(
    source: S3Client,
    target: S3Client,
    import: S3Import,
    tally: Arc<Tally>,
) -> Result<Report, TransferError> {
    source.greet().await?;
    target.greet().await?;
    let names = match import.buckets.as_slice() {
        [] => buckets(&source).await?,
        named => named.to_vec(),
    };
    let dry_run = import.dry_run;
    let job = Arc::new(Job { source, target, import, tally });
    for name in names {
        Tally::add(&job.tally.buckets, 1);
        if let Err(error) = bucket(&job, &name).await {
            job.tally.fault(&name, "bucket", error.reason());
        }
    }
    Ok(job.tally.report(dry_run))
}

async fn bucket(job: &Arc<Job>, name: &str) -> Result<(), TransferError> {
    let Job { source, target, import, tally } = &**job;
    let kind = settings::kind(source, name).await?;
    let writes_settings = !import.dry_run && !import.objects_only;
    if !import.dry_run {
        settings::make(target, name, kind).await?;
    }
    if writes_settings {
        settings::take_over(source, target, name, When::Before, tally).await;
    }
    let is_there = !import.dry_run || settings::exists(target, name).await?;
    objects(job, name, kind, is_there).await?;
    if writes_settings {
        settings::take_over(source, target, name, When::After, tally).await;
        if kind.versioning == Some(Versioning::Suspended) {
            settings::version(target, name, Versioning::Suspended).await?;
        }
    }
    Ok(())
}

/// Copies all keys of a bucket, some at a time.
async fn objects(job: &Arc<Job>, bucket: &str, kind: Kind, is_there: bool) -> Result<(), TransferError> {
    let scope = if kind.versioning.is_some() { Scope::Versions } else { Scope::Objects };
    let mut lister = Lister::new(&job.source, bucket, &job.import.prefix, scope);
    let slots = Arc::new(Semaphore::new(job.import.parallel));
    let mut running = JoinSet::new();
    let listed = loop {
        let group = match lister.next_group().await {
            Ok(Some(group)) => group,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { break Ok(()) };
        let (own, bucket) = (Arc::clone(job), bucket.to_owned());
        running.spawn(async move {
            key(&own, &bucket, group, is_there).await;
            drop(slot);
        });
        while let Some(ended) = running.try_join_next() {
            job.tally.ended(ended);
        }
    };
    while let Some(ended) = running.join_next().await {
        job.tally.ended(ended);
    }
    listed
}

/// Copies what is missing of a key; tries again from what is there then, as long as that may help.
async fn key(job: &Job, bucket: &str, group: Group, is_there: bool) {
    if group.is_cut {
        let reason = format!("it has more than {TRANSFER_VERSIONS_MAX} versions");
        job.tally.fault(bucket, group.key, reason);
        return;
    }
    let (mut tries, mut reached) = (0, 0);
    let mut is_first = true;
    let failure = loop {
        let mut at = 0;
        let Err(error) = missing(job, bucket, &group, (is_there, is_first, &mut at)).await else { return };
        // Progress makes a new beginning.
        tries = if at > reached { 1 } else { tries + 1 };
        reached = reached.max(at);
        is_first = false;
        if !error.passes() || tries == TRANSFER_TRIES {
            break error;
        }
        sleep(pause(tries)).await;
    };
    let behind = group.versions.len().saturating_sub(reached + 1);
    let reason = match behind {
        0 => failure.reason(),
        // What is newer must not come before it.
        _ => format!("{} ({behind} newer versions wait for it)", failure.reason()),
    };
    job.tally.fault(bucket, group.key, reason);
}

/// One try to copy what is missing. `at` is how many versions are there now.
async fn missing(
    job: &Job,
    bucket: &str,
    group: &Group,
    (is_there, is_first, at): (bool, bool, &mut usize),
) -> Result<(), TransferError> {
    let Job { source, target, import, tally } = job;
    let count = group.versions.len();
    let present = match is_there {
        true => versions_of(target, bucket, &group.key, count).await?,
        false => Vec::new(),
    };
    *at = overlap(&group.versions, &present, import.any_etag);
    if is_first {
        Tally::add(&tally.skipped, *at as u64);
        Tally::add(&tally.objects, u64::from(*at < count));
    }
    let copier = Copier { source, target, tally, any_etag: import.any_etag };
    for version in &group.versions[*at..] {
        if import.dry_run {
            Tally::add(&tally.bytes, version.size);
        } else {
            copier.version(bucket, version).await?;
        }
        Tally::add(&tally.versions, 1);
        *at += 1;
    }
    Ok(())
}

/// How many of the versions of the source, oldest first, are the newest of the target, newest first.
fn overlap(source: &[Version], target: &[Version], any_etag: bool) -> usize {
    let longest = source.len().min(target.len());
    let fits = |length: &usize| {
        let newest = target[..*length].iter().rev();
        source.iter().zip(newest).all(|(source, target)| is_same(source, target, any_etag))
    };
    (0..=longest).rev().find(fits).unwrap_or(0)
}

fn is_same(source: &Version, target: &Version, any_etag: bool) -> bool {
    if source.is_marker || target.is_marker {
        return source.is_marker == target.is_marker;
    }
    // One that was too large for one request got parts, and with them another ETag.
    let had_to_change = source.size > PART_BYTES_MAX && !source.etag.contains('-');
    let is_newer = target.modified >= source.modified;
    source.size == target.size && (source.etag == target.etag || (is_newer && (any_etag || had_to_change)))
}

#[cfg(test)]
mod tests {
    use super::overlap;
    use crate::transfer::listing::Version;
    use crate::transfer::listing::tests::version;

    /// Versions of these ETags; `-` is a delete marker.
    fn versions(etags: &str) -> Vec<Version> {
        etags.chars().map(|etag| version(&etag.to_string(), etag == '-')).collect()
    }

    #[test]
    fn an_import_goes_on_behind_what_is_there() {
        for (source, target_oldest_first, expected) in [
            ("abc", "", 0),
            ("abc", "a", 1),
            ("abc", "ab", 2),
            ("abc", "abc", 3),
            // A delete marker is a version like any other.
            ("a-b", "a-", 2),
            ("a-b-", "a-b-", 4),
            // The same bytes twice.
            ("aab", "a", 1),
            ("aab", "aa", 2),
            // The source has forgotten old versions, the target has not.
            ("cd", "abc", 1),
            // The target had others before.
            ("ab", "xy", 0),
            ("ab", "xa", 1),
            ("ab", "ax", 0),
        ] {
            let mut target = versions(target_oldest_first);
            target.reverse();
            assert_eq!(overlap(&versions(source), &target, false), expected, "{source} {target_oldest_first}");
        }
    }

    #[test]
    fn any_etag_believes_size_and_time() {
        let (mut source, target) = (versions("a"), versions("b"));
        assert_eq!(overlap(&source, &target, false), 0);
        assert_eq!(overlap(&source, &target, true), 1);
        source[0].size += 1;
        assert_eq!(overlap(&source, &target, true), 0);
    }
}
