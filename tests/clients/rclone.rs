//! rclone, with the providers `Other` (ListObjects V1, no encoding) and `AWS`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Server, noise};
use super::{assert_same_tree, make_tree, run, told};

/// The base domain of virtual-host style in these tests.
const DOMAIN: &str = "s3.gateway.test";

fn rclone(server: &Server, provider: &str, home: &Path) -> Command {
    let mut command = Command::new("rclone");
    command
        .env("RCLONE_CONFIG", home.join("rclone.conf"))
        .env("RCLONE_CONFIG_GATE_TYPE", "s3")
        .env("RCLONE_CONFIG_GATE_PROVIDER", provider)
        .env("RCLONE_CONFIG_GATE_ENDPOINT", format!("http://{DOMAIN}"))
        .env("RCLONE_CONFIG_GATE_REGION", "us-east-1")
        .env("RCLONE_CONFIG_GATE_ACCESS_KEY_ID", ROOT_ID)
        .env("RCLONE_CONFIG_GATE_SECRET_ACCESS_KEY", ROOT_SECRET)
        // With the provider `AWS` rclone insists on virtual-host style. No resolver knows these names, so the gateway
        // is named as the proxy: requests then carry their whole URL (RFC 9112, absolute-form).
        .env("HTTP_PROXY", server.endpoint())
        .env("http_proxy", server.endpoint())
        // rclone cannot take a bundle of authorities from this variable.
        .env_remove("AWS_CA_BUNDLE")
        .env("RCLONE_RETRIES", "1")
        .env("RCLONE_LOW_LEVEL_RETRIES", "1")
        .current_dir(home);
    command
}

fn daily_work(provider: &str) {
    let mut server = Server::start_with(&["--domain", DOMAIN]);
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let tree = at.join("tree");
    make_tree(&tree, 300);
    std::fs::write(tree.join("large"), noise(3, 30 << 20)).unwrap();
    run(Command::new("touch").args(["-d", "2001-02-03 04:05:06.789"]).arg(tree.join("large")));
    let gate = |server: &Server, arguments: &[&str]| told(rclone(server, provider, at).args(arguments));

    // A small cutoff so that the large file goes up in parts.
    let sync = ["sync", "tree", "gate:daily/at", "--s3-upload-cutoff", "10Mi", "--s3-chunk-size", "5Mi"];
    gate(&server, &sync);
    gate(&server, &["check", "--download", "tree", "gate:daily/at"]);
    server.kill();
    server.restart();
    gate(&server, &["check", "tree", "gate:daily/at"]);
    let again = run(rclone(&server, provider, at).args(sync).arg("-v"));
    let again = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.contains(": Copied"), "a second sync has nothing to do: {again}");
    let listed = gate(&server, &["lsl", "gate:daily/at/large"]);
    assert!(listed.contains("2001-02-03 04:05:06.789"), "mtime is kept: {listed}");

    gate(&server, &["copy", "gate:daily/at", "gate:daily/copy"]);
    gate(&server, &["check", "gate:daily/at", "gate:daily/copy"]);
    gate(&server, &["move", "gate:daily/copy", "gate:daily/moved"]);
    gate(&server, &["check", "--download", "tree", "gate:daily/moved"]);
    gate(&server, &["sync", "gate:daily/moved", "back"]);
    assert_same_tree(&tree, &at.join("back"));

    // A body whose length nobody knows, small and large.
    for size in [1000, 12 << 20] {
        let mut cat = rclone(&server, provider, at)
            .args(["rcat", "gate:daily/stream", "--s3-chunk-size", "5Mi"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        cat.stdin.take().unwrap().write_all(&noise(4, size)).unwrap();
        assert!(cat.wait().unwrap().success());
        let back = run(rclone(&server, provider, at).args(["cat", "gate:daily/stream"])).stdout;
        assert!(back == noise(4, size));
    }
    run(Command::new("touch").args(["-d", "2011-12-13 14:15:16"]).arg(tree.join("large")));
    gate(&server, &sync);
    assert!(
        gate(&server, &["lsl", "gate:daily/at/large"]).contains("2011-12-13 14:15:16"),
        "a new mtime is a self-copy"
    );
    gate(&server, &["purge", "gate:daily"]);
    assert_eq!(gate(&server, &["lsd", "gate:"]).trim(), "");
    server.stop_and_check();
    for line in server.log().lines() {
        assert!(!line.contains("ERROR"), "the gateway logged an error: {line}");
    }
}

#[test]
fn the_daily_work_of_rclone_with_provider_other() {
    daily_work("Other");
}

#[test]
fn the_daily_work_of_rclone_with_provider_aws() {
    daily_work("AWS");
}
