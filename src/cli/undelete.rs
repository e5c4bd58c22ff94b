//! `bucket undelete`: the window in which deleted and overwritten objects can be restored, what is in it, and
//! restoring. Only whoever runs the machine sees it; clients never do.

use std::sync::Arc;

use clap::Subcommand;

use crate::cli::named::{find, parse};
use crate::cli::{Failure, output};
use crate::limits::{PAGE_MAX, UNDELETE_DAYS_MAX, UNDELETE_STEP};
use crate::meta::{MetaError, MetaStore, RestoreVersion, RetainedQuery, RetainedVersion};
use crate::rules::Undelete;
use crate::types::{Bucket, BucketName, Clock as _, DocumentKind, ObjectKey, SystemClock};

/// What `undelete` does.
#[derive(Subcommand)]
pub enum UndeleteAction {
    /// Set the window in days; 0 turns it off and lets go of what is in it
    Set {
        /// Name of the bucket
        name: String,
        /// Days that what is deleted or overwritten stays restorable
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=i64::from(UNDELETE_DAYS_MAX)))]
        days: u32,
    },
    /// List what can be restored; works for a bucket that was removed, too
    List {
        /// Name of the bucket
        name: String,
        /// Only keys that begin so
        #[arg(long, default_value = "")]
        prefix: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Put back one key, or every key with a prefix that has no object now
    #[command(group = clap::ArgGroup::new("what").required(true))]
    Restore {
        /// Name of the bucket
        name: String,
        /// The key
        #[arg(group = "what")]
        key: Option<String>,
        /// Which of several versions of the key, as listed; otherwise the one that went last
        #[arg(long, conflicts_with = "prefix")]
        id: Option<u64>,
        /// All keys that begin so and have no object now
        #[arg(long, group = "what")]
        prefix: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub async fn run(action: UndeleteAction, meta: &dyn MetaStore) -> Result<(), Failure> {
    match action {
        UndeleteAction::Set { name, days } => set(meta, &name, Undelete { days }).await,
        UndeleteAction::List { name, prefix, json } => list(meta, &parse(&name)?, prefix, json).await,
        UndeleteAction::Restore { name, key: Some(key), id, json, .. } => {
            let bucket = find_or_explain(meta, &name).await?;
            restore_key(meta, &bucket, &key, id).await?;
            if json {
                tell_restored(1, true);
            }
            Ok(())
        }
        UndeleteAction::Restore { name, prefix, json, .. } => {
            let bucket = find_or_explain(meta, &name).await?;
            tell_restored(restore_prefix(meta, &bucket, prefix.unwrap_or_default()).await?, json);
            Ok(())
        }
    }
}

async fn set(meta: &dyn MetaStore, name: &str, window: Undelete) -> Result<(), Failure> {
    let bucket = find(meta, name).await?;
    let document = (window.days > 0).then(|| Arc::from(window.to_document()));
    meta.set_document(bucket.id, DocumentKind::Undelete, document).await?;
    // A shorter window is a promise too: what is older than it goes. A longer one holds for what is deleted
    // from now on.
    while meta.shorten_retained(&bucket.name, window, UNDELETE_STEP).await? > 0 {}
    Ok(())
}

async fn list(meta: &dyn MetaStore, bucket: &BucketName, prefix: String, json: bool) -> Result<(), Failure> {
    let mut pages = Pages::new(bucket, prefix);
    if json {
        let mut shown = Vec::new();
        while let Some(page) = pages.next(meta).await? {
            shown.extend(page.iter().map(|row| {
                serde_json::json!({
                    "key": row.key.as_str(),
                    "id": row.id,
                    "size": row.size,
                    "etag": row.etag.quoted().trim_matches('"'),
                    "modified": row.modified.iso_millis(),
                    "deleted": row.deleted.iso_millis(),
                    "until": row.until.iso_millis(),
                })
            }));
        }
        output::json(&shown.into());
        return Ok(());
    }
    // Page by page, so that a long list takes no memory and its begin is seen at once.
    while let Some(page) = pages.next(meta).await? {
        let cells = page.into_iter().map(|row| {
            let RetainedVersion { id, key, size, deleted, until, .. } = row;
            let key = output::key(key.as_str());
            vec![id.to_string(), size.to_string(), deleted.iso_millis(), until.iso_millis(), key]
        });
        output::table(&["ID", "SIZE", "DELETED", "UNTIL", "KEY"], &cells.collect::<Vec<_>>());
    }
    Ok(())
}

/// The restorable versions of a bucket, by key.
struct Pages {
    query: RetainedQuery,
    is_over: bool,
}

impl Pages {
    fn new(bucket: &BucketName, prefix: String) -> Self {
        let query = RetainedQuery { bucket: bucket.clone(), prefix, after: None, max: PAGE_MAX };
        Self { query, is_over: false }
    }

    async fn next(&mut self, meta: &dyn MetaStore) -> Result<Option<Vec<RetainedVersion>>, MetaError> {
        if self.is_over {
            return Ok(None);
        }
        let page = meta.retained(&self.query).await?;
        self.is_over = page.len() < PAGE_MAX as usize;
        self.query.after = page.last().map(|row| (row.key.clone(), row.id));
        Ok((!page.is_empty()).then_some(page))
    }
}

async fn find_or_explain(meta: &dyn MetaStore, name: &str) -> Result<Bucket, Failure> {
    match meta.bucket(&parse(name)?).await? {
        Some(bucket) => Ok(bucket),
        None => Err(format!("there is no bucket {name:?}: create it, then restore into it").into()),
    }
}

async fn restore_key(meta: &dyn MetaStore, bucket: &Bucket, key: &str, id: Option<u64>) -> Result<(), Failure> {
    let key = ObjectKey::parse(key).map_err(|_| format!("{key:?} is no key"))?;
    let id = match id {
        Some(id) => id,
        None => newest_of(meta, bucket, &key).await?.ok_or_else(|| format!("nothing of {key:?} can be restored"))?,
    };
    restore(meta, bucket, key, id).await
}

/// The version of a key that was written last, which is the one that went last.
async fn newest_of(meta: &dyn MetaStore, bucket: &Bucket, key: &ObjectKey) -> Result<Option<u64>, MetaError> {
    let mut pages = Pages::new(&bucket.name, key.as_str().to_owned());
    let mut newest = None;
    // The key itself comes before all keys that it is a prefix of.
    while let Some(page) = pages.next(meta).await? {
        let of_key = page.iter().filter(|row| row.key == *key);
        newest = of_key.map(|row| row.id).next_back().or(newest);
        if page.last().is_some_and(|row| row.key != *key) {
            break;
        }
    }
    Ok(newest)
}

async fn restore_prefix(meta: &dyn MetaStore, bucket: &Bucket, prefix: String) -> Result<u64, Failure> {
    let mut pages = Pages::new(&bucket.name, prefix);
    let mut candidate: Option<(ObjectKey, u64)> = None;
    let mut count = 0_u64;
    while let Some(page) = pages.next(meta).await? {
        for row in page {
            // Of the versions of a key the last one listed is the newest.
            let previous = candidate.replace((row.key.clone(), row.id));
            if let Some((key, id)) = previous.filter(|(key, _)| *key != row.key) {
                count += u64::from(restore_if_gone(meta, bucket, key, id).await?);
            }
        }
    }
    if let Some((key, id)) = candidate {
        count += u64::from(restore_if_gone(meta, bucket, key, id).await?);
    }
    Ok(count)
}

fn tell_restored(count: u64, json: bool) {
    if json {
        output::json(&serde_json::json!({ "restored": count }));
    } else {
        output::line(&format!("{count} restored"));
    }
}

async fn restore_if_gone(meta: &dyn MetaStore, bucket: &Bucket, key: ObjectKey, id: u64) -> Result<bool, Failure> {
    let current = meta.version(bucket.id, &key, None).await?;
    if current.is_some_and(|found| !found.version.is_delete_marker) {
        return Ok(false);
    }
    restore(meta, bucket, key, id).await?;
    Ok(true)
}

async fn restore(meta: &dyn MetaStore, bucket: &Bucket, key: ObjectKey, id: u64) -> Result<(), Failure> {
    let name = output::key(key.as_str());
    let request = RestoreVersion { bucket: bucket.id, key, id, now: SystemClock.now() };
    match meta.restore(request).await {
        Ok(_) => Ok(()),
        Err(MetaError::NoSuchVersion) => Err(format!("nothing of \"{name}\" with the id {id} can be restored").into()),
        Err(MetaError::WouldLose) => Err(format!(
            "\"{name}\" has an object now, which would be lost: the bucket's undelete window is off and it keeps no \
             versions"
        )
        .into()),
        Err(error) => Err(error.into()),
    }
}
