//! boto3, doing what infrastructure tools do to the configurations of buckets, and what jobs do with sessions.

use std::process::Command;

use super::run;
use super::support::Server;
use super::support::server::{ROOT_ID, ROOT_SECRET};

#[test]
fn a_refresh_finds_what_was_applied_and_is_never_ended_by_a_question() {
    speak("refresh.py", &["--webhook", "hook=http://127.0.0.1:9/"]);
}

#[test]
fn sessions_are_assumed_and_used_everywhere() {
    speak("sessions.py", &[]);
}

/// Runs a script with root's key against a server behind TLS.
#[track_caller]
fn speak(script: &str, arguments: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (at("cert.pem"), at("key.pem"));
    std::fs::write(&cert, signed.cert.pem()).unwrap();
    std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(&[arguments, &["--tls-cert", &cert, "--tls-key", &key]].concat());
    let mut python = Command::new("python3");
    python
        .env("AWS_ACCESS_KEY_ID", ROOT_ID)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", at("config"))
        .arg(format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR")))
        .arg(format!("https://localhost:{}", server.address().port()))
        .arg(&cert);
    run(&mut python);
}
