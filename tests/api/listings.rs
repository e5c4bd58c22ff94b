//! ListObjects, ListObjectsV2.

use std::collections::BTreeSet;

use super::support::client::escape_value;
use super::support::{Answer, Client, Server};

fn with_keys(keys: &[&str]) -> (Server, Client) {
    let server = Server::start();
    let client = server.client();
    client.bucket("list");
    for key in keys {
        client.put(&format!("/list/{}", super::support::client::escape_path(key)), "x").expect(200);
    }
    (server, client)
}

fn prefixes(answer: &Answer) -> Vec<String> {
    answer.all("CommonPrefixes").iter().map(|piece| piece.replace("<Prefix>", "").replace("</Prefix>", "")).collect()
}

/// The keys among `<Contents>`.
fn keys(answer: &Answer) -> Vec<String> {
    answer.all("Key")
}

#[test]
fn both_versions_list_keys_in_binary_order() {
    let (_server, client) = with_keys(&["b", "a/2", "a/1", "Z", "ä", "a", "a-", "a0"]);
    let expected = ["Z", "a", "a-", "a/1", "a/2", "a0", "b", "ä"];
    let v1 = client.get("/list").expect(200);
    assert_eq!(keys(&v1), expected);
    assert_eq!(v1.one("IsTruncated"), "false");
    assert_eq!(v1.one("NextMarker"), "");
    assert_eq!(v1.one("MaxKeys"), "1000");
    assert!(v1.text().contains("<Owner>"));
    let v2 = client.get("/list?list-type=2").expect(200);
    assert_eq!(keys(&v2), expected);
    assert_eq!(v2.one("KeyCount"), "8");
    assert!(!v2.text().contains("<Owner>"));
    assert!(client.get("/list?list-type=2&fetch-owner=true").text().contains("<Owner>"));
    assert_eq!(keys(&client.get("/list/?list-type=2").expect(200)), expected, "a trailing slash is the bucket");
}

#[test]
fn delimiters_fold_keys() {
    let (_server, client) = with_keys(&["a/1", "a/2", "a/b/3", "b", "c/4", "d//5"]);
    let root = client.get("/list?delimiter=/").expect(200);
    assert_eq!((keys(&root), prefixes(&root)), (vec!["b".to_owned()], vec!["a/".into(), "c/".into(), "d/".into()]));
    let below = client.get("/list?delimiter=/&prefix=a/").expect(200);
    assert_eq!((keys(&below), prefixes(&below)), (vec!["a/1".to_owned(), "a/2".into()], vec!["a/b/".to_owned()]));
    let long = client.get("/list?list-type=2&delimiter=%2F%2F").expect(200);
    assert_eq!(prefixes(&long), ["d//"]);
    assert_eq!(long.one("KeyCount"), "6");
    let partial = client.get("/list?delimiter=/&prefix=c").expect(200);
    assert_eq!(prefixes(&partial), ["c/"]);
}

#[test]
fn pages_join_into_the_whole() {
    let names: Vec<String> = (0..60).map(|n| format!("{}/{:02}", n % 7, n)).collect();
    let (mut server, client) = with_keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sorted = names;
    sorted.sort();
    for size in [1, 7, 59, 60] {
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        loop {
            let from = token.map(|token| format!("&continuation-token={}", escape_value(&token))).unwrap_or_default();
            let page = client.get(&format!("/list?list-type=2&max-keys={size}{from}")).expect(200);
            seen.extend(keys(&page));
            if page.one("IsTruncated") == "false" {
                assert_eq!(page.one("NextContinuationToken"), "");
                break;
            }
            token = Some(page.one("NextContinuationToken"));
        }
        assert_eq!(seen, sorted, "{size}");
    }
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/list?delimiter=/&max-keys=2&marker={}", escape_value(&marker))).expect(200);
        seen.extend(prefixes(&page));
        if page.one("IsTruncated") == "false" {
            break;
        }
        marker = page.one("NextMarker");
        assert!(!marker.is_empty(), "a delimiter listing names its next marker");
    }
    assert_eq!(seen, (0..7).map(|n| format!("{n}/")).collect::<Vec<_>>());
    let first = client.get("/list?list-type=2&max-keys=10").expect(200);
    server.stop();
    server.restart();
    let token = escape_value(&first.one("NextContinuationToken"));
    let second = server.client().get(&format!("/list?list-type=2&max-keys=10&continuation-token={token}")).expect(200);
    assert_eq!(keys(&second), sorted[10..20], "a token survives a restart");
}

#[test]
fn parameters_have_their_edges() {
    let (_server, client) = with_keys(&["a", "b", "c"]);
    assert_eq!(keys(&client.get("/list?list-type=2&start-after=a")), ["b", "c"]);
    assert_eq!(keys(&client.get("/list?marker=b")), ["c"]);
    let none = client.get("/list?list-type=2&max-keys=0").expect(200);
    assert_eq!((keys(&none).len(), none.one("IsTruncated").as_str()), (0, "false"));
    client.get("/list?max-keys=-1").expect_error(400, "InvalidArgument");
    client.get("/list?max-keys=many").expect_error(400, "InvalidArgument");
    assert_eq!(client.get("/list?max-keys=5000").expect(200).one("MaxKeys"), "1000");
    client.get("/list?list-type=2&continuation-token=nonsense!").expect_error(400, "InvalidArgument");
    client.get("/list?list-type=2&encoding-type=base9").expect_error(400, "InvalidArgument");
}

#[test]
fn difficult_keys_survive_both_encodings() {
    let difficult = ["a+b", "a b", "ü", "x&y<z>", "quote\"'", "tab\tnew\nline", "100%", "back\\slash"];
    let (_server, client) = with_keys(&difficult);
    let expected: BTreeSet<String> = difficult.iter().map(|&key| key.to_owned()).collect();
    let plain: BTreeSet<String> = keys(&client.get("/list").expect(200)).into_iter().collect();
    assert_eq!(plain, expected);
    let encoded = client.get("/list?list-type=2&encoding-type=url").expect(200);
    assert_eq!(encoded.one("EncodingType"), "url");
    assert!(encoded.text().contains("a%2Bb"), "{}", encoded.text());
    let decoded: BTreeSet<String> = keys(&encoded)
        .iter()
        .map(|key| percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned())
        .collect();
    assert_eq!(decoded, expected);
}

#[test]
fn a_listing_shows_a_write_at_once_and_a_delete_too() {
    let (_server, client) = with_keys(&[]);
    for round in 0..20 {
        client.put(&format!("/list/{round}"), "x").expect(200);
        assert_eq!(keys(&client.get("/list?list-type=2")), [round.to_string()]);
        client.delete(&format!("/list/{round}")).expect(204);
        assert!(keys(&client.get("/list?list-type=2")).is_empty());
    }
}
