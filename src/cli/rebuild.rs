//! `rebuild`: makes a database of what the chunk files say.

use std::process::ExitCode;

use crate::app;
use crate::app::process::runtime;
use crate::cli::restore::{Teller, tell};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};

/// Arguments of `rebuild`.
#[derive(clap::Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    store: StoreArgs,
}

/// Rebuilds, and says what was found.
///
/// # Errors
/// If there is a database, or no chunk file.
pub fn run(arguments: &RebuildArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let restored = runtime()?.block_on(app::rebuild(&directory, &mut Teller))?;
    tell(&restored, &directory);
    output::line("rebuilt: objects of more than 16 KiB; keys, policies and settings of buckets have to be made anew");
    Ok(ExitCode::SUCCESS)
}
