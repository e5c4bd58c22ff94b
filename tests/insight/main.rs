//! What the gateway remembers, over TCP and over its Unix socket: each kind of refusal is explained, no secret is told,
//! what is remembered is bounded, the past survives a restart, and log files lose no line.

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

mod bounds;
mod history;
mod log_files;
mod mismatches;
mod proxy;
mod refusals;
mod ring;
mod traces;
mod uploads;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use serde_json::Value;
use support::{Answer, Server};

/// GET on the Unix socket: the status and the document.
pub fn ask(server: &Server, path: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(server.data().join("admin.sock")).expect("the socket is there");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
}

/// As `ask`, of a question that succeeds.
#[track_caller]
pub fn got(server: &Server, path: &str) -> Value {
    let (status, body) = ask(server, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// What is remembered of the request that was answered so. It is told after the answer's last byte.
#[track_caller]
pub fn remembered(server: &Server, answer: &Answer) -> Value {
    let id = answer.header("x-amz-request-id").expect("an id").to_owned();
    let path = format!("/v1/requests/{id}");
    server.eventually("the request is remembered", || ask(server, &path).0 == 200);
    got(server, &path)
}

/// The explanation of a refusal.
#[track_caller]
pub fn explained(server: &Server, answer: &Answer) -> Value {
    let request = remembered(server, answer);
    assert_eq!(request["status"], answer.status, "{request}");
    assert_eq!(request["has_explanation"], true, "{request}");
    let explanation = request["explanation"].clone();
    let sentence = explanation["sentence"].as_str().expect("a sentence");
    assert!(sentence.ends_with('.') && !sentence.contains('\n'), "{sentence}");
    explanation
}

/// Requires the kind of an explanation and a piece of its sentence.
#[track_caller]
pub fn expect_explained(server: &Server, answer: &Answer, kind: &str, piece: &str) -> Value {
    let explanation = explained(server, answer);
    assert_eq!(explanation["kind"], kind, "{explanation}");
    assert!(explanation["sentence"].as_str().unwrap().contains(piece), "{piece:?} in {explanation}");
    explanation
}

/// The value of a fact.
pub fn fact<'a>(explanation: &'a Value, name: &str) -> &'a str {
    let facts = explanation["facts"].as_array().expect("facts");
    facts.iter().find(|fact| fact["name"] == name).and_then(|fact| fact["value"].as_str()).unwrap_or_default()
}
