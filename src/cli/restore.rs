//! `restore`: puts a snapshot in the place of the database.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::app::process::runtime;
use crate::app::restore::UNCLAIMED;
use crate::app::{self, RestoreObserver, Restored};
use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::engine::{Adopted, Found, Outcome};
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
    let restored = runtime()?.block_on(app::restore(&directory, &arguments.from, &mut Teller))?;
    tell(&restored, &directory);
    output::line("restored; `sluicegate check` reads everything");
    Ok(ExitCode::SUCCESS)
}

/// Prints what is worth a line while it happens.
pub(super) struct Teller;

impl RestoreObserver for Teller {
    fn lost(&mut self, lost: &LostBody) {
        let LostBody { bucket, key, of, is_kept } = lost;
        let what = if *is_kept { "damaged, kept because it is locked" } else { "gone" };
        output::line(&format!("{what}\t{bucket}/{}\t{of}", output::key(key.as_str())));
    }

    fn found(&mut self, found: &Found) {
        let Found { bucket, key, outcome } = found;
        let what = match outcome {
            Outcome::Adopted => "found".to_owned(),
            Outcome::AdoptedInPart => "found, without some of its metadata".to_owned(),
            Outcome::Older => "older than what the key has".to_owned(),
            Outcome::Incomplete(why) => format!("incomplete: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
        };
        output::line(&format!("{what}\t{}/{}", output::key(bucket), output::key(key)));
    }
}

/// Prints the sum.
pub(super) fn tell(restored: &Restored, directory: &Path) {
    let Restored { replaced, lost, adopted, set_aside, brought_back } = restored;
    let Adopted { objects, incomplete, left } = adopted;
    if let Some(replaced) = replaced {
        output::line(&format!("the replaced database is {}", replaced.display()));
    }
    for (count, what) in [
        (lost, "bodies of the snapshot have no bytes any more: deleted since, or lost"),
        (objects, "objects were found in the chunk files"),
        (incomplete, "bodies were found that are not whole"),
        (left, "bodies were found that are no objects any more"),
        (brought_back, "chunk files that had been set aside are in use again"),
    ] {
        if *count > 0 {
            output::line(&format!("{count} {what}"));
        }
    }
    if *set_aside > 0 {
        let place = directory.join(UNCLAIMED);
        output::line(&format!("{set_aside} chunk files belong to no object and are set aside in {}", place.display()));
    }
}
