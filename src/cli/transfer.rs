//! What imports and exports share on the command line: which server, who watches, and what is told in the end.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use zeroize::Zeroizing;

use crate::cli::settings::StoreArgs;
use crate::cli::{Failure, output};
use crate::identity::RootCredentials;
use crate::limits::transfer::{TRANSFER_PROGRESS_SECONDS, TRANSFERS_MAX};
use crate::transfer::{EndpointSettings, Fault, Report, S3Client, Tally};

/// A running server, with a key of it or with the data directory that has root's.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) region: String,
    pub(super) access_key: Option<String>,
    pub(super) secret_key: Option<String>,
}

impl Server {
    /// A client of it.
    ///
    /// # Errors
    /// If there is no key, or no such server can be.
    pub(super) fn client(self, store: &StoreArgs, flags: &str) -> Result<S3Client, Failure> {
        let Self { url, region, access_key, secret_key } = self;
        let (access_key_id, secret) = match (access_key.filter(|id| !id.is_empty()), secret_key) {
            (Some(id), Some(secret)) => (id, Zeroizing::new(secret)),
            (None, None) => root(store, flags)?,
            _ => return Err(format!("an access key has an id and a secret: {flags}").into()),
        };
        let settings = EndpointSettings { url, region, access_key_id, secret, session_token: None };
        Ok(S3Client::new(settings)?)
    }
}

/// Root's key, from the data directory.
fn root(store: &StoreArgs, flags: &str) -> Result<(String, Zeroizing<String>), Failure> {
    let keyless = || format!("which key? {flags}, or --data-dir DIR whose file `credentials` has root's");
    let directory = store.data_dir().map_err(|_| keyless())?;
    let root = RootCredentials::stored(&directory)?.ok_or_else(keyless)?;
    Ok((root.access_key_id, Zeroizing::new(root.secret.expose().to_owned())))
}

/// Reads a number of transfers at a time.
///
/// # Errors
/// What it may be.
pub(super) fn parallel(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=TRANSFERS_MAX).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {TRANSFERS_MAX}"))
}

/// Shows how far a transfer has come: on a terminal all the time, elsewhere now and then on a line of its own. Ends
/// only when it is dropped.
pub(super) async fn watch(tally: Arc<Tally>, json: bool) {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let is_terminal = std::io::stderr().is_terminal();
    if json || !is_terminal {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(
        ProgressStyle::with_template("{spinner} {elapsed} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let rest = if is_terminal { Duration::from_millis(200) } else { Duration::from_secs(TRANSFER_PROGRESS_SECONDS) };
    let ending = Ending(bar.clone());
    loop {
        tokio::time::sleep(rest).await;
        let line = progress(&tally.report(false));
        if is_terminal {
            ending.0.set_message(line);
            ending.0.tick();
        } else if !json {
            output::fault(&line);
        }
    }
}

/// Takes the bar off the terminal.
struct Ending(ProgressBar);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn progress(report: &Report) -> String {
    let Report { objects, bytes, skipped, failed, .. } = report;
    format!("{objects} objects, {}, {skipped} there already, {failed} failed", HumanBytes(*bytes))
}

/// Tells what it came to; exit code 1 if anything failed.
pub(super) fn tell(report: &Report, json: bool) -> ExitCode {
    if json {
        output::json(&serde_json::json!(report));
    } else {
        tell_lines(report);
    }
    if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_lines(report: &Report) {
    let Report { dry_run, buckets, objects, versions, bytes, skipped, failed, failures, passed_over, notes } = report;
    let list = |title: &str, faults: &[Fault], all: u64| {
        for Fault { bucket, what, reason } in faults {
            let separator = if bucket.is_empty() { "" } else { "/" };
            output::line(&format!("{title}\t{bucket}{separator}{}\t{}", output::key(what), output::key(reason)));
        }
        if all > faults.len() as u64 {
            output::line(&format!("{title}\tand {} more", all - faults.len() as u64));
        }
    };
    list("passed over", notes, *passed_over);
    list("failed", failures, *failed);
    if *dry_run {
        output::line("nothing was written; it would be:");
    }
    let row = |name: &str, count: &dyn std::fmt::Display| vec![name.to_owned(), count.to_string()];
    let rows = [
        row("buckets", buckets),
        row("objects", objects),
        row("versions", versions),
        row("bytes", bytes),
        row("there already", skipped),
        row("passed over", passed_over),
        row("failed", failed),
    ];
    output::table(&["WHAT", "COUNT"], &rows);
}

#[cfg(test)]
mod tests {
    use super::parallel;
    use crate::limits::transfer::TRANSFERS_MAX;

    #[test]
    fn some_at_a_time_but_not_any_number() {
        assert_eq!(parallel("1"), Ok(1));
        assert_eq!(parallel(&TRANSFERS_MAX.to_string()), Ok(TRANSFERS_MAX));
        for text in ["0", "-1", "x", "1000000"] {
            assert!(parallel(text).is_err(), "{text}");
        }
    }
}
