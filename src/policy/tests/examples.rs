//! The uses that the Amazon S3 User Guide shows policies for, in words of our own.

use super::{ANN, bucket, identity, known, nothing, request, says};
use crate::policy::{MapContext, Principal, Request};

/// What a bucket policy says to a stranger and to Ann, as two letters.
fn said(statements: &str, action: &str, path: &str, context: &MapContext) -> String {
    let document = bucket(statements);
    assert_eq!(document.check_bucket("b"), Ok(()));
    let ask = |principal| says(&document, &Request { principal, ..request(action, path, context) });
    [Principal::Anonymous, known(ANN)].map(ask).iter().collect()
}

#[test]
fn a_web_site_is_read_by_everybody() {
    let site =
        r#"{"Sid":"Site","Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}"#;
    assert_eq!(said(site, "s3:GetObject", "b/index.html", &nothing()), "AA");
    assert_eq!(said(site, "s3:GetObjectVersion", "b/index.html", &nothing()), "--");
    assert_eq!(said(site, "s3:ListBucket", "b", &nothing()), "--");
}

#[test]
fn plain_http_is_refused() {
    let tls = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
        "Condition":{"Bool":{"aws:SecureTransport":"false"}}}"#;
    for (secure, expected) in [("true", "--"), ("false", "DD")] {
        let context = nothing().with("aws:SecureTransport", secure);
        assert_eq!(said(tls, "s3:GetObject", "b/k", &context), expected);
        assert_eq!(said(tls, "s3:ListBucket", "b", &context), expected);
    }
}

#[test]
fn only_some_addresses_come_in() {
    let office = r#"{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],
        "Condition":{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","2001:db8:1234::/48"]}}}"#;
    for (address, expected) in [("192.0.2.9", "--"), ("2001:db8:1234::9", "--"), ("198.51.100.1", "DD")] {
        assert_eq!(said(office, "s3:GetObject", "b/k", &nothing().with("aws:SourceIp", address)), expected);
    }
    assert_eq!(said(office, "s3:GetObject", "b/k", &nothing()), "DD", "no address is none of them");
}

#[test]
fn uploads_leave_the_bucket_owner_in_control() {
    let control = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/ann"},
        "Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"arn:aws:s3:::b/*",
        "Condition":{"StringEquals":{"s3:x-amz-acl":["bucket-owner-full-control"]}}}"#;
    let with = |acl: &str| said(control, "s3:PutObject", "b/k", &nothing().with("s3:x-amz-acl", acl));
    assert_eq!((with("bucket-owner-full-control"), with("private")), ("-A".to_owned(), "--".to_owned()));
    assert_eq!(said(control, "s3:PutObject", "b/k", &nothing()), "--");
}

#[test]
fn objects_are_encrypted_or_refused() {
    let encrypted = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}},
        {"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
            "Condition":{"StringNotEqualsIfExists":{"s3:x-amz-server-side-encryption":"AES256"}}}"#;
    let key = "s3:x-amz-server-side-encryption";
    assert_eq!(said(encrypted, "s3:PutObject", "b/k", &nothing()), "DD");
    assert_eq!(said(encrypted, "s3:PutObject", "b/k", &nothing().with(key, "aws:kms")), "DD");
    assert_eq!(said(encrypted, "s3:PutObject", "b/k", &nothing().with(key, "AES256")), "--");
}

#[test]
fn tags_of_objects_decide_who_reads_them() {
    let public = r#"{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:GetObjectVersion"],
        "Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"s3:ExistingObjectTag/Class":"public"}}}"#;
    let tagged = |key: &str, value: &str| nothing().with(&format!("s3:ExistingObjectTag/{key}"), value);
    assert_eq!(said(public, "s3:GetObject", "b/k", &tagged("Class", "public")), "AA");
    assert_eq!(said(public, "s3:GetObject", "b/k", &tagged("Class", "secret")), "--");
    assert_eq!(said(public, "s3:GetObject", "b/k", &tagged("class", "public")), "--");
    assert_eq!(said(public, "s3:GetObject", "b/k", &nothing()), "--");
}

#[test]
fn users_have_folders_of_their_own() {
    let home = identity(
        r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b",
            "Condition":{"StringLike":{"s3:prefix":["","home/","home/${aws:username}/*"]}}},
           {"Effect":"Allow","Action":"s3:*Object","Resource":"arn:aws:s3:::b/home/${aws:username}/*"}"#,
    );
    let list = |prefix: &str| says(&home, &request("s3:ListBucket", "b", &nothing().with("s3:prefix", prefix)));
    let listed = ["", "home/", "home/ann/", "home/ann/x", "home/annabel/", "home/eve/"].map(list);
    assert_eq!(listed, ['A', 'A', 'A', 'A', '-', '-']);
    assert_eq!(says(&home, &request("s3:ListBucket", "b", &nothing())), '-', "a listing of everything");
    assert_eq!(says(&home, &request("s3:PutObject", "b/home/ann/x", &nothing())), 'A');
    assert_eq!(says(&home, &request("s3:PutObject", "b/home/eve/x", &nothing())), '-');
}

#[test]
fn listings_and_retention_have_bounds() {
    let pages = r#"{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b",
        "Condition":{"NumericLessThanEquals":{"s3:max-keys":"10"}}}"#;
    let listed = |keys: &str| said(pages, "s3:ListBucket", "b", &nothing().with("s3:max-keys", keys));
    assert_eq!((listed("10"), listed("11")), ("AA".to_owned(), "--".to_owned()));
    let retention = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectRetention","Resource":"arn:aws:s3:::b/*",
        "Condition":{"NumericGreaterThan":{"s3:object-lock-remaining-retention-days":10}}}"#;
    let retained = |days: &str| {
        let context = nothing().with("s3:object-lock-remaining-retention-days", days);
        said(retention, "s3:PutObjectRetention", "b/k", &context)
    };
    assert_eq!((retained("10"), retained("11")), ("--".to_owned(), "DD".to_owned()));
}

#[test]
fn writes_must_not_replace_anything() {
    let conditional = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*",
        "Condition":{"Null":{"s3:if-none-match":"true"},"Bool":{"s3:ObjectCreationOperation":"true"}}}"#;
    let with = |creates: &str, condition: Option<&str>| {
        let mut context = nothing().with("s3:ObjectCreationOperation", creates);
        condition.into_iter().for_each(|value| context.add("s3:if-none-match", value));
        said(conditional, "s3:PutObject", "b/k", &context)
    };
    assert_eq!(with("true", None), "DD");
    assert_eq!(with("true", Some("*")), "--");
    assert_eq!(with("false", None), "--", "a part creates no object");
}

#[test]
fn logs_are_delivered_by_a_service_that_nobody_can_pretend_to_be() {
    let logs = r#"{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject",
        "Resource":"arn:aws:s3:::b/logs*","Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::source"},
        "StringEquals":{"aws:SourceAccount":"111122223333"}}}"#;
    let context = nothing().with("aws:SourceArn", "arn:aws:s3:::source").with("aws:SourceAccount", "111122223333");
    assert_eq!(said(logs, "s3:PutObject", "b/logs/1", &context), "--");
}
