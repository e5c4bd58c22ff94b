//! Whether a gateway holds what the journal allows: versions, bodies, ETags, uploads and parts, and whether its
//! listings agree with what it serves.

use std::collections::{BTreeMap, BTreeSet};

use super::journal::{Contests, Slot, State, Upload, Version};
use super::support::client::{Answer, escape_path, escape_value};
use super::support::{Client, md5_hex};

/// The buckets of the workload: without and with versioning.
pub const PLAIN: &str = "plain";
/// See `PLAIN`.
pub const KEPT: &str = "kept";
/// What the keys of contests begin with.
pub const CONTEST: &str = "contest/";

/// What is wrong.
pub type Verdict = Result<(), String>;

#[derive(Debug, Default)]
struct Found {
    /// Oldest first: id, and the ETag unless it is a marker.
    versions: Vec<(String, Option<String>)>,
    /// Id, and the ETags of parts.
    uploads: Vec<(String, BTreeMap<u16, String>)>,
}

fn send(client: &Client, method: &str, target: &str, statuses: &[u16]) -> Result<Answer, String> {
    let answer = client.call(method, target).try_send().map_err(|error| format!("{method} {target}: {error}"))?;
    match statuses.contains(&answer.status) {
        true => Ok(answer),
        false => Err(format!("{method} {target}: {} {}", answer.status, answer.text())),
    }
}

fn versions(client: &Client, bucket: &str, found: &mut BTreeMap<String, Found>) -> Verdict {
    let mut markers = String::new();
    loop {
        let page = send(client, "GET", &format!("/{bucket}?versions{markers}"), &[200])?;
        for (kind, entry) in page.elements(&["Version", "DeleteMarker"]) {
            let etag = (kind == "Version").then(|| entry.one("ETag").trim_matches('"').to_owned());
            found.entry(entry.one("Key")).or_default().versions.insert(0, (entry.one("VersionId"), etag));
        }
        if page.one("IsTruncated") != "true" {
            return Ok(());
        }
        let (key, version) = (page.one("NextKeyMarker"), page.one("NextVersionIdMarker"));
        markers = format!("&key-marker={}&version-id-marker={}", escape_value(&key), escape_value(&version));
    }
}

fn current_keys(client: &Client, bucket: &str) -> Result<BTreeSet<String>, String> {
    let (mut keys, mut more) = (BTreeSet::new(), String::new());
    loop {
        let page = send(client, "GET", &format!("/{bucket}?list-type=2{more}"), &[200])?;
        keys.extend(page.all("Key"));
        if page.one("IsTruncated") != "true" {
            return Ok(keys);
        }
        more = format!("&continuation-token={}", escape_value(&page.one("NextContinuationToken")));
    }
}

fn uploads(client: &Client, bucket: &str, found: &mut BTreeMap<String, Found>) -> Verdict {
    let page = send(client, "GET", &format!("/{bucket}?uploads"), &[200])?;
    for (_, entry) in page.elements(&["Upload"]) {
        let (key, id) = (entry.one("Key"), entry.one("UploadId"));
        let listed = send(client, "GET", &format!("/{bucket}/{}?uploadId={id}", escape_path(&key)), &[200])?;
        let part = |(_, part): (String, Answer)| {
            (part.one("PartNumber").parse().unwrap(), part.one("ETag").trim_matches('"').to_owned())
        };
        let parts = listed.elements(&["Part"]).into_iter().map(part).collect();
        found.entry(key).or_default().uploads.push((id, parts));
    }
    Ok(())
}

/// The state with the ids that were found, if that is what was found.
fn matched(state: &State, found: &Found) -> Option<State> {
    let is_same = |version: &Version, (id, etag): &(String, Option<String>)| {
        version.id.as_ref().is_none_or(|known| known == id)
            && version.stored.as_ref().map(|stored| &stored.etag) == etag.as_ref()
    };
    let versions = &state.versions;
    if versions.len() != found.versions.len() || !versions.iter().zip(&found.versions).all(|(v, f)| is_same(v, f)) {
        return None;
    }
    let mut adopted = state.clone();
    for (version, (id, _)) in adopted.versions.iter_mut().zip(&found.versions) {
        version.id = Some(id.clone());
    }
    match (&mut adopted.upload, &found.uploads[..]) {
        (None, []) => Some(adopted),
        (Some(Upload { id, parts }), [(found_id, found_parts)]) => {
            let is_same_id = id.as_ref().is_none_or(|known| known == found_id);
            let same = parts.iter().map(|(number, part)| (number, &part.md5)).eq(found_parts.iter());
            *id = Some(found_id.clone());
            (is_same_id && same).then_some(adopted)
        }
        _ => None,
    }
}

fn serves(client: &Client, slot: &Slot, state: &State) -> Verdict {
    let path = format!("/{}/{}", slot.bucket, escape_path(&slot.key));
    for Version { id, stored } in &state.versions {
        let (Some(id), Some(stored)) = (id, stored) else { continue };
        let answer = send(client, "GET", &format!("{path}?versionId={id}"), &[200])?;
        if md5_hex(&answer.body) != stored.body.md5 || answer.etag() != stored.etag {
            return Err(format!("{path} {id}: {} bytes that are not those of its ETag", answer.body.len()));
        }
    }
    let latest = send(client, "HEAD", &path, &[200, 404])?;
    match (state.current(), latest.status) {
        (Some(stored), 200) if latest.etag() == stored.etag => Ok(()),
        (None, 404) => Ok(()),
        (current, status) => Err(format!("{path}: HEAD answers {status}, its versions say {current:?}")),
    }
}

/// Requires that the gateway holds what the journal allows at `cut`, then has the journal adopt that.
pub fn verify(client: &Client, slots: &mut [Slot], contests: &mut Contests, cut: u64) -> Verdict {
    for bucket in [PLAIN, KEPT] {
        let mut found = BTreeMap::new();
        versions(client, bucket, &mut found)?;
        uploads(client, bucket, &mut found)?;
        let mut listed = current_keys(client, bucket)?;
        for slot in slots.iter_mut().filter(|slot| slot.bucket == bucket) {
            let found = found.remove(&slot.key).unwrap_or_default();
            let legal = slot.legal(cut);
            let Some(state) = legal.iter().find_map(|state| matched(state, &found)) else {
                let key = &slot.key;
                return Err(format!(
                    "{bucket}/{key} at {cut}: found {found:#?}\nlegal: {legal:#?}\n{:#?}",
                    slot.events
                ));
            };
            serves(client, slot, &state)?;
            if listed.remove(&slot.key) != state.current().is_some() {
                return Err(format!("{bucket}/{}: LIST and GET disagree", slot.key));
            }
            slot.adopt(state);
        }
        if bucket == PLAIN {
            for (key, contest) in contests.iter_mut() {
                let found = found.remove(key).unwrap_or_default();
                let etag = found.versions.first().and_then(|(_, etag)| etag.as_deref());
                let stored =
                    contest.judge(cut, etag).map_err(|wrong| format!("{key} at {cut}: {wrong} {contest:#?}"))?;
                if listed.remove(key) != stored.is_some() {
                    return Err(format!("{key}: LIST and its versions disagree"));
                }
                contest.base = stored;
                contest.attempts.clear();
            }
        }
        if !listed.is_empty() || !found.is_empty() {
            return Err(format!("{bucket}: nobody wrote {listed:?} {found:?}"));
        }
    }
    Ok(())
}
