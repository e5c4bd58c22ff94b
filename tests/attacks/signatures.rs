//! Forged, altered, replayed and borrowed signatures.

use std::time::{Duration, SystemTime};

use base64::Engine as _;

use crate::support::client::{Call, Client};
use crate::{TREASURE, VICTIM, answers, besieged, stands, told};

/// Sends a head after it was altered; returns the status.
fn altered(client: &Client, call: &Call, alter: impl Fn(String) -> String, body: &str) -> u16 {
    let head = String::from_utf8(call.head()).unwrap();
    let changed = alter(head.clone());
    assert_ne!(head, changed, "the attack changes something");
    let mut wire = changed.into_bytes();
    wire.extend_from_slice(body.as_bytes());
    answers(client, &wire).first().map_or(400, |answer| answer.status)
}

#[test]
fn a_signed_head_cannot_be_altered() {
    let (mut server, client) = besieged();
    let put = || client.call("PUT", "/victim/new").header("x-amz-meta-a", "1").header("content-length", "0");
    type Alter = Box<dyn Fn(String) -> String>;
    let attacks: Vec<(&str, Alter)> = vec![
        ("method", Box::new(|head| head.replacen("PUT", "DELETE", 1))),
        ("path", Box::new(|head| head.replacen("/victim/new", "/victim/k", 1))),
        ("an encoded path", Box::new(|head| head.replacen("/victim/new", "/victim/k%2f..%2fnew", 1))),
        ("a query", Box::new(|head| head.replacen("/victim/new", "/victim/new?tagging", 1))),
        ("the host", Box::new(|head| head.replacen("host: 127.0.0.1", "host: 127.0.0.2", 1))),
        ("a second host", Box::new(|head| head.replacen("\r\nx-amz-meta-a", "\r\nhost: evil\r\nx-amz-meta-a", 1))),
        ("signed metadata", Box::new(|head| head.replacen("x-amz-meta-a: 1", "x-amz-meta-a: 2", 1))),
        (
            "a repeated signed header",
            Box::new(|head| head.replacen("x-amz-meta-a: 1", "x-amz-meta-a: 1\r\nx-amz-meta-a: 2", 1)),
        ),
        ("unsigned metadata", Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-meta-b: 2\r\n\r\n", 1))),
        (
            "an unsigned copy source",
            Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-copy-source: victim/k\r\n\r\n", 1)),
        ),
        ("an unsigned ACL", Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-acl: public-read\r\n\r\n", 1))),
        ("an unsigned tag", Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-tagging: a=b\r\n\r\n", 1))),
        (
            "an unsigned bypass",
            Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-bypass-governance-retention: true\r\n\r\n", 1)),
        ),
        ("an unsigned token", Box::new(|head| head.replacen("\r\n\r\n", "\r\nx-amz-security-token: x\r\n\r\n", 1))),
        (
            "the payload's hash",
            Box::new(|head| {
                let at = head.find("x-amz-content-sha256: ").unwrap() + 22;
                format!("{}UNSIGNED-PAYLOAD{}", &head[..at], &head[at + 64..])
            }),
        ),
        (
            "no payload hash",
            Box::new(|head| {
                let at = head.find("x-amz-content-sha256: ").unwrap();
                format!("{}{}", &head[..at], &head[at + 22 + 64 + 2..])
            }),
        ),
        (
            "the date",
            Box::new(|head| {
                let at = head.find("x-amz-date: ").unwrap() + 12;
                format!("{}20200101T000000Z{}", &head[..at], &head[at + 16..])
            }),
        ),
        ("the region", Box::new(|head| head.replacen("/us-east-1/", "/eu-west-1/", 1))),
        ("the service", Box::new(|head| head.replacen("/s3/aws4_request", "/sts/aws4_request", 1))),
        (
            "fewer signed headers",
            Box::new(|head| head.replacen("SignedHeaders=content-length;host;", "SignedHeaders=host;", 1)),
        ),
        ("no host signed", Box::new(|head| head.replacen(";host;", ";", 1))),
        ("another key", Box::new(|head| head.replacen("Credential=", "Credential=X", 1))),
        (
            "a cut signature",
            Box::new(|head| {
                let at = head.find("Signature=").unwrap() + 10;
                format!("{}{}", &head[..at + 63], &head[at + 64..])
            }),
        ),
        (
            "an empty signature",
            Box::new(|head| {
                let at = head.find("Signature=").unwrap() + 10;
                format!("{}{}", &head[..at], &head[at + 64..])
            }),
        ),
        (
            "a capital signature",
            Box::new(|head| {
                let at = head.find("Signature=").unwrap() + 10;
                format!("{}{}{}", &head[..at], "F".repeat(64), &head[at + 64..])
            }),
        ),
        (
            "two authorizations",
            Box::new(|head| head.replacen("authorization: ", "authorization: AWS a:b\r\nauthorization: ", 1)),
        ),
        (
            "header and query",
            Box::new(|head| {
                head.replacen("/victim/new ", "/victim/new?X-Amz-Signature=x&X-Amz-Algorithm=AWS4-HMAC-SHA256 ", 1)
            }),
        ),
    ];
    for (what, alter) in &attacks {
        let status = altered(&client, &put(), alter, "");
        assert!((400..500).contains(&status), "{what}: {status}");
    }
    told("altered heads", attacks.len());
    stands(&mut server, &client);
}

#[test]
fn a_signed_body_cannot_be_altered() {
    let (mut server, client) = besieged();
    let put = client.call("PUT", "/victim/new").body("good");
    let mut wire = put.head();
    wire.extend_from_slice(b"evil");
    let statuses: Vec<_> = answers(&client, &wire).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [400]);
    // A streamed body whose first signature is missing, and one that claims to be unsigned.
    for payload in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"] {
        let zeros = "0".repeat(64);
        for frames in [
            "4\r\nevil\r\n0\r\n\r\n".to_owned(),
            format!("4;chunk-signature={zeros}\r\nevil\r\n0;chunk-signature={zeros}\r\n\r\n"),
            "4;chunk-signature=\r\nevil\r\n0;chunk-signature=\r\n\r\n".to_owned(),
            format!("4;chunk-signature={zeros}x\r\nevil\r\n0\r\n\r\n"),
            format!("0;chunk-signature={zeros}\r\n\r\n"),
            "evil".to_owned(),
        ] {
            let call = client.call("PUT", "/victim/new").payload(payload).header("x-amz-decoded-content-length", "4");
            let sent = call.header("content-encoding", "aws-chunked").body(frames.clone()).send();
            assert!((400..500).contains(&sent.status), "{payload} {frames:?}: {} {}", sent.status, sent.text());
        }
    }
    // Nobody's key, with the coding whose frames carry no signature.
    let mut stranger = client.clone();
    stranger.credentials.as_mut().unwrap().secret = "a-guess-a-guess-a-guess".to_owned();
    let frames = "4\r\nevil\r\n0\r\n\r\n";
    let call = stranger.call("PUT", "/victim/new").payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let sent =
        call.header("x-amz-decoded-content-length", "4").header("content-encoding", "aws-chunked").body(frames).send();
    sent.expect_error(403, "SignatureDoesNotMatch");
    let anonymous = server.anonymous();
    let call =
        anonymous.call("PUT", "/victim/new").header("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    let call = call.header("x-amz-decoded-content-length", "4").header("content-encoding", "aws-chunked");
    let sent = call.body(frames).send();
    assert_eq!(sent.status, 403, "{}", sent.text());
    told("altered bodies", 15);
    stands(&mut server, &client);
}

#[test]
fn a_presigned_url_is_for_one_thing_only() {
    let (mut server, client) = besieged();
    let anonymous = server.anonymous();
    let good = client.call("GET", VICTIM).presign(60);
    assert_eq!(anonymous.get(&good).expect(200).body, TREASURE);
    let doubled = |name: &str, value: &str| format!("{good}&{name}={value}");
    let attacks = [
        good.replace("victim/k", "victim/k2"),
        good.replace("victim/k", "victim//k"),
        good.replace("victim/k", "victim/%6b"),
        doubled("versionId", "null"),
        doubled("response-content-type", "text/html"),
        doubled("acl", ""),
        doubled("X-Amz-Expires", "600"),
        doubled("X-Amz-Signature", &"0".repeat(64)),
        doubled("X-Amz-Security-Token", "x"),
        doubled("X-Amz-SignedHeaders", "host"),
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=604800"),
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=-60"),
        good.replace("X-Amz-Expires=60", "X-Amz-Expires=9999999999"),
        good.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
        good.replace("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-HMAC-MD5"),
        good.split("&X-Amz-Signature").next().unwrap().to_owned(),
        client.call("GET", VICTIM).presign_at(60, SystemTime::now() - Duration::from_secs(3600)),
        client.call("GET", VICTIM).presign_at(60, SystemTime::now() + Duration::from_secs(3600)),
    ];
    for attack in &attacks {
        let answer = anonymous.get(attack);
        // Whether `%6b` is the `k` that was signed is for the server to say; it is the same object.
        let is_same = attack.contains("%6b") && answer.body == TREASURE;
        assert!((400..500).contains(&answer.status) || is_same, "{attack}: {} {}", answer.status, answer.text());
    }
    for method in ["PUT", "DELETE", "POST", "HEAD"] {
        let answer = anonymous.call(method, &good).body("").send();
        assert!((400..500).contains(&answer.status), "{method}: {} {}", answer.status, answer.text());
    }
    let unsigned = anonymous.call("GET", &good).header("x-amz-server-side-encryption", "AES256").send();
    assert!((400..500).contains(&unsigned.status), "{}", unsigned.text());
    told("presigned URLs", attacks.len() + 5);
    stands(&mut server, &client);
}

#[test]
fn another_key_gets_nowhere_near() {
    let (mut server, client) = besieged();
    let mallory = server.client_of("mallory");
    mallory.bucket("hers");
    let version = client.head(VICTIM).header("x-amz-version-id").unwrap_or("null").to_owned();
    let targets = [
        ("GET", VICTIM.to_owned()),
        ("HEAD", VICTIM.to_owned()),
        ("GET", format!("{VICTIM}?versionId={version}")),
        ("GET", format!("{VICTIM}?acl")),
        ("GET", format!("{VICTIM}?tagging")),
        ("GET", format!("{VICTIM}?attributes")),
        ("GET", format!("{VICTIM}?retention")),
        ("GET", format!("{VICTIM}?legal-hold")),
        ("PUT", VICTIM.to_owned()),
        ("PUT", format!("{VICTIM}?acl")),
        ("PUT", format!("{VICTIM}?tagging")),
        ("DELETE", VICTIM.to_owned()),
        ("DELETE", format!("{VICTIM}?versionId={version}")),
        ("DELETE", format!("{VICTIM}?tagging")),
        ("POST", format!("{VICTIM}?uploads")),
        ("POST", format!("{VICTIM}?restore")),
        ("PUT", format!("{VICTIM}?renameObject")),
        ("GET", "/victim".to_owned()),
        ("GET", "/victim?list-type=2".to_owned()),
        ("GET", "/victim?versions".to_owned()),
        ("GET", "/victim?uploads".to_owned()),
        ("GET", "/victim?policy".to_owned()),
        ("PUT", "/victim?policy".to_owned()),
        ("DELETE", "/victim?policy".to_owned()),
        ("PUT", "/victim?acl".to_owned()),
        ("PUT", "/victim?versioning".to_owned()),
        ("PUT", "/victim?lifecycle".to_owned()),
        ("PUT", "/victim?notification".to_owned()),
        ("PUT", "/victim?logging".to_owned()),
        ("PUT", "/victim?website".to_owned()),
        ("PUT", "/victim?cors".to_owned()),
        ("DELETE", "/victim".to_owned()),
    ];
    for (method, target) in &targets {
        for attacker in [&mallory, &server.anonymous()] {
            let mut call = attacker.call(method, target).header("x-amz-copy-source", "hers/x");
            if !target.contains("renameObject") && *method != "PUT" {
                call = attacker.call(method, target);
            }
            let answer = call.header("x-amz-object-attributes", "ETag").body("").send();
            assert!(answer.status == 403, "{method} {target}: {} {}", answer.status, answer.text());
        }
    }
    let list = "<Delete><Object><Key>k</Key></Object></Delete>";
    let list_md5 = base64::engine::general_purpose::STANDARD.encode(<md5::Md5 as md5::Digest>::digest(list));
    let listed = mallory.call("POST", "/victim?delete").header("content-md5", list_md5).body(list).send();
    assert!(listed.status == 403 || listed.text().contains("AccessDenied"), "{}", listed.text());
    told("requests of strangers", targets.len() * 2 + 1);
    stands(&mut server, &client);
}
