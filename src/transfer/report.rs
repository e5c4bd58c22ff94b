//! What has been done so far, for who watches, and in the end.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::task::JoinError;

use crate::limits::transfer::TRANSFER_FAULTS_TOLD_MAX;

/// Counts of a transfer under way.
#[derive(Debug, Default)]
pub struct Tally {
    /// Buckets that were looked at.
    pub buckets: AtomicU64,
    /// Keys, or files, of which something was written.
    pub objects: AtomicU64,
    /// Versions and delete markers that were written.
    pub versions: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    /// Versions, or files, that were there already.
    pub skipped: AtomicU64,
    /// What could not be done.
    pub failed: AtomicU64,
    /// What was passed over on purpose.
    pub passed_over: AtomicU64,
    faults: Mutex<Vec<Fault>>,
    notes: Mutex<Vec<Fault>>,
}

/// Something that could not be done, or was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Of which bucket; empty for a directory.
    pub bucket: String,
    /// Which key, file, setting or policy.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// What a transfer came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing was written: then the counts are of what would be.
    pub dry_run: bool,
    /// Buckets that were looked at.
    pub buckets: u64,
    /// Keys, or files, of which something was written.
    pub objects: u64,
    /// Versions and delete markers that were written.
    pub versions: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Versions, or files, that were there already.
    pub skipped: u64,
    /// What could not be done.
    pub failed: u64,
    /// The first of those, one by one.
    pub failures: Vec<Fault>,
    /// What was passed over on purpose, as symbolic links are.
    pub passed_over: u64,
    /// The first of those, one by one.
    pub notes: Vec<Fault>,
}

impl Tally {
    /// Counts one more, or as many more.
    pub(crate) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    /// Counts something that was made.
    pub(crate) fn made(&self) {
        Self::add(&self.objects, 1);
    }

    /// Counts something that was there already.
    pub(crate) fn there_already(&self) {
        Self::add(&self.skipped, 1);
    }

    /// Notes what could not be done.
    pub(crate) fn fault(&self, bucket: &str, what: impl Into<String>, reason: impl Into<String>) {
        Self::add(&self.failed, 1);
        keep(&self.faults, Fault { bucket: bucket.to_owned(), what: what.into(), reason: reason.into() });
    }

    /// Notes a task that died: what it had in hand is not known any more.
    pub(crate) fn ended(&self, outcome: Result<(), JoinError>) {
        if let Err(error) = outcome {
            self.fault("", "an object that was on its way", error.to_string());
        }
    }

    /// Notes what is passed over on purpose.
    pub(crate) fn pass_over(&self, what: impl Into<String>, reason: impl Into<String>) {
        Self::add(&self.passed_over, 1);
        keep(&self.notes, Fault { bucket: String::new(), what: what.into(), reason: reason.into() });
    }

    /// What it came to.
    pub fn report(&self, dry_run: bool) -> Report {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Report {
            dry_run,
            buckets: count(&self.buckets),
            objects: count(&self.objects),
            versions: count(&self.versions),
            bytes: count(&self.bytes),
            skipped: count(&self.skipped),
            failed: count(&self.failed),
            failures: self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            passed_over: count(&self.passed_over),
            notes: self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

fn keep(told: &Mutex<Vec<Fault>>, fault: Fault) {
    let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < TRANSFER_FAULTS_TOLD_MAX {
        told.push(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;
    use crate::limits::transfer::TRANSFER_FAULTS_TOLD_MAX;

    #[test]
    fn failures_beyond_the_bound_are_counted() {
        let tally = Tally::default();
        for index in 0..TRANSFER_FAULTS_TOLD_MAX + 7 {
            tally.fault("b", index.to_string(), "why");
        }
        let report = tally.report(false);
        assert_eq!(report.failed, TRANSFER_FAULTS_TOLD_MAX as u64 + 7);
        assert_eq!(report.failures.len(), TRANSFER_FAULTS_TOLD_MAX);
    }
}
