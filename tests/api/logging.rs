//! Server access logging: what is written, where, and what is refused.

use super::support::{Client, Server};

fn put(client: &Client, source: &str, inner: &str) -> super::support::Answer {
    let document = if inner.is_empty() {
        "<BucketLoggingStatus/>".to_owned()
    } else {
        format!("<BucketLoggingStatus><LoggingEnabled>{inner}</LoggingEnabled></BucketLoggingStatus>")
    };
    client.put(&format!("/{source}?logging"), document)
}

fn target(bucket: &str, prefix: &str) -> String {
    format!("<TargetBucket>{bucket}</TargetBucket><TargetPrefix>{prefix}</TargetPrefix>")
}

/// Keys and lines of all log objects.
fn logs(client: &Client, bucket: &str, prefix: &str) -> (Vec<String>, Vec<String>) {
    let keys = client.get(&format!("/{bucket}?list-type=2&prefix={prefix}")).expect(200).all("Key");
    let lines = keys.iter().flat_map(|key| {
        let text = client.get(&format!("/{bucket}/{key}")).expect(200).text();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    (keys.clone(), lines.collect())
}

#[test]
fn requests_become_lines_of_objects_in_the_target() {
    let server = Server::start_with(&["--access-log-interval", "1"]);
    let client = server.client();
    client.bucket("source");
    client.bucket("target");
    put(&client, "source", &target("target", "logs/")).expect(200);
    let shown = client.get("/source?logging").expect(200);
    assert_eq!((shown.one("TargetBucket"), shown.one("TargetPrefix")), ("target".into(), "logs/".into()));
    let written =
        client.call("PUT", "/source/a%20b").header("user-agent", "the agent").body("hello").send().expect(200);
    client.get("/source/a%20b?x-id=GetObject").expect(200);
    client.get("/source/missing").expect(404);
    server.anonymous().get("/source/a%20b").expect(403);
    client.get("/target?list-type=2").expect(200);
    server.eventually("five lines are delivered", || logs(&client, "target", "logs/").1.len() >= 5);
    let (_, lines) = logs(&client, "target", "logs/");
    let id = written.header("x-amz-request-id").unwrap();
    let line = lines.iter().find(|line| line.contains(id)).expect("a line per request");
    assert!(line.contains(" source ["), "{line}");
    assert!(line.contains("127.0.0.1"), "{line}");
    let parts =
        [" REST.PUT.OBJECT a%20b \"PUT /source/a%20b HTTP/1.1\" 200 - - 5 ", "\"the agent\"", " SigV4 - AuthHeader "];
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    let has = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(has(" REST.GET.OBJECT a%20b \"GET /source/a%20b?x-id=GetObject HTTP/1.1\" 200 - 5 5 "), "{lines:#?}");
    assert!(has("\" 404 NoSuchKey "), "{lines:#?}");
    assert!(has("\" 403 AccessDenied "), "{lines:#?}");
    assert!(has(" REST.GET.LOGGING_STATUS "), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains(" target [")), "the target is not logged");
    assert!(!lines.iter().any(|line| line.contains("root-secret")));
}

#[test]
fn lines_that_wait_are_delivered_at_the_stop() {
    let mut server = Server::start();
    let client = server.client();
    client.bucket("source");
    client.bucket("target");
    let format = "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource>\
                  </PartitionedPrefix></TargetObjectKeyFormat>";
    put(&client, "source", &(target("target", "p/") + format)).expect(200);
    client.put("/source/k", "hello").expect(200);
    assert!(logs(&client, "target", "p/").0.is_empty(), "the interval has not passed");
    server.stop_and_check();
    server.restart();
    let client = server.client();
    let (keys, lines) = logs(&client, "target", "p/");
    assert_eq!(keys.len(), 1);
    assert!(keys[0].contains("/us-east-1/source/20"), "{keys:?}");
    assert!(lines.iter().any(|line| line.contains("REST.PUT.OBJECT k ")), "{lines:?}");
    // What was configured is known to the next boot.
    client.put("/source/k2", "hello").expect(200);
    server.eventually("the next boot logs", || {
        server.client().put("/source/k3", "x").expect(200);
        std::thread::sleep(std::time::Duration::from_millis(300));
        true
    });
    server.stop_and_check();
    server.restart();
    assert!(logs(&server.client(), "target", "p/").1.iter().any(|line| line.contains(" k3 ")));
}

#[test]
fn a_target_must_exist_and_belong_to_the_same_owner() {
    let server = Server::start();
    let client = server.client();
    let other = server.client_of("carol");
    client.bucket("source");
    other.bucket("foreign");
    put(&client, "source", &target("nowhere", "")).expect_error(400, "InvalidTargetBucketForLogging");
    put(&client, "source", &target("No Name", "")).expect_error(400, "InvalidTargetBucketForLogging");
    put(&client, "source", &target("foreign", "")).expect_error(400, "InvalidTargetBucketForLogging");
    put(&client, "source", "<TargetPrefix/>").expect_error(400, "MalformedXML");
    let grant = "<TargetGrants><Grant><Permission>READ</Permission></Grant></TargetGrants>";
    put(&client, "source", &(target("source", "") + grant)).expect_error(501, "NotImplemented");
    assert!(!client.get("/source?logging").expect(200).text().contains("LoggingEnabled"));
    put(&client, "source", &target("source", "own/")).expect(200);
    assert_eq!(client.get("/source?logging").expect(200).one("TargetBucket"), "source");
    put(&client, "source", "").expect(200);
    assert!(!client.get("/source?logging").expect(200).text().contains("LoggingEnabled"));
}

#[test]
fn many_requests_are_all_logged_before_their_time_and_a_target_that_is_gone_holds_up_nobody() {
    let server = Server::start_with(&["--access-log-interval", "1h"]);
    let client = server.client();
    for bucket in ["gone", "target", "lost", "busy"] {
        client.bucket(bucket);
    }
    put(&client, "lost", &target("gone", "")).expect(200);
    put(&client, "busy", &target("target", "")).expect(200);
    client.delete("/gone").expect(204);
    let agent = "x".repeat(3000);
    for _ in 0..300 {
        for bucket in ["lost", "busy"] {
            client.call("GET", &format!("/{bucket}/k")).header("user-agent", &agent).send().expect(404);
        }
    }
    // 2 KiB of each agent: enough for objects long before the interval passes.
    server.eventually("objects are written", || !logs(&client, "target", "").0.is_empty());
    let (_, lines) = logs(&client, "target", "");
    assert!(lines.iter().all(|line| line.contains(" busy [") && line.len() < 3000), "fields are bounded");
    server.eventually("the lines of the lost are dropped and counted", || {
        server.metric("sluicegate_access_log_lines_dropped_total").is_some_and(|dropped| dropped > 50.0)
    });
    assert!(server.log().contains("access log dropped: its target is gone"));
}

#[test]
fn visits_to_a_website_are_logged_as_such() {
    let arguments = ["--access-log-interval", "1", "--website-domain", "web.test", "--allow-anonymous"];
    let server = Server::start_with(&arguments);
    let client = server.client();
    client.bucket("site");
    client.bucket("target");
    put(&client, "site", &target("target", "")).expect(200);
    server.anonymous().call("GET", "/page").header("host", "site.web.test").send().expect(404);
    server.eventually("a line is delivered", || {
        let (_, lines) = logs(&client, "target", "");
        lines
            .iter()
            .any(|line| line.contains(" - ") && line.contains(" WEBSITE.GET.OBJECT page \"GET /page HTTP/1.1\" 404"))
    });
}

#[test]
fn who_may_configure_one_bucket_reaches_no_other_through_its_log() {
    let server = Server::start();
    let (client, carol) = (server.client(), server.client_of("carol"));
    client.bucket("source");
    client.bucket("target");
    let allow = |action: &str, resource: &str| {
        let statement =
            format!(r#"{{"Effect":"Allow","Principal":"*","Action":"{action}","Resource":"arn:aws:s3:::{resource}"}}"#);
        format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)
    };
    client.put("/source?policy", allow("s3:PutBucketLogging", "source")).expect(204);
    put(&carol, "source", &target("target", "logs/")).expect_error(403, "AccessDenied");
    client.put("/target?policy", allow("s3:PutObject", "target/logs/*")).expect(204);
    put(&carol, "source", &target("target", "others/")).expect_error(403, "AccessDenied");
    put(&carol, "source", &target("target", "logs/")).expect(200);
    assert_eq!(client.get("/source?logging").expect(200).one("TargetPrefix"), "logs/");
}

#[test]
fn log_objects_are_encrypted_as_their_bucket_says() {
    let server = Server::start_with(&["--access-log-interval", "1"]);
    let client = server.client();
    client.bucket("source");
    client.bucket("target");
    let rule = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>\
                </ApplyServerSideEncryptionByDefault></Rule>";
    let document = format!("<ServerSideEncryptionConfiguration>{rule}</ServerSideEncryptionConfiguration>");
    client.put("/target?encryption", document).expect(200);
    put(&client, "source", &target("target", "")).expect(200);
    client.put("/source/k", "x").expect(200);
    server.eventually("a line is delivered", || {
        logs(&client, "target", "").1.iter().any(|line| line.contains(" REST.PUT.OBJECT k "))
    });
    let (keys, _) = logs(&client, "target", "");
    let found = client.get(&format!("/target/{}", keys[0])).expect(200);
    assert_eq!(found.header("x-amz-server-side-encryption"), Some("AES256"));
}
