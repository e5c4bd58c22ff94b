//! Secrets must not be told: not in logs, not in errors, not in metrics, not on disk in the clear.

use crate::support::client::escape_value;
use crate::{VICTIM, besieged_with, stands, told};
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

#[test]
fn no_secret_is_told_anywhere() {
    let (mut server, client) = besieged_with(&["--log", "trace"]);
    let ann = server.client_of("ann");
    let secrets = [client.credentials.clone().unwrap().secret, ann.credentials.clone().unwrap().secret];
    let customer = BASE64.encode([0xa5u8; 32]);
    let customer_md5 = BASE64.encode(<md5::Md5 as md5::Digest>::digest([0xa5u8; 32]));
    let sse = |call: crate::support::client::Call| {
        call.header("x-amz-server-side-encryption-customer-algorithm", "AES256")
            .header("x-amz-server-side-encryption-customer-key", &customer)
            .header("x-amz-server-side-encryption-customer-key-md5", &customer_md5)
    };
    client.bucket("sealed");
    sse(client.call("PUT", "/sealed/k")).body("x").send().expect(200);
    sse(client.call("GET", "/sealed/k")).send().expect(200);
    let mut shown = Vec::new();
    // Everything that fails, with secrets in it.
    shown.push(sse(client.call("GET", VICTIM)).send().text());
    shown.push(ann.get(VICTIM).text());
    shown.push(server.anonymous().get(&client.call("GET", VICTIM).presign(60).replace("victim/k", "victim/z")).text());
    let mut wrong = client.clone();
    wrong.credentials.as_mut().unwrap().secret = "wrong-wrong-wrong-wrong".to_owned();
    shown.push(wrong.get(VICTIM).text());
    let query = format!("{VICTIM}?AWSAccessKeyId=x&Signature={}&Expires=1", escape_value(&secrets[0]));
    server.anonymous().get(&query);
    let session = ann.call("POST", "/").service("sts").header("content-type", "application/x-www-form-urlencoded");
    let session = session.body("Action=GetSessionToken&Version=2011-06-15").send().expect(200);
    let token = session.one("SessionToken");
    let temporary = session.one("SecretAccessKey");
    assert!(!token.is_empty() && !temporary.is_empty());
    let mut holder = ann;
    let credentials = holder.credentials.as_mut().unwrap();
    (credentials.id, credentials.secret) = (session.one("AccessKeyId"), temporary.clone());
    credentials.token = Some(token.clone());
    holder.get("/").expect(200);
    for path in ["/metrics", "/health/ready", "/health/live", "/", "/debug/pprof", "/env", "/config"] {
        shown.push(server.admin(path).text());
    }
    shown.push(server.log());
    let told_secrets = [secrets[1].as_str(), &customer, &temporary, &token];
    for text in &shown {
        for secret in told_secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    // The one that a client put into the place of a signature is not for us to know, but root's never is in the open.
    let leaks = shown.iter().filter(|text| text.contains(&secrets[0])).count();
    assert_eq!(leaks, 0, "root's secret");
    let stored = server.command(&["key", "list"]);
    let listed = String::from_utf8_lossy(&stored.stdout).into_owned();
    assert!(secrets.iter().all(|secret| !listed.contains(secret.as_str())), "{listed}");
    // Secrets of keys must be known to verify a signature; nobody but the server's user can read them.
    for file in ["meta.sqlite", "meta.sqlite-wal"] {
        let path = server.data().join(file);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}: {mode:o}");
        let bytes = std::fs::read(&path).unwrap();
        for secret in [secrets[0].as_bytes(), customer.as_bytes(), &[0xa5u8; 32], temporary.as_bytes()] {
            assert!(memchr::memmem::find(&bytes, secret).is_none(), "a secret lies open in {file}");
        }
    }
    told("tellers of secrets", shown.len() + 3);
    stands(&mut server, &client);
}
