//! Ready-made identity policies.
//!
//! The append-only ones are for keys that live on a machine that may be taken over: whoever holds such a key can add
//! backups and read them, and can neither delete, replace nor rename an object, nor change or bypass what protects
//! them. They deny everything else explicitly, so that no bucket policy and no ACL can widen them. What they leave open
//! is what their program cannot work without:
//!
//! - all: upload in parts, and abort uploads (their own, and anybody's that they can list: an unfinished upload holds
//!   nothing that was acknowledged);
//! - `restic-append-only`: replace and delete in a folder `locks`, objects with the 64 digits of a lock's name.
//!   Otherwise every run leaves a lock behind, and the second one cannot begin;
//! - `kopia-append-only`: replace `kopia.maintenance`, the schedule, which each run writes; delete `s` and at least 16
//!   digits, the marker of a write session, without which a snapshot fails. Retention can be set, not shortened;
//! - `pbs-append-only` (Proxmox Backup Server with an S3 datastore): replace `.in-use`, the mark of the server, and
//!   `index.json.blob`, the manifest of a snapshot, which is written a second time when a backup ends. Switch
//!   versioning on to keep what a manifest was. Pruning, garbage collection and the marks of verification need another
//!   key.
//!
//! Names and folders are compared by the conditions `sluicegate:KeyName` and `sluicegate:KeyFolder`, not by patterns of
//! resources: there `*/locks/*` also means everything in a repository whose own path has a folder `locks`.

use std::sync::LazyLock;

use crate::policy::document::{Document, Kind};

/// The names of the ready-made policies.
pub const BUILTIN_NAMES: [&str; 7] =
    ["full", "read-only", "write-only", "restic-append-only", "kopia-append-only", "pbs-append-only", ADMIN];

/// Name of the ready-made policy of administrators: who has it runs the gateway, not only its objects.
pub const ADMIN: &str = "admin";
/// What it allows beside S3.
pub const ADMINISTER: &str = "sluicegate:Administer";

static BUILTIN: LazyLock<Vec<(&'static str, Document)>> = LazyLock::new(|| {
    let read = |name: &'static str| {
        let label = format!("policy {name}");
        let document = Document::parse(Kind::Identity, text(name).as_bytes()).expect("a built-in policy is a policy");
        (name, document.named(&label))
    };
    BUILTIN_NAMES.into_iter().map(read).collect()
});

/// The ready-made identity policy of that name.
pub fn builtin(name: &str) -> Option<&'static Document> {
    BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, document)| document)
}

/// Asking and adding, which every backup program needs.
const APPEND: &str = r#""s3:GetObject","s3:GetObjectAttributes","s3:ListBucket","s3:GetBucketLocation",
    "s3:GetBucketVersioning","s3:GetBucketObjectLockConfiguration","s3:ListAllMyBuckets",
    "s3:ListBucketMultipartUploads","s3:ListMultipartUploadParts","s3:PutObject","s3:AbortMultipartUpload""#;

fn text(name: &str) -> String {
    let statement = |body: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{body}]}}"#);
    let allow = |actions: &str| statement(&format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}"#));
    let lock_name = "?".repeat(64);
    match name {
        ADMIN => allow(&format!(r#""s3:*","{ADMINISTER}""#)),
        "read-only" => allow(r#""s3:Get*","s3:List*""#),
        "write-only" => allow(r#""s3:PutObject","s3:AbortMultipartUpload","s3:GetBucketLocation""#),
        "restic-append-only" => statement(&append_only(
            r#","s3:DeleteObject""#,
            &[("StringNotEquals", "KeyFolder", r#""locks""#), ("StringNotLike", "KeyName", &quoted(&lock_name))],
            &[("StringNotEquals", "KeyFolder", r#""locks""#), ("StringNotLike", "KeyName", &quoted(&lock_name))],
        )),
        "kopia-append-only" => statement(&append_only(
            r#","s3:DeleteObject","s3:GetObjectRetention","s3:PutObjectRetention""#,
            &[("StringNotEquals", "KeyName", r#""kopia.maintenance""#)],
            &[("StringNotLike", "KeyName", r#""s????????????????*""#)],
        )),
        "pbs-append-only" => {
            statement(&append_only("", &[("StringNotEquals", "KeyName", r#"[".in-use","index.json.blob"]"#)], &[]))
        }
        _ => allow(r#""s3:*""#),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// An operator, one of our keys without its space, and the values in JSON.
type Unless<'a> = (&'a str, &'a str, &'a str);

/// The statements of an append-only policy: `more` actions beside `APPEND`; replacing is denied wherever one of
/// `no_overwrite` holds, and deleting wherever one of `no_delete` does.
fn append_only(more: &str, no_overwrite: &[Unless<'_>], no_delete: &[Unless<'_>]) -> String {
    let mut statements = vec![
        format!(r#"{{"Sid":"Append","Effect":"Allow","Action":[{APPEND}{more}],"Resource":"*"}}"#),
        format!(r#"{{"Sid":"NothingElse","Effect":"Deny","NotAction":[{APPEND}{more}],"Resource":"*"}}"#),
    ];
    for (index, (operator, key, values)) in no_overwrite.iter().enumerate() {
        statements.push(format!(
            r#"{{"Sid":"NoOverwrite{index}","Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{{
                "Bool":{{"sluicegate:OverwritesObject":"true"}},"{operator}":{{"sluicegate:{key}":{values}}}}}}}"#
        ));
    }
    for (index, (operator, key, values)) in no_delete.iter().enumerate() {
        statements.push(format!(
            r#"{{"Sid":"NoDelete{index}","Effect":"Deny","Action":"s3:DeleteObject","Resource":"*","Condition":{{
                "{operator}":{{"sluicegate:{key}":{values}}}}}}}"#
        ));
    }
    statements.join(",")
}
