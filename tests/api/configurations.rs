//! What infrastructure tools ask every bucket: each question gets the true answer or the documented error that
//! says "there is none", and none ends a refresh.

use super::support::{Client, Server};

/// Question, and the code of the answer that there is none; empty if there always is an answer.
const QUESTIONS: [(&str, &str); 29] = [
    ("abac", ""),
    ("accelerate", ""),
    ("acl", ""),
    ("analytics", ""),
    ("analytics&id=a", "NoSuchConfiguration"),
    ("cors", "NoSuchCORSConfiguration"),
    ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("intelligent-tiering", ""),
    ("intelligent-tiering&id=a", "NoSuchConfiguration"),
    ("inventory", ""),
    ("inventory&id=a", "NoSuchConfiguration"),
    ("lifecycle", "NoSuchLifecycleConfiguration"),
    ("location", ""),
    ("logging", ""),
    ("metadataConfiguration", "MetadataConfigurationNotFound"),
    ("metadataTable", "MetadataConfigurationNotFound"),
    ("metrics", ""),
    ("metrics&id=a", "NoSuchConfiguration"),
    ("notification", ""),
    ("object-lock", "ObjectLockConfigurationNotFoundError"),
    ("ownershipControls", ""),
    ("policy", "NoSuchBucketPolicy"),
    ("policyStatus", "NoSuchBucketPolicy"),
    ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ("replication", "ReplicationConfigurationNotFoundError"),
    ("requestPayment", ""),
    ("tagging", "NoSuchTagSet"),
    ("versioning", ""),
    ("website", "NoSuchWebsiteConfiguration"),
];

#[test]
fn every_question_about_a_fresh_bucket_has_its_documented_answer() {
    let server = Server::start();
    let client = server.client();
    client.bucket("fresh");
    for (question, absent) in QUESTIONS {
        let answer = client.get(&format!("/fresh?{question}"));
        match answer.status {
            200 => assert!(answer.text().starts_with("<?xml"), "{question}: {}", answer.text()),
            // A bucket may have defaults where S3 once had none: both are answers.
            404 => assert_eq!(answer.one("Code"), absent, "{question}"),
            status => panic!("{question}: {status} {}", answer.text()),
        }
    }
}

#[test]
fn configurations_that_cannot_be_are_refused_by_name_and_deleting_them_is_no_fault() {
    let server = Server::start();
    let client = server.client();
    client.bucket("none");
    for (method, target, operation) in [
        ("PUT", "/none?analytics&id=a", "PutBucketAnalyticsConfiguration"),
        ("PUT", "/none?intelligent-tiering&id=a", "PutBucketIntelligentTieringConfiguration"),
        ("PUT", "/none?inventory&id=a", "PutBucketInventoryConfiguration"),
        ("PUT", "/none?metrics&id=a", "PutBucketMetricsConfiguration"),
        ("PUT", "/none?replication", "PutBucketReplication"),
        ("POST", "/none?metadataConfiguration", "CreateBucketMetadataConfiguration"),
        ("GET", "/none?session", "CreateSession"),
        ("GET", "/none/k?torrent", "GetObjectTorrent"),
    ] {
        let answer = client.call(method, target).body("<x/>").send().expect_error(501, "NotImplemented");
        assert!(answer.one("Message").contains(operation), "{target}: {}", answer.text());
    }
    for target in ["/none?replication", "/none?metadataConfiguration", "/none?metadataTable"] {
        client.delete(target).expect(204);
    }
    for kind in ["analytics", "intelligent-tiering", "inventory", "metrics"] {
        client.delete(&format!("/none?{kind}&id=a")).expect_error(404, "NoSuchConfiguration");
    }
    let accelerate = |status: &str| {
        client.put(
            "/none?accelerate",
            format!("<AccelerateConfiguration><Status>{status}</Status></AccelerateConfiguration>"),
        )
    };
    accelerate("Suspended").expect(200);
    accelerate("Enabled").expect_error(501, "NotImplemented");
    accelerate("Perhaps").expect_error(400, "MalformedXML");
    client.put("/none?abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>").expect(200);
}

#[test]
fn who_pays_is_kept_and_strangers_are_not_charged_unknowingly() {
    let server = Server::start();
    let client = server.client();
    client.bucket("paid");
    let put = |payer: &str| {
        let document = format!("<RequestPaymentConfiguration><Payer>{payer}</Payer></RequestPaymentConfiguration>");
        client.put("/paid?requestPayment", document)
    };
    assert_eq!(client.get("/paid?requestPayment").expect(200).one("Payer"), "BucketOwner");
    put("Requester").expect(200);
    assert_eq!(client.get("/paid?requestPayment").expect(200).one("Payer"), "Requester");
    put("Nobody").expect_error(400, "MalformedXML");
    let written = client.call("PUT", "/paid/k").header("x-amz-request-payer", "requester").body("x").send().expect(200);
    assert_eq!(written.header("x-amz-request-charged"), None, "the owner pays for the own bucket as before");
    let everybody = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
        "Action":["s3:GetObject","s3:PutObject","s3:ListBucket"],"Resource":["arn:aws:s3:::paid","arn:aws:s3:::paid/*"]}]}"#;
    client.put("/paid?policy", everybody).expect(204);
    let stranger = server.client_of("carol");
    stranger.bucket("carols");
    let targets =
        [("GET", "/paid/k", ""), ("GET", "/paid", ""), ("PUT", "/paid/l", ""), ("PUT", "/carols/k", "/paid/k")];
    for (method, target, source) in targets {
        let ask = |client: &Client, payer: &str| {
            let mut call = client.call(method, target);
            for (name, value) in [("x-amz-request-payer", payer), ("x-amz-copy-source", source)] {
                if !value.is_empty() {
                    call = call.header(name, value);
                }
            }
            call.send()
        };
        ask(&stranger, "").expect_error(403, "AccessDenied");
        ask(&stranger, "owner").expect_error(403, "AccessDenied");
        let charged = ask(&stranger, "requester").expect(200);
        let is_own = target.starts_with("/carols");
        assert_eq!(charged.header("x-amz-request-charged"), (!is_own).then_some("requester"), "{target}");
        ask(&server.anonymous(), "requester").expect_error(403, "AccessDenied");
    }
    put("BucketOwner").expect(200);
    assert_eq!(client.get("/paid?requestPayment").expect(200).one("Payer"), "BucketOwner");
}

#[test]
fn a_completed_upload_is_where_its_client_found_the_server() {
    let server = Server::start();
    let client = server.client();
    client.bucket("where");
    let location = |proto: Option<&str>| {
        let upload = client.post("/where/k?uploads", "").expect(200).one("UploadId");
        let part = client.put(&format!("/where/k?partNumber=1&uploadId={upload}"), "part").expect(200).etag();
        let list = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
        );
        let mut call = client.call("POST", &format!("/where/k?uploadId={upload}")).body(list);
        if let Some(proto) = proto {
            call = call.header("x-forwarded-proto", proto);
        }
        call.send().expect(200).one("Location")
    };
    assert_eq!(location(None), format!("http://{}/where/k", server.address()));
    assert_eq!(location(Some("https")), format!("https://{}/where/k", server.address()));
}
