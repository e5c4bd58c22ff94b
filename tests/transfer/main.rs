//! Imports and exports by the real binary, between real servers: ourselves, a second implementation of S3, and a proxy
//! that breaks off.

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

mod faults;
mod foreign;
mod minio_iam;
mod proxy;
mod servers;
mod trees;

use std::process::{Command, Output};

use serde_json::Value;

use support::server::{ROOT_ID, ROOT_SECRET, binary};
use support::{Client, Server};

/// `import s3` from an endpoint into a server.
fn import_from(endpoint: &str, to: &Server, arguments: &[&str]) -> Command {
    import_between(endpoint, &to.endpoint(), arguments)
}

/// `import s3` between two endpoints.
fn import_between(from: &str, to: &str, arguments: &[&str]) -> Command {
    let mut command = binary();
    command.args(["import", "s3", "--from", from, "--to", to, "--json"]).args(arguments);
    command.env("SLUICEGATE_FROM_ACCESS_KEY_ID", ROOT_ID).env("SLUICEGATE_FROM_SECRET_ACCESS_KEY", ROOT_SECRET);
    command
}

/// Runs a command and reads the report that it prints.
#[track_caller]
fn report(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let report = parsed(&output);
    let failed = report["failed"].as_u64().unwrap();
    assert_eq!(output.status.success(), failed == 0, "{report:#}");
    report
}

#[track_caller]
fn parsed(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{told}"))
}

/// Requires everything to have worked.
#[track_caller]
fn complete(command: &mut Command) -> Value {
    let report = report(command);
    assert_eq!(report["failed"], 0, "{report:#}");
    report
}

/// Sets the status of versioning.
fn versioning(client: &Client, bucket: &str, status: &str) {
    let document = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    client.put(&format!("/{bucket}?versioning"), document).expect(200);
}

/// What a bucket has: key, ETag, size and whether it is a delete marker, newest first.
fn history(client: &Client, bucket: &str) -> Vec<(String, String, String, bool)> {
    let mut found = Vec::new();
    let mut marker = String::new();
    loop {
        let page = client.get(&format!("/{bucket}?versions&encoding-type=url{marker}")).expect(200);
        for (kind, entry) in page.elements(&["Version", "DeleteMarker"]) {
            found.push((entry.one("Key"), entry.one("ETag"), entry.one("Size"), kind == "DeleteMarker"));
        }
        if page.one("IsTruncated") != "true" {
            return found;
        }
        let (key, id) = (page.one("NextKeyMarker"), page.one("NextVersionIdMarker"));
        marker = format!("&key-marker={key}&version-id-marker={id}");
    }
}

/// Uploads an object in parts with these numbers and bodies.
fn put_parts(client: &Client, target: &str, headers: &[(&str, &str)], parts: &[(u32, Vec<u8>)]) {
    let mut create = client.call("POST", &format!("{target}?uploads"));
    for (name, value) in headers {
        create = create.header(name, *value);
    }
    let upload = create.send().expect(200).one("UploadId");
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (number, body) in parts {
        let put = client.put(&format!("{target}?partNumber={number}&uploadId={upload}"), body.clone()).expect(200);
        document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", put.etag()));
    }
    document.push_str("</CompleteMultipartUpload>");
    let done = client.post(&format!("{target}?uploadId={upload}"), document).expect(200);
    assert!(!done.text_starts_with_error(), "{}", done.text());
}
