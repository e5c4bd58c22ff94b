//! `man`: the manual, made of the same declarations as `--help`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::cli::{Cli, Failure, output};

/// Arguments of `man`.
#[derive(clap::Args)]
pub struct ManArgs {
    /// Directory that gets a page for each command; without it the page of sluicegate itself is printed
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Writes the pages, or prints the first one.
///
/// # Errors
/// If the directory cannot be made or written.
pub fn run(arguments: &ManArgs) -> Result<ExitCode, Failure> {
    // There is no page of it, and none refers to it.
    let command = Cli::command().disable_help_subcommand(true);
    let Some(directory) = &arguments.directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        output::line(String::from_utf8_lossy(&page).trim_end());
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |error: std::io::Error| format!("write pages to {}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(command, directory).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
