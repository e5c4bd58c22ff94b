//! The description of the API holds: every documented request is answered as it says.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Server};
use crate::{address, json, root};

/// What fails to be as a schema says.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/components/schemas/")) {
        return faults(document, &document["components"]["schemas"][name], value, at);
    }
    if let Some(options) = schema["oneOf"].as_array() {
        let fits = options.iter().any(|option| faults(document, option, value, at).is_empty());
        return if fits { Vec::new() } else { vec![format!("{at}: {value} fits no option")] };
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(name)) {
        return vec![format!("{at}: {value} is none of {types:?}")];
    }
    let mut found = Vec::new();
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let Some(fields) = value.as_object() {
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        found.extend(required.filter(|name| !fields.contains_key(*name)).map(|name| format!("{at}: no {name}")));
        for (name, inner) in fields {
            let known = &schema["properties"][name];
            if known.is_null() && schema["properties"].is_object() {
                found.push(format!("{at}: {name} is not documented"));
            } else if !known.is_null() {
                found.extend(faults(document, known, inner, &format!("{at}.{name}")));
            }
        }
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], inner, &format!("{at}[{index}]")));
    }
    found
}

/// Requires an answer to be one that is documented.
fn check(document: &Value, operation: &Value, answer: &Answer, what: &str) {
    let response = &operation["responses"][answer.status.to_string()];
    assert!(!response.is_null(), "{what}: {} is not documented: {}", answer.status, answer.text());
    let content = response["content"].as_object().expect("content");
    let (kind, content) = content.iter().next().expect("one type");
    assert!(answer.header("content-type").is_some_and(|told| told.starts_with(kind.as_str())), "{what}: {kind}");
    if kind == "application/json" {
        let faults = faults(document, &content["schema"], &json(answer), "answer");
        assert!(faults.is_empty(), "{what}: {faults:#?}");
    }
}

/// What to send so that the operation is done, in an order in which each finds what it needs. The status that it gets.
fn requests() -> Vec<(&'static str, &'static str, String, Value, u16)> {
    let at = |path: &str| path.replace("{id}", "ann").replace("{name}", "photos");
    [
        ("GET", "/health/live", json!(null), 200),
        ("GET", "/health/ready", json!(null), 200),
        ("GET", "/metrics", json!(null), 200),
        ("GET", "/v1/status", json!(null), 200),
        ("GET", "/v1/openapi.json", json!(null), 200),
        ("POST", "/v1/session", json!({"access_key_id": "nobody", "secret_access_key": "x"}), 403),
        ("GET", "/v1/session", json!(null), 401),
        ("DELETE", "/v1/session", json!(null), 400),
        ("POST", "/v1/presign", json!({"method": "GET", "bucket": "photos", "key": "k", "expires_seconds": 9}), 200),
        ("GET", "/v1/overview", json!(null), 200),
        ("POST", "/v1/keys", json!({"name": "ann", "policies": ["full"]}), 201),
        ("GET", "/v1/keys", json!(null), 200),
        ("GET", "/v1/keys/{id}", json!(null), 200),
        ("PATCH", "/v1/keys/{id}", json!({"requests": {"per_second": 5, "burst": 9}}), 200),
        ("POST", "/v1/keys/{id}/rotate", json!(null), 200),
        ("DELETE", "/v1/keys/{id}", json!(null), 200),
        ("DELETE", "/v1/keys/{id}", json!(null), 404),
        ("GET", "/v1/history", json!(null), 200),
        ("GET", "/v1/requests", json!(null), 200),
        ("GET", "/v1/requests/{id}", json!(null), 404),
        ("GET", "/v1/uploads/running", json!(null), 200),
        ("GET", "/v1/buckets", json!(null), 200),
        ("PUT", "/v1/buckets/{name}/quota", json!({"bytes": 5_000_000}), 200),
        ("GET", "/v1/buckets/{name}/undelete", json!(null), 200),
        ("POST", "/v1/buckets/{name}/undelete/restore", json!({"key": "gone"}), 200),
        ("POST", "/v1/buckets/{name}/undelete/restore", json!({"key": "gone"}), 404),
        ("PUT", "/v1/buckets/{name}/undelete", json!({"days": 0}), 200),
        ("POST", "/v1/buckets/{name}/lifecycle/dry-run", json!({"at": "2090-01-01T00:00:00Z"}), 200),
        ("GET", "/v1/jobs", json!(null), 200),
        ("POST", "/v1/jobs/scrub/start", json!(null), 202),
        ("POST", "/v1/jobs/snapshot/start", json!(null), 202),
        ("POST", "/v1/jobs/rewrap/start", json!(null), 202),
        ("GET", "/v1/encryption", json!(null), 200),
        ("POST", "/v1/encryption/rotate", json!(null), 200),
        ("POST", "/v1/encryption/reload", json!(null), 200),
        ("POST", "/v1/control/pause", json!({"reason": "x"}), 200),
        ("GET", "/health/ready", json!(null), 503),
        ("POST", "/v1/control/resume", json!(null), 200),
        ("PUT", "/v1/control/log", json!({"filter": "info"}), 200),
        ("GET", "/v1/control/log", json!(null), 200),
        ("PUT", "/v1/control/limits", json!({"requests_per_address": {"per_second": 100_000}}), 200),
        ("GET", "/v1/control/limits", json!(null), 200),
        ("POST", "/v1/control/reload-tls", json!(null), 409),
        ("POST", "/v1/control/drain", json!(null), 202),
    ]
    .map(|(method, path, body, status)| (method, path, at(path), body, status))
    .to_vec()
}

#[test]
fn every_documented_request_is_answered_as_it_says() {
    let server = Server::start();
    let (root, nobody) = (root(&server), Client::new(address(&server), None));
    let s3 = server.client();
    s3.bucket("photos");
    let rules = "<LifecycleConfiguration><Rule><ID>old</ID><Filter/><Status>Enabled</Status><Expiration><Days>1</Days>\
                 </Expiration></Rule></LifecycleConfiguration>";
    s3.put("/photos?lifecycle", rules).expect(200);
    let window = root.call("PUT", "/v1/buckets/photos/undelete").body("{\"days\":1}").send();
    window.expect(200);
    s3.put("/photos/gone", "x").expect(200);
    s3.delete("/photos/gone").expect(204);
    s3.put("/photos/k", "x").expect(200);

    let document = json(&nobody.get("/v1/openapi.json").expect(200));
    let requests = requests();
    for (path, methods) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| !path.starts_with("/s3/")) {
        for method in methods.as_object().unwrap().keys() {
            let is_asked = requests.iter().any(|asked| asked.1 == path && asked.0 == method.to_uppercase());
            assert!(is_asked, "nobody asks for {method} {path}");
        }
    }
    for (method, path, target, body, status) in requests {
        let operation = &document["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not documented");
        let what = format!("{method} {path}");
        let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !is_open {
            let answer = nobody.call(method, &target).body(body.clone()).send();
            assert_eq!(answer.status, 401, "{what}: {}", answer.text());
            check(&document, operation, &answer, &what);
        }
        let client = if is_open { &nobody } else { &root };
        let answer = client.call(method, &target).body(body).send();
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        check(&document, operation, &answer, &what);
    }
    server.eventually("the server has drained", || !server.data().join("admin.sock").exists());
}
