//! restic.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Server, noise};
use super::{assert_same_tree, make_tree, run};

fn restic(server: &Server, home: &Path) -> Command {
    let mut command = Command::new("restic");
    command
        .env("AWS_ACCESS_KEY_ID", ROOT_ID)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
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
