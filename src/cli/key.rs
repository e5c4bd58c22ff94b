//! `key`: access keys, straight in the metadata store. A running server sees a change within a second.

use std::process::ExitCode;

use clap::Subcommand;

use crate::app::process::small_runtime;
use crate::app::store::{Absent, open_metadata};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::identity::{account_id, new_access_key};
use crate::meta::{AccessKey, MetaError, MetaStore};
use crate::types::{Clock as _, SystemClock};

/// Arguments of `key`.
#[derive(clap::Args)]
pub struct KeyArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add a key and print it; random unless it is given
    Add {
        /// Unique name
        name: String,
        /// Access key id
        #[arg(long, value_name = "ID", requires = "secret_key")]
        access_key: Option<String>,
        /// Secret; other users of this machine can see command lines
        #[arg(long, value_name = "SECRET", requires = "access_key")]
        secret_key: Option<String>,
    },
    /// List keys, without secrets
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a key
    Remove {
        /// Name or access key id
        name: String,
    },
}

/// Does what was asked.
///
/// # Errors
/// Why it could not be done.
pub fn run(arguments: KeyArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let absent = match &arguments.action {
        Action::Add { .. } => Absent::Create,
        Action::List { .. } | Action::Remove { .. } => Absent::Refuse,
    };
    let runtime = small_runtime()?;
    runtime.block_on(async {
        let meta = open_metadata(&directory, absent)?;
        act(arguments.action, &*meta).await?;
        meta.close().await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn act(action: Action, meta: &dyn MetaStore) -> Result<(), Failure> {
    match action {
        Action::Add { name, access_key, secret_key } => add(meta, &name, access_key.zip(secret_key)).await,
        Action::List { json } => list(meta, json).await,
        Action::Remove { name } => match meta.remove_access_key(&name).await {
            Ok(()) => Ok(()),
            Err(MetaError::NoSuchAccessKey) => Err(format!("there is no access key {name:?}").into()),
            Err(error) => Err(error.into()),
        },
    }
}

async fn add(meta: &dyn MetaStore, name: &str, brought: Option<(String, String)>) -> Result<(), Failure> {
    let key = new_access_key(name, brought, SystemClock.now())?;
    let shown = [format!("access key id      {}", key.access_key_id), format!("secret access key  {}", key.secret)];
    match meta.add_access_key(key).await {
        Ok(()) => {}
        Err(MetaError::AccessKeyExists) => {
            return Err(format!("an access key of the name {name:?} or with that id exists").into());
        }
        Err(error) => return Err(error.into()),
    }
    // Only now: a key that is printed is stored.
    for line in shown {
        output::line(&line);
    }
    Ok(())
}

async fn list(meta: &dyn MetaStore, json: bool) -> Result<(), Failure> {
    let keys = meta.access_keys().await?;
    if json {
        let keys = keys.iter().map(|key| {
            serde_json::json!({
                "name": key.name,
                "access_key_id": key.access_key_id,
                "owner": key.owner.to_string(),
                "account": account_id(&key.owner),
                "created": key.created.iso_millis(),
            })
        });
        output::json(&keys.collect());
        return Ok(());
    }
    let row = |key: AccessKey| {
        let account = account_id(&key.owner);
        vec![key.name, key.access_key_id, account, key.created.iso_millis()]
    };
    output::table(&["NAME", "ACCESS KEY ID", "ACCOUNT", "CREATED"], &keys.into_iter().map(row).collect::<Vec<_>>());
    Ok(())
}
