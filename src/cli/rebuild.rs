//! `rebuild`: makes a database of what the chunk files say.

use std::process::ExitCode;

use crate::app;
use crate::app::process::runtime;
use crate::cli::Failure;
use crate::cli::restore::Teller;
use crate::cli::settings::StoreArgs;

/// Arguments of `rebuild`.
#[derive(clap::Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Rebuilds, and says what was found.
///
/// # Errors
/// If there is a database, or no chunk file.
pub fn run(arguments: &RebuildArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let mut teller = Teller::new(arguments.json);
    let restored = runtime()?.block_on(app::rebuild(&directory, &mut teller))?;
    let verdict = "rebuilt: objects of more than 16 KiB; keys, policies and settings of buckets have to be made anew";
    teller.finish(&restored, &directory, verdict);
    Ok(ExitCode::SUCCESS)
}
