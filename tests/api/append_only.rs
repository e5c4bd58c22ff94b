//! What a key with an append-only policy cannot do: overwrite, delete or expose what its owner has, by any route.
//!
//! Every operation of the API is tried, in a bucket without and in one with versions, and after each the bucket must
//! still be what it was.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sluicegate::s3::Operation as Op;

use super::post_object::form;
use super::support::client::Answer;
use super::support::{Client, Server, md5_hex, noise};

const LOCK: &str = "locks/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const XML: &str = "<x/>";
const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
const OPEN: &str = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::BUCKET","arn:aws:s3:::BUCKET/*"]}}"#;

/// What must come of a request.
#[derive(Clone, Copy)]
enum Outcome {
    /// `AccessDenied`.
    Denied,
    /// This status, and nothing that was there is changed.
    Allowed(u16),
    /// This refusal for another reason.
    Refused(u16, &'static str),
    /// 200, with `AccessDenied` for each key.
    DeniedInside,
}

use Outcome::{Allowed, Denied, DeniedInside, Refused};

/// One request: operation, method, what follows `/BUCKET`, headers, body. `VERSION` and `UPLOAD` are filled in.
struct Row(Op, &'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, Outcome);

const COPY: (&str, &str) = ("x-amz-copy-source", "/BUCKET/data/1");
const BYPASS: (&str, &str) = ("x-amz-bypass-governance-retention", "true");

/// Routes to objects.
const OBJECTS: &[Row] = &[
    Row(Op::PutObject, "PUT", "/config", &[], "evil", Denied),
    Row(Op::PutObject, "PUT", "/config", &[("if-match", "ETAG")], "evil", Denied),
    Row(Op::PutObject, "PUT", "/config", &[("if-match", "*")], "evil", Denied),
    Row(Op::PutObject, "PUT", "/config", &[("if-none-match", "*")], "evil", Refused(412, "PreconditionFailed")),
    Row(Op::PutObject, "PUT", "/config", &[("x-amz-acl", "bucket-owner-full-control")], "evil", Denied),
    Row(Op::PutObject, "PUT", "/config?versionId=VERSION", &[], "evil", Denied),
    Row(Op::PutObject, "PUT", "/new-tagged", &[("x-amz-tagging", "a=b")], "x", Denied),
    Row(Op::PutObject, "PUT", "/new-public", &[("x-amz-acl", "public-read")], "x", Denied),
    Row(Op::PutObject, "PUT", "/new-held", &[("x-amz-object-lock-legal-hold", "ON")], "x", Denied),
    Row(Op::PutObject, "PUT", "/locks/config", &[], "x", Allowed(200)),
    Row(Op::PutObject, "PUT", "/locks/config", &[], "y", Denied),
    Row(Op::PutObject, "PUT", "/new", &[], "x", Allowed(200)),
    Row(Op::PutObject, "PUT", "/new", &[], "x", Denied),
    Row(Op::CopyObject, "PUT", "/config", &[COPY], "", Denied),
    Row(Op::CopyObject, "PUT", "/config", &[COPY, ("x-amz-metadata-directive", "REPLACE")], "", Denied),
    Row(Op::CopyObject, "PUT", "/data/1", &[COPY, ("x-amz-metadata-directive", "REPLACE")], "", Denied),
    Row(Op::CopyObject, "PUT", "/data/1", &[COPY, ("x-amz-storage-class", "STANDARD_IA")], "", Denied),
    Row(Op::CopyObject, "PUT", "/copied", &[COPY], "", Allowed(200)),
    Row(Op::CopyObject, "PUT", "/other", &[("x-amz-copy-source", "/strange/k")], "", Denied),
    Row(Op::RenameObject, "PUT", "/moved?renameObject", &[("x-amz-rename-source", "config")], "", Denied),
    Row(Op::RenameObject, "PUT", "/config?renameObject", &[("x-amz-rename-source", "data/1")], "", Denied),
    Row(Op::RenameObject, "PUT", "/config?renameObject", &[("x-amz-rename-source", LOCK)], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/config", &[], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/config?versionId=VERSION", &[], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/config?versionId=null", &[BYPASS], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/config", &[("if-match", "ETAG")], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/locks/config", &[], "", Denied),
    Row(Op::DeleteObject, "DELETE", "/missing", &[], "", Denied),
    Row(
        Op::DeleteObjects,
        "POST",
        "?delete",
        &[BYPASS],
        "<Delete><Object><Key>config</Key></Object><Object><Key>config</Key><VersionId>VERSION</VersionId></Object>\
         <Object><Key>data/1</Key><VersionId>null</VersionId></Object></Delete>",
        DeniedInside,
    ),
    Row(Op::GetObject, "GET", "/config", &[], "", Allowed(200)),
    Row(Op::GetObject, "GET", "/config?versionId=VERSION", &[], "", Denied),
    Row(Op::HeadObject, "HEAD", "/config", &[], "", Allowed(200)),
    Row(Op::GetObjectAttributes, "GET", "/config?attributes", &[("x-amz-object-attributes", "ETag")], "", Allowed(200)),
    Row(Op::GetObjectAcl, "GET", "/config?acl", &[], "", Denied),
    Row(Op::PutObjectAcl, "PUT", "/config?acl", &[("x-amz-acl", "public-read")], "", Denied),
    Row(Op::GetObjectTagging, "GET", "/config?tagging", &[], "", Denied),
    Row(Op::PutObjectTagging, "PUT", "/config?tagging", &[], TAGS, Denied),
    Row(Op::DeleteObjectTagging, "DELETE", "/config?tagging", &[], "", Denied),
    Row(Op::GetObjectRetention, "GET", "/config?retention", &[], "", Denied),
    Row(Op::PutObjectRetention, "PUT", "/config?retention", &[BYPASS], "<Retention/>", Denied),
    Row(Op::GetObjectLegalHold, "GET", "/config?legal-hold", &[], "", Denied),
    Row(Op::PutObjectLegalHold, "PUT", "/config?legal-hold", &[], XML, Denied),
    Row(Op::RestoreObject, "POST", "/config?restore", &[], XML, Denied),
    Row(Op::UpdateObjectEncryption, "PUT", "/config?encryption", &[], XML, Denied),
    Row(Op::GetObjectAnnotation, "GET", "/config?annotation&annotationName=a", &[], "", Denied),
    Row(Op::ListObjectAnnotations, "GET", "/config?annotation", &[], "", Denied),
    Row(Op::PutObjectAnnotation, "PUT", "/config?annotation&annotationName=a", &[], "x", Denied),
    Row(Op::DeleteObjectAnnotation, "DELETE", "/config?annotation&annotationName=a", &[], "", Denied),
    Row(Op::GetObjectTorrent, "GET", "/config?torrent", &[], "", Denied),
    Row(Op::SelectObjectContent, "POST", "/config?select&select-type=2", &[], XML, Refused(501, "NotImplemented")),
    Row(Op::CreateMultipartUpload, "POST", "/config?uploads", &[("x-amz-tagging", "a=b")], "", Denied),
    Row(Op::UploadPart, "PUT", "/config?uploadId=UPLOAD&partNumber=1", &[], "evil", Allowed(200)),
    Row(Op::UploadPartCopy, "PUT", "/config?uploadId=UPLOAD&partNumber=1", &[COPY], "", Allowed(200)),
    Row(Op::ListParts, "GET", "/config?uploadId=UPLOAD", &[], "", Allowed(200)),
    Row(Op::CompleteMultipartUpload, "POST", "/config?uploadId=UPLOAD", &[], "PARTS", Denied),
    Row(Op::CompleteMultipartUpload, "POST", "/config?uploadId=UPLOAD", &[("if-match", "ETAG")], "PARTS", Denied),
    Row(Op::AbortMultipartUpload, "DELETE", "/config?uploadId=UPLOAD", &[], "", Allowed(204)),
];

/// Routes to buckets. Where the body would be refused for what it is, the missing permission comes first.
const BUCKETS: &[Row] = &[
    Row(Op::ListObjects, "GET", "", &[], "", Allowed(200)),
    Row(Op::ListObjectsV2, "GET", "?list-type=2", &[], "", Allowed(200)),
    Row(Op::ListMultipartUploads, "GET", "?uploads", &[], "", Allowed(200)),
    Row(Op::HeadBucket, "HEAD", "", &[], "", Allowed(200)),
    Row(Op::GetBucketLocation, "GET", "?location", &[], "", Allowed(200)),
    Row(Op::GetBucketVersioning, "GET", "?versioning", &[], "", Allowed(200)),
    Row(Op::ListObjectVersions, "GET", "?versions", &[], "", Denied),
    Row(Op::CreateBucket, "PUT", "", &[], "", Denied),
    Row(Op::DeleteBucket, "DELETE", "", &[], "", Denied),
    Row(Op::PutBucketAcl, "PUT", "?acl", &[("x-amz-acl", "public-read-write")], "", Denied),
    Row(Op::PutBucketPolicy, "PUT", "?policy", &[], OPEN, Denied),
    Row(Op::DeleteBucketPolicy, "DELETE", "?policy", &[], "", Denied),
    Row(
        Op::PutBucketVersioning,
        "PUT",
        "?versioning",
        &[],
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
        Denied,
    ),
    Row(
        Op::PutBucketLifecycleConfiguration,
        "PUT",
        "?lifecycle",
        &[],
        "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule>\
         </LifecycleConfiguration>",
        Denied,
    ),
    Row(Op::PutBucketTagging, "PUT", "?tagging", &[], TAGS, Denied),
];

/// Configurations of a bucket by sub-resource: the reads, writes and removals that are denied.
const CONFIGURATIONS: &[(&str, &[(&str, Op)])] = &[
    ("abac", &[("GET", Op::GetBucketAbac), ("PUT", Op::PutBucketAbac)]),
    ("accelerate", &[("GET", Op::GetBucketAccelerateConfiguration), ("PUT", Op::PutBucketAccelerateConfiguration)]),
    ("acl", &[("GET", Op::GetBucketAcl), ("PUT", Op::PutBucketAcl)]),
    (
        "analytics&id=a",
        &[
            ("GET", Op::GetBucketAnalyticsConfiguration),
            ("PUT", Op::PutBucketAnalyticsConfiguration),
            ("DELETE", Op::DeleteBucketAnalyticsConfiguration),
        ],
    ),
    ("analytics", &[("GET", Op::ListBucketAnalyticsConfigurations)]),
    ("cors", &[("GET", Op::GetBucketCors), ("PUT", Op::PutBucketCors), ("DELETE", Op::DeleteBucketCors)]),
    (
        "encryption",
        &[("GET", Op::GetBucketEncryption), ("PUT", Op::PutBucketEncryption), ("DELETE", Op::DeleteBucketEncryption)],
    ),
    (
        "intelligent-tiering&id=a",
        &[
            ("GET", Op::GetBucketIntelligentTieringConfiguration),
            ("PUT", Op::PutBucketIntelligentTieringConfiguration),
            ("DELETE", Op::DeleteBucketIntelligentTieringConfiguration),
        ],
    ),
    ("intelligent-tiering", &[("GET", Op::ListBucketIntelligentTieringConfigurations)]),
    (
        "inventory&id=a",
        &[
            ("GET", Op::GetBucketInventoryConfiguration),
            ("PUT", Op::PutBucketInventoryConfiguration),
            ("DELETE", Op::DeleteBucketInventoryConfiguration),
        ],
    ),
    ("inventory", &[("GET", Op::ListBucketInventoryConfigurations)]),
    (
        "lifecycle",
        &[
            ("GET", Op::GetBucketLifecycleConfiguration),
            ("PUT", Op::PutBucketLifecycleConfiguration),
            ("DELETE", Op::DeleteBucketLifecycle),
        ],
    ),
    ("logging", &[("GET", Op::GetBucketLogging), ("PUT", Op::PutBucketLogging)]),
    ("metadataAnnotationTable", &[("PUT", Op::UpdateBucketMetadataAnnotationTableConfiguration)]),
    (
        "metadataConfiguration",
        &[
            ("GET", Op::GetBucketMetadataConfiguration),
            ("POST", Op::CreateBucketMetadataConfiguration),
            ("DELETE", Op::DeleteBucketMetadataConfiguration),
        ],
    ),
    ("metadataInventoryTable", &[("PUT", Op::UpdateBucketMetadataInventoryTableConfiguration)]),
    ("metadataJournalTable", &[("PUT", Op::UpdateBucketMetadataJournalTableConfiguration)]),
    (
        "metadataTable",
        &[
            ("GET", Op::GetBucketMetadataTableConfiguration),
            ("POST", Op::CreateBucketMetadataTableConfiguration),
            ("DELETE", Op::DeleteBucketMetadataTableConfiguration),
        ],
    ),
    (
        "metrics&id=a",
        &[
            ("GET", Op::GetBucketMetricsConfiguration),
            ("PUT", Op::PutBucketMetricsConfiguration),
            ("DELETE", Op::DeleteBucketMetricsConfiguration),
        ],
    ),
    ("metrics", &[("GET", Op::ListBucketMetricsConfigurations)]),
    (
        "notification",
        &[("GET", Op::GetBucketNotificationConfiguration), ("PUT", Op::PutBucketNotificationConfiguration)],
    ),
    ("object-lock", &[("PUT", Op::PutObjectLockConfiguration)]),
    (
        "ownershipControls",
        &[
            ("GET", Op::GetBucketOwnershipControls),
            ("PUT", Op::PutBucketOwnershipControls),
            ("DELETE", Op::DeleteBucketOwnershipControls),
        ],
    ),
    ("policy", &[("GET", Op::GetBucketPolicy), ("PUT", Op::PutBucketPolicy), ("DELETE", Op::DeleteBucketPolicy)]),
    ("policyStatus", &[("GET", Op::GetBucketPolicyStatus)]),
    (
        "publicAccessBlock",
        &[
            ("GET", Op::GetPublicAccessBlock),
            ("PUT", Op::PutPublicAccessBlock),
            ("DELETE", Op::DeletePublicAccessBlock),
        ],
    ),
    (
        "replication",
        &[
            ("GET", Op::GetBucketReplication),
            ("PUT", Op::PutBucketReplication),
            ("DELETE", Op::DeleteBucketReplication),
        ],
    ),
    ("requestPayment", &[("GET", Op::GetBucketRequestPayment), ("PUT", Op::PutBucketRequestPayment)]),
    ("session", &[("GET", Op::CreateSession)]),
    ("tagging", &[("GET", Op::GetBucketTagging), ("PUT", Op::PutBucketTagging), ("DELETE", Op::DeleteBucketTagging)]),
    ("versioning", &[("PUT", Op::PutBucketVersioning)]),
    ("website", &[("GET", Op::GetBucketWebsite), ("PUT", Op::PutBucketWebsite), ("DELETE", Op::DeleteBucketWebsite)]),
];

/// Operations that have tests of their own below, or that no key is asked for.
const ELSEWHERE: [Op; 5] =
    [Op::GetObjectLockConfiguration, Op::ListBuckets, Op::PostObject, Op::PreflightRequest, Op::WriteGetObjectResponse];

/// A bucket with a history, its owner, and a key that may only add to it.
struct Case {
    owner: Client,
    key: Client,
    bucket: &'static str,
    etag: String,
    version: String,
    upload: String,
}

impl Case {
    fn make(owner: &Client, key: &Client, bucket: &'static str) -> Self {
        owner.bucket(bucket);
        if bucket == "versioned" {
            let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
            owner.put("/versioned?versioning", on).expect(200);
        }
        let at = |key: &str| format!("/{bucket}/{key}");
        owner.put(&at("config"), "first").expect(200);
        let put = owner.put(&at("config"), "second").expect(200);
        owner.put(&at("config?tagging"), TAGS).expect(200);
        owner.put(&at("data/1"), noise(1, 100_000)).expect(200);
        owner.put(&at(LOCK), "lock").expect(200);
        let upload = key.call("POST", &at("config?uploads")).send().expect(200).one("UploadId");
        Self {
            owner: owner.clone(),
            key: key.clone(),
            bucket,
            etag: put.etag(),
            version: put.header("x-amz-version-id").unwrap_or("null").to_owned(),
            upload,
        }
    }

    fn fill(&self, text: &str) -> String {
        let part = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
            md5_hex(&noise(1, 100_000))
        );
        text.replace("BUCKET", self.bucket)
            .replace("VERSION", &self.version)
            .replace("UPLOAD", &self.upload)
            .replace("ETAG", &self.etag)
            .replace("PARTS", &part)
    }

    /// What the key must not change: every version of what its owner wrote, and what is said about it.
    fn state(&self) -> Vec<String> {
        let mut state = Vec::new();
        let versions = self.owner.get(&format!("/{}?versions", self.bucket)).expect(200);
        for (kind, entry) in versions.elements(&["Version", "DeleteMarker"]) {
            let fact = |name: &str| entry.one(name);
            if ["config", "data/1", LOCK].contains(&fact("Key").as_str()) {
                let facts = ["Key", "VersionId", "ETag", "IsLatest", "LastModified", "StorageClass"].map(fact);
                state.push(format!("{kind} {facts:?}"));
            }
        }
        for aspect in ["/config?tagging", "/config?acl", "?versioning"] {
            state.push(self.owner.get(&format!("/{}{aspect}", self.bucket)).expect(200).text());
        }
        state
    }

    /// The bucket's own documents.
    fn documents(&self) -> Vec<String> {
        let documents =
            ["acl", "cors", "lifecycle", "ownershipControls", "policy", "publicAccessBlock", "tagging", "website"];
        let told = documents.map(|document| {
            let answer = self.owner.get(&format!("/{}?{document}", self.bucket));
            format!("{document}: {} {}", answer.status, answer.one("Code"))
        });
        told.to_vec()
    }

    #[track_caller]
    fn try_row(&self, row: &Row) {
        let Row(operation, method, target, headers, body, outcome) = row;
        let before = self.state();
        let target = self.fill(&format!("/BUCKET{target}"));
        let body = self.fill(body);
        let md5 = BASE64.encode(hex::decode(md5_hex(body.as_bytes())).unwrap());
        let mut call = self.key.call(method, &target).header("content-md5", md5).body(body);
        for (name, value) in *headers {
            call = call.header(name, self.fill(value));
        }
        let answer = call.send();
        let told = format!("{operation} {method} {target}: {} {}", answer.status, answer.text());
        // A lock may be deleted, so that only its new name speaks against a rename; with versions there is none.
        let has_no_rename = *operation == Op::RenameObject && self.bucket == "versioned";
        match outcome {
            Denied if has_no_rename && answer.one("Code") == "InvalidRequest" => {}
            Denied => assert_eq!((answer.status, answer.one("Code").as_str()), (403, "AccessDenied"), "{told}"),
            Allowed(status) => assert_eq!(answer.status, *status, "{told}"),
            Refused(status, code) => {
                assert_eq!((answer.status, answer.one("Code")), (*status, (*code).into()), "{told}");
            }
            DeniedInside => {
                assert_eq!(answer.status, 200, "{told}");
                let codes: BTreeSet<String> = answer.all("Code").into_iter().collect();
                assert!(codes == BTreeSet::from(["AccessDenied".to_owned()]) && !told.contains("<Deleted>"), "{told}");
            }
        }
        assert_eq!(self.state(), before, "{told}");
    }
}

fn keys(server: &Server) -> (Client, Client) {
    let owner = server.client_of("nas");
    let key = server.client_with("nas-backup", &["--for", "nas", "--policy", "restic-append-only"]);
    (owner, key)
}

#[test]
fn no_operation_overwrites_deletes_or_exposes() {
    let mut server = Server::start();
    let (owner, key) = keys(&server);
    let stranger = server.client_of("stranger");
    stranger.bucket("strange");
    stranger.put("/strange/k", "x").expect(200);
    for bucket in ["plain", "versioned"] {
        let case = Case::make(&owner, &key, bucket);
        let documents = case.documents();
        for row in OBJECTS.iter().chain(BUCKETS) {
            case.try_row(row);
        }
        for (sub_resource, operations) in CONFIGURATIONS {
            let target: &'static str = format!("?{sub_resource}").leak();
            for (method, operation) in *operations {
                let body = if *method == "GET" { "" } else { XML };
                case.try_row(&Row(*operation, method, target, &[], body, Denied));
            }
        }
        assert_eq!(case.documents(), documents);
        assert!(owner.get(&format!("/{bucket}/data/1")).expect(200).body == noise(1, 100_000));
        // What a policy of the bucket gives to everybody, it does not give to this key.
        owner.put(&format!("/{bucket}?policy"), case.fill(OPEN)).expect(204);
        for row in OBJECTS.iter().filter(|row| matches!(row.5, Denied) && row.0 != Op::CompleteMultipartUpload) {
            case.try_row(row);
        }
    }
    let tried: BTreeSet<&str> = OBJECTS.iter().chain(BUCKETS).map(|row| row.0.name()).collect();
    let configured = CONFIGURATIONS.iter().flat_map(|(_, operations)| operations.iter().map(|(_, op)| op.name()));
    let tried: BTreeSet<&str> = tried.into_iter().chain(configured).chain(ELSEWHERE.map(Op::name)).collect();
    let all: BTreeSet<&str> = Op::ALL.iter().map(|operation| operation.name()).collect();
    assert_eq!(tried, all, "a new operation must be tried");
    server.stop_and_check();
}

fn post_form(server: &Server, key: &Client, bucket: &str, name: &str) -> Answer {
    let credentials = key.credentials.as_ref().unwrap();
    let policy =
        format!(r#"{{"expiration":"2099-01-01T00:00:00Z","conditions":[{{"bucket":"{bucket}"}},{{"key":"{name}"}}]}}"#);
    let policy = BASE64.encode(policy);
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(credentials.secret.as_bytes()).unwrap();
    mac.update(policy.as_bytes());
    let signature = BASE64.encode(mac.finalize().into_bytes());
    let fields = [("key", name), ("AWSAccessKeyId", &credentials.id), ("policy", &policy), ("signature", &signature)];
    let call = server.anonymous().call("POST", &format!("/{bucket}"));
    call.header("content-type", "multipart/form-data; boundary=b0undary").body(form(&fields, Some(b"evil"))).send()
}

#[test]
fn other_ways_to_sign_are_no_way_around() {
    let server = Server::start();
    let (owner, key) = keys(&server);
    for bucket in ["plain", "versioned"] {
        let case = Case::make(&owner, &key, bucket);
        let before = case.state();
        post_form(&server, &key, bucket, "config").expect_error(403, "AccessDenied");
        post_form(&server, &key, bucket, "posted").expect(204);
        post_form(&server, &key, bucket, "posted").expect_error(403, "AccessDenied");
        let presigned = |method: &str, target: &str| {
            let url = key.call(method, &format!("/{bucket}/{target}")).presign(60);
            server.anonymous().call(method, &url).body("evil").send()
        };
        presigned("PUT", "config").expect_error(403, "AccessDenied");
        presigned("PUT", "presigned").expect(200);
        presigned("DELETE", "config").expect_error(403, "AccessDenied");
        let frames = "4;chunk-signature=0\r\nevil\r\n0;chunk-signature=0\r\n\r\n";
        let framed = key
            .call("PUT", &format!("/{bucket}/config"))
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
            .header("x-amz-decoded-content-length", "4")
            .body(frames.replace(";chunk-signature=0", ""));
        framed.send().expect_error(403, "AccessDenied");
        assert_eq!(case.state(), before);
    }
}

/// What restic needs beside adding: its locks, listings and the names of buckets.
#[test]
fn locks_come_and_go() {
    let server = Server::start();
    let (owner, key) = keys(&server);
    owner.bucket("repo");
    assert_eq!(key.get("/").expect(200).all("Name"), ["repo"]);
    for folder in ["", "host/"] {
        let lock = format!("/repo/{folder}{LOCK}");
        key.put(&lock, "1").expect(200);
        key.put(&lock, "2").expect(200);
        assert_eq!(key.get(&lock).expect(200).text(), "2");
        key.delete(&lock).expect(204);
        key.get(&lock).expect_error(404, "NoSuchKey");
    }
    // Whoever owns the bucket is not bound.
    key.put("/repo/config", "1").expect(200);
    owner.put("/repo/config", "2").expect(200);
    owner.delete("/repo/config").expect(204);
    key.put("/repo/config", "3").expect(200);
    assert_eq!(owner.get("/repo?versions").expect(200).all("DisplayName"), ["nas"]);
}

#[test]
fn the_presets_differ_in_what_their_programs_need() {
    let server = Server::start();
    let owner = server.client_of("nas");
    let kopia = server.client_with("kopia", &["--for", "nas", "--policy", "kopia-append-only"]);
    let pbs = server.client_with("pbs", &["--for", "nas", "--policy", "pbs-append-only"]);
    for (key, bucket, again, never, deletes) in [
        (&kopia, "kopia", "kopia.maintenance", "kopia.repository", Some("s0123456789abcdef0123-s01")),
        (&pbs, "pbs", "store/.cnt/vm/100/2026/index.json.blob", "store/.chunks/0000/00001111", None),
    ] {
        owner.bucket(bucket);
        let at = |key: &str| format!("/{bucket}/{key}");
        for name in [again, never] {
            key.put(&at(name), "1").expect(200);
            key.delete(&at(name)).expect_error(403, "AccessDenied");
        }
        key.put(&at(again), "2").expect(200);
        key.put(&at(never), "2").expect_error(403, "AccessDenied");
        assert_eq!(owner.get(&at(never)).expect(200).text(), "1");
        if let Some(marker) = deletes {
            key.put(&at(marker), "1").expect(200);
            key.delete(&at(marker)).expect(204);
        }
        key.put(&format!("/{bucket}?versioning"), XML).expect_error(403, "AccessDenied");
    }
}
