//! Lifecycle: its API, its headers, what the worker does, and the dry run.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;

use super::support::{Client, Server, md5_hex};

fn rules(inner: &str) -> String {
    format!(
        "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</LifecycleConfiguration>"
    )
}

fn rule(id: &str, filter: &str, actions: &str) -> String {
    format!("<Rule><ID>{id}</ID><Filter>{filter}</Filter><Status>Enabled</Status>{actions}</Rule>")
}

const AFTER_A_DAY: &str = "<Expiration><Days>1</Days></Expiration>";

fn set(client: &Client, bucket: &str, inner: &str) {
    client.put(&format!("/{bucket}?lifecycle"), rules(inner)).expect(200);
}

fn keys(client: &Client, bucket: &str) -> Vec<String> {
    client.get(&format!("/{bucket}?list-type=2")).expect(200).all("Key")
}

fn dry_run(server: &Server, arguments: &[&str]) -> Vec<serde_json::Value> {
    let done = server.command(&[&["bucket", "lifecycle", "--dry-run", "--json"], arguments].concat());
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap().as_array().unwrap().clone()
}

/// Keys and actions of a dry run.
fn going(rows: &[serde_json::Value]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row["key"].as_str().unwrap(), row["action"].as_str().unwrap())).collect()
}

#[test]
fn a_configuration_is_kept_shown_and_removed() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("cycle");
    client.get("/cycle?lifecycle").expect_error(404, "NoSuchLifecycleConfiguration");
    let and = "<And><Prefix>logs/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>\
               <ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></And>";
    let both = rule("one", and, AFTER_A_DAY)
        + &rule(
            "two",
            "<Prefix>up/</Prefix>",
            "<AbortIncompleteMultipartUpload><DaysAfterInitiation>3</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
        );
    set(&client, "cycle", &both);
    let shown = client.get("/cycle?lifecycle").expect(200);
    assert_eq!(shown.header("x-amz-transition-default-minimum-object-size"), Some("all_storage_classes_128K"));
    assert!(shown.text().contains(and), "{}", shown.text());
    assert_eq!(shown.all("ID"), ["one", "two"]);
    server.kill();
    server.restart();
    let client = server.client();
    assert_eq!(client.get("/cycle?lifecycle").expect(200).body, shown.body);

    let transition = "<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>";
    let refused = client.put("/cycle?lifecycle", rules(&rule("t", "", &format!("{AFTER_A_DAY}{transition}"))));
    let refused = refused.expect_error(501, "NotImplemented");
    assert!(refused.one("Message").contains("GLACIER"), "{}", refused.text());
    client.put("/cycle?lifecycle", rules("")).expect_error(400, "MalformedXML");
    client.put("/cycle?lifecycle", "<x").expect_error(400, "MalformedXML");
    client.put("/none-such?lifecycle", rules(&both)).expect_error(404, "NoSuchBucket");
    assert_eq!(client.get("/cycle?lifecycle").expect(200).body, shown.body, "a refusal changes nothing");
    server.client_of("other").get("/cycle?lifecycle").expect_error(403, "AccessDenied");

    client.delete("/cycle?lifecycle").expect(204);
    client.delete("/cycle?lifecycle").expect(204);
    client.get("/cycle?lifecycle").expect_error(404, "NoSuchLifecycleConfiguration");
    server.stop_and_check();
}

#[test]
fn answers_say_when_an_object_expires() {
    let server = Server::start();
    let client = server.client();
    client.bucket("cycle");
    assert_eq!(client.put("/cycle/logs/0", "x").expect(200).header("x-amz-expiration"), None);
    let date = "<Expiration><Date>2099-01-02T00:00:00Z</Date></Expiration>";
    let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>";
    let tag = "<Tag><Key>keep</Key><Value>short</Value></Tag>";
    set(
        &client,
        "cycle",
        &[rule("a rule", "<Prefix>logs/</Prefix>", date), rule("tagged", tag, AFTER_A_DAY), rule("up", "", abort)]
            .concat(),
    );
    let expected = "expiry-date=\"Fri, 02 Jan 2099 00:00:00 GMT\", rule-id=\"a%20rule\"";
    let put = client.put("/cycle/logs/1", "x").expect(200);
    let copied = client.call("PUT", "/cycle/logs/2").header("x-amz-copy-source", "/cycle/logs/1").send().expect(200);
    for answer in [put, copied, client.head("/cycle/logs/1"), client.get("/cycle/logs/0")] {
        assert_eq!(answer.expect(200).header("x-amz-expiration"), Some(expected));
    }
    assert_eq!(client.put("/cycle/other", "x").expect(200).header("x-amz-expiration"), None);
    assert_eq!(client.head("/cycle/other").expect(200).header("x-amz-expiration"), None);
    let tagged = client.call("PUT", "/cycle/logs/1").header("x-amz-tagging", "keep=short").body("x").send().expect(200);
    let soonest = tagged.header("x-amz-expiration").unwrap();
    assert!(soonest.ends_with("rule-id=\"tagged\""), "the rule that acts first: {soonest}");

    let begun = client.post("/cycle/logs/m?uploads", "").expect(200);
    assert_eq!(begun.header("x-amz-abort-rule-id"), Some("up"));
    let date = begun.header("x-amz-abort-date").unwrap().to_owned();
    assert!(date.ends_with("00:00:00 GMT"), "{date}");
    let upload = begun.one("UploadId");
    let parts = client.get(&format!("/cycle/logs/m?uploadId={upload}")).expect(200);
    assert_eq!(parts.header("x-amz-abort-date"), Some(date.as_str()));
    let part = client.put(&format!("/cycle/logs/m?uploadId={upload}&partNumber=1"), "x").expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    );
    let done = client.post(&format!("/cycle/logs/m?uploadId={upload}"), list).expect(200);
    assert_eq!(done.header("x-amz-expiration"), Some(expected));
}

#[test]
fn a_dry_run_lists_and_removes_nothing() {
    let server = Server::start();
    let client = server.client();
    client.bucket("cycle");
    client.bucket("without");
    for (key, length) in [("logs/a", 5), ("logs/b", 50), ("other", 50)] {
        client.put(&format!("/cycle/{key}"), vec![1; length]).expect(200);
    }
    client.call("PUT", "/cycle/tagged").header("x-amz-tagging", "k=v&x=y").body("x").send().expect(200);
    let upload = client.post("/cycle/logs/up?uploads", "").expect(200).one("UploadId");
    let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>";
    let small = "<And><Prefix>logs/</Prefix><ObjectSizeLessThan>10</ObjectSizeLessThan></And>";
    let tag = "<Tag><Key>k</Key><Value>v</Value></Tag>";
    let all =
        [rule("small", small, AFTER_A_DAY), rule("tag", tag, AFTER_A_DAY), rule("up", "<Prefix>logs/</Prefix>", abort)];
    set(&client, "cycle", &all.concat());
    assert_eq!(dry_run(&server, &["cycle"]), Vec::<serde_json::Value>::new(), "nothing is old enough");
    let rows = dry_run(&server, &["--at", "2099-01-01T00:00:00Z"]);
    assert_eq!(going(&rows), [("logs/a", "expire"), ("tagged", "expire"), ("logs/up", "abort-upload")]);
    assert_eq!((rows[0]["rule"].as_str(), rows[0]["bucket"].as_str()), (Some("small"), Some("cycle")));
    assert_eq!((rows[2]["rule"].as_str(), rows[2]["id"].as_str()), (Some("up"), Some(upload.as_str())));
    let text = server.command(&["bucket", "lifecycle", "--dry-run", "--at", "2099-01-01T00:00:00Z"]);
    assert_eq!(String::from_utf8_lossy(&text.stdout).lines().count(), 3);
    assert!(!server.command(&["bucket", "lifecycle", "cycle"]).status.success(), "only a dry run");
    assert!(!server.command(&["bucket", "lifecycle", "--dry-run", "none-such"]).status.success());
    assert_eq!(keys(&client, "cycle"), ["logs/a", "logs/b", "other", "tagged"]);
}

#[test]
fn what_is_due_goes_and_what_is_not_stays() {
    let mut server = Server::start_with(&["--lifecycle-day-seconds", "1"]);
    let client = server.client();
    for bucket in ["cycle", "without"] {
        client.bucket(bucket);
        for key in ["logs/a", "logs/b", "other"] {
            client.put(&format!("/{bucket}/{key}"), vec![1; 20_000]).expect(200);
        }
    }
    client.call("PUT", "/cycle/kept").header("x-amz-tagging", "k=w").body("x").send().expect(200);
    client.call("PUT", "/cycle/tagged").header("x-amz-tagging", "k=v").body("x").send().expect(200);
    let upload = client.post("/cycle/logs/up?uploads", "").expect(200).one("UploadId");
    client.put(&format!("/cycle/logs/up?uploadId={upload}&partNumber=1"), vec![1; 20_000]).expect(200);
    let kept = client.post("/cycle/up?uploads", "").expect(200).one("UploadId");
    let both = format!(
        "{AFTER_A_DAY}<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
    );
    let disabled = rule("off", "<Prefix>oth</Prefix>", AFTER_A_DAY).replace("Enabled", "Disabled");
    let tag = rule("tag", "<Tag><Key>k</Key><Value>v</Value></Tag>", AFTER_A_DAY);
    set(&client, "cycle", &[rule("logs", "<Prefix>logs/</Prefix>", &both), disabled, tag].concat());
    server.eventually("what is due goes", || {
        keys(&client, "cycle") == ["kept", "other"] && client.get("/cycle?uploads").all("UploadId") == [kept.clone()]
    });
    client.get("/cycle/logs/a").expect_error(404, "NoSuchKey");
    assert_eq!(keys(&client, "without").len(), 3);
    server.eventually("the chunks go too", || server.chunk_files().len() == 4);
    assert!(server.metric("sluicegate_lifecycle_actions_total").unwrap() >= 4.0);
    // Rules act across a restart, from where the last boot ended.
    server.kill();
    server.restart();
    let client = server.client();
    set(&client, "cycle", &rule("rest", "", AFTER_A_DAY));
    server.eventually("the rest goes", || keys(&client, "cycle").is_empty());
    server.stop_and_check();
}

#[test]
fn many_objects_expire_over_many_pages() {
    let mut server = Server::start_with(&["--lifecycle-day-seconds", "1"]);
    let client = server.client();
    client.bucket("cycle");
    for number in 0..600 {
        let prefix = if number % 3 == 0 { "keep" } else { "drop" };
        client.put(&format!("/cycle/{number:03}-{prefix}"), "").expect(200);
    }
    let tag = "<Tag><Key>none</Key><Value>has it</Value></Tag>";
    let drop: String = (0..600)
        .filter(|number| number % 3 != 0)
        .map(|number| rule(&format!("r{number}"), &format!("<Prefix>{number:03}-drop</Prefix>"), AFTER_A_DAY))
        .collect();
    set(&client, "cycle", &(rule("tag", tag, AFTER_A_DAY) + &drop));
    server.eventually("two thirds go", || keys(&client, "cycle").len() == 200);
    assert!(keys(&client, "cycle").iter().all(|key| key.ends_with("-keep")));
    server.stop_and_check();
}

#[test]
fn what_expires_stays_restorable() {
    let mut server = Server::start_with(&["--lifecycle-day-seconds", "1"]);
    let client = server.client();
    client.bucket("cycle");
    assert!(server.command(&["bucket", "undelete", "set", "cycle", "--days", "7"]).status.success());
    client.put("/cycle/k", "precious").expect(200);
    set(&client, "cycle", &rule("all", "", AFTER_A_DAY));
    server.eventually("it expires", || keys(&client, "cycle").is_empty());
    client.delete("/cycle?lifecycle").expect(204);
    assert!(server.command(&["bucket", "undelete", "restore", "cycle", "k"]).status.success());
    assert_eq!(client.get("/cycle/k").expect(200).body, b"precious");
    server.stop_and_check();
}

fn enable_versioning(client: &Client, bucket: &str) {
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put(&format!("/{bucket}?versioning"), enabled).expect(200);
}

/// Keys with their versions, newest first, and keys with delete markers.
fn versions(client: &Client, bucket: &str) -> (Vec<(String, String)>, Vec<String>) {
    let listed = client.get(&format!("/{bucket}?versions")).expect(200).text();
    let one = |piece: &str, name: &str| {
        let rest = piece.split(&format!("<{name}>")).nth(1).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let found = listed.split("<Version>").skip(1).map(|piece| (one(piece, "Key"), one(piece, "VersionId")));
    let markers = listed.split("<DeleteMarker>").skip(1).map(|piece| one(piece, "Key"));
    (found.collect(), markers.collect())
}

#[test]
fn noncurrent_versions_go_by_days_and_count_and_lone_markers_after_them() {
    let mut server = Server::start_with(&["--lifecycle-day-seconds", "1"]);
    let client = server.client();
    client.bucket("cycle");
    enable_versioning(&client, "cycle");
    let put = |key: &str| {
        let answer = client.put(&format!("/cycle/{key}"), key).expect(200);
        answer.header("x-amz-version-id").unwrap().to_owned()
    };
    let kept: Vec<String> = (0..5).map(|_| put("many")).collect();
    put("gone");
    client.delete("/cycle/gone").expect(204);
    let noncurrent = |more: &str| {
        format!("<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>{more}</NoncurrentVersionExpiration>")
    };
    let two = noncurrent("<NewerNoncurrentVersions>2</NewerNoncurrentVersions>");
    let markers = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>";
    let gone = rule("gone", "<Prefix>gone</Prefix>", &format!("{markers}{}", noncurrent("")));
    set(&client, "cycle", &(rule("two", "<Prefix>many</Prefix>", &two) + &gone));
    let expected: Vec<_> = [4, 3, 2].map(|index| ("many".to_owned(), kept[index].clone())).to_vec();
    server.eventually("two noncurrent ones are left, and no marker", || {
        versions(&client, "cycle") == (expected.clone(), Vec::new())
    });
    // Current ones are hidden, then go as noncurrent ones, then their markers.
    let all = format!("{AFTER_A_DAY}{}", noncurrent(""));
    set(&client, "cycle", &rule("all", "", &all));
    server.eventually("everything goes", || versions(&client, "cycle") == (Vec::new(), Vec::new()));
    client.delete("/cycle").expect(204);
    server.stop_and_check();
}

#[test]
fn what_object_lock_holds_never_expires() {
    let mut server = Server::start_with(&["--lifecycle-day-seconds", "1"]);
    let client = server.client();
    client.call("PUT", "/cycle").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    let put = |key: &str, lock: &[(&str, &str)]| {
        let call = client.call("PUT", &format!("/cycle/{key}")).body(key);
        let md5 = BASE64.encode(hex::decode(md5_hex(key.as_bytes())).unwrap());
        let call = lock.iter().fold(call.header("content-md5", md5), |call, (name, value)| call.header(name, *value));
        (key.to_owned(), call.send().expect(200).header("x-amz-version-id").unwrap().to_owned())
    };
    let until = ("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z");
    let governed = put("governed", &[("x-amz-object-lock-mode", "GOVERNANCE"), until]);
    let held = put("held", &[("x-amz-object-lock-legal-hold", "ON")]);
    put("plain", &[]);
    let noncurrent = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";
    set(&client, "cycle", &rule("all", "", &format!("{AFTER_A_DAY}{noncurrent}")));
    let locked = vec![governed, held];
    let markers = vec!["governed".to_owned(), "held".to_owned()];
    server.eventually("only what is locked is left, hidden", || {
        versions(&client, "cycle") == (locked.clone(), markers.clone())
    });
    server.eventually("the worker has met the locks", || {
        let metrics = server.admin("/metrics").text();
        metrics.lines().any(|line| line.starts_with("sluicegate_lifecycle_actions_total{action=\"locked\"}"))
    });
    assert_eq!(versions(&client, "cycle"), (locked.clone(), markers.clone()));
    let rows = dry_run(&server, &["cycle", "--at", "2090-01-01T00:00:00Z"]);
    assert_eq!(going(&rows), [("governed", "remove-noncurrent"), ("held", "remove-noncurrent")]);
    assert!(rows.iter().all(|row| row["locked"] == true), "{rows:?}");
    client
        .put(
            &format!("/cycle/held?versionId={}&legal-hold", locked[1].1),
            "<LegalHold><Status>OFF</Status></LegalHold>",
        )
        .expect(200);
    server.eventually("what is let go expires", || {
        versions(&client, "cycle") == (locked[..1].to_vec(), markers[..1].to_vec())
    });
    server.stop_and_check();
}
