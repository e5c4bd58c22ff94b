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

/// Puts, reads back and removes every configuration of a bucket that the gateway has, as `s3api` spells them.
#[test]
fn s3api_configures_buckets() {
    let server = Server::start_with(&["--webhook", "hook=http://127.0.0.1:9/"]);
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    let run = |operation: &str, arguments: &[&str]| {
        let mut command = aws(&server, at);
        command.args(["s3api", operation, "--bucket", "configured"]).args(arguments).current_dir(at);
        command.output().unwrap()
    };
    let api = |operation: &str, arguments: &[&str]| {
        let done = run(operation, arguments);
        assert!(done.status.success(), "{operation} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().split_whitespace().collect::<String>()
    };
    let refused = |operation: &str, arguments: &[&str], code: &str| {
        let done = run(operation, arguments);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && told.contains(code), "{operation}: {told}");
    };
    aws_make(&server, at, "logs");
    api("create-bucket", &["--object-ownership", "ObjectWriter"]);

    // What is put, what of it must be read back, and what is said when it is gone.
    let json = |name: &str, value: &str| [format!("--{name}"), value.to_owned()];
    let table = [
        (
            "bucket-tagging",
            json("tagging", "TagSet=[{Key=team,Value=storage}]"),
            r#""Value":"storage""#,
            "NoSuchTagSet",
        ),
        (
            "bucket-policy",
            json(
                "policy",
                r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::configured/*"}}"#,
            ),
            "arn:aws:s3:::configured/*",
            "NoSuchBucketPolicy",
        ),
        (
            "bucket-cors",
            json(
                "cors-configuration",
                r#"{"CORSRules":[{"AllowedMethods":["GET","PUT"],"AllowedOrigins":["https://a.example"],"AllowedHeaders":["*"],"ExposeHeaders":["ETag"],"MaxAgeSeconds":60}]}"#,
            ),
            r#""MaxAgeSeconds":60"#,
            "NoSuchCORSConfiguration",
        ),
        (
            "bucket-website",
            json(
                "website-configuration",
                r#"{"IndexDocument":{"Suffix":"index.html"},"ErrorDocument":{"Key":"e.html"},"RoutingRules":[{"Condition":{"KeyPrefixEquals":"d/"},"Redirect":{"ReplaceKeyPrefixWith":"n/"}}]}"#,
            ),
            r#""ReplaceKeyPrefixWith":"n/""#,
            "NoSuchWebsiteConfiguration",
        ),
        (
            "public-access-block",
            json(
                "public-access-block-configuration",
                "BlockPublicAcls=true,IgnorePublicAcls=false,BlockPublicPolicy=true,RestrictPublicBuckets=false",
            ),
            r#""BlockPublicAcls":true,"IgnorePublicAcls":false,"BlockPublicPolicy":true"#,
            "NoSuchPublicAccessBlockConfiguration",
        ),
        (
            "bucket-ownership-controls",
            json("ownership-controls", "Rules=[{ObjectOwnership=BucketOwnerPreferred}]"),
            "BucketOwnerPreferred",
            "OwnershipControlsNotFoundError",
        ),
    ];
    for (name, put, shown, gone) in &table {
        api(&format!("put-{name}"), &put.each_ref().map(String::as_str));
        let read = api(&format!("get-{name}"), &[]);
        assert!(read.replace('\\', "").contains(shown), "{name}: {read}");
        api(&format!("delete-{name}"), &[]);
        refused(&format!("get-{name}"), &[], gone);
    }

    let rules = r#"{"Rules":[{"ID":"r","Status":"Enabled","Filter":{"Prefix":"x/"},"Expiration":{"Days":7},"NoncurrentVersionExpiration":{"NoncurrentDays":3,"NewerNoncurrentVersions":2},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":2}}]}"#;
    api("put-bucket-lifecycle-configuration", &["--lifecycle-configuration", rules]);
    assert!(api("get-bucket-lifecycle-configuration", &[]).contains(r#""NewerNoncurrentVersions":2"#));
    let old_form = r#"{"Rules":[{"ID":"old","Status":"Enabled","Prefix":"x/","Expiration":{"Days":7}}]}"#;
    api("put-bucket-lifecycle", &["--lifecycle-configuration", old_form]);
    assert!(api("get-bucket-lifecycle", &[]).contains(r#""Prefix":"x/""#));
    api("delete-bucket-lifecycle", &[]);
    refused("get-bucket-lifecycle-configuration", &[], "NoSuchLifecycleConfiguration");

    let logging = r#"{"LoggingEnabled":{"TargetBucket":"logs","TargetPrefix":"l/"}}"#;
    api("put-bucket-logging", &["--bucket-logging-status", logging]);
    assert!(api("get-bucket-logging", &[]).contains(r#""TargetPrefix":"l/""#));
    api("put-bucket-logging", &["--bucket-logging-status", "{}"]);
    assert_eq!(api("get-bucket-logging", &[]), "");

    let queue = "arn:aws:sqs:us-east-1:000000000000:hook";
    let told = format!(r#"{{"QueueConfigurations":[{{"QueueArn":"{queue}","Events":["s3:ObjectCreated:*"]}}]}}"#);
    api("put-bucket-notification-configuration", &["--notification-configuration", &told]);
    assert!(api("get-bucket-notification-configuration", &[]).contains(queue));
    api("put-bucket-notification-configuration", &["--notification-configuration", "{}"]);
    assert_eq!(api("get-bucket-notification-configuration", &[]), "");

    let encryption = r#"{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}"#;
    api("put-bucket-encryption", &["--server-side-encryption-configuration", encryption]);
    assert!(api("get-bucket-encryption", &[]).contains("AES256"));
    api("delete-bucket-encryption", &[]);

    api("put-bucket-request-payment", &["--request-payment-configuration", "Payer=Requester"]);
    assert!(api("get-bucket-request-payment", &[]).contains("Requester"));
    api("put-bucket-request-payment", &["--request-payment-configuration", "Payer=BucketOwner"]);
    api("put-bucket-acl", &["--acl", "public-read"]);
    assert!(api("get-bucket-acl", &[]).contains("groups/global/AllUsers"));
    let [flag, public] = &table[1].1;
    api("put-bucket-policy", &[flag, public]);
    assert!(api("get-bucket-policy-status", &[]).contains(r#""IsPublic":true"#));

    // What the gateway does not have is empty, or not found, and never there.
    assert_eq!(api("get-bucket-accelerate-configuration", &[]), "");
    refused("get-bucket-replication", &[], "ReplicationConfigurationNotFoundError");
    assert_eq!(api("list-bucket-inventory-configurations", &[]), r#"{"IsTruncated":false}"#);
    refused("get-bucket-inventory-configuration", &["--id", "x"], "NoSuchConfiguration");
}

fn aws_make(server: &Server, at: &Path, bucket: &str) {
    run(aws(server, at).args(["s3api", "create-bucket", "--bucket", bucket]));
}

/// Versions, their locks, tags and ACLs, as `s3api` spells them.
#[test]
fn s3api_locks_tags_and_opens_versions() {
    let mut server = Server::start();
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    std::fs::write(at.join("body"), "body").unwrap();
    let run = |operation: &str, arguments: &[&str]| {
        let mut command = aws(&server, at);
        command.args(["s3api", operation, "--bucket", "locked"]).args(arguments).current_dir(at);
        command.output().unwrap()
    };
    let api = |operation: &str, arguments: &[&str], path: &str| {
        let done = run(operation, &[arguments, &["--query", path, "--output", "text"]].concat());
        assert!(done.status.success(), "{operation} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    let refused = |operation: &str, arguments: &[&str], code: &str| {
        let done = run(operation, arguments);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && told.contains(code), "{operation}: {told}");
    };
    api("create-bucket", &["--object-lock-enabled-for-bucket", "--object-ownership", "ObjectWriter"], "@");
    assert_eq!(api("get-bucket-versioning", &[], "Status"), "Enabled");
    refused("put-bucket-versioning", &["--versioning-configuration", "Status=Suspended"], "InvalidBucketState");
    let default = r#"{"ObjectLockEnabled":"Enabled","Rule":{"DefaultRetention":{"Mode":"GOVERNANCE","Days":1}}}"#;
    api("put-object-lock-configuration", &["--object-lock-configuration", default], "@");
    assert_eq!(
        api("get-object-lock-configuration", &[], "ObjectLockConfiguration.Rule.DefaultRetention.Mode"),
        "GOVERNANCE"
    );

    let governed = api("put-object", &["--key", "k", "--body", "body", "--tagging", "a=b&c=d"], "VersionId");
    let compliance = ["--object-lock-mode", "COMPLIANCE", "--object-lock-retain-until-date", "2130-01-01T00:00:00Z"];
    let put = [&["--key", "k", "--body", "body", "--object-lock-legal-hold-status", "ON"][..], &compliance].concat();
    let compliant = api("put-object", &put, "VersionId");
    let of = |version: &'static str| ["--key", "k", "--version-id", version];
    let (governed, compliant): (&'static str, &'static str) = (governed.leak(), compliant.leak());
    assert_eq!(api("head-object", &of(governed), "ObjectLockMode"), "GOVERNANCE");
    assert_eq!(api("get-object-retention", &of(compliant), "Retention.Mode"), "COMPLIANCE");
    assert_eq!(api("get-object-legal-hold", &of(compliant), "LegalHold.Status"), "ON");
    let longer = r#"{"Mode":"COMPLIANCE","RetainUntilDate":"2131-01-01T00:00:00Z"}"#;
    api("put-object-retention", &[&of(compliant)[..], &["--retention", longer]].concat(), "@");
    let shorter = r#"{"Mode":"COMPLIANCE","RetainUntilDate":"2129-01-01T00:00:00Z"}"#;
    refused("put-object-retention", &[&of(compliant)[..], &["--retention", shorter]].concat(), "AccessDenied");
    api("put-object-legal-hold", &[&of(compliant)[..], &["--legal-hold", "Status=OFF"]].concat(), "@");
    let bypass = ["--bypass-governance-retention"];
    refused("delete-object", &[&of(compliant)[..], &bypass].concat(), "AccessDenied");

    assert_eq!(api("get-object-tagging", &of(governed), "length(TagSet)"), "2");
    api("put-object-tagging", &[&of(governed)[..], &["--tagging", "TagSet=[{Key=x,Value=y}]"]].concat(), "@");
    assert_eq!(api("get-object-tagging", &of(governed), "TagSet[0].Value"), "y");
    api("delete-object-tagging", &of(governed), "@");
    api("put-object-acl", &[&of(governed)[..], &["--acl", "public-read"]].concat(), "@");
    assert_eq!(api("get-object-acl", &of(governed), "length(Grants)"), "2");

    assert_eq!(api("delete-object", &["--key", "k"], "DeleteMarker"), "True");
    assert_eq!(api("list-object-versions", &[], "[length(Versions),length(DeleteMarkers)]"), "2\t1");
    refused("delete-object", &of(governed), "AccessDenied");
    let batch = format!(r#"{{"Objects":[{{"Key":"k","VersionId":"{governed}"}}]}}"#);
    assert_eq!(api("delete-objects", &["--delete", &batch], "Errors[0].Code"), "AccessDenied");
    api("delete-objects", &[&["--delete", &batch][..], &bypass].concat(), "Deleted[0].VersionId");
    assert_eq!(api("list-object-versions", &[], "Versions[].VersionId"), compliant);
    server.stop_and_check();
}
