//! The model grown by object lock and lifecycle, under a clock that is turned. A process that is started cannot be
//! moved in time, so here the engine runs within the test, over each metadata store, on a machine of the test's own:
//! years pass, the clock leaps and goes back, the process restarts, the machine is off for days.
//!
//! Whatever happens, no version that is under a lock in true time goes, by any route. What lifecycle must remove
//! under the clock that it sees is removed, and nothing else.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use sluicegate::engine::EngineError;
use sluicegate::rules::lifecycle::{Expiration, Filter, Lifecycle, NoncurrentExpiration, Rule, Scope};
use sluicegate::rules::{DefaultRetention, ObjectLock, Period, Versioning};
use sluicegate::types::{
    AttributeChange, DocumentKind, Retention, RetentionMode, Tags, Timestamp, UploadId, VersionAttributes, VersionId,
};

use super::Dice;
use super::house::{DAY, HOUR, House, Kept};
use super::support::noise;

const KEYS: [&str; 5] = ["a", "a/x", "b", "b/y", "c"];
const SIZES: [usize; 4] = [0, 9, 300, 20_000];
/// A clock that is ahead by this is never believed, however long the machine was off.
const LEAP_DAYS: i64 = 61;
/// Reboots in a row under a wrong clock, so that a right one is still believed afterwards.
const REBOOTS_MAX: u32 = 3;

/// A version as the model knows it; a delete marker has no body.
#[derive(Clone)]
struct Version {
    id: VersionId,
    created: Timestamp,
    body: Option<Vec<u8>>,
    retention: Option<Retention>,
    hold: Option<bool>,
    tag: Option<&'static str>,
}

impl Version {
    fn marker(id: VersionId, created: Timestamp) -> Self {
        Self { id, created, body: None, retention: None, hold: None, tag: None }
    }

    /// How it is listed.
    fn kept(&self, key: &str) -> Kept {
        Kept { key: key.to_owned(), id: self.id, created: self.created, is_marker: self.body.is_none() }
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, created, body, retention, hold, tag } = self;
        let size = body.as_ref().map(Vec::len);
        write!(f, "{id} of {created:?}, {size:?} bytes, {retention:?}, hold {hold:?}, tag {tag:?}")
    }
}

struct Upload {
    key: &'static str,
    id: UploadId,
    initiated: Timestamp,
    attributes: VersionAttributes,
    tag: Option<&'static str>,
    part: Vec<u8>,
}

/// What the model says of an attempt. While the clock is wrong it may take longer to believe that a lock has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Goes,
    Stays,
    Either,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due {
    Expire,
    Remove,
}

struct Model {
    has_lock: bool,
    versioning: Versioning,
    /// Versions of each key, newest first.
    keys: BTreeMap<&'static str, Vec<Version>>,
    uploads: Vec<Upload>,
    rules: Vec<Rule>,
    default: Option<DefaultRetention>,
    reboots: u32,
}

fn days_later(start: Timestamp, days: u32) -> Timestamp {
    let reached = start.plus_seconds(i64::from(days) * DAY);
    let seconds = (reached.0 + 999_999) / 1_000_000;
    Timestamp::from_seconds((seconds + DAY - 1) / DAY * DAY)
}

/// Whether a rule speaks of a key and, of a version with a body, of its size and tag.
fn speaks(rule: &Rule, key: &str, object: Option<(usize, Option<&str>)>) -> bool {
    let Scope::Filter(filter) = &rule.scope else { panic!("the model makes filters only") };
    let wants_object = !filter.tags.is_empty() || filter.larger_than.is_some();
    let fits = match object {
        None => !wants_object,
        Some((size, tag)) => {
            filter.larger_than.is_none_or(|bound| size as u64 > bound)
                && filter.tags.iter().all(|(_, value)| tag == Some(value.as_str()))
        }
    };
    rule.enabled && fits && key.starts_with(filter.prefix.as_deref().unwrap_or_default())
}

impl Model {
    fn new(has_lock: bool) -> Self {
        let versioning = if has_lock { Versioning::Enabled } else { Versioning::Unversioned };
        let (keys, uploads, rules) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { has_lock, versioning, keys, uploads, rules, default: None, reboots: 0 }
    }

    /// Puts a version on top, where it replaces the null version unless versioning is on.
    fn push(&mut self, key: &'static str, version: Version) {
        let stack = self.keys.entry(key).or_default();
        if self.versioning != Versioning::Enabled {
            assert_eq!(version.id, VersionId::Null);
            stack.retain(|other| other.id != VersionId::Null);
        }
        assert!(stack.iter().all(|other| other.id != version.id), "every version has an id of its own");
        stack.insert(0, version);
    }

    fn any(&self, dice: &mut Dice) -> Option<(&'static str, Version)> {
        let all: Vec<_> = self.keys.iter().flat_map(|(key, stack)| stack.iter().map(|each| (*key, each))).collect();
        let found = all.get(dice.roll(all.len().max(1)))?;
        Some((found.0, found.1.clone()))
    }

    fn version(&mut self, key: &str, id: VersionId) -> &mut Version {
        self.keys.get_mut(key).and_then(|stack| stack.iter_mut().find(|version| version.id == id)).expect("it is there")
    }

    fn listing(&self) -> Vec<Kept> {
        let rows = |(key, stack): (&&str, &Vec<Version>)| stack.iter().map(|each| each.kept(key)).collect::<Vec<_>>();
        self.keys.iter().flat_map(rows).collect()
    }

    /// What is due at `now`, by the words of the documentation. Expiry of a current version hides or removes it.
    fn due(&self, now: Timestamp) -> Vec<(&'static str, Kept, Due)> {
        let mut due = Vec::new();
        for (key, stack) in &self.keys {
            let mut newer = 0;
            for (place, version) in stack.iter().enumerate() {
                let object = version.body.as_ref().map(|body| (body.len(), version.tag));
                let asks = |rule: &Rule| match (place, object) {
                    (0, None) if stack.len() > 1 => false,
                    (0, _) => match rule.expiration {
                        Some(Expiration::Days(days)) => days_later(version.created, days) <= now,
                        Some(Expiration::Date(at)) => Timestamp::from_seconds(at) <= now,
                        Some(Expiration::DeleteMarker(on)) => on && object.is_none() && version.created <= now,
                        None => false,
                    },
                    _ => rule.noncurrent.is_some_and(|NoncurrentExpiration { days, newer_versions }| {
                        newer >= newer_versions.unwrap_or(0) && days_later(stack[place - 1].created, days) <= now
                    }),
                };
                let what = if place == 0 && object.is_some() { Due::Expire } else { Due::Remove };
                if self.rules.iter().any(|rule| speaks(rule, key, object) && asks(rule)) {
                    due.push((*key, version.kept(key), what));
                }
                newer += u32::from(place > 0 && object.is_some());
            }
        }
        due
    }
}

/// What a lock says about the removal of a version now, in true time.
fn removal(house: &House, version: &Version, bypass: bool) -> Verdict {
    if version.hold == Some(true) {
        return Verdict::Stays;
    }
    match version.retention {
        Some(held) if held.until > house.machine.true_time() => {
            let yields = held.mode == RetentionMode::Governance && bypass;
            if yields { Verdict::Goes } else { Verdict::Stays }
        }
        Some(_) if !house.machine.is_right() => Verdict::Either,
        _ => Verdict::Goes,
    }
}

/// Compares what became of an attempt with the verdict; whether it was done.
fn judged<T: std::fmt::Debug>(verdict: Verdict, told: &Result<T, EngineError>) -> bool {
    match told {
        Ok(_) => assert_ne!(verdict, Verdict::Stays, "a lock was opened"),
        Err(EngineError::Locked(_)) => assert_ne!(verdict, Verdict::Goes, "nothing holds it"),
        Err(error) => panic!("{error}"),
    }
    told.is_ok()
}

fn some_retention(house: &House, dice: &mut Dice) -> Retention {
    let mode = if dice.roll(3) == 0 { RetentionMode::Compliance } else { RetentionMode::Governance };
    Retention { mode, until: house.machine.true_time().plus_seconds((1 + dice.roll(120) as i64) * HOUR) }
}

/// Attributes of a new version: in a bucket with a lock, sometimes a lock of its own.
fn some_attributes(house: &House, model: &Model, dice: &mut Dice) -> (VersionAttributes, Option<&'static str>) {
    let tag = [None, None, Some("yes"), Some("no")][dice.roll(4)];
    let mut attributes = VersionAttributes { tags: tags(tag), ..VersionAttributes::default() };
    if model.has_lock {
        attributes.retention = (dice.roll(3) == 0).then(|| some_retention(house, dice));
        attributes.legal_hold = (dice.roll(8) == 0).then_some(true);
    }
    (attributes, tag)
}

fn tags(tag: Option<&str>) -> Tags {
    Tags(tag.map(|value| ("keep".to_owned(), value.to_owned())).into_iter().collect())
}

/// Notes a version that was made. What the default gave it is read back and compared with what it promises.
async fn note(
    house: &House,
    model: &mut Model,
    made: (&'static str, Option<VersionId>, Vec<u8>),
    asked: (VersionAttributes, Option<&'static str>),
) {
    let (key, id, body) = made;
    let id = id.unwrap_or(VersionId::Null);
    let open = house.open(key, id).await.unwrap();
    let (created, shown) = (open.version().modified, open.version().metadata.attributes.clone());
    assert_eq!(created, house.machine.shown_time());
    match (asked.0.retention, model.default) {
        (None, Some(default)) => {
            let given = shown.retention.expect("the bucket's default");
            assert_eq!(given.mode, default.mode);
            assert!(given.until >= default.retention(created).until, "{given:?}");
            assert!(
                given.until >= default.retention(house.lock_time_kept()).until,
                "a clock that went back: {given:?}"
            );
            assert!(!house.machine.is_right() || given == default.retention(created), "{given:?}");
        }
        (asked, _) => assert_eq!(shown.retention, asked),
    }
    let (retention, hold) = (shown.retention, asked.0.legal_hold);
    model.push(key, Version { id, created, body: Some(body), retention, hold, tag: asked.1 });
}

async fn put(house: &House, model: &mut Model, dice: &mut Dice) {
    let (key, body) = (KEYS[dice.roll(KEYS.len())], noise(dice.0, SIZES[dice.roll(SIZES.len())]));
    let asked = some_attributes(house, model, dice);
    let written = house.put(key, &body, asked.0.clone()).await.unwrap();
    note(house, model, (key, written.version, body), asked).await;
}

async fn copy(house: &House, model: &mut Model, dice: &mut Dice) {
    let Some((from, source)) = model.any(dice) else { return };
    let to = KEYS[dice.roll(KEYS.len())];
    let Some(body) = source.body.filter(|_| from != to || model.versioning == Versioning::Enabled) else { return };
    let asked = some_attributes(house, model, dice);
    let written = house.copy((from, source.id), to, asked.0.clone()).await.unwrap();
    note(house, model, (to, written.version, body), asked).await;
}

async fn upload(house: &House, model: &mut Model, dice: &mut Dice) {
    let place = dice.roll(4);
    if place >= model.uploads.len() {
        let (key, part) = (KEYS[dice.roll(KEYS.len())], noise(dice.0, SIZES[1 + dice.roll(3)]));
        let (attributes, tag) = some_attributes(house, model, dice);
        let (id, initiated) = house.begin_upload(key, &part, attributes.clone()).await.unwrap();
        model.uploads.push(Upload { key, id, initiated, attributes, tag, part });
        return;
    }
    let Upload { key, id, attributes, tag, part, .. } = model.uploads.remove(place);
    if dice.roll(3) == 0 {
        house.abort(key, id).await.unwrap();
        return;
    }
    let written = house.complete(key, id, &part).await.unwrap();
    note(house, model, (key, written.version, part), (attributes, tag)).await;
}

async fn delete(house: &House, model: &mut Model, dice: &mut Dice) {
    if dice.roll(2) == 0 {
        let Some((key, version)) = model.any(dice) else { return };
        let bypass = dice.roll(2) == 0;
        let told = house.delete(key, Some(version.id), bypass).await;
        if judged(removal(house, &version, bypass), &told) {
            model.keys.get_mut(key).unwrap().retain(|other| other.id != version.id);
        }
        return;
    }
    let key = KEYS[dice.roll(KEYS.len())];
    let told = house.delete(key, None, dice.roll(2) == 0).await.unwrap();
    if model.versioning == Versioning::Unversioned {
        model.keys.remove(key);
        return;
    }
    assert!(told.delete_marker);
    model.push(key, Version::marker(told.version.unwrap(), house.machine.shown_time()));
}

async fn change(house: &House, model: &mut Model, dice: &mut Dice) {
    let Some((key, version)) = model.any(dice).filter(|(_, version)| version.body.is_some()) else { return };
    match dice.roll(if model.has_lock { 6 } else { 1 }) {
        0 => {
            let tag = [None, Some("yes"), Some("no")][dice.roll(3)];
            house.change(key, version.id, AttributeChange::Tags(tags(tag))).await.unwrap();
            model.version(key, version.id).tag = tag;
        }
        1 => {
            let on = dice.roll(3) == 0;
            house.change(key, version.id, AttributeChange::LegalHold(on)).await.unwrap();
            model.version(key, version.id).hold = Some(on);
        }
        _ => {
            let retention = (dice.roll(4) > 0).then(|| some_retention(house, dice));
            let bypass_governance = dice.roll(2) == 0;
            let verdict = match (version.retention, retention) {
                (None, _) => Verdict::Goes,
                (Some(old), Some(new)) if new.mode == old.mode && new.until >= old.until => Verdict::Goes,
                // A hold forbids removals only.
                (Some(_), _) => removal(house, &Version { hold: None, ..version.clone() }, bypass_governance),
            };
            let change = AttributeChange::Retention { retention, bypass_governance };
            if judged(verdict, &house.change(key, version.id, change).await) {
                model.version(key, version.id).retention = retention;
            }
        }
    }
}

fn some_rule(house: &House, dice: &mut Dice, number: usize) -> Rule {
    let filter = match dice.roll(5) {
        0 => Filter { tags: vec![("keep".to_owned(), "no".to_owned())], ..Filter::default() },
        1 => Filter { larger_than: Some(10), prefix: Some("a".to_owned()), ..Filter::default() },
        prefix => Filter { prefix: Some(["", "a", "b/"][prefix - 2].to_owned()), ..Filter::default() },
    };
    let days = |dice: &mut Dice| 1 + dice.roll(4) as u32;
    let expiration = match dice.roll(5) {
        0 => None,
        1 => Some(Expiration::DeleteMarker(true)),
        2 => Some(Expiration::Date(days_later(house.machine.shown_time(), days(dice)).seconds())),
        _ => Some(Expiration::Days(days(dice))),
    };
    let newer_versions = [None, None, Some(1), Some(2)][dice.roll(4)];
    let noncurrent = (dice.roll(3) > 0).then(|| NoncurrentExpiration { days: days(dice), newer_versions });
    let abort_days = (dice.roll(2) == 0).then(|| days(dice));
    let (id, enabled, scope) = (number.to_string(), dice.roll(5) > 0, Scope::Filter(filter));
    Rule { id, enabled, scope, expiration, noncurrent, abort_days }
}

async fn configure(house: &mut House, model: &mut Model, dice: &mut Dice) {
    match dice.roll(4) {
        0 | 1 => {
            let count = dice.roll(4);
            model.rules = (0..count).map(|number| some_rule(house, dice, number)).collect();
            let rules = Lifecycle { rules: model.rules.clone(), ..Lifecycle::default() };
            house.set(DocumentKind::Lifecycle, (count > 0).then(|| rules.to_document())).await.unwrap();
        }
        2 if model.has_lock => {
            let mode = some_retention(house, dice).mode;
            let period = Period::Days(1 + dice.roll(5) as u32);
            model.default = (dice.roll(2) == 0).then_some(DefaultRetention { mode, period });
            house
                .set(DocumentKind::ObjectLock, Some(ObjectLock { default: model.default }.to_document()))
                .await
                .unwrap();
        }
        _ if model.has_lock => {
            // The ways around a lock: none of them is open.
            let refused = |told| assert!(matches!(told, Err(EngineError::BucketState(_))), "{told:?}");
            refused(house.set(DocumentKind::ObjectLock, None).await);
            refused(house.set_versioning(Versioning::Suspended).await);
            refused(house.set_versioning(Versioning::Unversioned).await);
            refused(house.rename(KEYS[dice.roll(KEYS.len())], "elsewhere").await);
        }
        _ => {
            model.versioning = if dice.roll(2) == 0 { Versioning::Enabled } else { Versioning::Suspended };
            house.set_versioning(model.versioning).await.unwrap();
        }
    }
    if !model.keys.values().all(Vec::is_empty) {
        assert!(matches!(house.delete_bucket().await, Err(EngineError::BucketNotEmpty)));
    }
}

async fn turn(house: &mut House, model: &mut Model, dice: &mut Dice) {
    match dice.roll(12) {
        0..=3 => house.pass((1 + dice.roll(20) as i64) * HOUR).await,
        4 | 5 => house.pass((1 + dice.roll(4) as i64) * DAY).await,
        6 => house.machine.turn((LEAP_DAYS + dice.roll(400) as i64) * DAY),
        7 => house.machine.turn(-(1 + dice.roll(9000) as i64) * HOUR),
        8 if house.machine.is_right() || model.reboots < REBOOTS_MAX => {
            model.reboots += 1;
            house.reboot((1 + dice.roll(72) as i64) * HOUR).await;
        }
        8 | 9 => house.restart().await,
        _ => {
            model.reboots = 0;
            house.put_right().await;
        }
    }
}

/// Takes over what a pass did, if each removal was due and no lock forbade it, and each delete marker was asked for.
async fn take_over(house: &House, model: &mut Model, due: &[(&'static str, Kept, Due)]) {
    let (now, listed) = (house.machine.shown_time(), house.versions().await);
    for (key, stack) in &mut model.keys {
        let expires = due.iter().any(|(of, _, what)| of == key && *what == Due::Expire);
        let is_kept = |version: &Version| listed.contains(&version.kept(key));
        for version in stack.iter().filter(|version| !is_kept(version)) {
            let is_due = due.iter().any(|(_, row, _)| *row == version.kept(key));
            let is_replaced = expires && model.versioning == Versioning::Suspended && version.id == VersionId::Null;
            assert!(is_due || is_replaced, "{key} {version:?} is not due at {now:?}: {:?}", model.rules);
            assert_ne!(removal(house, version, false), Verdict::Stays, "lifecycle opened a lock: {version:?}");
        }
        stack.retain(is_kept);
        let is_new = |row: &&Kept| row.key == *key && stack.iter().all(|version| version.kept(key) != **row);
        let made: Vec<_> = listed.iter().filter(is_new).collect();
        assert!(made.len() <= 1, "{made:?}");
        for row in made {
            assert!(row.is_marker && expires && row.created == now, "{row:?} came from nowhere");
            stack.insert(0, Version::marker(row.id, row.created));
        }
    }
    let aborts = |upload: &Upload| {
        let is_due = |rule: &Rule| rule.abort_days.is_some_and(|days| days_later(upload.initiated, days) <= now);
        model.rules.iter().any(|rule| speaks(rule, upload.key, None) && is_due(rule))
    };
    model.uploads = std::mem::take(&mut model.uploads).into_iter().filter(|upload| !aborts(upload)).collect();
}

/// Runs passes until one does nothing. Each removes only what was due before it, and the last leaves nothing due.
async fn lifecycle(house: &House, model: &mut Model) {
    // Every pass but the last hides or removes at least one version, or ends an upload.
    let passes_max = 2 * model.listing().len() + model.uploads.len() + 1;
    for pass in 0.. {
        assert!(pass <= passes_max, "lifecycle comes to an end");
        let due = model.due(house.machine.shown_time());
        let is_busy = house.lifecycle_pass().await;
        take_over(house, model, &due).await;
        if !is_busy {
            break;
        }
    }
    for (key, row, what) in model.due(house.machine.shown_time()) {
        let version = model.version(key, row.id).clone();
        assert_eq!(what, Due::Remove, "{version:?} is due and was not expired");
        assert_ne!(removal(house, &version, false), Verdict::Goes, "{key} {version:?} is due and was not removed");
    }
}

/// Compares all that is there with the model: ids, order, times, and now and then bytes, locks and tags.
async fn agree(house: &House, model: &Model, is_deep: bool) {
    assert_eq!(house.versions().await, model.listing());
    let mut uploads: Vec<_> = model.uploads.iter().map(|upload| (upload.key.to_owned(), upload.id)).collect();
    uploads.sort();
    assert_eq!(house.uploads().await, uploads);
    for (key, version) in model.keys.iter().flat_map(|(key, stack)| stack.iter().map(move |version| (key, version))) {
        let Some(body) = version.body.as_ref().filter(|_| is_deep) else { continue };
        let open = house.open(key, version.id).await.unwrap();
        let attributes = &open.version().metadata.attributes;
        let expected = (version.retention, version.hold, tags(version.tag));
        assert_eq!((attributes.retention, attributes.legal_hold, attributes.tags.clone()), expected);
        assert!(House::read(open).await == *body, "{key}: other bytes");
    }
}

async fn step(house: &mut House, model: &mut Model, dice: &mut Dice) {
    match dice.roll(100) {
        0..=29 => put(house, model, dice).await,
        30..=35 => copy(house, model, dice).await,
        36..=43 => upload(house, model, dice).await,
        44..=60 => delete(house, model, dice).await,
        61..=72 => change(house, model, dice).await,
        73..=79 => configure(house, model, dice).await,
        80..=91 => turn(house, model, dice).await,
        _ => lifecycle(house, model).await,
    }
    agree(house, model, dice.roll(20) == 0).await;
}

/// Runs `steps` random operations on a bucket with or without an object lock.
fn run(seed: u64, steps: usize, is_sqlite: bool, has_lock: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut house = runtime.block_on(House::new(is_sqlite, has_lock));
    let (mut model, mut dice) = (Model::new(has_lock), Dice(seed | 1));
    for number in 0..steps {
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(step(&mut house, &mut model, &mut dice));
        }));
        assert!(told.is_ok(), "seed {seed}, step {number}, SQLite {is_sqlite}, lock {has_lock}");
    }
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            agree(&house, &model, true).await;
            house.verify().await;
        });
    }));
    assert!(told.is_ok(), "seed {seed}, at the end, SQLite {is_sqlite}, lock {has_lock}");
}

fn run_everywhere(seed: u64) {
    for has_lock in [true, false] {
        run(seed, 1500, false, has_lock);
        run(seed, 400, true, has_lock);
    }
}

#[test]
fn locks_and_lifecycle_agree_with_the_model_under_a_turned_clock() {
    for seed in [0x5eed_000b, 0x5eed_000d, 0x5eed_000f] {
        run_everywhere(seed);
    }
}

#[test]
fn a_clock_that_is_put_right_is_believed_although_the_process_restarted_meanwhile() {
    run(1_534_316_350_123_687_505, 300, false, true);
    run(1_459_519_404_732_361_793, 400, false, true);
}

#[test]
fn a_clock_that_was_behind_when_the_machine_came_up_has_to_be_confirmed_when_it_is_put_right() {
    run(14_980_033_817_930_053_637, 1_000, false, true);
}

#[test]
fn locks_and_lifecycle_agree_with_the_model_on_a_new_seed() {
    let seed = rand::random::<u64>();
    eprintln!("seed {seed}");
    run_everywhere(seed);
}
