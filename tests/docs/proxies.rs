//! docs/how-to/reverse-proxy.md, run: its blocks in the real nginx and the real Caddy, before the real server, with
//! what S3 clients do and proxies stumble over.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::proxy::{Kind, Proxy, read_until};
use super::support::client::{escape_path, try_read_answer};
use super::support::server::{ROOT_ID, ROOT_SECRET, admin_address};
use super::support::{Answer, Client, Credentials, Server, noise};
use super::told;

/// Larger than what nginx takes unless it is told.
const LARGE: usize = 3 << 20;
/// `hello hello hello`, packed.
const PACKED: &str = "1f8b0800000000000003cb48cdc9c957c840905c003b7c8adf12000000";

/// A server and a proxy in front of it.
struct Place {
    server: Server,
    proxy: Proxy,
    client: Client,
}

impl Place {
    #[track_caller]
    fn start(kind: Kind, block: &str) -> Self {
        let server = Server::start_with(&["--domain", "localhost", "--public-url", "https://s3.example.com"]);
        let proxy = Proxy::start(kind, block, server.address(), admin_address(&server.log()));
        let client = proxy.client(ROOT_ID, ROOT_SECRET);
        server.client().bucket("photos");
        Self { server, proxy, client }
    }

    #[track_caller]
    fn put(&self, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.proxy.send("PUT", self.client.call("PUT", target).body(body))
    }

    #[track_caller]
    fn get(&self, target: &str) -> Answer {
        self.proxy.send("GET", self.client.call("GET", target))
    }

    /// Starts an upload and sends its only part; the id, and the document that completes it.
    #[track_caller]
    fn begin_upload(&self, target: &str) -> (String, String) {
        let begun = self.proxy.send("POST", self.client.call("POST", &format!("{target}?uploads")));
        let id = begun.expect(200).one("UploadId");
        let part = self.put(&format!("{target}?partNumber=1&uploadId={id}"), "part").expect(200).etag();
        let part = format!("<Part><PartNumber>1</PartNumber><ETag>{part}</ETag></Part>");
        (id, format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"))
    }

    fn aws(&self, home: &Path, arguments: &[&str]) -> String {
        let mut aws = Command::new("aws");
        aws.args(["--endpoint-url", &format!("https://{}", self.proxy.host())]).args(arguments).current_dir(home);
        aws.env("AWS_ACCESS_KEY_ID", ROOT_ID)
            .env("AWS_SECRET_ACCESS_KEY", ROOT_SECRET)
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_CONFIG_FILE", home.join("config"))
            .env("AWS_CA_BUNDLE", self.proxy.certificate())
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_PAGER", "");
        told(&mut aws)
    }

    /// What runs in the server, as its operator sees it.
    fn uploads(&self) -> Vec<Value> {
        let root = Some(Credentials::new(ROOT_ID, ROOT_SECRET));
        let answer = Client::new(admin_address(&self.server.log()), root).get("/v1/uploads/running").expect(200);
        let told: Value = serde_json::from_slice(&answer.body).unwrap();
        told["uploads"].as_array().unwrap().clone()
    }
}

#[test]
fn nginx_passes_on_what_s3_clients_send() {
    pass_everything(Kind::Nginx);
}

#[test]
fn caddy_passes_on_what_s3_clients_send() {
    pass_everything(Kind::Caddy);
}

fn pass_everything(kind: Kind) {
    let mut place = Place::start(kind, &kind.block(0));
    aws_works(&place);
    presigned_urls_work(&place);
    doctor_finds_nothing(&place);
    keys_arrive_as_sent(&place);
    headers_arrive_as_sent(&place);
    buckets_are_found_by_their_host(&place);
    an_upload_may_ask_first(&place);
    if kind == Kind::Caddy {
        a_question_is_answered_by_the_server(&place);
    }
    an_upload_arrives_while_it_is_sent(&place);
    a_refusal_arrives(&place);
    bytes_come_back_as_stored(&place);
    a_long_completion_begins_before_it_ends(&place);
    drop(place.proxy);
    place.server.stop_and_check();
}

/// Small and large files, the large ones in parts.
fn aws_works(place: &Place) {
    let home = tempfile::tempdir().unwrap();
    let at = home.path();
    std::fs::create_dir(at.join("tree")).unwrap();
    std::fs::write(at.join("tree").join("large"), noise(1, 20 << 20)).unwrap();
    for name in ["plus+sign", "space in it", "ünïcödé-日本", "percent%2Fslash", "small"] {
        std::fs::write(at.join("tree").join(name), name).unwrap();
    }
    place.aws(at, &["s3", "sync", "--only-show-errors", "tree", "s3://photos/tree"]);
    place.aws(at, &["s3", "sync", "--only-show-errors", "s3://photos/tree", "back"]);
    told(Command::new("diff").args(["-r", "tree", "back"]).current_dir(at));
}

/// Both styles of addresses, signed by one program and used by another.
fn presigned_urls_work(place: &Place) {
    let home = tempfile::tempdir().unwrap();
    let body = noise(2, 100_000);
    place.put("/photos/a%20cat%2B.jpg", body.clone()).expect(200);
    for style in ["path", "virtual"] {
        std::fs::write(home.path().join("config"), format!("[default]\ns3 =\n  addressing_style = {style}\n")).unwrap();
        let url = place.aws(home.path(), &["s3", "presign", "s3://photos/a cat+.jpg", "--expires-in", "60"]);
        assert_eq!(url.contains("//photos.localhost:"), style == "virtual", "{url}");
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--noproxy", "*", "--cacert"]).arg(place.proxy.certificate());
        curl.arg("--resolve").arg(format!("photos.localhost:{}:127.0.0.1", place.proxy.port()));
        curl.arg("-o").arg(home.path().join(style)).arg(url.trim());
        told(&mut curl);
        assert!(std::fs::read(home.path().join(style)).unwrap() == body, "{style}");
    }
}

/// The page's own check.
fn doctor_finds_nothing(place: &Place) {
    let url = format!("https://{}", place.proxy.host());
    let mut doctor = super::support::server::binary();
    doctor.env("SSL_CERT_FILE", place.proxy.certificate()).args(["doctor", "--json", "--data-dir"]);
    let output = doctor.arg(place.server.data()).args(["--public-url", &url]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("host, path, query and region arrive as they were signed"), "{told}");
}

fn keys_arrive_as_sent(place: &Place) {
    let keys = [
        "plus+sign",
        "a//b",
        "a///b",
        "space in it",
        "percent%2Fslash",
        "ünï/日本",
        "dot/./x",
        "x/../y",
        "z?#&;=",
        "d/",
    ];
    for key in keys {
        let target = format!("/photos/keys/{}", escape_path(key));
        place.put(&target, key).expect(200);
        assert_eq!(place.get(&target).expect(200).text(), key);
    }
    // A slash that is escaped is signed so, and is the same slash.
    place.put("/photos/keys/escaped%2Fslash", "x").expect(200);
    let listed = place.server.client().get("/photos?list-type=2&prefix=keys/").expect(200).all("Key");
    let mut expected: Vec<_> = keys.iter().chain(&["escaped/slash"]).map(|key| format!("keys/{key}")).collect();
    expected.sort();
    assert_eq!(listed, expected);
    let listed = place.get("/photos?list-type=2&prefix=keys%2Fspace%20in&delimiter=%2F").expect(200).all("Key");
    assert_eq!(listed, ["keys/space in it"]);
}

fn headers_arrive_as_sent(place: &Place) {
    let call = place.client.call("PUT", "/photos/marked").body("x").header("x-amz-meta-with.dot", "1");
    let call = call.header("x-amz-meta-with_line", "2").header("cache-control", "no-store");
    place.proxy.send("PUT", call).expect(200);
    let found = place.proxy.send("HEAD", place.client.call("HEAD", "/photos/marked")).expect(200);
    let found = ["x-amz-meta-with.dot", "x-amz-meta-with_line", "cache-control"].map(|name| found.header(name));
    assert_eq!(found, [Some("1"), Some("2"), Some("no-store")]);
}

fn buckets_are_found_by_their_host(place: &Place) {
    let call = place.client.call("PUT", "/by/host").body("found");
    place.proxy.send_to("photos.localhost", "PUT", call).expect(200);
    assert_eq!(place.server.client().get("/photos/by/host").expect(200).text(), "found");
}

fn an_upload_may_ask_first(place: &Place) {
    let host = place.proxy.host();
    let call = place.client.call("PUT", "/photos/asked").header("host", host).body(noise(3, LARGE));
    let head = String::from_utf8(call.head()).unwrap();
    let mut wire = place.proxy.connect("localhost");
    let head = head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    wire.get_mut().write_all(head.as_bytes()).unwrap();
    assert!(read_until(&mut wire, "\r\n\r\n").starts_with("HTTP/1.1 100 "));
    wire.get_mut().write_all(call.bytes()).unwrap();
    try_read_answer(&mut wire, "PUT").unwrap().expect(200);
    assert!(place.server.client().get("/photos/asked").expect(200).body == noise(3, LARGE));
}

/// Who asks first hears a refusal before the body was sent. nginx answers the question itself, with yes.
fn a_question_is_answered_by_the_server(place: &Place) {
    let stranger = place.proxy.client("AKIANOBODYNOBODYNOBO", "no secret");
    let call = stranger.call("PUT", "/photos/refused").header("host", place.proxy.host()).body(noise(3, LARGE));
    let mut wire = place.proxy.connect("localhost");
    let head = String::from_utf8(call.head()).unwrap().replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n");
    wire.get_mut().write_all(head.as_bytes()).unwrap();
    let told = read_until(&mut wire, "\r\n\r\n");
    assert!(told.starts_with("HTTP/1.1 403 "), "{told}");
}

/// The server gets the first bytes before the client has sent the last ones.
fn an_upload_arrives_while_it_is_sent(place: &Place) {
    let body = noise(4, 2 * LARGE);
    let call = place.client.call("PUT", "/photos/slow").header("host", place.proxy.host()).body(body.clone());
    let mut wire = place.proxy.connect("localhost");
    wire.get_mut().write_all(&call.head()).unwrap();
    wire.get_mut().write_all(&body[..LARGE]).unwrap();
    wire.get_mut().flush().unwrap();
    place.server.eventually("what was sent has come", || {
        // A proxy may keep the last kilobytes until its buffer is full.
        let received = |upload: &Value| upload["received_bytes"].as_u64().unwrap();
        place.uploads().first().is_some_and(|upload| received(upload) > LARGE as u64 / 2)
    });
    wire.get_mut().write_all(&body[LARGE..]).unwrap();
    try_read_answer(&mut wire, "PUT").unwrap().expect(200);
    assert!(place.server.client().get("/photos/slow").expect(200).body == body);
}

/// A refused upload gets the server's answer, though its body was on its way: the server reads the rest of so much.
fn a_refusal_arrives(place: &Place) {
    let stranger = place.proxy.client("AKIANOBODYNOBODYNOBO", "no secret");
    for length in [1000, 900_000] {
        let call = stranger.call("PUT", "/photos/refused").body(noise(5, length));
        place.proxy.send("PUT", call).expect_error(403, "InvalidAccessKeyId");
    }
}

fn bytes_come_back_as_stored(place: &Place) {
    let body = noise(6, LARGE);
    place.put("/photos/ranged", body.clone()).expect(200);
    let call = place.client.call("GET", "/photos/ranged").header("range", "bytes=1000000-1000009");
    let part = place.proxy.send("GET", call).expect(206);
    assert_eq!(part.body, body[1_000_000..1_000_010]);
    assert_eq!(part.header("content-range"), Some(&*format!("bytes 1000000-1000009/{LARGE}")));

    // What is stored packed is for the client to unpack.
    let packed = hex::decode(PACKED).unwrap();
    let call = place.client.call("PUT", "/photos/packed").header("content-encoding", "gzip").body(packed.clone());
    let etag = place.proxy.send("PUT", call).expect(200).etag();
    let found = place.get("/photos/packed").expect(200);
    assert_eq!((found.header("content-encoding"), &found.body, found.etag()), (Some("gzip"), &packed, etag));
    // And what can be packed is sent as it is to whoever could unpack it.
    place.put("/photos/plain.txt", "hello ".repeat(10_000)).expect(200);
    let call = place.client.call("GET", "/photos/plain.txt").header("accept-encoding", "gzip");
    let found = place.proxy.send("GET", call).expect(200);
    assert_eq!((found.header("content-encoding"), found.body.len()), (None, 60_000));
}

/// The database is held up: the answer begins all the same, so that nobody takes the connection for dead.
fn a_long_completion_begins_before_it_ends(place: &Place) {
    let (id, document) = place.begin_upload("/photos/long");
    let call = place.client.call("POST", &format!("/photos/long?uploadId={id}")).body(document);
    let call = call.header("host", place.proxy.host());
    let database = rusqlite::Connection::open(place.server.data().join("meta.sqlite")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut wire = place.proxy.connect("localhost");
    wire.get_mut().write_all(&[&call.head(), call.bytes()].concat()).unwrap();
    let begun = read_until(&mut wire, "<?xml");
    assert!(begun.starts_with("HTTP/1.1 200 "), "{begun}");
    database.execute_batch("ROLLBACK").unwrap();
    let ended = read_until(&mut wire, "</CompleteMultipartUploadResult>");
    let location = format!("<Location>https://{}/photos/long</Location>", place.proxy.host());
    assert!(ended.contains(&location), "{ended}");
    assert_eq!(place.get("/photos/long").expect(200).text(), "part");
}

/// What the page says of its lines: without one of them something breaks, and these tests notice.
#[test]
fn nginx_needs_the_lines_of_the_page() {
    let block = Kind::Nginx.block(0);
    let without = |line: &str| {
        assert!(block.contains(line), "{line} in {block}");
        Place::start(Kind::Nginx, &block.replace(line, ""))
    };
    let place = without("proxy_set_header Host $http_host;");
    place.put("/photos/k", "x").expect_error(403, "SignatureDoesNotMatch");
    let place = without("client_max_body_size 0;");
    assert_eq!(place.put("/photos/k", noise(1, LARGE)).status, 413);
    let place = without("ignore_invalid_headers off;");
    let call = place.client.call("PUT", "/photos/k").body("x").header("x-amz-meta-with.dot", "1");
    assert_eq!(place.proxy.send("PUT", call).status, 403);
}

#[test]
fn nginx_shows_the_console_and_nothing_else() {
    show_the_console(Kind::Nginx);
}

#[test]
fn caddy_shows_the_console_and_nothing_else() {
    show_the_console(Kind::Caddy);
}

fn show_the_console(kind: Kind) {
    let place = Place::start(kind, &kind.block(1));
    let nobody = Client::new(place.proxy.address(), None);
    let get = |target: &str| place.proxy.send("GET", nobody.call("GET", target));
    let moved = get("/");
    assert!(moved.status == 302 && moved.header("location").unwrap().ends_with("/console/"), "{moved:?}");
    assert!(get("/console/").expect(200).text().contains("<!doctype html>"));
    get("/console/js/main.js").expect(200);
    for hidden in ["/metrics", "/health/ready", "/health/live", "/v1/status", "/s3x", "/photos"] {
        assert_eq!(get(hidden).status, 404, "{hidden}");
    }

    let origin = format!("https://{}", place.proxy.host());
    let key = json!({"access_key_id": ROOT_ID, "secret_access_key": ROOT_SECRET}).to_string();
    let signing_in = |origin: &str| {
        let call = nobody.call("POST", "/v1/session").header("origin", origin).body(key.clone());
        place.proxy.send("POST", call)
    };
    signing_in("https://evil.example.com").expect(403);
    let cookie = signing_in(&origin).expect(200).header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("; Secure") && cookie.contains("; HttpOnly"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let call = |method: &str, target: &str| {
        let call = nobody.call(method, target).header("cookie", cookie).header("x-sluicegate-csrf", "1");
        call.header("origin", origin.clone())
    };
    let body = noise(1, LARGE);
    place.proxy.send("PUT", call("PUT", "/s3/photos/a//b%20c%2Bd").body(body.clone())).expect(200);
    assert!(place.server.client().get("/photos/a//b%20c%2Bd").expect(200).body == body);
    let shared = json!({"method": "GET", "bucket": "photos", "key": "a//b c+d", "expires_seconds": 60}).to_string();
    let shared = place.proxy.send("POST", call("POST", "/v1/presign").body(shared)).expect(200).text();
    assert!(shared.contains("https://s3.example.com/photos/a//b%20c%2Bd?"), "{shared}");
}
