//! From nothing to a backup, as a newcomer goes: only what the console shows is used, and the commands that it shows
//! are run as they are.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::browser::Page;

/// Runs lines in a shell that leaves what it keeps in a directory.
fn shell(home: &Path, lines: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-e", "-c", lines]).current_dir(home).stdin(Stdio::null());
    for (name, file) in [
        ("AWS_CONFIG_FILE", "aws-config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "aws-credentials"),
        ("RCLONE_CONFIG", "rclone.conf"),
    ] {
        command.env(name, home.join(file));
    }
    for name in ["AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE", "RESTIC_PASSWORD", "RESTIC_REPOSITORY"] {
        command.env_remove(name);
    }
    command
}

/// The same for restic, whose lines keep a password at home.
fn shell_at_home(home: &Path, lines: &str) -> Command {
    let mut command = shell(home, lines);
    command.env("HOME", home).env("RESTIC_CACHE_DIR", home.join("cache"));
    command
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("run a shell");
    let told = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {told}");
    told
}

#[test]
fn the_shown_commands_make_a_backup_that_the_shown_key_cannot_take_away() {
    let page = Page::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    std::fs::create_dir(at.join("Documents")).unwrap();
    std::fs::write(at.join("Documents/letter.txt"), "a letter").unwrap();

    page.enter();
    page.see("First steps");
    page.press("Create a bucket for backups");
    page.fill("Name", "vault");
    page.press("Create bucket");
    page.see("Bucket vault was created.");
    page.press("Add a key for vault");
    page.fill("Name", "laptop");
    let chosen = "return [...document.querySelectorAll('dialog input:checked')].map((one) => one.value).join()";
    assert_eq!(page.script(chosen), "restic-append-only,vault");
    page.press("Add key");
    page.see("shown this once");
    let secret = page.value("Secret access key");
    let restic = page.value("restic");
    let init = format!("restic -r s3:{}/vault init", page.server.endpoint());
    assert!(restic.lines().any(|line| line == init), "{restic}");
    page.press("Copy restic");
    page.see("Copied");
    run(&mut shell_at_home(at, &restic));

    // The other clients reach the same bucket with theirs.
    for client in ["aws", "rclone"] {
        page.press(client);
        let told = run(&mut shell(at, &page.value(client)));
        assert!(told.contains("config") && told.contains("keys"), "{client}: {told}");
    }
    page.press("I have copied it");
    page.see("laptop");
    assert!(!page.text().contains(&secret));

    // The same lines without `init` make the next backup; then somebody who has the machine tries to take it away.
    let again: Vec<&str> = restic.lines().filter(|line| *line != init).collect();
    run(&mut shell_at_home(at, &again.join("\n")));
    let place = init.strip_suffix(" init").unwrap();
    let settings: Vec<&str> = restic.lines().filter(|line| line.starts_with("export ")).collect();
    let settings = settings.join("\n");
    let mut forget = shell_at_home(at, &format!("{settings}\nexec {place} forget --keep-last 1 --prune"));
    let mut forget = forget.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("run restic");
    page.go("#/logs?status=refused&key=laptop");
    page.see("DELETE /vault/snapshots/");
    page.see("403 AccessDenied");
    // Some versions of restic would try for a minute.
    forget.kill().unwrap();
    forget.wait().unwrap();
    let left = run(&mut shell_at_home(at, &format!("{settings}\n{place} snapshots --no-lock")));
    assert!(left.contains("2 snapshots"), "{left}");
    page.go("#/overview");
    page.heading("Overview");
    page.see("Refused lately");
    assert!(!page.text().contains("First steps"), "there is nothing left to do at first");
}
