//! A signature that does not match: the explanation names what made it so, not just that it is so.

use crate::support::{Client, Server};
use crate::{expect_explained, explained, fact, proxy};

/// A client of root that speaks to the server through a proxy.
fn through(server: &Server, change: impl Fn(String) -> String + Send + Sync + 'static) -> Client {
    let mut client = server.client();
    client.address = proxy::start(server.address(), change);
    client
}

#[test]
fn a_proxy_that_passes_everything_on_breaks_nothing() {
    let server = Server::start();
    through(&server, |head| head).put("/bkt", "").expect(200);
}

#[test]
fn a_proxy_that_rewrites_host_is_named() {
    let server = Server::start();
    let upstream = server.address().to_string();
    let host = upstream.clone();
    let client = through(&server, move |head| {
        let given = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        proxy::set(&proxy::set(&head, "x-forwarded-host", Some(&given)), "host", Some(&host))
    });
    let answer = client.get("/bkt").expect_error(403, "SignatureDoesNotMatch");
    let explanation = expect_explained(&server, &answer, "signature", "A proxy changed Host");
    let signed = client.address.to_string();
    assert!(
        explanation["sentence"].as_str().unwrap().contains(&format!("signed for {signed} and arrived as {upstream}"))
    );
    assert_eq!(fact(&explanation, "Host that was signed"), signed);
    assert_eq!(fact(&explanation, "Host as it arrived"), upstream);
    assert!(explanation["canonical_request"].as_str().unwrap().contains(&format!("host:{upstream}\n")));
    assert!(explanation["string_to_sign"].as_str().unwrap().starts_with("AWS4-HMAC-SHA256\n"));
}

#[test]
fn a_proxy_that_drops_the_port_is_named() {
    let server = Server::start();
    let port = server.address().port();
    let behind = through(&server, |head| proxy::set(&head, "host", Some("127.0.0.1")));
    // The client signs the name that it calls: the server's own.
    let call = behind.call("GET", "/bkt").header("host", server.address().to_string());
    let answer = call.send().expect_error(403, "SignatureDoesNotMatch");
    expect_explained(&server, &answer, "signature", &format!("signed for 127.0.0.1:{port} and arrived as 127.0.0.1"));
}

#[test]
fn a_proxy_that_hides_the_public_name_is_named_where_that_name_is_known() {
    for (url, signed) in [
        ("https://s3.example.com", "s3.example.com"),
        ("https://s3.example.com:443", "s3.example.com"),
        ("http://s3.example.com:8080/", "s3.example.com:8080"),
    ] {
        let server = Server::start_with(&["--public-url", url]);
        let upstream = server.address().to_string();
        let host = upstream.clone();
        // As nginx does without `proxy_set_header Host`: nothing that arrives tells the name.
        let client = through(&server, move |head| proxy::set(&head, "host", Some(&host)));
        let answer = client.call("GET", "/bkt").header("host", signed).send();
        let answer = answer.expect_error(403, "SignatureDoesNotMatch");
        let sentence = format!("A proxy changed Host: the request was signed for {signed} and arrived as {upstream};");
        let explanation = expect_explained(&server, &answer, "signature", &sentence);
        assert_eq!(fact(&explanation, "Host that was signed"), signed);
        assert!(!answer.text().contains("proxy"), "who sent it is told nothing of the network: {}", answer.text());
    }
}

#[test]
fn a_path_that_is_written_anew_on_the_way_is_named() {
    let server = Server::start();
    server.client().bucket("bkt");
    type Change = fn(&str) -> String;
    let cases: [(&str, Change); 4] = [
        ("/bkt//k", |target| target.replace("//", "/")),
        ("/bkt/a%20b", |target| target.replace("%20", "+")),
        ("/bkt/a%20b", |target| target.replace('%', "%25")),
        ("/bkt/dir/", |target| target.trim_end_matches('/').to_owned()),
    ];
    for (target, change) in cases {
        let client = through(&server, move |head| proxy::retarget(&head, change));
        let answer = client.get(target).expect_error(403, "SignatureDoesNotMatch");
        let explanation = expect_explained(&server, &answer, "signature", "The path was re-encoded");
        assert_eq!(fact(&explanation, "path that was signed"), target);
    }
}

#[test]
fn other_things_that_proxies_do_are_named() {
    let server = Server::start();
    server.client().bucket("bkt");
    let client = through(&server, |head| proxy::retarget(&head, |target| format!("{target}?cache=1")));
    let answer = client.get("/bkt/k").expect_error(403, "SignatureDoesNotMatch");
    expect_explained(&server, &answer, "signature", "The query parameter cache was added");

    let client = through(&server, |head| proxy::set(&head, "accept-encoding", Some("gzip, br")));
    let answer = client.call("GET", "/bkt/k").header("accept-encoding", "identity").send();
    let answer = answer.expect_error(403, "SignatureDoesNotMatch");
    expect_explained(&server, &answer, "signature", "changed or removed the signed header accept-encoding");

    let client = through(&server, |head| proxy::set(&head, "x-custom", None));
    let answer = client.call("GET", "/bkt/k").header("x-custom", "anything").send();
    let answer = answer.expect_error(403, "SignatureDoesNotMatch");
    expect_explained(
        &server,
        &answer,
        "signature",
        "signed and did not arrive, so a proxy has probably removed them: x-custom",
    );
}

#[test]
fn a_wrong_secret_is_told_from_one_with_something_added() {
    let server = Server::start();
    let right = server.client();
    let with = |change: &dyn Fn(&str) -> String| {
        let mut client = right.clone();
        let credentials = client.credentials.as_mut().unwrap();
        credentials.secret = change(&credentials.secret);
        client.get("/").expect_error(403, "SignatureDoesNotMatch")
    };
    let answer = with(&|secret| secret.replace('o', "0"));
    expect_explained(&server, &answer, "signature", "The secret is another one");
    let answer = with(&|secret| format!("{secret}\n"));
    expect_explained(&server, &answer, "signature", "a line feed at its end");
    let answer = with(&|secret| format!("\"{secret}\""));
    expect_explained(&server, &answer, "signature", "double quotes around it");
}

#[test]
fn a_proxy_without_a_trace_of_the_host_is_at_least_suspected() {
    let server = Server::start();
    let client = through(&server, |head| {
        proxy::set(&proxy::set(&head, "host", Some("backend.internal")), "x-forwarded-for", Some("10.0.0.1"))
    });
    let answer = client.get("/").expect_error(403, "SignatureDoesNotMatch");
    let explanation = expect_explained(&server, &answer, "signature", "the proxy that shows in x-forwarded-for");
    assert_eq!(fact(&explanation, "x-forwarded-for"), "10.0.0.1");
}

#[test]
fn a_flood_of_wrong_signatures_is_not_looked_into_each_time() {
    let server = Server::start();
    let mut client = server.client();
    client.credentials.as_mut().unwrap().secret = "wrong".to_owned();
    let answers: Vec<_> = (0..60).map(|_| client.get("/")).collect();
    let sentences: Vec<String> =
        answers.iter().map(|answer| explained(&server, answer)["sentence"].as_str().unwrap().to_owned()).collect();
    let skipped = sentences.iter().filter(|sentence| sentence.contains("was not looked into")).count();
    assert!(skipped > 0 && skipped < 60, "{skipped} of 60");
}
