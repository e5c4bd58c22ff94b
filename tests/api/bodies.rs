//! Bodies: integrity headers, `aws-chunked` in every form, `Expect`, truncation.

use std::io::{BufReader, Read as _, Write as _};
use std::net::Shutdown;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::Digest as _;

use super::support::client::{read_answer, try_read_answer};
use super::support::{Client, Server, md5_hex, noise};

fn with_bucket() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("bodies");
    (server, client)
}

fn crc32_base64(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes) as u32;
    BASE64.encode(crc.to_be_bytes())
}

/// Frames of an unsigned-trailer body.
fn unsigned_frames(body: &[u8], frame: usize, trailer: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for piece in body.chunks(frame) {
        wire.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(format!("0\r\n{trailer}\r\n\r\n").as_bytes());
    wire
}

#[test]
fn a_wrong_digest_stores_nothing() {
    let (mut server, client) = with_bucket();
    for size in [10, 300_000] {
        let body = noise(1, size);
        let put = || client.call("PUT", "/bodies/k").body(body.clone());
        put().header("content-md5", "not base64").send().expect_error(400, "InvalidDigest");
        put().header("content-md5", BASE64.encode([0; 16])).send().expect_error(400, "BadDigest");
        put().header("x-amz-checksum-crc32", "AAAAAA==").send().expect_error(400, "BadDigest");
        put().header("x-amz-checksum-sha1", BASE64.encode([0; 20])).send().expect_error(400, "BadDigest");
        put().header("x-amz-checksum-crc99", "AAAAAA==").send().expect_error(400, "InvalidRequest");
        put().header("x-amz-checksum-crc32", "AAA=").send().expect_error(400, "InvalidRequest");
        put().payload(&"0".repeat(64)).send().expect_error(400, "XAmzContentSHA256Mismatch");
        client.get("/bodies/k").expect_error(404, "NoSuchKey");
        server.eventually("nothing is left", || server.chunk_files().is_empty());
        let md5 = BASE64.encode(hex::decode(md5_hex(&body)).unwrap());
        put().header("content-md5", md5).header("x-amz-checksum-crc32", crc32_base64(&body)).send().expect(200);
        client.delete("/bodies/k").expect(204);
    }
    server.stop_and_check();
}

#[test]
fn checksums_of_every_algorithm_are_stored_and_shown() {
    let (_server, client) = with_bucket();
    let body = noise(5, 1000);
    let names = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256", "sha512", "md5", "xxhash64", "xxhash3", "xxhash128"];
    for name in names {
        // The gateway computes the value for a copy; the same value must then be accepted for a PUT.
        client.put("/bodies/source", body.clone()).expect(200);
        let copy = client.call("PUT", "/bodies/copy").header("x-amz-copy-source", "/bodies/source");
        copy.header("x-amz-checksum-algorithm", name.to_uppercase()).send().expect(200);
        let header = format!("x-amz-checksum-{name}");
        let shown = client.call("GET", "/bodies/copy").header("x-amz-checksum-mode", "ENABLED").send().expect(200);
        let value = shown.header(&header).unwrap_or_else(|| panic!("{name}: {:?}", shown.headers)).to_owned();
        let put = client.call("PUT", "/bodies/k").header(&header, value.clone()).body(body.clone()).send().expect(200);
        assert_eq!(put.header(&header), Some(value.as_str()));
        let hidden = client.get("/bodies/k").expect(200);
        assert_eq!(hidden.header(&header), None, "only shown when asked for");
    }
    assert_eq!(client.put("/bodies/k", body).expect(200).header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let head = client.call("HEAD", "/bodies/k").header("x-amz-checksum-mode", "ENABLED").send().expect(200);
    assert!(head.header("x-amz-checksum-crc64nvme").is_some(), "the default algorithm: {:?}", head.headers);
}

#[test]
fn unsigned_trailers_are_decoded_and_verified() {
    let (_server, client) = with_bucket();
    for size in [0, 1, 70_000, 1_000_000] {
        let body = noise(7, size);
        let put = |trailer: &str, decoded: usize| {
            let call = client.call("PUT", "/bodies/k").payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
            let call =
                call.header("x-amz-trailer", "x-amz-checksum-crc32").header("content-encoding", "aws-chunked,gzip");
            let call = call.header("x-amz-decoded-content-length", decoded.to_string());
            call.body(unsigned_frames(&body, 65_536, trailer)).send()
        };
        let right = format!("x-amz-checksum-crc32:{}", crc32_base64(&body));
        let done = put(&right, size).expect(200);
        assert_eq!(done.etag(), md5_hex(&body));
        let got = client.get("/bodies/k").expect(200);
        assert!(got.body == body);
        assert_eq!(got.header("content-encoding"), Some("gzip"), "aws-chunked is taken off");
        client.delete("/bodies/k").expect(204);
        put("x-amz-checksum-crc32:AAAAAQ==", size).expect_error(400, "BadDigest");
        assert_eq!(put("x-amz-checksum-crc32c:AAAAAQ==", size).status, 400);
        assert_eq!(put("", size).status, 400);
        assert_eq!(put(&right, size + 1).status, 400);
        client.get("/bodies/k").expect(404);
    }
}

#[test]
fn an_unsigned_trailer_body_still_needs_a_signed_head() {
    let (_server, client) = with_bucket();
    let mut forged = client.clone();
    forged.credentials.as_mut().unwrap().secret = "another secret".to_owned();
    let call = forged.call("PUT", "/bodies/k").payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let call = call.header("x-amz-trailer", "x-amz-checksum-crc32").header("x-amz-decoded-content-length", "1");
    let body = unsigned_frames(b"x", 1, &format!("x-amz-checksum-crc32:{}", crc32_base64(b"x")));
    call.body(body).send().expect_error(403, "SignatureDoesNotMatch");
    client.get("/bodies/k").expect(404);
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    use hmac::{KeyInit as _, Mac as _};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Sends signed frames; `tamper` may change the wire bytes of the body.
fn signed_frames(client: &Client, body: &[u8], tamper: impl Fn(&mut Vec<u8>)) -> super::support::Answer {
    let credentials = client.credentials.clone().unwrap();
    let frame_length = |length: usize| format!("{length:x}").len() + 81 + 2 + length + 2;
    let wire_length: usize =
        body.chunks(65_536).map(|piece| frame_length(piece.len())).sum::<usize>() + frame_length(0);
    let call = client.call("PUT", "/bodies/k").payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    let call = call.header("x-amz-decoded-content-length", body.len().to_string());
    let head = call.header("content-length", wire_length.to_string()).head();
    let text = String::from_utf8(head.clone()).unwrap();
    let field = |from: &str, to: char| text.split(from).nth(1).unwrap().split(to).next().unwrap().trim().to_owned();
    let date = field("x-amz-date: ", '\r');
    let mut signature = field("Signature=", '\r');
    let scope = format!("{}/us-east-1/s3/aws4_request", &date[..8]);
    let mut key = format!("AWS4{}", credentials.secret).into_bytes();
    for step in scope.split('/') {
        key = hmac(&key, step.as_bytes());
    }
    let mut wire = Vec::new();
    for piece in body.chunks(65_536).chain([&[][..]]) {
        let hash = hex::encode(sha2::Sha256::digest(piece));
        let empty = hex::encode(sha2::Sha256::digest(b""));
        let string = format!("AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{signature}\n{empty}\n{hash}");
        signature = hex::encode(hmac(&key, string.as_bytes()));
        wire.extend_from_slice(format!("{:x};chunk-signature={signature}\r\n", piece.len()).as_bytes());
        wire.extend_from_slice(piece);
        wire.extend_from_slice(b"\r\n");
    }
    assert_eq!(wire.len(), wire_length);
    tamper(&mut wire);
    let mut stream = client.connect();
    let _ = stream.write_all(&head);
    let _ = stream.write_all(&wire);
    read_answer(&mut BufReader::new(stream), "PUT")
}

#[test]
fn signed_frames_are_verified_one_by_one() {
    let (mut server, client) = with_bucket();
    for size in [0, 100, 200_000] {
        let body = noise(11, size);
        signed_frames(&client, &body, |_| {}).expect(200);
        assert!(client.get("/bodies/k").expect(200).body == body);
        client.delete("/bodies/k").expect(204);
    }
    let body = noise(12, 200_000);
    for at in [100, 70_000, 199_000] {
        signed_frames(&client, &body, |wire| wire[at] ^= 1).expect_error(403, "SignatureDoesNotMatch");
    }
    client.get("/bodies/k").expect(404);
    server.eventually("nothing is left", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn a_cut_off_body_leaves_the_old_object() {
    let (mut server, client) = with_bucket();
    client.put("/bodies/k", "old").expect(200);
    for (announced, sent) in [(100, 50), (1_000_000, 700_000)] {
        let head = client
            .call("PUT", "/bodies/k")
            .payload("UNSIGNED-PAYLOAD")
            .header("content-length", announced.to_string())
            .head();
        let mut stream = client.connect();
        stream.write_all(&head).unwrap();
        stream.write_all(&noise(1, sent)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        if let Ok(answer) = try_read_answer(&mut BufReader::new(stream), "PUT") {
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
    }
    assert_eq!(client.get("/bodies/k").expect(200).body, b"old");
    server.eventually("nothing is left", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn expect_100_is_answered_only_when_the_body_is_wanted() {
    let (_server, client) = with_bucket();
    let begin = |client: &Client, key: &str, condition: &str| {
        let call = client
            .call("PUT", key)
            .payload("UNSIGNED-PAYLOAD")
            .header("content-length", "5")
            .header("expect", "100-continue");
        let head = call.header("if-none-match", condition).head();
        let mut stream = client.connect();
        stream.write_all(&head).unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).unwrap();
        (stream, String::from_utf8_lossy(&first).into_owned())
    };
    let (mut stream, first) = begin(&client, "/bodies/k", "*");
    assert_eq!(first, "HTTP/1.1 100");
    stream.write_all(b"hello").unwrap();
    let mut rest = BufReader::new(stream);
    let mut line = [0; 13];
    rest.read_exact(&mut line).unwrap();
    assert_eq!(&line, b" Continue\r\n\r\n");
    assert_eq!(read_answer(&mut rest, "PUT").status, 200);
    assert_eq!(begin(&client, "/bodies/k", "*").1, "HTTP/1.1 412", "cheap preconditions come first");
    assert_eq!(begin(&client, "/missing-bucket/k", "*").1, "HTTP/1.1 404");
    let mut forged = client;
    forged.credentials.as_mut().unwrap().secret = "another".to_owned();
    assert_eq!(begin(&forged, "/bodies/new", "*").1, "HTTP/1.1 403");
}

#[test]
fn lengths_are_required_and_bounded() {
    let (_server, client) = with_bucket();
    let head = client
        .call("PUT", "/bodies/k")
        .payload("UNSIGNED-PAYLOAD")
        .header("content-length", (5u64 << 30 | 1).to_string());
    let mut stream = client.connect();
    stream.write_all(&head.head()).unwrap();
    read_answer(&mut BufReader::new(stream), "PUT").expect_error(400, "EntityTooLarge");
    let chunked =
        client.call("PUT", "/bodies/k").payload("UNSIGNED-PAYLOAD").header("transfer-encoding", "chunked").head();
    let mut stream = client.connect();
    stream.write_all(&chunked).unwrap();
    stream.write_all(b"5\r\nhello\r\n0\r\n\r\n").unwrap();
    read_answer(&mut BufReader::new(stream), "PUT").expect_error(411, "MissingContentLength");
    client.get("/bodies/k").expect(404);
}

#[test]
fn a_refusal_is_readable_though_the_body_was_not_taken() {
    let (_server, client) = with_bucket();
    for size in [1000, 500_000, 8 << 20] {
        let answer = client.put("/missing-bucket/k", noise(1, size));
        answer.expect_error(404, "NoSuchBucket");
    }
}

#[test]
fn one_connection_carries_many_requests() {
    let (_server, client) = with_bucket();
    let mut stream = client.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for round in 0..20u8 {
        let call = client.call("PUT", &format!("/bodies/{round}")).body(vec![round; 1000]);
        stream.write_all(&call.head()).unwrap();
        stream.write_all(&vec![round; 1000]).unwrap();
        read_answer(&mut reader, "PUT").expect(200);
    }
    let mut pipelined = Vec::new();
    for round in 0..20u8 {
        pipelined.extend_from_slice(&client.call("GET", &format!("/bodies/{round}")).head());
    }
    stream.write_all(&pipelined).unwrap();
    for round in 0..20u8 {
        assert_eq!(read_answer(&mut reader, "GET").expect(200).body, vec![round; 1000]);
    }
}
