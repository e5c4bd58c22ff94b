//! `import`: buckets of another server, a directory tree, users of MinIO.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Subcommand;
use zeroize::Zeroizing;

use crate::app::process::{runtime, small_runtime};
use crate::app::store::{Absent, open_metadata};
use crate::cli::settings::StoreArgs;
use crate::cli::transfer::{Server, parallel, tell, watch};
use crate::cli::{Failure, output};
use crate::identity::{new_access_key, own_policy, root_owner};
use crate::limits::transfer::TRANSFERS_DEFAULT;
use crate::meta::{AccessKey, MetaStore};
use crate::transfer::{
    DirImport, EndpointSettings, IamImport, PlannedKey, Report, S3Client, S3Import, Tally, TransferError, import_dir,
    import_s3, plan_minio_iam,
};
use crate::types::{Clock as _, SystemClock};

/// Arguments of `import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Buckets of another S3 server: settings, objects, versions, metadata, tags, locks
    S3 {
        #[command(flatten)]
        from: Source,
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        how: How,
        /// Buckets; all without it
        #[arg(long = "bucket", value_name = "BUCKET")]
        buckets: Vec<String>,
        /// Only keys that begin with it
        #[arg(long, value_name = "PREFIX", default_value = "")]
        prefix: String,
        /// Leave the settings of buckets as they are
        #[arg(long)]
        objects_only: bool,
        /// Take objects by size and time whose ETag is no MD5, as under SSE-KMS
        #[arg(long)]
        any_etag: bool,
    },
    /// A directory tree: each file becomes an object
    Dir {
        /// The directory
        #[arg(value_name = "PATH")]
        path: PathBuf,
        #[command(flatten)]
        to: Target,
        #[command(flatten)]
        how: How,
        /// Where to; made if it is not there
        #[arg(long, value_name = "BUCKET")]
        bucket: String,
        /// What every key begins with
        #[arg(long, value_name = "PREFIX", default_value = "")]
        prefix: String,
    },
    /// Keys of MinIO: what `mc admin cluster iam export` wrote; works while a server runs
    MinioIam {
        /// The archive
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Name of MinIO's root user, whose service accounts then work as root
        #[arg(long, value_name = "NAME")]
        root_user: Option<String>,
        /// Give service accounts of limited users their own policy alone, though MinIO bounds them by their user's too
        #[arg(long)]
        session_policies_alone: bool,
        /// Only show what would be made
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// The other server.
#[derive(clap::Args)]
struct Source {
    /// Address of the other server, as https://minio:9000
    #[arg(long, env = "SLUICEGATE_FROM", value_name = "URL")]
    from: String,
    /// Access key id there
    #[arg(long, env = "SLUICEGATE_FROM_ACCESS_KEY_ID", value_name = "ID", default_value = "")]
    from_access_key: String,
    /// Secret there; better in the environment: other users of this machine can see command lines
    #[arg(long, env = "SLUICEGATE_FROM_SECRET_ACCESS_KEY", hide_env_values = true, value_name = "SECRET")]
    from_secret_key: Option<String>,
    /// Token of temporary credentials
    #[arg(long, env = "SLUICEGATE_FROM_SESSION_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    from_session_token: Option<String>,
    /// Region there
    #[arg(long, env = "SLUICEGATE_FROM_REGION", value_name = "REGION", default_value = "us-east-1")]
    from_region: String,
}

/// The gateway that takes.
#[derive(clap::Args)]
struct Target {
    /// Address of the running gateway
    #[arg(long, env = "SLUICEGATE_TO", value_name = "URL", default_value = "http://127.0.0.1:9000")]
    to: String,
    /// Access key id; without, root's of the data directory
    #[arg(long, env = "SLUICEGATE_ACCESS_KEY_ID", value_name = "ID")]
    to_access_key: Option<String>,
    /// Its secret; better in the environment
    #[arg(long, env = "SLUICEGATE_SECRET_ACCESS_KEY", hide_env_values = true, value_name = "SECRET")]
    to_secret_key: Option<String>,
    /// Region of the gateway
    #[arg(long, env = "SLUICEGATE_REGION", value_name = "REGION", default_value = "us-east-1")]
    to_region: String,
}

#[derive(clap::Args)]
struct How {
    /// Objects on their way at a time
    #[arg(long, value_name = "N", default_value_t = TRANSFERS_DEFAULT, value_parser = parallel)]
    parallel: usize,
    /// Only look, and count what would be written
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Source {
    fn client(self) -> Result<S3Client, Failure> {
        let Some(secret) = self.from_secret_key.filter(|_| !self.from_access_key.is_empty()) else {
            return Err("which key of the other server? --from-access-key and --from-secret-key, or \
                SLUICEGATE_FROM_ACCESS_KEY_ID and SLUICEGATE_FROM_SECRET_ACCESS_KEY"
                .into());
        };
        Ok(S3Client::new(EndpointSettings {
            url: self.from,
            region: self.from_region,
            access_key_id: self.from_access_key,
            secret: Zeroizing::new(secret),
            session_token: self.from_session_token.filter(|token| !token.is_empty()).map(Zeroizing::new),
        })?)
    }
}

impl Target {
    fn client(self, store: &StoreArgs) -> Result<S3Client, Failure> {
        let Self { to, to_access_key, to_secret_key, to_region } = self;
        let server = Server { url: to, region: to_region, access_key: to_access_key, secret_key: to_secret_key };
        server.client(store, "--to-access-key and --to-secret-key")
    }
}

/// Imports; exit code 1 if anything failed.
///
/// # Errors
/// If nothing could be done at all.
pub fn run(arguments: ImportArgs) -> Result<ExitCode, Failure> {
    let ImportArgs { store, action } = arguments;
    match action {
        Action::S3 { from, to, how, buckets, prefix, objects_only, any_etag } => {
            let (source, target) = (from.client()?, to.client(&store)?);
            let How { parallel, dry_run, json } = how;
            let import = S3Import { buckets, prefix, parallel, dry_run, objects_only, any_etag };
            moved(json, |tally| import_s3(source, target, import, tally))
        }
        Action::Dir { path, to, how, bucket, prefix } => {
            let target = to.client(&store)?;
            let How { parallel, dry_run, json } = how;
            let import = DirImport { root: path, bucket, prefix, parallel, dry_run };
            moved(json, |tally| import_dir(target, import, tally))
        }
        Action::MinioIam { file, root_user, session_policies_alone, dry_run, json } => {
            let import = IamImport { archive: file, root_user, session_policies_alone };
            minio_iam(&store, &import, dry_run, json)
        }
    }
}

/// Runs a transfer to its end, watched.
pub(super) fn moved<F>(json: bool, transfer: impl FnOnce(Arc<Tally>) -> F) -> Result<ExitCode, Failure>
where
    F: Future<Output = Result<Report, TransferError>>,
{
    let tally = Arc::new(Tally::default());
    let report = runtime()?.block_on(async {
        tokio::select! {
            report = transfer(Arc::clone(&tally)) => report.map(Some),
            () = watch(Arc::clone(&tally), json) => Ok(None),
        }
    })?;
    Ok(tell(&report.unwrap_or_else(|| tally.report(false)), json))
}

fn minio_iam(store: &StoreArgs, import: &IamImport, dry_run: bool, json: bool) -> Result<ExitCode, Failure> {
    let tally = Tally::default();
    let planned = plan_minio_iam(import, SystemClock.now(), &tally)?;
    let directory = store.data_dir()?;
    let rows = small_runtime()?.block_on(async {
        let meta = open_metadata(&directory, if dry_run { Absent::Refuse } else { Absent::Create })?;
        let rows = make(&*meta, planned, dry_run, &tally).await?;
        meta.close().await?;
        Ok::<_, Failure>(rows)
    })?;
    if !json && !rows.is_empty() {
        output::table(&["KEY", "WAS", "POLICIES", "EXPIRES"], &rows);
    }
    Ok(tell(&tally.report(dry_run), json))
}

/// Makes the keys that are not there, and returns a row about each.
async fn make(
    meta: &dyn MetaStore,
    planned: Vec<PlannedKey>,
    dry_run: bool,
    tally: &Tally,
) -> Result<Vec<Vec<String>>, Failure> {
    let known: BTreeSet<String> = meta.access_keys().await?.into_iter().map(|key| key.access_key_id).collect();
    let mut rows = Vec::new();
    for plan in planned {
        let id = plan.access_key_id.clone();
        if known.contains(&id) {
            tally.there_already();
            continue;
        }
        let origin = plan.origin.clone();
        let made = match key_of(plan) {
            Ok(key) if dry_run => Ok(key),
            Ok(key) => meta.add_access_key(key.clone()).await.map(|()| key).map_err(Failure::from),
            Err(error) => Err(error),
        };
        match made {
            Ok(key) => {
                tally.made();
                let policies = key.policies.map(|policies| policies.into_iter().map(|policy| policy.name).collect());
                let policies = policies.map_or_else(|| "-".to_owned(), |names: Vec<String>| names.join(","));
                let expires = key.expires.map_or_else(|| "never".to_owned(), |end| end.iso_millis());
                rows.push(vec![output::key(&id), output::key(&origin), policies, expires]);
            }
            Err(error) => tally.fault("", format!("key {id}"), output::describe(error.as_ref())),
        }
    }
    Ok(rows)
}

/// A key as it is stored. It works for root, whose buckets those of MinIO become.
fn key_of(plan: PlannedKey) -> Result<AccessKey, Failure> {
    let PlannedKey { access_key_id, secret, policies, expires, .. } = plan;
    let pair = (access_key_id.clone(), secret.as_str().to_owned());
    let mut key = new_access_key(&access_key_id, Some(pair), SystemClock.now())?;
    key.owner = root_owner();
    key.expires = expires;
    key.policies = match policies {
        Some(policies) => {
            Some(policies.iter().map(|policy| own_policy(&policy.name, &policy.document)).collect::<Result<_, _>>()?)
        }
        None => None,
    };
    Ok(key)
}
