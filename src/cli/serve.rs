//! `serve`: runs a server and tells its address.

use std::process::ExitCode;

use crate::app::{self, Announcement, Ended};
use crate::cli::settings::SettingsArgs;
use crate::cli::{Failure, output};

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

/// Serves until a signal stops it; exit code 0 if everything ended in order.
///
/// # Errors
/// Why it could not start.
pub fn run(arguments: ServeArgs) -> Result<ExitCode, Failure> {
    let config = arguments.settings.decide()?;
    let ended = app::run(config, &|announcement| output::line(&text(&announcement)))?;
    Ok(match ended {
        Ended::Drained => ExitCode::SUCCESS,
        Ended::Forced | Ended::Failed => ExitCode::FAILURE,
    })
}

fn text(announcement: &Announcement) -> String {
    match announcement {
        Announcement::RootCreated { access_key_id, secret } => {
            format!("root key made, shown only now: access key id {access_key_id}, secret access key {}", **secret)
        }
        Announcement::Listening { url } => format!("sluicegate listening on {url}"),
    }
}
