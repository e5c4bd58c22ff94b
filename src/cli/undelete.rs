//! `bucket undelete`: the window in which deleted and overwritten objects can be restored, what is in it, and
//! restoring. Only whoever runs the machine sees it; clients never do.

use clap::Subcommand;

use crate::admin::retained_json;
use crate::cli::named::{find, parse};
use crate::cli::{Failure, output};
use crate::engine::RestoreFault;
use crate::engine::retained::{RetainedPages, restore_key, restore_prefix, shorten, window_document};
use crate::limits::UNDELETE_DAYS_MAX;
use crate::meta::{MetaStore, RetainedVersion};
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
            put_back(meta, &bucket, &key, id).await?;
            if json {
                tell_restored(1, true);
            }
            Ok(())
        }
        UndeleteAction::Restore { name, prefix, json, .. } => {
            let bucket = find_or_explain(meta, &name).await?;
            let prefix = prefix.unwrap_or_default();
            let count = restore_prefix(meta, &bucket, prefix, SystemClock.now()).await.map_err(explain)?;
            tell_restored(count, json);
            Ok(())
        }
    }
}

async fn set(meta: &dyn MetaStore, name: &str, window: Undelete) -> Result<(), Failure> {
    let bucket = find(meta, name).await?;
    meta.set_document(bucket.id, DocumentKind::Undelete, window_document(window)).await?;
    Ok(shorten(meta, &bucket.name, window).await?)
}

async fn list(meta: &dyn MetaStore, bucket: &BucketName, prefix: String, json: bool) -> Result<(), Failure> {
    let mut pages = RetainedPages::new(bucket, prefix);
    if json {
        let mut shown = Vec::new();
        while let Some(page) = pages.next(meta).await? {
            shown.extend(page.iter().map(retained_json));
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

async fn find_or_explain(meta: &dyn MetaStore, name: &str) -> Result<Bucket, Failure> {
    match meta.bucket(&parse(name)?).await? {
        Some(bucket) => Ok(bucket),
        None => Err(format!("there is no bucket {name:?}: create it, then restore into it").into()),
    }
}

async fn put_back(meta: &dyn MetaStore, bucket: &Bucket, key: &str, id: Option<u64>) -> Result<(), Failure> {
    let key = ObjectKey::parse(key).map_err(|_| format!("{key:?} is no key"))?;
    restore_key(meta, bucket, key, id, SystemClock.now()).await.map_err(explain)
}

fn tell_restored(count: u64, json: bool) {
    if json {
        output::json(&serde_json::json!({ "restored": count }));
    } else {
        output::line(&format!("{count} restored"));
    }
}

/// Faults quote keys as Rust does, which escapes what could rewrite a terminal.
fn explain(fault: RestoreFault) -> Failure {
    fault.to_string().into()
}
