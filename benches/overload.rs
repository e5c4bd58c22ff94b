//! Goodput under overload: what ten times as many clients as are admitted get served in a second, beside what a few
//! clients get. A server that breaks down under load serves a fraction; one that refuses early serves nearly as much.
//!
//! Run with `cargo bench --bench overload`; `-- --seconds N` chooses how long the overload lasts (default 20). Clients
//! and server share the machine, so the many clients cost more of it than the few.

#![allow(clippy::print_stdout, missing_docs, reason = "a bench prints")]

mod measure;

use std::time::Duration;

use measure::load::Ground;
use measure::record;
use measure::support::siege::{Tally, besiege, furnish, no_more_than_the_backlog, p99, raise_descriptor_limit};
use sluicegate::limits::MemoryPlan;

/// Clients that keep a server busy and are all admitted.
const FEW: usize = 32;
const MEMORY_MIB: u64 = 32;
/// So many times what is admitted.
const TIMES: usize = 10;

/// Prints what a siege came to, and gives what was served in a second.
fn tell(clients: usize, time: Duration, tally: Tally) -> f64 {
    let Tally { served_in_time, refused, wrong, times, .. } = tally;
    let per_second = served_in_time as f64 / time.as_secs_f64();
    let slowest = times.iter().max().copied().unwrap_or_default();
    println!(
        "{clients:>8} {per_second:>12.0} {refused:>10} {:>10.1} {:>12.1} {:>8}",
        p99(times).as_secs_f64() * 1e3,
        slowest.as_secs_f64() * 1e3,
        wrong.len(),
    );
    if let Some(example) = wrong.first() {
        println!("wrong, for example: {example}");
    }
    per_second
}

fn main() {
    let time = Duration::from_secs_f64(measure::option("--seconds").unwrap_or(measure::unless_quick(20.0, 2.0)));
    raise_descriptor_limit();
    let Ground { server, scratch: _scratch } = Ground::new(&format!("{MEMORY_MIB}MiB"));
    let client = server.client();
    furnish(&client);
    let admitted = MemoryPlan::split(MEMORY_MIB << 20).connections_max;
    let many = no_more_than_the_backlog(TIMES * admitted);
    println!("{admitted} connections are admitted");
    println!(
        "{:>8} {:>12} {:>10} {:>10} {:>12} {:>8}",
        "clients", "served per s", "refused", "p99 ms", "slowest ms", "wrong"
    );
    // Warm.
    besiege(&client, FEW, Duration::from_secs(1));
    let few = tell(FEW, time, besiege(&client, FEW, time));
    let served = tell(many, time, besiege(&client, many, time));
    println!("goodput under overload: {:.0} % of that of {FEW} clients", served / few * 100.0);
    let with = format!("{many} clients of {admitted} admitted");
    record::row("served under overload", &with, "/s", served, Some((few, "the same server with 32 clients")));
}
