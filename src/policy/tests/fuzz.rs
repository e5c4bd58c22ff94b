//! Any bytes as a policy, and any request for it to decide.

use super::{SESSION, known, letter, nothing, request};
use crate::policy::json::Node;
use crate::policy::{
    BucketPolicy, Document, Identity, Kind, MapContext, PolicyError, Principal, Relation, Request, Sources, Verdict,
    decide, evaluate,
};
use crate::tests::fuzz::{self, Target};

const TOKENS: [&str; 64] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\u0000",
    "\\\"",
    "null",
    "true",
    "1e400",
    "-0",
    "\"Version\":\"2012-10-17\",",
    "\"Version\":\"2008-10-17\",",
    "\"Id\":\"x\",",
    "\"Statement\":",
    "\"Sid\":\"a\",",
    "\"Effect\":\"Allow\",",
    "\"Effect\":\"Deny\",",
    "\"Principal\":\"*\",",
    "\"Principal\":{\"AWS\":",
    "\"NotPrincipal\":",
    "\"Action\":\"s3:*\",",
    "\"Action\":\"s3:GetObject\",",
    "\"NotAction\":",
    "\"Resource\":\"*\",",
    "\"Resource\":\"arn:aws:s3:::bucket/*\"",
    "\"NotResource\":",
    "\"Condition\":{",
    "\"StringEquals\":",
    "\"StringLike\":",
    "\"StringNotEqualsIgnoreCaseIfExists\":",
    "\"ForAllValues:StringLike\":",
    "\"ForAnyValue:StringEquals\":",
    "\"NumericLessThan\":",
    "\"DateGreaterThan\":",
    "\"Bool\":",
    "\"IpAddress\":",
    "\"NotIpAddress\":",
    "\"ArnLike\":",
    "\"Null\":",
    "\"BinaryEquals\":",
    "\"aws:SourceIp\":",
    "\"aws:CurrentTime\":",
    "\"aws:username\":",
    "\"s3:prefix\":",
    "\"s3:ExistingObjectTag/a\":",
    "\"aws:SecureTransport\":",
    "\"192.0.2.0/24\"",
    "\"::/0\"",
    "\"2020-01-01T00:00:00Z\"",
    "${aws:username}",
    "${*}",
    "${$}",
    "${a,'b'}",
    "*",
    "?",
    "arn:aws:iam::111122223333:user/ann",
    "\"111122223333\"",
    "s3:PutObject bucket/key\n",
    "\u{e4}",
    "\"sluicegate:KeyName\":",
    "\"sluicegate:OverwritesObject\":",
];

/// The document again, in our own words.
fn write(node: &Node) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    match node {
        Node::Null => "null".to_owned(),
        Node::Bool(value) => value.to_string(),
        Node::Number(text) => text.clone(),
        Node::Text(text) => quoted(text),
        Node::List(nodes) => format!("[{}]", nodes.iter().map(write).collect::<Vec<_>>().join(",")),
        Node::Object(entries) => {
            let entries = entries.iter().map(|(name, value)| format!("{}:{}", quoted(name), write(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
    }
}

fn context() -> MapContext {
    nothing()
        .with("aws:SourceIp", "192.0.2.7")
        .with("aws:SecureTransport", "true")
        .with("s3:prefix", "home/ann")
        .with("s3:max-keys", "10")
        .with("s3:ExistingObjectTag/a", "b")
        .with("aws:Referer", "\u{e4}*?${aws:username}")
}

fn check(input: &[u8]) {
    let Some(line) = input.iter().position(|byte| *byte == b'\n') else { return };
    let (asked, json) = (&input[..line], &input[line + 1..]);
    if let Ok(node) = Node::parse(json) {
        assert_eq!(Node::parse(write(&node).as_bytes()).unwrap(), node);
    }
    let asked = String::from_utf8_lossy(asked);
    let (action, path) = asked.split_once(' ').unwrap_or((&asked, ""));
    let context = context();
    let asked = request(action, path, &context);
    for kind in [Kind::Bucket, Kind::Identity, Kind::Session, Kind::Trust] {
        let Ok(document) = Document::parse(kind, json) else { continue };
        match Document::parse(kind, write(&Node::parse(json).unwrap()).as_bytes()) {
            Ok(again) => assert_eq!(again, document),
            Err(error) => assert_eq!(error, PolicyError::TooLong(kind.bytes_max())),
        }
        says(&document, &asked);
    }
}

/// Decisions do not panic, do not change their minds, and obey an explicit deny.
fn says(document: &Document, asked: &Request<'_>) {
    let deny = super::document(
        document.kind(),
        match document.kind() {
            Kind::Bucket => r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#,
            Kind::Trust => r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}"#,
            Kind::Identity | Kind::Session => r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#,
        },
    );
    let _ = (document.is_public(), document.check_bucket("bucket"), document.mentions(asked.action, "s3:"));
    for principal in [asked.principal, known(SESSION), Principal::Anonymous] {
        let asked = Request { principal, ..*asked };
        for overwrites in [false, true] {
            let verdict = evaluate([document], &asked, overwrites);
            assert_eq!(letter(&verdict), letter(&evaluate([document, document], &asked, overwrites)));
            if !matches!(evaluate([&deny], &asked, overwrites), Verdict::NoMatch) {
                assert_eq!(letter(&evaluate([document, &deny], &asked, overwrites)), 'D');
            }
        }
        if document.kind() == Kind::Bucket {
            for relation in [Relation::Anonymous, Relation::OwnerRoot, Relation::Owner, Relation::Other] {
                let bucket = Some(BucketPolicy { document, restricted: false });
                let sources = Sources { relation, identity: Identity::Unrestricted, session: None, bucket, acl: None };
                let open = decide(&asked, &sources).allowed;
                let bucket = Some(BucketPolicy { document, restricted: true });
                let restricted = decide(&asked, &Sources { bucket, ..sources }).allowed;
                assert!(open || !restricted, "a restriction allows nothing");
            }
        }
    }
}

#[test]
fn no_policy_is_read_in_two_ways_and_every_request_has_an_answer() {
    fuzz::run(&Target { name: "policy", runs: 5_000, tokens: &TOKENS, law: &check });
}
