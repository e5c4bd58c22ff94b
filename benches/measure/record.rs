//! What the benches found, for `report`: lines of JSON in the file that `SLUICEGATE_BENCH_RECORD` names, if it does.

use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Where the lines go.
pub const VARIABLE: &str = "SLUICEGATE_BENCH_RECORD";

/// One line.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    Row(Row),
    Point(Point),
}

/// A measure of one kind of work.
#[derive(Clone, Deserialize, Serialize)]
pub struct Row {
    /// What was done.
    pub work: String,
    /// How many at a time, and how large.
    pub with: String,
    /// What is counted. More is better of what ends with `/s`, less of anything else.
    pub unit: String,
    pub ours: f64,
    /// What it is compared with, in the same unit and measured in the same run.
    pub floor: Option<Floor>,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Floor {
    pub value: f64,
    pub is: String,
}

/// A point of a curve.
#[derive(Deserialize, Serialize)]
pub struct Point {
    pub chart: Chart,
    pub series: String,
    pub x: f64,
    pub y: f64,
}

/// The charts of the report.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Chart {
    PutsByClients,
    CpuByClients,
    CpuBySize,
    PutsByKeys,
    PagesByKeys,
}

/// Records a measure: `floor` is its value and what it is.
pub fn row(work: &str, with: &str, unit: &str, ours: f64, floor: Option<(f64, &str)>) {
    let floor = floor.map(|(value, is)| Floor { value, is: is.to_owned() });
    append(&Record::Row(Row { work: work.to_owned(), with: with.to_owned(), unit: unit.to_owned(), ours, floor }));
}

/// Records a point of a curve.
pub fn point(chart: Chart, series: &str, x: f64, y: f64) {
    append(&Record::Point(Point { chart, series: series.to_owned(), x, y }));
}

fn append(record: &Record) {
    let Some(path) = std::env::var_os(VARIABLE) else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("open the record");
    writeln!(file, "{}", serde_json::to_string(record).expect("plain values")).expect("write the record");
}

/// All lines of a record.
pub fn read(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).expect("read the record");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of a record")).collect()
}
