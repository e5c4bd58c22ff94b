//! `restore`: puts a snapshot in the place of the database.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::app::process::runtime;
use crate::app::restore::UNCLAIMED;
use crate::app::{self, Restored};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::meta::LostBody;

/// Arguments of `restore`.
#[derive(clap::Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// The snapshot, or a database that was replaced before
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

/// Restores, and says what could not be.
///
/// # Errors
/// Why it could not be put in place.
pub fn run(arguments: &RestoreArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let mut report = |lost: &LostBody| output::line(&lost_text(lost));
    let restored = runtime()?.block_on(app::restore(&directory, &arguments.from, &mut report))?;
    let Restored { replaced, lost, set_aside, brought_back } = restored;
    if let Some(replaced) = replaced {
        output::line(&format!("the replaced database is {}", replaced.display()));
    }
    if lost > 0 {
        output::line(&format!("{lost} bodies of the snapshot have no bytes any more: deleted since, or lost"));
    }
    if set_aside > 0 {
        let place = directory.join(UNCLAIMED);
        output::line(&format!("{set_aside} chunk files that it does not know are set aside in {}", place.display()));
    }
    if brought_back > 0 {
        output::line(&format!("{brought_back} chunk files that had been set aside are in use again"));
    }
    output::line("restored; `sluicegate check` reads everything");
    Ok(ExitCode::SUCCESS)
}

fn lost_text(lost: &LostBody) -> String {
    let LostBody { bucket, key, of, is_kept } = lost;
    let what = if *is_kept { "damaged, kept because it is locked" } else { "gone" };
    format!("{what}\t{bucket}/{}\t{of}", output::key(key.as_str()))
}
