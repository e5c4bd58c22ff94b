//! Refusals for lack of room: which bound it was, by its name and its value, for the operator. Who asked is told to come
//! back later, and nothing of how the server is made.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::{read_answer, try_read_answer};
use crate::support::{Answer, Client, Server};
use crate::{expect_explained, fact, got, remembered};

/// Longer than what is still let in while connections are scarce.
const LONG: usize = 300_000;

fn overview(server: &Server, field: &str) -> u64 {
    got(server, "/v1/overview")[field].as_u64().unwrap_or_else(|| panic!("{field} is a number"))
}

/// Connections that begin to send a body of `length`, and have sent `sent` of it.
fn begin_bodies(client: &Client, count: u64, length: usize, sent: usize) -> Vec<TcpStream> {
    let call = client.call("PUT", "/bkt/slow").payload("UNSIGNED-PAYLOAD");
    let wire = [call.header("content-length", length.to_string()).head(), vec![7; sent]].concat();
    let begin = |_| {
        let mut stream = client.connect();
        stream.write_all(&wire).expect("the kernel takes it");
        stream
    };
    (0..count).map(begin).collect()
}

/// Requires an answer to tell none of these.
#[track_caller]
fn hides(answer: &Answer, words: &[&str]) {
    // What is random could look like anything.
    let told = answer.text().replace(&answer.one("RequestId"), "").replace(&answer.one("HostId"), "");
    for word in words {
        assert!(!told.contains(word), "{word:?} is told: {told}");
    }
}

/// The explanation of a bound, with that name and value.
#[track_caller]
fn expect_bound(server: &Server, answer: &Answer, sentence: &str, bound: (&str, u64)) -> Value {
    let explanation = expect_explained(server, answer, "overload", sentence);
    assert_eq!((fact(&explanation, "bound"), fact(&explanation, "value")), (bound.0, &*bound.1.to_string()));
    explanation
}

#[test]
fn where_connections_are_scarce_long_bodies_are_refused_and_slow_ones_are_cut_off() {
    let server = Server::start_with(&["--memory", "32MiB"]);
    let client = server.client();
    client.bucket("bkt");
    let all = overview(&server, "connections_max");
    let mut slow = begin_bodies(&client, all * 7 / 8, 1_000, 0);
    server.eventually("connections are scarce", || overview(&server, "connections") * 8 >= all * 7);
    let answer = client.put("/bkt/long", vec![7; LONG]).expect_error(503, "SlowDown");
    assert!(answer.one("Message").starts_with("Please reduce your request rate: "), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    hides(&answer, &["connections_max", "--memory", &format!("of the {all}")]);
    let told =
        expect_bound(&server, &answer, &format!("of the {all} that the memory allows"), ("connections_max", all));
    assert_eq!(fact(&told, "bytes of the body"), LONG.to_string());
    assert!(fact(&told, "connections taken").parse::<u64>().unwrap() * 4 > all * 3, "{told}");

    // Some of those that send nothing have to go; which of them is not known.
    let deadline = Instant::now() + Duration::from_secs(30);
    let cut = loop {
        let ended = slow.iter().position(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            matches!(stream.peek(&mut [0]), Ok(1))
        });
        match ended {
            Some(at) => break slow.swap_remove(at),
            None => assert!(Instant::now() < deadline, "nobody is cut off"),
        }
    };
    cut.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let answer = read_answer(&mut BufReader::new(cut), "PUT").expect_error(400, "RequestTimeout");
    hides(&answer, &["scarce", "4096", "bytes a second"]);
    expect_bound(&server, &answer, "too slowly while connections were scarce", ("bytes in a second", 4096));
    client.get("/bkt/slow").expect_error(404, "NoSuchKey");
}

#[test]
fn a_request_that_finds_every_place_taken_waits_and_is_told_so() {
    let server = Server::start_with(&["--memory", "32MiB", "--key-bandwidth", "16KiB"]);
    let client = server.client();
    client.bucket("bkt");
    let all = overview(&server, "requests_max");
    // All of them wait for their key's rate, for minutes: nobody of them is slow himself.
    let _held = begin_bodies(&client, all, 100_000, 60_000);
    server.eventually("every place is taken", || overview(&server, "requests_in_flight") == all);
    // There is no connection left for one more, but through the console there is a way in.
    let began = Instant::now();
    let answer = through_the_console(&server, "/s3/bkt?list-type=2").expect_error(503, "SlowDown");
    assert!(began.elapsed() >= Duration::from_secs(9), "it waited for its turn");
    assert_eq!(answer.one("Message"), "Please reduce your request rate: too many requests in flight.");
    hides(&answer, &["requests_max", "--memory", &all.to_string()]);
    let sentence = format!("All {all} requests that the memory allows at once");
    let told = expect_bound(&server, &answer, &sentence, ("requests_max", all));
    assert!(told["sentence"].as_str().unwrap().contains("within 10 s"), "{told}");
}

/// GET over the Unix socket.
fn through_the_console(server: &Server, path: &str) -> Answer {
    let mut stream = UnixStream::connect(server.data().join("admin.sock")).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    // Read as every other answer is.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let writing = std::thread::spawn(move || listener.accept().unwrap().0.write_all(&bytes).unwrap());
    let answer = try_read_answer(&mut BufReader::new(TcpStream::connect(address).unwrap()), "GET").unwrap();
    writing.join().unwrap();
    answer
}

#[test]
fn a_rate_is_told_with_its_value() {
    let server = Server::start_with(&["--key-requests", "1:2"]);
    let client = server.client();
    let mut answers = (0..10).map(|_| client.get("/"));
    let answer = answers.find(|answer| answer.status == 503).expect("more than two at once are too many");
    let answer = answer.expect_error(503, "SlowDown");
    let told = expect_explained(&server, &answer, "overload", "more requests than the limit of its key.");
    assert_eq!((fact(&told, "requests in a second"), fact(&told, "requests at once")), ("1", "2"));
    assert_eq!(fact(&told, "limit of"), "key");
}

#[test]
fn a_quota_is_told_with_what_it_is_and_what_is_used() {
    let server = Server::start();
    let client = server.client();
    client.bucket("bkt");
    client.put("/bkt/a", vec![7; 60_000]).expect(200);
    assert!(server.command(&["bucket", "quota", "set", "bkt", "--bytes", "100KB"]).status.success());
    let answer = client.put("/bkt/b", vec![7; 50_000]).expect_error(403, "QuotaExceeded");
    let told = expect_explained(&server, &answer, "policy", "60000 of 100000 bytes of the bucket's quota are used.");
    assert_eq!((fact(&told, "limit"), fact(&told, "used")), ("100000", "60000"));
}

#[test]
fn a_pause_is_told_with_its_reason() {
    let server = Server::start();
    let client = server.client();
    assert!(server.command(&["control", "pause", "--reason", "the disks move to rack 7"]).status.success());
    let answer = client.put("/bkt", "").expect_error(503, "ServiceUnavailable");
    assert!(answer.one("Message").contains("paused for maintenance") && answer.header("retry-after").is_some());
    hides(&answer, &["rack 7", "control resume"]);
    let told = expect_explained(&server, &answer, "overload", "writes are paused");
    assert_eq!(fact(&told, "reason"), "the disks move to rack 7");
    assert!(fact(&told, "since").ends_with('Z'), "{told}");
}

/// A small filesystem that goes with this.
struct Small(tempfile::TempDir);

impl Small {
    fn new(bytes: u64) -> Result<Self, String> {
        let place = tempfile::tempdir().unwrap();
        let mount = ["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs"];
        let mounted =
            Command::new("mount").args(mount).arg(place.path()).output().map_err(|error| error.to_string())?;
        let told = String::from_utf8_lossy(&mounted.stderr).trim().to_owned();
        mounted.status.success().then_some(Self(place)).ok_or(told)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).output();
    }
}

#[test]
fn a_disk_without_room_is_told_as_one() {
    let small = match Small::new(48 << 20) {
        Ok(small) => small,
        Err(reason) => return eprintln!("skipped: no filesystem of our own here: {reason}"),
    };
    let server = Server::start_in(&small.0.path().join("data"), &[]);
    let client = server.client();
    client.bucket("bkt");
    let mut answers = (0..40).map(|number| client.put(&format!("/bkt/{number}"), vec![7; 3_000_000]));
    let answer = answers.find(|answer| answer.status != 200).expect("40 bodies do not fit");
    let answer = answer.expect_error(507, "InsufficientStorage");
    hides(&answer, &[&server.data().display().to_string(), "chunk files"]);
    let told = expect_explained(&server, &answer, "overload", "The disk has no room: ");
    assert!(["no space left for chunk files", "read-only: full"].contains(&fact(&told, "cause")), "{told}");
    assert_eq!(remembered(&server, &answer)["received_bytes"].as_u64().map(|bytes| bytes <= 3_000_000), Some(true));
}
