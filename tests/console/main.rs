//! The web console in a real browser: Chromium, driven through chromedriver, does the main job of every page against
//! the real binary.

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

mod browser;
mod driver;
mod drops;
mod files;
mod keys;
mod looks;
mod newcomer;
mod preview;
mod safety;
mod session;
mod settings;
mod work;
