//! Ourselves as source and target.

use std::time::{Duration, SystemTime};

use super::support::client::escape_path;
use super::support::{Client, Server, noise};
use super::{complete, history, import_from, put_parts, report, versioning};

/// Keys that clients, servers and paths stumble over.
const KEYS: [&str; 12] = [
    "../up",
    "a/../b",
    "a//b",
    "/lead",
    "folder/",
    "plus + & = %41",
    "ünïcödé-日本/🦀",
    "line\nbreak\ttab",
    "a",
    "a/b",
    "quote\"'<>",
    "dots...",
];

fn in_a_year() -> String {
    let since = (SystemTime::now() + Duration::from_secs(365 * 86_400)).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = time::OffsetDateTime::from_unix_timestamp(since.as_secs().try_into().unwrap()).unwrap();
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

/// The version ids of a key, newest first; delete markers are left out.
fn ids(client: &Client, bucket: &str, key: &str) -> Vec<String> {
    let listed = client.get(&format!("/{bucket}?versions&prefix={key}")).expect(200);
    let versions = listed.elements(&["Version"]);
    versions.into_iter().filter(|(_, entry)| entry.one("Key") == key).map(|(_, entry)| entry.one("VersionId")).collect()
}

#[test]
fn objects_come_with_their_keys_heads_tags_and_parts() {
    let (from, to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.bucket("plain");
    for (index, key) in KEYS.iter().enumerate() {
        let body = if key.ends_with('/') { Vec::new() } else { noise(index as u64, 1000 * index) };
        source.put(&format!("/plain/{}", escape_path(key)), body).expect(200);
    }
    let head = source.call("PUT", "/plain/head").body("text").header("content-type", "text/x-own");
    let head = head.header("cache-control", "max-age=7").header("content-disposition", "inline");
    let head =
        head.header("content-encoding", "own").header("content-language", "de").header("x-amz-meta-mtime", "1.5");
    let head = head.header("x-amz-meta-two", "a  b").header("x-amz-tagging", "k%20y=v%2B&empty=");
    head.header("x-amz-checksum-algorithm", "SHA256")
        .header("x-amz-checksum-sha256", sha256("text"))
        .send()
        .expect(200);
    let parts = [(1, noise(7, (5 << 20) + 123)), (4, noise(8, 6 << 20)), (9, noise(9, 100))];
    put_parts(&source, "/plain/parts", &[("content-type", "x/y"), ("x-amz-tagging", "t=1")], &parts);
    put_parts(&source, "/plain/single-part", &[], &[(1, noise(10, 1 << 20))]);

    let dry = complete(&mut import_from(&from.endpoint(), &to, &["--dry-run"]));
    assert_eq!((dry["objects"].as_u64(), dry["skipped"].as_u64()), (Some(15), Some(0)), "{dry:#}");
    target.head("/plain").expect(404);

    let done = complete(&mut import_from(&from.endpoint(), &to, &[]));
    assert_eq!((done["objects"].as_u64(), done["bytes"].as_u64()), (Some(15), dry["bytes"].as_u64()), "{done:#}");
    assert_eq!(history(&target, "plain"), history(&source, "plain"));
    for name in ["head", "parts", "single-part"] {
        let ask = |client: &Client| {
            let call = client.call("HEAD", &format!("/plain/{name}")).header("x-amz-checksum-mode", "ENABLED");
            let mut headers = call.send().expect(200).headers;
            let own = ["date", "last-modified", "x-amz-request-id", "x-amz-id-2"];
            headers.retain(|(header, _)| !own.contains(&header.as_str()));
            // Parts are hashed anew.
            headers.retain(|(header, _)| name == "head" || !header.starts_with("x-amz-checksum"));
            headers
        };
        assert_eq!(ask(&target), ask(&source), "{name}");
    }
    assert_eq!(target.get("/plain/head?tagging").expect(200).all("Value"), ["", "v+"]);
    assert_eq!(target.get("/plain/parts?tagging").expect(200).one("Value"), "1");
    for (number, body) in &parts {
        let part = target.get(&format!("/plain/parts?partNumber={number}")).expect(206);
        assert!(part.body == *body, "part {number}");
    }
    for key in KEYS {
        let path = format!("/plain/{}", escape_path(key));
        assert_eq!(target.get(&path).expect(200).body, source.get(&path).expect(200).body, "{key}");
    }

    // What changes is brought up to date, and nothing else.
    source.put("/plain/head", "changed").expect(200);
    let again = complete(&mut import_from(&from.endpoint(), &to, &["--bucket", "plain"]));
    assert_eq!((again["objects"].as_u64(), again["skipped"].as_u64()), (Some(1), Some(14)), "{again:#}");
    assert_eq!(target.get("/plain/head").expect(200).text(), "changed");
    let some = complete(&mut import_from(&from.endpoint(), &to, &["--prefix", "a"]));
    assert_eq!(some["skipped"], 4, "{some:#}");
}

fn sha256(text: &str) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text))
}

#[test]
fn versions_locks_and_settings_come_along() {
    let (from, to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.call("PUT", "/box").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    for body in ["one", "two"] {
        source.put("/box/k", body).expect(200);
    }
    source.delete("/box/k").expect(204);
    source.put("/box/k", "one").expect(200);
    source.put("/box/gone", "x").expect(200);
    source.delete("/box/gone").expect(204);
    source.delete("/box/never").expect(204);
    put_parts(&source, "/box/k", &[], &[(1, noise(1, 5 << 20)), (2, noise(2, 77))]);
    let until = in_a_year();
    let locked = source.call("PUT", "/box/locked").body("kept").header("content-md5", md5("kept"));
    let locked =
        locked.header("x-amz-object-lock-mode", "COMPLIANCE").header("x-amz-object-lock-retain-until-date", &*until);
    locked.header("x-amz-object-lock-legal-hold", "ON").send().expect(200);
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
        <Mode>GOVERNANCE</Mode><Days>3</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"d","Effect":"Deny","Principal":"*","Action":"s3:PutObject",
        "Resource":"arn:aws:s3:::box/closed/*"}]}"#;
    let settings = [
        ("object-lock", lock),
        ("policy", policy),
        ("tagging", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"),
        (
            "cors",
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>\
                </CORSConfiguration>",
        ),
        (
            "lifecycle",
            "<LifecycleConfiguration><Rule><ID>r</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled</Status>\
                <Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>",
        ),
        (
            "encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        ),
        (
            "website",
            "<WebsiteConfiguration><IndexDocument><Suffix>i.html</Suffix></IndexDocument></WebsiteConfiguration>",
        ),
    ];
    for (name, document) in settings {
        let put = source.call("PUT", &format!("/box?{name}")).body(document).header("content-md5", md5(document));
        let status = put.send().status;
        assert!([200, 204].contains(&status), "{name} {status}");
    }
    source.bucket("rests");
    versioning(&source, "rests", "Enabled");
    source.put("/rests/k", "old").expect(200);
    versioning(&source, "rests", "Suspended");
    source.put("/rests/k", "null").expect(200);

    let done = complete(&mut import_from(&from.endpoint(), &to, &[]));
    assert_eq!(done["versions"], 11, "{done:#}");
    for bucket in ["box", "rests"] {
        assert_eq!(history(&target, bucket), history(&source, bucket));
        let status = |client: &Client| client.get(&format!("/{bucket}?versioning")).expect(200).one("Status");
        assert_eq!(status(&target), status(&source));
    }
    for (name, _) in settings {
        let shown = |client: &Client| client.get(&format!("/box?{name}")).expect(200).text();
        assert_eq!(shown(&target), shown(&source), "{name}");
    }
    let head = target.head("/box/locked").expect(200);
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    let until_of = |client: &Client| {
        client.head("/box/locked").expect(200).header("x-amz-object-lock-retain-until-date").map(str::to_owned)
    };
    assert_eq!(until_of(&target), until_of(&source));
    assert_eq!(head.header("x-amz-object-lock-legal-hold"), Some("ON"));
    // The default retention is of new objects; what was imported without one has none.
    assert_eq!(target.head("/box/k").expect(200).header("x-amz-object-lock-mode"), None);
    let bodies = |client: &Client| -> Vec<Vec<u8>> {
        ids(client, "box", "k")
            .iter()
            .map(|id| client.get(&format!("/box/k?versionId={id}")).expect(200).body)
            .collect()
    };
    assert_eq!(bodies(&target), bodies(&source));

    let again = complete(&mut import_from(&from.endpoint(), &to, &[]));
    assert_eq!((again["versions"].as_u64(), again["skipped"].as_u64()), (Some(0), Some(11)), "{again:#}");
    source.delete("/box/k").expect(204);
    source.put("/box/k", "newest").expect(200);
    let more = complete(&mut import_from(&from.endpoint(), &to, &["--objects-only"]));
    assert_eq!(more["versions"], 2, "{more:#}");
    assert_eq!(history(&target, "box"), history(&source, "box"));
}

fn md5(text: &str) -> String {
    use base64::Engine as _;
    use md5::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(text))
}

#[test]
fn what_is_refused_is_told_and_the_rest_goes_on() {
    let (from, to) = (Server::start(), Server::start());
    let (source, target) = (from.client(), to.client());
    source.bucket("some");
    let key = ["x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key"];
    let secret = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let sealed = source.call("PUT", "/some/sealed").body("x").header(key[0], "AES256").header(key[1], secret);
    let digest = {
        use base64::Engine as _;
        use md5::Digest as _;
        let engine = base64::engine::general_purpose::STANDARD;
        engine.encode(md5::Md5::digest(engine.decode(secret).unwrap()))
    };
    sealed.header("x-amz-server-side-encryption-customer-key-md5", digest).send().expect(200);
    source.put("/some/open", "y").expect(200);
    let told = report(&mut import_from(&from.endpoint(), &to, &["--bucket", "some", "--bucket", "absent"]));
    assert_eq!(told["failed"], 2, "{told:#}");
    let failures = told["failures"].as_array().unwrap();
    assert_eq!(failures[0]["what"], "sealed");
    assert_eq!((&failures[1]["bucket"], &failures[1]["what"]), (&"absent".into(), &"bucket".into()));
    assert!(failures[1]["reason"].as_str().unwrap().contains("NoSuchBucket"), "{told:#}");
    assert_eq!(target.get("/some/open").expect(200).text(), "y");
    target.head("/some/sealed").expect(404);

    let mut wrong = import_from(&from.endpoint(), &to, &[]);
    let output = wrong.env("SLUICEGATE_FROM_SECRET_ACCESS_KEY", "not-the-secret").output().unwrap();
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && line.contains("SignatureDoesNotMatch") && !line.contains("not-the"), "{line}");
}

#[test]
fn the_data_directory_has_the_key() {
    let from = Server::start();
    let source = from.client();
    source.bucket("plain");
    source.put("/plain/k", "body").expect(200);
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let to =
        Server::start_in_with(&data, &[], &[("SLUICEGATE_ACCESS_KEY_ID", ""), ("SLUICEGATE_SECRET_ACCESS_KEY", "")]);
    let mut import = import_from(&from.endpoint(), &to, &["--data-dir", data.to_str().unwrap()]);
    import.env_remove("SLUICEGATE_ACCESS_KEY_ID").env_remove("SLUICEGATE_SECRET_ACCESS_KEY");
    let done = complete(&mut import);
    assert_eq!(done["objects"], 1);
    let mut keyless = import_from(&from.endpoint(), &to, &[]);
    let output = keyless.env_remove("SLUICEGATE_ACCESS_KEY_ID").env_remove("SLUICEGATE_SECRET_ACCESS_KEY").output();
    assert!(String::from_utf8_lossy(&output.unwrap().stderr).contains("which key?"));
}

#[test]
fn a_source_behind_tls_must_be_vouched_for() {
    let directory = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    std::fs::write(&cert, signed.cert.pem()).unwrap();
    std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
    let data = directory.path().join("data");
    let mut plain = Server::start_in(&data, &[]);
    plain.client().bucket("box");
    plain.client().put("/box/k", noise(1, 300_000)).expect(200);
    assert!(plain.stop().success());
    let from = Server::start_in(&data, &["--tls-cert", &cert, "--tls-key", &key]);
    let to = Server::start();
    let endpoint = format!("https://localhost:{}", from.address().port());
    let begun = std::time::Instant::now();
    let refused = import_from(&endpoint, &to, &[]).env("SSL_CERT_FILE", "/dev/null").output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "no further try makes it valid");
    let line = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && line.to_lowercase().contains("certificate"), "{line}");
    let done = complete(import_from(&endpoint, &to, &[]).env("SSL_CERT_FILE", &cert));
    assert_eq!(done["objects"], 1);
    assert!(to.client().get("/box/k").expect(200).body == noise(1, 300_000));
}
