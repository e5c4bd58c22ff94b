//! The keys of the encryption at rest change while the server runs: what was written before stays readable, what is
//! written after has the new key, and no key gets lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::{Client, Server, noise};
use crate::{add_key, json, refused, root};

const SSE: &str = "x-amz-server-side-encryption";
const FIRST: &str = "first = pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=\n";
const SECOND: &str = "second = 6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=\n";

fn put(client: &Client, key: &str, body: &[u8]) {
    client.call("PUT", &format!("/vault/{key}")).header(SSE, "AES256").body(body).send().expect(200);
}

#[track_caller]
fn expect_body(client: &Client, key: &str, body: &[u8]) {
    assert!(client.get(&format!("/vault/{key}")).expect(200).body == body, "{key}");
}

/// Rotates, and returns the id of the key that is active then.
fn rotate(client: &Client) -> String {
    json(&client.post("/v1/encryption/rotate", "").expect(200))["active"].as_str().unwrap().to_owned()
}

fn keys(server: &Server) -> Value {
    json(&root(server).get("/v1/encryption").expect(200))
}

/// The ring's file without the key of that id, though it may have been the active one.
fn without(file: &Path, id: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.contains(id)).map(|line| format!("{line}\n")).collect()
}

fn detail(server: &Server) -> String {
    let jobs = json(&root(server).get("/v1/jobs").expect(200));
    let job = jobs["jobs"].as_array().unwrap().iter().find(|job| job["name"] == "rewrap").cloned();
    job.expect("rewrap is a job")["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_key_is_used_at_once_and_old_objects_move_to_it_when_asked() {
    let mut server = Server::start();
    let (admin, client) = (root(&server), server.client());
    client.bucket("vault");
    let (small, large) = (noise(1, 100), noise(2, 400_000));
    let old = keys(&server)["active"].as_str().unwrap().to_owned();
    for (key, body) in [("small", &small), ("large", &large)] {
        put(&client, &format!("old-{key}"), body);
    }
    client.call("PUT", "/vault/kms").header(SSE, "aws:kms").body("x").send().expect(200);
    let upload = client.call("POST", "/vault/parts?uploads").header(SSE, "AES256").send().expect(200).one("UploadId");
    // Nobody who writes or reads meanwhile notices.
    let over = AtomicBool::new(false);
    let new = std::thread::scope(|scope| {
        for lane in 0..2 {
            let (client, over, large) = (&client, &over, &large);
            scope.spawn(move || {
                for number in 0.. {
                    let key = format!("meanwhile-{lane}-{}", number % 5);
                    put(client, &key, large);
                    expect_body(client, &key, large);
                    expect_body(client, "old-large", large);
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        rotate(&admin);
        let new = rotate(&admin);
        over.store(true, Ordering::Relaxed);
        new
    });
    put(&client, "new-small", &small);
    put(&client, "new-large", &large);
    assert_eq!(keys(&server)["active"], new.as_str());

    server.kill();
    server.restart();
    let client = server.client();
    for age in ["old", "new"] {
        expect_body(&client, &format!("{age}-small"), &small);
        expect_body(&client, &format!("{age}-large"), &large);
    }
    // Which key a body needs shows when it is missing.
    let file = server.data().join("master.key");
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(server.stop().success());
    std::fs::write(&file, without(&file, &old)).unwrap();
    server.restart();
    let client = server.client();
    client.get("/vault/old-large").expect_error(400, "KMS.NotFoundException");
    expect_body(&client, "new-small", &small);
    expect_body(&client, "new-large", &large);
    assert!(server.stop().success());
    std::fs::write(&file, &whole).unwrap();
    server.restart();

    assert_eq!(detail(&server), "nobody asked for it");
    assert!(server.command(&["control", "rewrap"]).status.success());
    server.eventually("the pass is over", || {
        detail(&server).contains("versions wrapped anew") && !detail(&server).starts_with("so far")
    });
    let told = detail(&server);
    assert!(told.contains(&format!("2 versions and uploads still need the key {old}")), "{told}");
    let client = server.client();
    let part = client.put(&format!("/vault/parts?partNumber=1&uploadId={upload}"), large.clone()).expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    );
    client.post(&format!("/vault/parts?uploadId={upload}"), list).expect(200);
    client.delete("/vault/kms").expect(204);
    assert!(server.command(&["control", "rewrap"]).status.success());
    server.eventually("nothing needs an old key", || {
        detail(&server).ends_with("versions wrapped anew") && !detail(&server).starts_with("so far")
    });
    server.kill();
    let lines: String = whole.lines().filter(|line| line.contains(&new)).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    server.restart();
    let client = server.client();
    for key in ["old-large", "new-large", "parts", "meanwhile-0-0"] {
        expect_body(&client, key, &large);
    }
    expect_body(&client, "old-small", &small);
    server.stop_and_check();
}

#[test]
fn rotations_at_the_same_time_keep_every_key() {
    let mut server = Server::start();
    let admin = root(&server);
    let first = keys(&server)["active"].as_str().unwrap().to_owned();
    let mut made: BTreeSet<String> = std::thread::scope(|scope| {
        let turns: Vec<_> = (0..4).map(|_| scope.spawn(|| rotate(&admin))).collect();
        let command = scope.spawn(|| server.command(&["encryption", "rotate", "--json"]));
        let command: Value = serde_json::from_slice(&command.join().unwrap().stdout).unwrap();
        let turns = turns.into_iter().map(|turn| turn.join().unwrap());
        turns.chain([command["active"].as_str().unwrap().to_owned()]).collect()
    });
    assert_eq!(made.len(), 5, "{made:?}");
    let told = keys(&server);
    assert_eq!(
        (&told["source"], told["file"].as_str().unwrap().ends_with("master.key")),
        (&json!("data-directory"), true)
    );
    made.insert(first);
    let listed: BTreeSet<String> = serde_json::from_value(told["keys"].clone()).unwrap();
    assert_eq!(listed, made);
    server.kill();
    server.restart();
    assert_eq!(keys(&server), told, "what is in use is what was kept");
}

#[test]
fn a_ring_of_its_owners_is_read_again_and_none_that_lacks_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ring.txt");
    std::fs::write(&file, FIRST).unwrap();
    let server = Server::start_with(&["--encryption-keys", file.to_str().unwrap()]);
    let (admin, client) = (root(&server), server.client());
    client.bucket("vault");
    put(&client, "old", b"old");
    let answer = refused(admin.post("/v1/encryption/rotate", ""), 409, "kept-elsewhere");
    assert!(answer.text().contains(file.to_str().unwrap()), "{}", answer.text());
    let told = server.command(&["control", "rotate-key"]);
    assert!(!told.status.success() && String::from_utf8_lossy(&told.stderr).contains("ring.txt"), "{told:?}");

    std::fs::write(&file, format!("active = second\n{FIRST}{SECOND}")).unwrap();
    let process = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::HUP).unwrap();
    server.eventually("the ring is read again", || keys(&server)["active"] == "second");
    put(&client, "new", b"new");
    std::fs::write(&file, SECOND).unwrap();
    let answer = refused(admin.post("/v1/encryption/reload", ""), 409, "key-lost");
    assert!(answer.text().contains("the key first is missing"), "{}", answer.text());
    std::fs::write(&file, SECOND.replace("6b+W", "6b+X") + FIRST).unwrap();
    let answer = refused(admin.post("/v1/encryption/reload", ""), 409, "key-lost");
    assert!(answer.text().contains("the key second is another one"), "{}", answer.text());
    std::fs::write(&file, "first = hunter2").unwrap();
    let answer = refused(admin.post("/v1/encryption/reload", ""), 409, "bad-keys");
    assert!(answer.text().contains("line 1") && !answer.text().contains("hunter2"), "{}", answer.text());
    for key in ["old", "new"] {
        expect_body(&client, key, key.as_bytes());
    }
    let third = SECOND.replace("second", "third").replace("6b+W", "6b+X");
    std::fs::write(&file, format!("active = first\n{FIRST}{SECOND}{third}")).unwrap();
    let told = server.command(&["control", "reload-keys", "--json"]);
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["added"], json!(["third"]));
    assert_eq!((&told["active"], &told["source"]), (&json!("first"), &json!("file")));

    let log = server.log();
    let audited = |path: &str, status: &str| {
        log.lines().any(|line| line.contains(path) && line.contains(&format!("status={status}")))
    };
    assert!(audited("POST /v1/encryption/rotate", "409") && audited("POST /v1/encryption/reload", "200"), "{log}");
    for secret in ["pO3upElrwuEX", "6b+WOZ1T3cqZ", "hunter2"] {
        assert!(!log.contains(secret));
    }
}

#[test]
fn a_key_of_the_environment_is_told_with_the_id_that_it_must_keep() {
    let directory = tempfile::tempdir().unwrap();
    let key = FIRST.trim().split_once(" = ").unwrap().1;
    let server = Server::start_in_with(&directory.path().join("data"), &[], &[("SLUICEGATE_MASTER_KEY", key)]);
    let told = keys(&server);
    assert_eq!((&told["source"], told["file"].is_null()), (&json!("environment"), true));
    let answer = refused(root(&server).post("/v1/encryption/rotate", ""), 409, "kept-elsewhere");
    assert!(answer.text().contains(told["active"].as_str().unwrap()) && !answer.text().contains(key));
    assert!(!server.data().join("master.key").exists());
    let (id, secret) = add_key(&server, "ann", &[]);
    let mut ann = root(&server);
    ann.credentials = Some(crate::Credentials::new(&id, &secret));
    refused(ann.post("/v1/encryption/rotate", ""), 403, "not-an-administrator");
}
