//! Who may do what: bucket policies, ACLs, object ownership, the public access block, anonymous callers.

use super::support::client::{Answer, Client};
use super::support::{Server, noise};

/// A policy of `bucket` with these statements.
fn put_policy(client: &Client, bucket: &str, statements: &[&str]) -> Answer {
    let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{}]}}"#, statements.join(", "));
    client.put(&format!("/{bucket}?policy"), policy)
}

fn allow(principal: &str, action: &str, resource: &str) -> String {
    let resource = format!("arn:aws:s3:::{resource}");
    format!(r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "{action}", "Resource": "{resource}"}}"#)
}

fn with_condition(statement: &str, condition: &str) -> String {
    format!("{}, \"Condition\": {condition}}}", statement.trim_end_matches('}'))
}

fn denied(answer: Answer) {
    answer.expect_error(403, "AccessDenied");
}

/// Owner id and account of a key.
fn identity(server: &Server, name: &str) -> (String, String) {
    let listed = server.command(&["key", "list", "--json"]);
    let keys: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let key = keys.as_array().unwrap().iter().find(|key| key["name"] == name).expect("the key");
    (key["owner"].as_str().unwrap().to_owned(), key["account"].as_str().unwrap().to_owned())
}

fn ownership(rule: &str) -> String {
    format!("<OwnershipControls><Rule><ObjectOwnership>{rule}</ObjectOwnership></Rule></OwnershipControls>")
}

fn block(flag: &str) -> String {
    format!("<PublicAccessBlockConfiguration><{flag}>true</{flag}></PublicAccessBlockConfiguration>")
}

#[test]
fn a_policy_is_kept_as_it_was_put_and_nonsense_is_refused() {
    let server = Server::start();
    let client = server.client();
    client.bucket("policies");
    client.get("/policies?policy").expect_error(404, "NoSuchBucketPolicy");
    client.get("/policies?policyStatus").expect_error(404, "NoSuchBucketPolicy");
    client.delete("/policies?policy").expect(204);
    let text = format!("{{ \"Statement\":[{}]}}\n", allow(r#""*""#, "s3:GetObject", "policies/*"));
    client.put("/policies?policy", text.clone()).expect(204);
    let shown = client.get("/policies?policy").expect(200);
    assert_eq!(shown.header("content-type"), Some("application/json"));
    assert_eq!(shown.text(), text);
    assert_eq!(client.get("/policies?policyStatus").expect(200).one("IsPublic"), "true");
    for bad in [
        String::new(),
        "<Policy/>".to_owned(),
        "{}".to_owned(),
        format!("{{\"Statement\":[{}]}}", allow(r#""*""#, "s3:GetObject", "other/*")),
        format!("{{\"Statement\":[{}]}}", allow(r#""*""#, "s3:GetNothing", "policies/*")),
        format!(
            "{{\"Statement\":[{}], \"Id\": \"{}\"}}",
            allow(r#""*""#, "s3:GetObject", "policies/*"),
            "x".repeat(20_480)
        ),
    ] {
        client.put("/policies?policy", bad).expect_error(400, "MalformedPolicy");
    }
    assert_eq!(client.get("/policies?policy").expect(200).text(), text, "what is refused changes nothing");
    client.delete("/policies?policy").expect(204);
    client.get("/policies?policy").expect_error(404, "NoSuchBucketPolicy");
}

#[test]
fn anonymous_callers_get_what_a_policy_allows_and_learn_nothing_else() {
    let server = Server::start();
    let client = server.client();
    let anonymous = server.anonymous();
    client.bucket("site");
    client.put("/site/public/a", "hello").expect(200);
    client.put("/site/private/a", "secret").expect(200);
    denied(anonymous.get("/site/public/a"));
    put_policy(&client, "site", &[&allow(r#""*""#, "s3:GetObject", "site/public/*")]).expect(204);
    assert_eq!(anonymous.get("/site/public/a").expect(200).body, b"hello");
    anonymous.head("/site/public/a").expect(200);
    denied(anonymous.get("/site/private/a"));
    // A key that is not there looks like one that is closed; names of buckets are no secret.
    denied(anonymous.get("/site/public/none"));
    anonymous.get("/nothing/public/none").expect_error(404, "NoSuchBucket");
    denied(anonymous.get("/site/public/a?versionId=null"));
    denied(anonymous.get("/site"));
    denied(anonymous.put("/site/public/b", "mine"));
    denied(anonymous.delete("/site/public/a"));
    denied(anonymous.put("/fresh-bucket", ""));
    let statements = [&*allow(r#""*""#, "s3:GetObject", "site/public/*"), &*allow(r#""*""#, "s3:ListBucket", "site")];
    put_policy(&client, "site", &statements).expect(204);
    anonymous.get("/site/public/none").expect_error(404, "NoSuchKey");
    assert_eq!(anonymous.get("/site").expect(200).all("Key").len(), 2);
    // The whole can be switched off.
    let closed = Server::start_with(&["--allow-anonymous=false"]);
    let owner = closed.client();
    owner.bucket("site");
    owner.put("/site/a", "x").expect(200);
    put_policy(&owner, "site", &[&allow(r#""*""#, "s3:GetObject", "site/*")]).expect(204);
    denied(closed.anonymous().get("/site/a"));
}

#[test]
fn other_accounts_are_named_in_every_form() {
    let server = Server::start();
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    let carol = server.client_of("carol");
    ann.bucket("shared");
    ann.put("/shared/k", "x").expect(200);
    let (id, account) = identity(&server, "bob");
    denied(bob.get("/shared/k"));
    for principal in [
        format!(r#"{{"AWS": "{account}"}}"#),
        format!(r#"{{"AWS": "arn:aws:iam::{account}:root"}}"#),
        format!(r#"{{"AWS": "arn:aws:iam::{account}:user/bob"}}"#),
        r#"{"AWS": "arn:aws:iam:::user/bob"}"#.to_owned(),
        format!(r#"{{"CanonicalUser": "{id}"}}"#),
    ] {
        put_policy(&ann, "shared", &[&allow(&principal, "s3:GetObject", "shared/*")]).expect(204);
        assert_eq!(bob.get("/shared/k").expect(200).body, b"x", "{principal}");
        denied(carol.get("/shared/k"));
        denied(server.anonymous().get("/shared/k"));
        denied(bob.put("/shared/k", "y"));
        denied(bob.get("/shared?policy"));
    }
    assert_eq!(ann.get("/shared?policyStatus").expect(200).one("IsPublic"), "false");
    // Even who may put a policy cannot take the bucket over.
    let all = allow(r#"{"AWS": "arn:aws:iam:::user/bob"}"#, "s3:*", "shared");
    put_policy(&ann, "shared", &[&all]).expect(204);
    bob.get("/shared?policy").expect_error(405, "MethodNotAllowed");
    put_policy(&bob, "shared", &[&all]).expect_error(405, "MethodNotAllowed");
    bob.delete("/shared?policy").expect_error(405, "MethodNotAllowed");
    bob.get("/shared").expect(200);
}

#[test]
fn a_deny_counts_for_the_owner_too_and_root_can_always_take_it_back() {
    let server = Server::start_with(&["--log-format", "json", "--log", "info,sluicegate::s3::verdict=debug"]);
    let (root, ann) = (server.client(), server.client_of("ann"));
    ann.bucket("locked");
    ann.put("/locked/k", "x").expect(200);
    let deny = r#"{"Sid": "nothing", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::locked", "arn:aws:s3:::locked/*"]}"#;
    put_policy(&ann, "locked", &[deny]).expect(204);
    let refused = ann.get("/locked/k").expect_error(403, "AccessDenied");
    assert_eq!(refused.one("Message"), "Access Denied", "the client does not learn why");
    let id = refused.header("x-amz-request-id").unwrap().to_owned();
    server.eventually("the log says why", || {
        server.log().lines().any(|line| line.contains(&id) && line.contains("nothing") && line.contains("s3:GetObject"))
    });
    denied(ann.get("/locked"));
    denied(ann.delete("/locked?policy"));
    denied(root.get("/locked/k"));
    assert!(root.get("/locked?policy").expect(200).text().contains("nothing"));
    put_policy(&root, "locked", &[deny]).expect(204);
    root.delete("/locked?policy").expect(204);
    let allowed = ann.get("/locked/k").expect(200);
    assert_eq!(allowed.body, b"x");
    // Why something was allowed can be logged, too.
    let id = allowed.header("x-amz-request-id").unwrap().to_owned();
    server.eventually("the log says why", || {
        server.log().lines().any(|line| line.contains(&id) && line.contains("ownership of the bucket"))
    });
}

#[test]
fn conditions_see_the_request() {
    let server = Server::start();
    let client = server.client();
    let anonymous = server.anonymous();
    client.bucket("when");
    client.put("/when/k", "x").expect(200);
    let read = allow(r#""*""#, "s3:GetObject", "when/*");
    let try_read = |condition: &str, header: Option<(&str, &str)>| {
        put_policy(&client, "when", &[&with_condition(&read, condition)]).expect(204);
        let call = anonymous.call("GET", "/when/k");
        let call = match header {
            Some((name, value)) => call.header(name, value),
            None => call,
        };
        call.send().status
    };
    let table = [
        (r#"{"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}"#, None, 200),
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, None, 403),
        // Nobody may say for himself where he comes from.
        (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#, Some(("x-forwarded-for", "10.0.0.1")), 403),
        (r#"{"Bool": {"aws:SecureTransport": "true"}}"#, None, 403),
        (r#"{"Bool": {"aws:SecureTransport": "false"}}"#, None, 200),
        (
            r#"{"StringLike": {"aws:Referer": "https://example.com/*"}}"#,
            Some(("referer", "https://example.com/a")),
            200,
        ),
        (
            r#"{"StringLike": {"aws:Referer": "https://example.com/*"}}"#,
            Some(("referer", "https://example.org/a")),
            403,
        ),
        (r#"{"StringLike": {"aws:Referer": "https://example.com/*"}}"#, None, 403),
        (r#"{"StringEquals": {"aws:UserAgent": "me"}}"#, Some(("user-agent", "me")), 200),
        (r#"{"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}"#, None, 200),
        (r#"{"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}"#, None, 403),
        (r#"{"StringEquals": {"aws:PrincipalType": "Anonymous"}}"#, None, 200),
        (r#"{"Bool": {"aws:ViaAWSService": "false"}}"#, None, 200),
        (r#"{"Bool": {"aws:PrincipalIsAWSService": "false"}}"#, None, 200),
    ];
    for (condition, header, status) in table {
        assert_eq!(try_read(condition, header), status, "{condition} {header:?}");
    }
    let bob = server.client_of("bob");
    let by_version = with_condition(&read, r#"{"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}"#);
    put_policy(&client, "when", &[&by_version]).expect(204);
    bob.get("/when/k").expect(200);
    denied(anonymous.get("/when/k"));
    let presigned = with_condition(&read, r#"{"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}"#);
    put_policy(&client, "when", &[&presigned]).expect(204);
    denied(bob.get("/when/k"));
    let url = bob.call("GET", "/when/k").presign(60);
    anonymous.get(&url).expect(200);
    for (age, status) in [("600000", 200), ("-600000", 403)] {
        let fresh = with_condition(&read, &format!(r#"{{"NumericLessThan": {{"s3:signatureAge": "{age}"}}}}"#));
        put_policy(&client, "when", &[&fresh]).expect(204);
        assert_eq!(bob.get("/when/k").status, status, "{age}");
        assert_eq!(anonymous.get(&bob.call("GET", "/when/k").presign(60)).status, status, "{age}");
        denied(anonymous.get("/when/k"));
    }
    let named = with_condition(&read, r#"{"StringEquals": {"aws:username": "bob"}}"#);
    put_policy(&client, "when", &[&named]).expect(204);
    bob.get("/when/k").expect(200);
    denied(anonymous.get("/when/k"));
}

#[test]
fn listings_can_be_limited_to_a_prefix() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("homes");
    client.put("/homes/bob/k", "x").expect(200);
    client.put("/homes/ann/k", "x").expect(200);
    let list = allow(r#""*""#, "s3:ListBucket", "homes");
    let list = with_condition(&list, r#"{"StringLike": {"s3:prefix": "${aws:username}/*"}}"#);
    put_policy(&client, "homes", &[&list]).expect(204);
    assert_eq!(bob.get("/homes?prefix=bob/").expect(200).all("Key"), ["bob/k"]);
    assert_eq!(bob.get("/homes?list-type=2&prefix=bob/").expect(200).all("Key"), ["bob/k"]);
    denied(bob.get("/homes?prefix=ann/"));
    denied(bob.get("/homes"));
    // Who may list a prefix learns what is missing there, and only there, even if he may not read what is there.
    bob.get("/homes/bob/none").expect_error(404, "NoSuchKey");
    bob.head("/homes/bob/none").expect(404);
    bob.head("/homes/ann/none").expect(403);
    denied(bob.get("/homes/bob/k"));
    denied(bob.get("/homes/ann/none"));
    denied(bob.put("/homes/bob/none?acl", ""));
    let read = allow(r#""*""#, "s3:GetObject", "homes/*");
    put_policy(&client, "homes", &[&list, &read]).expect(204);
    bob.get("/homes/bob/none").expect_error(404, "NoSuchKey");
    denied(bob.get("/homes/ann/none"));
}

#[test]
fn tags_decide_about_what_is_stored_and_about_what_comes() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("tags");
    client.call("PUT", "/tags/open").header("x-amz-tagging", "security=public").body("x").send().expect(200);
    client.call("PUT", "/tags/shut").header("x-amz-tagging", "security=private").body("x").send().expect(200);
    let read = allow(r#""*""#, "s3:GetObject", "tags/*");
    let read = with_condition(&read, r#"{"StringEquals": {"s3:ExistingObjectTag/security": "public"}}"#);
    let write = r#"{"Effect": "Allow", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectTagging"],
        "Resource": "arn:aws:s3:::tags/*", "Condition": {"StringEquals": {"s3:RequestObjectTag/by": "bob"}}}"#;
    put_policy(&client, "tags", &[&read, write]).expect(204);
    bob.get("/tags/open").expect(200);
    denied(bob.get("/tags/shut"));
    denied(bob.get("/tags/none"));
    let put = |tags: &str| bob.call("PUT", "/tags/new").header("x-amz-tagging", tags).body("x").send();
    put("by=bob").expect(200);
    denied(put("by=ann"));
    denied(bob.put("/tags/new", "x"));
    // The tags of this one are in its body.
    let tagging = |value: &str| {
        let body = format!("<Tagging><TagSet><Tag><Key>by</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
        bob.put("/tags/shut?tagging", body)
    };
    tagging("bob").expect(200);
    denied(tagging("ann"));
    client.put("/tags/shut?tagging", "<Tagging><TagSet/></Tagging>").expect(200);
}

#[test]
fn a_copy_needs_its_source() {
    let server = Server::start();
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    ann.bucket("anns");
    bob.bucket("bobs");
    ann.put("/anns/open/k", "x").expect(200);
    ann.put("/anns/shut/k", "secret").expect(200);
    put_policy(&ann, "anns", &[&allow(r#""*""#, "s3:GetObject", "anns/open/*")]).expect(204);
    let copy = |source: &str| bob.call("PUT", "/bobs/copy").header("x-amz-copy-source", source).send();
    copy("/anns/open/k").expect(200);
    denied(copy("/anns/shut/k"));
    denied(copy("anns/open/%2e%2e/shut/k"));
    denied(copy("anns%2Fshut%2Fk"));
    // A version has a permission of its own; a missing key is not told from a closed one.
    denied(copy("/anns/open/k?versionId=null"));
    denied(copy("/anns/open/none"));
    let upload = bob.post("/bobs/big?uploads", "").expect(200).one("UploadId");
    let part = |source: &str| {
        let target = format!("/bobs/big?partNumber=1&uploadId={upload}");
        bob.call("PUT", &target).header("x-amz-copy-source", source).send()
    };
    part("/anns/open/k").expect(200);
    denied(part("/anns/shut/k"));
    // Tags come along, so they need to be readable.
    ann.call("PUT", "/anns/open/tagged").header("x-amz-tagging", "a=b").body("x").send().expect(200);
    denied(copy("/anns/open/tagged"));
    let bare = bob.call("PUT", "/bobs/copy").header("x-amz-tagging-directive", "REPLACE");
    bare.header("x-amz-copy-source", "/anns/open/tagged").send().expect(200);
    let read_tags = allow(r#""*""#, "s3:GetObject*", "anns/open/*");
    put_policy(&ann, "anns", &[&read_tags]).expect(204);
    copy("/anns/open/tagged").expect(200);
    copy("/anns/open/k?versionId=null").expect(200);
    // The sender's own conditions stay as they are.
    let since = |date: &str| {
        let call = bob.call("PUT", "/bobs/copy").header("x-amz-copy-source", "/anns/open/k");
        call.header("x-amz-copy-source-if-unmodified-since", date).send()
    };
    since("Wed, 21 Oct 2015 07:28:00 GMT").expect_error(412, "PreconditionFailed");
    since("Wed, 21 Oct 2099 07:28:00 GMT").expect(200);
}

#[test]
fn no_spelling_of_a_copy_source_gets_around_a_policy() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("spelled");
    client.put("/spelled/shut/k", "secret").expect(200);
    client.put("/spelled/open/k", "x").expect(200);
    let all = allow(r#""*""#, "s3:*", "spelled/*");
    let deny = r#"{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::spelled/*",
        "Condition": {"StringLike": {"s3:x-amz-copy-source": "spelled/shut/*"}}}"#;
    put_policy(&client, "spelled", &[&all, deny]).expect(204);
    let copy = |source: &str| bob.call("PUT", "/spelled/copy").header("x-amz-copy-source", source).send();
    copy("/spelled/open/k").expect(200);
    for source in ["/spelled/shut/k", "spelled/shut/k", "spelled/%73hut/k", "spelled%2Fshut%2Fk?versionId=null"] {
        denied(copy(source));
    }
}

#[test]
fn each_key_of_a_bulk_deletion_needs_its_permission() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("bulk");
    for key in ["open/a", "shut/a"] {
        client.put(&format!("/bulk/{key}"), "x").expect(200);
    }
    put_policy(&client, "bulk", &[&allow(r#""*""#, "s3:DeleteObject", "bulk/open/*")]).expect(204);
    let list = "<Delete><Object><Key>open/a</Key></Object><Object><Key>shut/a</Key></Object>\
                <Object><Key>open/b</Key><VersionId>null</VersionId></Object></Delete>";
    for (who, deletes) in [(&server.anonymous(), 1), (&bob, 1)] {
        let call = who.call("POST", "/bulk?delete").header("x-amz-checksum-crc32", crc32(list));
        let answer = call.body(list).send().expect(200);
        assert_eq!(answer.text().matches("<Deleted>").count(), deletes, "{}", answer.text());
        assert_eq!(answer.all("Code"), ["AccessDenied", "AccessDenied"]);
    }
    client.get("/bulk/shut/a").expect(200);
    client.get("/bulk/open/a").expect_error(404, "NoSuchKey");
}

fn crc32(text: &str) -> String {
    use base64::Engine as _;
    let value = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(u32::try_from(value).unwrap().to_be_bytes())
}

#[test]
fn uploads_belong_to_who_began_them() {
    let server = Server::start();
    let (client, bob, carol) = (server.client(), server.client_of("bob"), server.client_of("carol"));
    client.bucket("uploads");
    denied(bob.post("/uploads/big?uploads", ""));
    put_policy(&client, "uploads", &[&allow(r#""*""#, "s3:PutObject", "uploads/big")]).expect(204);
    denied(bob.post("/uploads/other?uploads", ""));
    let upload = bob.post("/uploads/big?uploads", "").expect(200).one("UploadId");
    let target = format!("/uploads/big?uploadId={upload}");
    let etag = bob.put(&format!("/uploads/big?partNumber=1&uploadId={upload}"), noise(1, 1000)).expect(200).etag();
    bob.get(&target).expect(200);
    denied(carol.get(&target));
    denied(carol.delete(&target));
    denied(bob.get("/uploads?uploads"));
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    bob.post(&target, list).expect(200);
    denied(bob.get("/uploads/big"));
    let upload = bob.post("/uploads/big?uploads", "").expect(200).one("UploadId");
    bob.delete(&format!("/uploads/big?uploadId={upload}")).expect(204);
}

#[test]
fn acls_are_off_unless_the_bucket_turns_them_on() {
    let server = Server::start();
    let client = server.client();
    client.bucket("modern");
    assert_eq!(client.get("/modern?ownershipControls").expect(200).one("ObjectOwnership"), "BucketOwnerEnforced");
    client.put("/modern/k", "x").expect(200);
    let put = |target: &str, acl: &str| client.call("PUT", target).header("x-amz-acl", acl).send();
    for target in ["/modern?acl", "/modern/k?acl", "/modern/new"] {
        put(target, "public-read").expect_error(400, "AccessControlListNotSupported");
        put(target, "nonsense").expect_error(400, "InvalidArgument");
        put(target, "private").expect(200);
        put(target, "bucket-owner-full-control").expect(200);
    }
    put("/open-by-acl", "public-read").expect_error(400, "InvalidBucketAclWithObjectOwnership");
    let shown = client.get("/modern/k?acl").expect(200);
    assert_eq!(shown.all("Permission"), ["FULL_CONTROL"]);
    client.put("/modern?acl", shown.text()).expect(200);
    client.put("/modern?acl", "").expect_error(400, "MissingSecurityHeader");
    client.put("/modern?ownershipControls", ownership("Nobody")).expect_error(400, "MalformedXML");
    client.put("/modern?ownershipControls", ownership("ObjectWriter")).expect(200);
    assert_eq!(client.get("/modern?ownershipControls").expect(200).one("ObjectOwnership"), "ObjectWriter");
    put("/modern/k?acl", "public-read").expect(200);
    assert_eq!(server.anonymous().get("/modern/k").expect(200).body, b"x");
    put("/modern?acl", "public-read").expect(200);
    let refused = client.put("/modern?ownershipControls", ownership("BucketOwnerEnforced"));
    refused.expect_error(400, "InvalidBucketAclWithObjectOwnership");
    put("/modern?acl", "private").expect(200);
    client.put("/modern?ownershipControls", ownership("BucketOwnerEnforced")).expect(200);
    // Whoever chooses to be without ACLs gets Amazon's strictness.
    for target in ["/modern", "/modern/k"] {
        put(&format!("{target}?acl"), "private").expect_error(400, "AccessControlListNotSupported");
    }
    put("/modern/new", "private").expect_error(400, "AccessControlListNotSupported");
    put("/modern/k?acl", "bucket-owner-full-control").expect(200);
    denied(server.anonymous().get("/modern/k"));
    client.delete("/modern?ownershipControls").expect(204);
    client.get("/modern?ownershipControls").expect_error(404, "OwnershipControlsNotFoundError");
    assert_eq!(
        server.anonymous().get("/modern/k").expect(200).body,
        b"x",
        "as buckets from before there were controls"
    );
    let create = client.call("PUT", "/chosen").header("x-amz-object-ownership", "BucketOwnerPreferred");
    create.header("x-amz-acl", "public-read").send().expect(200);
    assert_eq!(client.get("/chosen?ownershipControls").expect(200).one("ObjectOwnership"), "BucketOwnerPreferred");
    server.anonymous().get("/chosen").expect(200);
    // A repeated creation changes nothing, and says so.
    client.put("/chosen", "").expect(200);
    let repeat = |acl: &str| {
        let create = client.call("PUT", "/chosen").header("x-amz-object-ownership", "BucketOwnerPreferred");
        create.header("x-amz-acl", acl).send()
    };
    repeat("public-read").expect(200);
    repeat("public-read-write").expect_error(409, "BucketAlreadyOwnedByYou");
    put("/chosen", "private").expect_error(409, "BucketAlreadyOwnedByYou");
    let create = client.call("PUT", "/chosen").header("x-amz-object-ownership", "BucketOwnerEnforced");
    create.send().expect_error(409, "BucketAlreadyOwnedByYou");
    let wrong = client.call("PUT", "/wrong").header("x-amz-object-ownership", "Mine").send();
    wrong.expect_error(400, "InvalidArgument");
}

#[test]
fn acls_let_in_whom_they_name() {
    let server = Server::start_with(&["--default-object-ownership", "ObjectWriter"]);
    let (ann, bob, carol) = (server.client_of("ann"), server.client_of("bob"), server.client_of("carol"));
    let anonymous = server.anonymous();
    ann.bucket("listed");
    let (ann_id, _) = identity(&server, "ann");
    let (bob_id, _) = identity(&server, "bob");
    ann.put("/listed/k", "x").expect(200);
    denied(bob.get("/listed/k"));
    let grant = |name: &str, value: &str| ann.call("PUT", "/listed/k?acl").header(name, value).send();
    grant("x-amz-grant-read", &format!("id=\"{bob_id}\"")).expect(200);
    assert_eq!(bob.get("/listed/k").expect(200).body, b"x");
    denied(bob.get("/listed/k?acl"));
    denied(carol.get("/listed/k"));
    denied(anonymous.get("/listed/k"));
    grant("x-amz-acl", "authenticated-read").expect(200);
    carol.get("/listed/k").expect(200);
    denied(anonymous.get("/listed/k"));
    grant("x-amz-acl", "public-read").expect(200);
    anonymous.get("/listed/k").expect(200);
    denied(anonymous.get("/listed/k?tagging"));
    grant("x-amz-grant-read", "id=nobody").expect_error(400, "InvalidArgument");
    grant("x-amz-grant-read", "uri=http://example.com/").expect_error(400, "InvalidArgument");
    grant("x-amz-grant-read", "emailAddress=a@example.com").expect_error(400, "UnresolvableGrantByEmailAddress");
    let both = ann.call("PUT", "/listed/k?acl").header("x-amz-acl", "private");
    both.header("x-amz-grant-read", format!("id={bob_id}")).send().expect_error(400, "InvalidRequest");
    // A new version of the object starts from nothing.
    ann.put("/listed/k", "y").expect(200);
    denied(anonymous.get("/listed/k"));
    let policy = |owner: &str| {
        format!(
            "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList><Grant><Grantee \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"><ID>{bob_id}</ID></Grantee>\
             <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>"
        )
    };
    denied(ann.put("/listed/k?acl", policy(&bob_id)));
    ann.put("/listed/k?acl", policy(&ann_id)).expect(200);
    assert_eq!(bob.get("/listed/k?acl").expect(200).all("ID"), [ann_id.as_str(), bob_id.as_str()]);
    bob.call("PUT", "/listed/k?acl").header("x-amz-acl", "private").send().expect(200);
    denied(bob.get("/listed/k"));
    // The bucket's own list: write is to create and delete, never to read.
    ann.call("PUT", "/listed?acl").header("x-amz-grant-write", format!("id={bob_id}")).send().expect(200);
    bob.put("/listed/bobs", "b").expect(200);
    denied(bob.get("/listed"));
    denied(bob.get("/listed/k"));
    denied(carol.put("/listed/carols", "c"));
    assert_eq!(ann.get("/listed?acl").expect(200).all("Permission"), ["WRITE"]);
}

#[test]
fn where_acls_count_an_object_is_its_writers() {
    let server = Server::start();
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    let (ann_id, bob_id) = (identity(&server, "ann").0, identity(&server, "bob").0);
    let everything = |bucket: &str| allow(r#""*""#, "s3:*", &format!("{bucket}/*"));
    for (rule, bucket) in [("ObjectWriter", "writers"), ("BucketOwnerPreferred", "preferred")] {
        ann.call("PUT", &format!("/{bucket}")).header("x-amz-object-ownership", rule).send().expect(200);
        put_policy(&ann, bucket, &[&everything(bucket)]).expect(204);
        bob.put(&format!("/{bucket}/his"), "b").expect(200);
        assert_eq!(bob.get(&format!("/{bucket}/his")).expect(200).body, b"b");
        denied(ann.get(&format!("/{bucket}/his")));
        denied(server.anonymous().get(&format!("/{bucket}/his")));
        assert_eq!(bob.get(&format!("/{bucket}/his?acl")).expect(200).one("ID"), bob_id, "{rule}");
        assert_eq!(ann.get(&format!("/{bucket}")).expect(200).all("ID"), [bob_id.as_str()], "{rule}");
        assert_eq!(ann.get(&format!("/{bucket}?versions")).expect(200).all("ID"), [bob_id.as_str()], "{rule}");
        let page = ann.get(&format!("/{bucket}?list-type=2&fetch-owner=true")).expect(200);
        assert_eq!(page.all("ID"), [bob_id.as_str()], "{rule}");
        let put = bob.call("PUT", &format!("/{bucket}/given")).header("x-amz-acl", "bucket-owner-full-control");
        put.body("g").send().expect(200);
        ann.get(&format!("/{bucket}/given")).expect(200);
        let owner = ann.get(&format!("/{bucket}/given?acl")).expect(200).one("ID");
        assert_eq!(owner, if rule == "ObjectWriter" { bob_id.clone() } else { ann_id.clone() }, "{rule}");
        ann.delete(&format!("/{bucket}/his")).expect(204);
    }
    // Enforcement gives everything to the bucket's owner at once.
    bob.put("/writers/his", "b").expect(200);
    ann.put("/writers?ownershipControls", ownership("BucketOwnerEnforced")).expect(200);
    ann.get("/writers/his").expect(200);
    assert_eq!(ann.get("/writers/his?acl").expect(200).one("ID"), ann_id);
    assert!(!ann.get("/writers").expect(200).all("ID").contains(&bob_id));
    // A part of an upload is nobody's; the object is whose upload it was.
    let upload = bob.post("/preferred/big?uploads", "").expect(200).one("UploadId");
    for target in ["/preferred?uploads".to_owned(), format!("/preferred/big?uploadId={upload}")] {
        assert_eq!(ann.get(&target).expect(200).all("ID"), [bob_id.as_str(), bob_id.as_str()], "{target}");
    }
    let etag = bob.put(&format!("/preferred/big?partNumber=1&uploadId={upload}"), noise(1, 1000)).expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    bob.post(&format!("/preferred/big?uploadId={upload}"), list).expect(200);
    assert_eq!(bob.get("/preferred/big?acl").expect(200).one("ID"), bob_id);
}

#[test]
fn the_public_access_block_has_four_flags() {
    let server = Server::start();
    let client = server.client();
    let anonymous = server.anonymous();
    let create = client.call("PUT", "/blocked").header("x-amz-object-ownership", "ObjectWriter");
    create.send().expect(200);
    client.put("/blocked/k", "x").expect(200);
    client.get("/blocked?publicAccessBlock").expect_error(404, "NoSuchPublicAccessBlockConfiguration");
    client.delete("/blocked?publicAccessBlock").expect(204);
    let set = |flag: &str| client.put("/blocked?publicAccessBlock", block(flag)).expect(200);
    let acl = |target: &str| client.call("PUT", target).header("x-amz-acl", "public-read").send();
    let public = allow(r#""*""#, "s3:GetObject", "blocked/*");
    set("BlockPublicAcls");
    let shown = client.get("/blocked?publicAccessBlock").expect(200);
    assert_eq!((shown.one("BlockPublicAcls"), shown.one("IgnorePublicAcls")), ("true".to_owned(), "false".to_owned()));
    for target in ["/blocked?acl", "/blocked/k?acl", "/blocked/new", "/blocked/big?uploads"] {
        let method = if target.ends_with("uploads") { "POST" } else { "PUT" };
        denied(client.call(method, target).header("x-amz-acl", "public-read").send());
    }
    set("IgnorePublicAcls");
    acl("/blocked/k?acl").expect(200);
    denied(anonymous.get("/blocked/k"));
    client.delete("/blocked?publicAccessBlock").expect(204);
    anonymous.get("/blocked/k").expect(200);
    client.call("PUT", "/blocked/k?acl").header("x-amz-acl", "private").send().expect(200);
    set("BlockPublicPolicy");
    denied(put_policy(&client, "blocked", &[&public]));
    put_policy(&client, "blocked", &[&allow(r#"{"AWS": "123456789012"}"#, "s3:GetObject", "blocked/*")]).expect(204);
    client.delete("/blocked?publicAccessBlock").expect(204);
    put_policy(&client, "blocked", &[&public]).expect(204);
    anonymous.get("/blocked/k").expect(200);
    let bob = server.client_of("bob");
    bob.get("/blocked/k").expect(200);
    set("RestrictPublicBuckets");
    denied(anonymous.get("/blocked/k"));
    denied(bob.get("/blocked/k"));
    client.get("/blocked/k").expect(200);
}

#[test]
fn a_policy_may_allow_to_write_but_not_to_overwrite() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("once");
    let write = allow(r#""*""#, "s3:PutObject", "once/*");
    let write = with_condition(&write, r#"{"Bool": {"sluicegate:OverwritesObject": "false"}}"#);
    put_policy(&client, "once", &[&write]).expect(204);
    bob.put("/once/k", "first").expect(200);
    // Who asks for the same himself gets the answer to his own condition.
    let absent = bob.call("PUT", "/once/k").header("if-none-match", "*").body("second").send();
    absent.expect_error(412, "PreconditionFailed");
    denied(bob.put("/once/k", "second"));
    denied(bob.call("PUT", "/once/k").header("if-match", "*").body("third").send());
    let upload = bob.post("/once/k?uploads", "").expect(200).one("UploadId");
    let etag = bob.put(&format!("/once/k?partNumber=1&uploadId={upload}"), "part").expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    denied(bob.post(&format!("/once/k?uploadId={upload}"), list));
    assert_eq!(client.get("/once/k").expect(200).body, b"first");
    client.put("/once/k", "by the owner").expect(200);
}

#[test]
fn the_expected_owner_is_an_account_or_a_canonical_id() {
    let server = Server::start();
    let ann = server.client_of("ann");
    let (id, account) = identity(&server, "ann");
    ann.bucket("anns");
    ann.put("/anns/k", "x").expect(200);
    let get = |owner: &str| ann.call("GET", "/anns/k").header("x-amz-expected-bucket-owner", owner).send();
    get(&id).expect(200);
    get(&account).expect(200);
    denied(get("123456789012"));
    let copy = |owner: &str| {
        let call = ann.call("PUT", "/anns/copy").header("x-amz-copy-source", "/anns/k");
        call.header("x-amz-source-expected-bucket-owner", owner).send()
    };
    copy(&account).expect(200);
    denied(copy("123456789012"));
}

#[test]
fn a_rename_needs_to_read_and_delete_its_source() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.bucket("names");
    for key in ["open/a", "shut/a", "open/taken"] {
        client.put(&format!("/names/{key}"), "x").expect(200);
    }
    let write = allow(r#""*""#, "s3:PutObject", "names/*");
    let write = with_condition(&write, r#"{"Bool": {"sluicegate:OverwritesObject": "false"}}"#);
    let delete = allow(r#""*""#, "s3:DeleteObject", "names/open/*");
    let read = allow(r#""*""#, "s3:GetObject", "names/*");
    put_policy(&client, "names", &[&write, &read, &delete]).expect(204);
    let rename = |source: &str, target: &str| {
        bob.call("PUT", &format!("/names/{target}?renameObject")).header("x-amz-rename-source", source)
    };
    denied(rename("shut/a", "open/b").send());
    denied(rename("open/a", "open/taken").send());
    denied(rename("open/a", "open/taken").header("if-none-match", "*").header("if-none-match", "\"x\"").send());
    rename("open/a", "open/b").send().expect(200);
    client.get("/names/open/b").expect(200);
    // What may not be read may not be moved to where it might be.
    put_policy(&client, "names", &[&write, &delete]).expect(204);
    denied(rename("open/b", "open/c").send());
}

#[test]
fn governance_is_bypassed_by_permission_only() {
    let server = Server::start();
    let (client, bob) = (server.client(), server.client_of("bob"));
    client.call("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    let all = r#"{"Effect": "Allow", "Principal": "*", "NotAction": "s3:BypassGovernanceRetention",
        "Resource": "arn:aws:s3:::locked/*"}"#;
    put_policy(&client, "locked", &[all]).expect(204);
    let put = |key: &str| {
        let call = client.call("PUT", &format!("/locked/{key}")).header("x-amz-object-lock-mode", "GOVERNANCE");
        let call = call.header("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z");
        let put = call.header("x-amz-checksum-crc32", crc32("x")).body("x").send().expect(200);
        put.header("x-amz-version-id").unwrap().to_owned()
    };
    let bypass = |method: &str, target: &str, body: &str| {
        let call = bob.call(method, target).header("x-amz-bypass-governance-retention", "true");
        call.header("x-amz-checksum-crc32", crc32(body)).body(body).send()
    };
    let (first, second) = (put("k"), put("k"));
    let delete = |version: &str| bypass("DELETE", &format!("/locked/k?versionId={version}"), "");
    let list = format!("<Delete><Object><Key>k</Key><VersionId>{second}</VersionId></Object></Delete>");
    denied(delete(&first));
    assert_eq!(bypass("POST", "/locked?delete", &list).expect(200).one("Code"), "AccessDenied");
    denied(bypass("PUT", &format!("/locked/k?retention&versionId={first}"), "<Retention/>"));
    put_policy(&client, "locked", &[&allow(r#""*""#, "s3:*", "locked/*")]).expect(204);
    bypass("PUT", &format!("/locked/k?retention&versionId={first}"), "<Retention/>").expect(200);
    assert!(!bypass("POST", "/locked?delete", &list).expect(200).text().contains("<Code>"));
    delete(&first).expect(204);
}

#[test]
fn visitors_of_a_website_are_anonymous() {
    let server = Server::start_with(&["--website-domain", "web.test"]);
    let client = server.client();
    client.bucket("site");
    let site = "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument>\
                <ErrorDocument><Key>sorry.html</Key></ErrorDocument></WebsiteConfiguration>";
    client.put("/site?website", site).expect(200);
    for (key, text) in [("index.html", "welcome"), ("sorry.html", "apologies"), ("secret.html", "secret")] {
        client.put(&format!("/site/{key}"), text).expect(200);
    }
    let visit = |target: &str| server.anonymous().call("GET", target).header("host", "site.web.test").send();
    visit("/").expect(403);
    let open: Vec<String> = ["index.html", "sorry.html"]
        .iter()
        .map(|key| allow(r#""*""#, "s3:GetObject", &format!("site/{key}")))
        .collect();
    let local = r#"{"IpAddress": {"aws:SourceIp": "127.0.0.1"}, "Bool": {"aws:SecureTransport": "false"}}"#;
    put_policy(&client, "site", &[&with_condition(&open[0], local), &open[1]]).expect(204);
    assert_eq!(visit("/").expect(200).body, b"welcome");
    assert_eq!(visit("/secret.html").expect(403).body, b"apologies");
    assert_eq!(visit("/none.html").expect(403).body, b"apologies");
    put_policy(&client, "site", &[&open[0], &open[1], &allow(r#""*""#, "s3:ListBucket", "site")]).expect(204);
    assert_eq!(visit("/none.html").expect(404).body, b"apologies");
}

#[test]
fn a_form_is_a_put_object() {
    let server = Server::start();
    let client = server.client();
    client.bucket("forms");
    let post = |key: &str, fields: &[(&str, &str)]| {
        let mut body = String::new();
        for (name, value) in [("key", key)].iter().chain(fields) {
            body += &format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body +=
            "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nx\r\n--b0undary--\r\n";
        let call = server.anonymous().call("POST", "/forms");
        call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send()
    };
    denied(post("in/a", &[]));
    let write = allow(r#""*""#, "s3:PutObject", "forms/in/*");
    put_policy(&client, "forms", &[&write]).expect(204);
    post("in/a", &[]).expect(204);
    denied(post("out/a", &[]));
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    denied(post("in/a", &[("tagging", tagging)]));
    denied(post("in/a", &[("acl", "public-read")]));
    let once = with_condition(&write, r#"{"Bool": {"sluicegate:OverwritesObject": "false"}}"#);
    put_policy(&client, "forms", &[&once]).expect(204);
    denied(post("in/a", &[]));
    post("in/b", &[]).expect(204);
    let by_form = with_condition(&write, r#"{"StringEquals": {"s3:authType": "POST"}}"#);
    put_policy(&client, "forms", &[&by_form]).expect(204);
    denied(post("in/c", &[]));
}
