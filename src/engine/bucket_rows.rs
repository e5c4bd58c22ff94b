//! Buckets that were used lately, so that a request does not ask the database for the same row again.
//!
//! Changes by this process are seen by whoever asks after they were answered. Another process (a command beside the
//! server) tells nobody: a row is therefore believed only for a short while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limits::{BUCKET_ROW_BELIEVED_MS, BUCKET_ROWS_CACHED_MAX};
use crate::types::{Bucket, BucketName};

const BELIEVED: Duration = Duration::from_millis(BUCKET_ROW_BELIEVED_MS);

/// The rows.
#[derive(Default)]
pub(crate) struct BucketRows {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    rows: HashMap<BucketName, (Instant, Bucket)>,
    /// Changes that are under way.
    changing: usize,
    /// Changes that began, and changes that ended.
    changes: u64,
}

/// What is known of a bucket.
pub(crate) enum Known {
    /// Its row.
    Row(Bucket),
    /// Nothing: to be read, and then kept with this.
    Nothing(Reading),
}

/// A read that is about to begin.
pub(crate) struct Reading {
    began: Instant,
    changes: u64,
}

/// A change of some bucket. While it lives no row is believed or kept.
pub(crate) struct Changing<'r> {
    rows: &'r BucketRows,
}

impl BucketRows {
    /// The row of a bucket, if it is known at `now`.
    pub(crate) fn find(&self, name: &BucketName, now: Instant) -> Known {
        let slot = self.lock();
        match slot.rows.get(name) {
            Some((read, row)) if now.saturating_duration_since(*read) < BELIEVED => Known::Row(row.clone()),
            Some(_) | None => Known::Nothing(Reading { began: now, changes: slot.changes }),
        }
    }

    /// Keeps what was read, unless a bucket has changed since.
    pub(crate) fn keep(&self, reading: &Reading, row: &Bucket) {
        let mut slot = self.lock();
        // A read during a change has the row before or after it.
        if slot.changing > 0 || slot.changes != reading.changes {
            return;
        }
        // Bounded in the simplest way: what is in use comes back at once.
        if slot.rows.len() >= BUCKET_ROWS_CACHED_MAX {
            slot.rows.clear();
        }
        slot.rows.insert(row.name.clone(), (reading.began, row.clone()));
    }

    /// To be held while a bucket is created, changed or removed.
    pub(crate) fn changing(&self) -> Changing<'_> {
        let mut slot = self.lock();
        slot.changing += 1;
        slot.changes += 1;
        slot.rows.clear();
        Changing { rows: self }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut slot = self.rows.lock();
        slot.changing -= 1;
        slot.changes += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{BELIEVED, BucketRows, Known};
    use crate::limits::BUCKET_ROWS_CACHED_MAX;
    use crate::types::{Bucket, BucketId, BucketName, OwnerId, Timestamp};

    fn row(name: &str, generation: u64) -> Bucket {
        Bucket {
            id: BucketId(1),
            name: BucketName::parse(name).unwrap(),
            owner: OwnerId("o".to_owned()),
            created: Timestamp(0),
            location: String::new(),
            generation,
            is_versioned: false,
        }
    }

    fn found(rows: &BucketRows, row: &Bucket, now: Instant) -> Option<u64> {
        match rows.find(&row.name, now) {
            Known::Row(row) => Some(row.generation),
            Known::Nothing(_) => None,
        }
    }

    fn read(rows: &BucketRows, row: &Bucket, now: Instant) {
        let Known::Nothing(reading) = rows.find(&row.name, now) else { panic!("known already") };
        rows.keep(&reading, row);
    }

    #[test]
    fn a_row_is_believed_for_a_while() {
        let (rows, now) = (BucketRows::default(), Instant::now());
        read(&rows, &row("abc", 1), now);
        assert_eq!(found(&rows, &row("abc", 0), now + BELIEVED - Duration::from_millis(1)), Some(1));
        assert_eq!(found(&rows, &row("abc", 0), now + BELIEVED), None);
        assert_eq!(found(&rows, &row("abd", 0), now), None);
    }

    #[test]
    fn nothing_read_before_or_during_a_change_is_kept() {
        let (rows, now) = (BucketRows::default(), Instant::now());
        read(&rows, &row("abc", 1), now);
        let Known::Nothing(early) = rows.find(&row("abd", 0).name, now) else { panic!("known") };
        let change = rows.changing();
        assert_eq!(found(&rows, &row("abc", 0), now), None, "a change forgets every row");
        read(&rows, &row("abc", 1), now);
        assert_eq!(found(&rows, &row("abc", 0), now), None, "it may be the row before the change");
        let Known::Nothing(during) = rows.find(&row("abc", 0).name, now) else { panic!("known") };
        drop(change);
        rows.keep(&during, &row("abc", 1));
        assert_eq!(found(&rows, &row("abc", 0), now), None, "it was read during the change");
        rows.keep(&early, &row("abd", 1));
        assert_eq!(found(&rows, &row("abd", 0), now), None, "it was read before the change");
        read(&rows, &row("abc", 2), now);
        assert_eq!(found(&rows, &row("abc", 0), now), Some(2));
    }

    #[test]
    fn few_rows_are_kept() {
        let (rows, now) = (BucketRows::default(), Instant::now());
        for number in 0..=BUCKET_ROWS_CACHED_MAX {
            read(&rows, &row(&format!("bucket-{number}"), 1), now);
        }
        assert!(rows.lock().rows.len() <= BUCKET_ROWS_CACHED_MAX);
        assert_eq!(found(&rows, &row(&format!("bucket-{BUCKET_ROWS_CACHED_MAX}"), 0), now), Some(1));
    }
}
