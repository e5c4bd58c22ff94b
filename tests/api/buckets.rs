//! Buckets: create, head, list, delete, location; owners.

use super::support::Server;

#[test]
fn a_bucket_lives_and_dies() {
    let mut server = Server::start();
    let client = server.client();
    let created = client.put("/first-bucket", "").expect(200);
    assert_eq!(created.header("location"), Some("/first-bucket"));
    let head = client.head("/first-bucket").expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), Some("us-east-1"));
    assert!(head.body.is_empty());
    client.put("/first-bucket", "").expect(200);
    let location = client.get("/first-bucket?location").expect(200);
    assert!(location.text().contains("LocationConstraint"), "{}", location.text());
    assert_eq!(location.one("LocationConstraint"), "");
    client.delete("/first-bucket").expect(204);
    client.head("/first-bucket").expect(404);
    client.delete("/first-bucket").expect_error(404, "NoSuchBucket");
    client.get("/first-bucket").expect_error(404, "NoSuchBucket");
    server.stop_and_check();
}

#[test]
fn a_bucket_with_contents_stays() {
    let server = Server::start();
    let client = server.client();
    client.bucket("full");
    client.put("/full/key", "x").expect(200);
    client.delete("/full").expect_error(409, "BucketNotEmpty");
    client.delete("/full/key").expect(204);
    let upload = client.post("/full/big?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/full/big?partNumber=1&uploadId={upload}"), vec![1; 100_000]).expect(200);
    client.delete("/full").expect(204);
    client.bucket("full");
    client.get(&format!("/full/big?uploadId={upload}")).expect_error(404, "NoSuchUpload");
    server.eventually("open uploads go with their bucket", || server.chunk_files().is_empty());
}

#[test]
fn illegal_names_are_refused() {
    let server = Server::start();
    let client = server.client();
    for name in ["Ab", "UPPER", "under_score", "192.168.1.1", "a..b", "-dash", &"x".repeat(64)] {
        client.put(&format!("/{name}"), "").expect_error(400, "InvalidBucketName");
        let status = client.head(&format!("/{name}")).status;
        assert!(status == 400 || status == 404, "HEAD /{name}: {status}");
    }
}

#[test]
fn locations_are_checked() {
    let server = Server::start();
    let client = server.client();
    let configuration = |location: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{location}\
             </LocationConstraint></CreateBucketConfiguration>"
        )
    };
    client.put("/here", configuration("")).expect(200);
    client.put("/elsewhere", configuration("eu-central-7")).expect(400);
    client.put("/broken", "<CreateBucketConfiguration><Loc").expect_error(400, "MalformedXML");
    client.head("/broken").expect(404);
}

#[test]
fn buckets_are_listed_in_pages() {
    let server = Server::start();
    let client = server.client();
    for name in ["alpha-1", "alpha-2", "alpha-3", "beta-1"] {
        client.bucket(name);
    }
    let all = client.get("/").expect(200);
    assert_eq!(all.all("Name"), ["alpha-1", "alpha-2", "alpha-3", "beta-1"]);
    assert_eq!(all.all("CreationDate").len(), 4);
    let page = client.get("/?max-buckets=2&prefix=alpha").expect(200);
    assert_eq!(page.all("Name"), ["alpha-1", "alpha-2"]);
    let token = page.one("ContinuationToken");
    assert!(!token.is_empty());
    let escaped = super::support::client::escape_value(&token);
    let rest = client.get(&format!("/?max-buckets=2&prefix=alpha&continuation-token={escaped}")).expect(200);
    assert_eq!(rest.all("Name"), ["alpha-3"]);
    assert_eq!(rest.one("ContinuationToken"), "");
}

#[test]
fn identities_own_their_buckets_and_root_sees_all() {
    let server = Server::start();
    let (root, ann, bob) = (server.client(), server.client_of("ann"), server.client_of("bob"));
    ann.bucket("anns-bucket");
    ann.put("/anns-bucket/key", "secret").expect(200);
    bob.get("/anns-bucket").expect_error(403, "AccessDenied");
    bob.get("/anns-bucket/key").expect_error(403, "AccessDenied");
    bob.head("/anns-bucket").expect(403);
    bob.put("/anns-bucket/key", "mine now").expect_error(403, "AccessDenied");
    bob.delete("/anns-bucket/key").expect_error(403, "AccessDenied");
    bob.delete("/anns-bucket").expect_error(403, "AccessDenied");
    bob.put("/anns-bucket", "").expect_error(409, "BucketAlreadyExists");
    bob.bucket("bobs-bucket");
    let copy = bob.call("PUT", "/bobs-bucket/stolen").header("x-amz-copy-source", "/anns-bucket/key").send();
    copy.expect_error(403, "AccessDenied");
    let upload = bob.post("/bobs-bucket/stolen?uploads", "").expect(200).one("UploadId");
    let part = bob.call("PUT", &format!("/bobs-bucket/stolen?partNumber=1&uploadId={upload}"));
    part.header("x-amz-copy-source", "/anns-bucket/key").send().expect_error(403, "AccessDenied");
    assert_eq!(bob.get("/").expect(200).all("Name"), ["bobs-bucket"]);
    assert_eq!(root.get("/").expect(200).all("Name"), ["anns-bucket", "bobs-bucket"]);
    assert_eq!(root.get("/anns-bucket/key").expect(200).body, b"secret");
    assert_eq!(ann.get("/anns-bucket/key").expect(200).body, b"secret");
}

#[test]
fn a_removed_key_is_refused_within_a_second() {
    let server = Server::start();
    let ann = server.client_of("ann");
    ann.get("/").expect(200);
    assert!(server.command(&["key", "remove", "ann"]).status.success());
    server.eventually("the key is refused", || ann.get("/").status == 403);
    ann.get("/").expect_error(403, "InvalidAccessKeyId");
}

#[test]
fn the_expected_owner_is_checked() {
    let server = Server::start();
    let client = server.client();
    client.bucket("owned");
    let wrong = client.call("GET", "/owned").header("x-amz-expected-bucket-owner", "111122223333");
    wrong.send().expect_error(403, "AccessDenied");
}
