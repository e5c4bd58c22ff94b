//! What was acknowledged is there after kill -9; what was not leaves nothing behind.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::client::try_read_answer;
use super::support::{Client, Server, md5_hex, noise};

/// What a key may hold: the last acknowledged body, and bodies whose fate is unknown.
#[derive(Default)]
struct Fate {
    acknowledged: Option<Vec<u8>>,
    unknown: Vec<Option<Vec<u8>>>,
}

type Journal = Arc<Mutex<BTreeMap<String, Fate>>>;

/// PUT or DELETE whose outcome is known only if an answer came.
fn attempt(client: &Client, key: &str, body: Option<Vec<u8>>, journal: &Journal) -> bool {
    journal.lock().unwrap().entry(key.to_owned()).or_default().unknown.push(body.clone());
    let target = format!("/crash/{key}");
    let (method, call) = match &body {
        Some(body) => ("PUT", client.call("PUT", &target).body(body.clone())),
        None => ("DELETE", client.call("DELETE", &target)),
    };
    let Ok(mut stream) = std::net::TcpStream::connect(client.address) else { return false };
    let mut wire = call.head();
    wire.extend_from_slice(body.as_deref().unwrap_or_default());
    if stream.write_all(&wire).is_err() {
        return false;
    }
    match try_read_answer(&mut BufReader::new(stream), method) {
        Ok(answer) if answer.status < 300 => {
            let mut journal = journal.lock().unwrap();
            *journal.get_mut(key).unwrap() = Fate { acknowledged: body, unknown: Vec::new() };
            true
        }
        _ => false,
    }
}

#[test]
fn acknowledged_writes_survive_kill_9() {
    let mut server = Server::start();
    server.client().bucket("crash");
    let journal: Journal = Arc::default();
    for round in 0..6u64 {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = (0..6u64)
            .map(|writer| {
                let (client, journal, stop) = (server.client(), journal.clone(), stop.clone());
                std::thread::spawn(move || {
                    for step in 0.. {
                        if stop.load(Ordering::SeqCst) {
                            break;
                        }
                        let seed = round << 32 | writer << 16 | step;
                        let key = format!("{writer}-{}", seed % 5);
                        let size = [100, 20_000, 600_000, 3_000_000][(seed % 4) as usize];
                        let body = (step % 7 != 6).then(|| noise(seed, size));
                        if !attempt(&client, &key, body, &journal) {
                            break;
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(150 + round * 130));
        server.kill();
        stop.store(true, Ordering::SeqCst);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        server.restart();
        verify(&server.client(), &journal);
    }
    server.stop_and_check();
}

/// Every key holds its acknowledged body or one whose fate was unknown, whole; then that becomes its fate.
fn verify(client: &Client, journal: &Journal) {
    let listed = client.get("/crash?list-type=2").expect(200).all("Key");
    for (key, fate) in journal.lock().unwrap().iter_mut() {
        let answer = client.get(&format!("/crash/{key}"));
        let found = match answer.status {
            200 => {
                assert_eq!(answer.etag(), md5_hex(&answer.body), "{key}: the ETag is another body's");
                Some(answer.body)
            }
            404 => None,
            status => panic!("{key}: {status}"),
        };
        assert_eq!(listed.contains(key), found.is_some(), "{key}: LIST and GET disagree");
        let legal = found == fate.acknowledged || fate.unknown.contains(&found);
        assert!(legal, "{key}: holds neither what was acknowledged nor what was under way");
        *fate = Fate { acknowledged: found, unknown: Vec::new() };
    }
}

#[test]
fn two_hundred_aborted_uploads_leave_nothing() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("leaks");
    let upload = client.post("/leaks/parts?uploads", "").expect(200).one("UploadId");
    let threads: Vec<_> = (0..8u64)
        .map(|thread| {
            let (client, upload) = (client.clone(), upload.clone());
            std::thread::spawn(move || {
                for round in 0..25u64 {
                    let body = noise(thread << 8 | round, 2_000_000);
                    let cut =
                        noise(round, 8).iter().fold(0usize, |sum, byte| sum * 31 + usize::from(*byte)) % body.len();
                    let target = match round % 2 {
                        0 => format!("/leaks/{thread}-{round}"),
                        _ => format!("/leaks/parts?partNumber={}&uploadId={upload}", round + 1),
                    };
                    let call = client.call("PUT", &target).payload("UNSIGNED-PAYLOAD");
                    let mut stream = client.connect();
                    stream.write_all(&call.header("content-length", body.len().to_string()).head()).unwrap();
                    let _ = stream.write_all(&body[..cut]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    server.eventually("no chunk file is left", || server.chunk_files().is_empty());
    let metric = |name: &str| server.metric(name);
    server.eventually("no request is left", || metric("sluicegate_requests_in_flight") == Some(0.0));
    server.eventually("no block is leased", || metric("sluicegate_pool_blocks_leased") == Some(0.0));
    assert!(client.get("/leaks").expect(200).all("Key").is_empty());
    let parts = client.get(&format!("/leaks/parts?uploadId={upload}")).expect(200);
    assert!(parts.all("PartNumber").is_empty());
    client.delete(&format!("/leaks/parts?uploadId={upload}")).expect(204);
    client.delete("/leaks").expect(204);
    server.stop_and_check();
}

#[test]
fn a_read_that_began_finishes_though_its_key_is_gone() {
    use std::io::Read as _;
    let server = Server::start();
    let client = server.client();
    client.bucket("reads");
    let body = noise(4, 40 << 20);
    client.put("/reads/k", body.clone()).expect(200);
    let mut stream = client.connect();
    stream.write_all(&client.call("GET", "/reads/k").head()).unwrap();
    let mut first = vec![0; 100_000];
    stream.read_exact(&mut first).unwrap();
    client.put("/reads/k", "overwritten").expect(200);
    client.delete("/reads/k").expect(204);
    std::thread::sleep(Duration::from_millis(1500));
    let at = first.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut got = first[at..].to_vec();
    let mut rest = vec![0; body.len() - got.len()];
    stream.read_exact(&mut rest).unwrap();
    got.extend_from_slice(&rest);
    assert!(got == body, "other bytes than those that it began with");
    drop(stream);
    server.eventually("then its chunks are collected", || server.chunk_files().is_empty());
}

#[test]
fn a_damaged_chunk_is_never_served() {
    use std::os::unix::fs::FileExt as _;
    let mut server = Server::start();
    let client = server.client();
    client.bucket("rot");
    client.put("/rot/k", noise(6, 1_000_000)).expect(200);
    let files = server.chunk_files();
    let file = std::fs::OpenOptions::new().write(true).read(true).open(&files[0]).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 600_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 600_000).unwrap();
    let head = client.call("GET", "/rot/k").head();
    let mut stream = client.connect();
    stream.write_all(&head).unwrap();
    let answer = try_read_answer(&mut BufReader::new(stream), "GET");
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status >= 500), "never a whole 200");
    let range = client.call("GET", "/rot/k").header("range", "bytes=0-99").send().expect(206);
    assert!(range.body == noise(6, 1_000_000)[..100], "blocks that are whole are served");
    assert!(server.stop().success());
    let checked = server.command(&["check"]);
    assert_eq!(checked.status.code(), Some(1), "check reports the damage");
}
