//! `doctor` and other machines: a clock elsewhere, and a proxy before the server.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::support::Server;
use super::support::server::binary;

/// The findings about `topic`: state and detail.
fn findings(output: &Output, topic: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let of_topic = document["findings"].as_array().unwrap().iter().filter(|finding| finding["topic"] == topic);
    let told = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    of_topic.map(|finding| (told(finding, "state"), told(finding, "detail"))).collect()
}

/// Answers one request after another with what `answer` makes of its head.
fn serve(answer: impl Fn(String) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                head.push(byte[0]);
            }
            let _ = stream.write_all(&answer(String::from_utf8_lossy(&head).into_owned()));
        }
    });
    address
}

/// A proxy that changes the heads of requests on their way.
fn proxy(server: SocketAddr, change: impl Fn(String) -> String + Send + 'static) -> SocketAddr {
    serve(move |head| {
        let mut stream = TcpStream::connect(server).unwrap();
        let head = change(head).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    })
}

#[test]
fn the_clock_is_compared_with_that_of_a_web_server() {
    let server = Server::start();
    let ask = |url: &str| server.command(&["doctor", "--json", "--clock-url", url]);
    let same = findings(&ask(&server.endpoint()), "clock");
    assert!(same.iter().any(|(state, detail)| state == "ok" && detail.starts_with("the same as")), "{same:?}");

    let past =
        serve(|_| b"HTTP/1.1 200 OK\r\ndate: Tue, 15 Nov 1994 08:12:31 GMT\r\ncontent-length: 0\r\n\r\n".to_vec());
    let output = ask(&format!("http://{past}/"));
    assert_eq!(output.status.code(), Some(1));
    let told = findings(&output, "clock");
    assert!(told.iter().any(|(state, detail)| state == "bad" && detail.contains(" s ahead of ")), "{told:?}");

    let dateless = serve(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let told = findings(&ask(&format!("http://{dateless}/")), "clock");
    assert!(told.iter().any(|(state, detail)| state == "warning" && detail.contains("sends no date")), "{told:?}");
}

#[test]
fn the_clock_is_compared_with_those_of_clients() {
    let server = Server::start();
    let told = || findings(&server.command(&["doctor", "--json"]), "clock");
    assert!(told().iter().all(|(_, detail)| !detail.contains("within a day")), "nobody asked yet: {:?}", told());
    server.client().call("GET", "/").send().expect(200);
    let one = |state: &str, how: &str| told().iter().any(|(is, detail)| is == state && detail.contains(how));
    assert!(one("ok", "the same as that of the one client within a day"), "{:?}", told());

    // Most are two hours behind: refused, and it is this machine that is suspected.
    let old = SystemTime::now() - Duration::from_secs(7_200);
    for name in ["ann", "ben", "cem", "dora", "eve", "finn", "gina", "hal"] {
        server.client_of(name).call("GET", "/").at(old).send().expect_error(403, "RequestTimeTooSkewed");
    }
    assert!(one("bad", " s ahead of that of most of "), "{:?}", told());
}

#[test]
fn a_signed_request_tells_what_a_proxy_changes() {
    let server = Server::start();
    let ask = |url: &str, more: &[&str]| {
        let output = server.command(&[&["doctor", "--json", "--public-url", url], more].concat());
        findings(&output, "public url")
    };
    let straight = ask(&server.endpoint(), &[]);
    assert!(straight.len() == 1 && straight[0].0 == "ok", "{straight:?}");

    let honest = proxy(server.address(), |head| head);
    let told = ask(&format!("http://{honest}"), &[]);
    assert!(told.len() == 1 && told[0].0 == "ok", "{told:?}");

    let renaming = proxy(server.address(), |head| {
        let kept = head.split("\r\n").map(|line| if line.starts_with("host:") { "host: backend" } else { line });
        kept.collect::<Vec<_>>().join("\r\n")
    });
    let told = ask(&format!("http://{renaming}"), &[]);
    assert!(told.len() == 1 && told[0].0 == "bad", "{told:?}");
    assert!(told[0].1.starts_with("Host arrives as \"backend\" instead of"), "{told:?}");

    let merging = proxy(server.address(), |head| head.replacen("//d~e", "/d~e", 1));
    let told = ask(&format!("http://{merging}"), &[]);
    assert!(told.len() == 1 && told[0].1.starts_with("the path arrives as"), "{told:?}");

    let region = ask(&server.endpoint(), &["--region", "eu-west-1"]);
    assert!(region.len() == 1 && region[0].1.contains("the server there has us-east-1"), "{region:?}");
}

#[test]
fn other_servers_and_other_keys_are_told() {
    let server = Server::start();
    let page = serve(|_| b"HTTP/1.1 301 Moved\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n".to_vec());
    let output = server.command(&["doctor", "--json", "--public-url", &format!("http://{page}")]);
    assert_eq!(output.status.code(), Some(1));
    let told = findings(&output, "public url");
    assert!(told[0].1.contains("something before it answers 301") && told[0].1.contains("elsewhere"), "{told:?}");

    let with = |id: &str, secret: &str| {
        let mut command = binary();
        command.env("SLUICEGATE_ACCESS_KEY_ID", id).env("SLUICEGATE_SECRET_ACCESS_KEY", secret);
        command.args(["doctor", "--json", "--public-url", &server.endpoint(), "--data-dir"]).arg(server.data());
        findings(&command.output().unwrap(), "public url")
    };
    let told = with("AKIAOTHEROTHEROTHERO", "other-secret-other-secret-other-secret-o");
    assert!(told[0].1.contains("another server answers"), "{told:?}");
    let told = with(super::support::server::ROOT_ID, "other-secret-other-secret-other-secret-o");
    assert!(told[0].1.contains("the secret is another one"), "{told:?}");
    // Whoever asked printed no secret.
    assert!(!format!("{told:?}").contains("other-secret"));
}
