//! The snippets of a page, run as a newcomer pastes them: all blocks marked `sh tested`, one after another in one shell,
//! with the real clients, against a server that has the key that the pages name. Only its address is put in their place.

use std::path::Path;
use std::process::Command;

use super::read;
use super::support::Server;
use super::support::server::admin_address;

/// What the pages name.
const ENDPOINT: &str = "127.0.0.1:9000";
const ID: &str = "admin";
const SECRET: &str = "change-me-please";

/// The blocks of a page whose mark is `mark`, as `sh tested`.
pub fn blocks(page: &str, mark: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in read(page).lines() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if is_inside => is_inside = false,
            Some(found_mark) if found_mark == mark => {
                is_inside = true;
                found.push(String::new());
            }
            Some(_) | None if is_inside => {
                let block = found.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            Some(_) | None => {}
        }
    }
    found
}

/// Runs a page and returns what it printed.
#[track_caller]
fn follow(page: &str) -> String {
    follow_with(page, |_| {})
}

/// As `follow`, in a directory that something was done to.
#[track_caller]
fn follow_with(page: &str, prepare: impl FnOnce(&Path)) -> String {
    let blocks = blocks(page, "sh tested");
    assert!(blocks.len() >= 3, "{page} has marked blocks");
    let scratch = tempfile::tempdir().unwrap();
    let at = scratch.path();
    let named = [("SLUICEGATE_ACCESS_KEY_ID", ID), ("SLUICEGATE_SECRET_ACCESS_KEY", SECRET)];
    let server = Server::start_in_with(&at.join("data"), &[], &named);
    std::fs::write(at.join("README.md"), read("README.md")).unwrap();
    prepare(at);
    let mut script = "set -euo pipefail\n".to_owned();
    for block in &blocks {
        script.push_str(&block.replace(ENDPOINT, &server.address().to_string()));
        if block.contains("sluicegate key add") {
            // A running server knows a new key within a second: nobody types faster.
            script.push_str("sleep 1\n");
        }
    }
    let binary = Path::new(env!("CARGO_BIN_EXE_sluicegate")).parent().unwrap().to_str().unwrap();
    let path = format!("{binary}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(&script).current_dir(at).env("PATH", path);
    for variable in ["AWS_CA_BUNDLE", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"] {
        shell.env_remove(variable);
    }
    // What clients would keep in the home of whoever runs the tests.
    shell
        .env("AWS_CONFIG_FILE", at.join("aws-config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", at.join("aws-credentials"))
        .env("AWS_PAGER", "")
        .env("RCLONE_CONFIG", at.join("rclone.conf"))
        .env("RESTIC_CACHE_DIR", at.join("cache"))
        .env("SLUICEGATE_LISTEN", server.address().to_string())
        .env("SLUICEGATE_ADMIN_LISTEN", admin_address(&server.log()).to_string());
    let output = shell.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{page}: {}\n{script}\n--- printed ---\n{told}\n{faults}", output.status);
    told
}

#[test]
fn first_upload_of_the_readme() {
    let told = follow("README.md");
    assert!(told.contains("README.md"), "{told}");
}

#[test]
fn the_tutorial() {
    let told = follow("docs/tutorial/first-server.md");
    assert!(told.contains("ready") && told.contains("diary.txt"), "{told}");
}

#[test]
fn aws() {
    let told = follow("docs/how-to/aws.md");
    assert!(told.contains("2026/cat.txt") && told.contains("DeleteMarkers"), "{told}");
}

#[test]
fn rclone() {
    let told = follow("docs/how-to/rclone.md");
    assert!(told.contains("cat.txt"), "{told}");
}

#[test]
fn restic() {
    let told = follow("docs/how-to/restic.md");
    assert!(told.contains("no errors were found"), "{told}");
}

#[test]
fn boto3() {
    let told = follow("docs/how-to/boto3.md");
    assert!(told.contains("all is well\nreport.txt 11\n20971520"), "{told}");
}

#[test]
fn s3cmd() {
    let told = follow("docs/how-to/s3cmd.md");
    assert!(told.contains("s3://photos/2026/cat.txt") && told.contains("Signature="), "{told}");
}

#[test]
fn minio_sdk() {
    let told = follow("docs/how-to/minio-sdk.md");
    assert!(
        told.contains("2026/report.txt 11") && told.contains("X-Amz-Signature=") && told.contains("20971520"),
        "{told}"
    );
}

#[test]
fn javascript() {
    // Where the `npm install` of the page puts its modules; scripts/test has installed them.
    let found = Command::new("npm").args(["root", "--global"]).output().expect("run npm; is it installed?");
    let modules = String::from_utf8(found.stdout).unwrap();
    let told = follow_with("docs/how-to/javascript.md", |at| {
        std::os::unix::fs::symlink(modules.trim(), at.join("node_modules")).unwrap();
    });
    assert!(told.contains("all is well\n2026/report.txt 11\n20000000\n200"), "{told}");
}

/// What Veeam's documentation says that it does; Veeam itself is not to be had.
#[test]
fn veeam() {
    let told = follow("docs/how-to/veeam.md");
    assert!(told.contains("COMPLIANCE") && told.ends_with("it is locked\n"), "{told}");
}
