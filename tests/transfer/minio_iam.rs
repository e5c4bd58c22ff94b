//! Keys of MinIO: the archive has the layout that `mc admin cluster iam export` writes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::{Client, Credentials, Server};

/// Writes a compressed archive with another implementation of ZIP.
fn archive(at: &Path, files: &[(&str, Value)]) {
    let script = "import json,sys,zipfile\n\
        z=zipfile.ZipFile(sys.argv[1],'w',zipfile.ZIP_DEFLATED)\n\
        [z.writestr('iam-assets/'+n,json.dumps(v)) for n,v in json.loads(sys.argv[2]).items()]\n\
        z.close()";
    let files: serde_json::Map<String, Value> =
        files.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let status = Command::new("python3").args(["-c", script]).arg(at).arg(Value::Object(files).to_string()).status();
    assert!(status.unwrap().success());
}

fn statement(effect: &str, actions: &[&str], resources: &[&str]) -> Value {
    json!({"Effect": effect, "Action": actions, "Resource": resources})
}

fn policy(statements: &[Value]) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn import(server: &Server, file: &Path, arguments: &[&str]) -> Value {
    let output = server.command(&[&["import", "minio-iam", file.to_str().unwrap(), "--json"], arguments].concat());
    super::parsed(&output)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["what"].as_str().unwrap()).collect()
}

fn as_key(server: &Server, id: &str) -> Client {
    Client::new(server.address(), Some(Credentials::new(id, &format!("{id}-secret-key"))))
}

#[test]
fn users_groups_and_service_accounts_become_keys() {
    let server = Server::start();
    let root = server.client();
    for bucket in ["photos", "backup"] {
        root.bucket(bucket);
        root.put(&format!("/{bucket}/k"), "body").expect(200);
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("minio-iam-info.zip");
    let secret = |id: &str| format!("{id}-secret-key");
    let user = |id: &str, status: &str| json!({"secretKey": secret(id), "status": status});
    let own = policy(&[statement("Allow", &["s3:GetObject"], &["arn:aws:s3:::photos/k"])]);
    let account = |id: &str, parent: &str, more: Value| {
        let mut account = json!({"parent": parent, "accessKey": id, "secretKey": secret(id), "groups": null,
            "claims": {"accessKey": id, "parent": parent, "sa-policy": "inherited-policy"}, "sessionPolicy": null,
            "status": "on", "name": "", "description": "", "expiration": "1970-01-01T00:00:00Z"});
        account.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        account
    };
    archive(
        &file,
        &[
            (
                "policies.json",
                json!({
                    "readwrite": policy(&[statement("Allow", &["s3:*"], &["arn:aws:s3:::*"])]),
                    "photos only": policy(&[statement("Allow", &["s3:GetObject", "s3:ListBucket"],
                        &["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"])]),
                    "backup-put": policy(&[statement("Allow", &["s3:PutObject", "s3:MinioMagic"], &["arn:aws:s3:::backup/*"]),
                        json!({"Effect": "Allow", "Action": ["admin:ServerInfo"]})]),
                    "unreadable": policy(&[statement("Allow", &["s3:*"], &["arn:aws:s3:::*"]),
                        json!({"Effect": "Deny", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::x"],
                            "Condition": {"NoSuchOperator": {"aws:x": "y"}}})]),
                }),
            ),
            (
                "users.json",
                json!({"ann": user("ann", "enabled"), "bob": user("bob", "enabled"),
            "off": user("off", "disabled"), "eve": user("eve", "enabled"), "idle": user("idle", "enabled")}),
            ),
            (
                "groups.json",
                json!({
            "writers": {"version": 1, "status": "enabled", "members": ["ann"], "updatedAt": "2026-01-01T00:00:00Z"},
            "former": {"version": 1, "status": "disabled", "members": ["ann"], "updatedAt": "2026-01-01T00:00:00Z"}}),
            ),
            (
                "svcaccts.json",
                json!({
            "annapp": account("annapp", "ann", json!({})),
            "annown": account("annown", "ann", json!({"sessionPolicy": own})),
            "bobown": account("bobown", "bob", json!({"sessionPolicy": own})),
            "rootapp": account("rootapp", "minioadmin", json!({})),
            "expiring": account("expiring", "bob", json!({"expiration": "2040-01-01T02:00:00.5+02:00"})),
            "expired": account("expired", "bob", json!({"expiration": "2020-01-01T00:00:00Z"})),
            "whenever": account("whenever", "bob", json!({"expiration": "tomorrow"})),
            "stopped": account("stopped", "bob", json!({"status": "off"})),
            "stranger": account("stranger", "cn=x,dc=y", json!({})) }),
            ),
            (
                "user_mappings.json",
                json!({"ann": {"version": 1, "policy": "photos only,gone", "updatedAt": "2026-01-01T00:00:00Z"},
            "bob": {"version": 1, "policy": "readwrite", "updatedAt": "2026-01-01T00:00:00Z"},
            "eve": {"version": 1, "policy": "unreadable", "updatedAt": "2026-01-01T00:00:00Z"}}),
            ),
            (
                "group_mappings.json",
                json!({"writers": {"version": 1, "policy": "backup-put", "updatedAt": "2026-01-01T00:00:00Z"},
            "former": {"version": 1, "policy": "readwrite", "updatedAt": "2026-01-01T00:00:00Z"}}),
            ),
            ("stsuser_mappings.json", json!({})),
        ],
    );

    let dry = import(&server, &file, &["--dry-run", "--root-user", "minioadmin"]);
    assert_eq!(dry["objects"], 7, "{dry:#}");
    as_key(&server, "ann").get("/photos/k").expect_error(403, "InvalidAccessKeyId");

    let told = import(&server, &file, &[]);
    assert_eq!(told["objects"], 6, "{told:#}");
    assert_eq!(
        names(&told["failures"]),
        [
            "policy unreadable",
            "user eve",
            "service account annown",
            "service account rootapp",
            "service account stranger",
            "service account whenever",
        ]
    );
    let passed_over = names(&told["notes"]);
    for what in ["policy backup-put", "user off", "user ann", "service account stopped", "service account expired"] {
        assert!(passed_over.contains(&what), "{what}: {told:#}");
    }

    let deadline = Instant::now() + Duration::from_secs(5);
    while as_key(&server, "ann").get("/photos/k").status != 200 {
        assert!(Instant::now() < deadline, "a new key is seen by a running server");
        std::thread::sleep(Duration::from_millis(50));
    }
    for id in ["ann", "annapp"] {
        let client = as_key(&server, id);
        assert_eq!(client.get("/photos/k").expect(200).text(), "body");
        client.put("/photos/k", "no").expect_error(403, "AccessDenied");
        client.put(&format!("/backup/{id}"), "yes").expect(200);
        client.get("/backup/k").expect_error(403, "AccessDenied");
    }
    as_key(&server, "bob").put("/photos/bob", "yes").expect(200);
    as_key(&server, "bobown").get("/photos/k").expect(200);
    as_key(&server, "bobown").get("/photos/bob").expect_error(403, "AccessDenied");
    let ends = |name: &str| super::parsed(&server.command(&["key", "show", name, "--json"]))["expires"].clone();
    assert_eq!((ends("expiring"), ends("bobown")), (json!("2040-01-01T00:00:00.500Z"), Value::Null));
    as_key(&server, "expiring").get("/photos/k").expect(200);
    as_key(&server, "expired").get("/photos/k").expect_error(403, "InvalidAccessKeyId");
    as_key(&server, "idle").get("/photos/k").expect_error(403, "AccessDenied");
    as_key(&server, "off").get("/photos/k").expect_error(403, "InvalidAccessKeyId");

    let again = import(&server, &file, &["--root-user", "minioadmin", "--session-policies-alone"]);
    assert_eq!((again["objects"].as_u64(), again["skipped"].as_u64()), (Some(2), Some(6)), "{again:#}");
    let deadline = Instant::now() + Duration::from_secs(5);
    while as_key(&server, "rootapp").get("/photos/k").status != 200 {
        assert!(Instant::now() < deadline, "a new key is seen by a running server");
        std::thread::sleep(Duration::from_millis(50));
    }
    as_key(&server, "annown").get("/photos/k").expect(200);
    as_key(&server, "annown").put("/backup/k", "no").expect_error(403, "AccessDenied");
}

#[test]
fn what_is_no_archive_is_refused_without_its_secrets() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("x.zip");
    let refused = |server: &Server| {
        let output = server.command(&["import", "minio-iam", file.to_str().unwrap()]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&server).contains("open the archive"));
    std::fs::write(&file, "no zip").unwrap();
    assert!(refused(&server).contains("no archive of"));
    archive(&file, &[("users.json", json!({"ann": {"secretKey": ["my-secret-key"], "status": "enabled"}}))]);
    let line = refused(&server);
    assert!(line.contains("users.json") && !line.contains("my-secret-key"), "{line}");
}
