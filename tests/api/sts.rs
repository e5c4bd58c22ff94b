//! Temporary credentials: how they are got, what they may do, and when they end.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};

use super::post_object::form;
use super::support::client::{Answer, Credentials, escape_value};
use super::support::{Client, Server};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Posts a form to the Security Token Service.
fn sts(client: &Client, parameters: &[(&str, &str)]) -> Answer {
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", escape_value(value)));
    let body = pairs.chain(["Version=2011-06-15".to_owned()]).collect::<Vec<_>>().join("&");
    client.call("POST", "/").service("sts").header("content-type", FORM).body(body).send()
}

/// Requires an error of this service.
#[track_caller]
fn refused(answer: Answer, status: u16, code: &str) {
    let answer = answer.expect(status);
    assert_eq!(answer.one("Code"), code, "{}", answer.text());
    assert!(answer.text().contains("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    assert!(!answer.one("Message").is_empty() && answer.one("Type") == "Sender", "{}", answer.text());
    assert_eq!(Some(answer.one("RequestId").as_str()), answer.header("x-amzn-requestid"));
}

/// A client with the credentials of an answer.
#[track_caller]
fn session(client: &Client, answer: Answer) -> Client {
    let answer = answer.expect(200);
    let credentials = Credentials {
        id: answer.one("AccessKeyId"),
        secret: answer.one("SecretAccessKey"),
        token: Some(answer.one("SessionToken")),
    };
    Client { credentials: Some(credentials), ..client.clone() }
}

fn token_of(client: &Client) -> String {
    client.credentials.as_ref().and_then(|credentials| credentials.token.clone()).expect("a token")
}

fn with_token(client: &Client, token: Option<&str>) -> Client {
    let credentials = client.credentials.clone().map(|key| Credentials { token: token.map(str::to_owned), ..key });
    Client { credentials, ..client.clone() }
}

fn arn(client: &Client) -> String {
    sts(client, &[("Action", "GetCallerIdentity")]).expect(200).one("Arn")
}

/// The role of a key: its own.
fn role(client: &Client, name: &str) -> String {
    let account = sts(client, &[("Action", "GetCallerIdentity")]).expect(200).one("Account");
    format!("arn:aws:iam::{account}:role/{name}")
}

fn assume(client: &Client, role: &str, more: &[(&str, &str)]) -> Answer {
    let base = [("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "nightly")];
    sts(client, &[&base, more].concat())
}

fn allow(actions: &str, resource: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": {actions}, "Resource": "arn:aws:s3:::{resource}"}}}}"#
    )
}

#[test]
fn everybody_learns_who_they_are() {
    let server = Server::start();
    let ann = server.client_of("ann");
    let listed = server.command(&["key", "show", "ann", "--json"]);
    let ann_key: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let account = ann_key["account"].as_str().unwrap();
    let told = sts(&ann, &[("Action", "GetCallerIdentity")]).expect(200);
    assert_eq!(told.header("content-type"), Some("text/xml"));
    assert_eq!(told.one("Arn"), format!("arn:aws:iam::{account}:user/ann"));
    assert_eq!(
        (told.one("Account"), told.one("UserId").as_str()),
        (account.to_owned(), ann_key["access_key_id"].as_str().unwrap())
    );
    assert!(told.text().contains("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"));
    let root = sts(&server.client(), &[("Action", "GetCallerIdentity")]).expect(200);
    assert_eq!(root.one("Arn"), format!("arn:aws:iam::{}:root", root.one("Account")));
    let assumed = session(&ann, assume(&ann, &role(&ann, "ann"), &[]));
    assert_eq!(arn(&assumed), format!("arn:aws:sts::{account}:assumed-role/ann/nightly"));
    let same = session(&ann, sts(&ann, &[("Action", "GetSessionToken")]));
    assert_eq!(arn(&same), format!("arn:aws:iam::{account}:user/ann"));
}

#[test]
fn a_session_may_do_what_its_key_and_its_policies_both_allow() {
    let server = Server::start();
    let ann = server.client_of("ann");
    ann.bucket("box");
    ann.put("/box/in/k", "x").expect(200);
    ann.put("/box/out/k", "y").expect(200);
    let role = role(&ann, "ann");
    let answer = assume(&ann, &role, &[("DurationSeconds", "900")]).expect(200);
    assert!(answer.one("AccessKeyId").starts_with("ASIA") && answer.one("SecretAccessKey").len() == 40);
    assert!(answer.one("Arn").ends_with(":assumed-role/ann/nightly"), "{}", answer.text());
    assert!(answer.one("AssumedRoleId").ends_with(":nightly"));
    let full = session(&ann, answer);
    assert_eq!(full.get("/box/in/k").expect(200).body, b"x");
    full.put("/box/made", "z").expect(200);
    assert_eq!(full.get("/").expect(200).all("Name"), ["box"]);
    full.delete("/box/made").expect(204);

    let reader = assume(&ann, &role, &[("Policy", &allow(r#""s3:GetObject""#, "box/in/*"))]);
    let reader = session(&ann, reader);
    reader.get("/box/in/k").expect(200);
    reader.head("/box/in/k").expect(200);
    for (method, target) in [("GET", "/box/out/k"), ("PUT", "/box/in/k"), ("DELETE", "/box/in/k"), ("GET", "/box")] {
        let answer = reader.call(method, target).send();
        assert_eq!(answer.status, 403, "{method} {target}");
    }
    // Policies that a session names by ARN, instead of or beside one of its own.
    let arn = ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/read-only");
    let named = session(&ann, assume(&ann, &role, &[arn]));
    named.get("/box/out/k").expect(200);
    named.put("/box/out/k", "z").expect_error(403, "AccessDenied");
    let both = session(&ann, assume(&ann, &role, &[arn, ("Policy", &allow(r#""s3:PutObject""#, "box/in/*"))]));
    both.get("/box/out/k").expect(200);
    both.put("/box/in/k", "z").expect(200);
    both.put("/box/out/k", "z").expect_error(403, "AccessDenied");

    // A session policy gives nothing that the key has not, and what comes to limit the key limits its sessions.
    let bob = server.client_of("bob");
    let everything = allow(r#""s3:*""#, "*");
    let greedy = session(&bob, assume(&bob, &self::role(&bob, "bob"), &[("Policy", &everything)]));
    greedy.get("/box/in/k").expect_error(403, "AccessDenied");
    assert!(server.command(&["key", "attach", "ann", "read-only"]).status.success());
    server.eventually("the session is limited like its key", || full.put("/box/made", "z").status == 403);
    full.get("/box/in/k").expect(200);
    // Root's sessions are root's.
    let root = server.client();
    let root_session = session(&root, assume(&root, &self::role(&root, "root"), &[]));
    root_session.get("/box/out/k").expect(200);
    let limited = assume(&root, &self::role(&root, "root"), &[("Policy", &allow(r#""s3:GetObject""#, "box/in/*"))]);
    let limited = session(&root, limited);
    limited.get("/box/in/k").expect(200);
    limited.get("/box/out/k").expect_error(403, "AccessDenied");
    limited.get("/box?policy").expect_error(403, "AccessDenied");
}

/// A statement that names a key means its sessions too: none of them is a way around a deny.
#[test]
fn policies_of_buckets_mean_sessions_like_their_keys() {
    let server = Server::start();
    let ann = server.client_of("ann");
    ann.bucket("box");
    ann.put("/box/k", "x").expect(200);
    let policy = r#"{"Statement": [
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam:::user/ann"}, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::box/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::box/*",
            "Condition": {"Null": {"aws:TokenIssueTime": "true"}}}]}"#;
    ann.put("/box?policy", policy).expect(204);
    let assumed = session(&ann, assume(&ann, &role(&ann, "ann"), &[]));
    assumed.delete("/box/k").expect_error(403, "AccessDenied");
    ann.put("/box/k", "y").expect_error(403, "AccessDenied");
    assumed.put("/box/k", "y").expect(200);
}

#[test]
fn a_token_goes_wherever_a_signature_goes() {
    let server = Server::start();
    let ann = server.client_of("ann");
    ann.bucket("forms");
    let key = session(&ann, sts(&ann, &[("Action", "GetSessionToken")]));
    let (token, credentials) = (token_of(&key), key.credentials.clone().unwrap());
    key.put("/forms/header", "1").expect(200);
    let framed = key.call("PUT", "/forms/framed").payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    framed.header("x-amz-decoded-content-length", "1").body("1\r\n2\r\n0\r\n\r\n").send().expect(200);
    let url = key.call("PUT", "/forms/presigned").presign(60);
    assert!(url.contains("X-Amz-Security-Token="));
    server.anonymous().call("PUT", &url).body("3").send().expect(200);
    let url = key.call("GET", "/forms/presigned").presign(60);
    assert_eq!(server.anonymous().get(&url).expect(200).text(), "3");
    // Without its token, or with another, a signature proves nothing.
    let (start, end) = url.split_once("X-Amz-Security-Token=").unwrap();
    let rest = end.split_once('&').map_or("", |(_, rest)| rest);
    server.anonymous().get(&format!("{start}{rest}")).expect_error(403, "InvalidAccessKeyId");
    server.anonymous().get(&format!("{start}X-Amz-Security-Token=AAAA&{rest}")).expect_error(400, "InvalidToken");
    let twice = server.anonymous().call("GET", &url).header("x-amz-security-token", token.clone()).send();
    twice.expect_error(400, "InvalidToken");
    with_token(&key, None).get("/forms/header").expect_error(403, "InvalidAccessKeyId");
    let unsigned = with_token(&key, None).call("GET", "/forms/header");
    unsigned.send_with_unsigned(&[("x-amz-security-token", &token)]).expect_error(403, "AccessDenied");

    // A form, signed with version 2 and 4; its policy must name the token like every field.
    let conditions = r#"{"bucket":"forms"},["starts-with","$key",""]"#;
    let named = format!(r#"{conditions},{{"x-amz-security-token":"{token}"}}"#);
    let post = |conditions: &str, fields: &[(&str, &str)]| {
        let policy = BASE64.encode(format!(r#"{{"expiration":"2099-01-01T00:00:00Z","conditions":[{conditions}]}}"#));
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(credentials.secret.as_bytes()).unwrap();
        mac.update(policy.as_bytes());
        let signature = BASE64.encode(mac.finalize().into_bytes());
        let own =
            [("key", "form"), ("AWSAccessKeyId", &*credentials.id), ("policy", &*policy), ("signature", &*signature)];
        let body = form(&[&own, fields].concat(), Some(b"4"));
        let call = server.anonymous().call("POST", "/forms");
        call.header("content-type", "multipart/form-data; boundary=b0undary").body(body).send()
    };
    post(&named, &[("x-amz-security-token", &token)]).expect(204);
    post(conditions, &[("x-amz-security-token", &token)]).expect_error(403, "AccessDenied");
    post(conditions, &[]).expect_error(403, "InvalidAccessKeyId");
    post(&named, &[("x-amz-security-token", "AAAA")]).expect_error(400, "InvalidToken");
    // Version 2 in the header and in a URL.
    let sign = |text: &str| {
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(credentials.secret.as_bytes()).unwrap();
        mac.update(text.as_bytes());
        BASE64.encode(mac.finalize().into_bytes())
    };
    let expires = 4_000_000_000_u64;
    let signature = sign(&format!("GET\n\n\n{expires}\nx-amz-security-token:{token}\n/forms/header"));
    let url = format!(
        "/forms/header?AWSAccessKeyId={}&Expires={expires}&Signature={}&x-amz-security-token={}",
        credentials.id,
        escape_value(&signature),
        escape_value(&token)
    );
    assert_eq!(server.anonymous().get(&url).expect(200).text(), "1");
    server.anonymous().get(url.split_once("&x-amz-security").unwrap().0).expect_error(403, "InvalidAccessKeyId");
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let signature = sign(&format!("GET\n\n\n{date}\nx-amz-security-token:{token}\n/forms/framed"));
    let call = server.anonymous().call("GET", "/forms/framed").header("date", date);
    let call = call.header("x-amz-security-token", token);
    let answer = call.header("authorization", format!("AWS {}:{signature}", credentials.id)).send();
    assert_eq!(answer.expect(200).text(), "2");
}

#[test]
fn a_token_is_good_for_one_key_and_as_long_as_the_key_behind_it() {
    let server = Server::start();
    let ann = server.client_of("ann");
    ann.bucket("box");
    ann.put("/box/k", "x").expect(200);
    let begin = || session(&ann, sts(&ann, &[("Action", "GetSessionToken"), ("DurationSeconds", "900")]));
    let (one, two) = (begin(), begin());
    one.get("/box/k").expect(200);
    with_token(&one, Some(&token_of(&two))).get("/box/k").expect_error(400, "InvalidToken");
    with_token(&ann, Some(&token_of(&one))).get("/box/k").expect_error(400, "InvalidToken");
    with_token(&one, Some("")).get("/box/k").expect_error(403, "InvalidAccessKeyId");
    with_token(&one, Some(&"A".repeat(9000))).get("/box/k").expect_error(400, "InvalidToken");
    let token = token_of(&one);
    for at in [0, 10, 40, token.len() / 2, token.len() - 1] {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        with_token(&one, Some(&changed)).get("/box/k").expect_error(400, "InvalidToken");
    }
    let mut wrong = one.clone();
    wrong.credentials.as_mut().unwrap().secret.push('x');
    wrong.get("/box/k").expect_error(403, "SignatureDoesNotMatch");

    // A restart keeps sessions; the end of their key ends them, and a new key of the same id and secret too.
    let mut server = server;
    assert!(server.stop().success());
    server.restart();
    let moved = |client: &Client| Client { address: server.address(), ..client.clone() };
    let (ann, one) = (moved(&ann), moved(&one));
    one.get("/box/k").expect(200);
    assert!(server.command(&["key", "remove", "ann"]).status.success());
    server.eventually("the session has ended", || one.get("/box/k").one("Code") == "InvalidToken");
    server.client_of("ann");
    one.get("/box/k").expect_error(400, "InvalidToken");
    ann.get("/").expect(200);
    let log = server.log();
    assert!(!log.contains(&token) && !log.contains(&one.credentials.unwrap().secret), "no secret is logged");
    assert!(log.contains("principal=ann/ASIA"), "sessions are told apart in the log");
}

#[test]
fn what_the_service_refuses() {
    let server = Server::start();
    let (ann, bob) = (server.client_of("ann"), server.client_of("bob"));
    let identity = [("Action", "GetCallerIdentity")];
    refused(sts(&server.anonymous(), &identity), 403, "MissingAuthenticationToken");
    let stranger = Client { credentials: Some(Credentials::new("AKIANOBODY", "secret-of-nobody")), ..ann.clone() };
    refused(sts(&stranger, &identity), 403, "InvalidClientTokenId");
    let mut wrong = ann.clone();
    wrong.credentials.as_mut().unwrap().secret.push('x');
    refused(sts(&wrong, &identity), 403, "SignatureDoesNotMatch");
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let for_s3 = ann.call("POST", "/").header("content-type", FORM).body(form).send();
    refused(for_s3, 400, "IncompleteSignature");
    let other_body = ann.call("POST", "/").service("sts").header("content-type", FORM).payload("UNSIGNED-PAYLOAD");
    refused(other_body.body(form).send(), 403, "SignatureDoesNotMatch");
    let url = ann.call("POST", "/").service("sts").presign(60);
    let presigned = server.anonymous().call("POST", &url).header("content-type", FORM).body(form).send();
    refused(presigned, 400, "IncompleteSignature");
    let long = format!("{form}&x={}", "x".repeat(20_000));
    let long = ann.call("POST", "/").service("sts").header("content-type", FORM).body(long).send();
    refused(long, 400, "ValidationError");
    refused(sts(&ann, &[]), 400, "MissingAction");
    refused(sts(&ann, &[("Action", "AssumeRoleWithSAML")]), 400, "InvalidAction");
    refused(sts(&ann, &[("Action", "GetSessionToken"), ("TokenCode", "1")]), 400, "ValidationError");
    // A form that is posted to a bucket stays S3's; and a signature for this service signs nothing else.
    ann.bucket("box");
    ann.call("POST", "/box").header("content-type", FORM).body(form).send().expect_error(412, "PreconditionFailed");
    ann.call("GET", "/box").service("sts").send().expect_error(400, "AuthorizationHeaderMalformed");

    let role = role(&ann, "ann");
    let denied = |client: &Client, role: &str| refused(assume(client, role, &[]), 403, "AccessDenied");
    denied(&bob, &role);
    denied(&ann, &role.replace("/ann", "/bob"));
    denied(&ann, "arn:aws:iam::000000000000:role/ann");
    refused(assume(&ann, &role, &[("Policy", "{}")]), 400, "MalformedPolicyDocument");
    refused(assume(&ann, &role, &[("ExternalId", "1")]), 400, "ValidationError");
    let assumed = session(&ann, assume(&ann, &role, &[]));
    denied(&assumed, &role);
    refused(sts(&assumed, &[("Action", "GetSessionToken")]), 403, "AccessDenied");
    refused(sts(&with_token(&assumed, Some("AAAA")), &identity), 403, "InvalidClientTokenId");
}

#[test]
fn an_append_only_key_gets_no_more_by_a_session() {
    let server = Server::start();
    let owner = server.client_of("nas");
    owner.bucket("backups");
    owner.put("/backups/config", "1").expect(200);
    let key = server.client_with("nas-backup", &["--for", "nas", "--policy", "restic-append-only"]);
    refused(assume(&key, &role(&key, "nas-backup"), &[]), 403, "AccessDenied");
    refused(assume(&key, &role(&key, "nas"), &[]), 403, "AccessDenied");
    let same = session(&key, sts(&key, &[("Action", "GetSessionToken")]));
    same.get("/backups/config").expect(200);
    same.put("/backups/new", "1").expect(200);
    same.put("/backups/config", "2").expect_error(403, "AccessDenied");
    same.delete("/backups/config").expect_error(403, "AccessDenied");
    same.put("/backups?versioning", "<x/>").expect_error(403, "AccessDenied");
    assert_eq!(owner.get("/backups/config").expect(200).text(), "1");
}
