//! Event notifications: what is told to webhooks, in what order, and what a crash or a dead webhook costs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::post_object::post_v4;
use super::support::receiver::Receiver;
use super::support::{Client, Server};

const ALL: &str = "<Event>s3:ObjectCreated:*</Event><Event>s3:ObjectRemoved:*</Event>";

fn queue(name: &str, inner: &str) -> String {
    format!("<QueueConfiguration><Queue>arn:aws:sqs:us-east-1::{name}</Queue>{inner}</QueueConfiguration>")
}

fn filter(name: &str, value: &str) -> String {
    format!("<Filter><S3Key><FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule></S3Key></Filter>")
}

fn put(client: &Client, bucket: &str, rules: &str) -> super::support::Answer {
    let document = format!("<NotificationConfiguration>{rules}</NotificationConfiguration>");
    client.put(&format!("/{bucket}?notification"), document)
}

fn pairs(told: &[(&str, &str)]) -> Vec<(String, String)> {
    told.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect()
}

#[test]
fn changes_are_told_in_the_form_of_s3() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("told");
    put(&client, "told", &queue("hook", &format!("<Id>mine</Id>{ALL}"))).expect(200);
    let answer = client.put("/told/a%20b", "hello").expect(200);
    client.call("PUT", "/told/copy").header("x-amz-copy-source", "/told/a%20b").send().expect(200);
    let upload = client.post("/told/parts?uploads", "").expect(200).one("UploadId");
    let part = client.put(&format!("/told/parts?partNumber=1&uploadId={upload}"), "part").expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    );
    client.post(&format!("/told/parts?uploadId={upload}"), list).expect(200);
    client.delete("/told/copy").expect(204);
    client.delete("/told/never").expect(204);
    let keys = "<Delete><Object><Key>parts</Key></Object></Delete>";
    client.call("POST", "/told?delete").header("content-md5", md5_base64(keys)).body(keys).send().expect(200);
    // Events of different keys may overtake each other.
    let mut told = receiver.wait(5);
    told.sort();
    let mut expected = pairs(&[
        ("ObjectCreated:Put", "a+b"),
        ("ObjectCreated:Copy", "copy"),
        ("ObjectCreated:CompleteMultipartUpload", "parts"),
        ("ObjectRemoved:Delete", "copy"),
        ("ObjectRemoved:Delete", "parts"),
    ]);
    expected.sort();
    assert_eq!(told, expected);

    let posted = receiver.posted();
    let test = posted.iter().find(|posted| posted.json()["Event"] == "s3:TestEvent").expect("a test came first");
    assert_eq!((&test.json()["Bucket"], &test.json()["Service"]), (&"told".into(), &"Amazon S3".into()));
    let record = posted.iter().map(|posted| posted.record()).find(|record| record["eventName"] == "ObjectCreated:Put");
    let record = record.unwrap();
    assert_eq!(record["s3"]["object"]["eTag"], answer.etag());
    assert_eq!(record["s3"]["object"]["size"], 5);
    assert_eq!(record["s3"]["configurationId"], "mine");
    assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::told");
    assert_eq!(record["userIdentity"]["principalId"], "root");
    assert_eq!(record["requestParameters"]["sourceIPAddress"], "127.0.0.1");
    assert_eq!(record["responseElements"]["x-amz-request-id"], answer.header("x-amz-request-id").unwrap());
    assert_eq!(posted[0].target, "/hook");
    assert_eq!(posted[0].header("content-type"), Some("application/json"));
}

fn md5_base64(text: &str) -> String {
    use base64::Engine as _;
    let hex = super::support::md5_hex(text.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hex::decode(hex).unwrap())
}

#[test]
fn a_configuration_reads_back_and_what_cannot_be_told_is_refused() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("conf");
    assert!(!client.get("/conf?notification").expect(200).text().contains("Queue"));
    let rule = queue("hook", &format!("<Id>a</Id>{ALL}{}", filter("prefix", "in/")));
    put(&client, "conf", &rule).expect(200);
    let shown = client.get("/conf?notification").expect(200);
    assert_eq!(shown.one("Queue"), "arn:aws:sqs:us-east-1::hook");
    assert_eq!(shown.all("Event"), ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]);
    assert_eq!((shown.one("Id"), shown.one("Name"), shown.one("Value")), ("a".into(), "Prefix".into(), "in/".into()));
    let unknown = put(&client, "conf", &queue("nobody", ALL)).expect_error(400, "InvalidArgument");
    assert!(unknown.one("Message").contains("Unable to validate the following destination configurations"));
    put(&client, "conf", &(rule + &queue("hook", ALL))).expect_error(400, "InvalidArgument");
    put(&client, "conf", &queue("hook", "<Event>s3:Nothing</Event>")).expect_error(400, "InvalidArgument");
    put(&client, "conf", "<EventBridgeConfiguration/>").expect_error(501, "NotImplemented");
    assert_eq!(client.get("/conf?notification").text(), shown.text(), "a refused one changes nothing");
    put(&client, "conf", "").expect(200);
    assert!(!client.get("/conf?notification").expect(200).text().contains("Queue"));
    client.put("/conf/in/a", "x").expect(200);
    client.delete("/conf/in/a").expect(204);
    client.delete("/conf").expect(204);
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(receiver.told(), [], "a configuration that was removed tells nothing");
}

#[test]
fn filters_choose_keys_and_targets() {
    let (images, texts) = (Receiver::start(), Receiver::start());
    let server = Server::start_with(&["--webhook", &images.webhook("images"), "--webhook", &texts.webhook("texts")]);
    let client = server.client();
    client.bucket("chosen");
    let rules = queue("images", &format!("{ALL}{}", filter("suffix", ".jpg")))
        + &queue("texts", &format!("{ALL}{}", filter("suffix", ".txt")));
    put(&client, "chosen", &rules).expect(200);
    for key in ["a.jpg", "a.txt", "a.png"] {
        client.put(&format!("/chosen/{key}"), "x").expect(200);
    }
    assert_eq!(images.wait(1), pairs(&[("ObjectCreated:Put", "a.jpg")]));
    assert_eq!(texts.wait(1), pairs(&[("ObjectCreated:Put", "a.txt")]));
    server.eventually("two tests and two events are counted", || {
        server.metric("sluicegate_events_delivered_total") == Some(4.0)
    });
}

#[test]
fn an_acknowledged_write_is_told_after_kill_9_and_while_nobody_listens() {
    let receiver = Receiver::start();
    let mut server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("crash");
    put(&client, "crash", &queue("hook", ALL)).expect(200);
    server.eventually("the test is told", || receiver.posted().len() == 1);
    receiver.hang_up();
    for round in 0..20 {
        client.put(&format!("/crash/{}", round % 5), format!("{round}")).expect(200);
    }
    // Between commit and delivery.
    server.kill();
    server.restart();
    std::thread::sleep(Duration::from_millis(500));
    server.kill();
    receiver.answer(200);
    server.restart();
    // At least once: what is told twice has the same sequencer.
    let events = || {
        let records = receiver.posted().into_iter().map(|posted| posted.record()).filter(|record| !record.is_null());
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let object = |record: serde_json::Value| record["s3"]["object"].clone();
        let pairs = records.map(object).map(|object| (text(&object["key"]), text(&object["sequencer"])));
        pairs.collect::<BTreeSet<_>>()
    };
    server.eventually("every write is told", || events().len() >= 20);
    for key in 0..5 {
        let count = events().iter().filter(|(told, _)| *told == key.to_string()).count();
        assert_eq!(count, 4, "the four writes of {key}");
    }
    server.eventually("nothing waits any more", || {
        let told = receiver.told().len();
        std::thread::sleep(Duration::from_millis(700));
        receiver.told().len() == told
    });
    server.stop_and_check();
}

#[test]
fn events_of_a_key_come_in_order_though_deliveries_fail() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("order");
    put(&client, "order", &queue("hook", ALL)).expect(200);
    receiver.answer(503);
    for round in 0..12 {
        client.put("/order/k", format!("{round}")).expect(200);
        if round % 3 == 2 {
            client.delete("/order/k").expect(204);
        }
    }
    server.eventually("it was tried", || receiver.posted().len() > 2);
    receiver.answer(200);
    let told = receiver.wait(16);
    let expected: Vec<&str> = (0..12)
        .flat_map(|round| {
            let names: &[&str] =
                if round % 3 == 2 { &["ObjectCreated:Put", "ObjectRemoved:Delete"] } else { &["ObjectCreated:Put"] };
            names.iter().copied()
        })
        .collect();
    assert_eq!(told.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
    let taken = receiver.posted().into_iter().filter(|posted| posted.status == 200).map(|posted| posted.record());
    let sequencers: Vec<String> =
        taken.filter_map(|record| Some(record["s3"]["object"]["sequencer"].as_str()?.to_owned())).collect();
    assert!(sequencers.is_sorted(), "{sequencers:?}");
}

#[test]
fn an_event_that_is_refused_holds_up_its_key_and_nobody_else() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("poison");
    put(&client, "poison", &queue("hook", ALL)).expect(200);
    server.eventually("the test is told", || receiver.posted().len() == 1);
    receiver.answer(400);
    client.put("/poison/bad", "x").expect(200);
    server.eventually("it was refused", || receiver.posted().len() >= 3);
    receiver.answer(200);
    client.put("/poison/good", "x").expect(200);
    let told = receiver.wait(2);
    assert!(told.contains(&("ObjectCreated:Put".to_owned(), "good".to_owned())), "{told:?}");
}

#[test]
fn a_slow_webhook_holds_up_nobody_else() {
    let (slow, fast) = (Receiver::start(), Receiver::start());
    slow.delay(Duration::from_secs(6));
    let server = Server::start_with(&["--webhook", &slow.webhook("slow"), "--webhook", &fast.webhook("fast")]);
    let client = server.client();
    client.bucket("lanes");
    let rules = queue("slow", &format!("{ALL}{}", filter("prefix", "slow/")))
        + &queue("fast", &format!("{ALL}{}", filter("prefix", "fast/")));
    put(&client, "lanes", &rules).expect(200);
    for round in 0..10 {
        client.put(&format!("/lanes/slow/{round}"), "x").expect(200);
        client.put(&format!("/lanes/fast/{round}"), "x").expect(200);
    }
    fast.wait(10);
    assert_eq!(slow.told(), [], "the slow one has not even answered its test");
}

#[test]
fn tokens_and_signatures_prove_the_sender() {
    let receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sluicegate.toml");
    let text = format!(
        "[webhook.hook]\nurl = \"http://{}/x?y=z\"\ntoken = \"bearer-token\"\nsecret = \"hmac-secret\"\n",
        receiver.address()
    );
    std::fs::write(&file, text).unwrap();
    let server = Server::start_with(&["--config", file.to_str().unwrap()]);
    let client = server.client();
    client.bucket("proof");
    put(&client, "proof", &queue("hook", ALL)).expect(200);
    client.put("/proof/k", "x").expect(200);
    receiver.wait(1);
    for posted in receiver.posted() {
        assert_eq!(posted.target, "/x?y=z");
        assert_eq!(posted.header("authorization"), Some("Bearer bearer-token"));
        let signature = posted.header("x-sluicegate-signature").unwrap();
        assert!(signature.starts_with("sha256=") && signature.len() == 71, "{signature}");
    }
    assert!(!server.log().contains("bearer-token") && !server.log().contains("hmac-secret"));
}

#[test]
fn a_dead_webhook_is_left_alone_longer_and_longer_and_told_everything_when_it_is_back() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("dead");
    put(&client, "dead", &queue("hook", ALL)).expect(200);
    server.eventually("the test is told", || receiver.posted().len() == 1);
    receiver.answer(503);
    for round in 0..40 {
        client.put(&format!("/dead/{round}"), "x").expect(200);
    }
    std::thread::sleep(Duration::from_secs(3));
    let tries = receiver.posted().len() - 1;
    // The calls that were under way when it began to fail, then one after 0.5, 1 and 2 seconds.
    assert!((4..=16).contains(&tries), "{tries} tries");
    assert_eq!(server.log().matches("a webhook does not answer").count(), 1, "it is told once");
    receiver.answer(200);
    let mut told = receiver.wait(40);
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 40, "every event is told");
    assert_eq!(server.metric("sluicegate_events_dropped_total"), Some(0.0));
}

#[test]
fn events_wait_for_a_webhook_that_is_not_configured_any_more() {
    let receiver = Receiver::start();
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    {
        let server = Server::start_in(&data, &["--webhook", "hook=http://127.0.0.1:9/"]);
        let client = server.client();
        client.bucket("later");
        put(&client, "later", &queue("hook", ALL)).expect(200);
        client.put("/later/k", "x").expect(200);
    }
    {
        let server = Server::start_in(&data, &[]);
        server.eventually("it is told", || server.log().contains("events wait for a webhook that is not configured"));
        // What is configured still reads back, and still counts.
        assert_eq!(server.client().get("/later?notification").expect(200).one("Queue"), "arn:aws:sqs:us-east-1::hook");
        server.client().put("/later/l", "x").expect(200);
    }
    let _server = Server::start_in(&data, &["--webhook", &receiver.webhook("hook")]);
    let mut told = receiver.wait(2);
    told.sort();
    assert_eq!(told, pairs(&[("ObjectCreated:Put", "k"), ("ObjectCreated:Put", "l")]));
}

#[test]
fn a_webhook_behind_tls_must_be_vouched_for_by_the_system() {
    let directory = tempfile::tempdir().unwrap();
    let signed = |name: &str| {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let at = |end: &str| directory.path().join(format!("{name}.{end}")).to_str().unwrap().to_owned();
        std::fs::write(at("cert"), signed.cert.pem()).unwrap();
        std::fs::write(at("key"), signed.signing_key.serialize_pem()).unwrap();
        (at("cert"), at("key"))
    };
    let ((cert, key), (foreign, _)) = (signed("own"), signed("foreign"));
    // Another server is the webhook: it refuses what is posted, which shows that it understood.
    let other = Server::start_with(&["--tls-cert", &cert, "--tls-key", &key]);
    let webhook = format!("hook=https://localhost:{}/x?delete", other.address().port());
    for (roots, expected) in [(&cert, "a webhook refuses an event"), (&foreign, "a webhook does not answer")] {
        let data = directory.path().join(expected);
        let server = Server::start_in_with(&data, &["--webhook", &webhook], &[("SSL_CERT_FILE", roots)]);
        server.client().bucket("tls");
        put(&server.client(), "tls", &queue("hook", ALL)).expect(200);
        server.eventually(expected, || server.log().contains(expected));
    }
}

#[test]
fn forms_versions_and_markers_are_told_as_what_they_are() {
    let receiver = Receiver::start();
    let server = Server::start_with(&["--webhook", &receiver.webhook("hook")]);
    let client = server.client();
    client.bucket("forms");
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/forms?versioning", enabled).expect(200);
    put(&client, "forms", &queue("hook", ALL)).expect(200);
    let posted = post_v4(&server, r#"{"key":"k"}"#, &[("key", "k")], b"file").expect(204);
    let version = posted.header("x-amz-version-id").unwrap().to_owned();
    let marker = client.delete("/forms/k").expect(204).header("x-amz-version-id").unwrap().to_owned();
    client.delete(&format!("/forms/k?versionId={version}")).expect(204);
    client.delete(&format!("/forms/k?versionId={marker}")).expect(204);
    let told = receiver.wait(4);
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["ObjectCreated:Post", "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete", "ObjectRemoved:Delete"]
    );
    let records = receiver.posted().into_iter().map(|posted| posted.record()).filter(|record| !record.is_null());
    let records: Vec<_> = records.collect();
    let versions: Vec<_> = records.iter().map(|record| record["s3"]["object"]["versionId"].as_str().unwrap()).collect();
    assert_eq!(versions, [&version, &marker, &version, &marker]);
    assert_eq!(records[0]["userIdentity"]["principalId"], "root", "whoever signed the form");
    assert_eq!(records[0]["responseElements"]["x-amz-request-id"], posted.header("x-amz-request-id").unwrap());
}
