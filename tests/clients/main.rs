//! The real clients: `aws`, `boto3`, `rclone` and `restic` do their daily work against the real binary.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod aws;
mod boto3;
mod rclone;
mod restic;

use std::path::Path;
use std::process::{Command, Output};

/// Runs a command and requires success; returns its output.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
    output
}

/// Standard output of a command that must succeed.
#[track_caller]
fn told(command: &mut Command) -> String {
    String::from_utf8_lossy(&run(command).stdout).into_owned()
}

/// File names that clients and servers stumble over.
const DIFFICULT: [&str; 12] = [
    "plus+sign",
    "space in name",
    "percent%41",
    "ampersand&amp",
    "question?mark",
    "hash#tag",
    "ünïcödé-日本",
    "quote'single",
    "equals=sign",
    "semi;colon",
    "comma,dot.",
    "tilde~paren(1)",
];

/// Makes `count` small files in nested directories, difficult names among them.
fn make_tree(root: &Path, count: usize) {
    for index in 0..count {
        let directory = root.join(format!("dir-{}", index % 10)).join(DIFFICULT[index % DIFFICULT.len()]);
        std::fs::create_dir_all(&directory).unwrap();
        let name = format!("{}-{index}", DIFFICULT[(index / 7) % DIFFICULT.len()]);
        std::fs::write(directory.join(name), support::noise(index as u64, 50 + index * 13 % 4000)).unwrap();
    }
}

/// Requires two directory trees to hold the same files.
#[track_caller]
fn assert_same_tree(a: &Path, b: &Path) {
    run(Command::new("diff").arg("-r").arg(a).arg(b));
}
