//! What the benches measure with: CPU seconds of this process, medians of paired rounds.
//!
//! Rounds run every variant once, in turn, so that a slow minute of the machine falls on all of them; results
//! are medians over rounds, and ratios are medians of the ratios within a round.

#![allow(dead_code, unreachable_pub, reason = "each bench uses its part of this")]

pub mod floors;

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

/// A number from the environment, or `default`.
pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}
