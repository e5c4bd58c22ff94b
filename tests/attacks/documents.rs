//! Documents made to exhaust their reader: entities, depth, length, and what is no XML or JSON at all.

use std::time::{Duration, Instant};

use crate::{besieged_with, stands, told};

/// Every operation that reads a document.
const READERS: [(&str, &str); 18] = [
    ("PUT", "/fresh"),
    ("POST", "/victim?delete"),
    ("POST", "/victim/k?uploadId=none"),
    ("PUT", "/victim?versioning"),
    ("PUT", "/victim?lifecycle"),
    ("PUT", "/victim?cors"),
    ("PUT", "/victim?acl"),
    ("PUT", "/victim?tagging"),
    ("PUT", "/victim/k?tagging"),
    ("PUT", "/victim?website"),
    ("PUT", "/victim?logging"),
    ("PUT", "/victim?notification"),
    ("PUT", "/victim?encryption"),
    ("PUT", "/victim?object-lock"),
    ("PUT", "/victim/k?retention"),
    ("PUT", "/victim?ownershipControls"),
    ("PUT", "/victim?publicAccessBlock"),
    ("PUT", "/victim?requestPayment"),
];

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let nested = |count: usize| [b"<a>".repeat(count), b"</a>".repeat(count)].concat();
    let laughs = "<!DOCTYPE a [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \
                  \"&b;&b;&b;&b;&b;&b;&b;&b;\">]><Tagging><TagSet><Tag><Key>&c;</Key></Tag></TagSet></Tagging>";
    vec![
        ("a billion laughs", laughs.as_bytes().to_vec()),
        ("an external entity", b"<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_vec()),
        ("an undefined entity", b"<Delete><Object><Key>&nope;</Key></Object></Delete>".to_vec()),
        ("depth", nested(100_000)),
        ("depth without end", b"<a>".repeat(300_000)),
        ("attributes", [b"<a ".to_vec(), b"b=\"c\" ".repeat(100_000), b"/>".to_vec()].concat()),
        ("one long name", [b"<".to_vec(), b"a".repeat(1 << 20), b"/>".to_vec()].concat()),
        ("a cut tag", b"<Delete><Object><Key>k</Key".to_vec()),
        ("no UTF-8", b"<Delete><Object><Key>\xff\xfe</Key></Object></Delete>".to_vec()),
        ("UTF-16", "\u{feff}<Delete/>".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a NUL", b"<Delete>\0</Delete>".to_vec()),
        ("character references", b"<Delete><Object><Key>&#0;&#xffffffff;&#x110000;</Key></Object></Delete>".to_vec()),
        ("a comment without end", b"<!-- ".repeat(10_000)),
        ("CDATA without end", b"<a><![CDATA[".to_vec()),
        ("two roots", b"<a/><b/>".to_vec()),
        ("nothing but space", b" ".repeat(100_000)),
        ("JSON", b"{}".to_vec()),
    ]
}

#[test]
fn no_document_exhausts_its_reader() {
    let (mut server, client) = besieged_with(&["--memory", "64MiB"]);
    let mut count = 0;
    for (what, bomb) in bombs() {
        for (method, target) in READERS {
            let begun = Instant::now();
            let answer = client.call(method, target).body(bomb.clone()).send();
            assert!(
                (400..500).contains(&answer.status),
                "{what}: {method} {target}: {} {}",
                answer.status,
                answer.text()
            );
            assert!(!answer.text().contains("root:"), "{what}: {}", answer.text());
            assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {method} {target} took {:?}", begun.elapsed());
            count += 1;
        }
    }
    told("documents", count);
    stands(&mut server, &client);
}

#[test]
fn a_list_of_a_hundred_thousand_parts_is_refused_while_it_comes() {
    let (mut server, client) = besieged_with(&["--memory", "64MiB"]);
    let upload = client.post("/victim/k?uploads", "").expect(200).one("UploadId");
    let parts: String = (1..=100_000)
        .map(|number| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>d41d8cd98f00b204e9800998ecf8427e</ETag></Part>")
        })
        .collect();
    let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let refused = client.post(&format!("/victim/k?uploadId={upload}"), list);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let keys: String = (0..100_000).map(|number| format!("<Object><Key>{number}</Key></Object>")).collect();
    let refused = client.post("/victim?delete", format!("<Delete>{keys}</Delete>"));
    assert_eq!(refused.status, 400, "{}", refused.text());
    client.delete(&format!("/victim/k?uploadId={upload}")).expect(204);
    told("endless lists", 2);
    stands(&mut server, &client);
}

#[test]
fn policies_that_nest_or_never_end_are_refused() {
    let (mut server, client) = besieged_with(&[]);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let wild = "*".repeat(15_000);
    let slow = format!(
        r#"{{"Statement":[{{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::victim/{}z"}}]}}"#,
        "*a".repeat(6_000)
    );
    let policies = [
        deep("[", "]"),
        deep("{\"a\":", "1}"),
        "{\"Statement\":".to_owned(),
        "{\"Statement\":[]}".to_owned(),
        format!(r#"{{"Statement":[{{"Effect":"Allow","Principal":"*","Action":"{wild}","Resource":"*"}}]}}"#),
        "\u{0}".to_owned(),
        "\"\\ud800\"".to_owned(),
        format!("{{\"Version\":{}}}", "9".repeat(10_000)),
        " ".repeat(100_000),
    ];
    for policy in &policies {
        let put = client.put("/victim?policy", policy.as_str());
        assert!(
            (400..500).contains(&put.status),
            "{:?}: {} {}",
            &policy[..policy.len().min(60)],
            put.status,
            put.text()
        );
    }
    // A pattern that is legal must not cost more than its length times the key's.
    client.bucket("slow");
    let put = client.put("/slow?policy", slow.replace("victim", "slow"));
    assert!(put.status < 500, "{}", put.text());
    let begun = Instant::now();
    client.get(&format!("/slow/{}", "a".repeat(1000)));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    told("policies", policies.len() + 1);
    stands(&mut server, &client);
}
