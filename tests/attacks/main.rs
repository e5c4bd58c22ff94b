//! Attacks over raw TCP: each must be refused, must leave what is stored as it was, and must cost the server nothing
//! that it does not get back. Each table prints how many it held off.

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

mod documents;
mod framing;
mod injection;
mod names;
mod numbers;
mod secrets;
mod signatures;

use std::io::{BufReader, Write as _};
use std::time::Duration;

use support::client::{Answer, try_read_answer};
use support::{Client, Server};

/// What the victim holds, and where.
pub const TREASURE: &[u8] = b"treasure";
pub const VICTIM: &str = "/victim/k";

/// A server with an object that no attack may read or change.
pub fn besieged() -> (Server, Client) {
    besieged_with(&[])
}

/// As `besieged`, with further arguments.
pub fn besieged_with(arguments: &[&str]) -> (Server, Client) {
    let server = Server::start_with(arguments);
    let client = server.client();
    client.bucket("victim");
    client.put(VICTIM, TREASURE).expect(200);
    (server, client)
}

/// Requires that the victim is as it was, and that the server is well.
#[track_caller]
pub fn stands(server: &mut Server, client: &Client) {
    let objects = client.get("/victim?list-type=2").expect(200).all("Key");
    assert_eq!(objects, ["k"], "nothing came, nothing went");
    assert_eq!(client.get(VICTIM).expect(200).body, TREASURE);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
    server.stop_and_check();
}

/// Sends bytes as they are and reads every answer until the server closes or says nothing for a while.
pub fn answers(client: &Client, wire: &[u8]) -> Vec<Answer> {
    let mut stream = client.connect();
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    // The server may refuse, and close, before it has taken everything.
    let _ = stream.write_all(wire);
    let mut reader = BufReader::new(stream);
    let mut answers = Vec::new();
    while let Ok(answer) = try_read_answer(&mut reader, "GET") {
        answers.push(answer);
    }
    answers
}

/// Says how many attacks a table held off.
pub fn told(what: &str, count: usize) {
    eprintln!("{what}: {count} attacks held off");
}
