//! Buckets and owners by the names that a person types.

use crate::cli::Failure;
use crate::identity::{ROOT_NAME, root_owner};
use crate::limits::PAGE_MAX;
use crate::meta::{MetaError, MetaStore};
use crate::types::{Bucket, BucketName, OwnerId};

/// The identity behind the name of a key.
///
/// # Errors
/// If there is no such key.
pub(crate) async fn owner_of(meta: &dyn MetaStore, name: &str) -> Result<OwnerId, Failure> {
    if name == ROOT_NAME {
        return Ok(root_owner());
    }
    let keys = meta.access_keys().await?;
    let key = keys.into_iter().find(|key| key.name == name);
    key.map(|key| key.owner).ok_or_else(|| format!("there is no access key {name:?}").into())
}

/// Every bucket, page by page.
///
/// # Errors
/// What the store refuses.
pub(crate) async fn all_buckets(meta: &dyn MetaStore) -> Result<Vec<Bucket>, MetaError> {
    let mut buckets = Vec::new();
    let mut after = String::new();
    loop {
        let page = meta.list_buckets(None, "", &after, PAGE_MAX).await?;
        buckets.extend(page.buckets);
        match page.next_after {
            Some(next) => after = next,
            None => return Ok(buckets),
        }
    }
}

/// The bucket of that name.
///
/// # Errors
/// If there is none.
pub(crate) async fn find(meta: &dyn MetaStore, name: &str) -> Result<Bucket, Failure> {
    let bucket = meta.bucket(&parse(name)?).await?;
    bucket.ok_or_else(|| format!("there is no bucket {name:?}").into())
}

/// A bucket's name.
///
/// # Errors
/// If it is none.
pub(crate) fn parse(name: &str) -> Result<BucketName, Failure> {
    BucketName::parse(name).map_err(|_| {
        let rule = "3 to 63 lower-case letters, digits, dots and hyphens, and the further rules of S3";
        format!("{name:?} is no bucket name: {rule}").into()
    })
}
