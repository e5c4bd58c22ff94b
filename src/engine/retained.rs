//! What an operator does with the undelete window of a bucket: setting it, looking into it, putting things back.
//! Beside a running server (`bucket undelete`) or inside of it, through the same steps.

use std::sync::Arc;

use crate::engine::{Engine, EngineError};
use crate::limits::{PAGE_MAX, UNDELETE_STEP};
use crate::meta::{MetaError, MetaStore, RestoreVersion, RetainedQuery};
use crate::rules::Undelete;
use crate::types::{Bucket, BucketName, DocumentKind, ObjectKey, Timestamp};

pub use crate::meta::RetainedVersion;

/// Why something was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFault {
    /// There is nothing of that key, or of that id, in the window.
    #[error("nothing of {key:?}{} can be restored", .id.map(|id| format!(" with the id {id}")).unwrap_or_default())]
    Nothing {
        /// The key.
        key: String,
        /// The version that was named.
        id: Option<u64>,
    },
    /// What has the key now would be gone for good.
    #[error(
        "{key:?} has an object now, which would be lost: the bucket's undelete window is off and it keeps no versions"
    )]
    WouldLose {
        /// The key.
        key: String,
    },
    /// The store failed.
    #[error(transparent)]
    Meta(#[from] MetaError),
}

/// The document of a window; `None` if it is off.
pub fn window_document(window: Undelete) -> Option<Arc<[u8]>> {
    (window.days > 0).then(|| Arc::from(window.to_document()))
}

/// Lets go of what is in the window of a bucket for longer than `window`: a shorter one is a promise too. A longer one
/// holds for what is deleted from now on.
///
/// # Errors
/// What the store refuses.
pub async fn shorten(meta: &dyn MetaStore, bucket: &BucketName, window: Undelete) -> Result<(), MetaError> {
    while meta.shorten_retained(bucket, window, UNDELETE_STEP).await? > 0 {}
    Ok(())
}

/// The restorable versions of a bucket by key, page by page; of a bucket that was removed, too.
pub struct RetainedPages {
    query: RetainedQuery,
    is_over: bool,
}

impl RetainedPages {
    /// Those whose keys begin with `prefix`.
    pub fn new(bucket: &BucketName, prefix: String) -> Self {
        let query = RetainedQuery { bucket: bucket.clone(), prefix, after: None, max: PAGE_MAX };
        Self { query, is_over: false }
    }

    /// The next page, which is not empty; `None` at the end.
    ///
    /// # Errors
    /// What the store refuses.
    pub async fn next(&mut self, meta: &dyn MetaStore) -> Result<Option<Vec<RetainedVersion>>, MetaError> {
        if self.is_over {
            return Ok(None);
        }
        let page = meta.retained(&self.query).await?;
        self.is_over = page.len() < PAGE_MAX as usize;
        self.query.after = page.last().map(|row| (row.key.clone(), row.id));
        Ok((!page.is_empty()).then_some(page))
    }
}

/// Puts a version of a key back: that of `id`, or the one that went last.
///
/// # Errors
/// `Nothing`, `WouldLose`, `Meta`.
pub async fn restore_key(
    meta: &dyn MetaStore,
    bucket: &Bucket,
    key: ObjectKey,
    id: Option<u64>,
    now: Timestamp,
) -> Result<(), RestoreFault> {
    let found = match id {
        Some(id) => Some(id),
        None => newest_of(meta, bucket, &key).await?,
    };
    let found = found.ok_or_else(|| RestoreFault::Nothing { key: key.as_str().to_owned(), id: None })?;
    restore(meta, bucket, key, found, now).await
}

/// Puts back every key with a prefix that has no object now; returns how many.
///
/// # Errors
/// `Nothing` (of what went meanwhile), `WouldLose`, `Meta`; what was put back before stays.
pub async fn restore_prefix(
    meta: &dyn MetaStore,
    bucket: &Bucket,
    prefix: String,
    now: Timestamp,
) -> Result<u64, RestoreFault> {
    let mut pages = RetainedPages::new(&bucket.name, prefix);
    let mut candidate: Option<(ObjectKey, u64)> = None;
    let mut count = 0_u64;
    while let Some(page) = pages.next(meta).await? {
        for row in page {
            // Of the versions of a key the last one listed is the newest.
            let previous = candidate.replace((row.key.clone(), row.id));
            if let Some((key, id)) = previous.filter(|(key, _)| *key != row.key) {
                count += u64::from(restore_if_gone(meta, bucket, key, id, now).await?);
            }
        }
    }
    if let Some((key, id)) = candidate {
        count += u64::from(restore_if_gone(meta, bucket, key, id, now).await?);
    }
    Ok(count)
}

/// The version of a key that was written last, which is the one that went last.
async fn newest_of(meta: &dyn MetaStore, bucket: &Bucket, key: &ObjectKey) -> Result<Option<u64>, MetaError> {
    let mut pages = RetainedPages::new(&bucket.name, key.as_str().to_owned());
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

async fn restore_if_gone(
    meta: &dyn MetaStore,
    bucket: &Bucket,
    key: ObjectKey,
    id: u64,
    now: Timestamp,
) -> Result<bool, RestoreFault> {
    let current = meta.version(bucket.id, &key, None).await?;
    if current.is_some_and(|found| !found.version.is_delete_marker) {
        return Ok(false);
    }
    restore(meta, bucket, key, id, now).await?;
    Ok(true)
}

async fn restore(
    meta: &dyn MetaStore,
    bucket: &Bucket,
    key: ObjectKey,
    id: u64,
    now: Timestamp,
) -> Result<(), RestoreFault> {
    let name = key.as_str().to_owned();
    match meta.restore(RestoreVersion { bucket: bucket.id, key, id, now }).await {
        Ok(_) => Ok(()),
        Err(MetaError::NoSuchVersion) => Err(RestoreFault::Nothing { key: name, id: Some(id) }),
        Err(MetaError::WouldLose) => Err(RestoreFault::WouldLose { key: name }),
        Err(error) => Err(error.into()),
    }
}

impl Engine {
    /// The undelete window of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn undelete_window(&self, bucket: &Bucket) -> Result<Undelete, EngineError> {
        let documents = self.documents(bucket).await?;
        let Some(document) = documents.get(DocumentKind::Undelete) else { return Ok(Undelete::default()) };
        let unreadable = || MetaError::Storage(format!("the undelete window of bucket {} does not read", bucket.name));
        Ok(Undelete::from_document(document).ok_or_else(unreadable)?)
    }

    /// Sets the undelete window of a bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`, `Meta`.
    pub async fn set_undelete_window(&self, bucket: &Bucket, window: Undelete) -> Result<(), EngineError> {
        self.set_document(bucket, DocumentKind::Undelete, window_document(window)).await?;
        Ok(shorten(&*self.meta, &bucket.name, window).await?)
    }

    /// The first restorable versions of a bucket, which need not exist any more, at most `max`; and whether there are
    /// more.
    ///
    /// # Errors
    /// `Meta`.
    pub async fn retained(
        &self,
        bucket: &BucketName,
        prefix: String,
        max: usize,
    ) -> Result<(Vec<RetainedVersion>, bool), EngineError> {
        let mut pages = RetainedPages::new(bucket, prefix);
        let mut found = Vec::new();
        while found.len() <= max
            && let Some(page) = pages.next(&*self.meta).await?
        {
            found.extend(page);
        }
        let has_more = found.len() > max;
        found.truncate(max);
        Ok((found, has_more))
    }

    /// Puts a version of a key back: that of `id`, or the one that went last.
    ///
    /// # Errors
    /// `Nothing`, `WouldLose`, `Meta`.
    pub async fn restore_key(&self, bucket: &Bucket, key: ObjectKey, id: Option<u64>) -> Result<(), RestoreFault> {
        restore_key(&*self.meta, bucket, key, id, self.clock.now()).await
    }

    /// Puts back every key with a prefix that has no object now; returns how many.
    ///
    /// # Errors
    /// As `restore_prefix`.
    pub async fn restore_prefix(&self, bucket: &Bucket, prefix: String) -> Result<u64, RestoreFault> {
        restore_prefix(&*self.meta, bucket, prefix, self.clock.now()).await
    }
}
