//! The command line: results as JSON, exit codes, completions, the manual.

use std::process::{Command, Output};

use serde_json::Value;

use super::support::server::binary;
use super::support::{Server, noise};

/// Runs a command on the server's data that must end with `code`, and reads what it prints as one JSON document.
#[track_caller]
fn json(server: &Server, code: i32, arguments: &[&str]) -> Value {
    let output = server.command(&[arguments, &["--json"]].concat());
    let told = String::from_utf8_lossy(&output.stdout);
    let faults = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}{faults}");
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {told}"))
}

fn run(arguments: &[&str]) -> Output {
    binary().args(arguments).output().unwrap()
}

#[test]
fn every_result_can_be_json() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("first");
    client.put("/first/small", "small").expect(200);
    client.put("/first/large", noise(1, 300_000)).expect(200);

    let added = json(&server, 0, &["key", "add", "ann", "--policy", "read-only"]);
    assert_eq!(added["name"], "ann");
    assert_eq!(added["policies"], serde_json::json!(["read-only"]));
    assert!(added["secret_access_key"].as_str().unwrap().len() >= 20);
    let listed = json(&server, 0, &["key", "list"]);
    assert_eq!(listed[0]["access_key_id"], added["access_key_id"]);
    assert!(listed[0].get("secret_access_key").is_none());
    assert_eq!(json(&server, 0, &["key", "show", "ann"])["name"], "ann");
    assert_eq!(json(&server, 0, &["key", "quota", "show", "ann"])["bytes"], 0);
    assert_eq!(json(&server, 0, &["bucket", "list"])[0]["name"], "first");
    assert_eq!(json(&server, 0, &["bucket", "quota", "show", "first"])["objects"], 2);

    assert!(server.command(&["bucket", "undelete", "set", "first", "--days", "3"]).status.success());
    client.delete("/first/small").expect(204);
    assert_eq!(json(&server, 0, &["bucket", "undelete", "list", "first"])[0]["key"], "small");
    assert_eq!(json(&server, 0, &["bucket", "undelete", "restore", "first", "--prefix", "s"])["restored"], 1);
    client.delete("/first/small").expect(204);
    assert_eq!(json(&server, 0, &["bucket", "undelete", "restore", "first", "small"])["restored"], 1);
    assert_eq!(json(&server, 0, &["bucket", "lifecycle", "--dry-run"]), serde_json::json!([]));

    assert_eq!(json(&server, 0, &["check"])["faults"], serde_json::json!([]));
    assert_eq!(json(&server, 0, &["scrub"])["damaged_chunks"], serde_json::json!([]));
    let snapshot = json(&server, 0, &["snapshot"])[0]["path"].as_str().unwrap().to_owned();
    assert_eq!(json(&server, 0, &["snapshot", "--list"])[0]["path"], snapshot.as_str());
    let found = json(&server, 0, &["encryption", "list"]);
    assert_eq!(found[0]["active"], true);
    let rotated = json(&server, 0, &["encryption", "rotate"])["active"].clone();
    assert_ne!(rotated, found[0]["id"]);
    client.put("/first/newer", noise(2, 100_000)).expect(200);

    server.stop();
    assert_eq!(json(&server, 0, &["encryption", "rewrap"])["rewrapped"], 0);
    let restored = json(&server, 0, &["restore", "--from", &snapshot]);
    assert_eq!(restored["found"], 1, "{restored}");
    assert_eq!(restored["found_bodies"][0]["key"], "newer");
    assert!(restored["replaced"].as_str().unwrap().contains("replaced-"));
    std::fs::rename(server.data().join("meta.sqlite"), server.data().join("gone.sqlite")).unwrap();
    let rebuilt = json(&server, 0, &["rebuild"]);
    assert_eq!(rebuilt["found"], 2, "{rebuilt}");
    server.check();
}

#[test]
fn health_is_a_sentence_or_json_and_its_exit_code_tells() {
    let mut server = Server::start();
    let log = server.log();
    let address = super::support::server::admin_address(&log).to_string();
    let ask = |more: &[&str]| run(&[&["health", "--admin-listen", &address], more].concat());
    assert_eq!(ask(&[]).stdout, b"ready\n");
    let document: Value = serde_json::from_slice(&ask(&["--json"]).stdout).unwrap();
    assert_eq!(document["status"], "ready");
    assert_eq!(ask(&["--live"]).stdout, b"live\n");
    // Something that is no admin listener is not well.
    let s3 = server.address().to_string();
    assert_eq!(run(&["health", "--admin-listen", &s3]).status.code(), Some(1));
    server.stop();
    let nobody = ask(&["--json"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(nobody.stdout.is_empty() && nobody.stderr.starts_with(b"sluicegate: "));
}

#[test]
fn exit_codes_are_0_1_and_2() {
    let scratch = tempfile::tempdir().unwrap();
    let nowhere = scratch.path().join("none");
    let nowhere = nowhere.to_str().unwrap();
    for arguments in [&["--help"][..], &["--version"], &["completions", "bash"], &["man"]] {
        assert_eq!(run(arguments).status.code(), Some(0), "{arguments:?}");
    }
    for arguments in [
        &["check", "--data-dir", nowhere][..],
        &["scrub", "--data-dir", nowhere],
        &["key", "list", "--data-dir", nowhere],
        &["snapshot", "--data-dir", nowhere],
        &["rebuild", "--data-dir", nowhere],
        &["serve", "--data-dir", nowhere, "--memory", "1KiB"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stderr.starts_with(b"sluicegate: ") && output.stdout.is_empty(), "{arguments:?}");
    }
    for arguments in [&[][..], &["no-such-command"], &["check", "--no-such-flag"], &["key", "add"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn damage_is_exit_code_1_with_json_that_names_it() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("first");
    client.put("/first/k", noise(3, 300_000)).expect(200);
    server.stop();
    let chunk = server.chunk_files().remove(0);
    let mut bytes = std::fs::read(&chunk).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&chunk, bytes).unwrap();
    let checked = json(&server, 1, &["check"]);
    assert_eq!(checked["faults"][0]["objects"][0]["key"], "k", "{checked}");
}

#[test]
fn nothing_is_coloured_in_a_pipe() {
    let server = Server::start();
    let told = server.command(&["doctor"]);
    assert!(!told.stdout.is_empty() && !told.stdout.contains(&0x1b) && !told.stderr.contains(&0x1b));
    assert!(!run(&["--help"]).stdout.contains(&0x1b));
    assert!(!server.log().contains('\u{1b}'));
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let scratch = tempfile::tempdir().unwrap();
    let mut judged = 0;
    for (shell, judge) in [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])] {
        let script = run(&["completions", shell]).stdout;
        let text = String::from_utf8_lossy(&script);
        assert!(text.contains("scrub") && text.contains("confirm-clock"), "{shell}: {text}");
        let path = scratch.path().join(shell);
        std::fs::write(&path, &script).unwrap();
        match Command::new(judge[0]).arg(judge[1]).arg(&path).output() {
            Ok(output) => {
                assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
                judged += 1;
            }
            Err(_) => eprintln!("{shell} is not installed: only the text was looked at"),
        }
    }
    assert!(judged > 0, "bash is there");
    // What bash completes behind `sluicegate che`.
    let script = "source \"$1\"; COMP_WORDS=(sluicegate che); COMP_CWORD=1; _sluicegate sluicegate che sluicegate; \
                  echo \"${COMPREPLY[@]}\"";
    let completed = Command::new("bash").args(["-c", script, "-"]).arg(scratch.path().join("bash")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "check", "{completed:?}");
}

#[test]
fn the_manual_has_a_page_for_each_command_without_warnings() {
    let scratch = tempfile::tempdir().unwrap();
    let pages = scratch.path().join("man1");
    let written = run(&["man", pages.to_str().unwrap()]);
    assert!(written.status.success() && written.stdout.is_empty());
    let mut names: Vec<_> =
        std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for page in ["sluicegate.1", "sluicegate-serve.1", "sluicegate-key-add.1", "sluicegate-bucket-quota-set.1"] {
        assert!(names.contains(&page.to_owned()), "{page} in {names:?}");
    }
    let mut judges = 0;
    for name in &names {
        let page = pages.join(name);
        if let Ok(output) = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-z"]).arg(&page).output() {
            assert!(output.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
            judges += 1;
        }
        if let Ok(output) = Command::new("mandoc").args(["-Tlint", "-Werror"]).arg(&page).output() {
            assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
    if judges == 0 {
        eprintln!("groff is not installed: the pages were not rendered");
    }
    let first = run(&["man"]).stdout;
    assert_eq!(
        String::from_utf8_lossy(&first).trim(),
        std::fs::read_to_string(pages.join("sluicegate.1")).unwrap().trim()
    );
}
