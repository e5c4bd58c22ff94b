//! `bucket`: buckets, straight in the metadata store.

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::process::small_runtime;
use crate::app::store::{Absent, open_metadata};
use crate::cli::lifecycle::LifecycleAction;
use crate::cli::quota::{self, QuotaAction};
use crate::cli::settings::StoreArgs;
use crate::cli::undelete::{self, UndeleteAction};
use crate::cli::{Failure, lifecycle, output};
use crate::identity::{ROOT_NAME, owner_names, root_owner};
use crate::limits::PAGE_MAX;
use crate::meta::{MetaError, MetaStore, NewBucket};
use crate::rules::OwnershipControls;
use crate::types::{Bucket, BucketName, Clock as _, DocumentKind, ObjectOwnership, OwnerId, SystemClock};

/// Arguments of `bucket`.
#[derive(clap::Args)]
pub struct BucketArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Create a bucket
    Create {
        /// Its name
        name: String,
        /// Name of the access key that owns it
        #[arg(long, value_name = "KEYNAME", default_value = ROOT_NAME)]
        owner: String,
        /// Its object ownership, as the server was told [default: BucketOwnerEnforced]
        #[arg(long, env = "SLUICEGATE_DEFAULT_OBJECT_OWNERSHIP", value_name = "RULE")]
        default_object_ownership: Option<String>,
    },
    /// List buckets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an empty bucket
    Remove {
        /// Its name
        name: String,
    },
    /// What a bucket stores and may store at most
    Quota {
        #[command(subcommand)]
        action: QuotaAction,
    },
    /// What was deleted or overwritten and can be restored
    Undelete {
        #[command(subcommand)]
        action: UndeleteAction,
    },
    /// List what the lifecycle rules of a bucket would remove
    Lifecycle(LifecycleAction),
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: BucketArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let absent = match &arguments.action {
        Action::Create { .. } => Absent::Create,
        _ => Absent::Refuse,
    };
    let day = match &arguments.action {
        Action::Lifecycle(action) => Some(action.day(&arguments.store)?),
        _ => None,
    };
    let ownership = match &arguments.action {
        Action::Create { default_object_ownership: given, .. } => {
            arguments.store.default_object_ownership(given.as_deref())?
        }
        _ => ObjectOwnership::default(),
    };
    let runtime = small_runtime()?;
    runtime.block_on(async {
        let meta = open_metadata(&directory, absent)?;
        match (arguments.action, day) {
            (Action::Create { name, owner, .. }, _) => create(&*meta, &name, &owner, ownership).await?,
            (Action::List { json }, _) => list(&*meta, json).await?,
            (Action::Remove { name }, _) => remove(&*meta, &name).await?,
            (Action::Quota { action }, _) => quota::of_bucket(action, &*meta).await?,
            (Action::Undelete { action }, _) => undelete::run(action, &*meta).await?,
            (Action::Lifecycle(action), day) => lifecycle::dry_run(action, day.unwrap_or_default(), &*meta).await?,
        }
        meta.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn create(meta: &dyn MetaStore, name: &str, owner: &str, ownership: ObjectOwnership) -> Result<(), Failure> {
    let owner = owner_of(meta, owner).await?;
    let mut bucket = NewBucket::new(parse(name)?, owner, SystemClock.now());
    // What nobody chose is not written down, as when a client creates it.
    if ownership != ObjectOwnership::BucketOwnerEnforced {
        bucket.documents.0.insert(DocumentKind::Ownership, OwnershipControls::Rule(ownership).encode().into());
    }
    match meta.create_bucket(bucket).await {
        Ok(_) => Ok(()),
        Err(MetaError::BucketExists { .. }) => Err(format!("bucket {name:?} exists").into()),
        Err(error) => Err(error.into()),
    }
}

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

async fn remove(meta: &dyn MetaStore, name: &str) -> Result<(), Failure> {
    let bucket = find(meta, name).await?;
    match meta.delete_bucket(bucket.id).await {
        Ok(()) => Ok(()),
        Err(MetaError::BucketNotEmpty) => Err(format!("bucket {name:?} is not empty").into()),
        Err(error) => Err(error.into()),
    }
}

async fn list(meta: &dyn MetaStore, json: bool) -> Result<(), Failure> {
    let names = owner_names(&meta.access_keys().await?);
    let buckets = all_buckets(meta).await?;
    // The owner's key may be gone: then its id is all that is left.
    let owner = |bucket: &Bucket| names.get(&bucket.owner).cloned().unwrap_or_else(|| bucket.owner.to_string());
    if json {
        let buckets = buckets.iter().map(|bucket| {
            serde_json::json!({
                "name": bucket.name.as_str(),
                "owner": owner(bucket),
                "created": bucket.created.iso_millis(),
            })
        });
        output::json(&buckets.collect());
        return Ok(());
    }
    let rows: Vec<_> = buckets
        .iter()
        .map(|bucket| vec![bucket.name.to_string(), owner(bucket), bucket.created.iso_millis()])
        .collect();
    output::table(&["NAME", "OWNER", "CREATED"], &rows);
    Ok(())
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
