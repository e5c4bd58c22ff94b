//! AWS CLI.

use std::path::Path;
use std::process::Command;

use super::support::server::{ROOT_ID, ROOT_SECRET};
use super::support::{Server, noise};
use super::{assert_same_tree, make_tree, run, told};

fn aws(server: &Server, home: &Path) -> Command {
    let mut command = Command::new("aws");
    command
        .env("AWS_ACCESS_KEY_ID", ROOT_ID)
        .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_CONFIG_FILE", home.join("config"))
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("AWS_PAGER", "")
        .args(["--endpoint-url", &server.endpoint()]);
    command
}

#[test]
fn the_daily_work_of_aws() {
    let mut server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let s3 = |server: &Server, arguments: &[&str]| told(aws(server, at).arg("s3").args(arguments).current_dir(at));

    s3(&server, &["mb", "s3://daily"]);
    std::fs::write(at.join("small"), noise(1, 1000)).unwrap();
    std::fs::write(at.join("large"), noise(2, 100 << 20)).unwrap();
    s3(&server, &["cp", "small", "s3://daily/small", "--only-show-errors"]);
    s3(&server, &["cp", "large", "s3://daily/large", "--only-show-errors"]);
    server.kill();
    server.restart();
    s3(&server, &["cp", "s3://daily/large", "large.back", "--only-show-errors"]);
    s3(&server, &["cp", "s3://daily/small", "small.back", "--only-show-errors"]);
    assert!(std::fs::read(at.join("large.back")).unwrap() == noise(2, 100 << 20));
    assert!(std::fs::read(at.join("small.back")).unwrap() == noise(1, 1000));
    s3(&server, &["cp", "s3://daily/large", "s3://daily/copied", "--only-show-errors"]);
    s3(&server, &["mv", "s3://daily/copied", "s3://daily/moved", "--only-show-errors"]);
    let listed = s3(&server, &["ls", "s3://daily"]);
    assert!(listed.contains("moved") && !listed.contains("copied"), "{listed}");

    let url = s3(&server, &["presign", "s3://daily/small", "--expires-in", "60"]);
    run(Command::new("curl").args(["-sSf", "-o"]).arg(at.join("curled")).arg(url.trim()));
    assert!(std::fs::read(at.join("curled")).unwrap() == noise(1, 1000));

    s3(&server, &["rm", "s3://daily", "--recursive", "--only-show-errors"]);
    s3(&server, &["rb", "s3://daily"]);
    server.stop_and_check();
}

#[test]
fn sync_settles_over_a_thousand_difficult_names() {
    let mut server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let (tree, back) = (at.join("tree"), at.join("back"));
    make_tree(&tree, 1000);
    let s3 = |arguments: &[&str]| told(aws(&server, at).arg("s3").args(arguments).current_dir(at));
    s3(&["mb", "s3://synced"]);
    s3(&["sync", "tree", "s3://synced/at", "--only-show-errors"]);
    s3(&["sync", "s3://synced/at", "back", "--only-show-errors"]);
    assert_same_tree(&tree, &back);
    assert_eq!(s3(&["sync", "tree", "s3://synced/at"]).trim(), "", "a second sync has nothing to do");
    std::fs::remove_dir_all(tree.join("dir-3")).unwrap();
    std::fs::write(tree.join("new"), "new").unwrap();
    s3(&["sync", "tree", "s3://synced/at", "--delete", "--only-show-errors"]);
    s3(&["sync", "s3://synced/at", "back", "--delete", "--only-show-errors"]);
    std::fs::remove_dir_all(back.join("dir-3")).ok();
    assert_same_tree(&tree, &back);
    s3(&["rm", "s3://synced", "--recursive", "--only-show-errors"]);
    s3(&["rb", "s3://synced"]);
    server.stop_and_check();
}

#[test]
fn s3api_speaks_every_built_operation() {
    let server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let api = |arguments: &[&str]| told(aws(&server, at).arg("s3api").args(arguments).current_dir(at));
    let query = |arguments: &[&str], path: &str| {
        let arguments = [arguments, &["--query", path, "--output", "text"]].concat();
        api(&arguments).trim().to_owned()
    };
    std::fs::write(at.join("body"), noise(1, 6 << 20)).unwrap();
    api(&["create-bucket", "--bucket", "api-bucket"]);
    assert_eq!(query(&["list-buckets"], "Buckets[].Name"), "api-bucket");
    assert_eq!(query(&["get-bucket-location", "--bucket", "api-bucket"], "LocationConstraint"), "None");
    let on = ["--bucket", "api-bucket", "--key", "k"];
    for algorithm in ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"] {
        if algorithm == "CRC64NVME" || algorithm == "CRC32C" {
            // Some packages of the client lack the library for these two.
            let probe = aws(&server, at)
                .args(["s3api", "put-object", "--body", "body", "--checksum-algorithm", algorithm])
                .args(on)
                .current_dir(at)
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&probe.stderr).into_owned();
            assert!(probe.status.success() || told.contains("crt") || told.contains("Invalid choice"), "{told}");
            continue;
        }
        api(&[&["put-object", "--body", "body", "--checksum-algorithm", algorithm][..], &on].concat());
        let shown =
            query(&[&["head-object", "--checksum-mode", "ENABLED"][..], &on].concat(), &format!("Checksum{algorithm}"));
        assert!(shown.len() > 5, "{algorithm}: {shown}");
    }
    api(&[&["get-object", "back"][..], &on].concat());
    assert!(std::fs::read(at.join("back")).unwrap() == noise(1, 6 << 20));
    let attributes = [&["get-object-attributes", "--object-attributes", "ObjectSize", "ETag"][..], &on].concat();
    assert_eq!(query(&attributes, "ObjectSize"), (6 << 20).to_string());
    let upload = query(&[&["create-multipart-upload"][..], &on].concat(), "UploadId");
    let part = [&["upload-part", "--part-number", "1", "--upload-id", &upload, "--body", "body"][..], &on].concat();
    let etag = query(&part, "ETag");
    assert_eq!(query(&["list-multipart-uploads", "--bucket", "api-bucket"], "Uploads[].Key"), "k");
    assert_eq!(query(&[&["list-parts", "--upload-id", &upload][..], &on].concat(), "Parts[].PartNumber"), "1");
    let parts = format!("{{\"Parts\":[{{\"PartNumber\":1,\"ETag\":{}}}]}}", serde_json::Value::from(etag));
    api(&[&["complete-multipart-upload", "--upload-id", &upload, "--multipart-upload", &parts][..], &on].concat());
    let doomed = query(&[&["create-multipart-upload"][..], &on].concat(), "UploadId");
    api(&[&["abort-multipart-upload", "--upload-id", &doomed][..], &on].concat());
    api(&["copy-object", "--bucket", "api-bucket", "--key", "c", "--copy-source", "api-bucket/k"]);
    assert_eq!(query(&["list-objects", "--bucket", "api-bucket"], "Contents[].Key"), "c\tk");
    assert_eq!(query(&["list-objects-v2", "--bucket", "api-bucket"], "length(Contents)"), "2");
    api(&["delete-objects", "--bucket", "api-bucket", "--delete", "{\"Objects\":[{\"Key\":\"c\"}]}"]);
    api(&[&["delete-object"][..], &on].concat());
    api(&["delete-bucket", "--bucket", "api-bucket"]);
}
