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
        // The journal is kept, and more people read it than the file.
        Announcement::RootCreated { access_key_id, path, .. } if writes_to_journal() => {
            format!("root key made: access key id {access_key_id}; its secret is in {}", path.display())
        }
        Announcement::RootCreated { access_key_id, secret, path } => {
            let (secret, path) = (secret.as_str(), path.display());
            format!("root key made, and kept in {path}: access key id {access_key_id}, secret access key {secret}")
        }
        Announcement::Listening { url, console } => format!("sluicegate listening on {url}\nits console is {console}"),
    }
}

/// Whether systemd takes standard output into its journal (`systemd.exec(5)`, `JOURNAL_STREAM`).
fn writes_to_journal() -> bool {
    std::env::var_os("JOURNAL_STREAM").is_some()
}
