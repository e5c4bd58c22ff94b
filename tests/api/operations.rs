//! The command line and what an operator sees: start, stop, health, metrics, logs, refusals.

use std::io::{BufReader, Write as _};
use std::time::Duration;

use super::support::client::try_read_answer;
use super::support::{Server, noise};

#[test]
fn health_and_metrics_are_served_on_the_admin_listener() {
    let server = Server::start();
    let client = server.client();
    client.bucket("seen");
    client.put("/seen/k", "x").expect(200);
    assert_eq!(server.admin("/health/live").status, 200);
    assert_eq!(server.admin("/health/ready").status, 200);
    assert_eq!(server.admin("/nothing").status, 404);
    let metrics = server.admin("/metrics");
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for name in ["sluicegate_requests_total", "sluicegate_pool_blocks", "sluicegate_memory"] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
    assert!(!text.contains("root-secret"), "no secret is shown");
    client.get("/health/live").expect(404);
}

#[test]
fn what_is_not_built_says_so() {
    let server = Server::start();
    let client = server.client();
    client.bucket("later");
    client.put("/later/k", "x").expect(200);
    for (method, target, name) in [
        ("PUT", "/later?replication", "PutBucketReplication"),
        ("POST", "/later/k?select&select-type=2", "SelectObjectContent"),
    ] {
        let answer = client.call(method, target).body("<x/>").send().expect_error(501, "NotImplemented");
        assert!(answer.one("Message").contains(name), "{target}: {}", answer.text());
    }
    for (header, value) in [("x-amz-write-offset-bytes", "1"), ("x-amz-object-lock-event-hold", "ON")] {
        client.call("PUT", "/later/k").header(header, value).body("y").send().expect_error(501, "NotImplemented");
    }
    assert_eq!(client.get("/later/k").expect(200).body, b"x", "nothing was stored");
    client.call("PUT", "/later/k").header("x-amz-acl", "private").body("y").send().expect(200);
    let public = client.call("PUT", "/later/k").header("x-amz-acl", "public-read").body("z").send();
    public.expect_error(400, "AccessControlListNotSupported");
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start();
    let second = super::support::server::binary()
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.data())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("in use") || told.contains("another"), "{told}");
    server.client().get("/").expect(200);
}

#[test]
fn the_drain_finishes_what_runs() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("drain");
    let body = noise(8, 1_000_000);
    let head = client.call("PUT", "/drain/k").payload("UNSIGNED-PAYLOAD").header("content-length", "1000000").head();
    let mut stream = client.connect();
    stream.write_all(&head).unwrap();
    stream.write_all(&body[..500_000]).unwrap();
    server.eventually("the upload runs", || server.metric("sluicegate_requests_in_flight") == Some(1.0));
    let finisher = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        stream.write_all(&body[500_000..]).unwrap();
        try_read_answer(&mut BufReader::new(stream), "PUT").map(|answer| answer.status)
    });
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(finisher.join().unwrap().unwrap(), 200, "the drain waits for a running request");
    server.restart();
    assert_eq!(server.client().get("/drain/k").expect(200).body.len(), 1_000_000);
}

#[test]
fn the_drain_has_a_deadline() {
    let mut server = Server::start_with(&["--drain-timeout", "1"]);
    let client = server.client();
    client.bucket("drain");
    let head = client.call("PUT", "/drain/k").payload("UNSIGNED-PAYLOAD").header("content-length", "1000000").head();
    let mut stream = client.connect();
    stream.write_all(&head).unwrap();
    stream.write_all(&[1; 1000]).unwrap();
    server.eventually("the upload runs", || server.metric("sluicegate_requests_in_flight") == Some(1.0));
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert!(server.log().contains("rain"), "the cause is logged: {}", server.log());
    server.check();
}

#[test]
fn every_request_leaves_one_access_line() {
    let server = Server::start_with(&["--log-format", "json"]);
    let client = server.client();
    client.bucket("logged");
    let put = client.put("/logged/k", "hello").expect(200);
    let id = put.header("x-amz-request-id").unwrap().to_owned();
    server.eventually("the line is written", || server.log().contains(&id));
    let log = server.log();
    let line = log.lines().find(|line| line.contains(&id)).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
    let text = line.to_string();
    for part in ["PutObject", "logged", "200", "root"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!log.contains("root-secret"));
}

#[test]
fn the_command_line_manages_keys_and_buckets() {
    let server = Server::start();
    let listed = |arguments: &[&str]| String::from_utf8(server.command(arguments).stdout).unwrap();
    assert!(server.command(&["key", "add", "carol"]).status.success());
    assert!(listed(&["key", "list"]).contains("carol"));
    assert!(!server.command(&["key", "add", "carol"]).status.success(), "names are unique");
    assert!(server.command(&["bucket", "create", "from-the-shell"]).status.success());
    assert!(listed(&["bucket", "list"]).contains("from-the-shell"));
    server.client().head("/from-the-shell").expect(200);
    assert!(server.command(&["bucket", "remove", "from-the-shell"]).status.success());
    server.client().head("/from-the-shell").expect(404);
    assert!(server.command(&["key", "remove", "carol"]).status.success());
    assert!(!server.command(&["key", "remove", "carol"]).status.success());
    let doctor = listed(&["doctor"]);
    for part in ["clock", "memory", "sync", "space"] {
        assert!(doctor.to_lowercase().contains(part), "{part} is missing in {doctor}");
    }
    assert!(!doctor.contains("root-secret"));
}

#[test]
fn a_bucket_of_the_command_line_has_the_ownership_that_the_server_gives() {
    let server = Server::start_with(&["--default-object-ownership", "ObjectWriter"]);
    let client = server.client();
    let rule = |bucket: &str| client.get(&format!("/{bucket}?ownershipControls")).expect(200).one("ObjectOwnership");
    let create = |words: &[&str], environment: Option<&str>| {
        let mut command = super::support::server::binary();
        command.args(["bucket", "create"]).args(words).arg("--data-dir").arg(server.data());
        command.envs(environment.map(|rule| ("SLUICEGATE_DEFAULT_OBJECT_OWNERSHIP", rule)));
        command.output().unwrap().status.success()
    };
    client.bucket("by-client");
    assert_eq!(rule("by-client"), "ObjectWriter");
    assert!(create(&["by-flag", "--default-object-ownership", "ObjectWriter"], None));
    assert!(create(&["by-environment"], Some("BucketOwnerPreferred")));
    assert!(create(&["flag-wins", "--default-object-ownership", "ObjectWriter"], Some("BucketOwnerPreferred")));
    assert!(create(&["by-default"], None));
    let file = server.data().join("settings.toml");
    std::fs::write(&file, "default-object-ownership = \"ObjectWriter\"\n").unwrap();
    assert!(create(&["by-file", "--config", file.to_str().unwrap()], None));
    assert!(!create(&["never", "--default-object-ownership", "Nobody"], None));
    client.head("/never").expect(404);
    for (bucket, expected) in [
        ("by-flag", "ObjectWriter"),
        ("by-environment", "BucketOwnerPreferred"),
        ("flag-wins", "ObjectWriter"),
        ("by-default", "BucketOwnerEnforced"),
        ("by-file", "ObjectWriter"),
    ] {
        assert_eq!(rule(bucket), expected, "{bucket}");
    }
    client.call("PUT", "/by-default/k").header("x-amz-acl", "private").body("x").send().expect(200);
    client.call("PUT", "/by-flag/k").header("x-amz-acl", "public-read").body("x").send().expect(200);
    server.anonymous().get("/by-flag/k").expect(200);
}

#[test]
fn a_first_start_makes_root_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let start = || {
        let mut command = super::support::server::binary();
        command.env_remove("SLUICEGATE_ACCESS_KEY_ID").env_remove("SLUICEGATE_SECRET_ACCESS_KEY");
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(&data);
        let mut child =
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
        let mut told = String::new();
        let mut lines = std::io::BufRead::lines(BufReader::new(child.stdout.take().unwrap()));
        for line in lines.by_ref() {
            let line = line.unwrap();
            told.push_str(&line);
            if line.contains("listening on") {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told
    };
    let first = start();
    let stored = std::fs::read_to_string(data.join("credentials")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(data.join("credentials")).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = stored.lines().find(|line| line.contains("secret")).unwrap().rsplit([' ', '=']).next().unwrap();
    assert!(secret.len() >= 32 && first.contains(secret), "printed once");
    assert!(!start().contains(secret), "and never again");
}

#[test]
fn bad_settings_end_with_one_line() {
    for arguments in [&["--memory", "lots"][..], &["--listen", "nowhere"], &["--config", "/nonexistent.toml"]] {
        let directory = tempfile::tempdir().unwrap();
        let output = super::support::server::binary()
            .args(["serve", "--data-dir"])
            .arg(directory.path().join("data"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!told.trim().is_empty() && !told.contains("panicked"), "{told}");
    }
}

#[test]
fn tls_serves_both_http_versions() {
    let directory = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&cert, signed.cert.pem()).unwrap();
    std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(&["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()]);
    for version in ["--http1.1", "--http2"] {
        let output = std::process::Command::new("curl")
            .args([
                "-sS",
                version,
                "--cacert",
                cert.to_str().unwrap(),
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{http_code}",
            ])
            .arg("--resolve")
            .arg(format!("localhost:{}:127.0.0.1", server.address().port()))
            .arg(format!("https://localhost:{}/", server.address().port()))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = if version == "--http2" { "2 403" } else { "1.1 403" };
        assert_eq!(told, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
