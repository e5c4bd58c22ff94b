//! Ten times as many clients as are admitted: each gets its answer or a `503` that says when to come back.

use std::time::{Duration, Instant};

use crate::support::Server;
use crate::support::siege::{Tally, besiege, furnish, no_more_than_the_backlog};
use crate::{alone, duration, p99};

/// About ten times what `--memory 32MiB` admits.
const CLIENTS: usize = 1_700;
/// As many as are admitted easily, for comparison.
const FEW: usize = 32;
const DEADLINE: Duration = Duration::from_secs(30);

#[test]
fn ten_times_too_many_clients_are_answered_and_leave_nothing_behind() {
    let _alone = alone();
    let mut server = Server::start_with(&["--memory", "32MiB", "--log", "info,access=off"]);
    let client = server.client();
    furnish(&client);
    let easy = besiege(&client, FEW, duration() / 3);
    let clients = no_more_than_the_backlog(CLIENTS);
    let hard = besiege(&client, clients, duration());
    for tally in [&easy, &hard] {
        assert!(
            tally.wrong.is_empty(),
            "{} wrong, as {:?}",
            tally.wrong.len(),
            &tally.wrong[..tally.wrong.len().min(5)]
        );
        assert!(tally.served > 0, "{tally:?}");
    }
    let slowest = hard.times.iter().max().copied().unwrap();
    assert!(slowest <= DEADLINE, "{slowest:?}");
    let goodput = |tally: &Tally, time: Duration| tally.served as f64 / time.as_secs_f64();
    eprintln!(
        "overload: {FEW} clients {:.0}/s; {clients} clients {:.0}/s served, {} refused, p99 {:?}, slowest {slowest:?}",
        goodput(&easy, duration() / 3),
        goodput(&hard, duration()),
        hard.refused,
        p99(hard.times.clone()),
    );
    server.eventually("no request is left", || server.metric("sluicegate_requests_in_flight") == Some(0.0));
    let begun = Instant::now();
    client.get("/load/1").expect(200);
    assert!(begun.elapsed() < Duration::from_secs(5), "back to normal: {:?}", begun.elapsed());
    server.stop_and_check();
}
