//! Scrub finds what rots on disk, says which objects are hit, and nobody is ever served what is damaged.

use std::fs::OpenOptions;
use std::io::{BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::support::client::{Call, try_read_answer};
use super::support::{Client, Server, noise};

/// Flips a bit of a file.
pub fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

/// Requires a read to fail with an exact error or a connection that ends too early: never a whole 200.
pub fn refuses(client: &Client, call: &Call) {
    let mut stream = client.connect();
    stream.write_all(&call.head()).unwrap();
    let answer = try_read_answer(&mut BufReader::new(stream), "GET");
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status >= 500));
}

fn damaged(server: &Server) -> Option<f64> {
    server.metric("sluicegate_damaged_chunks")
}

#[test]
fn scrub_finds_a_flipped_bit_and_names_the_objects() {
    let mut server = Server::start_with(&["--scrub-interval", "1s", "--scrub-rate", "1GiB"]);
    let client = server.client();
    client.bucket("rot");
    let body = noise(6, 1_000_000);
    client.put("/rot/hit", body.clone()).expect(200);
    client.call("PUT", "/rot/copy").header("x-amz-copy-source", "/rot/hit").send().expect(200);
    server.eventually("a pass is over", || {
        server.metric("sluicegate_scrub_last_pass_timestamp_seconds").is_some_and(|at| at > 0.0)
    });
    assert_eq!(damaged(&server), Some(0.0));
    let clean = server.command(&["scrub"]);
    assert!(clean.status.success(), "{}", String::from_utf8_lossy(&clean.stdout));
    let files = server.chunk_files();
    flip(&files[0], 600_000);
    server.eventually("scrub finds it", || damaged(&server) == Some(1.0));
    assert!(server.log().contains("a chunk is damaged"), "{}", server.log());
    let shown = server.command(&["scrub", "--json"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    let objects = shown["damaged_chunks"][0]["objects"].as_array().unwrap();
    let keys: Vec<_> = objects.iter().map(|object| object["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["copy", "hit"], "{shown:#}");
    let text = server.command(&["scrub"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("rot/hit"));
    // Blocks that are whole are served; the damaged one never is.
    let range = client.call("GET", "/rot/hit").header("range", "bytes=0-99").send().expect(206);
    assert!(range.body == body[..100]);
    let range = client.call("GET", "/rot/copy").header("range", "bytes=600000-600099");
    range.send().expect_error(500, "InternalError");
    refuses(&client, &client.call("GET", "/rot/copy"));
    // The bit comes back, as from a disk that was only loose.
    flip(&files[0], 600_000);
    server.eventually("scrub finds it sound", || damaged(&server) == Some(0.0));
    assert!(client.get("/rot/hit").expect(200).body == body);
    assert!(server.command(&["scrub"]).status.success());
    std::fs::remove_file(&files[0]).unwrap();
    server.eventually("scrub misses it", || damaged(&server) == Some(1.0));
    assert!(server.stop().success());
    let checked = server.command(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["faults"][0]["objects"].as_array().unwrap().len(), 2, "{checked:#}");
    server.restart();
    server.eventually("the mark outlives a restart", || damaged(&server) == Some(1.0));
    for key in ["hit", "copy"] {
        server.client().delete(&format!("/rot/{key}")).expect(204);
    }
    server.eventually("it goes with its objects", || damaged(&server) == Some(0.0));
    server.stop_and_check();
}

#[test]
fn damage_that_a_client_meets_is_known_at_once_although_passes_are_off() {
    let server = Server::start_with(&["--scrub-rate", "0"]);
    let client = server.client();
    client.bucket("rot");
    client.put("/rot/k", noise(6, 300_000)).expect(200);
    flip(&server.chunk_files()[0], 10);
    assert_eq!(damaged(&server), Some(0.0));
    client.get("/rot/k").expect_error(500, "InternalError");
    server.eventually("it is marked", || damaged(&server) == Some(1.0));
}

#[test]
fn a_marked_object_is_not_copied_and_keeps_its_mark_under_a_new_name() {
    let mut server = Server::start_with(&["--scrub-rate", "0"]);
    let client = server.client();
    client.bucket("rot");
    client.put("/rot/hit", noise(6, 300_000)).expect(200);
    let file = server.chunk_files().remove(0);
    flip(&file, 10);
    client.get("/rot/hit").expect_error(500, "InternalError");
    server.eventually("it is marked", || damaged(&server) == Some(1.0));
    // What a read would say now does not matter any more: the mark decides.
    flip(&file, 10);
    client.get("/rot/hit").expect(200);
    let copy = |path: &str, source: &str| client.call("PUT", path).header("x-amz-copy-source", source).send();
    let upload = client.post("/rot/parts?uploads", "").expect(200).one("UploadId");
    let part = format!("/rot/parts?partNumber=1&uploadId={upload}");
    for path in ["/rot/copy", &part] {
        copy(path, "/rot/hit").expect_error(500, "InternalError");
    }
    let named = "damaged data: chunk ";
    server.eventually("the log names the damage", || server.log().matches(named).count() >= 3);
    let rename = client.call("PUT", "/rot/renamed?renameObject").header("x-amz-rename-source", "hit");
    rename.send().expect(200);
    assert_eq!(client.get("/rot").expect(200).all("Key"), ["renamed"]);
    copy("/rot/copy", "/rot/renamed").expect_error(500, "InternalError");
    let shown = server.command(&["scrub", "--json"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["damaged_chunks"][0]["objects"][0]["key"], "renamed", "{shown:#}");
    server.stop_and_check();
}

#[test]
fn a_flipped_bit_of_a_small_body_is_refused_and_found_by_check_and_scrub() {
    let mut server = Server::start_with(&["--scrub-interval", "1s"]);
    let client = server.client();
    client.bucket("small");
    for key in ["sound", "hit"] {
        client.put(&format!("/small/{key}"), noise(7, 900)).expect(200);
    }
    assert!(server.stop().success());
    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    let flipped = "UPDATE side SET data = CAST(substr(data, 1, 499) || x'00' || substr(data, 501) AS BLOB)
        WHERE id = (SELECT -rank FROM version WHERE key = CAST('hit' AS BLOB))";
    assert_eq!(database.execute(flipped, ()).unwrap(), 1);
    drop(database);
    let checked = server.command(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let faults = checked["faults"].as_array().unwrap();
    assert_eq!((faults.len(), &faults[0]["kind"]), (1, &"inline".into()), "{checked:#}");
    assert_eq!(faults[0]["objects"][0]["key"], "hit");
    assert_eq!(checked["inline"], 1, "the sound one");
    let text = server.command(&["check"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("small/hit"));
    server.restart();
    let marked = || server.metric("sluicegate_damaged_small_bodies");
    server.eventually("scrub finds it", || marked() == Some(1.0));
    assert!(server.log().contains("a small body is damaged"), "{}", server.log());
    let shown = server.command(&["scrub", "--json"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["damaged_small_bodies"][0]["key"], "hit", "{shown:#}");
    let text = server.command(&["scrub"]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("small/hit\tversion null"));
    let client = server.client();
    client.get("/small/hit").expect_error(500, "InternalError");
    client.get("/small/sound").expect(200);
    client.delete("/small/hit").expect(204);
    server.eventually("the mark goes with it", || marked() == Some(0.0));
    assert!(server.command(&["scrub"]).status.success());
    server.stop_and_check();
}

/// Moves part 2 of an object beside its row, where short parts were before chunk files had labels. Its file goes.
fn move_part_into_database(server: &Server, body: &[u8]) {
    let is_its = |file: &std::path::PathBuf| std::fs::read(file).unwrap().starts_with(body);
    let file = server.chunk_files().into_iter().find(is_its).unwrap();
    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    let manifest: i64 =
        database.query_row("SELECT body_manifest FROM part WHERE number = 2", (), |row| row.get(0)).unwrap();
    let insert = "INSERT INTO inline_part (id, data) SELECT value, ?1 FROM state WHERE name = 'order'";
    database.execute("UPDATE state SET value = value + 1 WHERE name = 'order'", ()).unwrap();
    assert_eq!(database.execute(insert, [body]).unwrap(), 1);
    let moved = [
        "UPDATE part SET body_manifest = NULL, inline_id = (SELECT id FROM inline_part) WHERE body_manifest = ?1",
        "DELETE FROM chunk WHERE id = (SELECT chunk_id FROM extent WHERE manifest_id = ?1)",
        "DELETE FROM extent WHERE manifest_id = ?1",
        "DELETE FROM manifest WHERE id = ?1",
    ];
    for step in moved {
        assert_eq!(database.execute(step, [manifest]).unwrap(), 1, "{step}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_flipped_bit_of_every_kind_of_small_body_is_found_by_check_and_scrub() {
    let mut server = Server::start_with(&["--scrub-interval", "1s"]);
    let client = server.client();
    client.bucket("small");
    let window = server.command(&["bucket", "undelete", "set", "small", "--days", "7"]);
    assert!(window.status.success());
    for key in ["now", "gone"] {
        client.put(&format!("/small/{key}"), noise(7, 900)).expect(200);
    }
    client.delete("/small/gone").expect(204);
    let parts = [noise(8, 5 << 20), noise(9, 700)];
    let upload = client.post("/small/parts?uploads", "").expect(200).one("UploadId");
    let mut list = String::new();
    for (number, part) in (1..).zip(&parts) {
        let target = format!("/small/parts?partNumber={number}&uploadId={upload}");
        let etag = client.put(&target, part.clone()).expect(200).etag();
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    client.post(&format!("/small/parts?uploadId={upload}"), list).expect(200);
    assert!(server.stop().success());
    move_part_into_database(&server, &parts[1]);
    let sound = server.command(&["check", "--json"]);
    let sound: serde_json::Value = serde_json::from_slice(&sound.stdout).unwrap();
    let expected = serde_json::json!([[], 3, 2500]);
    assert_eq!(serde_json::json!([sound["faults"], sound["inline"], sound["inline_bytes"]]), expected);

    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    let flipped = "CAST(substr(data, 1, 499) || x'00' || substr(data, 501) AS BLOB) WHERE data IS NOT NULL";
    for (table, rows) in [("side", 2), ("inline_part", 1)] {
        assert_eq!(database.execute(&format!("UPDATE {table} SET data = {flipped}"), ()).unwrap(), rows);
    }
    drop(database);
    let checked = server.command(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let checked: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    let bearers = |found: Vec<&serde_json::Value>| {
        let bearer = |object: &serde_json::Value| {
            let key = object["key"].as_str().unwrap().to_owned();
            (key, object["version"] == "null", object["restorable"].is_u64(), object["part"].as_u64())
        };
        found.into_iter().map(bearer).collect::<Vec<_>>()
    };
    let expected = [("now", true, false, None), ("gone", false, true, None), ("parts", true, false, Some(2))]
        .map(|(key, version, restorable, part)| (key.to_owned(), version, restorable, part));
    let faults = checked["faults"].as_array().unwrap();
    assert_eq!(bearers(faults.iter().map(|fault| &fault["objects"][0]).collect()), expected, "{checked:#}");
    server.restart();
    let marked = || server.metric("sluicegate_damaged_small_bodies");
    server.eventually("scrub finds all of them", || marked() == Some(3.0));
    let shown = server.command(&["scrub", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(bearers(shown["damaged_small_bodies"].as_array().unwrap().iter().collect()), expected, "{shown:#}");
    let text = server.command(&["scrub"]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("small/parts\tversion null, part 2: since"), "{text}");
    assert!(text.contains("small/gone\trestorable version "), "{text}");
    let client = server.client();
    client.call("PUT", "/small/renamed?renameObject").header("x-amz-rename-source", "now").send().expect(200);
    let is_renamed = || String::from_utf8_lossy(&server.command(&["scrub"]).stdout).contains("small/renamed\tversion");
    server.eventually("the mark follows to the new name", is_renamed);
    let off = server.command(&["bucket", "undelete", "set", "small", "--days", "0"]);
    assert!(off.status.success());
    for key in ["renamed", "parts"] {
        client.delete(&format!("/small/{key}")).expect(204);
    }
    server.eventually("their marks go with them", || marked() == Some(1.0));
    let left = String::from_utf8_lossy(&server.command(&["scrub"]).stdout).into_owned();
    assert!(left.contains("small/gone\trestorable version "), "what can still be restored stays: {left}");
    assert!(server.stop().success());
}
