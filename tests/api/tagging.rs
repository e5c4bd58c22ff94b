//! Tags of objects and buckets.

use super::support::{Answer, Client, Server};

fn tagging(pairs: &[(&str, &str)]) -> String {
    let tags: String =
        pairs.iter().map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")).collect();
    format!("<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>{tags}</TagSet></Tagging>")
}

fn pairs(answer: &Answer) -> Vec<(String, String)> {
    answer.all("Key").into_iter().zip(answer.all("Value")).collect()
}

#[track_caller]
fn expect_tags(client: &Client, target: &str, expected: &[(&str, &str)]) {
    let shown = pairs(&client.get(target).expect(200));
    let expected: Vec<(String, String)> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(shown, expected);
}

#[test]
fn tags_of_an_object_are_put_shown_counted_and_removed() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("tagged");
    client.put("/tagged/k", "body").expect(200);
    expect_tags(&client, "/tagged/k?tagging", &[]);
    assert_eq!(client.head("/tagged/k").header("x-amz-tagging-count"), None, "nothing is counted as nothing");
    let put = client.put("/tagged/k?tagging", tagging(&[("b", "2"), ("a", "1 +1")]));
    assert!(put.expect(200).header("x-amz-version-id").is_none());
    expect_tags(&client, "/tagged/k?tagging", &[("a", "1 +1"), ("b", "2")]);
    for answer in [client.head("/tagged/k"), client.get("/tagged/k")] {
        assert_eq!(answer.expect(200).header("x-amz-tagging-count"), Some("2"));
    }
    server.kill();
    server.restart();
    let client = server.client();
    expect_tags(&client, "/tagged/k?tagging&versionId=null", &[("a", "1 +1"), ("b", "2")]);
    client.delete("/tagged/k?tagging").expect(204);
    expect_tags(&client, "/tagged/k?tagging", &[]);
    assert_eq!(client.get("/tagged/k").expect(200).body, b"body");
    client.get("/tagged/none?tagging").expect_error(404, "NoSuchKey");
    client.put("/tagged/none?tagging", tagging(&[])).expect_error(404, "NoSuchKey");
    client.delete("/tagged/none?tagging").expect_error(404, "NoSuchKey");
    client.put("/tagged/k?tagging&versionId=x", tagging(&[])).expect_error(400, "InvalidArgument");
}

#[test]
fn illegal_tags_change_nothing() {
    let server = Server::start();
    let client = server.client();
    client.bucket("tagged");
    client.call("PUT", "/tagged/k").header("x-amz-tagging", "keep=me").body("x").send().expect(200);
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    let long = "k".repeat(129);
    for (bad, code) in [
        (tagging(&many), "BadRequest"),
        (tagging(&[("a", "1"), ("a", "2")]), "InvalidTag"),
        (tagging(&[(&long, "1")]), "InvalidTag"),
        (tagging(&[("a", &long.repeat(2))]), "InvalidTag"),
        (tagging(&[("", "1")]), "InvalidTag"),
        (tagging(&[("aws:k", "1")]), "InvalidTag"),
        (tagging(&[("a*", "1")]), "InvalidTag"),
        ("<Tagging/>".to_owned(), "MalformedXML"),
        ("<x".to_owned(), "MalformedXML"),
        (String::new(), "MissingRequestBodyError"),
        (format!("<Tagging>{}</Tagging>", " ".repeat(70_000)), "MaxMessageLengthExceeded"),
    ] {
        client.put("/tagged/k?tagging", bad).expect_error(400, code);
    }
    for (bad, code) in [("a=1&a=2", "InvalidArgument"), ("a=%zz", "InvalidArgument"), ("aws:a=1", "InvalidTag")] {
        let put = client.call("PUT", "/tagged/k").header("x-amz-tagging", bad).body("y").send();
        put.expect_error(400, code);
    }
    expect_tags(&client, "/tagged/k?tagging", &[("keep", "me")]);
    assert_eq!(client.get("/tagged/k").expect(200).body, b"x");
}

#[test]
fn new_versions_are_tagged_by_header() {
    let server = Server::start();
    let client = server.client();
    client.bucket("tagged");
    client.call("PUT", "/tagged/k").header("x-amz-tagging", "foo=bar&bar").body("x").send().expect(200);
    expect_tags(&client, "/tagged/k?tagging", &[("bar", ""), ("foo", "bar")]);
    client.put("/tagged/k", "again").expect(200);
    expect_tags(&client, "/tagged/k?tagging", &[]);
    let created = client.call("POST", "/tagged/m?uploads").header("x-amz-tagging", "part=of%20it").send().expect(200);
    let upload = created.one("UploadId");
    let part = client.put(&format!("/tagged/m?uploadId={upload}&partNumber=1"), "p").expect(200);
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        part.etag()
    );
    client.post(&format!("/tagged/m?uploadId={upload}"), list).expect(200);
    expect_tags(&client, "/tagged/m?tagging", &[("part", "of it")]);
}

#[test]
fn a_copy_takes_its_sources_tags_unless_it_replaces_them() {
    let server = Server::start();
    let client = server.client();
    client.bucket("tagged");
    client.call("PUT", "/tagged/from").header("x-amz-tagging", "a=1").body("x").send().expect(200);
    let copy = |target: &str| client.call("PUT", target).header("x-amz-copy-source", "/tagged/from");
    copy("/tagged/c1").send().expect(200);
    expect_tags(&client, "/tagged/c1?tagging", &[("a", "1")]);
    copy("/tagged/c2").header("x-amz-metadata-directive", "REPLACE").send().expect(200);
    expect_tags(&client, "/tagged/c2?tagging", &[("a", "1")]);
    let replacing = |target: &str| copy(target).header("x-amz-tagging-directive", "REPLACE");
    replacing("/tagged/c3").header("x-amz-tagging", "b=2").send().expect(200);
    expect_tags(&client, "/tagged/c3?tagging", &[("b", "2")]);
    replacing("/tagged/c4").send().expect(200);
    expect_tags(&client, "/tagged/c4?tagging", &[]);
    copy("/tagged/c5").header("x-amz-tagging", "b=2").send().expect(200);
    expect_tags(&client, "/tagged/c5?tagging", &[("a", "1")]);
    copy("/tagged/c6").header("x-amz-tagging-directive", "MERGE").send().expect_error(400, "InvalidArgument");
}

#[test]
fn a_bucket_has_tags_of_its_own() {
    let server = Server::start();
    let client = server.client();
    client.bucket("tagged");
    client.get("/tagged?tagging").expect_error(404, "NoSuchTagSet");
    client.put("/tagged?tagging", tagging(&[("team", "storage"), ("cost", "7")])).expect(204);
    expect_tags(&client, "/tagged?tagging", &[("cost", "7"), ("team", "storage")]);
    client.put("/tagged?tagging", tagging(&[("aws:x", "1")])).expect_error(400, "InvalidTag");
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "v")).collect();
    client.put("/tagged?tagging", tagging(&many)).expect_error(400, "BadRequest");
    client.put("/tagged?tagging", tagging(&many[..50])).expect(204);
    client.delete("/tagged?tagging").expect(204);
    client.delete("/tagged?tagging").expect(204);
    client.get("/tagged?tagging").expect_error(404, "NoSuchTagSet");
    server.client_of("other").get("/tagged?tagging").expect_error(403, "AccessDenied");
}
