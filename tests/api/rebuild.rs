//! A database of what the chunk files say: what comes back, byte for byte, and what does not.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::Digest as _;
use sluicegate::chunk::ChunkStore as _;
use sluicegate::chunk::local::LocalChunks;
use sluicegate::engine::label::{End, Label, ObjectFacts};
use sluicegate::meta::write_metadata;
use sluicegate::types::{Epoch, ObjectMetadata, StorageClass};

use super::scrub::flip;
use super::snapshots::{refusal, restore, snapshot};
use super::support::{Client, Server, md5_hex, noise};

/// What GET and HEAD must say of an object again.
#[derive(Debug, PartialEq)]
struct Seen {
    etag: String,
    headers: Vec<Option<String>>,
    body: Vec<u8>,
}

const HEADERS: [&str; 8] = [
    "content-type",
    "cache-control",
    "x-amz-meta-color",
    "x-amz-tagging-count",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-checksum-sha256",
    "x-amz-checksum-crc64nvme",
];

fn see(client: &Client, target: &str) -> Seen {
    let answer = client.call("GET", target).header("x-amz-checksum-mode", "ENABLED").send().expect(200);
    let headers = HEADERS.iter().map(|name| answer.header(name).map(str::to_owned)).collect();
    Seen { etag: answer.etag(), headers, body: answer.body }
}

fn lose_database(server: &mut Server) {
    assert!(server.stop().success(), "{}", server.log());
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(server.data().join(format!("meta.sqlite{suffix}")));
    }
}

/// Rebuilds, and requires the check to find nothing wrong; what it said.
fn rebuild(server: &Server) -> String {
    let rebuilt = server.command(&["rebuild"]);
    let said = format!("{}{}", String::from_utf8_lossy(&rebuilt.stdout), String::from_utf8_lossy(&rebuilt.stderr));
    assert!(rebuilt.status.success(), "{said}");
    server.check();
    said
}

/// Uploads `parts` with these numbers as one object.
fn upload(client: &Client, target: &str, headers: &[(&str, &str)], parts: &[(u32, Vec<u8>)]) -> String {
    let begin = headers
        .iter()
        .fold(client.call("POST", &format!("{target}?uploads")), |call, (name, value)| call.header(name, *value));
    let id = begin.send().expect(200).one("UploadId");
    let mut list = String::new();
    for (number, body) in parts {
        let part = client.put(&format!("{target}?partNumber={number}&uploadId={id}"), body.clone()).expect(200);
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.etag());
    }
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    client.post(&format!("{target}?uploadId={id}"), list).expect(200);
    id
}

#[test]
fn chunked_objects_come_back_byte_for_byte_with_their_etags_and_metadata() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    client.bucket("other");
    let described = |key: &str| {
        let call = client.call("PUT", key).header("content-type", "image/png").header("cache-control", "max-age=7");
        call.header("x-amz-meta-color", "blue").header("x-amz-tagging", "a=1&b=2")
    };
    described("/box/one").body(noise(1, 17_000)).send().expect(200);
    described("/box/a/%C3%BC%20b").body(noise(2, (33 << 20) + 5)).send().expect(200);
    let sealed = client.call("PUT", "/other/sealed").header("x-amz-server-side-encryption", "AES256");
    sealed.body(noise(3, 18 << 20)).send().expect(200);
    client
        .call("PUT", "/other/class")
        .header("x-amz-storage-class", "STANDARD_IA")
        .body(noise(4, 99_999))
        .send()
        .expect(200);
    client.put("/box/twice", noise(5, 600_000)).expect(200);
    client.put("/box/twice", noise(6, 500_000)).expect(200);
    let parts = |seed| vec![(1, noise(seed, 5 << 20)), (4, noise(seed + 1, (17 << 20) + 3)), (9, noise(seed + 2, 100))];
    upload(&client, "/box/parts", &[("content-type", "video/mp4"), ("x-amz-meta-color", "red")], &parts(10));
    upload(&client, "/other/parts", &[("x-amz-server-side-encryption", "AES256")], &parts(20));
    // What moved no bytes, what is no object yet, what lies beside its row, and what is gone.
    client.call("PUT", "/box/copy").header("x-amz-copy-source", "/box/one").send().expect(200);
    let open = client.post("/box/open?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/box/open?partNumber=1&uploadId={open}"), noise(7, 500_000)).expect(200);
    client.put("/box/small", "inline").expect(200);
    client.put("/box/deleted", noise(8, 700_000)).expect(200);
    client.delete("/box/deleted").expect(204);
    // Until its file is freed, nothing there would tell that it was deleted.
    let is_deleted = |file: &std::path::PathBuf| file.metadata().is_ok_and(|facts| facts.len() / 10_000 == 70);
    server.eventually("what was deleted is freed", || !server.chunk_files().iter().any(is_deleted));
    let keys =
        ["/box/one", "/box/a/%C3%BC%20b", "/box/twice", "/box/parts", "/other/sealed", "/other/class", "/other/parts"];
    let before: BTreeMap<_, _> = keys.iter().map(|key| (*key, see(&client, key))).collect();
    lose_database(&mut server);
    assert!(refusal(&server).contains("is missing"));
    let said = rebuild(&server);
    assert!(said.contains("7 objects were found"), "{said}");
    server.restart();
    let client = server.client();
    for (key, seen) in &before {
        let now = see(&client, key);
        assert!(now == *seen, "{key}: {:?} was {:?}", (now.etag, now.headers), (&seen.etag, &seen.headers));
    }
    assert_eq!(client.get("/box/a/%C3%BC%20b?tagging").expect(200).all("Key"), ["a", "b"]);
    assert!(client.get("/box/parts?partNumber=4").expect(206).body == parts(10)[1].1);
    assert_eq!(client.get("/?list").expect(200).all("Name"), ["box", "other"]);
    assert_eq!(client.get("/box?list-type=2").expect(200).all("Key"), ["a/ü b", "one", "parts", "twice"]);
    for gone in ["copy", "small", "deleted", "open"] {
        client.get(&format!("/box/{gone}")).expect_error(404, "NoSuchKey");
    }
    // It works like any other: writes go on, deletes free everything, and it can be rebuilt again.
    client.put("/box/later", noise(9, 400_000)).expect(200);
    client.delete("/box/parts").expect(204);
    client.delete("/box/one").expect(204);
    lose_database(&mut server);
    rebuild(&server);
    server.restart();
    let client = server.client();
    assert!(see(&client, "/other/parts") == before["/other/parts"]);
    assert_eq!(client.get("/box/later").expect(200).etag(), md5_hex(&noise(9, 400_000)));
    for key in ["a/%C3%BC%20b", "twice", "later", "parts", "one"] {
        client.delete(&format!("/box/{key}")).expect(204);
    }
    for key in ["sealed", "class", "parts"] {
        client.delete(&format!("/other/{key}")).expect(204);
    }
    server.eventually("every file is freed, records too", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn versions_come_back_in_order() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/box?versioning", enabled).expect(200);
    let bodies = [1, 2, 3].map(|seed| noise(seed, 300_000));
    for body in &bodies {
        client.put("/box/k", body.clone()).expect(200);
    }
    lose_database(&mut server);
    rebuild(&server);
    server.restart();
    let client = server.client();
    assert_eq!(client.get("/box?versioning").expect(200).one("Status"), "Enabled");
    let versions = client.get("/box?versions").expect(200).all("VersionId");
    assert_eq!(versions.len(), 3);
    for (version, body) in versions.iter().zip(bodies.iter().rev()) {
        assert!(client.get(&format!("/box/k?versionId={version}")).expect(200).body == *body);
    }
}

#[test]
fn what_is_not_whole_is_told_and_set_aside() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    client.put("/box/whole", noise(1, 400_000)).expect(200);
    client.put("/box/torn", noise(2, 300_000)).expect(200);
    client.put("/box/short", noise(3, (16 << 20) + 50_000)).expect(200);
    let files = |length: u64| {
        let mut files = server.chunk_files();
        files.retain(|file| (length..length + 10_000).contains(&file.metadata().unwrap().len()));
        files
    };
    let (torn, short) = (files(300_000).remove(0), files(16 << 20).remove(0));
    lose_database(&mut server);
    // In its label: the footer no longer proves it.
    flip(&torn, 300_010);
    std::fs::remove_file(short).unwrap();
    let said = rebuild(&server);
    assert!(said.contains("incomplete: a chunk of it is missing\tbox/short"), "{said}");
    assert!(said.contains("1 objects were found") && said.contains("2 chunk files belong to no object"), "{said}");
    let refused = server.command(&["rebuild"]);
    assert!(!refused.status.success(), "there is a database now");
    server.restart();
    let client = server.client();
    assert!(client.get("/box/whole").expect(200).body == noise(1, 400_000));
    assert_eq!(client.get("/box?list-type=2").expect(200).all("Key"), ["whole"]);
    assert!(server.data().join("unclaimed/chunks").is_dir(), "nothing was thrown away");
}

#[test]
fn an_upload_that_was_open_in_a_snapshot_is_the_object_that_it_became() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("box");
    let id = client.post("/box/k?uploads", "").expect(200).one("UploadId");
    let bodies = [noise(1, 5 << 20), noise(2, 300_000)];
    let part = |number: usize| {
        let target = format!("/box/k?partNumber={number}&uploadId={id}");
        let etag = client.put(&target, bodies[number - 1].clone()).expect(200).etag();
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    };
    let mut list = part(1);
    let snapshot = snapshot(&server);
    list += &part(2);
    let list = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    client.post(&format!("/box/k?uploadId={id}"), list).expect(200);
    let etag = client.head("/box/k").expect(200).etag();
    assert!(server.stop().success());
    let said = restore(&server, &snapshot);
    assert!(said.contains("found\tbox/k"), "{said}");
    server.check();
    server.restart();
    let client = server.client();
    let got = client.get("/box/k").expect(200);
    assert!(got.etag() == etag && got.body == bodies.concat());
    assert!(client.get("/box?uploads").expect(200).all("UploadId").is_empty());
    client.delete("/box/k").expect(204);
    server.eventually("every file is freed", || server.chunk_files().is_empty());
    server.stop_and_check();
}

/// Makes a store of `count` objects of one chunk each, as a server that lost its database leaves it.
fn chunks_without_rows(data: &Path, count: u64) {
    let chunks = LocalChunks::open_buffered(data, Epoch(1)).unwrap();
    let class = StorageClass::Standard.name().to_owned();
    let metadata = STANDARD_NO_PAD.encode(write_metadata(&ObjectMetadata::default()));
    for number in 0..count {
        let body = b"a body";
        let md5 = md5::Md5::digest(body).into();
        let (class, metadata, size) = (class.clone(), metadata.clone(), body.len() as u64);
        let object = ObjectFacts { size, md5, parts: None, sha256: None, checksum: None, class, metadata, cut: false };
        let label = Label {
            bucket: "box".to_owned(),
            owner: "o".repeat(64),
            versioned: false,
            key: format!("{number:0200}"),
            body: u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_le_bytes(),
            start: 0,
            part: None,
            completed: None,
            end: Some(End { bytes: size, at: 1_700_000_000_000_000 + number as i64, object: Some(object) }),
        };
        let label = serde_json::to_vec(&label).unwrap();
        let mut writer = chunks.create().unwrap();
        writer.append(body).unwrap();
        writer.attach([&(label.len() as u16).to_le_bytes()[..], &label].concat());
        writer.seal().unwrap();
    }
}

/// Rebuilds with `flags` beside the data directory; the most memory that it had, in KiB, and what it printed.
fn rebuild_watched(data: &Path, flags: &[&str]) -> (u64, Vec<u8>) {
    let mut rebuild = std::process::Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    rebuild.arg("rebuild").args(flags).arg("--data-dir").arg(data).stdout(std::process::Stdio::piped());
    let mut rebuild = rebuild.spawn().unwrap();
    let status = format!("/proc/{}/status", rebuild.id());
    let mut stdout = rebuild.stdout.take().unwrap();
    let printed = std::thread::spawn(move || {
        let mut printed = Vec::new();
        stdout.read_to_end(&mut printed).map(|_| printed)
    });
    let mut peak = 0;
    let ended = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0).max(peak);
        if let Some(ended) = rebuild.try_wait().unwrap() {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(ended.success());
    (peak, printed.join().unwrap().unwrap())
}

#[test]
fn memory_does_not_grow_with_the_number_of_chunks() {
    const FEW: u64 = 1_000;
    const MANY: u64 = 12_000;
    // Where a sync costs nothing, if there is such a place.
    let shared = Path::new("/dev/shm");
    let directory = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let mut peaks = Vec::new();
    for count in [FEW, MANY] {
        let data = directory.path().join(count.to_string());
        chunks_without_rows(&data, count);
        // What a crash left there.
        std::fs::write(data.join("meta.sqlite.finds"), "half a file").unwrap();
        let (peak, printed) = rebuild_watched(&data, &["--json"]);
        let printed: serde_json::Value = serde_json::from_slice(&printed).unwrap();
        assert_eq!((&printed["found"], &printed["set_aside"]), (&count.into(), &0.into()));
        assert_eq!(printed["found_bodies"].as_array().unwrap().len() as u64, count);
        assert!(!data.join("meta.sqlite.finds").exists(), "nothing is left of the work");
        peaks.push(peak);
    }
    // Caches fill, which takes a few MiB. With an entry in memory for each chunk it would be 2 KiB and more for each.
    assert!(peaks[0] > 0 && peaks[1] < peaks[0] + (12 << 10), "{peaks:?} KiB");
}
