//! `doctor`: looks at everything that a server depends on and says what to do about it.

pub mod certificate;
pub mod clients;
pub mod disk;
pub mod host;
pub mod peer;
pub mod snippet;
pub mod store;

use std::process::ExitCode;

use crate::app::process::runtime;
use crate::cli::output::Colour;
use crate::cli::settings::SettingsArgs;
use crate::cli::{Failure, output};
use crate::config::{Config, format_size};
use crate::identity::{RootCredentials, root_file};
use crate::limits::MemoryPlan;
use crate::telemetry::record::plan_terms;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Declare the machine's clock right, so that locks of objects are judged by it again
    #[arg(long)]
    confirm_clock: bool,
    #[arg(long, value_name = "URL", help = "Compare the clock with that of a web server, e.g. https://example.com")]
    clock_url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Works, but somebody should look at it.
    Warning,
    /// Breaks a promise, or a server will not start.
    Bad,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "bad",
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Good => Colour::Green,
            Self::Warning => Colour::Yellow,
            Self::Bad => Colour::Red,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How good it is.
    pub grade: Grade,
    /// What was looked at.
    pub topic: &'static str,
    /// What was seen, on one line.
    pub detail: String,
}

impl Finding {
    /// A finding.
    pub fn new(grade: Grade, topic: &'static str, detail: impl Into<String>) -> Self {
        Self { grade, topic, detail: detail.into() }
    }
}

/// Looks at everything; exit code 1 if anything is bad.
///
/// # Errors
/// If the settings are wrong.
pub fn run(arguments: DoctorArgs) -> Result<ExitCode, Failure> {
    let config = arguments.settings.decide()?;
    let plan = MemoryPlan::split(config.memory_bytes);
    let mut findings = vec![host::clock(&config.data_dir)];
    findings.extend(clients::clock(&config.data_dir));
    findings.extend(disk::look(&config.data_dir));
    findings.push(host::open_files(&plan));
    findings.push(host::memory(&config));
    findings.extend(host::listeners(&config));
    findings.extend(certificate::look(&config));
    let runtime = runtime()?;
    if arguments.confirm_clock {
        runtime.block_on(store::confirm_clock(&config))?;
    }
    findings.extend(runtime.block_on(store::look(&config)));
    if let Some(url) = &arguments.clock_url {
        findings.push(runtime.block_on(peer::clock(url)));
    }
    if let Some(url) = &config.public_url {
        findings.extend(runtime.block_on(peer::public_url(url, &config.region, root(&config))));
    }
    // A database check that was given up may still run.
    runtime.shutdown_background();
    let is_bad = findings.iter().any(|finding| finding.grade == Grade::Bad);
    if arguments.json {
        print_json(&findings, &config, &plan);
    } else {
        print_text(&findings, &config, &plan);
    }
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Root's key as the server has it: configured, or in its file. None is made here.
fn root(config: &Config) -> Option<RootCredentials> {
    let pair = config.root.as_ref().map(|root| (root.access_key_id.clone(), (*root.secret).clone()));
    if pair.is_none() && !root_file(&config.data_dir).exists() {
        return None;
    }
    RootCredentials::load_or_create(pair, &config.data_dir).ok().map(|loaded| loaded.credentials)
}

fn print_text(findings: &[Finding], config: &Config, plan: &MemoryPlan) {
    let rows: Vec<_> = findings
        .iter()
        .map(|finding| vec![finding.grade.word().to_owned(), finding.topic.to_owned(), finding.detail.clone()])
        .collect();
    let colours: Vec<_> = findings.iter().map(|finding| finding.grade.colour()).collect();
    output::coloured_table(&["STATE", "WHAT", "DETAIL"], &rows, &colours);
    output::line("");
    let rows: Vec<_> = plan_rows(plan).into_iter().map(|(term, bytes, how)| vec![term, bytes, how]).collect();
    output::table(&["MEMORY", "SIZE", "HOW"], &rows);
    for (client, text) in snippet::all(config) {
        output::line("");
        output::line(&format!("# {client}"));
        output::line(text.trim_end());
    }
}

fn print_json(findings: &[Finding], config: &Config, plan: &MemoryPlan) {
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            serde_json::json!({"state": finding.grade.word(), "topic": finding.topic, "detail": finding.detail})
        })
        .collect();
    let terms: serde_json::Map<_, _> =
        plan_terms(plan).into_iter().map(|(term, bytes)| (term.to_owned(), bytes.into())).collect();
    let snippets: serde_json::Map<_, _> =
        snippet::all(config).into_iter().map(|(client, text)| (client.to_owned(), text.into())).collect();
    output::json(&serde_json::json!({
        "findings": findings,
        "memory_plan_bytes": terms,
        "blocks": plan.blocks,
        "connections_max": plan.connections_max,
        "requests_max": plan.requests_max,
        "snippets": snippets,
    }));
}

/// The memory sum, term by term, and what is left over.
fn plan_rows(plan: &MemoryPlan) -> Vec<(String, String, String)> {
    let how = |term: &str| match term {
        "pool" => format!("{} blocks for bodies", plan.blocks),
        "sqlite" => "page caches of the database".to_owned(),
        "connections" => {
            format!("{} at once, buffers of {}", plan.connections_max, size(plan.http_buffer_bytes as u64))
        }
        "requests" => format!("{} at once", plan.requests_max),
        _ => "what --memory says".to_owned(),
    };
    let row = |(term, bytes): (&str, u64)| (term.to_owned(), size(bytes), how(term));
    let mut rows: Vec<_> = plan_terms(plan).into_iter().map(row).collect();
    rows.push(("spare".to_owned(), size(plan.total_bytes - plan.sum_bytes()), "rounding".to_owned()));
    rows
}

/// A size for people, rounded down to a tenth.
pub(crate) fn size(bytes: u64) -> String {
    for (unit, factor) in [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= factor {
            let tenths = bytes / (factor / 10).max(1);
            return if bytes.is_multiple_of(factor) {
                format_size(bytes)
            } else {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            };
        }
    }
    format_size(bytes)
}

#[cfg(test)]
mod tests {
    use super::{plan_rows, size};
    use crate::limits::{MIB, MemoryPlan};

    #[test]
    fn the_memory_sum_shows_every_term() {
        let rows = plan_rows(&MemoryPlan::split(64 * MIB));
        let terms: Vec<_> = rows.iter().map(|(term, _, _)| term.as_str()).collect();
        assert_eq!(terms, ["total", "pool", "sqlite", "connections", "requests", "spare"]);
        assert_eq!(rows[0].1, "64MiB");
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 * MIB), "5MiB");
        assert_eq!(size(12), "12B");
    }
}
