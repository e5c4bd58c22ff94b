//! A reference model: random operations against the gateway and against a `BTreeMap`, with kills and restarts
//! among them, and in `locks` with a clock that is turned. A failure prints its seed; seeds that once failed are kept by name below.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::too_many_lines,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a test may die, speak, and ask the real clock"
)]

mod house;
mod locks;
#[path = "../support/mod.rs"]
mod support;
mod versions;

use std::collections::BTreeMap;

use support::client::{escape_path, escape_value};
use support::{Client, Server, md5_hex, noise};

/// Names that meet each other in every way that matters: prefixes, delimiters, order.
const KEYS: [&str; 14] =
    ["a", "a/", "a/b", "a/b/c", "a//", "a-b", "b", "b/1", "b/2", "b/10", "ä", "z z", "z+z", "z%2F"];
const PREFIXES: [&str; 7] = ["", "a", "a/", "a/b", "b/", "z", "none"];
const SIZES: [usize; 8] = [0, 1, 100, 16_384, 16_385, 100_000, 262_144, 600_001];

#[derive(Default)]
struct Model {
    objects: BTreeMap<String, Vec<u8>>,
    /// As they were answered: a multipart object's is not the MD5 of its body, and a copy keeps its source's.
    etags: BTreeMap<String, String>,
    uploads: BTreeMap<String, (String, BTreeMap<u32, Vec<u8>>)>,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, among: &[&'a T]) -> &'a T {
        among[self.roll(among.len())]
    }
}

fn target(key: &str) -> String {
    format!("/model/{}", escape_path(key))
}

fn put(client: &Client, model: &mut Model, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    let body = noise(dice.0, SIZES[dice.roll(SIZES.len())]);
    let condition = dice.roll(4);
    let current = model.etags.get(key).cloned();
    let mut call = client.call("PUT", &target(key)).body(body.clone());
    let mut expected = 200;
    match (condition, &current) {
        (1, current) => {
            call = call.header("if-none-match", "*");
            expected = if current.is_some() { 412 } else { 200 };
        }
        (2, Some(current)) => call = call.header("if-match", format!("\"{current}\"")),
        (2, None) => {
            call = call.header("if-match", "\"00000000000000000000000000000000\"");
            expected = 404;
        }
        (3, Some(_)) => {
            call = call.header("if-match", "\"00000000000000000000000000000000\"");
            expected = 412;
        }
        _ => {}
    }
    let answer = call.send().expect(expected);
    if expected == 200 {
        assert_eq!(answer.etag(), md5_hex(&body));
        model.etags.insert(key.to_owned(), answer.etag());
        model.objects.insert(key.to_owned(), body);
    }
}

fn read(client: &Client, model: &Model, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    let Some(body) = model.objects.get(key) else {
        client.get(&target(key)).expect_error(404, "NoSuchKey");
        return;
    };
    if body.is_empty() || dice.roll(2) == 0 {
        let answer = client.get(&target(key)).expect(200);
        assert!(answer.body == *body, "{key}: other bytes");
        return;
    }
    let from = dice.roll(body.len());
    let to = from + dice.roll(body.len() - from);
    let answer = client.call("GET", &target(key)).header("range", format!("bytes={from}-{to}")).send().expect(206);
    assert!(answer.body == body[from..=to], "{key}: other bytes in {from}-{to}");
}

fn delete(client: &Client, model: &mut Model, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    client.delete(&target(key)).expect(204);
    model.objects.remove(key);
    model.etags.remove(key);
}

fn copy(client: &Client, model: &mut Model, dice: &mut Dice) {
    let (from, to) = (dice.pick(&KEYS), dice.pick(&KEYS));
    let call = client.call("PUT", &target(to)).header("x-amz-copy-source", target(from));
    match model.objects.get(from).cloned() {
        _ if from == to => drop(call.send().expect_error(400, "InvalidRequest")),
        None => drop(call.send().expect_error(404, "NoSuchKey")),
        Some(body) => {
            let etag = call.send().expect(200).one("ETag").trim_matches('"').to_owned();
            assert_eq!(Some(&etag), model.etags.get(from));
            model.etags.insert(to.to_owned(), etag);
            model.objects.insert(to.to_owned(), body);
        }
    }
}

fn upload(client: &Client, model: &mut Model, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    let Some((upload, parts)) = model.uploads.get_mut(key) else {
        let upload = client.post(&format!("{}?uploads", target(key)), "").expect(200).one("UploadId");
        model.uploads.insert(key.to_owned(), (upload, BTreeMap::new()));
        return;
    };
    let at = format!("{}?uploadId={upload}", target(key));
    match dice.roll(6) {
        0 => {
            client.delete(&at).expect(204);
            model.uploads.remove(key);
        }
        1 if !parts.is_empty() => {
            let (&number, body) = parts.iter().nth(dice.roll(parts.len())).unwrap();
            let entry = format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", md5_hex(body));
            let done =
                client.post(&at, format!("<CompleteMultipartUpload>{entry}</CompleteMultipartUpload>")).expect(200);
            model.etags.insert(key.to_owned(), done.one("ETag").trim_matches('"').to_owned());
            model.objects.insert(key.to_owned(), body.clone());
            model.uploads.remove(key);
        }
        _ => {
            let number = 1 + dice.roll(5) as u32;
            let body = noise(dice.0, SIZES[dice.roll(SIZES.len())]);
            client.put(&format!("{at}&partNumber={number}"), body.clone()).expect(200);
            parts.insert(number, body);
        }
    }
}

/// What a listing must show: keys and common prefixes, in the order of both together.
fn expected_listing(model: &Model, prefix: &str, delimiter: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for key in model.objects.keys().filter(|key| key.starts_with(prefix)) {
        let rest = &key[prefix.len()..];
        let name = match rest.find(delimiter) {
            Some(at) if !delimiter.is_empty() => format!("{prefix}{}", &rest[..at + delimiter.len()]),
            _ => key.clone(),
        };
        if found.last() != Some(&name) {
            found.push(name);
        }
    }
    found
}

fn list(client: &Client, model: &Model, dice: &mut Dice) {
    let (prefix, delimiter) = (dice.pick(&PREFIXES), dice.pick(&["", "/", "b", "//"]));
    let size = 1 + dice.roll(4);
    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let query = format!(
            "/model?list-type=2&max-keys={size}&prefix={}&delimiter={}{from}",
            escape_value(prefix),
            escape_value(delimiter)
        );
        let page = client.get(&query).expect(200);
        let folded = page.all("CommonPrefixes");
        let folded = folded.iter().map(|piece| piece.replace("<Prefix>", "").replace("</Prefix>", ""));
        let mut names: Vec<String> = page.all("Key").into_iter().chain(folded).collect();
        names.sort();
        assert!(names.len() <= size);
        seen.extend(names);
        if page.one("IsTruncated") == "false" {
            break;
        }
        from = format!("&continuation-token={}", escape_value(&page.one("NextContinuationToken")));
    }
    assert_eq!(
        seen,
        expected_listing(model, prefix, delimiter),
        "prefix {prefix:?}, delimiter {delimiter:?}, pages of {size}"
    );
}

/// Runs `steps` random operations.
fn run(seed: u64, steps: usize) {
    let mut server = Server::start();
    let mut client = server.client();
    client.bucket("model");
    let (mut model, mut dice) = (Model::default(), Dice(seed | 1));
    for step in 0..steps {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match dice.roll(100) {
            0..=29 => put(&client, &mut model, &mut dice),
            30..=49 => read(&client, &model, &mut dice),
            50..=58 => delete(&client, &mut model, &mut dice),
            59..=68 => copy(&client, &mut model, &mut dice),
            69..=83 => upload(&client, &mut model, &mut dice),
            84..=97 => list(&client, &model, &mut dice),
            98 => {
                server.kill();
                server.restart();
                client = server.client();
            }
            _ => {
                server.stop();
                server.restart();
                client = server.client();
            }
        }));
        assert!(told.is_ok(), "seed {seed}, step {step}");
    }
    let listed = client.get("/model").expect(200).all("Key");
    assert_eq!(listed, model.objects.keys().cloned().collect::<Vec<_>>(), "seed {seed}");
    for (key, (upload, _)) in &model.uploads {
        client.delete(&format!("{}?uploadId={upload}", target(key))).expect(204);
    }
    for key in model.objects.keys() {
        client.delete(&target(key)).expect(204);
    }
    server.eventually("all chunks are collected", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn the_gateway_agrees_with_the_model() {
    for seed in [0x5eed_0001, 0x5eed_0003, 0x5eed_0005] {
        run(seed, 250);
    }
}

#[test]
fn the_etag_of_a_multipart_object_satisfies_a_condition() {
    run(18_174_844_103_365_019_507, 250);
}

#[test]
fn the_gateway_agrees_with_the_model_on_a_new_seed() {
    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    run(seed, 250);
}
