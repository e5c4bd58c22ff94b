//! Signing in, and what a session may do.

use serde_json::json;

use crate::support::server::{ROOT_ID, ROOT_SECRET};
use crate::support::{Client, Server};
use crate::{Browser, add_key, address, json, refused, root, sign_in};

#[test]
fn who_signs_in_gets_a_cookie_that_no_script_reads() {
    let server = Server::start();
    let client = Client::new(address(&server), None);
    let answer = sign_in(&client, ROOT_ID, ROOT_SECRET).expect(200);
    let session = json(&answer);
    assert_eq!((&session["name"], &session["access_key_id"]), (&json!("root"), &json!(ROOT_ID)));
    assert_eq!(session["is_admin"], true);
    let cookie = answer.header("set-cookie").unwrap();
    for part in ["sluicegate_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "over plain HTTP a browser would not send it back");
    let body = json!({"access_key_id": ROOT_ID, "secret_access_key": ROOT_SECRET}).to_string();
    let proxied = client.call("POST", "/v1/session").header("x-forwarded-proto", "https").body(body).send().expect(200);
    assert!(proxied.header("set-cookie").unwrap().ends_with("; Secure"));
    assert!(!answer.text().contains(ROOT_SECRET) && !server.log().contains(ROOT_SECRET));

    let browser = Browser::root(&server);
    assert_eq!(json(&browser.get("/v1/session").expect(200))["expires"].as_str().unwrap().len(), 24);
    browser.get("/v1/overview").expect(200);
    let out = browser.call("DELETE", "/v1/session").send().expect(200);
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    refused(browser.get("/v1/session"), 401, "not-signed-in");
    refused(browser.get("/v1/overview"), 401, "not-signed-in");
    Browser::root(&server).get("/v1/session").expect(200);
}

#[test]
fn wrong_credentials_are_refused_and_too_many_of_them_wait() {
    let server = Server::start();
    let client = Client::new(address(&server), None);
    refused(sign_in(&client, ROOT_ID, "wrong"), 403, "wrong-credentials");
    refused(sign_in(&client, "NOBODY", ROOT_SECRET), 403, "wrong-credentials");
    refused(sign_in(&client, &"x".repeat(2_000), ROOT_SECRET), 403, "wrong-credentials");
    refused(client.post("/v1/session", "{"), 400, "bad-json");
    refused(
        client.post("/v1/session", "{\"access_key_id\":\"a\",\"secret_access_key\":\"b\",\"c\":1}"),
        400,
        "bad-json",
    );
    refused(client.post("/v1/session", vec![b' '; 5_000]), 413, "too-large");
    for _ in 0..20 {
        sign_in(&client, ROOT_ID, ROOT_SECRET).expect(200);
    }
    let mut wrong = 0;
    while sign_in(&client, ROOT_ID, "wrong").status == 403 {
        wrong += 1;
        assert!(wrong < 20, "somebody tries secret after secret");
    }
    let waits = refused(sign_in(&client, ROOT_ID, ROOT_SECRET), 429, "too-many-attempts");
    let seconds: u64 = waits.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&seconds));
    // Whoever can prove it otherwise is not locked out.
    root(&server).get("/v1/overview").expect(200);
    let audit = server.log();
    assert!(audit.contains("wrong-credentials") && audit.contains("too-many-attempts") && !audit.contains(ROOT_SECRET));
}

#[test]
fn a_session_changes_nothing_for_pages_of_other_origins() {
    let server = Server::start();
    let browser = Browser::root(&server);
    let host = address(&server).to_string();
    refused(browser.bare("POST", "/v1/control/pause").send(), 403, "csrf");
    refused(browser.bare("PUT", "/s3/bucket").send(), 403, "csrf");
    refused(browser.bare("POST", "/v1/control/pause").header("x-sluicegate-csrf", "0").send(), 403, "csrf");
    for (name, value) in [
        ("origin", "http://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("http://127.0.0.1:{}", server.address().port())),
        ("sec-fetch-site", "same-site".to_owned()),
    ] {
        refused(browser.call("POST", "/v1/control/pause").header(name, value).send(), 403, "csrf");
    }
    let signing_in = Client::new(address(&server), None).call("POST", "/v1/session");
    refused(signing_in.header("origin", "http://evil.example").send(), 403, "csrf");
    assert_eq!(json(&browser.get("/v1/overview"))["is_paused"], false);
    let own = browser.call("POST", "/v1/control/pause").header("origin", format!("http://{host}"));
    own.header("sec-fetch-site", "same-origin").send().expect(200);
}

#[test]
fn sessions_end_with_their_key_and_with_its_secret() {
    let server = Server::start();
    let (id, secret) = add_key(&server, "ann", &[]);
    let browser = Browser::sign_in(&server, &id, &secret);
    assert_eq!(json(&browser.get("/v1/session").expect(200))["is_admin"], false);
    let again = json(&root(&server).post("/v1/keys/ann/rotate", "").expect(200));
    refused(browser.get("/v1/session"), 401, "not-signed-in");
    refused(sign_in(&browser.client, &id, &secret), 403, "wrong-credentials");
    let browser = Browser::sign_in(&server, &id, again["secret_access_key"].as_str().unwrap());
    // Removed behind the server's back: seen within a second.
    assert!(server.command(&["key", "remove", "ann"]).status.success());
    server.eventually("the session ends", || browser.get("/v1/session").status == 401);
}

#[test]
fn only_administrators_run_the_gateway() {
    let server = Server::start();
    let administrators = add_key(&server, "boss", &["--policy", "admin"]);
    let confined = add_key(&server, "half", &["--policy", "admin", "--bucket", "photos"]);
    let full = add_key(&server, "full", &["--policy", "full"]);
    let boss = Browser::sign_in(&server, &administrators.0, &administrators.1);
    assert_eq!(json(&boss.get("/v1/session"))["is_admin"], true);
    boss.get("/v1/keys").expect(200);
    boss.send("POST", "/v1/control/pause", &json!({})).expect(200);
    boss.send("POST", "/v1/control/resume", &json!({})).expect(200);
    boss.call("PUT", "/s3/photos").send().expect(200);
    for (id, secret) in [confined, full] {
        let browser = Browser::sign_in(&server, &id, &secret);
        assert_eq!(json(&browser.get("/v1/session"))["is_admin"], false);
        for path in ["/v1/overview", "/v1/keys", "/v1/buckets", "/v1/jobs", "/v1/control/log"] {
            refused(browser.get(path), 403, "not-an-administrator");
        }
        refused(browser.send("POST", "/v1/control/pause", &json!({})), 403, "not-an-administrator");
        refused(browser.send("POST", "/v1/keys", &json!({"name": "mine"})), 403, "not-an-administrator");
    }
    let log = server.log();
    let line = log.lines().find(|line| line.contains("POST /v1/control/pause")).expect("an audit line");
    assert!(
        line.contains("audit") && line.contains("boss") && line.contains("127.0.0.1") && line.contains("200"),
        "{line}"
    );
}
