//! `restore`: puts a snapshot in the place of the database.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::ProgressBar;

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
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Restores, and says what could not be.
///
/// # Errors
/// Why it could not be put in place.
pub fn run(arguments: &RestoreArgs) -> Result<ExitCode, Failure> {
    let directory = arguments.store.data_dir()?;
    let mut teller = Teller::new(arguments.json);
    let restored = runtime()?.block_on(app::restore(&directory, &arguments.from, &mut teller))?;
    teller.finish(&restored, &directory, "restored; `sluicegate check` reads everything");
    Ok(ExitCode::SUCCESS)
}

/// Prints what is worth a line, or an entry in JSON, while it happens, and shows how far it has come.
pub(super) struct Teller {
    spinner: ProgressBar,
    json: Option<output::JsonLists>,
}

/// Names of its lists in JSON, in the order in which they come.
const LISTS: &[&str] = &["lost_bodies", "found_bodies"];

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        let form = "{spinner} {human_pos} chunks looked at, {per_sec}";
        Self { spinner: output::spinner(form, json), json: json.then(|| output::JsonLists::new(LISTS)) }
    }

    fn line(&self, text: &str) {
        self.spinner.suspend(|| output::line(text));
    }

    /// Prints the sum, and `verdict`.
    pub(super) fn finish(self, restored: &Restored, directory: &Path, verdict: &str) {
        self.spinner.finish_and_clear();
        let Restored { replaced, lost, adopted, set_aside, brought_back } = restored;
        if let Some(json) = self.json {
            json.finish(&serde_json::json!({
                "replaced": replaced.as_ref().map(|path| path.to_string_lossy()),
                "lost": lost,
                "found": adopted.objects,
                "incomplete": adopted.incomplete,
                "left": adopted.left,
                "set_aside": set_aside,
                "brought_back": brought_back,
            }));
        } else {
            tell(restored, directory);
            output::line(verdict);
        }
    }
}

impl RestoreObserver for Teller {
    fn lost(&mut self, lost: &LostBody) {
        let LostBody { bucket, key, of, is_kept } = lost;
        if let Some(json) = &mut self.json {
            let lost = serde_json::json!({
                "bucket": bucket.as_str(), "key": key.as_str(), "of": of.to_string(), "is_kept": is_kept
            });
            json.entry(LISTS[0], &lost);
            return;
        }
        let what = if *is_kept { "damaged, kept because it is locked" } else { "gone" };
        self.line(&format!("{what}\t{bucket}/{}\t{of}", output::key(key.as_str())));
    }

    fn found(&mut self, found: &Found) {
        let Found { bucket, key, outcome } = found;
        let (word, what) = match outcome {
            Outcome::Adopted => ("found", "found".to_owned()),
            Outcome::AdoptedInPart => ("found-in-part", "found, without some of its metadata".to_owned()),
            Outcome::Older => ("older", "older than what the key has".to_owned()),
            Outcome::Incomplete(why) => ("incomplete", format!("incomplete: {why}")),
            Outcome::Refused(why) => ("refused", format!("refused: {why}")),
        };
        if let Some(json) = &mut self.json {
            let found = serde_json::json!({ "bucket": bucket, "key": key, "outcome": word, "detail": what });
            json.entry(LISTS[1], &found);
        } else {
            self.line(&format!("{what}\t{}/{}", output::key(bucket), output::key(key)));
        }
    }

    fn looked(&mut self, chunks: usize) {
        self.spinner.inc(chunks as u64);
    }
}

fn tell(restored: &Restored, directory: &Path) {
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
