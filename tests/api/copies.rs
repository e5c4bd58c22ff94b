//! CopyObject and UploadPartCopy.

use super::support::{Client, Server, md5_hex, noise};

fn with_source(size: usize) -> (Server, Client, Vec<u8>) {
    let server = Server::start();
    let client = server.client();
    client.bucket("from");
    client.bucket("into");
    let body = noise(size as u64, size);
    let put = client.call("PUT", "/from/a%20b").header("x-amz-meta-kind", "source").header("content-type", "text/css");
    put.body(body.clone()).send().expect(200);
    (server, client, body)
}

#[test]
fn a_copy_outlives_its_source() {
    for size in [5, 40_000, 20 << 20] {
        let (mut server, client, body) = with_source(size);
        let files = server.chunk_files().len();
        let copy = client.call("PUT", "/into/copy").header("x-amz-copy-source", "from/a%20b").send().expect(200);
        assert_eq!(copy.one("ETag").trim_matches('"'), md5_hex(&body));
        assert!(!copy.one("LastModified").is_empty());
        assert_eq!(server.chunk_files().len(), files, "a copy moves no data");
        client.delete("/from/a%20b").expect(204);
        let got = client.get("/into/copy").expect(200);
        assert!(got.body == body);
        assert_eq!(got.header("x-amz-meta-kind"), Some("source"));
        assert_eq!(got.header("content-type"), Some("text/css"));
        client.delete("/into/copy").expect(204);
        server.eventually("the collector frees the chunks", || server.chunk_files().is_empty());
        server.stop_and_check();
    }
}

#[test]
fn directives_decide_about_metadata() {
    let (_server, client, body) = with_source(100);
    let copy = |target: &str| client.call("PUT", target).header("x-amz-copy-source", "/from/a%20b");
    copy("/into/r").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-kind", "new").send().expect(200);
    let replaced = client.head("/into/r").expect(200);
    assert_eq!(replaced.header("x-amz-meta-kind"), Some("new"));
    assert_eq!(replaced.header("content-type"), Some("binary/octet-stream"));
    copy("/into/x").header("x-amz-metadata-directive", "MAYBE").send().expect_error(400, "InvalidArgument");
    copy("/from/a%20b").send().expect_error(400, "InvalidRequest");
    copy("/from/a%20b")
        .header("x-amz-metadata-directive", "REPLACE")
        .header("x-amz-meta-mtime", "7")
        .send()
        .expect(200);
    let touched = client.get("/from/a%20b").expect(200);
    assert_eq!(touched.header("x-amz-meta-mtime"), Some("7"));
    assert_eq!(touched.header("x-amz-meta-kind"), None);
    assert!(touched.body == body);
}

#[test]
fn sources_are_checked() {
    let (_server, client, body) = with_source(100);
    let etag = format!("\"{}\"", md5_hex(&body));
    let copy = |source: &str| client.call("PUT", "/into/c").header("x-amz-copy-source", source);
    copy("/from/none").send().expect_error(404, "NoSuchKey");
    copy("/no-such-bucket/k").send().expect_error(404, "NoSuchBucket");
    copy("from").send().expect_error(400, "InvalidArgument");
    copy("/from/../from/a%20b").send().expect_error(404, "NoSuchKey");
    copy("/from/a%20b").header("x-amz-copy-source-if-match", "\"0\"").send().expect_error(412, "PreconditionFailed");
    copy("/from/a%20b").header("x-amz-copy-source-if-none-match", &etag).send().expect_error(412, "PreconditionFailed");
    copy("/from/a%20b").header("x-amz-copy-source-if-match", &etag).send().expect(200);
    copy("/from/a%20b").header("if-none-match", "*").send().expect_error(412, "PreconditionFailed");
    copy("/from/a%20b?versionId=null").send().expect(200);
}

#[test]
fn another_checksum_can_be_asked_for() {
    let (_server, client, _) = with_source(300_000);
    let copy = client.call("PUT", "/into/c").header("x-amz-copy-source", "/from/a%20b");
    let copy = copy.header("x-amz-checksum-algorithm", "SHA256").send().expect(200);
    let shown = client.call("HEAD", "/into/c").header("x-amz-checksum-mode", "ENABLED").send().expect(200);
    assert_eq!(shown.header("x-amz-checksum-sha256"), Some(copy.one("ChecksumSHA256").as_str()));
}

#[test]
fn parts_are_copied_at_any_boundary() {
    let (mut server, client, body) = with_source((33 << 20) + 12_345);
    let upload = client.post("/into/parts?uploads", "").expect(200).one("UploadId");
    let cuts = [0, (5 << 20) + 1, 16 << 20, 27_000_003, body.len()];
    let mut list = String::new();
    for (index, cut) in cuts.windows(2).enumerate() {
        let number = index + 1;
        let target = format!("/into/parts?partNumber={number}&uploadId={upload}");
        let call = client.call("PUT", &target).header("x-amz-copy-source", "/from/a%20b");
        let part =
            call.header("x-amz-copy-source-range", format!("bytes={}-{}", cut[0], cut[1] - 1)).send().expect(200);
        assert_eq!(part.one("ETag").trim_matches('"'), md5_hex(&body[cut[0]..cut[1]]));
        list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.one("ETag")));
    }
    let beyond = client.call("PUT", &format!("/into/parts?partNumber=9&uploadId={upload}"));
    let beyond =
        beyond.header("x-amz-copy-source", "/from/a%20b").header("x-amz-copy-source-range", "bytes=0-99999999");
    beyond.send().expect(416);
    let complete = format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>");
    client.post(&format!("/into/parts?uploadId={upload}"), complete).expect(200);
    client.delete("/from/a%20b").expect(204);
    assert!(client.get("/into/parts").expect(200).body == body);
    server.stop_and_check();
}
