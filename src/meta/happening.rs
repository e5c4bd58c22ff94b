//! What happened in a transaction, and the record that is told of it: the same in every store.

use crate::rules::Notification;
use crate::rules::notification::kind_of;
use crate::types::{AttributeChange, ETag, EventKind, EventRecord, ObjectKey, Origin, Timestamp, VersionId};

/// Something that happened to an object.
#[derive(Clone, Copy)]
pub(super) struct Happening<'a> {
    /// What.
    pub(super) kind: EventKind,
    /// To which key.
    pub(super) key: &'a ObjectKey,
    /// Size and tag; none for what was removed.
    pub(super) object: Option<(u64, ETag)>,
    /// Its version, if versioning is or was on.
    pub(super) version: Option<VersionId>,
    /// When.
    pub(super) at: Timestamp,
}

impl Happening<'_> {
    /// The target and the record that the configuration asks for, if it asks for this.
    pub(super) fn told(
        &self,
        notification: &Notification,
        (bucket, owner): (&str, &str),
        origin: Option<&Origin>,
    ) -> Option<(String, EventRecord)> {
        let kind = kind_of(self.kind, origin);
        let rule = notification.rule_for(kind, self.key.as_str())?;
        let record = EventRecord {
            name: kind.name().to_owned(),
            configuration: rule.id.clone(),
            bucket: bucket.to_owned(),
            bucket_owner: owner.to_owned(),
            key: self.key.as_str().to_owned(),
            size: self.object.map(|(size, _)| size),
            etag: self.object.map(|(_, etag)| etag.to_string()),
            version: self.version.map(|version| version.to_string()),
            at: self.at.0,
            origin: origin.cloned(),
        };
        Some((rule.target.clone(), record))
    }
}

/// When something happened that the store knows no time of but the one that judges locks, which may differ from
/// everybody's: when it was asked for.
pub(super) fn moment(origin: Option<&Origin>, lock_time: Timestamp) -> Timestamp {
    origin.map_or(lock_time, |origin| Timestamp(origin.at))
}

/// The record that says that a configuration was put.
pub(super) fn test_record((bucket, owner): (&str, &str), at: i64, origin: Option<&Origin>) -> EventRecord {
    EventRecord {
        name: EventRecord::TEST.to_owned(),
        configuration: String::new(),
        bucket: bucket.to_owned(),
        bucket_owner: owner.to_owned(),
        key: String::new(),
        size: None,
        etag: None,
        version: None,
        at: origin.map_or(at, |origin| origin.at),
        origin: origin.cloned(),
    }
}

/// The kind of event that a change of attributes is, if it is one.
pub(super) fn kind_of_change(change: &AttributeChange) -> Option<EventKind> {
    match change {
        AttributeChange::Tags(tags) if tags.0.is_empty() => Some(EventKind::TagsDeleted),
        AttributeChange::Tags(_) => Some(EventKind::TagsPut),
        AttributeChange::Acl(_) => Some(EventKind::AclPut),
        AttributeChange::Retention { .. } => Some(EventKind::RetentionPut),
        AttributeChange::LegalHold(_) | AttributeChange::Envelope { .. } => None,
    }
}
