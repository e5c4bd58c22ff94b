//! Access keys through the API.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Client, Credentials, Server};
use crate::{Browser, json, refused};

fn client(server: &Server, made: &serde_json::Value) -> Client {
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    Client::new(server.address(), Some(Credentials::new(&text("access_key_id"), &text("secret_access_key"))))
}

#[test]
fn a_key_lives_from_its_adding_to_its_removal() {
    let server = Server::start();
    let browser = Browser::root(&server);
    let add = |body| browser.send("POST", "/v1/keys", &body);
    let ann = json(&add(json!({"name": "ann"})).expect(201));
    let as_ann = client(&server, &ann);
    as_ann.bucket("photos");
    assert_eq!((&ann["policies"], &ann["is_root"], &ann["owner_name"]), (&json!(null), &json!(false), &json!("ann")));
    refused(add(json!({"name": "ann"})), 409, "key-exists");
    let document = json!({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}});
    let tool = json(
        &add(json!({
            "name": "tool/1", "for": "ann", "policies": ["read-only"], "documents": {"own": document},
            "buckets": ["photos"], "access_key_id": "TOOLTOOL", "secret_access_key": "tool-secret",
        }))
        .expect(201),
    );
    assert_eq!(tool["policies"], json!(["only-buckets", "own", "read-only"]));
    assert_eq!((&tool["owner"], &tool["secret_access_key"]), (&ann["owner"], &json!("tool-secret")));
    let as_tool = client(&server, &tool);
    as_tool.get("/photos").expect(200);
    as_tool.put("/photos/k", "x").expect_error(403, "AccessDenied");

    let shown = json(&browser.get("/v1/keys/tool%2F1").expect(200));
    assert_eq!(shown["documents"]["own"], document);
    assert!(shown.get("secret_access_key").is_none());
    let edit = json!({"attach": ["write-only"], "detach": ["read-only"], "requests": {"per_second": 500}});
    let edited = json(&browser.send("PATCH", "/v1/keys/TOOLTOOL", &edit).expect(200));
    assert_eq!(edited["policies"], json!(["only-buckets", "own", "write-only"]));
    assert_eq!(edited["requests"], json!({"per_second": 500, "burst": 500}));
    as_tool.put("/photos/k", "x").expect(200);
    as_tool.get("/photos").expect_error(403, "AccessDenied");
    let edited = json(&browser.send("PATCH", "/v1/keys/TOOLTOOL", &json!({"requests": null})).expect(200));
    assert_eq!(edited["requests"], json!(null));

    let list = json(&browser.get("/v1/keys").expect(200));
    let names: Vec<_> = list["keys"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "ann", "tool/1"]);
    assert!(list["ready_made_policies"].as_array().unwrap().contains(&json!("admin")));
    assert!(!list.to_string().contains("tool-secret") && !server.log().contains("tool-secret"));

    let rotated = json(&browser.send("POST", "/v1/keys/ann/rotate", &json!({})).expect(200));
    as_ann.get("/photos").expect_error(403, "SignatureDoesNotMatch");
    client(&server, &rotated).get("/photos").expect(200);
    browser.call("DELETE", "/v1/keys/ann").send().expect(200);
    client(&server, &rotated).get("/photos").expect_error(403, "InvalidAccessKeyId");
    refused(browser.get("/v1/keys/ann"), 404, "no-such-key");
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let server = Server::start();
    let browser = Browser::root(&server);
    for (body, status, error) in [
        (json!({}), 400, "bad-json"),
        (json!({"name": ""}), 400, "bad-key"),
        (json!({"name": "root"}), 400, "bad-key"),
        (json!({"name": "a", "color": 1}), 400, "bad-json"),
        (json!({"name": "a", "access_key_id": "AAAA"}), 400, "bad-key"),
        (json!({"name": "a", "policies": ["none"]}), 400, "bad-policy-name"),
        (json!({"name": "a", "documents": {"own": {"Statement": {}}}}), 400, "bad-policy"),
        (json!({"name": "a", "buckets": ["A"]}), 400, "bad-bucket"),
        (json!({"name": "a", "expires": "tomorrow"}), 400, "bad-time"),
        (json!({"name": "a", "expires": "2001-01-01T00:00:00Z"}), 400, "bad-expires"),
        (json!({"name": "a", "for": "nobody"}), 404, "no-such-key"),
    ] {
        refused(browser.send("POST", "/v1/keys", &body), status, error);
    }
    browser.send("POST", "/v1/keys", &json!({"name": "ann", "policies": ["full"]})).expect(201);
    for (body, status, error) in [
        (json!({"requests": {"per_second": 0}}), 400, "bad-rate"),
        (json!({"bandwidth": {"per_second": 5}}), 400, "bad-rate"),
        (json!({"attach": ["read-only"], "detach": ["nothing"]}), 404, "no-such-policy"),
        (json!({"secret": "x"}), 400, "bad-json"),
    ] {
        refused(browser.send("PATCH", "/v1/keys/ann", &body), status, error);
    }
    assert_eq!(json(&browser.get("/v1/keys/ann"))["policies"], json!(["full"]));
    refused(browser.send("PATCH", "/v1/keys/root", &json!({})), 409, "root-key");
    refused(browser.call("DELETE", "/v1/keys/root").send(), 409, "root-key");
    refused(browser.send("POST", "/v1/keys/nobody/rotate", &json!({})), 404, "no-such-key");
    let huge = browser.call("POST", "/v1/keys").body(vec![b' '; (1 << 20) + 1]).send();
    refused(huge, 413, "too-large");
}

#[test]
fn a_key_ends_in_time_and_tells_when_it_was_used() {
    let server = Server::start();
    let browser = Browser::root(&server);
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(4);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let made = json(&browser.send("POST", "/v1/keys", &json!({"name": "brief", "expires": soon})).expect(201));
    assert_eq!(made["last_used"], json!(null));
    let begun = Instant::now();
    let brief = client(&server, &made);
    brief.get("/").expect(200);
    let shown = json(&browser.get("/v1/keys/brief"));
    assert!(shown["last_used"].is_string() && shown["expires"].is_string(), "{shown}");
    while brief.get("/").status == 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never ends");
        std::thread::sleep(Duration::from_millis(100));
    }
    brief.get("/").expect_error(403, "InvalidAccessKeyId");
    browser.send("PATCH", "/v1/keys/brief", &json!({"expires": null})).expect(200);
    brief.get("/").expect(200);
}

#[test]
fn the_last_use_outlives_the_server() {
    let mut server = Server::start();
    let ann = server.client_of("ann");
    ann.get("/").expect(200);
    assert!(server.stop().success());
    server.restart();
    let shown = json(&Browser::root(&server).get("/v1/keys/ann").expect(200));
    assert!(shown["last_used"].is_string(), "{shown}");
}
