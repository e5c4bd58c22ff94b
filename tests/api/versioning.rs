//! Versions and delete markers.

use super::support::client::{Answer, escape_value};
use super::support::{Client, Server, md5_hex};

/// Sets the versioning state of a bucket.
fn set_state(client: &Client, bucket: &str, state: &str) {
    let document = format!("<VersioningConfiguration><Status>{state}</Status></VersioningConfiguration>");
    client.put(&format!("/{bucket}?versioning"), document).expect(200);
}

fn with_bucket(state: &str) -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("box");
    if !state.is_empty() {
        set_state(&client, "box", state);
    }
    (server, client)
}

fn version_of(answer: &Answer) -> String {
    answer.header("x-amz-version-id").expect("a version id").to_owned()
}

/// Key, size (0 for a marker), newest or not, marker or not.
type Row = (String, usize, bool, bool);

/// The rows of a listing, and their ids.
fn listed(answer: &Answer) -> (Vec<Row>, Vec<String>) {
    let entries = answer.elements(&["Version", "DeleteMarker"]);
    let rows = entries.iter().map(|(name, entry)| {
        (
            entry.one("Key"),
            entry.one("Size").parse().unwrap_or(0),
            entry.one("IsLatest") == "true",
            name == "DeleteMarker",
        )
    });
    (rows.collect(), entries.iter().map(|(_, entry)| entry.one("VersionId")).collect())
}

#[test]
fn the_state_is_shown_as_it_was_set() {
    let (_server, client) = with_bucket("");
    assert!(!client.get("/box?versioning").expect(200).text().contains("Status"));
    for state in ["Enabled", "Suspended", "Enabled"] {
        set_state(&client, "box", state);
        assert_eq!(client.get("/box?versioning").expect(200).one("Status"), state);
    }
    let put = |inner: &str| {
        client.put("/box?versioning", format!("<VersioningConfiguration>{inner}</VersioningConfiguration>"))
    };
    put("<Status>Off</Status>").expect_error(400, "MalformedXML");
    put("").expect_error(400, "IllegalVersioningConfigurationException");
    put("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>").expect_error(403, "AccessDenied");
    client.put("/box?versioning", "").expect_error(400, "MalformedXML");
    let code = client.call("DELETE", "/box/k?versionId=null").header("x-amz-mfa", "serial 123456").send();
    code.expect_error(403, "AccessDenied");
    assert_eq!(client.get("/box?versioning").expect(200).one("Status"), "Enabled");
}

/// Amazon S3 User Guide, "Adding objects to versioning-enabled buckets" and "Deleting object versions from a
/// versioning-enabled bucket".
#[test]
fn an_enabled_bucket_keeps_everything() {
    let (mut server, client) = with_bucket("");
    assert_eq!(client.put("/box/k", "0").expect(200).header("x-amz-version-id"), None);
    set_state(&client, "box", "Enabled");
    let null = client.get("/box/k").expect(200);
    assert_eq!(null.header("x-amz-version-id"), Some("null"), "the old version is the null version");
    let one = version_of(&client.put("/box/k", "1").expect(200));
    let two = version_of(&client.put("/box/k", "22").expect(200));
    assert!(one != two && one != "null");

    let gone = client.delete("/box/k").expect(204);
    assert_eq!(gone.header("x-amz-delete-marker"), Some("true"));
    let marker = version_of(&gone);
    let newest = client.get("/box/k").expect_error(404, "NoSuchKey");
    assert_eq!(newest.header("x-amz-delete-marker"), Some("true"));
    assert_eq!(version_of(&newest), marker);
    assert_eq!(client.head("/box/k").expect(404).header("x-amz-delete-marker"), Some("true"));
    for method in ["GET", "HEAD"] {
        let named = client.call(method, &format!("/box/k?versionId={marker}")).send().expect(405);
        assert_eq!(named.header("allow"), Some("DELETE"));
        assert_eq!(named.header("x-amz-delete-marker"), Some("true"));
        assert_eq!(version_of(&named), marker);
        assert!(named.header("last-modified").unwrap().ends_with(" GMT"));
    }
    for (version, body) in [("null", "0"), (&one, "1"), (&two, "22")] {
        let got = client.get(&format!("/box/k?versionId={version}")).expect(200);
        assert_eq!((got.text().as_str(), version_of(&got).as_str()), (body, version));
        let head = client.head(&format!("/box/k?versionId={version}")).expect(200);
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()));
        let attributes = client.call("GET", &format!("/box/k?attributes&versionId={version}"));
        let attributes = attributes.header("x-amz-object-attributes", "ObjectSize").send().expect(200);
        assert_eq!(
            (attributes.one("ObjectSize"), version_of(&attributes)),
            (body.len().to_string(), version.to_owned())
        );
    }
    assert!(client.get("/box").expect(200).all("Key").is_empty());
    client.delete("/box").expect_error(409, "BucketNotEmpty");

    // Without the marker the key is back; without the newest, the one before it is the newest.
    let undone = client.delete(&format!("/box/k?versionId={marker}")).expect(204);
    assert_eq!((version_of(&undone), undone.header("x-amz-delete-marker")), (marker, Some("true")));
    assert_eq!(client.get("/box/k").expect(200).text(), "22");
    let removed = client.delete(&format!("/box/k?versionId={two}")).expect(204);
    assert_eq!((version_of(&removed), removed.header("x-amz-delete-marker")), (two.clone(), None));
    assert_eq!(client.get("/box/k").expect(200).text(), "1");
    client.get(&format!("/box/k?versionId={two}")).expect_error(404, "NoSuchVersion");
    assert_eq!(
        version_of(&client.delete(&format!("/box/k?versionId={two}")).expect(204)),
        two,
        "once more is no fault"
    );
    for version in ["null", &one] {
        client.delete(&format!("/box/k?versionId={version}")).expect(204);
    }
    client.delete("/box").expect(204);
    server.stop_and_check();
}

/// Amazon S3 User Guide, "Adding objects to versioning-suspended buckets" and "Deleting objects from
/// versioning-suspended buckets".
#[test]
fn a_suspended_bucket_overwrites_the_null_version_only() {
    let (mut server, client) = with_bucket("Enabled");
    let one = version_of(&client.put("/box/k", "1").expect(200));
    set_state(&client, "box", "Suspended");
    for body in ["null 1", "null 2"] {
        assert_eq!(client.put("/box/k", body).expect(200).header("x-amz-version-id"), None);
        assert_eq!(version_of(&client.head("/box/k").expect(200)), "null", "only reads name it");
    }
    let copy = client.call("PUT", "/box/copy").header("x-amz-copy-source", "/box/k").send().expect(200);
    assert_eq!(copy.header("x-amz-version-id"), None);
    assert_eq!(copy.header("x-amz-copy-source-version-id"), Some("null"));
    client.delete("/box/copy?versionId=null").expect(204);
    let sizes = |expected: &[(usize, bool)]| {
        let (rows, _) = listed(&client.get("/box?versions").expect(200));
        let found: Vec<_> = rows.iter().map(|row| (row.1, row.3)).collect();
        assert_eq!(found, expected);
    };
    sizes(&[(6, false), (1, false)]);
    let gone = client.delete("/box/k").expect(204);
    assert_eq!((version_of(&gone).as_str(), gone.header("x-amz-delete-marker")), ("null", Some("true")));
    sizes(&[(0, true), (1, false)]);
    client.delete("/box/k").expect(204);
    sizes(&[(0, true), (1, false)]);
    assert_eq!(client.get("/box/k?versionId=null").expect(405).header("x-amz-delete-marker"), Some("true"));
    assert_eq!(client.get(&format!("/box/k?versionId={one}")).expect(200).text(), "1");
    // With versioning on again the null marker is as old as any.
    set_state(&client, "box", "Enabled");
    let two = version_of(&client.put("/box/k", "22").expect(200));
    sizes(&[(2, false), (0, true), (1, false)]);
    for version in ["null", &one, &two] {
        client.delete(&format!("/box/k?versionId={version}")).expect(204);
    }
    client.delete("/box").expect(204);
    server.stop_and_check();
}

#[test]
fn an_unversioned_bucket_has_null_versions_that_nobody_names() {
    let (_server, client) = with_bucket("");
    client.put("/box/k", "x").expect(200);
    for answer in [client.get("/box/k"), client.head("/box/k"), client.get("/box/k?versionId=null")] {
        assert_eq!(answer.expect(200).header("x-amz-version-id"), None);
    }
    assert_eq!(client.delete("/box/k?versionId=null").expect(204).header("x-amz-version-id"), None);
    client.get("/box/k").expect_error(404, "NoSuchKey");
    assert_eq!(client.delete("/box/k").expect(204).header("x-amz-delete-marker"), None);
    for bad in ["", "x", "NULL", "null%20"] {
        client.get(&format!("/box/k?versionId={bad}")).expect_error(400, "InvalidArgument");
    }
    let message = client.get("/box/k?versionId=x").one("Message");
    assert_eq!(message, "Invalid version id specified");
    client.get(&format!("/box/k?versionId={}", "0".repeat(32))).expect_error(404, "NoSuchVersion");
}

#[test]
fn an_old_version_is_restored_by_a_copy() {
    let (_server, client) = with_bucket("Enabled");
    let old = version_of(&client.call("PUT", "/box/k").header("x-amz-meta-a", "1").body("old").send().expect(200));
    client.put("/box/k", "new").expect(200);
    let copy =
        client.call("PUT", "/box/k").header("x-amz-copy-source", format!("/box/k?versionId={old}")).send().expect(200);
    assert_eq!(copy.header("x-amz-copy-source-version-id"), Some(old.as_str()));
    let restored = client.get("/box/k").expect(200);
    assert_eq!((restored.text().as_str(), restored.header("x-amz-meta-a")), ("old", Some("1")));
    assert_eq!(version_of(&restored), version_of(&copy));
    assert_eq!(listed(&client.get("/box?versions").expect(200)).0.len(), 3);

    let marker = version_of(&client.delete("/box/k").expect(204));
    let from = |source: &str| client.call("PUT", "/box/c").header("x-amz-copy-source", source).send();
    from("/box/k").expect_error(404, "NoSuchKey");
    from(&format!("/box/k?versionId={marker}")).expect_error(400, "InvalidRequest");
    from(&format!("/box/k?versionId={}", "f".repeat(32))).expect_error(404, "NoSuchVersion");
    from("/box/k?versionId=x").expect_error(400, "InvalidArgument");
    let upload = client.post("/box/m?uploads", "").expect(200).one("UploadId");
    let part = client.call("PUT", &format!("/box/m?partNumber=1&uploadId={upload}"));
    let part = part.header("x-amz-copy-source", format!("/box/k?versionId={old}")).send().expect(200);
    assert_eq!(part.header("x-amz-copy-source-version-id"), Some(old.as_str()));
    let parts = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", part.one("ETag"));
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let done = client.post(&format!("/box/m?uploadId={upload}"), list).expect(200);
    assert_eq!(version_of(&done), version_of(&client.head("/box/m").expect(200)));
}

#[test]
fn every_version_has_tags_of_its_own() {
    let (_server, client) = with_bucket("Enabled");
    let tags =
        |value: &str| format!("<Tagging><TagSet><Tag><Key>t</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
    let old = version_of(&client.call("PUT", "/box/k").header("x-amz-tagging", "t=1").body("old").send().expect(200));
    let new = version_of(&client.put("/box/k", "new").expect(200));
    let at = |version: &str| format!("/box/k?tagging&versionId={version}");
    assert_eq!(version_of(&client.put(&at(&old), tags("2")).expect(200)), old);
    assert_eq!(version_of(&client.put("/box/k?tagging", tags("3")).expect(200)), new, "the newest");
    for (target, value, version) in [(at(&old), "2", &old), (at(&new), "3", &new), ("/box/k?tagging".into(), "3", &new)]
    {
        let shown = client.get(&target).expect(200);
        assert_eq!((shown.one("Value").as_str(), version_of(&shown)), (value, version.clone()));
    }
    client.delete(&at(&old)).expect(204);
    assert_eq!(client.get(&at(&old)).expect(200).all("Value"), Vec::<String>::new());
    assert_eq!(client.head("/box/k").expect(200).header("x-amz-tagging-count"), Some("1"));
    let marker = version_of(&client.delete("/box/k").expect(204));
    client.get(&at(&marker)).expect_error(405, "MethodNotAllowed");
    client.get(&at(&"0".repeat(32))).expect_error(404, "NoSuchVersion");
}

#[test]
fn conditions_of_writes_are_about_the_newest_version() {
    let (_server, client) = with_bucket("Enabled");
    let create = || client.call("PUT", "/box/k").header("if-none-match", "*").body("1").send();
    create().expect(200);
    create().expect_error(412, "PreconditionFailed");
    client.delete("/box/k").expect(204);
    let over = |etag: String| client.call("PUT", "/box/k").header("if-match", etag).body("2").send();
    over(md5_hex(b"1")).expect_error(404, "NoSuchKey");
    create().expect(200);
    over(md5_hex(b"x")).expect_error(412, "PreconditionFailed");
    over(md5_hex(b"1")).expect(200);
    let delete = |etag: String| client.call("DELETE", "/box/k").header("if-match", etag).send();
    delete(md5_hex(b"1")).expect_error(412, "PreconditionFailed");
    delete(md5_hex(b"2")).expect(204);
}

#[test]
fn many_deletions_name_versions_and_markers() {
    let (_server, client) = with_bucket("Enabled");
    let one = version_of(&client.put("/box/a", "1").expect(200));
    client.put("/box/b", "2").expect(200);
    let delete = |objects: &str| {
        let body = format!("<Delete>{objects}</Delete>");
        let md5 = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            hex::decode(md5_hex(body.as_bytes())).unwrap(),
        );
        client.call("POST", "/box?delete").header("content-md5", md5).body(body).send().expect(200)
    };
    let made = delete(&format!(
        "<Object><Key>a</Key><VersionId>{one}</VersionId></Object><Object><Key>b</Key></Object>\
         <Object><Key>a</Key><VersionId>{}</VersionId></Object>",
        "0".repeat(32)
    ));
    let deleted = made.elements(&["Deleted"]);
    assert_eq!((deleted[0].1.one("VersionId"), deleted[0].1.one("DeleteMarker")), (one, String::new()));
    let marker = deleted[1].1.one("DeleteMarkerVersionId");
    assert_eq!((deleted[1].1.one("VersionId"), deleted[1].1.one("DeleteMarker")), (String::new(), "true".to_owned()));
    assert_eq!(deleted.len(), 3, "what was never there is deleted, too: {}", made.text());
    let undone = delete(&format!("<Object><Key>b</Key><VersionId>{marker}</VersionId></Object>"));
    let undone = &undone.elements(&["Deleted"])[0].1;
    assert_eq!((undone.one("VersionId"), undone.one("DeleteMarkerVersionId")), (marker.clone(), marker));
    client.get("/box/b").expect(200);
}

#[test]
fn listings_of_versions_are_complete_in_every_page_size() {
    let (server, client) = with_bucket("");
    for key in ["a", "b%2Bc/1", "c"] {
        client.put(&format!("/box/{key}"), "1").expect(200);
    }
    set_state(&client, "box", "Enabled");
    for (key, body) in [("a", "22"), ("a", "333"), ("b%2Bc/1", "22"), ("b%2Bc/2", "22")] {
        client.put(&format!("/box/{key}"), body).expect(200);
    }
    client.delete("/box/b%2Bc/2").expect(204);
    let (whole, ids) = listed(&client.get("/box?versions").expect(200));
    let row = |key: &str, size, is_latest, is_marker| (key.to_owned(), size, is_latest, is_marker);
    let expected = vec![
        row("a", 3, true, false),
        row("a", 2, false, false),
        row("a", 1, false, false),
        row("b+c/1", 2, true, false),
        row("b+c/1", 1, false, false),
        row("b+c/2", 0, true, true),
        row("b+c/2", 2, false, false),
        row("c", 1, true, false),
    ];
    assert_eq!(whole, expected);
    for size in 1..=9 {
        let (mut seen, mut from) = (Vec::new(), String::new());
        loop {
            let page = client.get(&format!("/box?versions&max-keys={size}{from}")).expect(200);
            let (rows, _) = listed(&page);
            assert!(rows.len() <= size);
            seen.extend(rows);
            if page.one("IsTruncated") == "false" {
                assert!(!page.text().contains("NextKeyMarker"));
                break;
            }
            let (key, version) = (page.one("NextKeyMarker"), page.one("NextVersionIdMarker"));
            from = format!("&key-marker={}&version-id-marker={version}", escape_value(&key));
        }
        assert_eq!(seen, expected, "pages of {size}");
    }
    let owner = client.get("/box?versions").expect(200).elements(&["Version", "DeleteMarker"]);
    assert!(owner.iter().all(|(_, entry)| !entry.one("ID").is_empty()), "each has its owner");
    let folded = client.get("/box?versions&delimiter=/&encoding-type=url&max-keys=4").expect(200);
    assert_eq!(folded.one("EncodingType"), "url");
    assert!(folded.text().contains("<CommonPrefixes><Prefix>b%2Bc/</Prefix></CommonPrefixes>"));
    assert_eq!(folded.one("NextKeyMarker"), "b%2Bc/");
    let rest = client.get("/box?versions&delimiter=/&key-marker=b%2Bc/").expect(200);
    assert_eq!(rest.all("Key"), ["c"]);

    // A page ended behind the newest but one; then all that it showed went.
    for id in &ids[..2] {
        client.delete(&format!("/box/a?versionId={id}")).expect(204);
    }
    let next = client.get(&format!("/box?versions&key-marker=a&version-id-marker={}", ids[1])).expect(200);
    assert_eq!(listed(&next).0[0], row("a", 1, true, false));
    client.get("/box?versions&version-id-marker=null").expect_error(400, "InvalidArgument");
    client.get("/box?versions&key-marker=a&version-id-marker=x").expect_error(400, "InvalidArgument");
    drop(server);
}

#[test]
fn restore_is_refused_in_the_words_of_s3() {
    let (_server, client) = with_bucket("");
    client.put("/box/k", "x").expect(200);
    let refused = client.post("/box/k?restore", "<RestoreRequest><Days>1</Days></RestoreRequest>");
    let refused = refused.expect_error(403, "InvalidObjectState");
    assert_eq!(refused.one("Message"), "Restore is not allowed for the object's current storage class");
    assert_eq!(refused.one("StorageClass"), "STANDARD");
    client.post("/box/absent?restore", "").expect_error(404, "NoSuchKey");
}
