//! The model grown by versions: every key is a stack, newest first.

use std::collections::BTreeMap;

use super::support::client::{Answer, escape_value};
use super::support::{Client, Server, noise};
use super::{Dice, target};

const KEYS: [&str; 5] = ["a", "a/", "a/b", "b", "z+z"];
const SIZES: [usize; 4] = [0, 1, 16_385, 300_000];

/// An id and the body; a delete marker has none.
type Version = (String, Option<Vec<u8>>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Never,
    Enabled,
    Suspended,
}

struct Stacks {
    state: State,
    keys: BTreeMap<String, Vec<Version>>,
}

impl Stacks {
    /// Puts a version on top. Unless versioning is on it is the null version, and there is only one of those.
    fn push(&mut self, key: &str, named: Option<&str>, body: Option<Vec<u8>>) {
        let stack = self.keys.entry(key.to_owned()).or_default();
        if self.state != State::Enabled {
            assert!(named.is_none() || named == Some("null"));
            stack.retain(|(id, _)| id != "null");
        }
        let id = named.unwrap_or("null").to_owned();
        assert!(stack.iter().all(|(other, _)| *other != id), "every version has an id of its own");
        stack.insert(0, (id, body));
    }

    fn newest(&self, key: &str) -> Option<&Version> {
        self.keys.get(key)?.first()
    }

    /// Some version of a key, or an id that no version has.
    fn any(&self, key: &str, dice: &mut Dice) -> (String, Option<Option<Vec<u8>>>) {
        match self.keys.get(key).filter(|stack| !stack.is_empty() && dice.roll(8) > 0) {
            Some(stack) => {
                let (id, body) = stack[dice.roll(stack.len())].clone();
                (id, Some(body))
            }
            None => ("0123456789abcdef0123456789abcdef".to_owned(), None),
        }
    }

    /// What ListObjectVersions must show: key, id, size of a version, and whether it is the newest.
    fn listing(&self) -> Vec<(String, String, Option<usize>, bool)> {
        let rows = self.keys.iter().flat_map(|(key, stack)| {
            let row =
                |(at, (id, body)): (usize, &Version)| (key.clone(), id.clone(), body.as_ref().map(Vec::len), at == 0);
            stack.iter().enumerate().map(row)
        });
        rows.collect()
    }
}

fn id_of(answer: &Answer) -> Option<&str> {
    answer.header("x-amz-version-id")
}

fn set_state(client: &Client, stacks: &mut Stacks, dice: &mut Dice) {
    stacks.state = if dice.roll(2) == 0 { State::Enabled } else { State::Suspended };
    let status = format!("<Status>{:?}</Status>", stacks.state);
    client.put("/model?versioning", format!("<VersioningConfiguration>{status}</VersioningConfiguration>")).expect(200);
}

fn put(client: &Client, stacks: &mut Stacks, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    let body = noise(dice.0, SIZES[dice.roll(SIZES.len())]);
    let answer = client.put(&target(key), body.clone()).expect(200);
    assert_eq!(id_of(&answer).is_some(), stacks.state == State::Enabled);
    stacks.push(key, id_of(&answer), Some(body));
}

fn copy(client: &Client, stacks: &mut Stacks, dice: &mut Dice) {
    let (from, to) = (dice.pick(&KEYS), dice.pick(&KEYS));
    let (id, body) = stacks.any(from, dice);
    if id == "null" && from == to && stacks.state != State::Enabled {
        return;
    }
    let source = format!("{}?versionId={id}", target(from));
    let answer = client.call("PUT", &target(to)).header("x-amz-copy-source", source).send();
    match body {
        Some(Some(body)) => {
            let answer = answer.expect(200);
            stacks.push(to, id_of(&answer), Some(body));
        }
        Some(None) => drop(answer.expect_error(400, "InvalidRequest")),
        None => drop(answer.expect_error(404, "NoSuchVersion")),
    }
}

fn read(client: &Client, stacks: &Stacks, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    let named = stacks.any(key, dice);
    let answer = client.get(&format!("{}?versionId={}", target(key), named.0));
    match named.1 {
        Some(Some(body)) => assert!(answer.expect(200).body == body, "{key}: other bytes"),
        Some(None) => drop(answer.expect_error(405, "MethodNotAllowed")),
        None => drop(answer.expect_error(404, "NoSuchVersion")),
    }
    let answer = client.get(&target(key));
    match stacks.newest(key) {
        Some((id, Some(body))) => {
            let answer = answer.expect(200);
            assert!(answer.body == *body, "{key}: other bytes");
            assert_eq!(id_of(&answer), Some(id.as_str()).filter(|_| stacks.state != State::Never));
        }
        Some((id, None)) => assert_eq!(id_of(&answer.expect_error(404, "NoSuchKey")), Some(id.as_str())),
        None => assert_eq!(id_of(&answer.expect_error(404, "NoSuchKey")), None),
    }
}

fn delete(client: &Client, stacks: &mut Stacks, dice: &mut Dice) {
    let key = dice.pick(&KEYS);
    if dice.roll(3) == 0 {
        let (id, _) = stacks.any(key, dice);
        client.delete(&format!("{}?versionId={id}", target(key))).expect(204);
        stacks.keys.entry(key.to_owned()).or_default().retain(|(other, _)| *other != id);
        return;
    }
    let answer = client.delete(&target(key)).expect(204);
    assert_eq!(answer.header("x-amz-delete-marker").is_some(), stacks.state != State::Never);
    if stacks.state == State::Never {
        stacks.keys.remove(key);
    } else {
        stacks.push(key, id_of(&answer), None);
    }
}

fn list(client: &Client, stacks: &Stacks, size: usize) {
    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/model?versions&max-keys={size}{from}")).expect(200);
        let rows = page.elements(&["Version", "DeleteMarker"]);
        assert!(rows.len() <= size);
        seen.extend(rows.iter().map(|(name, row)| {
            let size = (name == "Version").then(|| row.one("Size").parse::<usize>().unwrap());
            (row.one("Key"), row.one("VersionId"), size, row.one("IsLatest") == "true")
        }));
        if page.one("IsTruncated") == "false" {
            break;
        }
        let (key, version) = (escape_value(&page.one("NextKeyMarker")), page.one("NextVersionIdMarker"));
        from = format!("&key-marker={key}&version-id-marker={version}");
    }
    assert_eq!(seen, stacks.listing(), "pages of {size}");
    let current = stacks.keys.iter().filter(|(_, stack)| stack.first().is_some_and(|(_, body)| body.is_some()));
    let current: Vec<&String> = current.map(|(key, _)| key).collect();
    assert_eq!(client.get("/model").expect(200).all("Key").iter().collect::<Vec<_>>(), current);
}

/// Runs `steps` random operations.
fn run(seed: u64, steps: usize) {
    let mut server = Server::start();
    let mut client = server.client();
    client.bucket("model");
    let mut stacks = Stacks { state: State::Never, keys: BTreeMap::new() };
    let mut dice = Dice(seed | 1);
    for step in 0..steps {
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match dice.roll(100) {
            0..=34 => put(&client, &mut stacks, &mut dice),
            35..=44 => copy(&client, &mut stacks, &mut dice),
            45..=59 => read(&client, &stacks, &mut dice),
            60..=84 => delete(&client, &mut stacks, &mut dice),
            85..=93 => list(&client, &stacks, 1 + dice.roll(5)),
            94..=98 => set_state(&client, &mut stacks, &mut dice),
            _ => {
                server.kill();
                server.restart();
                client = server.client();
            }
        }));
        assert!(told.is_ok(), "seed {seed}, step {step}");
    }
    list(&client, &stacks, 7);
    for (key, id, ..) in stacks.listing() {
        client.delete(&format!("{}?versionId={id}", target(&key))).expect(204);
    }
    client.delete("/model").expect(204);
    server.eventually("all chunks are collected", || server.chunk_files().is_empty());
    server.stop_and_check();
}

#[test]
fn the_gateway_agrees_with_the_model_of_versions() {
    for seed in [0x5eed_0007, 0x5eed_0009] {
        run(seed, 300);
    }
}

#[test]
fn the_gateway_agrees_with_the_model_of_versions_on_a_new_seed() {
    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    run(seed, 300);
}
