//! Samples of the past over restarts and damage.

use serde_json::Value;

use crate::got;
use crate::support::Server;

fn samples(server: &Server, span: &str) -> Vec<Value> {
    got(server, &format!("/v1/history?span={span}"))["samples"].as_array().unwrap().clone()
}

fn sum(samples: &[Value], field: &str) -> u64 {
    samples.iter().filter_map(|sample| sample[field].as_u64()).sum()
}

#[test]
fn the_past_survives_a_restart_and_a_damaged_file_starts_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Server::start_in(&directory.path().join("data"), &[]);
    let client = server.client();
    client.bucket("bkt");
    client.put("/bkt/k", vec![7; 100_000]).expect(200);
    for _ in 0..20 {
        client.get("/bkt/k").expect(200);
        client.get("/bkt/none").expect(404);
    }
    server.eventually("all are counted", || sum(&samples(&server, "hour"), "requests") == 42);
    let hour = samples(&server, "hour");
    assert_eq!(sum(&hour, "errors_4xx"), 20);
    assert!(sum(&hour, "received_bytes") >= 100_000 && sum(&hour, "sent_bytes") >= 2_000_000, "{hour:?}");
    let newest = hour.iter().rev().find(|sample| sample["requests"].as_u64() > Some(0)).unwrap();
    assert!(newest["latency_p50_ms"].as_f64().unwrap() <= newest["latency_p99_ms"].as_f64().unwrap());
    assert!(newest["resident_bytes"].as_u64().unwrap() > 1 << 20 && newest["disk_free_bytes"].as_u64().unwrap() > 0);

    assert!(server.stop().success());
    server.restart();
    for span in ["hour", "day", "month"] {
        assert_eq!(sum(&samples(&server, span), "requests"), 42, "{span} after a restart");
    }
    server.client().get("/bkt/k").expect(200);
    server.eventually("it goes on", || sum(&samples(&server, "day"), "requests") == 43);
    server.stop_and_check();

    let file = server.data().join("history");
    let mut bytes = std::fs::read(&file).unwrap();
    assert!(bytes.len() < 200_000, "{} bytes", bytes.len());
    bytes.truncate(1_000);
    std::fs::write(&file, bytes).unwrap();
    server.restart();
    assert_eq!(sum(&samples(&server, "month"), "requests"), 0);
    server.client().get("/bkt/k").expect(200);
    assert!(server.stop().success());
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    server.restart();
    server.client().get("/bkt/k").expect(200);
    server.eventually("it is in memory at least", || sum(&samples(&server, "hour"), "requests") == 1);
    assert!(server.log().contains("the samples of the past cannot be kept"));
}

#[test]
fn a_span_that_is_none_is_refused() {
    let server = Server::start();
    assert_eq!(crate::ask(&server, "/v1/history?span=year").0, 400);
    assert_eq!(got(&server, "/v1/history")["step_seconds"], 10);
}
