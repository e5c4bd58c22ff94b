//! What is remembered is bounded, and costs the memory that it may.

use std::io::{BufReader, Write as _};

use crate::support::Server;
use crate::support::client::read_answer;
use crate::{ask, got};

#[test]
fn a_flood_of_refusals_pushes_the_oldest_out() {
    let server = Server::start();
    let (client, nobody) = (server.client(), server.anonymous());
    client.bucket("bkt");
    let first = nobody.get("/bkt/secret").expect(403).header("x-amz-request-id").unwrap().to_owned();
    server.eventually("the first is remembered", || ask(&server, &format!("/v1/requests/{first}")).0 == 200);
    let count = |query: &str| got(&server, &format!("/v1/requests?{query}"))["requests"].as_array().unwrap().len();
    let long = "k".repeat(900);
    let mut stream = nobody.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for number in 0..2_500 {
        let head = format!("GET /bkt/{long}{number}?x={long} HTTP/1.1\r\nhost: h\r\nuser-agent: {long}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        read_answer(&mut reader, "GET").expect(403);
    }
    assert_eq!(ask(&server, &format!("/v1/requests/{first}")).0, 404);
    let kept = count("status=refused&limit=1000");
    assert!(kept > 50 && kept < 1_000, "{kept} of these are as many as their bytes allow");
    // Answers that there is nothing push no refusal out.
    for number in 0..600 {
        client.get(&format!("/bkt/none{number}")).expect(404);
    }
    let refused = got(&server, "/v1/requests?status=refused&limit=1000");
    let refused = refused["requests"].as_array().unwrap();
    let forbidden = refused.iter().filter(|request| request["status"] == 403).count();
    assert_eq!(forbidden, kept.min(1_000 - (refused.len() - forbidden)));
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let server = Server::start();
    let nobody = server.anonymous();
    for number in 0..25 {
        nobody.get(&format!("/bkt{number}/k"));
    }
    let all = || got(&server, "/v1/requests?status=refused")["requests"].as_array().unwrap().clone();
    server.eventually("all are remembered", || all().len() == 25);
    let (mut before, mut seen) = (String::new(), Vec::new());
    loop {
        let page = got(&server, &format!("/v1/requests?status=refused&limit=10&before={before}"));
        let page = page["requests"].as_array().unwrap().clone();
        let Some(last) = page.last() else { break };
        before = last["id"].as_str().unwrap().to_owned();
        seen.extend(page.iter().map(|request| request["id"].as_str().unwrap().to_owned()));
    }
    let expected: Vec<String> = all().iter().map(|request| request["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, expected);
}
