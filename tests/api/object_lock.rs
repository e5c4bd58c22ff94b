//! Object lock: configuration, retention, legal holds, and what they forbid.

use std::time::{Duration, SystemTime};

use super::support::client::Answer;
use super::support::{Client, Server};

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";
const BYPASS: &str = "x-amz-bypass-governance-retention";

/// A gateway with a bucket `box` that has an object lock.
fn with_lock() -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.call("PUT", "/box").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    (server, client)
}

/// The date `seconds` from now, at whole seconds.
fn ahead(seconds: u64) -> String {
    let since = (SystemTime::now() + Duration::from_secs(seconds)).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = time::OffsetDateTime::from_unix_timestamp(since.as_secs().try_into().unwrap()).unwrap();
    at.format(&time::format_description::well_known::Rfc3339).unwrap()
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

fn hold(state: &str) -> String {
    format!("<LegalHold><Status>{state}</Status></LegalHold>")
}

fn put(client: &Client, key: &str) -> String {
    let answer = client.put(&format!("/box/{key}"), "body").expect(200);
    answer.header("x-amz-version-id").expect("a version id").to_owned()
}

fn remove(client: &Client, key: &str, version: &str, bypasses: bool) -> Answer {
    let call = client.call("DELETE", &format!("/box/{key}?versionId={version}"));
    if bypasses { call.header(BYPASS, "true").send() } else { call.send() }
}

#[test]
fn a_lock_comes_with_its_bucket_or_with_versioning() {
    let (_server, client) = with_lock();
    assert_eq!(client.get("/box?versioning").expect(200).one("Status"), "Enabled");
    let shown = client.get("/box?object-lock").expect(200);
    assert_eq!((shown.one("ObjectLockEnabled").as_str(), shown.text().contains("Rule")), ("Enabled", false));
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    client.put("/box?versioning", suspended).expect_error(409, "InvalidBucketState");

    client.bucket("plain");
    let lock = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    client.get("/plain?object-lock").expect_error(404, "ObjectLockConfigurationNotFoundError");
    client.put("/plain?object-lock", lock).expect_error(409, "InvalidBucketState");
    client.put("/plain?versioning", suspended).expect(200);
    client.put("/plain?object-lock", lock).expect_error(409, "InvalidBucketState");
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    client.put("/plain?versioning", enabled).expect(200);
    client.put("/plain?object-lock", lock).expect(200);
    client.get("/plain?object-lock").expect(200);
    client.put("/plain?versioning", suspended).expect_error(409, "InvalidBucketState");
    let odd = client.call("PUT", "/odd").header("x-amz-bucket-object-lock-enabled", "maybe").send();
    odd.expect_error(400, "InvalidArgument");
    client.call("PUT", "/off").header("x-amz-bucket-object-lock-enabled", "false").send().expect(200);
    client.get("/off?object-lock").expect_error(404, "ObjectLockConfigurationNotFoundError");
}

#[test]
fn a_default_retention_locks_every_new_version() {
    let (_server, client) = with_lock();
    let rule = |inner: &str| {
        let rule = format!("<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>");
        let body = format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}");
        client.put("/box?object-lock", format!("<ObjectLockConfiguration>{body}</ObjectLockConfiguration>"))
    };
    rule("<Mode>GOVERNANCE</Mode><Days>0</Days>").expect_error(400, "InvalidArgument");
    rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>").expect_error(400, "MalformedXML");
    rule("<Mode>GOVERNANCE</Mode><Days>2</Days>").expect(200);
    assert_eq!(client.get("/box?object-lock").expect(200).one("Days"), "2");

    let earliest = ahead(2 * 24 * 3600);
    put(&client, "put");
    client.call("PUT", "/box/copy").header("x-amz-copy-source", "/box/put").send().expect(200);
    let upload = client.post("/box/upload?uploads", "").expect(200).one("UploadId");
    let part = client.put(&format!("/box/upload?partNumber=1&uploadId={upload}"), "part").expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    );
    client.post(&format!("/box/upload?uploadId={upload}"), list).expect(200);
    let latest = ahead(2 * 24 * 3600 + 2);
    for key in ["put", "copy", "upload"] {
        let head = client.head(&format!("/box/{key}")).expect(200);
        assert_eq!(head.header(MODE), Some("GOVERNANCE"), "{key}");
        let until = &head.header(UNTIL).unwrap()[..19];
        assert!(until >= &earliest[..19] && until <= &latest[..19], "{key}: {until}");
        let version = head.header("x-amz-version-id").unwrap();
        remove(&client, key, version, false).expect_error(403, "AccessDenied");
        remove(&client, key, version, true).expect(204);
    }
    // What the request says wins; without a rule nothing is said.
    let until = ahead(100);
    let own = client.call("PUT", "/box/own").header(MODE, "COMPLIANCE").header(UNTIL, until.as_str());
    own.header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").send().expect(200);
    assert_eq!(client.head("/box/own").expect(200).header(MODE), Some("COMPLIANCE"));
    let off = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
    client.put("/box?object-lock", off).expect(200);
    put(&client, "after");
    assert_eq!(client.head("/box/after").expect(200).header(MODE), None);
}

#[test]
fn governance_yields_to_a_bypass_and_compliance_to_nothing() {
    let (mut server, client) = with_lock();
    let version = put(&client, "k");
    let at = format!("/box/k?retention&versionId={version}");
    let set = |body: String, bypasses: bool| {
        let call = client.call("PUT", &at).body(body);
        if bypasses { call.header(BYPASS, "true").send() } else { call.send() }
    };
    client.get(&at).expect_error(404, "NoSuchObjectLockConfiguration");
    set(retention("GOVERNANCE", &ahead(1000)), false).expect(200);
    let shown = client.get(&at).expect(200);
    assert_eq!(shown.one("Mode"), "GOVERNANCE");
    assert_eq!(shown.header("x-amz-version-id"), Some(version.as_str()));
    // What is shown may be sent again, and more.
    set(retention("GOVERNANCE", &shown.one("RetainUntilDate")), false).expect(200);
    set(retention("GOVERNANCE", &ahead(2000)), false).expect(200);
    let refused = set(retention("GOVERNANCE", &ahead(500)), false).expect_error(403, "AccessDenied");
    assert_eq!(refused.one("Message"), "Access Denied because object protected by object lock.");
    set(retention("COMPLIANCE", &ahead(3000)), false).expect_error(403, "AccessDenied");
    set("<Retention/>".to_owned(), false).expect_error(403, "AccessDenied");
    remove(&client, "k", &version, false).expect_error(403, "AccessDenied");
    set(retention("GOVERNANCE", &ahead(500)), true).expect(200);
    set("<Retention/>".to_owned(), true).expect(200);
    client.get(&at).expect_error(404, "NoSuchObjectLockConfiguration");

    set(retention("COMPLIANCE", &ahead(1000)), false).expect(200);
    for bypasses in [false, true] {
        set(retention("COMPLIANCE", &ahead(500)), bypasses).expect_error(403, "AccessDenied");
        set(retention("GOVERNANCE", &ahead(5000)), bypasses).expect_error(403, "AccessDenied");
        set("<Retention/>".to_owned(), bypasses).expect_error(403, "AccessDenied");
        remove(&client, "k", &version, bypasses).expect_error(403, "AccessDenied");
    }
    set(retention("COMPLIANCE", &ahead(1001)), false).expect(200);
    // A crash changes nothing, and a lock neither hinders new versions nor delete markers.
    server.kill();
    server.restart();
    let client = server.client();
    put(&client, "k");
    client.delete("/box/k").expect(204);
    assert_eq!(client.get(&format!("/box/k?versionId={version}")).expect(200).text(), "body");
    remove(&client, "k", &version, true).expect_error(403, "AccessDenied");
    client.delete("/box").expect_error(409, "BucketNotEmpty");
    server.stop_and_check();
}

#[test]
fn a_retention_ends() {
    let (server, client) = with_lock();
    let call = client.call("PUT", "/box/k").header(MODE, "COMPLIANCE").header(UNTIL, ahead(3)).body("x");
    let version = call.header("x-amz-checksum-algorithm", "CRC32").header("x-amz-checksum-crc32", crc32(b"x")).send();
    let version = version.expect(200).header("x-amz-version-id").unwrap().to_owned();
    remove(&client, "k", &version, true).expect_error(403, "AccessDenied");
    server.eventually("the retention ends", || remove(&client, "k", &version, false).status == 204);
}

#[test]
fn a_legal_hold_holds_until_it_is_taken_away() {
    let (_server, client) = with_lock();
    let version = put(&client, "k");
    let at = "/box/k?legal-hold";
    client.get(at).expect_error(404, "NoSuchObjectLockConfiguration");
    client.put(at, hold("ON")).expect(200);
    assert_eq!(client.get(at).expect(200).one("Status"), "ON");
    assert_eq!(client.head("/box/k").expect(200).header(HOLD), Some("ON"));
    remove(&client, "k", &version, true).expect_error(403, "AccessDenied");
    client.put(at, hold("OFF")).expect(200);
    assert_eq!(client.get(at).expect(200).one("Status"), "OFF");
    assert_eq!(client.get("/box/k").expect(200).header(HOLD), Some("OFF"));
    remove(&client, "k", &version, false).expect(204);
    for body in [hold("on"), "<LegalHold/>".to_owned(), String::new()] {
        client.put("/box/k?legal-hold", body).expect_error(400, "MalformedXML");
    }
    client.put("/box/absent?legal-hold", hold("ON")).expect_error(404, "NoSuchKey");
    let marker = client.delete("/box/marked").expect(204).header("x-amz-version-id").unwrap().to_owned();
    client.put(&format!("/box/marked?legal-hold&versionId={marker}"), hold("ON")).expect_error(405, "MethodNotAllowed");
}

#[test]
fn headers_lock_what_they_write() {
    let (_server, client) = with_lock();
    let write = |headers: &[(&str, &str)]| {
        let mut call = client.call("PUT", "/box/k").header("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        for (name, value) in headers {
            call = call.header(name, *value);
        }
        call.send()
    };
    let until = ahead(1000);
    let version = write(&[(MODE, "GOVERNANCE"), (UNTIL, &until), (HOLD, "ON")]).expect(200);
    let version = version.header("x-amz-version-id").unwrap().to_owned();
    let got = client.get("/box/k").expect(200);
    assert_eq!((got.header(MODE), got.header(HOLD)), (Some("GOVERNANCE"), Some("ON")));
    assert_eq!(got.header(UNTIL).unwrap(), until.replace('Z', ".000Z"));
    for (headers, message) in [
        (
            &[(MODE, "GOVERNANCE")][..],
            "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied",
        ),
        (&[(MODE, "governance"), (UNTIL, &until)], "Unknown wormMode directive."),
        (&[(MODE, "GOVERNANCE"), (UNTIL, "2020-01-01T00:00:00Z")], "The retain until date must be in the future!"),
        (&[(MODE, "GOVERNANCE"), (UNTIL, "soon")], "The retain until date must be provided in ISO 8601 format"),
        (&[(HOLD, "YES")], "Legal Hold must be either of 'ON' or 'OFF'"),
    ] {
        assert_eq!(write(headers).expect_error(400, "InvalidArgument").one("Message"), message);
    }
    let unchecked = client.call("PUT", "/box/k").header(HOLD, "ON").body("x").send();
    assert!(unchecked.expect_error(400, "InvalidRequest").one("Message").contains("Content-MD5"));

    // A copy does not take its source's lock, and may have one of its own; so may an upload.
    let copy =
        |target: &str| client.call("PUT", target).header("x-amz-copy-source", format!("/box/k?versionId={version}"));
    copy("/box/free").send().expect(200);
    let free = client.head("/box/free").expect(200);
    assert_eq!((free.header(MODE), free.header(HOLD)), (None, None));
    copy("/box/held").header(HOLD, "ON").send().expect(200);
    assert_eq!(client.head("/box/held").expect(200).header(HOLD), Some("ON"));
    let upload = client.call("POST", "/box/up?uploads").header(MODE, "COMPLIANCE").header(UNTIL, until.as_str()).send();
    let upload = upload.expect(200).one("UploadId");
    let part = client.put(&format!("/box/up?partNumber=1&uploadId={upload}"), "part").expect(200).etag();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part></CompleteMultipartUpload>"
    );
    client.post(&format!("/box/up?uploadId={upload}"), list).expect(200);
    assert_eq!(client.head("/box/up").expect(200).header(MODE), Some("COMPLIANCE"));
}

#[test]
fn a_bucket_without_a_lock_says_so() {
    let server = Server::start();
    let client = server.client();
    client.bucket("plain");
    client.put("/plain/k", "x").expect(200);
    let missing =
        |answer: Answer| assert!(answer.expect_error(400, "InvalidRequest").one("Message").contains("missing"));
    missing(client.get("/plain/k?retention"));
    missing(client.put("/plain/k?retention", retention("GOVERNANCE", &ahead(10))));
    missing(client.get("/plain/k?legal-hold"));
    missing(client.put("/plain/k?legal-hold", hold("ON")));
    missing(client.call("PUT", "/plain/k").header(HOLD, "ON").body("y").send());
    missing(client.call("POST", "/plain/k?uploads").header(HOLD, "ON").send());
    client.call("DELETE", "/plain/k").header(BYPASS, "true").send().expect(204);
}

#[test]
fn many_deletions_stop_at_locks_one_by_one() {
    let (_server, client) = with_lock();
    let versions: Vec<String> = ["free", "held", "governed"].iter().map(|key| put(&client, key)).collect();
    client.put("/box/held?legal-hold", hold("ON")).expect(200);
    client.put("/box/governed?retention", retention("GOVERNANCE", &ahead(1000))).expect(200);
    let objects: String = ["free", "held", "governed"]
        .iter()
        .zip(&versions)
        .map(|(key, version)| format!("<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>"))
        .collect();
    let body = format!("<Delete>{objects}</Delete>");
    let delete = |bypasses: bool| {
        let call = client
            .call("POST", "/box?delete")
            .header("x-amz-checksum-crc32", crc32(body.as_bytes()))
            .body(body.clone());
        let answer = if bypasses { call.header(BYPASS, "true").send() } else { call.send() }.expect(200);
        let keys = |name| answer.elements(&[name]).iter().map(|(_, entry)| entry.one("Key")).collect::<Vec<_>>();
        assert!(answer.elements(&["Error"]).iter().all(|(_, error)| error.one("Code") == "AccessDenied"));
        (keys("Deleted"), keys("Error"))
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(delete(false), (names(&["free"]), names(&["held", "governed"])));
    assert_eq!(delete(true), (names(&["free", "governed"]), names(&["held"])));
}

fn crc32(body: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body) as u32;
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sum.to_be_bytes())
}

/// Rewrites what the gateway, which must not run, has kept of the time by which locks are judged: `seconds` from now,
/// seen before the machine came up.
fn turn_kept_time(server: &Server, seconds: i64) {
    let now = i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let database = rusqlite::Connection::open(server.data().join("meta.sqlite")).unwrap();
    for (name, value) in [("lock_time", now + seconds * 1_000_000), ("lock_boot", -1), ("lock_uptime", 0)] {
        let changed = database.execute("UPDATE state SET value = ?2 WHERE name = ?1", (name, value)).unwrap();
        assert_eq!(changed, 1, "{name} was kept at the end");
    }
}

const DAY: i64 = 24 * 3600;

#[test]
fn a_clock_that_leapt_ahead_ends_no_retention_until_it_is_confirmed() {
    let (mut server, client) = with_lock();
    let version = put(&client, "k");
    client.put("/box/k?retention", retention("COMPLIANCE", &ahead(1))).expect(200);
    // Seen from two months ago, the clock leapt; a machine that was off for a weekend is believed.
    server.stop();
    turn_kept_time(&server, -60 * DAY);
    let told = String::from_utf8_lossy(&server.command(&["doctor"]).stdout).into_owned();
    assert!(told.contains("--confirm-clock"), "{told}");
    server.restart();
    std::thread::sleep(Duration::from_millis(1500));
    let client = server.client();
    for bypasses in [false, true] {
        remove(&client, "k", &version, bypasses).expect_error(403, "AccessDenied");
    }
    client.put("/box/k?retention", retention("GOVERNANCE", &ahead(10))).expect_error(403, "AccessDenied");
    assert!(server.log().contains("the clock leapt ahead"), "an operator is told: {}", server.log());
    // A restart does not make the clock any better, whether it is an orderly one or not.
    server.kill();
    server.restart();
    remove(&server.client(), "k", &version, false).expect_error(403, "AccessDenied");
    server.stop();
    let told = String::from_utf8_lossy(&server.command(&["doctor", "--confirm-clock"]).stdout).into_owned();
    assert!(told.contains("retentions are judged by the clock"), "{told}");
    server.restart();
    remove(&server.client(), "k", &version, false).expect(204);
    server.stop_and_check();
}

#[test]
fn a_machine_that_was_off_for_a_while_is_believed() {
    let (mut server, client) = with_lock();
    let version = put(&client, "k");
    client.put("/box/k?retention", retention("COMPLIANCE", &ahead(1))).expect(200);
    server.stop();
    turn_kept_time(&server, -20 * DAY);
    server.restart();
    let client = server.client();
    server.eventually("the retention ends", || remove(&client, "k", &version, false).status == 204);
}

#[test]
fn a_clock_that_went_back_closes_nothing_again_and_shortens_nothing() {
    let (mut server, client) = with_lock();
    let ended = put(&client, "ended");
    client.put("/box/ended?retention", retention("COMPLIANCE", &ahead(1000))).expect(200);
    let rule = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule>";
    let lock = format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}");
    client.put("/box?object-lock", format!("<ObjectLockConfiguration>{lock}</ObjectLockConfiguration>")).expect(200);
    server.stop();
    turn_kept_time(&server, 10 * DAY);
    server.restart();
    let client = server.client();
    remove(&client, "ended", &ended, false).expect(204);
    // By its own clock the default of a day would be over before it began.
    let new = put(&client, "new");
    remove(&client, "new", &new, true).expect_error(403, "AccessDenied");
    server.stop_and_check();
}
