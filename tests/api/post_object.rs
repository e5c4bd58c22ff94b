//! Uploads by HTML form.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};

use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Answer, Client, Server, md5_hex, noise};

/// A form with its file at the end.
pub(super) fn form(fields: &[(&str, &str)], file: Option<&[u8]>) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in fields {
        let part = format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        form.extend_from_slice(part.as_bytes());
    }
    if let Some(file) = file {
        let head = "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"dir/na me.txt\"\r\n\
                    Content-Type: application/octet-stream\r\n\r\n";
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(file);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(b"--b0undary--\r\n");
    form
}

fn post(server: &Server, bucket: &str, body: Vec<u8>) -> Answer {
    let call = server.anonymous().call("POST", &format!("/{bucket}"));
    call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send()
}

fn amz_date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = time::OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).unwrap()).unwrap();
    time.format(time::macros::format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap()
}

/// A policy over `conditions` for the bucket `forms`, in base64.
fn policy(conditions: &str, lifetime: &str) -> String {
    BASE64.encode(format!(r#"{{"expiration":"{lifetime}","conditions":[{{"bucket":"forms"}},{conditions}]}}"#))
}

const LATER: &str = "2099-01-01T00:00:00.000Z";

/// Fields signed with Signature Version 4; `conditions` leaves out those of the signature.
fn signed_v4(conditions: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let date = amz_date(SystemTime::now());
    let credential = format!("{ROOT_ID}/{}/us-east-1/s3/aws4_request", &date[..8]);
    let own = format!(
        r#"{{"x-amz-algorithm":"AWS4-HMAC-SHA256"}},{{"x-amz-credential":"{credential}"}},{{"x-amz-date":"{date}"}}"#
    );
    let conditions = if conditions.is_empty() { own } else { format!("{conditions},{own}") };
    let policy = policy(&conditions, LATER);
    let key = aws_sigv4::sign::v4::generate_signing_key(ROOT_SECRET, SystemTime::now(), "us-east-1", "s3");
    let signature = aws_sigv4::sign::v4::calculate_signature(key, policy.as_bytes());
    let mut all: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &date),
        ("Policy", &policy),
        ("X-Amz-Signature", &signature),
    ] {
        all.push((name.to_owned(), value.to_owned()));
    }
    all
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

pub(super) fn post_v4(server: &Server, conditions: &str, fields: &[(&str, &str)], file: &[u8]) -> Answer {
    post(server, "forms", form(&borrowed(&signed_v4(conditions, fields)), Some(file)))
}

fn started() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("forms");
    client.bucket("others");
    (server, client)
}

const KEY: &str = r#"["starts-with","$key","up/"]"#;

#[test]
fn a_signed_form_stores_its_file() {
    let (mut server, client) = started();
    for size in [0, 5, 40_000, 3 << 20] {
        let file = noise(size as u64 + 1, size);
        let fields = [
            ("key", "up/${filename}"),
            ("Content-Type", "text/css"),
            ("x-amz-meta-from", "a form"),
            ("tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>"),
            ("x-ignore-page", "1"),
        ];
        let conditions = format!(
            r#"{KEY},["starts-with","$Content-Type","text/"],{{"x-amz-meta-from":"a form"}},
            ["starts-with","$tagging",""],["content-length-range",0,5000000]"#
        );
        let posted = post_v4(&server, &conditions, &fields, &file).expect(204);
        assert_eq!(posted.etag(), md5_hex(&file));
        let place = format!("{}/forms/up/na%20me.txt", server.endpoint());
        assert_eq!(posted.header("location"), Some(place.as_str()));
        let got = client.get("/forms/up/na%20me.txt").expect(200);
        assert!(got.body == file, "{size}");
        assert_eq!(got.header("content-type"), Some("text/css"));
        assert_eq!(got.header("x-amz-meta-from"), Some("a form"));
        assert_eq!(client.get("/forms/up/na%20me.txt?tagging").expect(200).one("Value"), "b c");
    }
    server.stop_and_check();
}

#[test]
fn a_form_signed_with_version_2_counts_too() {
    let (server, client) = started();
    let policy = policy(KEY, LATER);
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(ROOT_SECRET.as_bytes()).unwrap();
    mac.update(policy.as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let fields = [("key", "up/v2"), ("AWSAccessKeyId", ROOT_ID), ("policy", &policy), ("signature", &signature)];
    post(&server, "forms", form(&fields, Some(b"x"))).expect(204);
    assert_eq!(client.get("/forms/up/v2").expect(200).body, b"x");
    let wrong = [fields[0], fields[1], fields[2], ("signature", "AAAA")];
    post(&server, "forms", form(&wrong, Some(b"x"))).expect_error(403, "SignatureDoesNotMatch");
    let unknown = [fields[0], ("AWSAccessKeyId", "AKIANOBODY"), fields[2], fields[3]];
    post(&server, "forms", form(&unknown, Some(b"x"))).expect_error(403, "InvalidAccessKeyId");
    let missing = &fields[..3];
    post(&server, "forms", form(missing, Some(b"x"))).expect_error(400, "InvalidArgument");
    let strict = Server::start_with(&["--allow-signature-v2=false"]);
    strict.client().bucket("forms");
    post(&strict, "forms", form(&fields, Some(b"x"))).expect_error(400, "InvalidRequest");
}

#[test]
fn what_the_policy_does_not_allow_is_not_stored() {
    let (server, client) = started();
    let denied = |answer: Answer, message: &str| {
        let answer = answer.expect_error(403, "AccessDenied");
        assert!(answer.one("Message").starts_with(message), "{}", answer.text());
    };
    let failed = "Invalid according to Policy: Policy Condition failed: ";
    denied(post_v4(&server, KEY, &[("key", "down/x")], b"x"), failed);
    let two = [("key", "up/x"), ("acl", "public-read")];
    denied(post_v4(&server, KEY, &two, b"x"), "Invalid according to Policy: Extra input fields: acl");
    denied(post_v4(&server, &format!(r#"{KEY},["eq","$acl","private"]"#), &two, b"x"), failed);
    // The same form posted to a bucket that its policy does not name.
    let stray = signed_v4(KEY, &[("key", "up/x"), ("bucket", "forms")]);
    denied(post(&server, "others", form(&borrowed(&stray), Some(b"x"))), failed);
    // A field behind the file is not read: neither as a right nor as a wish.
    let mut late = form(&borrowed(&signed_v4(KEY, &[("key", "up/late")])), Some(b"x"));
    late.truncate(late.len() - "--b0undary--\r\n".len());
    late.extend_from_slice(&form(&[("x-amz-meta-late", "1"), ("key", "other")], None));
    post(&server, "forms", late).expect(204);
    assert_eq!(client.head("/forms/up/late").expect(200).header("x-amz-meta-late"), None);
    // Headers of the POST itself are covered by no policy.
    let call =
        server.anonymous().call("POST", "/forms").header("content-type", "multipart/form-data; boundary=b0undary");
    let call = call.header("x-amz-meta-stray", "1").header("x-amz-storage-class", "STANDARD_IA");
    call.body(form(&borrowed(&signed_v4(KEY, &[("key", "up/stray")])), Some(b"x"))).send().expect(204);
    let stored = client.head("/forms/up/stray").expect(200);
    assert!(stored.header("x-amz-meta-stray").is_none() && stored.header("x-amz-storage-class").is_none());
    assert_eq!(client.get("/forms?list-type=2").expect(200).all("Key"), ["up/late", "up/stray"]);
    assert!(client.get("/others?list-type=2").expect(200).all("Key").is_empty());
}

#[test]
fn the_size_is_held_to_the_policy_while_the_file_comes() {
    let (mut server, client) = started();
    let conditions = format!(r#"{KEY},["content-length-range",10,100000]"#);
    let send = |size: usize| post_v4(&server, &conditions, &[("key", "up/x")], &noise(9, size));
    let small = send(9).expect_error(400, "EntityTooSmall");
    assert_eq!((small.one("ProposedSize").as_str(), small.one("MinSizeAllowed").as_str()), ("9", "10"));
    assert_eq!(send(100_001).expect_error(400, "EntityTooLarge").one("MaxSizeAllowed"), "100000");
    send(3 << 20).expect_error(400, "EntityTooLarge");
    client.get("/forms/up/x").expect_error(404, "NoSuchKey");
    send(10).expect(204);
    send(100_000).expect(204);
    server.eventually("nothing of the refused files is left", || server.chunk_files().len() <= 1);
    server.stop_and_check();
}

#[test]
fn a_file_that_is_cut_off_is_not_stored() {
    let (server, client) = started();
    let whole = form(&borrowed(&signed_v4(KEY, &[("key", "up/cut")])), Some(&noise(3, 50_000)));
    for cut in [1, 5, 14, 20_000] {
        let end = whole.len() - cut;
        let answer = post(&server, "forms", whole[..end].to_vec());
        // The line break behind the last boundary may be missing.
        if cut > 2 {
            answer.expect_error(400, "MalformedPOSTRequest");
            client.get("/forms/up/cut").expect_error(404, "NoSuchKey");
        } else {
            answer.expect(204);
            client.delete("/forms/up/cut").expect(204);
        }
    }
}

#[test]
fn checksums_of_a_form_are_compared() {
    let (server, client) = started();
    let conditions = format!(r#"{KEY},["starts-with","$x-amz-checksum-crc32",""]"#);
    let send = |crc32: &str| post_v4(&server, &conditions, &[("key", "up/c"), ("x-amz-checksum-crc32", crc32)], b"abc");
    send("NSRBwg==").expect(204);
    client.delete("/forms/up/c").expect(204);
    send("AAAAAA==").expect_error(400, "BadDigest");
    send("nonsense").expect_error(400, "InvalidRequest");
    client.get("/forms/up/c").expect_error(404, "NoSuchKey");
}

#[test]
fn the_form_chooses_its_answer() {
    let (server, _client) = started();
    let conditions =
        format!(r#"{KEY},["starts-with","$success_action_status",""],["starts-with","$success_action_redirect",""]"#);
    let send = |status: &str, redirect: &str| {
        let fields = [("key", "up/a b"), ("success_action_status", status), ("success_action_redirect", redirect)];
        post_v4(&server, &conditions, &fields, b"abc")
    };
    let created = send("201", "").expect(201);
    assert_eq!(created.one("Bucket"), "forms");
    assert_eq!(created.one("Key"), "up/a b");
    assert_eq!(created.one("ETag"), format!("\"{}\"", md5_hex(b"abc")));
    assert_eq!(created.one("Location"), format!("{}/forms/up/a%20b", server.endpoint()));
    assert!(send("200", "").expect(200).body.is_empty());
    send("404", "").expect(204);
    let redirected = send("201", "https://app.example/done?x=1").expect(303);
    let location = format!("https://app.example/done?x=1&bucket=forms&key=up%2Fa%20b&etag=%22{}%22", md5_hex(b"abc"));
    assert_eq!(redirected.header("location"), Some(location.as_str()));
    for bad in ["javascript:alert(1)", "/relative", "https://h/\r\nSet-Cookie: a=b"] {
        let answer = send("", bad).expect(204);
        assert!(
            answer.header("set-cookie").is_none() && answer.header("location").is_some_and(|l| l.contains("/forms/"))
        );
    }
}

#[test]
fn what_is_no_form_says_so() {
    let (server, client) = started();
    let plain = client.call("POST", "/forms").header("content-type", "text/plain").body("x").send();
    assert!(plain.expect_error(412, "PreconditionFailed").one("Condition").contains("multipart/form-data"));
    let fields = signed_v4(KEY, &[("key", "up/x")]);
    let none = post(&server, "forms", form(&borrowed(&fields), None)).expect_error(400, "InvalidArgument");
    assert_eq!(none.one("ArgumentName"), "file");
    let keyless = post(&server, "forms", form(&borrowed(&signed_v4(KEY, &[])), Some(b"x")));
    assert_eq!(keyless.expect_error(400, "InvalidArgument").one("ArgumentName"), "key");
    let twice = signed_v4(KEY, &[("key", "up/x"), ("KEY", "up/y")]);
    post(&server, "forms", form(&borrowed(&twice), Some(b"x"))).expect_error(400, "InvalidArgument");
    post(&server, "forms", b"garbage".to_vec()).expect_error(400, "MalformedPOSTRequest");
    let long = "x".repeat(30_000);
    let long = form(&[("key", "up/x"), ("x-ignore-a", &long)], Some(b"x"));
    post(&server, "forms", long).expect_error(400, "MaxPostPreDataLengthExceededError");
    let endless = "--b0undary\r\nX: ".to_owned() + &"y".repeat(2 << 20);
    post(&server, "forms", endless.into_bytes()).expect_error(400, "MaxPostPreDataLengthExceededError");
    post(&server, "forms", form(&[("key", "up/x"), ("policy", "e30=")], Some(b"x")))
        .expect_error(400, "InvalidArgument");
    post(&server, "forms", form(&[("key", "up/x")], Some(b"x"))).expect_error(403, "AccessDenied");
    assert!(client.get("/forms?list-type=2").expect(200).all("Key").is_empty());
}

#[test]
fn a_policy_that_ended_or_is_none_is_refused() {
    let (server, _client) = started();
    let send = |policy: &str| {
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(ROOT_SECRET.as_bytes()).unwrap();
        mac.update(policy.as_bytes());
        let signature = BASE64.encode(mac.finalize().into_bytes());
        let fields = [("key", "up/x"), ("AWSAccessKeyId", ROOT_ID), ("policy", policy), ("signature", &signature)];
        post(&server, "forms", form(&fields, Some(b"x")))
    };
    let past = SystemTime::now() - Duration::from_secs(2);
    let text = amz_date(past);
    let past =
        format!("{}-{}-{}T{}:{}:{}Z", &text[..4], &text[4..6], &text[6..8], &text[9..11], &text[11..13], &text[13..15]);
    let expired = send(&policy(KEY, &past)).expect_error(403, "AccessDenied");
    assert_eq!(expired.one("Message"), "Invalid according to Policy: Policy expired.");
    send(&policy(KEY, "tomorrow")).expect_error(400, "InvalidPolicyDocument");
    send(&BASE64.encode("{}")).expect_error(400, "InvalidPolicyDocument");
    send("%").expect_error(400, "InvalidPolicyDocument");
}

#[test]
fn many_large_forms_take_no_more_memory_than_blocks() {
    let server = Server::start_with(&["--memory", "32MiB"]);
    server.client().bucket("forms");
    let file = noise(5, 12 << 20);
    let body = form(&borrowed(&signed_v4(KEY, &[("key", "up/${filename}")])), Some(&file));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| post(&server, "forms", body.clone()).expect(204));
        }
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < (32 + 32) * 1024, "{peak} KiB");
}

#[test]
fn a_form_without_a_key_needs_a_bucket_that_lets_everybody_write() {
    let server = Server::start_with(&["--allow-anonymous"]);
    let client = server.client();
    client.bucket("forms");
    let send = |key: &str| post(&server, "forms", form(&[("key", key)], Some(b"x")));
    send("up/x").expect_error(403, "AccessDenied");
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:PutObject",
        "Resource":"arn:aws:s3:::forms/up/*"}]}"#;
    client.put("/forms?policy", policy).expect(204);
    send("up/x").expect(204);
    send("down/x").expect_error(403, "AccessDenied");
    assert_eq!(client.get("/forms?list-type=2").expect(200).all("Key"), ["up/x"]);
    let closed = Server::start_with(&["--allow-anonymous=false"]);
    closed.client().bucket("forms");
    closed.client().put("/forms?policy", policy).expect(204);
    post(&closed, "forms", form(&[("key", "up/x")], Some(b"x"))).expect_error(403, "AccessDenied");
}
