//! Quotas of buckets and of access keys.

use std::io::{BufReader, Write as _};
use std::thread;

use super::support::client::read_answer;
use super::support::{Answer, Client, Server};

fn command(server: &Server, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let done = server.command(&words);
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Bytes and objects in use, and their limits.
fn shown(server: &Server, what: &str) -> [Option<u64>; 4] {
    let told: serde_json::Value = serde_json::from_str(&command(server, &format!("{what} --json"))).unwrap();
    ["bytes", "bytes_max", "objects", "objects_max"].map(|field| told[field].as_u64())
}

/// Sends only the head of a PUT, and reads what is said to it.
fn announce(client: &Client, target: &str, length: u64) -> Answer {
    let call = client.call("PUT", target).payload("UNSIGNED-PAYLOAD").header("content-length", length.to_string());
    let mut stream = client.connect();
    stream.write_all(&call.head()).unwrap();
    read_answer(&mut BufReader::new(stream), "PUT")
}

#[test]
fn a_full_bucket_refuses_before_the_body_and_still_shrinks() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("full");
    client.put("/full/a", vec![7; 60_000]).expect(200);
    command(&server, "bucket quota set full --bytes 100KB --objects 2");
    let refused = announce(&client, "/full/b", 50_000).expect_error(403, "QuotaExceeded");
    assert_eq!((refused.one("Limit").as_str(), refused.one("Used").as_str()), ("100000", "60000"));
    announce(&client, "/full/a", 100_001).expect_error(403, "QuotaExceeded");
    client.get("/full/b").expect_error(404, "NoSuchKey");
    assert_eq!(client.get("/full/a").expect(200).body.len(), 60_000);
    client.put("/full/a", vec![7; 100_000]).expect(200);
    client.put("/full/b", "x").expect_error(403, "QuotaExceeded");
    client.call("PUT", "/full/b").header("x-amz-copy-source", "/full/a").send().expect_error(403, "QuotaExceeded");
    client.put("/full/a", vec![7; 90_000]).expect(200);
    client.put("/full/b", "").expect(200);
    client.put("/full/c", "").expect_error(403, "QuotaExceeded");
    assert_eq!(shown(&server, "bucket quota show full"), [Some(90_000), Some(100_000), Some(2), Some(2)]);
    client.delete("/full/b").expect(204);
    client.put("/full/c", "now").expect(200);
    client.put("/full/c", "then").expect(200);

    server.kill();
    server.restart();
    let client = server.client();
    client.put("/full/d", "").expect_error(403, "QuotaExceeded");
    command(&server, "bucket quota set full --bytes none --objects none");
    client.put("/full/d", vec![7; 200_000]).expect(200);
    assert_eq!(shown(&server, "bucket quota show full"), [Some(290_004), None, Some(3), None]);
    server.stop_and_check();
}

#[test]
fn parts_count_and_become_the_object() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("parts");
    command(&server, "bucket quota set parts --bytes 12MiB --objects 1");
    let upload = client.post("/parts/m?uploads", "").expect(200).one("UploadId");
    let target = |number: u32| format!("/parts/m?partNumber={number}&uploadId={upload}");
    let first = client.put(&target(1), vec![1; 6 << 20]).expect(200).etag();
    announce(&client, &target(2), (6 << 20) + 1).expect_error(403, "QuotaExceeded");
    client.put(&target(1), vec![1; 6 << 20]).expect(200);
    let second = client.put(&target(2), vec![2; 6 << 20]).expect(200).etag();
    assert_eq!(shown(&server, "bucket quota show parts")[0], Some(12 << 20));
    let list = [(1, first), (2, second)]
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    let document = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", list.concat());
    client.post(&format!("/parts/m?uploadId={upload}"), document).expect(200);
    assert_eq!(shown(&server, "bucket quota show parts"), [Some(12 << 20), Some(12 << 20), Some(1), Some(1)]);
    let other = client.post("/parts/n?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/parts/n?partNumber=1&uploadId={other}"), "x").expect_error(403, "QuotaExceeded");
    client.delete(&format!("/parts/n?uploadId={other}")).expect(204);
    client.delete("/parts/m").expect(204);
    assert_eq!(shown(&server, "bucket quota show parts")[0], Some(0));
    server.stop_and_check();
}

#[test]
fn of_concurrent_writers_exactly_those_within_the_quota_win() {
    let mut server = Server::start();
    server.client().bucket("race");
    command(&server, "bucket quota set race --objects 13");
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let client = server.client();
            thread::spawn(move || {
                let puts = (0..8).map(|number| client.put(&format!("/race/{writer}-{number}"), "hello"));
                puts.map(|answer| match answer.status {
                    200 => 1,
                    _ => {
                        answer.expect_error(403, "QuotaExceeded");
                        0
                    }
                })
                .sum::<u64>()
            })
        })
        .collect();
    let admitted: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    assert_eq!(admitted, 13);
    assert_eq!(server.client().get("/race?list-type=2").expect(200).one("KeyCount"), "13");
    assert_eq!(shown(&server, "bucket quota show race"), [Some(65), None, Some(13), Some(13)]);
    server.stop_and_check();
}

#[test]
fn a_key_has_one_quota_over_all_its_buckets() {
    let mut server = Server::start();
    let ann = server.client_of("ann");
    let ben = server.client_of("ben");
    for bucket in ["ann-one", "ann-two"] {
        ann.bucket(bucket);
    }
    ben.bucket("ben-one");
    command(&server, "key quota set ann --bytes 10");
    ann.put("/ann-one/k", "sixsix").expect(200);
    ann.put("/ann-two/k", "fives").expect_error(403, "QuotaExceeded");
    announce(&ann, "/ann-two/k", 1 << 30).expect_error(403, "QuotaExceeded");
    ann.put("/ann-two/k", "four").expect(200);
    ben.put("/ben-one/k", "is not concerned").expect(200);
    assert_eq!(shown(&server, "key quota show ann"), [Some(10), Some(10), Some(2), None]);
    command(&server, "key quota set ann --objects 2 --bytes none");
    ann.put("/ann-one/k", "as long as it likes").expect(200);
    ann.put("/ann-one/l", "").expect_error(403, "QuotaExceeded");
    ann.delete("/ann-one/k").expect(204);
    ann.put("/ann-one/l", "").expect(200);
    assert_eq!(shown(&server, "key quota show root"), [Some(0), None, Some(0), None]);
    for line in ["key quota show nobody", "bucket quota show none-such", "bucket quota set ann-one --bytes many"] {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(!server.command(&words).status.success(), "{line}");
    }
    server.stop_and_check();
}
