//! `export`: objects become files.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::Failure;
use crate::cli::import::moved;
use crate::cli::settings::StoreArgs;
use crate::cli::transfer::{Server, parallel};
use crate::limits::transfer::TRANSFERS_DEFAULT;
use crate::transfer::{DirExport, export_dir};

/// Arguments of `export`.
#[derive(clap::Args)]
pub struct ExportArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// A directory tree: each object becomes a file; files that are equal already are skipped
    Dir {
        /// The directory; made if it is not there
        #[arg(value_name = "PATH")]
        path: PathBuf,
        /// The bucket
        #[arg(long, value_name = "BUCKET")]
        bucket: String,
        /// Only keys that begin with it; it stays in the names
        #[arg(long, value_name = "PREFIX", default_value = "")]
        prefix: String,
        /// Address of the running gateway
        #[arg(long, env = "SLUICEGATE_FROM", value_name = "URL", default_value = "http://127.0.0.1:9000")]
        from: String,
        /// Access key id; without, root's of the data directory
        #[arg(long, env = "SLUICEGATE_ACCESS_KEY_ID", value_name = "ID")]
        from_access_key: Option<String>,
        /// Its secret; better in the environment
        #[arg(long, env = "SLUICEGATE_SECRET_ACCESS_KEY", hide_env_values = true, value_name = "SECRET")]
        from_secret_key: Option<String>,
        /// Region of the gateway
        #[arg(long, env = "SLUICEGATE_REGION", value_name = "REGION", default_value = "us-east-1")]
        from_region: String,
        /// Objects on their way at a time
        #[arg(long, value_name = "N", default_value_t = TRANSFERS_DEFAULT, value_parser = parallel)]
        parallel: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Exports; exit code 1 if anything failed.
///
/// # Errors
/// If nothing could be done at all.
pub fn run(arguments: ExportArgs) -> Result<ExitCode, Failure> {
    let ExportArgs { store, action } = arguments;
    let Action::Dir { path, bucket, prefix, from, from_access_key, from_secret_key, from_region, parallel, json } =
        action;
    let server = Server { url: from, region: from_region, access_key: from_access_key, secret_key: from_secret_key };
    let source = server.client(&store, "--from-access-key and --from-secret-key")?;
    let export = DirExport { root: path, bucket, prefix, parallel };
    moved(json, |tally| export_dir(source, export, tally))
}
