//! What is written for people is true: tables in `docs/` are those of the code, links lead somewhere, snippets run,
//! and the files in `packaging/` fit the server.
//!
//! `SLUICEGATE_WRITE_DOCS=1 cargo test --test docs` writes the tables anew.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

#[path = "../support/mod.rs"]
mod support;

mod generated;
mod links;
mod packaging;
mod proxies;
mod proxy;
mod registry;
mod snippets;

use std::path::{Path, PathBuf};
use std::process::Command;

/// The checkout.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a program prints; it must succeed.
#[track_caller]
fn told(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?"));
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{faults}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// README and every page of `docs/`, as paths in the checkout.
fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    let mut pending = vec![PathBuf::from("docs")];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(root().join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(found.len() > 30, "{found:?}");
    found
}

/// A path from a page, without `..`.
fn beside(page: &str, link: &str) -> PathBuf {
    let mut path = Path::new(page).parent().unwrap().to_path_buf();
    for step in Path::new(link).components() {
        match step {
            std::path::Component::ParentDir => assert!(path.pop(), "{page}: {link} leaves the checkout"),
            std::path::Component::CurDir => {}
            step => path.push(step),
        }
    }
    path
}
