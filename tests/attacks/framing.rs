//! Request smuggling and malformed framing: a message that two readers could cut in two ways must not be read on.
//!
//! Source: RFC 9112, sections 2.2, 5.1, 5.2, 6 and 7.1.

use crate::{VICTIM, answers, besieged, stands, told};

/// A valid request, as far as its signature goes, that would delete the victim if it were read at all.
fn smuggled(client: &crate::Client) -> String {
    let target = client.call("DELETE", VICTIM).presign(600);
    format!("DELETE {target} HTTP/1.1\r\nhost: {}\r\n\r\n", client.address)
}

#[test]
fn a_request_cannot_be_hidden_in_the_body_of_another() {
    let (mut server, client) = besieged();
    let hidden = smuggled(&client);
    let head = format!("POST / HTTP/1.1\r\nhost: {}\r\n", client.address);
    let chunked_end = "0\r\n\r\n";
    let covered = chunked_end.len() + hidden.len();
    let attacks = [
        // Both lengths, in both orders: chunked counts, and the connection must end.
        format!("{head}content-length: {covered}\r\ntransfer-encoding: chunked\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: chunked\r\ncontent-length: {covered}\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{chunked_end}{hidden}"),
        // Two lengths.
        format!("{head}content-length: 0\r\ncontent-length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("{head}content-length: {}\r\ncontent-length: 0\r\n\r\n{hidden}", hidden.len()),
        format!("{head}content-length: 0, {}\r\n\r\n{hidden}", hidden.len()),
        // Lengths that are none.
        format!("{head}content-length: +0\r\n\r\n{hidden}"),
        format!("{head}content-length: -1\r\n\r\n{hidden}"),
        format!("{head}content-length: 0x0\r\n\r\n{hidden}"),
        format!("{head}content-length: 0 0\r\n\r\n{hidden}"),
        format!("{head}content-length: \r\n\r\n{hidden}"),
        format!("{head}content-length: 18446744073709551616\r\n\r\n{hidden}"),
        format!("{head}content-length: 18446744073709551615\r\n\r\n{hidden}"),
        // Codings that somebody else might not know.
        format!("{head}transfer-encoding: xchunked\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: identity\r\n\r\n{hidden}"),
        format!("{head}transfer-encoding: chunked, identity\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: gzip\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: \u{b}chunked\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}transfer-encoding : chunked\r\n\r\n{chunked_end}{hidden}"),
        format!("{head}content-length : 0\r\n\r\n{hidden}"),
        format!("POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunked_end}{hidden}"),
        // Line folding, and characters that end a line for some.
        format!("{head}x: a\r\n content-length: 0\r\n\r\n{hidden}"),
        format!("{head}x: a\rcontent-length: 0\r\n\r\n{hidden}"),
        format!("{head}x: a\0b\r\n\r\n{hidden}"),
        format!("{head}: empty\r\n\r\n{hidden}"),
        format!("{head}no colon\r\n\r\n{hidden}"),
        format!(" POST / HTTP/1.1\r\nhost: x\r\n\r\n{hidden}"),
        format!("POST  / HTTP/1.1\r\nhost: x\r\n\r\n{hidden}"),
        format!("POST / HTTP/1.1 \r\nhost: x\r\n\r\n{hidden}"),
        format!("POST / HTTP/9.9\r\nhost: x\r\n\r\n{hidden}"),
        format!("POST /\r\n\r\n{hidden}"),
        format!("PO\u{1}ST / HTTP/1.1\r\nhost: x\r\n\r\n{hidden}"),
    ];
    for attack in &attacks {
        let answers = answers(&client, attack.as_bytes());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses.len() <= 1 && !statuses.contains(&204), "{attack:?}: {statuses:?}");
        assert!(statuses.iter().all(|status| (400..600).contains(status)), "{attack:?}: {statuses:?}");
    }
    told("framing", attacks.len());
    stands(&mut server, &client);
}

#[test]
fn a_broken_chunk_ends_its_request_and_stores_nothing() {
    let (mut server, client) = besieged();
    let hidden = smuggled(&client);
    let put = || {
        let call = client.call("PUT", "/victim/new").payload("UNSIGNED-PAYLOAD").header("transfer-encoding", "chunked");
        String::from_utf8(call.header("x-amz-decoded-content-length", "5").head()).unwrap()
    };
    let long_extension = "x".repeat(1 << 20);
    let bodies = [
        format!("ffffffffffffffff0\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("-5\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("0x5\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("5 5\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("5\r\nhelloX0\r\n\r\n{hidden}"),
        format!("5;{long_extension}\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("5\r\nhello\r\n0\r\n{}", "trailer: x\r\n".repeat(100_000)),
        "5\r\nhel".to_owned(),
    ];
    for body in &bodies {
        let answers = answers(&client, format!("{}{body}", put()).as_bytes());
        let shown = &body[..body.len().min(60)];
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses.iter().all(|status| (400..600).contains(status)), "{shown:?}: {statuses:?}");
    }
    told("chunk framing", bodies.len());
    stands(&mut server, &client);
}

#[test]
fn heads_beyond_their_bounds_are_refused() {
    let (mut server, client) = besieged();
    let head = format!("GET / HTTP/1.1\r\nhost: {}\r\n", client.address);
    let attacks = [
        format!("{head}{}\r\n", "a: b\r\n".repeat(10_000)),
        format!("{head}a: {}\r\n\r\n", "b".repeat(1 << 20)),
        format!("{head}{}: b\r\n\r\n", "a".repeat(1 << 20)),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(1 << 20)),
        format!("GET /?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a=b&".repeat(1 << 18)),
        format!("{} / HTTP/1.1\r\nhost: x\r\n\r\n", "A".repeat(1 << 20)),
    ];
    for attack in &attacks {
        let answers = answers(&client, attack.as_bytes());
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{:?}: {statuses:?}", &attack[..40]);
    }
    told("header floods", attacks.len());
    stands(&mut server, &client);
}
