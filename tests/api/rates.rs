//! Rate limits, bandwidth and its timetable.

use std::time::{Duration, Instant};

use crate::support::{Server, noise};

const MIB: usize = 1024 * 1024;

#[test]
fn a_key_beyond_its_requests_is_told_when_to_come_back() {
    let server = Server::start_with(&["--key-requests", "1:5"]);
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    let begun = Instant::now();
    let answers: Vec<_> = (0..40).map(|_| ann.get("/")).collect();
    let admitted = answers.iter().filter(|answer| answer.status == 200).count();
    let seconds = begun.elapsed().as_secs() as usize;
    // Some of the burst may have gone into finding out that the new key is known.
    assert!((1..=6 + seconds).contains(&admitted), "{admitted} of 40 in {seconds} s");
    let refused = answers.into_iter().find(|answer| answer.status != 200).expect("most of them");
    assert_eq!(refused.header("retry-after"), Some("1"));
    refused.expect_error(503, "SlowDown");
    bob.get("/").expect(200);
    // Refused before anything is done.
    while ann.get("/").status == 200 {}
    ann.put("/never", "").expect_error(503, "SlowDown");
    std::thread::sleep(Duration::from_millis(1100));
    ann.get("/never").expect_error(404, "NoSuchBucket");
}

#[test]
fn an_address_is_limited_before_its_signature_is_looked_at() {
    let server = Server::start_with(&["--address-requests", "1:20"]);
    let (client, anonymous) = (server.client(), server.anonymous());
    while anonymous.get("/none").status != 503 {}
    client.get("/").expect_error(503, "SlowDown");
}

/// How long a PUT and a GET of that many bytes take.
fn times(server: &Server, bytes: usize) -> (Duration, Duration) {
    let client = server.client();
    let body = noise(1, bytes);
    let begun = Instant::now();
    client.put("/paced/k", body.clone()).expect(200);
    let put = begun.elapsed();
    let begun = Instant::now();
    assert!(client.get("/paced/k").expect(200).body == body);
    (put, begun.elapsed())
}

#[test]
fn bodies_move_at_the_pace_of_their_key_in_both_directions() {
    let mut server = Server::start_with(&["--key-bandwidth", "1MiB:256KiB"]);
    server.client().bucket("paced");
    let (put, get) = times(&server, 3 * MIB);
    // 3 MiB at 1 MiB a second, but for the burst and the last piece: slower machines only take longer.
    assert!(put >= Duration::from_millis(2200), "{put:?}");
    assert!(get >= Duration::from_millis(2200), "{get:?}");
    server.stop_and_check();
}

#[test]
fn the_bandwidth_of_the_gateway_follows_its_timetable() {
    let mut server = Server::start_with(&["--bandwidth", "00:00=512KiB,12:00=512KiB"]);
    server.client().bucket("paced");
    let (put, get) = times(&server, 2 * MIB);
    assert!(put >= Duration::from_millis(2200) && get >= Duration::from_millis(2200), "{put:?} {get:?}");
    server.stop_and_check();
}

fn key_command(server: &Server, arguments: &[&str]) -> String {
    let done = server.command(&[&["key"], arguments].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_key_has_rates_of_its_own_while_the_server_runs() {
    let mut server = Server::start_with(&["--key-requests", "1:5"]);
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    // More than enough.
    key_command(&server, &["limit", "ann", "--requests", "1000:2000"]);
    server.eventually("ann may do more", || {
        std::thread::sleep(Duration::from_millis(200));
        (0..20).all(|_| ann.get("/").status == 200)
    });
    let of_bob = (0..40).filter(|_| bob.get("/").status == 200).count();
    assert!(of_bob < 20, "{of_bob} of 40: the others' rates stay");
    let shown = key_command(&server, &["show", "ann"]);
    assert!(shown.contains("requests       1000:2000\n") && shown.contains("bandwidth      -\n"), "{shown}");
    // Less than all others, and what is not named stays.
    server.client().bucket("paced");
    key_command(&server, &["limit", "ann", "--bandwidth", "512KiB:256KiB"]);
    let listed: serde_json::Value = serde_json::from_str(&key_command(&server, &["list", "--json"])).unwrap();
    let listed = listed.as_array().unwrap().iter().find(|key| key["name"] == "ann").unwrap();
    assert_eq!(listed["requests"], serde_json::json!({ "per_second": 1000, "burst": 2000 }));
    assert_eq!(listed["bandwidth"], serde_json::json!({ "per_second": 512 << 10, "burst": 256 << 10 }));
    let ann = server.client_with("ann-too", &["--for", "root"]);
    key_command(&server, &["limit", "ann-too", "--requests", "1000", "--bandwidth", "512KiB:256KiB"]);
    // Both come into force at once, and this is seen by requests that are not refused.
    server.eventually("she has rates of her own", || {
        std::thread::sleep(Duration::from_millis(200));
        (0..20).all(|_| ann.get("/").status == 200)
    });
    let begun = Instant::now();
    ann.put("/paced/k", noise(1, 2 * MIB)).expect(200);
    assert!(begun.elapsed() >= Duration::from_millis(2500), "{:?}", begun.elapsed());
    key_command(&server, &["limit", "ann-too", "--clear"]);
    server.eventually("and then at that of all", || {
        let begun = Instant::now();
        let answer = ann.get("/paced/k");
        answer.status == 200 && begun.elapsed() < Duration::from_millis(1500)
    });
    server.eventually("and at their rate", || (0..20).any(|_| ann.get("/").status == 503));
    let shown = key_command(&server, &["show", "ann-too"]);
    assert!(shown.contains("requests       -\n") && shown.contains("bandwidth      -\n"), "{shown}");
    for wrong in [
        &["limit", "nobody", "--requests", "5"][..],
        &["limit", "ann"],
        &["limit", "ann", "--requests", "0"],
        &["limit", "ann", "--requests", "18446744073709551615"],
        &["limit", "ann", "--bandwidth", "1KiB"],
        &["limit", "ann", "--requests", "5", "--clear"],
    ] {
        assert!(!server.command(&[&["key"], wrong].concat()).status.success(), "{wrong:?}");
    }
    server.stop_and_check();
}
