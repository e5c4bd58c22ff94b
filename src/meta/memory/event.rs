//! Events.

use std::collections::BTreeSet;

use super::state::{EventRow, State};
use crate::limits::EVENTS_QUEUED_PER_TARGET_MAX;
use crate::meta::happening::{Happening, moment, test_record};
use crate::meta::{CommitDelete, CommitRename, DeleteOutcome, MetaError, PutOutcome};
use crate::rules::Notification;
use crate::types::{
    BucketId, DocumentKind, EventBacklog, EventKind, EventRecord, EventSettlement, ObjectKey, QueuedEvent, Timestamp,
};

impl State {
    pub(super) fn tell_created(
        &mut self,
        kind: EventKind,
        bucket: BucketId,
        key: &ObjectKey,
        outcome: &PutOutcome,
    ) -> Result<(), MetaError> {
        let version = outcome.shows_version.then_some(outcome.version);
        let object = Some((outcome.size, outcome.etag));
        self.tell(bucket, &Happening { kind, key, object, version, at: outcome.modified })
    }

    pub(super) fn tell_deleted(
        &mut self,
        kind: EventKind,
        delete: &CommitDelete,
        outcome: &DeleteOutcome,
    ) -> Result<(), MetaError> {
        if *outcome == DeleteOutcome::default() {
            return Ok(());
        }
        let happening = Happening { kind, key: &delete.key, object: None, version: outcome.version, at: delete.now };
        self.tell(delete.bucket, &happening)
    }

    pub(super) fn tell_renamed(&mut self, rename: &CommitRename, outcome: &PutOutcome) -> Result<(), MetaError> {
        let at = moment(self.origin.as_deref(), rename.now);
        let object = Some((outcome.size, outcome.etag));
        let created = Happening { kind: EventKind::CreatedByCopy, key: &rename.key, object, version: None, at };
        self.tell(rename.bucket, &created)?;
        let removed = Happening { kind: EventKind::Removed, key: &rename.source, object: None, version: None, at };
        self.tell(rename.bucket, &removed)
    }

    pub(super) fn tell(&mut self, bucket: BucketId, happening: &Happening<'_>) -> Result<(), MetaError> {
        let Some(notification) = self.notification(bucket)? else {
            return Ok(());
        };
        let (name, owner) = self.names(bucket);
        let told = happening.told(&notification, (&name, &owner), self.origin.as_deref());
        if let Some((target, record)) = told {
            self.queue(&target, (bucket, happening.at), record);
        }
        Ok(())
    }

    pub(super) fn tell_test(&mut self, bucket: BucketId) -> Result<(), MetaError> {
        let Some(notification) = self.notification(bucket)? else {
            return Ok(());
        };
        let (name, owner) = self.names(bucket);
        let at = Timestamp(i64::try_from(self.tick(Timestamp(0))).expect("the clock counts microseconds"));
        let record = test_record((&name, &owner), at.0, self.origin.as_deref());
        for target in notification.targets() {
            self.queue(target, (bucket, at), record.clone());
        }
        Ok(())
    }

    fn notification(&self, bucket: BucketId) -> Result<Option<Notification>, MetaError> {
        let document = self.buckets.get(&bucket).and_then(|row| row.documents.get(DocumentKind::Notification));
        let corrupt = || MetaError::Storage("stored notification configuration cannot be read".to_owned());
        document.map(|body| Notification::from_bytes(body).ok_or_else(corrupt)).transpose()
    }

    fn names(&self, bucket: BucketId) -> (String, String) {
        let bucket = self.buckets.get(&bucket).map(|row| &row.bucket);
        bucket.map(|bucket| (bucket.name.to_string(), bucket.owner.0.clone())).unwrap_or_default()
    }

    fn queue(&mut self, target: &str, (bucket, at): (BucketId, Timestamp), record: EventRecord) {
        let (queued, dropped) = self.event_targets.entry(target.to_owned()).or_default();
        if *queued >= u64::from(EVENTS_QUEUED_PER_TARGET_MAX) {
            *dropped += 1;
            return;
        }
        *queued += 1;
        let sequence = self.tick(at);
        let event = QueuedEvent { sequence, attempts: 0, record };
        self.events.insert((target.to_owned(), sequence), EventRow { bucket, event, not_before: Timestamp(0) });
    }

    pub(super) fn due_events(&self, target: &str, now: Timestamp, max: u32) -> Vec<QueuedEvent> {
        let mut waiting = BTreeSet::new();
        let mut due = Vec::new();
        for ((_, _), row) in self.events.range((target.to_owned(), 0)..=(target.to_owned(), u64::MAX)) {
            let key = (row.bucket, row.event.record.key.as_str());
            if row.not_before > now || waiting.contains(&key) {
                waiting.insert(key);
            } else if due.len() < max as usize {
                due.push(row.event.clone());
            }
        }
        due
    }

    pub(super) fn settle_events(&mut self, target: &str, settlement: &EventSettlement) {
        let name = |sequence: &u64| (target.to_owned(), *sequence);
        let mut forget = |sequences: &[u64]| -> u64 {
            sequences.iter().filter(|sequence| self.events.remove(&name(sequence)).is_some()).count() as u64
        };
        let (delivered, given_up) = (forget(&settlement.delivered), forget(&settlement.given_up));
        for (sequence, not_before) in &settlement.postponed {
            if let Some(row) = self.events.get_mut(&name(sequence)) {
                row.event.attempts += 1;
                row.not_before = *not_before;
            }
        }
        if let Some((queued, dropped)) = self.event_targets.get_mut(target) {
            *queued -= delivered + given_up;
            *dropped += given_up;
        }
    }

    pub(super) fn event_backlog(&self) -> Vec<EventBacklog> {
        let backlog = |(target, (queued, dropped)): (&String, &(u64, u64))| EventBacklog {
            target: target.clone(),
            queued: *queued,
            dropped: *dropped,
        };
        self.event_targets.iter().map(backlog).collect()
    }
}
