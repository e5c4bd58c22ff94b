//! What the ready-made policies leave open.

use super::{ANN, bucket, known, nothing, request};
use crate::policy::{AclGrant, BUILTIN_NAMES, BucketPolicy, Identity, Relation, Request, Sources, builtin, decide};

/// `A`llowed, `n`ew keys only, `-` denied.
fn ask(name: &str, action: &str, path: &str) -> char {
    let nothing = nothing();
    let documents = [builtin(name).unwrap()];
    // Everything that could widen a policy does.
    let everybody = bucket(r#"{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}"#);
    let wide = name.ends_with("append-only");
    let sources = Sources {
        relation: Relation::Owner,
        identity: Identity::Policies(&documents),
        session: None,
        bucket: wide.then_some(BucketPolicy { document: &everybody, restricted: false }),
        acl: wide.then_some(AclGrant { to_group: true, source: "acl" }),
    };
    let decision = decide(&Request { principal: known(ANN), ..request(action, path, &nothing) }, &sources);
    match (decision.allowed, decision.requires_absent) {
        (true, true) => 'n',
        (true, false) => 'A',
        (false, _) => '-',
    }
}

const APPEND_ONLY: [&str; 3] = ["restic-append-only", "kopia-append-only", "pbs-append-only"];

#[test]
fn every_name_has_its_policy() {
    for name in BUILTIN_NAMES {
        assert!(builtin(name).is_some(), "{name}");
    }
    assert!(builtin("none").is_none());
    let reason = builtin("full").map(|document| {
        let verdict = crate::policy::evaluate([document], &request("s3:PutObject", "b/k", &nothing()), false);
        format!("{verdict:?}")
    });
    assert!(reason.unwrap().contains("policy full, statement 1"));
}

#[test]
fn the_simple_ones_do_what_their_names_say() {
    let table = [
        ("s3:GetObject", "b/k", "AA-"),
        ("s3:GetObjectVersion", "b/k", "AA-"),
        ("s3:ListBucket", "b", "AA-"),
        ("s3:ListAllMyBuckets", "", "AA-"),
        ("s3:GetBucketPolicy", "b", "AA-"),
        ("s3:PutObject", "b/k", "A-A"),
        ("s3:AbortMultipartUpload", "b/k", "A-A"),
        ("s3:DeleteObject", "b/k", "A--"),
        ("s3:PutBucketVersioning", "b", "A--"),
        ("s3:CreateBucket", "b", "A--"),
        ("s3:BypassGovernanceRetention", "b/k", "A--"),
    ];
    for (action, path, expected) in table {
        let said: String = ["full", "read-only", "write-only"].map(|name| ask(name, action, path)).iter().collect();
        assert_eq!(said, expected, "{action}");
    }
}

#[test]
fn append_only_keys_read_and_add_and_never_destroy() {
    for name in APPEND_ONLY {
        for (action, path) in [
            ("s3:GetObject", "b/r/data/00/aa"),
            ("s3:ListBucket", "b"),
            ("s3:GetBucketLocation", "b"),
            ("s3:ListBucketMultipartUploads", "b"),
            ("s3:ListMultipartUploadParts", "b/k"),
            ("s3:AbortMultipartUpload", "b/k"),
        ] {
            assert_eq!(ask(name, action, path), 'A', "{name} {action}");
        }
        assert_eq!(ask(name, "s3:PutObject", "b/r/data/00/aa"), 'n', "{name}");
        for (action, path) in [
            ("s3:DeleteObject", "b/r/data/00/aa"),
            ("s3:DeleteObjectVersion", "b/locks/aa"),
            ("s3:DeleteBucket", "b"),
            ("s3:CreateBucket", "b"),
            ("s3:PutBucketVersioning", "b"),
            ("s3:PutLifecycleConfiguration", "b"),
            ("s3:PutBucketPolicy", "b"),
            ("s3:DeleteBucketPolicy", "b"),
            ("s3:PutBucketAcl", "b"),
            ("s3:PutObjectAcl", "b/k"),
            ("s3:PutObjectTagging", "b/k"),
            ("s3:PutObjectLegalHold", "b/k"),
            ("s3:PutBucketObjectLockConfiguration", "b"),
            ("s3:PutReplicationConfiguration", "b"),
            ("s3:PutBucketPublicAccessBlock", "b"),
            ("s3:BypassGovernanceRetention", "b/k"),
            ("s3:ReplicateDelete", "b/k"),
            ("s3:GetObjectVersion", "b/k"),
            ("sts:AssumeRole", ""),
        ] {
            assert_eq!(ask(name, action, path), '-', "{name} {action}");
        }
    }
}

#[test]
fn restic_keeps_its_locks_in_order_and_nothing_else() {
    let id = "0123456789abcdef".repeat(4);
    let at = |folder: &str| format!("b/{folder}{id}");
    for folder in ["locks/", "repo/locks/", "a/b/locks/"] {
        assert_eq!(ask("restic-append-only", "s3:DeleteObject", &at(folder)), 'A', "{folder}");
        assert_eq!(ask("restic-append-only", "s3:PutObject", &at(folder)), 'A', "{folder}");
    }
    for folder in ["", "keys/", "snapshots/", "locks/data/01/", "repo/index/", "xlocks/", "locks//", "Locks/"] {
        assert_eq!(ask("restic-append-only", "s3:DeleteObject", &at(folder)), '-', "{folder}");
        assert_eq!(ask("restic-append-only", "s3:PutObject", &at(folder)), 'n', "{folder}");
    }
    assert_eq!(ask("restic-append-only", "s3:DeleteObject", "b/locks/config"), '-', "a repository called locks");
    assert_eq!(ask("restic-append-only", "s3:PutObject", "b/locks/config"), 'n');
}

#[test]
fn kopia_ends_its_sessions_and_writes_its_schedule() {
    let delete = |path: &str| ask("kopia-append-only", "s3:DeleteObject", path);
    let put = |path: &str| ask("kopia-append-only", "s3:PutObject", path);
    for path in ["b/s35391b98f24603bae4bd9a4e4e5408e2-s7cd827313c8b69b0144", "b/host/s35391b98f24603bae4bd9a4e"] {
        assert_eq!((delete(path), put(path)), ('A', 'n'), "{path}");
    }
    for path in
        ["b/p35391b98f24603bae4bd9a4e4e5408e2-s7cd8", "b/s/p35391b98f24603bae4bd9a4e4e5408e2", "b/xs0_35391b98f2"]
    {
        assert_eq!((delete(path), put(path)), ('-', 'n'), "{path}");
    }
    assert_eq!((delete("b/x/kopia.maintenance"), put("b/x/kopia.maintenance")), ('-', 'A'));
    assert_eq!((delete("b/kopia.repository"), put("b/kopia.repository")), ('-', 'n'));
}

#[test]
fn pbs_writes_its_marker_and_manifests_again() {
    let put = |path: &str| ask("pbs-append-only", "s3:PutObject", path);
    assert_eq!(put("b/store/.in-use"), 'A');
    assert_eq!(put("b/store/.cnt/vm/100/2026-01-01T00:00:00Z/index.json.blob"), 'A');
    assert_eq!(put("b/store/.cnt/vm/100/2026-01-01T00:00:00Z/drive-scsi0.img.fidx"), 'n');
    assert_eq!(put("b/store/.chunks/0000/00001111"), 'n');
    assert_eq!(ask("pbs-append-only", "s3:DeleteObject", "b/store/.in-use"), '-');
}
