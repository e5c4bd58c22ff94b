//! Goodput under overload: what ten times as many clients as are admitted get served in a second, beside what a few
//! clients get. A server that breaks down under load serves a fraction; one that refuses early serves nearly as much.
//!
//! Run with `cargo bench --bench overload`; `-- --seconds N` chooses how long the overload lasts (default 20). Clients
//! and server share the machine, so the many clients cost more of it than the few.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a bench prints, may die, and asks the real clock"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use support::Server;
use support::siege::{Tally, besiege, furnish, no_more_than_the_backlog, p99, raise_descriptor_limit};

/// Clients that keep a server busy and are all admitted.
const FEW: usize = 32;
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
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seconds");
    let seconds = arguments.nth(1).map_or(20.0, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    raise_descriptor_limit();
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("scratch directory");
    let server = Server::start_in(&scratch.path().join("data"), &["--memory", "32MiB", "--log", "warn"]);
    let client = server.client();
    furnish(&client);
    let admitted = server.metric("sluicegate_connections_max").expect("the metric") as usize;
    let many = no_more_than_the_backlog(TIMES * admitted);
    println!("{admitted} connections are admitted");
    println!(
        "{:>8} {:>12} {:>10} {:>10} {:>12} {:>8}",
        "clients", "served per s", "refused", "p99 ms", "slowest ms", "wrong"
    );
    // Warm.
    besiege(&client, FEW, Duration::from_secs(1));
    let few = tell(FEW, time, besiege(&client, FEW, time));
    let many = tell(many, time, besiege(&client, many, time));
    println!("goodput under overload: {:.0} % of that of {FEW} clients", many / few * 100.0);
}
