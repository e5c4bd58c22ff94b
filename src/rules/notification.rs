//! Event notifications: which events of a bucket are told to which target. Pure: the metadata store asks inside
//! its transactions, so that a change and its event are one commit.
//!
//! Source: Amazon S3 User Guide, "Configuring event notifications using object key name filtering".

use serde::{Deserialize, Serialize};

use crate::types::{EventKind, Origin};

/// The kinds of destination that the API distinguishes. All of them are webhooks here; the kind is kept so that
/// a configuration reads back as it was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestinationKind {
    /// An SNS topic.
    Topic,
    /// An SQS queue.
    Queue,
    /// A Lambda function.
    Function,
}

/// The notification configuration of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its rules, in the order of arrival.
    pub rules: Vec<NotificationRule>,
}

/// One rule: events of some kinds on some keys are told to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRule {
    /// Its id, unique in its bucket.
    pub id: String,
    /// The kind of its destination.
    pub kind: DestinationKind,
    /// Its destination as the client named it.
    pub arn: String,
    /// Name of the target behind the destination.
    pub target: String,
    /// Which kinds of events.
    pub events: Vec<EventPattern>,
    /// What keys begin with.
    pub prefix: String,
    /// What keys end with.
    pub suffix: String,
}

/// One kind of event or a family of kinds, by its name: `s3:ObjectCreated:Put`, `s3:ObjectCreated:*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPattern(String);

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationRefusal {
    /// Two rules could both match one event.
    Overlap,
    /// Two rules have the same id.
    SameId,
}

impl EventPattern {
    /// Reads a pattern; `None` if no event has such a name.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_prefix("s3:")?;
        let is_known = match name.strip_suffix(":*") {
            Some(family) => EventKind::ALL.iter().any(|kind| is_of_family(*kind, family)),
            None => EventKind::parse(name).is_some(),
        };
        is_known.then(|| Self(text.to_owned()))
    }

    /// As the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether events of that kind are meant.
    pub fn matches(&self, kind: EventKind) -> bool {
        let name = self.0.strip_prefix("s3:").unwrap_or(&self.0);
        match name.strip_suffix(":*") {
            Some(family) => is_of_family(kind, family),
            None => kind.name() == name,
        }
    }
}

fn is_of_family(kind: EventKind, family: &str) -> bool {
    kind.name().split_once(':').is_some_and(|(of, _)| of == family)
}

impl NotificationRule {
    /// Whether an event is told.
    pub fn matches(&self, kind: EventKind, key: &str) -> bool {
        self.events.iter().any(|pattern| pattern.matches(kind))
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }

    /// Whether some event on some key could match both rules.
    fn overlaps(&self, other: &Self) -> bool {
        let is_shared = |kind: &EventKind| {
            let asks = |rule: &Self| rule.events.iter().any(|pattern| pattern.matches(*kind));
            asks(self) && asks(other)
        };
        let prefixes = self.prefix.starts_with(&other.prefix) || other.prefix.starts_with(&self.prefix);
        let suffixes = self.suffix.ends_with(&other.suffix) || other.suffix.ends_with(&self.suffix);
        prefixes && suffixes && EventKind::ALL.iter().any(is_shared)
    }
}

impl Notification {
    /// Judges the rules together.
    ///
    /// # Errors
    /// The first thing that cannot be.
    pub fn judge(&self) -> Result<(), NotificationRefusal> {
        for (index, rule) in self.rules.iter().enumerate() {
            for other in &self.rules[..index] {
                if rule.id == other.id {
                    return Err(NotificationRefusal::SameId);
                }
                if rule.overlaps(other) {
                    return Err(NotificationRefusal::Overlap);
                }
            }
        }
        Ok(())
    }

    /// The rule that an event matches. There is at most one: rules do not overlap.
    pub fn rule_for(&self, kind: EventKind, key: &str) -> Option<&NotificationRule> {
        self.rules.iter().find(|rule| rule.matches(kind, key))
    }

    /// The names of its targets, each once.
    pub fn targets(&self) -> Vec<&str> {
        let mut targets: Vec<&str> = self.rules.iter().map(|rule| rule.target.as_str()).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// As it is stored.
    ///
    /// # Panics
    /// Never: it is text and lists of text.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a configuration is plain data")
    }

    /// As it was stored.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The kind that an event really is, given on whose behalf it happens: the store knows a put and a removal only.
/// What is removed by nobody's request is removed by a lifecycle rule.
pub fn kind_of(kind: EventKind, origin: Option<&Origin>) -> EventKind {
    match (kind, origin) {
        (EventKind::CreatedByPut, Some(origin)) if origin.is_form => EventKind::CreatedByPost,
        (EventKind::Removed, None) => EventKind::Expired,
        (EventKind::MarkerCreated, None) => EventKind::ExpiredByMarker,
        (kind, _) => kind,
    }
}

/// The name of the webhook that an ARN names: `arn:aws:sqs:REGION:ACCOUNT:NAME`, the same with `sns` or (as
/// `function:NAME`) `lambda`, and MinIO's `arn:minio:sqs:REGION:NAME:webhook`.
pub fn webhook_name(arn: &str, kind: DestinationKind) -> Option<&str> {
    let fields: Vec<&str> = arn.split(':').collect();
    let service = match kind {
        DestinationKind::Topic => "sns",
        DestinationKind::Queue => "sqs",
        DestinationKind::Function => "lambda",
    };
    let name = match (kind, fields.as_slice()) {
        (DestinationKind::Queue, ["arn", "minio", "sqs", _, name, "webhook"]) => name,
        (DestinationKind::Function, ["arn", "aws", "lambda", _, _, "function", name]) => name,
        (_, ["arn", "aws", of, _, _, name]) if *of == service => name,
        _ => return None,
    };
    (!name.is_empty()).then_some(*name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop};
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::{
        DestinationKind, EventPattern, Notification, NotificationRefusal, NotificationRule, kind_of, webhook_name,
    };
    use crate::types::{EventKind, Origin};

    fn rule(id: &str, events: &[&str], prefix: &str, suffix: &str) -> NotificationRule {
        NotificationRule {
            id: id.to_owned(),
            kind: DestinationKind::Queue,
            arn: "arn:aws:sqs:::hook".to_owned(),
            target: "hook".to_owned(),
            events: events.iter().map(|event| EventPattern::parse(event).unwrap()).collect(),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }
    }

    #[test]
    fn patterns_are_names_and_families() {
        let created = EventPattern::parse("s3:ObjectCreated:*").unwrap();
        assert!(created.matches(EventKind::CreatedByCopy) && !created.matches(EventKind::Removed));
        let copy = EventPattern::parse("s3:ObjectCreated:Copy").unwrap();
        assert!(copy.matches(EventKind::CreatedByCopy) && !copy.matches(EventKind::CreatedByPut));
        assert!(EventPattern::parse("s3:LifecycleTransition").unwrap().matches(EventKind::Transitioned));
        let unknown = [
            "",
            "s3:",
            "s3:*",
            "ObjectCreated:Put",
            "s3:ObjectCreated",
            "s3:ObjectCreated:put",
            "s3:TestEvent",
            "s3:Object:*",
        ];
        for text in unknown {
            assert_eq!(EventPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_rule_matches_kind_prefix_and_suffix() {
        let rule = rule("a", &["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"], "images/", ".jpg");
        for (kind, key, expected) in [
            (EventKind::CreatedByPut, "images/a.jpg", true),
            (EventKind::MarkerCreated, "images/.jpg", true),
            (EventKind::CreatedByCopy, "images/a.jpg", false),
            (EventKind::CreatedByPut, "image/a.jpg", false),
            (EventKind::CreatedByPut, "images/a.png", false),
        ] {
            assert_eq!(rule.matches(kind, key), expected, "{kind:?} {key}");
        }
    }

    #[test]
    fn rules_that_could_match_one_event_are_refused() {
        let judge = |a: NotificationRule, b: NotificationRule| Notification { rules: vec![a, b] }.judge();
        let put = ["s3:ObjectCreated:Put"];
        let overlap = Err(NotificationRefusal::Overlap);
        assert_eq!(judge(rule("a", &put, "", ""), rule("b", &["s3:ObjectCreated:*"], "", "")), overlap);
        assert_eq!(judge(rule("a", &put, "im", ""), rule("b", &put, "images", ".jpg")), overlap);
        assert_eq!(judge(rule("a", &put, "", ".jpg"), rule("b", &put, "", "g")), overlap);
        assert_eq!(judge(rule("a", &put, "a", ""), rule("b", &put, "b", "")), Ok(()));
        assert_eq!(judge(rule("a", &put, "", ".jpg"), rule("b", &put, "", ".png")), Ok(()));
        assert_eq!(judge(rule("a", &put, "", ""), rule("b", &["s3:ObjectRemoved:*"], "", "")), Ok(()));
        assert_eq!(judge(rule("a", &put, "a", ""), rule("a", &put, "b", "")), Err(NotificationRefusal::SameId));
    }

    #[test]
    fn the_origin_of_a_change_is_part_of_its_kind() {
        let (put, form) = (Origin::default(), Origin { is_form: true, ..Origin::default() });
        for (kind, origin, expected) in [
            (EventKind::CreatedByPut, Some(&put), EventKind::CreatedByPut),
            (EventKind::CreatedByPut, Some(&form), EventKind::CreatedByPost),
            (EventKind::CreatedByCopy, Some(&form), EventKind::CreatedByCopy),
            (EventKind::Removed, Some(&put), EventKind::Removed),
            (EventKind::Removed, None, EventKind::Expired),
            (EventKind::MarkerCreated, None, EventKind::ExpiredByMarker),
        ] {
            assert_eq!(kind_of(kind, origin), expected);
        }
    }

    #[test]
    fn webhooks_have_names_in_every_dialect() {
        use DestinationKind::{Function, Queue, Topic};
        for (arn, kind, name) in [
            ("arn:aws:sqs:us-east-1:123456789012:hook", Queue, Some("hook")),
            ("arn:aws:sqs:::hook", Queue, Some("hook")),
            ("arn:aws:sns:us-east-1::hook", Topic, Some("hook")),
            ("arn:aws:lambda:us-east-1:1:function:hook", Function, Some("hook")),
            ("arn:minio:sqs::hook:webhook", Queue, Some("hook")),
            ("arn:minio:sqs:us-east-1:1:webhook", Queue, Some("1")),
            ("arn:aws:sns:::hook", Queue, None),
            ("arn:aws:sqs:::", Queue, None),
            ("arn:minio:sqs::hook:amqp", Queue, None),
            ("hook", Queue, None),
        ] {
            assert_eq!(webhook_name(arn, kind), name, "{arn}");
        }
    }

    proptest! {
        #[test]
        fn at_most_one_rule_of_a_judged_configuration_matches(
            rules in prop::collection::vec(("[ab]{0,2}", "[ab]{0,2}", any::<bool>()), 0..4),
            key in "[ab]{0,5}",
        ) {
            let rules = rules.into_iter().enumerate().map(|(index, (prefix, suffix, all))| {
                let events = if all { "s3:ObjectCreated:*" } else { "s3:ObjectCreated:Put" };
                rule(&index.to_string(), &[events], &prefix, &suffix)
            });
            let notification = Notification { rules: rules.collect() };
            prop_assert_eq!(Notification::from_bytes(&notification.to_bytes()), Some(notification.clone()));
            let matching = notification.rules.iter().filter(|rule| rule.matches(EventKind::CreatedByPut, &key)).count();
            prop_assert!(notification.judge().is_err() || matching <= 1);
        }
    }
}
