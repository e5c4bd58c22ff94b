//! Tables that are made of the code. A page that is not what the code says fails.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use sluicegate::s3::Code;
use sluicegate::telemetry::metric::{ALL, Kind, Metric};

use super::{read, root};

const BEGIN: &str = "<!-- begin: generated";
const END: &str = "<!-- end -->";

/// Commands that take every setting, beside their own arguments.
const SETTINGS_MIN: usize = 10;

/// When to worry about a metric; `–` if never, or only together with another.
const WORRY: &[(&str, &str)] = &[
    ("sluicegate_requests_total", "`5xx` above a few percent, `aborted` above what clients do by themselves"),
    ("sluicegate_request_duration_seconds", "small operations (HeadObject) above 0.1 s: the disk is busy or slow"),
    ("sluicegate_received_bytes_total", "–"),
    ("sluicegate_sent_bytes_total", "–"),
    ("sluicegate_refused_total", "it grows for minutes: too many clients for `--memory`"),
    ("sluicegate_requests_in_flight", "at its maximum for minutes"),
    ("sluicegate_requests_in_flight_max", "–"),
    ("sluicegate_connections", "above seven eighths of its maximum: connections are scarce"),
    ("sluicegate_connections_max", "–"),
    ("sluicegate_pool_blocks", "–"),
    ("sluicegate_pool_blocks_leased", "all leased for minutes: bodies wait for each other; more `--memory` helps"),
    ("sluicegate_metadata_commits_total", "–"),
    ("sluicegate_metadata_commands_total", "–"),
    ("sluicegate_hash_steps_total", "–"),
    ("sluicegate_hash_lanes_total", "–"),
    ("sluicegate_corrupt_blocks_total", "any growth"),
    ("sluicegate_damaged_chunks", "any value but 0"),
    ("sluicegate_damaged_small_bodies", "any value but 0"),
    ("sluicegate_scrubbed_chunks_total", "–"),
    ("sluicegate_scrubbed_bytes_total", "no growth for longer than `--scrub-interval`"),
    ("sluicegate_scrub_last_pass_timestamp_seconds", "older than two `--scrub-interval`: `--scrub-rate` is too low"),
    ("sluicegate_snapshots_failed_total", "any growth: usually the space for one is missing"),
    ("sluicegate_last_snapshot_timestamp_seconds", "older than three `--snapshot-interval`"),
    ("sluicegate_garbage_chunks_collected_total", "–"),
    ("sluicegate_garbage_pending", "above 0 for a day"),
    ("sluicegate_uploads_expired_total", "it grows every day: a client breaks its uploads off"),
    ("sluicegate_lifecycle_actions_total", "more than the rules should do: look with `bucket lifecycle --dry-run`"),
    ("sluicegate_lifecycle_passes_total", "no growth for hours, if buckets have rules"),
    ("sluicegate_undelete_collected_total", "–"),
    ("sluicegate_events_delivered_total", "`failed` without `ok`: the webhook is down"),
    ("sluicegate_events_waiting", "it grows for an hour"),
    ("sluicegate_events_dropped_total", "any growth"),
    ("sluicegate_access_log_lines_dropped_total", "any growth"),
    ("sluicegate_log_file_lines_dropped_total", "any growth: the disk of that file is full or fails"),
    ("sluicegate_trace_spans_sent_total", "–"),
    ("sluicegate_trace_spans_dropped_total", "it grows: the collector is down or slow; the log says why"),
    ("sluicegate_memory_plan_bytes", "–"),
    ("process_resident_memory_bytes", "above `--memory` plus 32 MiB"),
    ("process_open_fds", "above four fifths of `process_max_fds`"),
    ("process_max_fds", "–"),
    ("sluicegate_disk_free_bytes", "it will be 0 in some days: writes stop at the reserve"),
    ("sluicegate_read_only", "1"),
    ("sluicegate_disk_circuit_opened_total", "any growth: look at the disk"),
    ("sluicegate_build_info", "–"),
];

/// Requires the marked part of a page to be `table`, or makes it so.
#[track_caller]
fn check(page: &str, table: &str) {
    let text = read(page);
    let begin = text.find(BEGIN).unwrap_or_else(|| panic!("{page} has no mark"));
    let after = begin + text[begin..].find('\n').unwrap() + 1;
    let end = after + text[after..].find(END).unwrap_or_else(|| panic!("{page} has no end mark"));
    let expected = format!("\n{}\n\n", table.trim());
    if std::env::var("SLUICEGATE_WRITE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(root().join(page), format!("{}{expected}{}", &text[..after], &text[end..])).unwrap();
        return;
    }
    let stale: Vec<_> = expected.lines().filter(|line| !text[after..end].lines().any(|old| old == *line)).collect();
    assert!(
        text[after..end] == expected,
        "{page} is stale: SLUICEGATE_WRITE_DOCS=1 cargo test --test docs. New lines:\n{}",
        stale.join("\n")
    );
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn whole() -> Command {
    let mut command = sluicegate::cli::Cli::command();
    command.build();
    command
}

/// Arguments that a person gives, without those that clap adds.
fn arguments(command: &Command) -> Vec<&Arg> {
    command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str())).collect()
}

fn serve() -> Command {
    whole().find_subcommand("serve").unwrap().clone()
}

fn flags(command: &Command) -> Vec<String> {
    arguments(command).iter().filter_map(|argument| Some(argument.get_long()?.to_owned())).collect()
}

/// `--flag VALUE`, `NAME`, `[NAME]` or `NAME…`.
fn shown(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let takes = argument.get_action().takes_values();
    match argument.get_long() {
        Some(long) if argument.is_require_equals_set() => format!("--{long}[={values}]"),
        Some(long) if takes => format!("--{long} {values}"),
        Some(long) => format!("--{long}"),
        None => {
            let values = if values.is_empty() { argument.get_id().as_str().to_uppercase() } else { values };
            let several = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
            let values = if several { format!("{values}…") } else { values };
            if argument.is_required_set() { values } else { format!("[{values}]") }
        }
    }
}

fn help(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if argument.get_action().takes_values() && !possible.is_empty() && argument.get_long().is_none() {
        let _ = write!(text, ": {}", possible.join(", "));
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() && !defaults.iter().all(|value| value.is_empty()) {
        let _ = write!(text, " [default: {}]", defaults.join(" "));
    }
    cell(&text)
}

fn variable(argument: &Arg) -> String {
    argument.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default()
}

fn describe(command: &Command, path: &str, page: &mut String) {
    let path = format!("{path} {}", command.get_name());
    let inner: Vec<_> = command.get_subcommands().filter(|inner| inner.get_name() != "help").collect();
    if !inner.is_empty() {
        for inner in inner {
            describe(inner, &path, page);
        }
        return;
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "### {path}\n\n{about}.\n\n");
    let settings = flags(&serve());
    let mut own = arguments(command);
    let takes =
        own.iter().filter(|argument| argument.get_long().is_some_and(|long| settings.iter().any(|s| s == long)));
    if takes.count() >= SETTINGS_MIN {
        own.retain(|argument| !argument.get_long().is_some_and(|long| settings.iter().any(|s| s == long)));
        let _ = write!(page, "Takes every [setting](configuration.md).\n\n");
    }
    if own.is_empty() {
        return;
    }
    page.push_str("| argument | variable | what |\n|---|---|---|\n");
    // What has to be given comes first.
    own.sort_by_key(|argument| argument.get_long().is_some());
    for argument in own {
        let _ = writeln!(page, "| `{}` | {} | {} |", cell(&shown(argument)), variable(argument), help(argument));
    }
    page.push('\n');
}

#[test]
fn the_command_line() {
    let mut page = String::new();
    for command in whole().get_subcommands().filter(|command| command.get_name() != "help") {
        describe(command, "sluicegate", &mut page);
    }
    assert!(page.matches("### ").count() > 30, "{page}");
    check("docs/reference/command-line.md", &page);
}

#[test]
fn every_setting() {
    let mut page = "| flag | variable | key of the file | what |\n|---|---|---|---|\n".to_owned();
    let serve = serve();
    for argument in arguments(&serve) {
        let long = argument.get_long().unwrap();
        let key = if long == "config" { String::new() } else { format!("`{long}`") };
        let _ =
            writeln!(page, "| `{}` | {} | {key} | {} |", cell(&shown(argument)), variable(argument), help(argument));
    }
    check("docs/reference/configuration.md", &page);
}

#[test]
fn every_metric() {
    let mut page = "| metric | kind | labels | what | when to worry |\n|---|---|---|---|---|\n".to_owned();
    for Metric { name, kind, labels, help, .. } in ALL {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let (_, worry) = WORRY.iter().find(|(known, _)| known == name).unwrap_or_else(|| {
            panic!("say in WORRY, tests/docs/generated.rs, when to worry about {name}");
        });
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {} | {} |", cell(help), cell(worry));
    }
    for (name, _) in WORRY {
        assert!(ALL.iter().any(|metric| metric.name == *name), "{name} is no metric any more");
    }
    check("docs/reference/metrics.md", &page);
}

#[test]
fn every_error() {
    let mut page = "| code | status | message |\n|---|---|---|\n".to_owned();
    for code in Code::ALL {
        let _ = writeln!(page, "| `{}` | {} | {} |", code.name(), code.status().as_u16(), cell(code.message()));
    }
    check("docs/reference/errors.md", &page);
}
