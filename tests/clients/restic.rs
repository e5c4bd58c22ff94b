//! restic.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::support::client::Credentials;
use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Client, Server, noise};
use super::{assert_same_tree, make_tree, run};

fn restic(server: &Server, home: &Path) -> Command {
    restic_with(server, home, &Credentials::new(ROOT_ID, ROOT_SECRET))
}

fn restic_with(server: &Server, home: &Path, key: &Credentials) -> Command {
    let mut command = Command::new("restic");
    command
        .env("AWS_ACCESS_KEY_ID", &key.id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret)
        .envs(key.token.iter().map(|token| ("AWS_SESSION_TOKEN", token)))
        .env("RESTIC_REPOSITORY", format!("s3:{}/backups/host", server.endpoint()))
        .env("RESTIC_PASSWORD", "a password")
        .env("RESTIC_CACHE_DIR", home.join("cache"))
        .current_dir(home);
    command
}

#[test]
fn the_daily_work_of_restic() {
    let mut server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let tree = at.join("tree");
    make_tree(&tree, 200);
    std::fs::write(tree.join("large"), noise(5, 60 << 20)).unwrap();
    let go = |server: &Server, arguments: &[&str]| run(restic(server, at).args(arguments));

    go(&server, &["init"]);
    go(&server, &["backup", "tree"]);
    std::fs::write(tree.join("large"), noise(6, 50 << 20)).unwrap();
    std::fs::remove_dir_all(tree.join("dir-1")).unwrap();
    go(&server, &["backup", "tree"]);
    server.kill();
    server.restart();
    go(&server, &["check", "--read-data"]);
    go(&server, &["restore", "latest", "--target", "restored"]);
    assert_same_tree(
        &tree,
        &at.join("restored").join(tree.strip_prefix("/").unwrap()).canonical_or(at.join("restored/tree")),
    );

    // A backup that is killed half-way leaves a repository that is whole.
    std::fs::write(tree.join("more"), noise(7, 80 << 20)).unwrap();
    let mut killed =
        restic(&server, at).args(["backup", "tree"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let files = server.chunk_files().len();
    server.eventually("the backup has begun", || server.chunk_files().len() > files);
    std::thread::sleep(Duration::from_millis(100));
    killed.kill().unwrap();
    killed.wait().unwrap();
    go(&server, &["unlock", "--remove-all"]);
    go(&server, &["check", "--read-data"]);
    go(&server, &["backup", "tree"]);
    go(&server, &["forget", "--keep-last", "1", "--prune"]);
    go(&server, &["check", "--read-data"]);
    server.stop_and_check();
}

/// The key that lives on the machine which is backed up can add to its history, read it, and not shorten it.
#[test]
fn an_append_only_key_backs_up_and_forgets_nothing() {
    let mut server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    make_tree(&at.join("tree"), 100);
    let owner = server.client_of("nas");
    owner.bucket("backups");
    let key = ["--for", "nas", "--policy", "restic-append-only", "--bucket", "backups"];
    let key = server.client_with("nas-backup", &key).credentials.expect("a key");
    let by_key = |arguments: &[&str]| run(restic_with(&server, at, &key).args(arguments));
    by_key(&["init"]);
    for round in 0..3 {
        std::fs::write(at.join("tree/changing"), noise(round, 20 << 20)).unwrap();
        by_key(&["backup", "tree"]);
    }
    by_key(&["check", "--read-data"]);
    assert_eq!(owner.get("/backups?prefix=host/locks/").expect(200).all("Key"), Vec::<String>::new());
    let kept = || owner.get("/backups?versions").expect(200).all("ETag");
    let before = kept();
    let started = Instant::now();
    let forget = restic_with(&server, at, &key).args(["forget", "--keep-last", "2", "--prune"]).output().unwrap();
    let told = String::from_utf8_lossy(&forget.stderr).into_owned();
    assert!(!forget.status.success() && told.contains("Access Denied"), "{told}");
    // Old versions of restic try each removal ten times within a minute, whatever the answer.
    assert!(started.elapsed() < Duration::from_secs(180), "a refusal is final: {told}");
    let after = kept();
    assert!(before.iter().all(|etag| after.contains(etag)), "nothing is lost");
    let listed = by_key(&["snapshots", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(listed.as_array().unwrap().len() == 3, "{listed}");
    by_key(&["check", "--read-data"]);
    by_key(&["restore", "latest", "--target", "restored"]);
    // The key that owns the bucket keeps house.
    let house = owner.credentials.clone().expect("a key");
    run(restic_with(&server, at, &house).args(["forget", "--keep-last", "1", "--prune"]));
    by_key(&["backup", "tree"]);
    // A session of the key does the same; restic signs every frame of what it sends.
    let form = "Action=GetSessionToken&Version=2011-06-15";
    let client = Client::new(server.address(), Some(key.clone())).call("POST", "/").service("sts").body(form);
    let answer = client.header("content-type", "application/x-www-form-urlencoded").send().expect(200);
    let token = Some(answer.one("SessionToken"));
    let session = Credentials { id: answer.one("AccessKeyId"), secret: answer.one("SecretAccessKey"), token };
    std::fs::write(at.join("tree/changing"), noise(9, 20 << 20)).unwrap();
    run(restic_with(&server, at, &session).args(["backup", "tree"]));
    server.stop_and_check();
}

trait CanonicalOr {
    fn canonical_or(self, other: std::path::PathBuf) -> std::path::PathBuf;
}

impl CanonicalOr for std::path::PathBuf {
    /// This path if it exists, otherwise `other`: restic restores below the absolute path of what it saved,
    /// or below the name that it was given, depending on its version.
    fn canonical_or(self, other: std::path::PathBuf) -> std::path::PathBuf {
        if self.exists() { self } else { other }
    }
}
