//! What the benches share: clocks, medians of paired rounds, the floors of the machine, a gateway under load, and the
//! record of what was found.
//!
//! Rounds run every variant once, in turn, so that a slow minute of the machine falls on all of them; results
//! are medians over rounds, and ratios are medians of the ratios within a round.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each bench uses its part of this, may die, and asks the real clock"
)]

pub mod floors;
pub mod load;
pub mod record;
#[path = "../../tests/support/mod.rs"]
pub mod support;

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant;

/// What one run of one variant cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time of the process in seconds.
    pub cpu_seconds: f64,
    /// Elapsed time in seconds.
    pub wall_seconds: f64,
}

/// Runs `work` and says what it cost.
pub fn cost<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let (cpu, wall) = (cpu_seconds(), Instant::now());
    let value = work();
    (value, Cost { cpu_seconds: cpu_seconds() - cpu, wall_seconds: wall.elapsed().as_secs_f64() })
}

/// User and system time of this process so far, in seconds.
#[allow(unsafe_code)]
pub fn cpu_seconds() -> f64 {
    // SAFETY: all-zero bytes are a valid `rusage`, which holds integers only.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid place for one `rusage`.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    assert_eq!(status, 0, "a process can always ask for its own usage");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The middle of `values`.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What follows `name` on the command line.
pub fn option<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::args().skip_while(|argument| argument != name).nth(1)?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} {text}: not understood")))
}

/// Whether `name` stands on the command line.
pub fn flag(name: &str) -> bool {
    std::env::args().any(|argument| argument == name)
}

/// `full`, or `quick` where `--quick` asks for a trial that shows that everything works, and no more.
pub fn unless_quick<T>(full: T, quick: T) -> T {
    if flag("--quick") { quick } else { full }
}

/// A directory that goes when it is dropped: below `--dir`, or below `target`.
pub fn scratch() -> tempfile::TempDir {
    let base = option("--dir").unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
    tempfile::tempdir_in(base).expect("scratch directory")
}

/// Bytes, as people say them.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}
