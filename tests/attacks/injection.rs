//! What a client sends must not become a line of the log or a header of an answer.

use crate::support::client::escape_value;
use crate::{VICTIM, answers, besieged, besieged_with, stands, told};
use base64::Engine as _;

const SPLITTERS: [&str; 8] = [
    "a\r\nset-cookie: stolen",
    "a\nset-cookie: stolen",
    "a\rset-cookie: stolen",
    "a\0b",
    "a\u{b}b",
    "a\u{c}b",
    "a\u{85}set-cookie: stolen",
    "a\u{2028}set-cookie: stolen",
];

/// Requires that no header of an answer came from the client.
#[track_caller]
fn is_whole(answers: &[crate::Answer], what: &str) {
    assert!(answers.len() <= 1, "{what}: {answers:?}");
    for answer in answers {
        assert!(!answer.headers.iter().any(|(name, _)| name == "set-cookie"), "{what}: {answer:?}");
    }
}

#[test]
fn no_value_splits_an_answer() {
    let (mut server, client) = besieged_with(&["--website-domain", "web.test"]);
    let mut count = 0;
    for splitter in SPLITTERS {
        let value = escape_value(splitter);
        for name in [
            "response-content-type",
            "response-content-disposition",
            "response-cache-control",
            "response-content-language",
            "response-content-encoding",
            "response-expires",
        ] {
            let wire = client.call("GET", &format!("{VICTIM}?{name}={value}")).head();
            is_whole(&answers(&client, &wire), name);
            count += 1;
        }
        // The prefix of a redirect, and its target.
        client.bucket("web");
        let site = format!(
            "<WebsiteConfiguration><IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule><Redirect>\
             <ReplaceKeyPrefixWith>{}</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules></WebsiteConfiguration>",
            quick_xml::escape::escape(splitter)
        );
        let put = client.put("/web?website", site);
        assert!(put.status < 500, "{splitter:?}: {}", put.text());
        let wire = b"GET /x HTTP/1.1\r\nhost: web.web.test\r\n\r\n";
        is_whole(&answers(&client, wire), "website redirect");
        let location = client.call("PUT", "/web/r").header("x-amz-website-redirect-location", "/a").body("x").send();
        assert!(location.status < 500, "{}", location.text());
        let wire = format!("GET /{value} HTTP/1.1\r\nhost: web.web.test\r\n\r\n");
        is_whole(&answers(&client, wire.as_bytes()), "website path");
        let origin = client.call("GET", VICTIM).header("origin", "https://a.test").head();
        is_whole(&answers(&client, &origin), "origin");
        count += 3;
    }
    told("response splitting", count);
    stands(&mut server, &client);
}

#[test]
fn metadata_cannot_carry_a_line_end() {
    let (mut server, client) = besieged();
    client.bucket("meta");
    let encoded = |text: &str| format!("=?UTF-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(text));
    for splitter in SPLITTERS {
        for value in [encoded(splitter), format!("=?UTF-8?Q?{}?=", escape_value(splitter).replace('%', "="))] {
            let put = client.call("PUT", "/meta/k").header("x-amz-meta-a", &value).body("x").send();
            assert!(put.status == 200 || put.status == 400, "{value}: {}", put.text());
            let wire = client.call("GET", "/meta/k").head();
            is_whole(&answers(&client, &wire), &value);
            let wire = client.call("HEAD", "/meta/k").head();
            is_whole(&answers(&client, &wire), &value);
        }
    }
    told("metadata", SPLITTERS.len() * 2);
    stands(&mut server, &client);
}

#[test]
fn one_request_is_one_line_of_the_log() {
    let (mut server, client) = besieged();
    let forged = "2030-01-01T00:00:00Z  INFO access: forged=yes";
    for splitter in ["\n", "\r\n", "\r", "\u{85}", "\u{2028}", "\u{1b}[2K\r"] {
        let text = format!("x{splitter}{forged}");
        let escaped = escape_value(&text);
        client.get(&format!("/victim/{escaped}"));
        client.get(&format!("/{escaped}"));
        client.get(&format!("/victim?list-type=2&prefix={escaped}"));
        client.get(&format!("{VICTIM}?versionId={escaped}"));
        client.get(&format!("/victim/x?uploadId={escaped}"));
        server.anonymous().get(&format!("/victim/k?X-Amz-Algorithm={escaped}&X-Amz-Credential={escaped}"));
        let wire =
            format!("GET /victim/{escaped} HTTP/1.1\r\nhost: x\r\nauthorization: AWS {escaped}:{escaped}\r\n\r\n");
        answers(&client, wire.as_bytes());
    }
    let log = server.log();
    assert!(log.contains("forged"), "the log tells of the requests: {log}");
    for line in log.lines() {
        assert!(!line.starts_with("2030-01-01"), "{line}");
        assert!(!line.contains('\u{1b}') && !line.contains('\r'), "{line:?}");
    }
    told("log injection", 6 * 7);
    stands(&mut server, &client);
}
