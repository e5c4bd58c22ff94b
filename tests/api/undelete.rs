//! The undelete window: invisible to clients, restorable by whoever runs the machine.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::support::{Client, Server, md5_hex, noise};

fn command(server: &Server, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let done = server.command(&words);
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn refused(server: &Server, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let done = server.command(&words);
    assert!(!done.status.success(), "{line}");
    String::from_utf8(done.stderr).unwrap()
}

/// Keys, ids and sizes of what can be restored.
fn listed(server: &Server, line: &str) -> Vec<(String, u64, u64)> {
    let told: serde_json::Value = serde_json::from_str(&command(server, &format!("{line} --json"))).unwrap();
    let rows = told.as_array().unwrap().iter();
    rows.map(|row| {
        (row["key"].as_str().unwrap().to_owned(), row["id"].as_u64().unwrap(), row["size"].as_u64().unwrap())
    })
    .collect()
}

fn keys(client: &Client, bucket: &str) -> Vec<String> {
    client.get(&format!("/{bucket}?list-type=2")).expect(200).all("Key")
}

#[test]
fn what_was_deleted_or_overwritten_is_restored_and_never_seen() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("kept");
    client.put("/kept/before", "the window").expect(200);
    client.delete("/kept/before").expect(204);
    command(&server, "bucket undelete set kept --days 7");
    let large = vec![9; 300_000];
    let put =
        client.call("PUT", "/kept/k").header("x-amz-meta-who", "ann").header("content-type", "text/x").body("first");
    put.send().expect(200);
    client.put("/kept/k", large.clone()).expect(200);
    client.delete("/kept/k").expect(204);

    client.get("/kept/k").expect_error(404, "NoSuchKey");
    client.head("/kept/k?versionId=null").expect(404);
    assert_eq!(keys(&client, "kept"), Vec::<String>::new());
    let versions = client.get("/kept?versions").expect(200);
    assert_eq!(versions.all("Key"), Vec::<String>::new());

    let rows = listed(&server, "bucket undelete list kept");
    let shown: Vec<_> = rows.iter().map(|(key, _, size)| (key.as_str(), *size)).collect();
    assert_eq!(shown, [("k", 5), ("k", 300_000)]);
    let text = command(&server, "bucket undelete list kept");
    assert!(text.starts_with("ID") && text.lines().count() == 3, "{text}");

    server.kill();
    server.restart();
    let client = server.client();
    command(&server, "bucket undelete restore kept k");
    assert_eq!(client.get("/kept/k").expect(200).body, large);
    command(&server, &format!("bucket undelete restore kept k --id {}", rows[0].1));
    let back = client.get("/kept/k").expect(200);
    assert_eq!((back.body.as_slice(), back.header("x-amz-meta-who")), (b"first".as_slice(), Some("ann")));
    assert_eq!(back.header("content-type"), Some("text/x"));
    assert_eq!(listed(&server, "bucket undelete list kept").len(), 1, "what was replaced can be restored again");
    server.stop_and_check();
}

#[test]
fn a_whole_prefix_comes_back_without_touching_what_is_there() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("kept");
    command(&server, "bucket undelete set kept --days 1");
    for key in ["p/a", "p/b", "p/c", "q"] {
        client.put(&format!("/kept/{key}"), format!("old {key}")).expect(200);
        client.put(&format!("/kept/{key}"), format!("new {key}")).expect(200);
    }
    let all = ["p/a", "p/b", "q"].map(|key| format!("<Object><Key>{key}</Key></Object>")).concat();
    let delete = format!("<Delete>{all}</Delete>");
    let md5 = BASE64.encode(hex::decode(md5_hex(delete.as_bytes())).unwrap());
    client.call("POST", "/kept?delete").header("content-md5", md5).body(delete).send().expect(200);
    assert_eq!(keys(&client, "kept"), ["p/c"]);
    assert_eq!(command(&server, "bucket undelete restore kept --prefix p/"), "2 restored\n");
    assert_eq!(keys(&client, "kept"), ["p/a", "p/b", "p/c"]);
    for key in ["p/a", "p/b", "p/c"] {
        assert_eq!(client.get(&format!("/kept/{key}")).expect(200).text(), format!("new {key}"));
    }
    server.stop_and_check();
}

#[test]
fn what_is_kept_counts_until_its_window_ends() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("kept");
    command(&server, "bucket undelete set kept --days 30");
    command(&server, "bucket quota set kept --bytes 500KB");
    client.put("/kept/k", vec![1; 400_000]).expect(200);
    client.delete("/kept/k").expect(204);
    client.put("/kept/l", vec![1; 400_000]).expect_error(403, "QuotaExceeded");
    assert_eq!(server.chunk_files().len(), 1);
    command(&server, "bucket undelete set kept --days 0");
    server.kill();
    server.restart();
    server.eventually("it is collected", || server.chunk_files().is_empty());
    assert_eq!(listed(&server, "bucket undelete list kept"), []);
    assert_eq!(server.metric("sluicegate_undelete_collected_total"), Some(1.0));
    let client = server.client();
    client.put("/kept/l", vec![1; 400_000]).expect(200);
    client.delete("/kept/l").expect(204);
    assert_eq!(listed(&server, "bucket undelete list kept"), [], "the window is off");
    server.stop_and_check();
}

#[test]
fn a_bucket_that_was_removed_is_made_again_and_filled() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("kept");
    command(&server, "bucket undelete set kept --days 7");
    client.put("/kept/k", "precious").expect(200);
    client.delete("/kept/k").expect(204);
    client.delete("/kept").expect(204);
    assert_eq!(listed(&server, "bucket undelete list kept").len(), 1);
    let told = refused(&server, "bucket undelete restore kept k");
    assert!(told.contains("create it"), "{told}");
    client.bucket("kept");
    client.put("/kept/k", "another").expect(200);
    let told = refused(&server, "bucket undelete restore kept k");
    assert!(told.contains("would be lost"), "{told}");
    client.delete("/kept/k").expect(204);
    command(&server, "bucket undelete restore kept k");
    assert_eq!(client.get("/kept/k").expect(200).body, b"precious");
    let told = refused(&server, "bucket undelete restore kept k");
    assert!(told.contains("can be restored"), "{told}");
    refused(&server, "bucket undelete set nowhere --days 7");
    refused(&server, "bucket undelete set kept --days 3651");
    server.stop_and_check();
}

#[test]
fn what_was_encrypted_comes_back_byte_for_byte() {
    let keys = tempfile::tempdir().unwrap();
    let ring = keys.path().join("ring");
    let key = |first: char| format!("{first}{}=", "A".repeat(42));
    std::fs::write(&ring, format!("first = {}\nsecond = {}\n", key('A'), key('B'))).unwrap();
    let mut server = Server::start_with(&["--encryption-keys", ring.to_str().unwrap()]);
    let client = server.client();
    client.bucket("kept");
    command(&server, "bucket undelete set kept --days 7");
    // Beside its row, in a chunk, and in several.
    let sizes = [0, 1000, 300_000, 20 << 20];
    let ways: [(&str, &[(&str, &str)]); 2] = [
        ("s3", &[("x-amz-server-side-encryption", "AES256")]),
        (
            "kms",
            &[("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", "second")],
        ),
    ];
    let body = |at: usize| noise(at as u64 + 1, sizes[at]);
    for (name, headers) in ways {
        for at in 0..sizes.len() {
            let put = client.call("PUT", &format!("/kept/{name}/{at}")).body(body(at));
            headers.iter().fold(put, |put, (name, value)| put.header(name, *value)).send().expect(200);
        }
        // One goes by a DELETE, the others are overwritten first: by plain and by other bytes.
        for at in 1..sizes.len() {
            client.put(&format!("/kept/{name}/{at}"), "plain").expect(200);
        }
        for at in 0..sizes.len() {
            client.delete(&format!("/kept/{name}/{at}")).expect(204);
        }
    }
    server.kill();
    server.restart();
    let client = server.client();
    for (name, headers) in ways {
        for (at, size) in sizes.iter().enumerate() {
            let key = format!("{name}/{at}");
            let rows = listed(&server, &format!("bucket undelete list kept --prefix {key}"));
            let (_, id, _) = rows.into_iter().find(|(_, _, listed)| *listed == *size as u64).unwrap();
            command(&server, &format!("bucket undelete restore kept {key} --id {id}"));
            let back = client.get(&format!("/kept/{key}")).expect(200);
            assert!(back.body == body(at), "{key}: other bytes");
            assert_eq!(back.etag().len(), 32);
            for (header, value) in headers {
                assert!(back.header(header).is_some_and(|shown| shown.ends_with(value)), "{key}: {:?}", back.headers);
            }
            if *size > 70_000 {
                let range = client.call("GET", &format!("/kept/{key}")).header("range", "bytes=65530-70000").send();
                assert!(range.expect(206).body == body(at)[65_530..=70_000], "{key}: other bytes in a range");
            }
        }
    }
    server.stop_and_check();
}
