//! Policies of access keys: attached, changed and detached while the server runs.

use std::process::Output;

use super::support::{Client, Server};

fn key(server: &Server, arguments: &[&str]) -> Output {
    server.command(&[&["key"], arguments].concat())
}

#[track_caller]
fn done(server: &Server, arguments: &[&str]) {
    let output = key(server, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn refused(server: &Server, arguments: &[&str], why: &str) {
    let output = key(server, arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && told.contains(why) && told.trim().lines().count() == 1,
        "{arguments:?}: {told}"
    );
}

fn shown(server: &Server, name: &str) -> serde_json::Value {
    serde_json::from_slice(&key(server, &["show", name, "--json"]).stdout).expect("JSON")
}

/// Puts a file in the data directory.
fn file(server: &Server, name: &str, text: &str) -> String {
    let path = server.data().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn status(client: &Client, method: &str, target: &str) -> u16 {
    client.call(method, target).send().status
}

#[test]
fn keys_of_one_owner_share_its_buckets_and_differ_in_rights() {
    let server = Server::start();
    let main = server.client_of("main");
    main.bucket("shared");
    main.put("/shared/k", "x").expect(200);
    let reader = server.client_with("reader", &["--for", "main", "--policy", "read-only"]);
    let writer = server.client_with("writer", &["--for", "main", "--policy", "write-only"]);
    let second = server.client_with("second", &["--for", "main"]);
    let stranger = server.client_with("stranger", &["--policy", "full"]);
    for (method, target, allowed) in [
        ("GET", "/shared/k", [true, false, true, false]),
        ("GET", "/shared", [true, false, true, false]),
        ("GET", "/shared?versions", [true, false, true, false]),
        ("PUT", "/shared/k", [false, true, true, false]),
        ("DELETE", "/shared/k", [false, false, true, false]),
        ("GET", "/", [true, false, true, true]),
        ("PUT", "/fresh-bucket", [false, false, true, true]),
    ] {
        for (client, allowed) in [&reader, &writer, &second, &stranger].into_iter().zip(allowed) {
            let status = status(client, method, target);
            // The bucket of this name is the second key's when the last comes.
            assert_eq!([200, 204, 409].contains(&status), allowed, "{method} {target}: {status}");
        }
    }
    assert_eq!(main.get("/").expect(200).all("Name"), ["fresh-bucket", "shared"]);
    assert_eq!(stranger.get("/").expect(200).all("Name"), Vec::<String>::new());
    assert_eq!(main.get("/").expect(200).one("DisplayName"), "main");
    let (main_shown, reader_shown) = (shown(&server, "main"), shown(&server, "reader"));
    assert_eq!(main_shown["owner"], reader_shown["owner"]);
    assert_eq!((&reader_shown["owner_name"], &main_shown["policies"]), (&"main".into(), &serde_json::Value::Null));
    // A key may go; what it made is its owner's.
    done(&server, &["remove", "main"]);
    server.eventually("the key is gone", || status(&main, "GET", "/") == 403);
    second.get("/shared").expect(200);
}

#[test]
fn a_running_server_sees_policies_come_and_go() {
    let server = Server::start();
    let client = server.client_of("ann");
    client.bucket("box");
    client.put("/box/k", "x").expect(200);
    let becomes = |what: &str, statuses: [u16; 3]| {
        server.eventually(what, || {
            [("GET", "/box/k"), ("PUT", "/box/k"), ("GET", "/box")]
                .map(|(method, target)| status(&client, method, target))
                == statuses
        });
    };
    done(&server, &["attach", "ann", "read-only"]);
    becomes("it reads", [200, 403, 200]);
    let own = file(
        &server,
        "own.json",
        r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::box/k"},
        {"Effect":"Deny","Action":"s3:ListBucket","Resource":"*"}]}"#,
    );
    done(&server, &["attach", "ann", &own]);
    becomes("it also writes, and lists no more", [200, 200, 403]);
    done(&server, &["detach", "ann", "read-only"]);
    becomes("it only writes", [403, 200, 403]);
    let own = file(&server, "own.json", r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}"#);
    done(&server, &["attach", "ann", &own]);
    becomes("a policy is replaced by its name", [200, 403, 403]);
    let table = String::from_utf8(key(&server, &["show", "ann"]).stdout).unwrap();
    assert!(table.contains("own:\n{\"Statement\"") && !table.contains("ann------"), "{table}");
    done(&server, &["detach", "ann", "own"]);
    becomes("without policies nothing is left", [403, 403, 403]);
    let table = String::from_utf8(key(&server, &["list"]).stdout).unwrap();
    assert!(table.contains("none"), "{table}");
    done(&server, &["attach", "ann", "full"]);
    becomes("it may do everything again", [200, 200, 200]);
}

#[test]
fn a_key_is_confined_to_its_buckets() {
    let server = Server::start();
    let main = server.client_of("main");
    for bucket in ["backup", "backups", "photos"] {
        main.bucket(bucket);
        main.put(&format!("/{bucket}/k"), "x").expect(200);
    }
    let key = server.client_with("one", &["--for", "main", "--bucket", "backup"]);
    let both = ["--for", "main", "--policy", "read-only", "--bucket", "backup", "--bucket", "photos"];
    let both = server.client_with("both", &both);
    let reads = |client: &Client, bucket: &str| status(client, "GET", &format!("/{bucket}/k")) == 200;
    assert_eq!(["backup", "backups", "photos"].map(|bucket| reads(&key, bucket)), [true, false, false]);
    assert_eq!(["backup", "backups", "photos"].map(|bucket| reads(&both, bucket)), [true, false, true]);
    key.put("/backup/new", "x").expect(200);
    key.put("/another-bucket", "").expect_error(403, "AccessDenied");
    both.put("/backup/new", "x").expect_error(403, "AccessDenied");
    let copy = key.call("PUT", "/backup/stolen").header("x-amz-copy-source", "/photos/k").send();
    copy.expect_error(403, "AccessDenied");
    assert_eq!(key.get("/").expect(200).all("Name").len(), 3, "the names of its owner's buckets are no secret");
}

/// A bucket policy that names a key opens the bucket to it; what its own policies deny stays denied.
#[test]
fn policies_of_buckets_and_keys_meet() {
    let server = Server::start();
    let (ann, bob) = (server.client_of("ann"), server.client_with("bob", &["--policy", "read-only"]));
    ann.bucket("anns");
    ann.put("/anns/k", "x").expect(200);
    let open = |principal: &str| {
        let policy = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{principal},"Action":"s3:*","Resource":"arn:aws:s3:::anns/*"}}}}"#
        );
        ann.put("/anns?policy", policy).expect(204);
    };
    bob.get("/anns/k").expect_error(403, "AccessDenied");
    open(r#"{"AWS":"arn:aws:iam:::user/bob"}"#);
    bob.get("/anns/k").expect(200);
    bob.put("/anns/k", "y").expect_error(403, "AccessDenied");
    // Of the same account: the policy that names the key is enough, the one that names the account is not.
    let limited = server.client_with("limited", &["--for", "ann", "--policy", "write-only"]);
    limited.get("/anns/k").expect_error(403, "AccessDenied");
    open(&format!("{{\"AWS\":{}}}", shown(&server, "ann")["account"]));
    limited.get("/anns/k").expect_error(403, "AccessDenied");
    open(r#"{"AWS":"arn:aws:iam:::user/limited"}"#);
    limited.get("/anns/k").expect(200);
    let roots = server.client_with("roots-reader", &["--for", "root", "--policy", "read-only"]);
    server.client().bucket("roots");
    roots.get("/roots").expect(200);
    roots.put("/roots/k", "x").expect_error(403, "AccessDenied");
    roots.get("/anns/k").expect_error(403, "AccessDenied");
}

#[test]
fn what_is_no_policy_is_refused_and_adds_no_key() {
    let server = Server::start();
    refused(&server, &["add", "x", "--policy", "frob"], "restic-append-only");
    refused(&server, &["add", "x", "--for", "nobody"], "nobody");
    refused(&server, &["add", "x", "--bucket", "No_Bucket"], "bucket");
    let wrong = r#"{"Statement":{"Effect":"Allow","Action":"s3:GetObjects","Resource":"*"}}"#;
    refused(&server, &["add", "x", "--policy", &file(&server, "wrong.json", wrong)], "action");
    let named = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
    refused(&server, &["add", "x", "--policy", &file(&server, "named.json", named)], "Principal");
    refused(&server, &["add", "x", "--policy", &file(&server, "full.json", "{}")], "ready-made");
    refused(&server, &["add", "x", "--policy", &file(&server, "long.json", &" ".repeat(20_000))], "10240");
    assert_eq!(String::from_utf8(key(&server, &["list", "--json"]).stdout).unwrap().trim(), "[]");
    done(&server, &["add", "x"]);
    refused(&server, &["attach", "y", "full"], "no access key");
    refused(&server, &["detach", "x", "full"], "lacks");
    refused(&server, &["show", "y"], "no access key");
    assert_eq!(shown(&server, "x")["policies"], serde_json::Value::Null);
}
