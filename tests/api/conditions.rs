//! Conditional reads and writes.

use super::support::{Client, Server};

fn with_object() -> (Server, Client, String) {
    let server = Server::start();
    let client = server.client();
    client.bucket("things");
    let etag = client.put("/things/k", "one").expect(200).etag();
    (server, client, etag)
}

#[test]
fn reads_follow_their_conditions() {
    let (_server, client, etag) = with_object();
    let modified = client.head("/things/k").header("last-modified").unwrap().to_owned();
    let ask = |name: &str, value: &str| client.call("GET", "/things/k").header(name, value).send();
    let past = "Wed, 21 Oct 2015 07:28:00 GMT";
    ask("if-match", &format!("\"{etag}\"")).expect(200);
    ask("if-match", &etag).expect(200);
    ask("if-match", "\"0\"").expect_error(412, "PreconditionFailed");
    let unchanged = ask("if-none-match", &format!("\"{etag}\"")).expect(304);
    assert_eq!(unchanged.etag(), etag);
    assert_eq!(unchanged.header("last-modified"), Some(modified.as_str()));
    ask("if-none-match", "\"0\"").expect(200);
    ask("if-modified-since", &modified).expect(304);
    ask("if-modified-since", past).expect(200);
    ask("if-unmodified-since", &modified).expect(200);
    ask("if-unmodified-since", past).expect_error(412, "PreconditionFailed");
    ask("if-modified-since", "gibberish").expect(200);
    client.call("HEAD", "/things/k").header("if-match", "\"0\"").send().expect(412);
}

#[test]
fn writes_follow_their_conditions() {
    let (_server, client, etag) = with_object();
    let put = |key: &str, name: &str, value: &str| {
        client.call("PUT", &format!("/things/{key}")).header(name, value).body("two").send()
    };
    put("k", "if-none-match", "*").expect_error(412, "PreconditionFailed");
    put("k", "if-match", "\"0\"").expect_error(412, "PreconditionFailed");
    put("none", "if-match", &format!("\"{etag}\"")).expect_error(404, "NoSuchKey");
    assert_eq!(client.get("/things/k").body, b"one");
    put("new", "if-none-match", "*").expect(200);
    let written = put("new", "if-none-match", "\"0\"").expect(200).header("etag").expect("an ETag").to_owned();
    put("new", "if-none-match", &written).expect_error(412, "PreconditionFailed");
    put("k", "if-match", &format!("\"{etag}\"")).expect(200);
    assert_eq!(client.get("/things/k").body, b"two");
}

#[test]
fn of_many_racing_creators_one_wins() {
    let (_server, client, _) = with_object();
    for (round, size) in [10, 20_000, 400_000].into_iter().enumerate() {
        let target = format!("/things/race-{round}");
        let racers: Vec<_> = (0..32u8)
            .map(|racer| {
                let call = client.call("PUT", &target).header("if-none-match", "*").body(vec![racer; size]);
                std::thread::spawn(move || (racer, call.send().status))
            })
            .collect();
        let ended: Vec<(u8, u16)> = racers.into_iter().map(|racer| racer.join().unwrap()).collect();
        let winners: Vec<u8> = ended.iter().filter(|(_, status)| *status == 200).map(|(racer, _)| *racer).collect();
        assert_eq!(winners.len(), 1, "{ended:?}");
        assert!(ended.iter().all(|(_, status)| [200, 409, 412].contains(status)), "{ended:?}");
        assert!(client.get(&target).body == vec![winners[0]; size]);
    }
}

#[test]
fn deletes_follow_their_conditions() {
    let (_server, client, etag) = with_object();
    let delete = |key: &str, name: &str, value: &str| {
        client.call("DELETE", &format!("/things/{key}")).header(name, value).send()
    };
    delete("k", "if-match", "\"0\"").expect_error(412, "PreconditionFailed");
    delete("k", "x-amz-if-match-size", "4").expect_error(412, "PreconditionFailed");
    client.get("/things/k").expect(200);
    delete("k", "if-match", &format!("\"{etag}\"")).expect(204);
    client.get("/things/k").expect(404);
    client.put("/things/k", "one").expect(200);
    delete("k", "x-amz-if-match-size", "3").expect(204);
    client.get("/things/k").expect(404);
}
