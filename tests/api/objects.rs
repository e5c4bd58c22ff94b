//! PutObject, GetObject, HeadObject, DeleteObject, DeleteObjects, GetObjectAttributes.

use super::support::{Client, Server, md5_hex, noise};

fn with_bucket() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("things");
    (server, client)
}

#[test]
fn bytes_come_back_at_every_size_around_a_boundary() {
    let (mut server, client) = with_bucket();
    let block = 256 * 1024;
    let sizes = [0, 1, 16 * 1024, 16 * 1024 + 1, block - 1, block, block + 1, 3 * block, 16 << 20, (16 << 20) + 7];
    for size in sizes {
        let body = noise(size as u64 + 1, size);
        let put = client.put(&format!("/things/{size}"), body.clone()).expect(200);
        assert_eq!(put.etag(), md5_hex(&body), "{size}");
        let got = client.get(&format!("/things/{size}")).expect(200);
        assert_eq!(got.etag(), md5_hex(&body), "{size}");
        assert!(got.body == body, "{size}: other bytes came back");
        let head = client.head(&format!("/things/{size}")).expect(200);
        assert_eq!(head.header("content-length"), Some(size.to_string().as_str()));
        assert_eq!(head.header("last-modified"), got.header("last-modified"));
    }
    server.kill();
    server.restart();
    let client = server.client();
    for size in sizes {
        let body = noise(size as u64 + 1, size);
        assert!(client.get(&format!("/things/{size}")).expect(200).body == body, "{size}: lost over a restart");
    }
    server.stop_and_check();
}

#[test]
fn every_answer_carries_its_ids() {
    let (_server, client) = with_bucket();
    for answer in [client.get("/things"), client.get("/things/none"), client.get("/nobody-has-this")] {
        assert!(answer.header("x-amz-request-id").is_some_and(|id| !id.is_empty()), "{:?}", answer.headers);
        assert!(answer.header("x-amz-id-2").is_some(), "{:?}", answer.headers);
        assert!(answer.header("date").is_some(), "{:?}", answer.headers);
        assert!(answer.header("server").is_some(), "{:?}", answer.headers);
    }
    let missing = client.get("/things/none").expect_error(404, "NoSuchKey");
    assert_eq!(missing.one("Key"), "none");
    assert_eq!(missing.one("Resource"), "/things/none");
}

#[test]
fn headers_and_metadata_come_back() {
    let (_server, client) = with_bucket();
    let sent = [
        ("content-type", "text/plain; charset=utf-8"),
        ("cache-control", "max-age=60"),
        ("content-disposition", "attachment; filename=\"a b\""),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("expires", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("x-amz-meta-one", "1"),
        ("x-amz-meta-two", "with  spaces inside"),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    let call = sent.iter().fold(client.call("PUT", "/things/k"), |call, (name, value)| call.header(name, *value));
    call.body("body").send().expect(200);
    for answer in [client.get("/things/k").expect(200), client.head("/things/k").expect(200)] {
        for (name, value) in sent {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
        assert_eq!(answer.header("x-amz-version-id"), None, "unversioned buckets show no version");
    }
    client.put("/things/plain", "x").expect(200);
    let plain = client.head("/things/plain").expect(200);
    assert_eq!(plain.header("content-type"), Some("binary/octet-stream"));
    assert_eq!(plain.header("x-amz-storage-class"), None);
    let overridden = client.get("/things/k?response-content-type=a%2Fb&response-cache-control=no-store").expect(200);
    assert_eq!(overridden.header("content-type"), Some("a/b"));
    assert_eq!(overridden.header("cache-control"), Some("no-store"));
}

#[test]
fn metadata_has_its_limit() {
    let (_server, client) = with_bucket();
    let put = |length: usize| client.call("PUT", "/things/k").header("x-amz-meta-a", "v".repeat(length)).send();
    put(2047).expect(200);
    put(2048).expect_error(400, "MetadataTooLarge");
    let wrong = client.call("PUT", "/things/k").header("x-amz-storage-class", "MOON").send();
    wrong.expect_error(400, "InvalidStorageClass");
}

#[test]
fn keys_are_opaque() {
    let (mut server, client) = with_bucket();
    let keys = [
        "a",
        "a/",
        "a/b",
        "..",
        "../../etc/passwd",
        "/leading",
        "x//y",
        "ü/ñ/日本",
        "sp ace+plus%25",
        "q?a=b&c#d",
        "\u{1}\u{7f}",
    ];
    for key in keys {
        let target = format!("/things/{}", super::support::client::escape_path(key));
        client.put(&target, key.as_bytes()).expect(200);
    }
    for key in keys {
        let target = format!("/things/{}", super::support::client::escape_path(key));
        assert_eq!(client.get(&target).expect(200).body, key.as_bytes(), "{key:?}");
    }
    let long = "k".repeat(1024);
    client.put(&format!("/things/{long}"), "x").expect(200);
    client.put(&format!("/things/{long}k"), "x").expect_error(400, "KeyTooLongError");
    server.stop_and_check();
}

#[test]
fn ranges_follow_rfc_9110_and_s3() {
    let (_server, client) = with_bucket();
    let body = noise(3, 700_000);
    client.put("/things/k", body.clone()).expect(200);
    let range = |spec: &str| client.call("GET", "/things/k").header("range", spec).send();
    for (spec, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=262100-262200", 262_100, 262_201),
        ("bytes=262144-524287", 262_144, 524_288),
        ("bytes=699999-", 699_999, 700_000),
        ("bytes=-5", 699_995, 700_000),
        ("bytes=-9999999", 0, 700_000),
        ("bytes=5-99999999", 5, 700_000),
    ] {
        let answer = range(spec).expect(206);
        assert!(answer.body == body[from..to], "{spec}");
        let shown = format!("bytes {from}-{}/700000", to - 1);
        assert_eq!(answer.header("content-range"), Some(shown.as_str()));
    }
    let beyond = range("bytes=700000-").expect_error(416, "InvalidRange");
    assert_eq!(beyond.one("ActualObjectSize"), "700000");
    for whole in ["bytes=0-1,5-6", "bytes=a-b", "chars=0-1", "bytes=9-1"] {
        assert_eq!(range(whole).expect(200).body.len(), 700_000, "{whole}");
    }
    let head = client.call("HEAD", "/things/k").header("range", "bytes=0-9").send().expect(206);
    assert_eq!(head.header("content-length"), Some("10"));
}

#[test]
fn deletes_are_idempotent() {
    let (_server, client) = with_bucket();
    client.put("/things/k", "x").expect(200);
    client.delete("/things/k").expect(204);
    client.delete("/things/k").expect(204);
    client.get("/things/k").expect_error(404, "NoSuchKey");
    client.head("/things/k").expect(404);
}

#[test]
fn many_keys_are_deleted_at_once() {
    let (_server, client) = with_bucket();
    for key in ["a", "b&c", "d"] {
        client.put(&format!("/things/{}", super::support::client::escape_path(key)), "x").expect(200);
    }
    let document = |keys: &[&str], quiet: bool| {
        let objects: String = keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>{quiet}</Quiet>{objects}</Delete>")
    };
    let send = |document: String| {
        let md5 = {
            use base64::Engine as _;
            use md5::Digest as _;
            base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(document.as_bytes()))
        };
        client.call("POST", "/things?delete").header("content-md5", md5).body(document).send()
    };
    let answer = send(document(&["a", "b&amp;c", "missing"], false)).expect(200);
    assert_eq!(answer.all("Key"), ["a", "b&c", "missing"]);
    assert!(answer.all("Error").is_empty(), "{}", answer.text());
    assert_eq!(client.get("/things").expect(200).all("Key"), ["d"]);
    let quiet = send(document(&["d"], true)).expect(200);
    assert!(quiet.all("Key").is_empty(), "{}", quiet.text());
    send("<Delete></Delete>".to_owned()).expect_error(400, "MalformedXML");
    let many: Vec<String> = (0..1001).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    send(document(&many, false)).expect_error(400, "MalformedXML");
    assert_eq!(send(document(&many[..1000], false)).expect(200).all("Key").len(), 1000);
    let unchecked = client.call("POST", "/things?delete").body(document(&["a"], false)).send();
    assert_eq!(unchecked.status, 400, "integrity is required: {}", unchecked.text());
    let wrong = client.call("POST", "/things?delete").header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
    wrong.body(document(&["a"], false)).send().expect_error(400, "BadDigest");
}

#[test]
fn attributes_tell_what_was_stored() {
    let (_server, client) = with_bucket();
    let put = client
        .call("PUT", "/things/k")
        .header("x-amz-checksum-sha256", SHA256_OF_HELLO)
        .body("hello")
        .send()
        .expect(200);
    assert_eq!(put.header("x-amz-checksum-sha256"), Some(SHA256_OF_HELLO));
    let ask = |what: &str| client.call("GET", "/things/k?attributes").header("x-amz-object-attributes", what).send();
    let answer = ask("ETag,Checksum,ObjectSize,StorageClass,ObjectParts").expect(200);
    assert_eq!(answer.one("ETag"), md5_hex(b"hello"));
    assert_eq!(answer.one("ChecksumSHA256"), SHA256_OF_HELLO);
    assert_eq!(answer.one("ChecksumType"), "FULL_OBJECT");
    assert_eq!(answer.one("ObjectSize"), "5");
    assert_eq!(answer.one("StorageClass"), "STANDARD");
    assert!(answer.header("last-modified").is_some());
    assert_eq!(ask("ObjectSize").expect(200).one("ETag"), "");
    assert_eq!(ask("Colour").status, 400);
}

const SHA256_OF_HELLO: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
