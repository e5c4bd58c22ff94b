//! Snapshots of the database, and what restoring one does to what came after it.

use std::path::PathBuf;
use std::process::Output;

use super::support::server::binary;
use super::support::{Client, Server, noise};

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Takes a snapshot; its file.
pub fn snapshot(server: &Server) -> PathBuf {
    let taken = server.command(&["snapshot", "--json"]);
    assert!(taken.status.success(), "{}", told(&taken));
    let taken: serde_json::Value = serde_json::from_slice(&taken.stdout).unwrap();
    taken[0]["path"].as_str().unwrap().into()
}

/// Restores; what it said.
pub fn restore(server: &Server, from: &std::path::Path) -> String {
    let restored = server.command(&["restore", "--from", from.to_str().unwrap()]);
    assert!(restored.status.success(), "{}", told(&restored));
    told(&restored)
}

/// Why a server does not start on this data.
pub fn refusal(server: &Server) -> String {
    let mut serve = binary();
    serve.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
    let output = serve.arg(server.data()).output().unwrap();
    assert!(!output.status.success(), "it starts");
    told(&output)
}

/// The database that a restoration replaced.
fn replaced(server: &Server) -> PathBuf {
    let entries = std::fs::read_dir(server.data()).unwrap().map(|entry| entry.unwrap().path());
    let is_database =
        |path: &PathBuf| path.to_string_lossy().contains("replaced") && !path.to_string_lossy().ends_with("-wal");
    let mut found: Vec<_> =
        entries.filter(|path| is_database(path) && !path.to_string_lossy().ends_with("-shm")).collect();
    found.sort();
    found.pop().unwrap()
}

fn body(client: &Client, key: &str) -> Option<Vec<u8>> {
    let answer = client.get(&format!("/box/{key}"));
    match answer.status {
        200 => Some(answer.body),
        404 => None,
        status => panic!("{key}: {status}"),
    }
}

#[test]
fn snapshots_are_taken_by_themselves_and_the_oldest_go() {
    let server = Server::start_with(&["--snapshot-interval", "1s", "--snapshot-keep", "2"]);
    let list = || {
        let listed = server.command(&["snapshot", "--list", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    server.eventually("two are there", || list().len() == 2);
    let first = list()[0].clone();
    server.eventually("the oldest goes", || !list().contains(&first));
    assert!(list().len() <= 2);
    assert!(server.metric("sluicegate_last_snapshot_timestamp_seconds").is_some_and(|at| at > 0.0));
    assert_eq!(server.metric("sluicegate_snapshots_failed_total"), Some(0.0));
}

#[test]
fn a_snapshot_is_restored_and_what_it_replaced_too() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    let old = |seed| noise(seed, 700_000);
    for (seed, key) in [(1, "same"), (2, "deleted"), (3, "renewed")] {
        client.put(&format!("/box/{key}"), old(seed)).expect(200);
    }
    client.put("/box/small", "before").expect(200);
    let snapshot = snapshot(&server);
    client.delete("/box/deleted").expect(204);
    client.put("/box/renewed", noise(4, 800_000)).expect(200);
    client.put("/box/new", noise(5, 900_000)).expect(200);
    client.put("/box/small", "after").expect(200);
    server.eventually("what was deleted is gone", || server.chunk_files().len() == 3);
    let refused = server.command(&["restore", "--from", snapshot.to_str().unwrap()]);
    assert!(!refused.status.success() && told(&refused).contains("in use"), "{}", told(&refused));
    // As after a crash: the log of the old database is beside it.
    server.kill();
    let said = restore(&server, &snapshot);
    assert!(said.contains("gone\tbox/deleted"), "{said}");
    server.check();
    server.restart();
    let client = server.client();
    assert_eq!(body(&client, "same"), Some(old(1)));
    assert_eq!(body(&client, "small").as_deref(), Some(&b"before"[..]));
    assert_eq!(body(&client, "deleted"), None);
    // What was written after the snapshot says itself what it is; only what lay beside its row is lost.
    assert_eq!(body(&client, "renewed"), Some(noise(4, 800_000)));
    assert_eq!(body(&client, "new"), Some(noise(5, 900_000)));
    client.put("/box/later", noise(6, 500_000)).expect(200);
    assert!(server.stop().success());
    // Nothing was thrown away: the replaced database comes back with all its objects.
    let replaced = replaced(&server);
    let said = restore(&server, &replaced);
    assert!(!said.contains("gone"), "{said}");
    server.check();
    server.restart();
    let client = server.client();
    assert_eq!(body(&client, "same"), Some(old(1)));
    assert_eq!(body(&client, "renewed"), Some(noise(4, 800_000)));
    assert_eq!(body(&client, "new"), Some(noise(5, 900_000)));
    assert_eq!(body(&client, "small").as_deref(), Some(&b"after"[..]));
    assert_eq!(body(&client, "deleted"), None);
    client.put("/box/again", noise(7, 500_000)).expect(200);
    server.stop_and_check();
}

#[test]
fn a_database_that_is_missing_or_put_in_place_by_hand_is_refused() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    let snapshot = snapshot(&server);
    assert!(server.stop().success());
    server.restart();
    server.client().put("/box/new", noise(1, 500_000)).expect(200);
    assert!(server.stop().success());
    let database = server.data().join("meta.sqlite");
    std::fs::rename(&database, server.data().join("kept")).unwrap();
    assert!(refusal(&server).contains("is missing"));
    std::fs::copy(&snapshot, &database).unwrap();
    assert!(refusal(&server).contains("is older than its chunk files"));
    assert_eq!(server.chunk_files().len(), 1, "nothing was swept");
    std::fs::rename(server.data().join("kept"), &database).unwrap();
    server.restart();
    assert_eq!(body(&server.client(), "new"), Some(noise(1, 500_000)));
}

#[test]
fn what_is_no_snapshot_changes_nothing() {
    let mut server = Server::start();
    server.client().bucket("box");
    server.client().put("/box/k", noise(1, 500_000)).expect(200);
    assert!(server.stop().success());
    let wrong = server.data().join("wrong");
    for text in ["", "SQLite format 3\0 but no more of it", "text"] {
        std::fs::write(&wrong, text).unwrap();
        let refused = server.command(&["restore", "--from", wrong.to_str().unwrap()]);
        assert!(!refused.status.success(), "{text}: {}", told(&refused));
    }
    server.check();
    server.restart();
    assert_eq!(body(&server.client(), "k"), Some(noise(1, 500_000)));
}
