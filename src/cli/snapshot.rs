//! `snapshot`: takes a snapshot of the database, or lists them.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::data_dir;
use crate::app::error::StartError;
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::engine::Snapshot;
use crate::types::{Clock as _, SystemClock};

/// Arguments of `snapshot`.
#[derive(clap::Args)]
pub struct SnapshotArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Directory of the snapshots [default: snapshots in the data directory]
    #[arg(long, env = "SLUICEGATE_SNAPSHOT_DIR", value_name = "DIR")]
    snapshot_dir: Option<PathBuf>,
    /// List the snapshots, oldest first, and take none
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Takes a snapshot, or lists them. Removes none: that is the server's.
///
/// # Errors
/// Why none could be taken.
pub fn run(arguments: SnapshotArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let snapshots = arguments.store.snapshots(arguments.snapshot_dir)?;
    let shown = if arguments.list {
        snapshots.list()?
    } else if data_dir::database(&directory).exists() {
        vec![snapshots.take(SystemClock.now())?]
    } else {
        return Err(StartError::NoData { path: directory }.into());
    };
    if arguments.json {
        output::json(&shown.iter().map(as_json).collect());
    } else {
        for Snapshot { path, taken, bytes } in &shown {
            output::line(&format!("{}\t{}\t{bytes} bytes", path.display(), taken.iso_millis()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(snapshot: &Snapshot) -> serde_json::Value {
    let Snapshot { path, taken, bytes } = snapshot;
    serde_json::json!({ "path": path.to_string_lossy(), "taken": taken.iso_millis(), "bytes": bytes })
}
