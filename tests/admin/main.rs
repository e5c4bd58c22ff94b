//! Black-box tests of the admin API: over TCP, over the Unix socket and through the command line, against the real
//! binary.

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

mod buckets;
mod certificate;
mod control;
mod door;
mod encryption;
mod keys;
mod openapi;
mod sessions;
mod signatures;
mod socket;

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use support::client::Call;
use support::server::{ROOT_ID, ROOT_SECRET, admin_address};
use support::{Answer, Client, Credentials, Server};

/// Where the admin API of a server answers.
fn address(server: &Server) -> SocketAddr {
    admin_address(&server.log())
}

/// A client of the admin API that signs with root's key.
fn root(server: &Server) -> Client {
    Client::new(address(server), Some(Credentials::new(ROOT_ID, ROOT_SECRET)))
}

/// The document of an answer.
fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// Requires a status and the word of a refusal, and a sentence with it.
#[track_caller]
fn refused(answer: Answer, status: u16, error: &str) -> Answer {
    let answer = answer.expect(status);
    let document = json(&answer);
    assert_eq!(document["error"], error, "{document}");
    let message = document["message"].as_str().expect("a message");
    assert!(message.ends_with('.') && message.len() > 5, "{message}");
    answer
}

/// A browser that is signed in.
struct Browser {
    client: Client,
    cookie: String,
}

impl Browser {
    fn sign_in(server: &Server, id: &str, secret: &str) -> Self {
        let client = Client::new(address(server), None);
        let answer = sign_in(&client, id, secret).expect(200);
        let cookie = answer.header("set-cookie").expect("a cookie").split(';').next().unwrap().to_owned();
        Self { client, cookie }
    }

    fn root(server: &Server) -> Self {
        Self::sign_in(server, ROOT_ID, ROOT_SECRET)
    }

    /// A request with the cookie and nothing else.
    fn bare(&self, method: &str, target: &str) -> Call {
        self.client.call(method, target).header("cookie", format!("a=b; {}", self.cookie))
    }

    /// A request as the console makes it.
    fn call(&self, method: &str, target: &str) -> Call {
        self.bare(method, target).header("x-sluicegate-csrf", "1")
    }

    fn get(&self, target: &str) -> Answer {
        self.bare("GET", target).send()
    }

    fn send(&self, method: &str, target: &str, body: &Value) -> Answer {
        self.call(method, target).body(body.to_string()).send()
    }
}

fn sign_in(client: &Client, id: &str, secret: &str) -> Answer {
    let body = serde_json::json!({"access_key_id": id, "secret_access_key": secret});
    client.post("/v1/session", body.to_string())
}

/// The id and the secret of a key that the command line adds.
fn add_key(server: &Server, name: &str, arguments: &[&str]) -> (String, String) {
    let client = server.client_with(name, arguments);
    let credentials = client.credentials.expect("a key");
    (credentials.id, credentials.secret)
}

/// Asks over the Unix socket; the status and the document.
fn over_socket(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = UnixStream::connect(server.data().join("admin.sock")).expect("connect to the socket");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body.trim()).unwrap_or(Value::Null))
}
