//! Directory trees in and out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use super::support::client::escape_path;
use super::support::server::binary;
use super::support::{Server, noise};
use super::{complete, report};

fn import(tree: &Path, to: &Server, arguments: &[&str]) -> Command {
    let mut command = binary();
    command.args(["import", "dir"]).arg(tree).args(["--to", &to.endpoint(), "--json", "--bucket"]).args(arguments);
    command
}

fn export(tree: &Path, from: &Server, arguments: &[&str]) -> Command {
    let mut command = binary();
    command.args(["export", "dir"]).arg(tree).args(["--from", &from.endpoint(), "--json", "--bucket"]).args(arguments);
    command
}

fn touch(path: &Path, time: &str) {
    assert!(Command::new("touch").args(["-d", time]).arg(path).status().unwrap().success());
}

#[track_caller]
fn assert_same(a: &Path, b: &Path) {
    let output = Command::new("diff").arg("-r").arg(a).arg(b).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_tree_goes_in_and_comes_out_the_same() {
    let server = Server::start();
    let client = server.client();
    let home = tempfile::tempdir().unwrap();
    let tree = home.path().join("tree");
    std::fs::create_dir_all(tree.join("a b/ü 日本/+&")).unwrap();
    for (index, name) in ["x.txt", "a b/page.html", "a b/ü 日本/%41", "a b/ü 日本/+&/deep", "none"].iter().enumerate()
    {
        std::fs::write(tree.join(name), noise(index as u64, index * 5000)).unwrap();
    }
    std::fs::write(tree.join("large"), noise(9, (130 << 20) + 7)).unwrap();
    touch(&tree.join("x.txt"), "2001-02-03 04:05:06.789 UTC");
    touch(&tree.join("none"), "1969-12-31 23:59:58.5 UTC");

    let dry = complete(&mut import(&tree, &server, &["files", "--prefix", "at/", "--dry-run"]));
    assert_eq!(dry["objects"], 6);
    client.head("/files").expect(404);
    let done = complete(&mut import(&tree, &server, &["files", "--prefix", "at/"]));
    assert_eq!(done["objects"], 6, "{done:#}");
    let head = client.head("/files/at/x.txt").expect(200);
    assert_eq!(head.header("x-amz-meta-mtime"), Some("981173106.789"));
    assert_eq!(head.header("content-type"), Some("text/plain"));
    assert_eq!(client.head("/files/at/none").expect(200).header("x-amz-meta-mtime"), Some("-1.5"));
    let page = client.head(&format!("/files/{}", escape_path("at/a b/page.html"))).expect(200);
    assert_eq!(page.header("content-type"), Some("text/html"));
    assert!(client.head("/files/at/large").expect(200).etag().ends_with("-3"));

    let again = complete(&mut import(&tree, &server, &["files", "--prefix", "at/"]));
    assert_eq!((again["objects"].as_u64(), again["skipped"].as_u64()), (Some(0), Some(6)), "{again:#}");
    touch(&tree.join("x.txt"), "2011-02-03 04:05:06 UTC");
    let changed = complete(&mut import(&tree, &server, &["files", "--prefix", "at/"]));
    assert_eq!(changed["objects"], 1, "{changed:#}");

    let back = home.path().join("back");
    let out = complete(&mut export(&back, &server, &["files"]));
    assert_eq!(out["objects"], 6, "{out:#}");
    assert_same(&tree, &back.join("at"));
    for name in ["x.txt", "none", "large"] {
        let time = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(&back.join("at").join(name)), time(&tree.join(name)), "{name}");
    }
    let again = complete(&mut export(&back, &server, &["files"]));
    assert_eq!((again["objects"].as_u64(), again["skipped"].as_u64()), (Some(0), Some(6)), "{again:#}");
    std::fs::write(back.join("at/x.txt"), "of another length").unwrap();
    let repaired = complete(&mut export(&back, &server, &["files", "--prefix", "at/x"]));
    assert_eq!(repaired["objects"], 1, "{repaired:#}");
    assert_same(&tree, &back.join("at"));
}

#[test]
fn links_pipes_and_strange_names_are_told_and_stay_outside() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let tree = home.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(home.path().join("secret"), "secret").unwrap();
    std::fs::write(tree.join("file"), "x").unwrap();
    std::fs::write(tree.join(OsStr::from_bytes(b"latin\xe4")), "x").unwrap();
    std::os::unix::fs::symlink("../secret", tree.join("link")).unwrap();
    std::os::unix::fs::symlink("..", tree.join("up")).unwrap();
    assert!(Command::new("mkfifo").arg(tree.join("pipe")).status().unwrap().success());
    let done = complete(&mut import(&tree, &server, &["files"]));
    assert_eq!((done["objects"].as_u64(), done["passed_over"].as_u64()), (Some(1), Some(4)), "{done:#}");
    assert_eq!(server.client().get("/files?list-type=2").expect(200).all("Key"), ["file"]);
}

#[test]
fn no_key_leaves_the_directory() {
    let server = Server::start();
    let client = server.client();
    client.bucket("files");
    let keys = ["../up", "a/../../b", "/etc/evil", "x//y", ".", "fine", "dir", "dir/below", "link/through", "folder/"];
    for key in keys {
        let body = if key.ends_with('/') { "" } else { "x" };
        client.put(&format!("/files/{}", escape_path(key)), body).expect(200);
    }
    let home = tempfile::tempdir().unwrap();
    let (tree, outside) = (home.path().join("tree"), home.path().join("outside"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
    let told = report(&mut export(&tree, &server, &["files"]));
    let mut failed: Vec<_> =
        told["failures"].as_array().unwrap().iter().map(|fault| fault["what"].as_str().unwrap().to_owned()).collect();
    failed.sort();
    assert_eq!(failed, [".", "../up", "/etc/evil", "a/../../b", "dir/below", "link/through", "x//y"], "{told:#}");
    let mut found: Vec<_> =
        std::fs::read_dir(&tree).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    assert_eq!(found, ["dir", "fine", "folder", "link"]);
    assert!(std::fs::read_dir(&outside).unwrap().next().is_none());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "nothing beside them");
}

#[test]
fn an_export_that_is_killed_leaves_whole_files() {
    let server = Server::start();
    let client = server.client();
    client.bucket("files");
    for index in 0..8_u64 {
        client.put(&format!("/files/{index}"), noise(index, 4 << 20)).expect(200);
    }
    let slow =
        super::proxy::Faults { refuse_every: 0, cut_after: usize::MAX, rest: std::time::Duration::from_millis(3) };
    let proxy = super::proxy::Proxy::start(server.address(), slow);
    let home = tempfile::tempdir().unwrap();
    let tree = home.path().join("tree");
    let mut child = binary()
        .args(["export", "dir"])
        .arg(&tree)
        .args(["--from", &proxy.endpoint(), "--bucket", "files", "--parallel", "2"])
        .spawn()
        .unwrap();
    let whole = || (0..8_u64).filter(|index| tree.join(index.to_string()).exists()).count();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while whole() < 2 {
        assert!(std::time::Instant::now() < deadline, "the export gets on");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(whole() < 8, "it was killed in the middle");
    for index in (0..8_u64).filter(|index| tree.join(index.to_string()).exists()) {
        assert!(std::fs::read(tree.join(index.to_string())).unwrap() == noise(index, 4 << 20), "{index}");
    }
    complete(&mut export(&tree, &server, &["files"]));
    assert_eq!(std::fs::read_dir(&tree).unwrap().count(), 8, "no rest of the first try is left");
}
