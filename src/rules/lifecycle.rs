//! Lifecycle: which version, delete marker or upload is due under the rules of its bucket, and when.
//!
//! Pure: a configuration, the facts of one version and a moment go in, an action comes out. The worker, the dry
//! run, the answers' headers and the transactions all ask here, so they cannot disagree.
//!
//! Source: Amazon S3 User Guide, "Managing the lifecycle of objects", "Lifecycle configuration elements".

use serde::{Deserialize, Serialize};

use crate::types::{Tags, Timestamp};

/// Seconds of a day.
pub const DAY_SECONDS: u32 = 24 * 60 * 60;

const MICROS: i64 = 1_000_000;

/// How long a day of a rule is: a real one, or less in rehearsals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayLength(i64);

impl Default for DayLength {
    fn default() -> Self {
        Self::of_seconds(DAY_SECONDS)
    }
}

impl DayLength {
    /// Days of that many seconds.
    ///
    /// # Panics
    /// If it is 0: nothing would ever be young.
    pub fn of_seconds(seconds: u32) -> Self {
        assert!(seconds > 0, "a day takes time");
        Self(i64::from(seconds))
    }

    /// Its seconds.
    pub fn seconds(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// `days` after `start`, rounded up to the next midnight UTC, as S3 counts.
    pub fn after(self, start: Timestamp, days: u32) -> Timestamp {
        let day = self.0 * MICROS;
        let passed = start.0.saturating_add(i64::from(days).saturating_mul(day));
        let into_day = passed.rem_euclid(day);
        Timestamp(if into_day == 0 { passed } else { passed.saturating_add(day - into_day) })
    }
}

/// The lifecycle configuration of a bucket, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Its rules, in the order of arrival.
    pub rules: Vec<Rule>,
    /// `x-amz-transition-default-minimum-object-size`, kept for whoever asks: nothing is ever moved.
    pub transition_minimum: TransitionMinimum,
}

/// From which size on objects would be moved by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransitionMinimum {
    /// `all_storage_classes_128K`.
    #[default]
    AllClasses128K,
    /// `varies_by_storage_class`.
    VariesByClass,
}

impl TransitionMinimum {
    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllClasses128K => "all_storage_classes_128K",
            Self::VariesByClass => "varies_by_storage_class",
        }
    }

    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::AllClasses128K, Self::VariesByClass].into_iter().find(|value| value.name() == name)
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its unique id.
    pub id: String,
    /// Whether it is in force.
    pub enabled: bool,
    /// Where it applies.
    pub scope: Scope,
    /// What becomes of current versions and of lone delete markers.
    pub expiration: Option<Expiration>,
    /// What becomes of noncurrent versions.
    pub noncurrent: Option<NoncurrentExpiration>,
    /// Days after which an unfinished upload is aborted.
    pub abort_days: Option<u32>,
}

/// Where a rule applies, in the form in which it was put.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The old form: a `Prefix` directly in the rule.
    Prefix(String),
    /// A `Filter` with at most one predicate.
    Filter(Filter),
    /// A `Filter` with an `And`.
    And(Filter),
}

impl Scope {
    /// What it asks of a version.
    pub fn admits(&self, key: &str, object: Option<ObjectFacts<'_>>) -> bool {
        match self {
            Self::Prefix(prefix) => key.starts_with(prefix),
            Self::Filter(filter) | Self::And(filter) => filter.admits(key, object),
        }
    }

    /// Whether it asks for tags.
    pub fn has_tags(&self) -> bool {
        match self {
            Self::Prefix(_) => false,
            Self::Filter(filter) | Self::And(filter) => !filter.tags.is_empty(),
        }
    }

    /// Whether it asks for more than a prefix: then it fits objects only, neither delete markers nor uploads.
    pub fn needs_object(&self) -> bool {
        match self {
            Self::Prefix(_) => false,
            Self::Filter(filter) | Self::And(filter) => filter.needs_object(),
        }
    }
}

/// Predicates that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The key begins so.
    pub prefix: Option<String>,
    /// The version has all of these tags.
    pub tags: Vec<(String, String)>,
    /// The body has more bytes.
    pub larger_than: Option<u64>,
    /// The body has fewer bytes.
    pub smaller_than: Option<u64>,
}

impl Filter {
    fn needs_object(&self) -> bool {
        !self.tags.is_empty() || self.larger_than.is_some() || self.smaller_than.is_some()
    }

    fn admits(&self, key: &str, object: Option<ObjectFacts<'_>>) -> bool {
        if !self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix)) {
            return false;
        }
        let Some(ObjectFacts { size, tags }) = object else { return !self.needs_object() };
        let has_tags = |tags: &Tags| self.tags.iter().all(|(name, value)| tags.value(name) == Some(value));
        self.larger_than.is_none_or(|bound| size > bound)
            && self.smaller_than.is_none_or(|bound| size < bound)
            && tags.is_none_or(has_tags)
    }
}

/// What filters ask about an object beside its key.
#[derive(Clone, Copy, Debug)]
pub struct ObjectFacts<'a> {
    /// Bytes of its body.
    pub size: u64,
    /// Its tags; `None` if they are not known yet: then no rule is ruled out for them.
    pub tags: Option<&'a Tags>,
}

/// When a current version expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// So many days after its creation.
    Days(u32),
    /// At that moment, in seconds since 1970: a midnight UTC.
    Date(i64),
    /// Not at all; a delete marker that nothing hides behind goes, if true.
    DeleteMarker(bool),
}

/// When a noncurrent version goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentExpiration {
    /// So many days after it became noncurrent.
    pub days: u32,
    /// But only if so many newer noncurrent versions are there.
    pub newer_versions: Option<u32>,
}

/// A version as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct VersionFacts<'a> {
    /// Its key.
    pub key: &'a str,
    /// When it was created.
    pub created: Timestamp,
    /// What filters ask; `None` for a delete marker.
    pub object: Option<ObjectFacts<'a>>,
    /// Where it stands among the versions of its key.
    pub position: Position,
}

/// Where a version stands among the versions of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is the newest.
    Current {
        /// And the only one.
        is_alone: bool,
    },
    /// A newer one hides it.
    Noncurrent {
        /// When the next newer one was created.
        since: Timestamp,
        /// Noncurrent versions, not counting delete markers, between it and the current one.
        newer: u32,
    },
}

/// What is to be done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What a DELETE without a version does: it is hidden behind a delete marker, or removed where versioning
    /// never was on.
    Expire,
    /// The noncurrent version is removed for good.
    RemoveNoncurrent {
        /// Newer noncurrent versions that must still be there.
        newer_min: u32,
    },
    /// The delete marker, behind which nothing is left, is removed.
    RemoveMarker,
}

impl Action {
    /// Its name, for people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expire => "expire",
            Self::RemoveNoncurrent { .. } => "remove-noncurrent",
            Self::RemoveMarker => "remove-delete-marker",
        }
    }
}

/// What is due, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due<'r> {
    /// What is to be done.
    pub action: Action,
    /// The rule that asks for it soonest.
    pub rule: &'r Rule,
    /// Since when.
    pub at: Timestamp,
}

impl Lifecycle {
    /// What is due at `now`. Of several rules the one that was due first is named; all of them ask for the same.
    pub fn due(&self, version: &VersionFacts<'_>, now: Timestamp, day: DayLength) -> Option<Due<'_>> {
        let rules = self.rules.iter().filter(|rule| rule.enabled && rule.scope.admits(version.key, version.object));
        let asked = rules.filter_map(|rule| {
            let (action, at) = rule.asks(version, day)?;
            Some(Due { action, rule, at })
        });
        asked.filter(|due| due.at <= now).min_by_key(|due| due.at)
    }

    /// When the current version that was created at `created` expires, and by which rule: what
    /// `x-amz-expiration` says.
    pub fn expiry(
        &self,
        key: &str,
        object: ObjectFacts<'_>,
        created: Timestamp,
        day: DayLength,
    ) -> Option<(Timestamp, &Rule)> {
        let rules = self.rules.iter().filter(|rule| rule.enabled && rule.scope.admits(key, Some(object)));
        rules.filter_map(|rule| Some((rule.expiry(created, day)?, rule))).min_by_key(|(at, _)| *at)
    }

    /// When an upload of `key` is aborted, and by which rule.
    pub fn abort(&self, key: &str, initiated: Timestamp, day: DayLength) -> Option<(Timestamp, &Rule)> {
        let rules = self.rules.iter().filter(|rule| rule.enabled && rule.scope.admits(key, None));
        rules.filter_map(|rule| Some((day.after(initiated, rule.abort_days?), rule))).min_by_key(|(at, _)| *at)
    }

    /// The document of this configuration.
    pub fn to_document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a configuration is plain data")
    }

    /// The configuration of a document; `None` if it is none.
    pub fn from_document(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }
}

impl Rule {
    fn expiry(&self, created: Timestamp, day: DayLength) -> Option<Timestamp> {
        match self.expiration? {
            Expiration::Days(days) => Some(day.after(created, days)),
            Expiration::Date(seconds) => Some(Timestamp::from_seconds(seconds)),
            Expiration::DeleteMarker(_) => None,
        }
    }

    fn asks(&self, version: &VersionFacts<'_>, day: DayLength) -> Option<(Action, Timestamp)> {
        match (version.position, version.object) {
            (Position::Current { .. }, Some(_)) => Some((Action::Expire, self.expiry(version.created, day)?)),
            (Position::Current { is_alone: false }, None) => None,
            (Position::Current { is_alone: true }, None) => match self.expiration? {
                Expiration::DeleteMarker(true) => Some((Action::RemoveMarker, version.created)),
                // S3 cleans lone markers up with any expiration once they are as old as it asks.
                Expiration::DeleteMarker(false) => None,
                Expiration::Days(_) | Expiration::Date(_) => {
                    Some((Action::RemoveMarker, self.expiry(version.created, day)?))
                }
            },
            (Position::Noncurrent { since, newer }, _) => {
                let NoncurrentExpiration { days, newer_versions } = self.noncurrent?;
                let newer_min = newer_versions.unwrap_or(0);
                (newer >= newer_min).then(|| (Action::RemoveNoncurrent { newer_min }, day.after(since, days)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{
        Action, DAY_SECONDS, DayLength, Expiration, Filter, Lifecycle, NoncurrentExpiration, ObjectFacts, Position,
        Rule, Scope, TransitionMinimum, VersionFacts,
    };
    use crate::types::{Tags, Timestamp};

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_iso(text).unwrap()
    }

    fn rule(id: &str, scope: Scope) -> Rule {
        Rule { id: id.to_owned(), enabled: true, scope, expiration: None, noncurrent: None, abort_days: None }
    }

    fn prefix(text: &str) -> Scope {
        Scope::Prefix(text.to_owned())
    }

    fn expiring(id: &str, scope: Scope, expiration: Expiration) -> Rule {
        Rule { expiration: Some(expiration), ..rule(id, scope) }
    }

    fn config(rules: Vec<Rule>) -> Lifecycle {
        Lifecycle { rules, ..Lifecycle::default() }
    }

    fn object<'a>(key: &'a str, created: Timestamp, position: Position) -> VersionFacts<'a> {
        VersionFacts { key, created, object: Some(ObjectFacts { size: 10, tags: None }), position }
    }

    const CURRENT: Position = Position::Current { is_alone: true };

    #[test]
    fn days_end_at_the_next_midnight() {
        let day = DayLength::default();
        let table = [
            ("2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"),
            ("2014-01-15T00:00:00Z", 3, "2014-01-18T00:00:00Z"),
            ("2014-01-15T23:59:59.999999Z", 1, "2014-01-17T00:00:00Z"),
            ("2014-01-15T00:00:00.000001Z", 1, "2014-01-17T00:00:00Z"),
        ];
        for (created, days, due) in table {
            assert_eq!(day.after(at(created), days), at(due), "{created} + {days}");
        }
        let ten = DayLength::of_seconds(10);
        assert_eq!(ten.after(Timestamp::from_seconds(101), 2), Timestamp::from_seconds(130));
    }

    #[test]
    fn a_current_version_expires_by_the_rule_that_comes_first() {
        let rules = config(vec![
            expiring("late", prefix("a/"), Expiration::Days(9)),
            expiring("soon", prefix("a/"), Expiration::Days(2)),
            expiring("elsewhere", prefix("b/"), Expiration::Days(1)),
            Rule { enabled: false, ..expiring("off", prefix("a/"), Expiration::Days(1)) },
        ]);
        let version = object("a/k", at("2020-01-01T12:00:00Z"), CURRENT);
        let due =
            |now| rules.due(&version, at(now), DayLength::default()).map(|due| (due.action, due.rule.id.as_str()));
        assert_eq!(due("2020-01-03T23:59:59Z"), None);
        assert_eq!(due("2020-01-04T00:00:00Z"), Some((Action::Expire, "soon")));
        assert_eq!(due("2021-01-01T00:00:00Z"), Some((Action::Expire, "soon")));
        let facts = ObjectFacts { size: 10, tags: None };
        let (when, by) = rules.expiry("a/k", facts, version.created, DayLength::default()).unwrap();
        assert_eq!((when, by.id.as_str()), (at("2020-01-04T00:00:00Z"), "soon"));
    }

    #[test]
    fn a_date_is_the_same_for_all() {
        let date = at("2020-06-01T00:00:00Z");
        let rules = config(vec![expiring("r", prefix(""), Expiration::Date(date.seconds()))]);
        let version = object("k", at("2020-05-31T23:00:00Z"), CURRENT);
        assert!(rules.due(&version, Timestamp(date.0 - 1), DayLength::default()).is_none());
        assert!(rules.due(&version, date, DayLength::default()).is_some());
    }

    #[test]
    fn noncurrent_versions_count_from_their_successor_and_the_newest_stay() {
        let noncurrent = Some(NoncurrentExpiration { days: 1, newer_versions: Some(2) });
        let rules = config(vec![Rule { noncurrent, ..rule("n", prefix("")) }]);
        let now = at("2020-01-10T00:00:00Z");
        let due = |since, newer| {
            let position = Position::Noncurrent { since: at(since), newer };
            rules.due(&object("k", at("2010-01-01T00:00:00Z"), position), now, DayLength::default())
        };
        assert!(due("2020-01-08T00:00:00Z", 1).is_none(), "one of the two newest");
        assert!(due("2020-01-09T12:00:00Z", 2).is_none(), "not old enough as a noncurrent one");
        let found = due("2020-01-09T00:00:00Z", 2).unwrap();
        assert_eq!(found.action, Action::RemoveNoncurrent { newer_min: 2 });
    }

    #[test]
    fn a_delete_marker_goes_when_nothing_is_behind_it() {
        let now = at("2020-01-10T00:00:00Z");
        let day = DayLength::default();
        let marker = |is_alone| VersionFacts {
            key: "k",
            created: at("2020-01-08T12:00:00Z"),
            object: None,
            position: Position::Current { is_alone },
        };
        let by = |expiration| config(vec![expiring("m", prefix(""), expiration)]);
        let cleaning = by(Expiration::DeleteMarker(true));
        assert_eq!(cleaning.due(&marker(true), now, day).map(|due| due.action), Some(Action::RemoveMarker));
        assert!(cleaning.due(&marker(false), now, day).is_none());
        assert!(cleaning.due(&object("k", now, CURRENT), now, day).is_none(), "objects stay");
        assert!(by(Expiration::DeleteMarker(false)).due(&marker(true), now, day).is_none());
        assert!(by(Expiration::Days(1)).due(&marker(true), now, day).is_some(), "old enough");
        assert!(by(Expiration::Days(2)).due(&marker(true), now, day).is_none(), "too young");
        let tagged = Filter { tags: vec![("a".to_owned(), "b".to_owned())], ..Filter::default() };
        let tagged = config(vec![expiring("t", Scope::Filter(tagged), Expiration::Days(1))]);
        assert!(tagged.due(&marker(true), now, day).is_none(), "a marker has no tags");
    }

    #[test]
    fn every_predicate_of_a_filter_must_hold() {
        let filter = Filter {
            prefix: Some("a/".to_owned()),
            tags: vec![("k".to_owned(), "v".to_owned())],
            larger_than: Some(10),
            smaller_than: Some(20),
        };
        let scope = Scope::And(filter);
        let good = Tags(vec![("x".to_owned(), "y".to_owned()), ("k".to_owned(), "v".to_owned())]);
        let other = Tags(vec![("k".to_owned(), "w".to_owned())]);
        let admits = |key, size, tags| scope.admits(key, Some(ObjectFacts { size, tags }));
        assert!(admits("a/1", 11, Some(&good)) && admits("a/1", 19, Some(&good)));
        assert!(admits("a/1", 15, None), "unknown tags rule nothing out");
        assert!(!admits("b/1", 15, Some(&good)) && !admits("a/1", 10, Some(&good)));
        assert!(!admits("a/1", 20, Some(&good)) && !admits("a/1", 15, Some(&other)));
        assert!(!scope.admits("a/1", None));
        assert!(Scope::Filter(Filter::default()).admits("any", None));
    }

    #[test]
    fn uploads_are_aborted_by_the_soonest_rule() {
        let abort = |id, days| Rule { abort_days: Some(days), ..rule(id, prefix("up/")) };
        let rules = config(vec![abort("seven", 7), abort("one", 1)]);
        let (when, by) = rules.abort("up/x", at("2020-01-01T10:00:00Z"), DayLength::default()).unwrap();
        assert_eq!((when, by.id.as_str()), (at("2020-01-03T00:00:00Z"), "one"));
        assert!(rules.abort("down/x", at("2020-01-01T10:00:00Z"), DayLength::default()).is_none());
    }

    fn any_filter() -> impl Strategy<Value = Filter> {
        let tag = (0..3_u8, 0..2_u8).prop_map(|(name, value)| (format!("t{name}"), format!("{value}")));
        let prefix = option::of(prop_oneof![Just(String::new()), Just("a".to_owned()), Just("ab".to_owned())]);
        (prefix, vec(tag, 0..2), option::of(0..20_u64), option::of(1..20_u64))
            .prop_map(|(prefix, tags, larger_than, smaller_than)| Filter { prefix, tags, larger_than, smaller_than })
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        let expiration = option::of(prop_oneof![
            (1..5_u32).prop_map(Expiration::Days),
            (0..5_i64).prop_map(|day| Expiration::Date(day * i64::from(DAY_SECONDS))),
            any::<bool>().prop_map(Expiration::DeleteMarker),
        ]);
        let noncurrent = option::of(
            (1..5_u32, option::of(1..4_u32))
                .prop_map(|(days, newer_versions)| NoncurrentExpiration { days, newer_versions }),
        );
        (any_filter(), any::<bool>(), expiration, noncurrent, option::of(1..5_u32)).prop_map(
            |(filter, enabled, expiration, noncurrent, abort_days)| {
                let (id, scope) = ("r".to_owned(), Scope::And(filter));
                Rule { id, enabled, scope, expiration, noncurrent, abort_days }
            },
        )
    }

    fn any_position() -> impl Strategy<Value = Position> {
        let noncurrent = (0..400_000_i64, 0..5_u32)
            .prop_map(|(since, newer)| Position::Noncurrent { since: Timestamp::from_seconds(since), newer });
        prop_oneof![any::<bool>().prop_map(|is_alone| Position::Current { is_alone }), noncurrent]
    }

    /// The facts of a version, owned.
    #[derive(Clone, Debug)]
    struct Made {
        key: String,
        created: i64,
        object: Option<(u64, Tags)>,
        position: Position,
    }

    impl Made {
        fn facts(&self) -> VersionFacts<'_> {
            let object = self.object.as_ref().map(|(size, tags)| ObjectFacts { size: *size, tags: Some(tags) });
            let created = Timestamp::from_seconds(self.created);
            VersionFacts { key: &self.key, created, object, position: self.position }
        }
    }

    fn any_version() -> impl Strategy<Value = Made> {
        let tags = vec((0..3_u8, 0..2_u8), 0..3).prop_map(|tags| {
            Tags(tags.into_iter().map(|(name, value)| (format!("t{name}"), value.to_string())).collect())
        });
        let object = option::weighted(0.7, (0..20_u64, tags));
        ("[ab]{1,3}", 0..400_000_i64, object, any_position()).prop_map(|(key, created, object, position)| Made {
            key,
            created,
            object,
            position,
        })
    }

    proptest! {
        #[test]
        fn what_no_enabled_rule_matches_is_never_due(
            rules in vec(any_rule(), 0..4), key in "[ab]{1,3}", size in 0..20_u64,
            marker in any::<bool>(), created in 0..400_000_i64, position in any_position(), now in 0..1_000_000_i64,
            tags in vec((0..3_u8, 0..2_u8), 0..3),
        ) {
            let rules = config(rules);
            let tags = Tags(tags.into_iter().map(|(name, value)| (format!("t{name}"), value.to_string())).collect());
            let object = (!marker).then_some(ObjectFacts { size, tags: Some(&tags) });
            let version = VersionFacts { key: &key, created: Timestamp::from_seconds(created), object, position };
            let (now, day) = (Timestamp::from_seconds(now), DayLength::default());
            if let Some(due) = rules.due(&version, now, day) {
                prop_assert!(due.rule.enabled);
                prop_assert!(due.rule.scope.admits(&key, object));
                prop_assert!(due.at <= now);
                // Once due, always due: nothing that time brings takes it back.
                let later = rules.due(&version, Timestamp(now.0 + 1_000_000_000_000), day).unwrap();
                prop_assert_eq!((later.action, later.at), (due.action, due.at));
            }
            // Knowing the tags never adds an action that not knowing them had ruled out.
            let blind = VersionFacts { object: object.map(|facts| ObjectFacts { tags: None, ..facts }), ..version };
            prop_assert!(rules.due(&version, now, day).is_none() || rules.due(&blind, now, day).is_some());
        }

        #[test]
        fn more_rules_ask_for_more_and_never_for_less(
            rules in vec(any_rule(), 0..4), more in any_rule(), at in any::<usize>(), version in any_version(),
            now in 0..1_000_000_i64,
        ) {
            let (now, day) = (Timestamp::from_seconds(now), DayLength::default());
            let version = version.facts();
            let fewer = config(rules.clone());
            let mut longer = rules;
            longer.insert(at % (longer.len() + 1), more);
            let longer = config(longer);
            // Wherever it stands, a further rule brings an action forward or leaves it.
            if let Some(due) = fewer.due(&version, now, day) {
                let sooner = longer.due(&version, now, day).expect("it was due without the further rule");
                prop_assert!(sooner.at <= due.at);
                prop_assert_eq!(sooner.action.name(), due.action.name());
            }
            // And one that is off says nothing.
            let mut off = longer;
            off.rules[at % fewer.rules.len().saturating_add(1)].enabled = false;
            let told = |rules: &Lifecycle| rules.due(&version, now, day).map(|due| (due.action, due.at));
            prop_assert_eq!(told(&off), told(&fewer));
        }

        #[test]
        fn an_action_is_one_that_suits_the_version_and_keeps_the_newest(
            rules in vec(any_rule(), 1..4), version in any_version(), now in 0..1_000_000_i64,
        ) {
            let rules = config(rules);
            let facts = version.facts();
            let now = Timestamp::from_seconds(now);
            let Some(due) = rules.due(&facts, now, DayLength::default()) else { return Ok(()) };
            match (due.action, facts.position) {
                (Action::Expire, Position::Current { .. }) => prop_assert!(facts.object.is_some()),
                (Action::RemoveMarker, Position::Current { is_alone }) => {
                    prop_assert!(is_alone && facts.object.is_none());
                }
                (Action::RemoveNoncurrent { newer_min }, Position::Noncurrent { since, newer }) => {
                    prop_assert!(newer >= newer_min);
                    prop_assert!(since.plus_seconds(i64::from(DAY_SECONDS)) <= now, "a day at least");
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn what_is_told_of_an_expiry_is_when_it_is_due(
            rules in vec(any_rule(), 1..4), key in "[ab]{1,3}", size in 0..20_u64, created in 0..400_000_i64,
        ) {
            let (rules, day) = (config(rules), DayLength::default());
            let tags = Tags(vec![("t0".to_owned(), "0".to_owned())]);
            let facts = ObjectFacts { size, tags: Some(&tags) };
            let created = Timestamp::from_seconds(created);
            let version = VersionFacts { key: &key, created, object: Some(facts), position: CURRENT };
            match rules.expiry(&key, facts, created, day) {
                Some((at, rule)) => {
                    let due = rules.due(&version, at, day).expect("it expires when it was told to");
                    prop_assert_eq!((due.action, due.at, due.rule), (Action::Expire, at, rule));
                    prop_assert!(rules.due(&version, Timestamp(at.0 - 1), day).is_none(), "and no sooner");
                }
                None => prop_assert!(rules.due(&version, Timestamp(i64::MAX), day).is_none()),
            }
        }

        #[test]
        fn days_end_at_a_midnight_no_sooner_and_less_than_a_day_later(
            start in 0..4_000_000_000_000_000_i64, days in 0..100_000_u32, seconds in 1..200_000_u32
        ) {
            let day = DayLength::of_seconds(seconds);
            let (start, length) = (Timestamp(start), i64::from(seconds));
            let (end, least) = (day.after(start, days), start.plus_seconds(i64::from(days) * length));
            prop_assert_eq!(end.0 % (length * 1_000_000), 0);
            prop_assert!(end >= least && end < least.plus_seconds(length));
        }

        #[test]
        fn an_upload_is_aborted_by_rules_that_speak_of_its_key_only(
            rules in vec(any_rule(), 0..4), key in "[ab]{1,3}", initiated in 0..400_000_i64,
        ) {
            let (rules, day, initiated) = (config(rules), DayLength::default(), Timestamp::from_seconds(initiated));
            let each = rules.rules.iter().filter(|rule| rule.enabled && !rule.scope.needs_object());
            let each = each.filter(|rule| rule.scope.admits(&key, None));
            let soonest = each.filter_map(|rule| rule.abort_days).min().map(|days| day.after(initiated, days));
            prop_assert_eq!(rules.abort(&key, initiated, day).map(|(at, _)| at), soonest);
        }

        #[test]
        fn a_document_reads_back(rules in vec(any_rule(), 0..4)) {
            let lifecycle = Lifecycle { rules, transition_minimum: TransitionMinimum::VariesByClass };
            prop_assert_eq!(Lifecycle::from_document(&lifecycle.to_document()), Some(lifecycle));
        }
    }
}
