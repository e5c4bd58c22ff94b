//! The table: a row for each kind of work at each size, medians of the runs.

use std::fmt::Write as _;

use super::measure::median;
use super::measure::record::{Record, Row};

/// The rows of all benches, of which each has its runs.
pub(crate) fn markdown(benches: &[Vec<Vec<Record>>]) -> String {
    let mut out =
        String::from("| work | with | floor of this machine | ours | ours against it |\n|---|---|---|---|---|\n");
    for runs in benches {
        let measures = measures(runs);
        for cell in measures.chunk_by(|a, b| (&a[0].work, &a[0].with) == (&b[0].work, &b[0].with)) {
            let lines = |of: fn(&[Row]) -> String| cell.iter().map(|runs| of(runs)).collect::<Vec<_>>().join("<br>");
            let first = &cell[0][0];
            let (ours, floor, ratio) = (lines(ours), lines(floor), lines(ratio));
            let _ = writeln!(out, "| {} | {} | {floor} | {ours} | {ratio} |", first.work, first.with);
        }
    }
    out
}

/// The same measure of all runs, for each measure in the order of the first run.
fn measures(runs: &[Vec<Record>]) -> Vec<Vec<Row>> {
    let rows = |run: &[Record]| -> Vec<Row> {
        let row = |record: &Record| match record {
            Record::Row(row) => Some(row.clone()),
            Record::Point(_) => None,
        };
        run.iter().filter_map(row).collect()
    };
    let all: Vec<Row> = runs.iter().flat_map(|run| rows(run)).collect();
    let same = |a: &Row, b: &Row| a.work == b.work && a.with == b.with && a.unit == b.unit;
    let first = runs.first().map(|run| rows(run)).unwrap_or_default();
    first.iter().map(|row| all.iter().filter(|other| same(row, other)).cloned().collect()).collect()
}

/// The median, and half of what lies between the least and the largest of several runs.
fn ours(runs: &[Row]) -> String {
    let values = || runs.iter().map(|row| row.ours);
    let (middle, unit) = (median(values()), &runs[0].unit);
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
    let noise = (high - low) / 2.0 / middle * 100.0;
    let noise = if runs.len() > 1 { format!(" ± {noise:.0} %") } else { String::new() };
    format!("{}{noise}", with_unit(middle, unit))
}

fn floor(runs: &[Row]) -> String {
    let Some(first) = &runs[0].floor else { return "–".to_owned() };
    let value = median(runs.iter().filter_map(|row| Some(row.floor.as_ref()?.value)));
    format!("{}: {}", with_unit(value, &runs[0].unit), first.is)
}

/// The median of the ratios, each of one run.
fn ratio(runs: &[Row]) -> String {
    if runs[0].floor.is_none() {
        return "–".to_owned();
    }
    let ratio = median(runs.iter().filter_map(|row| Some(row.ours / row.floor.as_ref()?.value)));
    let is_share = runs[0].unit.ends_with("/s") || runs[0].unit == "MiB";
    if is_share { format!("{:.0} %", ratio * 100.0) } else { format!("{} ×", digits(ratio)) }
}

fn with_unit(value: f64, unit: &str) -> String {
    let space = if unit.starts_with('/') { "" } else { " " };
    format!("{}{space}{unit}", digits(value))
}

/// Three digits that count, and thousands apart.
fn digits(value: f64) -> String {
    match value {
        1000.0.. => {
            let digits = format!("{value:.0}");
            let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
            groups.collect::<Vec<_>>().join(",")
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
