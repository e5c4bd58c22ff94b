//! Names that try to leave their bucket or the data directory: every key is opaque bytes to the store.

use crate::support::client::escape_value;
use crate::{TREASURE, VICTIM, besieged, stands, told};

/// Paths as they go over the wire, none of which may reach the victim from the bucket `other`.
const WAYS_OUT: [&str; 22] = [
    "/other/../victim/k",
    "/other/%2e%2e/victim/k",
    "/other/%2E%2E%2Fvictim/k",
    "/other/..%2fvictim%2fk",
    "/other/..%5cvictim%5ck",
    "/other/..\\victim\\k",
    "/other/%252e%252e/victim/k",
    "/other/.%2e/victim/k",
    "/other/%c0%ae%c0%ae/victim/k",
    "/other/%e0%80%ae%e0%80%ae/victim/k",
    "/other/./../victim/k",
    "/other//../victim/k",
    "/other/a/../../victim/k",
    "/other/..;/victim/k",
    "/other%2f..%2fvictim/k",
    "/other%00/../victim/k",
    "/other/../../../../../../etc/passwd",
    "/other/%2fetc%2fpasswd",
    "/other//etc/passwd",
    "/other/../meta.sqlite",
    "/../victim/k",
    "/%2e%2e/victim/k",
];

#[test]
fn no_path_leaves_its_bucket() {
    let (mut server, client) = besieged();
    let mallory = server.client_of("mallory");
    mallory.bucket("other");
    let mut count = 0;
    for path in WAYS_OUT {
        for method in ["GET", "PUT", "DELETE", "HEAD"] {
            let answer = mallory.call(method, path).body(if method == "PUT" { "x" } else { "" }).send();
            assert_ne!(answer.body, TREASURE, "{method} {path}");
            let text = answer.text();
            assert!(!text.contains("root:") && !text.contains("SQLite"), "{method} {path}: {text}");
            count += 1;
        }
    }
    told("ways out of a bucket", count);
    let stray = server.data().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let stray: Vec<_> =
        stray.filter(|name| name.contains("victim") || name == "k" || name.contains("passwd")).collect();
    assert!(stray.is_empty(), "{stray:?}");
    stands(&mut server, &client);
}

#[test]
fn no_copy_source_leaves_what_its_sender_may_read() {
    let (mut server, client) = besieged();
    let mallory = server.client_of("mallory");
    mallory.bucket("other");
    mallory.put("/other/mine", "mine").expect(200);
    let upload = mallory.post("/other/parts?uploads", "").expect(200).one("UploadId");
    let sources: Vec<_> = WAYS_OUT.iter().copied().chain([VICTIM, "victim/k", "%2Fvictim%2Fk", "victim%2fk"]).collect();
    for source in &sources {
        for target in ["/other/loot".to_owned(), format!("/other/parts?partNumber=1&uploadId={upload}")] {
            let copy = mallory.call("PUT", &target).header("x-amz-copy-source", *source).send();
            assert!((400..500).contains(&copy.status), "{source} -> {target}: {}", copy.text());
        }
        for version in ["null", "0", "../k", "%00"] {
            let versioned = format!("{source}?versionId={version}");
            let copy = mallory.call("PUT", "/other/loot").header("x-amz-copy-source", versioned).send();
            assert!((400..500).contains(&copy.status), "{source}?versionId={version}: {}", copy.text());
        }
    }
    assert_eq!(mallory.get("/other?list-type=2").expect(200).all("Key"), ["mine"]);
    told("copy sources", sources.len() * 6);
    stands(&mut server, &client);
}

#[test]
fn bucket_names_that_are_paths_name_no_bucket() {
    let (mut server, client) = besieged();
    let names = [
        ".",
        "..",
        "...",
        "%2e%2e",
        "a%2fb",
        "a%00b",
        "a%0ab",
        "-abc",
        "ABC",
        "a..b",
        "192.168.0.1",
        "a%ffb",
        "ab",
        "xn--a",
        "meta.sqlite-",
        "%20",
        "a%20b",
        "a%5cb",
        "a:b",
        "a*b",
        "a%3fb",
        "a%23b",
        "a%25b",
        "a%E2%80%AEb",
    ];
    for name in names {
        for method in ["PUT", "GET", "DELETE", "HEAD"] {
            let answer = client.call(method, &format!("/{name}")).send();
            assert!((300..500).contains(&answer.status), "{method} /{name}: {} {}", answer.status, answer.text());
        }
    }
    assert_eq!(client.get("/").expect(200).all("Name"), ["victim"]);
    told("bucket names", names.len() * 4);
    stands(&mut server, &client);
}

#[test]
fn control_bytes_in_keys_come_back_as_they_went_or_not_at_all() {
    let (mut server, client) = besieged();
    client.bucket("odd");
    let mut stored = 0;
    for byte in (0u8..=0x20).chain([0x7f]) {
        let target = format!("/odd/a%{byte:02x}b");
        let put = client.put(&target, [byte]);
        if put.status == 200 {
            assert_eq!(client.get(&target).expect(200).body, [byte]);
            stored += 1;
        } else {
            assert_eq!(put.status, 400, "{byte:#x}: {}", put.text());
        }
    }
    let listing = client.get("/odd?list-type=2&encoding-type=url").expect(200);
    assert_eq!(listing.all("Key").len(), stored);
    // Without the encoding the document must still be one: no raw control byte but those that XML has.
    let plain = client.get("/odd?list-type=2").expect(200);
    let forbidden = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    assert!(!plain.body.iter().any(forbidden), "{}", plain.text());
    for text in ["a\u{0}b", "a\u{1b}[2J", "\u{202e}gnp"] {
        let found = client.get(&format!("/odd?list-type=2&prefix={}", escape_value(text)));
        assert!(found.status == 200 || found.status == 400, "{text:?}: {}", found.text());
        assert!(!found.body.iter().any(forbidden), "{}", found.text());
    }
    told("control bytes", 34);
    stands(&mut server, &client);
}
