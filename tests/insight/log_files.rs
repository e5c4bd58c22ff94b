//! Log files of a running server: rotation and SIGHUP lose no line.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::Server;

/// The entries of a file and of those that were rotated, and how many files there are.
fn entries(directory: &Path, prefix: &str) -> (Vec<Value>, usize) {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(prefix);
    let texts: Vec<String> = files.filter(named).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (texts.iter().flat_map(|text| text.lines()).map(parse).collect(), texts.len())
}

#[test]
fn each_request_is_one_line_of_the_access_log_whatever_is_rotated_or_moved() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("access.log");
    let path = log.to_str().unwrap();
    let arguments =
        ["--access-log", path, "--access-log-max-size", "64KiB", "--access-log-keep", "50", "--log", "info,access=off"];
    let mut server = Server::start_in(&directory.path().join("data"), &arguments);
    let client = server.client();
    client.bucket("bkt");
    let mut ids = BTreeSet::new();
    let long = "k".repeat(800);
    for number in 0..300 {
        if number == 100 {
            std::fs::rename(&log, directory.path().join("access.log.moved")).unwrap();
            let pid = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
            server.eventually("the file is made again", || log.exists());
        }
        let answer = client.call("GET", &format!("/bkt/{long}{number}")).header("user-agent", "a\"b\\c").send();
        ids.insert(answer.expect(404).header("x-amz-request-id").unwrap().to_owned());
    }
    assert_eq!(server.metric("sluicegate_log_file_lines_dropped_total").unwrap_or_default(), 0.0);
    assert!(server.stop().success());
    let (found, files) = entries(directory.path(), "access.log");
    let logged: BTreeSet<String> = found.iter().map(|entry| entry["request_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(found.len(), 301, "one line each, and the bucket");
    assert!(ids.is_subset(&logged) && files > 3, "{files} files");
    let entry = found.iter().find(|entry| entry["operation"] == "GetObject").unwrap();
    assert_eq!((entry["status"].as_u64(), entry["code"].as_str()), (Some(404), Some("NoSuchKey")));
    assert_eq!((entry["principal"].as_str(), entry["user_agent"].as_str()), (Some("root"), Some("a\"b\\c")));
}

#[test]
fn each_change_by_an_administrator_is_one_line_of_the_audit_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("audit.log");
    let arguments = ["--audit-log", log.to_str().unwrap(), "--log", "info,audit=off"];
    let mut server = Server::start_in(&directory.path().join("data"), &arguments);
    for action in ["pause", "resume", "status"] {
        assert!(server.command(&["control", action]).status.success(), "{action}");
    }
    assert!(server.stop().success());
    let (found, _) = entries(directory.path(), "audit.log");
    let told: Vec<_> = found.iter().map(|entry| (entry["what"].as_str().unwrap(), entry["status"].clone())).collect();
    assert_eq!(told, [("POST /v1/control/pause", 200.into()), ("POST /v1/control/resume", 200.into())]);
    assert_eq!(found[0]["from"], "admin.sock");
}

#[test]
fn a_log_file_that_cannot_be_opened_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("no/such/access.log");
    let mut command = crate::support::server::binary();
    let refused = command
        .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory.path().join("data"))
        .arg("--access-log")
        .arg(&log)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && told.contains("open log file") && told.contains("no/such"), "{told}");
}
