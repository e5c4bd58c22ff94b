//! Runs the benches one after another and writes what they found: the table of `docs/performance.md`, and the curves
//! beside it.
//!
//! `cargo bench --bench report`, with options behind `--`:
//!
//! - `--quick`: a trial of a few minutes that shows that everything works; its numbers say little.
//! - `--only NAME[,NAME…]`: runs these benches; of the others the last results are taken.
//! - `--runs N`: how often everything runs (default 3, quick 1); the table shows medians. With 0 the page is written
//!   again from the last results.
//! - `--keys N`, `--gigabytes N`, `--dir DIR`: handed to the benches; `DIR` is where their data lies.
//! - `--out DIR`: where the page goes (default `docs`; for a trial below `target`).

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints, and stops at the first error"
)]

mod chart;
mod machine;
#[path = "../measure/mod.rs"]
mod measure;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use chart::{Axis, Scale, Series};
use measure::record::{self, Chart, Point, Record};
use measure::{flag, median, option, unless_quick};

/// In this order they run, and in this order their rows stand.
const BENCHES: &[&str] = &[
    "put_path",
    "get_path",
    "requests",
    "keys",
    "memory",
    "overload",
    "tee",
    "chunk_writer",
    "chunked_decode",
    "sigv4",
    "meta_commit",
    "list",
];
const PAGE: &str = "performance.md";
const BEGIN: &str = "<!-- begin: written by `cargo bench --bench report` -->\n";
const END: &str = "<!-- end -->\n";

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unless_quick("report", "report-quick"));
    let out: PathBuf = option("--out").unwrap_or(unless_quick(root.join("docs"), scratch.clone()));
    let only: Option<String> = option("--only");
    let chosen: Vec<&str> = match &only {
        Some(names) => names.split(',').collect(),
        None => BENCHES.to_vec(),
    };
    assert!(chosen.iter().all(|name| BENCHES.contains(name)), "--only takes names of {BENCHES:?}");
    std::fs::create_dir_all(&scratch).unwrap();
    std::fs::create_dir_all(&out).unwrap();
    let count: usize = option("--runs").unwrap_or(unless_quick(3, 1));
    if count > 0 {
        run(&chosen, count, &scratch);
    }
    let runs: Vec<Vec<Vec<Record>>> = BENCHES.iter().map(|name| results(&scratch, name)).collect();
    let page = std::fs::read_to_string(root.join("docs").join(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark of the beginning");
    let (_, after) = rest.split_once(END).expect("the mark of the end");
    let (facts, table) = (machine::facts(&option("--dir").unwrap_or(scratch)), table::markdown(&runs));
    let images = draw(&out, &runs);
    std::fs::write(out.join(PAGE), format!("{before}{BEGIN}\n{facts}\n{table}\n{images}\n{END}{after}")).unwrap();
    println!("\n{facts}\n{table}\nwritten: {}", out.join(PAGE).display());
}

/// Runs the benches in rounds, so that a slow hour of the machine falls on all of them.
fn run(names: &[&str], count: usize, scratch: &Path) {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").expect("run by cargo"));
        // What Cargo tells a bench about its package would look to build scripts like a change, and all be built again.
        let own = |name: &str| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_");
        for (name, _) in std::env::vars().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["bench", "--quiet"]).args(arguments);
        command
    };
    let build: Vec<&str> = names.iter().flat_map(|name| ["--bench", name]).chain(["--no-run"]).collect();
    assert!(cargo(&build).status().unwrap().success(), "the benches are built");
    for name in names {
        files(scratch, name).iter().for_each(|file| std::fs::remove_file(file).unwrap());
    }
    for number in 1..=count {
        for name in names {
            println!("\n== {name}, run {number} of {count}");
            let mut command = cargo(&["--bench", name, "--"]);
            command.env(record::VARIABLE, scratch.join(format!("{name}.{number}.jsonl")));
            command.args(flag("--quick").then_some("--quick"));
            for option in ["--keys", "--gigabytes", "--dir"] {
                let value: Option<String> = measure::option(option);
                command.args(value.iter().flat_map(|value| [option, value]));
            }
            assert!(command.status().unwrap().success(), "{name} ran");
        }
    }
}

/// What the last runs of a bench left.
fn files(scratch: &Path, name: &str) -> Vec<PathBuf> {
    let own =
        |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}.")));
    let mut found: Vec<_> =
        std::fs::read_dir(scratch).unwrap().map(|entry| entry.unwrap().path()).filter(own).collect();
    found.sort();
    found
}

fn results(scratch: &Path, name: &str) -> Vec<Vec<Record>> {
    files(scratch, name).iter().map(|file| record::read(file)).collect()
}

/// Draws the curves of which there are points; returns the lines of the page that show them.
fn draw(out: &Path, runs: &[Vec<Vec<Record>>]) -> String {
    let clients = Axis { label: "clients, each waiting for its answer", scale: Scale::Log, text: count };
    let keys = Axis { label: "keys in the bucket", scale: Scale::Linear, text: count };
    let sizes = Axis { label: "size of the object", scale: Scale::Log, text: |bytes| measure::size(bytes as usize) };
    let linear = |label| Axis { label, scale: Scale::Linear, text: count };
    let cost =
        Axis { label: "CPU-seconds of the server for each GB", scale: Scale::Log, text: |value| format!("{value}") };
    let charts = [
        (Chart::PutsByClients, "puts-by-clients", "Durable PUTs of 4 KiB", &clients, linear("PUTs each second")),
        (
            Chart::CpuByClients,
            "cpu-by-clients",
            "CPU of a PUT of 4 KiB",
            &clients,
            linear("µs of the server for each PUT"),
        ),
        (Chart::CpuBySize, "cpu-by-size", "CPU by object size, 8 at a time", &sizes, cost),
        (Chart::PutsByKeys, "puts-by-keys", "PUTs among many keys, 64 clients", &keys, linear("PUTs each second")),
        (Chart::PagesByKeys, "pages-by-keys", "Pages of a listing", &keys, linear("ms until 1,000 entries have come")),
    ];
    let mut lines = String::new();
    for (chart, file, title, x, y) in charts {
        let series = curves(chart, runs);
        if !series.is_empty() {
            std::fs::write(out.join(format!("{file}.svg")), chart::svg(title, x, &y, &series)).unwrap();
            lines += &format!("![{title}]({file}.svg)\n");
        }
    }
    lines
}

/// The lines of a chart: medians over the runs.
fn curves(chart: Chart, runs: &[Vec<Vec<Record>>]) -> Vec<Series> {
    let points = || {
        runs.iter().flatten().flatten().filter_map(|record| match record {
            Record::Point(point) if point.chart == chart => Some(point),
            Record::Point(_) | Record::Row(_) => None,
        })
    };
    let mut series: Vec<Series> = Vec::new();
    for Point { series: name, x, .. } in points() {
        let known = series.iter().position(|series| series.name == *name).unwrap_or(series.len());
        if known == series.len() {
            series.push(Series { name: name.clone(), points: Vec::new() });
        }
        if series[known].points.iter().all(|point| point.0 != *x) {
            let same = points().filter(|point| point.series == *name && point.x == *x).map(|point| point.y);
            series[known].points.push((*x, median(same)));
        }
    }
    series.iter_mut().for_each(|series| series.points.sort_by(|a, b| a.0.total_cmp(&b.0)));
    series
}

/// A number without needless digits: `1,024`, `250k`, `1.5`.
fn count(value: f64) -> String {
    match value {
        1e6.. => format!("{}M", (value / 1e4).round() / 100.0),
        1e4.. => format!("{}k", (value / 1e2).round() / 10.0),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}
