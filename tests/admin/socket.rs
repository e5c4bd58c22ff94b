//! The Unix socket in the data directory.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::Server;
use crate::{address, over_socket};

#[test]
fn whoever_can_open_the_socket_is_an_administrator() {
    let mut server = Server::start();
    let path = server.data().join("admin.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (status, overview) = over_socket(&server, "GET", "/v1/overview", "");
    assert_eq!((status, &overview["ready"]), (200, &true.into()), "{overview}");
    assert_eq!(over_socket(&server, "POST", "/v1/keys", "{\"name\":\"ann\"}").0, 201);
    assert_eq!(over_socket(&server, "GET", "/v1/session", "").1["name"], "root");
    assert_eq!(over_socket(&server, "PUT", "/s3/bucket", "").0, 200);
    server.client().get("/bucket").expect(200);
    let line = server.log().lines().find(|line| line.contains("POST /v1/keys")).expect("an audit line").to_owned();
    assert!(line.contains("admin.sock"), "{line}");
    assert!(server.stop().success());
    assert!(!path.exists(), "a clean stop removes it");
}

#[test]
fn a_socket_that_a_crash_left_is_replaced() {
    let mut server = Server::start();
    server.kill();
    assert!(server.data().join("admin.sock").exists());
    server.restart();
    assert_eq!(over_socket(&server, "GET", "/v1/overview", "").0, 200);
}

#[test]
fn a_path_that_is_too_long_costs_the_socket_and_nothing_else() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("d".repeat(120));
    let mut server = Server::start_in(&data, &[]);
    assert!(!data.join("admin.sock").exists());
    assert!(server.log().contains("no admin socket"));
    assert_ne!(address(&server).port(), 0);
    server.client().bucket("bucket");
    server.stop_and_check();
}
