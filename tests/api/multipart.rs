//! Multipart uploads.

use super::support::{Client, Server, md5_hex, noise};

fn with_bucket() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("parts");
    (server, client)
}

fn begin(client: &Client, key: &str) -> String {
    let created = client.post(&format!("/parts/{key}?uploads"), "").expect(200);
    assert_eq!(created.one("Bucket"), "parts");
    assert_eq!(created.one("Key"), key);
    created.one("UploadId")
}

fn part(client: &Client, key: &str, upload: &str, number: u32, body: &[u8]) -> String {
    let put = client.put(&format!("/parts/{key}?partNumber={number}&uploadId={upload}"), body).expect(200);
    assert_eq!(put.etag(), md5_hex(body));
    put.etag()
}

fn document(parts: &[(u32, String)]) -> String {
    let entry = |(number, etag): &(u32, String)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>")
    };
    let entries: String = parts.iter().map(entry).collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{entries}</CompleteMultipartUpload>"
    )
}

fn composite_etag(bodies: &[&[u8]]) -> String {
    let digests: Vec<u8> = bodies.iter().flat_map(|body| hex::decode(md5_hex(body)).unwrap()).collect();
    format!("{}-{}", md5_hex(&digests), bodies.len())
}

#[test]
fn parts_become_an_object() {
    let (mut server, client) = with_bucket();
    let bodies = [noise(1, 5 << 20), noise(2, (17 << 20) + 3), noise(3, 1000)];
    let upload = begin(&client, "k");
    let mut list = Vec::new();
    for (index, number) in [(2, 30), (0, 1), (1, 7)] {
        list.push((number, part(&client, "k", &upload, number, &bodies[index])));
    }
    list.sort();
    client.get("/parts/k").expect_error(404, "NoSuchKey");
    server.kill();
    server.restart();
    let client = server.client();
    let done = client.post(&format!("/parts/k?uploadId={upload}"), document(&list)).expect(200);
    let whole = bodies.concat();
    let etag = composite_etag(&[&bodies[0], &bodies[1], &bodies[2]]);
    assert_eq!(done.one("ETag").trim_matches('"'), etag);
    assert!(done.one("Location").ends_with("/parts/k"), "{}", done.text());
    let got = client.get("/parts/k").expect(200);
    assert_eq!(got.etag(), etag);
    assert!(got.body == whole);
    let repeated = client.post(&format!("/parts/k?uploadId={upload}"), document(&list)).expect(200);
    assert_eq!(repeated.one("ETag"), done.one("ETag"));
    let second = client.get("/parts/k?partNumber=7").expect(206);
    assert!(second.body == bodies[1]);
    assert_eq!(second.header("x-amz-mp-parts-count"), Some("3"));
    let across = client.call("GET", "/parts/k").header("range", "bytes=5242870-5242889").send().expect(206);
    assert!(across.body == whole[5_242_870..5_242_890]);
    client.get("/parts/k?partNumber=4").expect(416);
    assert_eq!(client.get("/parts?uploads").expect(200).all("UploadId").len(), 0);
    server.stop_and_check();
}

#[test]
fn a_replaced_part_counts_once_and_unlisted_parts_go() {
    let (mut server, client) = with_bucket();
    let upload = begin(&client, "k");
    part(&client, "k", &upload, 1, &noise(1, 100_000));
    let kept = noise(2, 90_000);
    let etag = part(&client, "k", &upload, 1, &kept);
    part(&client, "k", &upload, 2, &noise(3, 80_000));
    client.post(&format!("/parts/k?uploadId={upload}"), document(&[(1, etag)])).expect(200);
    assert!(client.get("/parts/k").expect(200).body == kept);
    server.eventually("two of three parts are collected, beside the record", || server.chunk_files().len() == 2);
    server.stop_and_check();
}

#[test]
fn completions_are_checked() {
    let (_server, client) = with_bucket();
    let upload = begin(&client, "k");
    let one = part(&client, "k", &upload, 1, b"small");
    let two = part(&client, "k", &upload, 2, b"tail");
    let target = format!("/parts/k?uploadId={upload}");
    let complete = |parts: &[(u32, String)]| client.post(&target, document(parts));
    complete(&[]).expect_error(400, "MalformedXML");
    client.post(&target, "<CompleteMultipartUpload><Part>").expect_error(400, "MalformedXML");
    client.post(&target, "").expect(400);
    complete(&[(2, two.clone()), (1, one.clone())]).expect_error(400, "InvalidPartOrder");
    complete(&[(1, two.clone())]).expect_error(400, "InvalidPart");
    complete(&[(3, one.clone())]).expect_error(400, "InvalidPart");
    complete(&[(1, one.clone()), (2, two)]).expect_error(400, "EntityTooSmall");
    let wrong_size =
        client.call("POST", &target).header("x-amz-mp-object-size", "9").body(document(&[(1, one.clone())]));
    wrong_size.send().expect(400);
    let condition = client.call("POST", &target).header("if-match", "\"0\"").body(document(&[(1, one.clone())]));
    condition.send().expect_error(404, "NoSuchKey");
    client.post("/parts/k?uploadId=unknown", document(&[(1, one.clone())])).expect_error(404, "NoSuchUpload");
    let right_size = client.call("POST", &target).header("x-amz-mp-object-size", "5").header("if-none-match", "*");
    right_size.body(document(&[(1, one)])).send().expect(200);
    assert_eq!(client.get("/parts/k").expect(200).body, b"small");
}

#[test]
fn an_aborted_upload_leaves_nothing() {
    let (mut server, client) = with_bucket();
    let upload = begin(&client, "k");
    part(&client, "k", &upload, 1, &noise(1, 6 << 20));
    let target = format!("/parts/k?uploadId={upload}");
    client.delete(&target).expect(204);
    client.delete(&target).expect_error(404, "NoSuchUpload");
    client.get(&target).expect_error(404, "NoSuchUpload");
    client.put(&format!("/parts/k?partNumber=2&uploadId={upload}"), "late").expect_error(404, "NoSuchUpload");
    server.eventually("chunks are collected", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn part_numbers_have_their_bounds() {
    let (_server, client) = with_bucket();
    let upload = begin(&client, "k");
    for number in ["0", "10001", "-1", "x", "99999999999"] {
        client
            .put(&format!("/parts/k?partNumber={number}&uploadId={upload}"), "x")
            .expect_error(400, "InvalidArgument");
    }
    part(&client, "k", &upload, 10_000, b"");
}

#[test]
fn parts_and_uploads_are_listed_in_pages() {
    let (_server, client) = with_bucket();
    let upload = begin(&client, "dir/k");
    for number in [1, 5, 9] {
        part(&client, "dir/k", &upload, number, &[0; 10]);
    }
    let target = format!("/parts/dir/k?uploadId={upload}");
    let page = client.get(&format!("{target}&max-parts=2")).expect(200);
    assert_eq!(page.all("PartNumber"), ["1", "5"]);
    assert_eq!((page.one("IsTruncated"), page.one("NextPartNumberMarker")), ("true".into(), "5".into()));
    assert_eq!(client.get(&format!("{target}&part-number-marker=5")).expect(200).all("PartNumber"), ["9"]);
    let twin = begin(&client, "dir/k");
    begin(&client, "other");
    let all = client.get("/parts?uploads").expect(200);
    assert_eq!(all.all("Key"), ["dir/k", "dir/k", "other"]);
    assert_eq!(all.all("UploadId")[..2], [upload.clone(), twin]);
    let exact = client.get("/parts?uploads&prefix=other").expect(200);
    assert_eq!(exact.all("Key"), ["other"]);
    let first = client.get("/parts?uploads&max-uploads=1").expect(200);
    assert_eq!((first.one("NextKeyMarker"), first.one("NextUploadIdMarker")), ("dir/k".into(), upload.clone()));
    let next = client.get(&format!("/parts?uploads&key-marker=dir/k&upload-id-marker={upload}")).expect(200);
    assert_eq!(next.all("Key"), ["dir/k", "other"]);
    let folded = client.get("/parts?uploads&delimiter=/").expect(200);
    assert_eq!(folded.all("Key"), ["other"]);
    assert!(folded.text().contains("<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>"), "{}", folded.text());
}

#[test]
fn checksums_of_both_types_are_kept() {
    let (_server, client) = with_bucket();
    for (algorithm, kind, suffix) in [
        ("CRC32", "FULL_OBJECT", ""),
        ("CRC32", "COMPOSITE", "-2"),
        ("SHA256", "COMPOSITE", "-2"),
        ("CRC64NVME", "FULL_OBJECT", ""),
    ] {
        let create = client.call("POST", "/parts/k?uploads").header("x-amz-checksum-algorithm", algorithm);
        let upload = create.header("x-amz-checksum-type", kind).send().expect(200).one("UploadId");
        let mut entries = String::new();
        for (number, body) in [(1, noise(1, 5 << 20)), (2, noise(2, 70_000))] {
            let put = client.put(&format!("/parts/k?partNumber={number}&uploadId={upload}"), body).expect(200);
            let value = put.header(&format!("x-amz-checksum-{}", algorithm.to_lowercase())).expect("a part checksum");
            let element = format!("Checksum{algorithm}");
            entries.push_str(&format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><{element}>{value}</{element}></Part>",
                put.etag()
            ));
        }
        let document = format!("<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>");
        let done = client.post(&format!("/parts/k?uploadId={upload}"), document).expect(200);
        assert_eq!(done.one("ChecksumType"), kind);
        let value = done.one(&format!("Checksum{algorithm}"));
        assert!(!value.is_empty() && value.ends_with(suffix) && value.contains('-') != suffix.is_empty(), "{value}");
        let head = client.call("HEAD", "/parts/k").header("x-amz-checksum-mode", "ENABLED").send().expect(200);
        let name = format!("x-amz-checksum-{}", algorithm.to_lowercase());
        assert_eq!(head.header(&name), Some(value.as_str()));
        if kind == "FULL_OBJECT" {
            // The same bytes in one piece have the same checksum.
            let whole = [noise(1, 5 << 20), noise(2, 70_000)].concat();
            let put = client
                .call("PUT", "/parts/whole")
                .header("x-amz-sdk-checksum-algorithm", algorithm)
                .header(&name, value);
            put.body(whole).send().expect(200);
        }
    }
    let wrong = client.call("POST", "/parts/k?uploads").header("x-amz-checksum-algorithm", "SHA1");
    wrong.header("x-amz-checksum-type", "FULL_OBJECT").send().expect_error(400, "InvalidRequest");
}

#[test]
fn hundreds_of_copied_parts_complete() {
    let (_server, client) = with_bucket();
    let upload = begin(&client, "k");
    let source = noise(9, 5 << 20);
    client.put("/parts/source", source.clone()).expect(200);
    let mut list = vec![];
    let etag = md5_hex(&source);
    for number in 1..=300 {
        let call = client.call("PUT", &format!("/parts/k?partNumber={}&uploadId={upload}", number * 33));
        let copied = call.header("x-amz-copy-source", "/parts/source").send().expect(200);
        assert_eq!(copied.one("ETag").trim_matches('"'), etag);
        list.push((number * 33, etag.clone()));
    }
    let done = client.post(&format!("/parts/k?uploadId={upload}"), document(&list)).expect(200);
    assert!(done.one("ETag").contains("-300"), "{}", done.text());
    let head = client.head("/parts/k").expect(200);
    assert_eq!(head.header("content-length"), Some((300 * (5 << 20)).to_string().as_str()));
    let end = client.call("GET", "/parts/k").header("range", "bytes=-9").send().expect(206);
    assert!(end.body == source[source.len() - 9..]);
}
