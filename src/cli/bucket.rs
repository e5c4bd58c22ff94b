//! `bucket`: buckets, straight in the metadata store.

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::process::small_runtime;
use crate::app::store::{Absent, open_metadata};
use crate::cli::lifecycle::LifecycleAction;
use crate::cli::named::{all_buckets, find, owner_of, parse};
use crate::cli::quota::{self, QuotaAction};
use crate::cli::settings::StoreArgs;
use crate::cli::undelete::{self, UndeleteAction};
use crate::cli::{Failure, lifecycle, output};
use crate::identity::{ROOT_NAME, owner_names};
use crate::meta::{MetaError, MetaStore, NewBucket};
use crate::rules::OwnershipControls;
use crate::types::{Bucket, Clock as _, DocumentKind, ObjectOwnership, SystemClock};

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
