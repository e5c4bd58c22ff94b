//! Buckets through the API.

use serde_json::{Value, json};

use crate::support::Server;
use crate::{Browser, json, refused};

fn bucket(browser: &Browser, name: &str) -> Value {
    let list = json(&browser.get("/v1/buckets").expect(200));
    let found = list["buckets"].as_array().unwrap().iter().find(|bucket| bucket["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("{name} is not in {list}"))
}

#[test]
fn buckets_tell_what_they_store_and_are_limited() {
    let server = Server::start();
    let (browser, client) = (Browser::root(&server), server.client());
    client.bucket("photos");
    client.call("PUT", "/locked").header("x-amz-bucket-object-lock-enabled", "true").send().expect(200);
    client.put("/photos/k", vec![0; 1_000]).expect(200);
    let photos = bucket(&browser, "photos");
    assert_eq!(
        (&photos["bytes"], &photos["objects"], &photos["owner_name"]),
        (&json!(1000), &json!(1), &json!("root"))
    );
    assert_eq!((&photos["versioning"], &photos["object_lock"]), (&json!(null), &json!(false)));
    assert_eq!(photos["quota"], json!({"bytes": null, "objects": null}));
    let locked = bucket(&browser, "locked");
    assert_eq!((&locked["versioning"], &locked["object_lock"]), (&json!("Enabled"), &json!(true)));
    browser.send("PUT", "/v1/buckets/photos/quota", &json!({"bytes": 1_500, "objects": null})).expect(200);
    client.put("/photos/l", vec![0; 1_000]).expect(403);
    client.put("/photos/l", vec![0; 100]).expect(200);
    assert_eq!(bucket(&browser, "photos")["quota"], json!({"bytes": 1500, "objects": null}));
    browser.send("PUT", "/v1/buckets/photos/quota", &json!({})).expect(200);
    client.put("/photos/m", vec![0; 1_000]).expect(200);
    refused(browser.send("PUT", "/v1/buckets/none/quota", &json!({})), 404, "no-such-bucket");
    refused(browser.send("PUT", "/v1/buckets/photos/quota", &json!({"bytes": u64::MAX})), 400, "bad-quota");
    refused(browser.send("PUT", "/v1/buckets/photos/quota", &json!({"bytes": -1})), 400, "bad-json");
}

#[test]
fn what_was_deleted_is_found_and_put_back() {
    let server = Server::start();
    let (browser, client) = (Browser::root(&server), server.client());
    client.bucket("photos");
    browser.send("PUT", "/v1/buckets/photos/undelete", &json!({"days": 7})).expect(200);
    assert_eq!(bucket(&browser, "photos")["undelete_days"], 7);
    for key in ["a/1", "a/2", "b"] {
        client.put(&format!("/photos/{key}"), key).expect(200);
        client.delete(&format!("/photos/{key}")).expect(204);
    }
    let list = json(&browser.get("/v1/buckets/photos/undelete?prefix=a/").expect(200));
    let versions = list["versions"].as_array().unwrap();
    let keys: Vec<_> = versions.iter().map(|version| version["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["a/1", "a/2"]);
    let restore = |body: Value| browser.send("POST", "/v1/buckets/photos/undelete/restore", &body);
    assert_eq!(json(&restore(json!({"key": "b"})).expect(200))["restored"], 1);
    assert_eq!(client.get("/photos/b").expect(200).text(), "b");
    let id = versions[0]["id"].as_u64().unwrap();
    restore(json!({"key": "a/1", "id": id})).expect(200);
    assert_eq!(json(&restore(json!({"prefix": "a/"})).expect(200))["restored"], 1);
    assert_eq!(client.get("/photos/a/2").expect(200).text(), "a/2");
    refused(restore(json!({"key": "none"})), 404, "nothing-to-restore");
    refused(restore(json!({})), 400, "bad-restore");
    refused(restore(json!({"key": "b", "prefix": "b"})), 400, "bad-restore");
    refused(browser.send("PUT", "/v1/buckets/photos/undelete", &json!({"days": 1_000_000})), 400, "bad-days");
    browser.send("POST", "/v1/control/pause", &json!({})).expect(200);
    refused(restore(json!({"key": "b"})), 503, "read-only");
}

#[test]
fn a_dry_run_tells_what_the_rules_would_do_and_does_nothing() {
    let server = Server::start();
    let (browser, client) = (Browser::root(&server), server.client());
    client.bucket("photos");
    client.put("/photos/tmp/k", "x").expect(200);
    let rules = "<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix>tmp/</Prefix></Filter><Status>Enabled\
                 </Status><Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>";
    client.put("/photos?lifecycle", rules).expect(200);
    let run = |body: Value| browser.send("POST", "/v1/buckets/photos/lifecycle/dry-run", &body);
    assert_eq!(json(&run(json!({})).expect(200)), json!({"actions": [], "is_truncated": false}));
    let later = json(&run(json!({"at": "2090-01-01T00:00:00Z"})).expect(200));
    let action = &later["actions"][0];
    assert_eq!((&action["key"], &action["rule"]), (&json!("tmp/k"), &json!("old")), "{later}");
    assert_eq!(later["actions"].as_array().unwrap().len(), 1);
    client.get("/photos/tmp/k").expect(200);
    refused(run(json!({"at": "later"})), 400, "bad-time");
    refused(browser.send("POST", "/v1/buckets/none/lifecycle/dry-run", &json!({})), 404, "no-such-bucket");
}
