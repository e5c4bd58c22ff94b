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

/// Lines of `rclone --s3-versions lsf`, names only.
fn with_versions(server: &Server, at: &Path, bucket: &str) -> Vec<String> {
    let listed = told(rclone(server, "Other", at).args(["--s3-versions", "lsf", "-R", "--files-only", bucket]));
    listed.lines().map(str::to_owned).collect()
}

#[test]
fn rclone_turns_versioning_on_reads_old_versions_and_cleans_them_up() {
    let mut server = Server::start_with(&["--domain", DOMAIN]);
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let gate = |arguments: &[&str]| told(rclone(&server, "Other", at).args(arguments)).trim().to_owned();
    gate(&["mkdir", "gate:versions"]);
    assert_eq!(gate(&["backend", "versioning", "gate:versions"]), "Unversioned");
    assert_eq!(gate(&["backend", "versioning", "gate:versions", "Enabled"]), "Enabled");
    assert_eq!(gate(&["backend", "versioning", "gate:versions"]), "Enabled");

    let file = at.join("file");
    for body in ["one", "two!", "three"] {
        std::fs::write(&file, body).unwrap();
        gate(&["copyto", "file", "gate:versions/file"]);
        // rclone names versions by the millisecond and skips a file whose size and time are the same.
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    // At the top of the bucket: below a directory this rclone finds no version that is named alone.
    let old: Vec<String> = with_versions(&server, at, "gate:versions");
    assert_eq!(old.len(), 3, "{old:?}");
    let mut bodies: Vec<String> =
        old.iter().map(|name| gate(&["--s3-versions", "cat", &format!("gate:versions/{name}")])).collect();
    bodies.sort();
    assert_eq!(bodies, ["one", "three", "two!"]);

    gate(&["copyto", "file", "gate:versions/d/other"]);
    gate(&["deletefile", "gate:versions/file"]);
    assert_eq!(gate(&["lsf", "-R", "--files-only", "gate:versions"]), "d/other");
    let hidden = with_versions(&server, at, "gate:versions");
    assert_eq!(hidden.len(), 4, "{hidden:?}");
    let is_oldest = |name: &&String| {
        name.starts_with("file") && gate(&["--s3-versions", "cat", &format!("gate:versions/{name}")]) == "one"
    };
    let oldest = hidden.iter().find(is_oldest);
    let oldest = format!("gate:versions/{}", oldest.unwrap());
    gate(&["--s3-versions", "copyto", &oldest, "back"]);
    assert_eq!(std::fs::read_to_string(at.join("back")).unwrap(), "one");
    gate(&["--s3-versions", "deletefile", &oldest]);
    assert_eq!(with_versions(&server, at, "gate:versions").len(), 3);

    // Hidden is what has a newer version or a delete marker: all of `file`.
    gate(&["backend", "cleanup-hidden", "gate:versions", "--dry-run"]);
    assert_eq!(with_versions(&server, at, "gate:versions").len(), 3, "a dry run removes nothing");
    gate(&["backend", "cleanup-hidden", "gate:versions"]);
    assert_eq!(with_versions(&server, at, "gate:versions"), ["d/other"]);
    assert_eq!(gate(&["backend", "versioning", "gate:versions", "Suspended"]), "Suspended");

    // Nothing here is on tape: rclone is told so for each object.
    let restored = gate(&["backend", "restore", "gate:versions", "-o", "priority=Standard", "-o", "lifetime=1"]);
    assert!(restored.contains("GLACIER"), "{restored}");
    gate(&["backend", "list-multipart-uploads", "gate:versions"]);
    gate(&["backend", "cleanup", "gate:versions", "-o", "max-age=1s"]);
    gate(&["cleanup", "gate:versions"]);
    gate(&["purge", "gate:versions"]);
    assert_eq!(gate(&["lsd", "gate:"]), "");
    server.stop_and_check();
}

#[test]
fn rclone_removes_nothing_that_an_object_lock_holds() {
    let mut server = Server::start_with(&["--domain", DOMAIN]);
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let client = server.client();
    client.call("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    let default = "<Mode>COMPLIANCE</Mode><Days>1</Days>";
    let rule = format!("<Rule><DefaultRetention>{default}</DefaultRetention></Rule>");
    let lock = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>";
    let lock = format!("<ObjectLockConfiguration>{lock}{rule}</ObjectLockConfiguration>");
    client.put("/locked?object-lock", lock).expect(200);
    let gate = |arguments: &[&str]| rclone(&server, "Other", at).args(arguments).output().unwrap();

    // A small file, one in parts, and a new time for a file that is there: a copy onto itself.
    std::fs::write(at.join("small"), "small").unwrap();
    std::fs::write(at.join("large"), noise(5, 12 << 20)).unwrap();
    let parts = ["--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi"];
    for name in ["small", "large"] {
        let copied = gate(&[&["copyto", name, &format!("gate:locked/{name}")][..], &parts].concat());
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
    assert!(gate(&["touch", "gate:locked/small", "-t", "2001-02-03T04:05:06"]).status.success());
    assert!(gate(&["delete", "gate:locked"]).status.success(), "a delete hides");
    assert_eq!(gate(&["lsf", "gate:locked"]).stdout, b"");
    let versions = with_versions(&server, at, "gate:locked");
    assert_eq!(versions.len(), 3, "{versions:?}");
    let cleaned = gate(&["backend", "cleanup-hidden", "gate:locked"]);
    let told = String::from_utf8_lossy(&cleaned.stderr).into_owned();
    assert!(told.contains("AccessDenied"), "{told}");
    assert!(!gate(&["--s3-versions", "delete", "gate:locked"]).status.success());
    assert!(!gate(&["purge", "gate:locked"]).status.success());
    // A purge takes the delete markers away, which no lock holds: all that they hid is there again.
    let versions = with_versions(&server, at, "gate:locked");
    assert_eq!(versions.len(), 3, "{versions:?}");
    for name in versions {
        let back = gate(&["--s3-versions", "cat", &format!("gate:locked/{name}")]).stdout;
        assert!(back == b"small" || back == noise(5, 12 << 20), "{name}: other bytes");
    }
    server.stop_and_check();
}
