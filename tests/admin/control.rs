//! Switches, through the API and the command line.

use std::process::Output;

use serde_json::json;

use crate::support::Server;
use crate::{Browser, json, refused, root};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_pause_refuses_changes_and_reading_goes_on() {
    let mut server = Server::start();
    let (browser, client) = (Browser::root(&server), server.client());
    client.bucket("photos");
    client.put("/photos/k", "x").expect(200);
    let upload = client.post("/photos/big?uploads", "").expect(200).one("UploadId");
    let paused = json(&browser.send("POST", "/v1/control/pause", &json!({"reason": "backup"})).expect(200));
    assert_eq!((&paused["is_paused"], &paused["reason"]), (&json!(true), &json!("backup")));
    let refusals = [
        client.put("/photos/l", "x"),
        client.put("/other", ""),
        client.delete("/photos/k"),
        client.delete(&format!("/photos/big?uploadId={upload}")),
        client.put(&format!("/photos/big?partNumber=1&uploadId={upload}"), "x"),
        client.post("/photos?delete", "<Delete><Object><Key>k</Key></Object></Delete>"),
        client.put("/photos?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        client.call("PUT", "/photos/copy").header("x-amz-copy-source", "/photos/k").send(),
        browser.call("PUT", "/s3/photos/l").body("x").send(),
    ];
    for answer in refusals {
        let answer = answer.expect_error(503, "ServiceUnavailable");
        assert!(answer.one("Message").contains("maintenance") && answer.header("retry-after").is_some());
    }
    assert_eq!(client.get("/photos/k").expect(200).text(), "x");
    client.get("/photos?list-type=2").expect(200);
    client.head("/photos/k").expect(200);
    let ready = server.admin("/health/ready").expect(503);
    assert_eq!((&json(&ready)["status"], &json(&ready)["reason"]), (&json!("read-only"), &json!("maintenance")));
    assert_eq!(server.metric("sluicegate_read_only"), Some(1.0));
    let overview = json(&browser.get("/v1/overview"));
    assert_eq!((&overview["is_paused"], &overview["reason"]), (&json!(true), &json!("maintenance")));
    browser.send("POST", "/v1/control/resume", &json!({})).expect(200);
    client.put("/photos/l", "x").expect(200);
    server.admin("/health/ready").expect(200);

    browser.send("POST", "/v1/control/pause", &json!({})).expect(200);
    assert!(server.stop().success());
    server.restart();
    server.client().put("/photos/m", "x").expect(200);
    refused(root(&server).post("/v1/control/pause", json!({"reason": "x".repeat(300)}).to_string()), 400, "bad-reason");
}

#[test]
fn the_command_line_reaches_a_running_server() {
    let mut server = Server::start();
    server.client().bucket("photos");
    let control = |arguments: &[&str]| server.command(&[&["control"], arguments].concat());
    let ok = |arguments: &[&str]| {
        let output = control(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        said(&output)
    };
    ok(&["pause", "--reason", "backup"]);
    server.client().put("/photos/k", "x").expect_error(503, "ServiceUnavailable");
    assert!(ok(&["status"]).contains("maintenance"));
    ok(&["resume"]);
    server.client().put("/photos/k", "x").expect(200);
    let status: serde_json::Value = serde_json::from_str(&ok(&["status", "--json"])).unwrap();
    assert_eq!(status["buckets"], 1);
    assert!(ok(&["jobs"]).contains("scrub"));
    ok(&["snapshot"]);
    let listed = || String::from_utf8(server.command(&["snapshot", "--list", "--json"]).stdout).unwrap();
    server.eventually("a snapshot is taken", || listed().contains("meta-"));
    ok(&["scrub"]);
    ok(&["log", "info,sluicegate::s3=debug"]);
    assert_eq!(ok(&["log"]).trim(), "info,sluicegate::s3=debug");
    let refused = control(&["log", "a=b=c"]);
    assert!(!refused.status.success() && said(&refused).contains("not a filter"), "{}", said(&refused));
    let refused = control(&["reload-tls"]);
    assert!(!refused.status.success() && said(&refused).contains("TLS"), "{}", said(&refused));
    ok(&["drain"]);
    server.eventually("the server stops", || !server.data().join("admin.sock").exists());
    let gone = control(&["status"]);
    assert!(!gone.status.success() && said(&gone).contains("no server answers"), "{}", said(&gone));
    server.restart();
    assert_eq!(server.client().get("/photos/k").expect(200).text(), "x");
}

#[test]
fn the_log_tells_more_when_it_is_asked_to() {
    let server = Server::start_with(&["--log", "warn,sluicegate::app=info"]);
    let client = root(&server);
    assert_eq!(json(&client.get("/v1/control/log").expect(200))["filter"], "warn,sluicegate::app=info");
    let debug = || server.log().lines().filter(|line| line.contains("DEBUG")).count();
    assert_eq!(debug(), 0);
    client.call("PUT", "/v1/control/log").body(json!({"filter": "debug"}).to_string()).send().expect(200);
    server.client().get("/").expect(200);
    server.eventually("debug lines come", || debug() > 0);
    refused(client.call("PUT", "/v1/control/log").body("{\"filter\":\"a=b=c\"}").send(), 400, "bad-filter");
    assert_eq!(json(&client.get("/v1/control/log").expect(200))["filter"], "debug");
}

#[test]
fn limits_of_rates_change_while_the_server_runs() {
    let server = Server::start();
    let client = root(&server);
    let set = |body: serde_json::Value| client.call("PUT", "/v1/control/limits").body(body.to_string()).send();
    set(json!({"requests_per_key": {"per_second": 1, "burst": 3}})).expect(200);
    let refused_at = (0..10).position(|_| server.client().get("/").status == 503);
    assert!(refused_at.is_some_and(|at| (3..=5).contains(&at)), "{refused_at:?}");
    let limits = json(&set(json!({"bandwidth_per_address": {"per_second": 1_000_000}})).expect(200));
    assert_eq!(limits["requests_per_key"], json!({"per_second": 1, "burst": 3}), "what is not named stays");
    set(json!({"requests_per_key": null})).expect(200);
    for _ in 0..20 {
        server.client().get("/").expect(200);
    }
    refused(set(json!({"requests_per_key": {"per_second": 0}})), 400, "bad-rate");
    refused(set(json!({"speed": 1})), 400, "bad-json");
}

#[test]
fn jobs_tell_what_they_do_and_begin_when_asked() {
    let server = Server::start_with(&["--snapshot-interval", "0"]);
    let client = root(&server);
    server.client().bucket("photos");
    server.client().put("/photos/k", vec![7; 2_000_000]).expect(200);
    let scrub = || {
        let jobs = json(&client.get("/v1/jobs").expect(200));
        let found = jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "scrub").cloned();
        found.expect("scrub is a job")
    };
    assert!(["running", "resting"].contains(&scrub()["state"].as_str().unwrap()));
    let passes = || scrub()["detail"].as_str().unwrap_or_default().to_owned();
    server.eventually("the first pass is over", || passes().contains("by the pass of"));
    let first = passes();
    client.post("/v1/jobs/scrub/start", "").expect(202);
    server.eventually("another pass is over", || passes().contains("by the pass of") && passes() != first);
    refused(client.post("/v1/jobs/snapshot/start", ""), 409, "no-such-job");
}
