//! Object lock: which versions must stay, which changes of a lock are allowed, and what a bucket gives its new
//! versions.
//!
//! Source: Amazon S3 User Guide, "Locking objects with Object Lock".

use serde::{Deserialize, Serialize};

use crate::rules::Versioning;
use crate::types::{AttributeChange, Retention, RetentionMode, Timestamp, VersionAttributes};

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
const DAYS_PER_YEAR: i64 = 365;

/// Which part of a lock refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockRefusal {
    /// A legal hold.
    #[error("a legal hold")]
    LegalHold,
    /// A retention in governance mode, without leave to bypass it.
    #[error("a retention in governance mode")]
    Governance,
    /// A retention in compliance mode.
    #[error("a retention in compliance mode")]
    Compliance,
}

/// Why the state of a bucket cannot become what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BucketRefusal {
    /// Versioning stays on while the bucket has an object lock, which stays for ever.
    #[error("the bucket has an object lock")]
    HasLock,
    /// An object lock needs versioning.
    #[error("versioning is not enabled")]
    NeedsVersioning,
    /// Versioning is or was on.
    #[error("versioning is or was enabled")]
    HasVersions,
}

/// Whether a version may be removed at `now`, as locks see time.
///
/// # Errors
/// What holds it.
pub fn judge_removal(
    attributes: &VersionAttributes,
    bypass_governance: bool,
    now: Timestamp,
) -> Result<(), LockRefusal> {
    if attributes.legal_hold == Some(true) {
        return Err(LockRefusal::LegalHold);
    }
    match attributes.retention {
        Some(Retention { mode: RetentionMode::Compliance, until }) if until > now => Err(LockRefusal::Compliance),
        Some(Retention { mode: RetentionMode::Governance, until }) if until > now && !bypass_governance => {
            Err(LockRefusal::Governance)
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a retention may become `new` at `now`, as locks see time: in its mode it may always be lengthened; in
/// governance mode anything else needs a bypass, in compliance mode nothing else is possible.
///
/// # Errors
/// What forbids it.
pub fn judge_retention(
    current: Option<Retention>,
    new: Option<Retention>,
    bypass_governance: bool,
    now: Timestamp,
) -> Result<(), LockRefusal> {
    let Some(current) = current.filter(|current| current.until > now) else { return Ok(()) };
    let is_lengthened = new.is_some_and(|new| new.mode == current.mode && new.until >= current.until);
    match current.mode {
        _ if is_lengthened => Ok(()),
        RetentionMode::Compliance => Err(LockRefusal::Compliance),
        RetentionMode::Governance if bypass_governance => Ok(()),
        RetentionMode::Governance => Err(LockRefusal::Governance),
    }
}

/// Applies a change to a version's attributes at `now`, as locks see time.
///
/// # Errors
/// If its lock forbids it.
pub fn apply_change(
    attributes: &mut VersionAttributes,
    change: &AttributeChange,
    now: Timestamp,
) -> Result<(), LockRefusal> {
    match change {
        AttributeChange::Tags(tags) => attributes.tags = tags.clone(),
        AttributeChange::Acl(acl) => attributes.acl.clone_from(acl),
        AttributeChange::Retention { retention, bypass_governance } => {
            judge_retention(attributes.retention, *retention, *bypass_governance, now)?;
            attributes.retention = *retention;
        }
        AttributeChange::LegalHold(on) => attributes.legal_hold = Some(*on),
        // An envelope that was made of another one would lock a body that was written meanwhile for ever. The change
        // then counts as made just before that.
        AttributeChange::Envelope { from, to } if attributes.encryption.as_ref() == Some(from) => {
            attributes.encryption = Some(to.clone());
        }
        AttributeChange::Envelope { .. } => {}
    }
    Ok(())
}

/// Whether a bucket's versioning may become `new`.
///
/// # Errors
/// `HasLock`.
pub fn judge_versioning(new: Versioning, has_lock: bool) -> Result<(), BucketRefusal> {
    if has_lock && new != Versioning::Enabled { Err(BucketRefusal::HasLock) } else { Ok(()) }
}

/// Whether the object lock of a bucket in that state may be set (or, if `is_set` is false, be taken away).
///
/// # Errors
/// `NeedsVersioning`, `HasLock`.
pub fn judge_lock(state: Versioning, is_set: bool) -> Result<(), BucketRefusal> {
    match (state, is_set) {
        (_, false) => Err(BucketRefusal::HasLock),
        (Versioning::Enabled, true) => Ok(()),
        (Versioning::Unversioned | Versioning::Suspended, true) => Err(BucketRefusal::NeedsVersioning),
    }
}

/// Whether objects of a bucket in that state can be renamed: with versions, a rename would be a copy and a delete
/// marker, which clients can have by their own names.
///
/// # Errors
/// `HasVersions`.
pub fn judge_rename(state: Versioning) -> Result<(), BucketRefusal> {
    if state == Versioning::Unversioned { Ok(()) } else { Err(BucketRefusal::HasVersions) }
}

/// How long a default retention lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// Days of 24 hours.
    Days(u32),
    /// Years of 365 days, as S3 counts them.
    Years(u32),
}

/// What new versions of a bucket get if their makers say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRetention {
    /// Its mode.
    pub mode: RetentionMode,
    /// How long it lasts.
    pub period: Period,
}

impl DefaultRetention {
    /// The retention of a version that is made at `now`.
    pub fn retention(self, now: Timestamp) -> Retention {
        let days = match self.period {
            Period::Days(days) => i64::from(days),
            Period::Years(years) => i64::from(years) * DAYS_PER_YEAR,
        };
        Retention { mode: self.mode, until: now.plus_seconds(days * SECONDS_PER_DAY).rounded_up_to_millis() }
    }
}

/// The object lock of a bucket: that it is on, and its default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// What new versions get.
    pub default: Option<DefaultRetention>,
}

/// `ObjectLock` as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLock {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    default: Option<StoredDefault>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredDefault {
    mode: StoredMode,
    period: Period,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredMode {
    Governance,
    Compliance,
}

impl ObjectLock {
    /// The body of the bucket's document.
    pub fn to_document(self) -> Vec<u8> {
        let stored = |default: DefaultRetention| StoredDefault {
            mode: match default.mode {
                RetentionMode::Governance => StoredMode::Governance,
                RetentionMode::Compliance => StoredMode::Compliance,
            },
            period: default.period,
        };
        serde_json::to_vec(&StoredLock { default: self.default.map(stored) }).expect("plain fields are JSON")
    }

    /// Reads the body of a document; `None` if it is not one that we wrote.
    pub fn from_document(body: &[u8]) -> Option<Self> {
        let stored: StoredLock = serde_json::from_slice(body).ok()?;
        let default = stored.default.map(|default| DefaultRetention {
            mode: match default.mode {
                StoredMode::Governance => RetentionMode::Governance,
                StoredMode::Compliance => RetentionMode::Compliance,
            },
            period: default.period,
        });
        Some(Self { default })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

    use super::{
        BucketRefusal, DefaultRetention, LockRefusal, ObjectLock, Period, apply_change, judge_lock, judge_removal,
        judge_retention, judge_versioning,
    };
    use crate::rules::Versioning;
    use crate::types::RetentionMode::{Compliance, Governance};
    use crate::types::{AttributeChange, Retention, RetentionMode, Tags, Timestamp, VersionAttributes};

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn until(mode: RetentionMode, seconds: i64) -> Option<Retention> {
        Some(Retention { mode, until: NOW.plus_seconds(seconds) })
    }

    #[test]
    fn a_version_is_held_by_its_hold_and_by_its_retention() {
        let held = LockRefusal::LegalHold;
        let table = [
            (None, None, false, Ok(())),
            (None, Some(false), false, Ok(())),
            (None, Some(true), false, Err(held)),
            (None, Some(true), true, Err(held)),
            (until(Governance, 1), None, false, Err(LockRefusal::Governance)),
            (until(Governance, 1), None, true, Ok(())),
            (until(Governance, 1), Some(true), true, Err(held)),
            (until(Governance, 0), None, false, Ok(())),
            (until(Compliance, 1), None, false, Err(LockRefusal::Compliance)),
            (until(Compliance, 1), None, true, Err(LockRefusal::Compliance)),
            (until(Compliance, 0), None, false, Ok(())),
            (until(Compliance, -1), Some(true), true, Err(held)),
        ];
        for (retention, legal_hold, bypass, verdict) in table {
            let attributes = VersionAttributes { retention, legal_hold, ..VersionAttributes::default() };
            assert_eq!(judge_removal(&attributes, bypass, NOW), verdict, "{retention:?} {legal_hold:?} {bypass}");
        }
    }

    #[test]
    fn a_retention_is_lengthened_or_needs_a_bypass_or_stays() {
        let (governed, compliant) = (Err(LockRefusal::Governance), Err(LockRefusal::Compliance));
        // Current, new, without a bypass, with one.
        let table = [
            (None, until(Governance, 5), Ok(()), Ok(())),
            (None, until(Compliance, 5), Ok(()), Ok(())),
            (None, None, Ok(()), Ok(())),
            (until(Governance, 10), until(Governance, 11), Ok(()), Ok(())),
            (until(Governance, 10), until(Governance, 10), Ok(()), Ok(())),
            (until(Governance, 10), until(Governance, 9), governed, Ok(())),
            (until(Governance, 10), until(Compliance, 11), governed, Ok(())),
            (until(Governance, 10), None, governed, Ok(())),
            (until(Governance, 0), None, Ok(()), Ok(())),
            (until(Compliance, 10), until(Compliance, 11), Ok(()), Ok(())),
            (until(Compliance, 10), until(Compliance, 10), Ok(()), Ok(())),
            (until(Compliance, 10), until(Compliance, 9), compliant, compliant),
            (until(Compliance, 10), until(Governance, 20), compliant, compliant),
            (until(Compliance, 10), None, compliant, compliant),
            (until(Compliance, 0), until(Governance, 1), Ok(()), Ok(())),
        ];
        for (current, new, without, with) in table {
            assert_eq!(judge_retention(current, new, false, NOW), without, "{current:?} to {new:?}");
            assert_eq!(judge_retention(current, new, true, NOW), with, "{current:?} to {new:?}, bypassed");
        }
    }

    #[test]
    fn a_bucket_with_a_lock_keeps_versioning_and_the_lock() {
        use Versioning::{Enabled, Suspended, Unversioned};
        assert_eq!(judge_versioning(Suspended, true), Err(BucketRefusal::HasLock));
        assert_eq!(judge_versioning(Enabled, true), Ok(()));
        assert_eq!(judge_versioning(Suspended, false), Ok(()));
        assert_eq!(judge_lock(Enabled, true), Ok(()));
        for state in [Unversioned, Suspended] {
            assert_eq!(judge_lock(state, true), Err(BucketRefusal::NeedsVersioning));
        }
        assert_eq!(judge_lock(Enabled, false), Err(BucketRefusal::HasLock));
    }

    #[test]
    fn the_document_reads_back_what_was_written() {
        let locks = [
            ObjectLock::default(),
            ObjectLock { default: Some(DefaultRetention { mode: Governance, period: Period::Days(7) }) },
            ObjectLock { default: Some(DefaultRetention { mode: Compliance, period: Period::Years(10) }) },
        ];
        for lock in locks {
            assert_eq!(ObjectLock::from_document(&lock.to_document()), Some(lock));
        }
        for bad in ["", "7", "{\"default\":{}}", "{\"other\":1}", "<ObjectLockConfiguration/>"] {
            assert_eq!(ObjectLock::from_document(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_default_lasts_days_or_years_and_is_shown_without_loss() {
        let made = Timestamp::parse_iso("2024-02-01T00:00:00.000001Z").unwrap();
        let at = |period| DefaultRetention { mode: Governance, period }.retention(made).until.iso_millis();
        assert_eq!(at(Period::Days(30)), "2024-03-02T00:00:00.001Z");
        assert_eq!(at(Period::Years(1)), "2025-01-31T00:00:00.001Z");
    }

    fn any_retention() -> impl Strategy<Value = Retention> {
        let mode = prop_oneof![Just(Governance), Just(Compliance)];
        (mode, 0..100_i64).prop_map(|(mode, seconds)| Retention { mode, until: NOW.plus_seconds(seconds) })
    }

    fn change(bypass: impl Strategy<Value = bool>) -> impl Strategy<Value = AttributeChange> {
        let retention = (prop::option::of(any_retention()), bypass)
            .prop_map(|(retention, bypass_governance)| AttributeChange::Retention { retention, bypass_governance });
        prop_oneof![3 => retention, 1 => any::<bool>().prop_map(AttributeChange::LegalHold)]
    }

    fn any_attributes() -> impl Strategy<Value = VersionAttributes> {
        (prop::option::of(any_retention()), prop::option::of(any::<bool>())).prop_map(|(retention, legal_hold)| {
            VersionAttributes { retention, legal_hold, ..VersionAttributes::default() }
        })
    }

    /// Changes of everything but the lock.
    fn other_change() -> impl Strategy<Value = AttributeChange> {
        let envelope = |byte: u8| vec![byte];
        prop_oneof![
            Just(AttributeChange::Tags(Tags(vec![("retention".to_owned(), "none".to_owned())]))),
            Just(AttributeChange::Acl(None)),
            Just(AttributeChange::Envelope { from: envelope(1), to: envelope(2) }),
        ]
    }

    proptest! {
        #[test]
        fn no_changes_without_a_bypass_shorten_a_protection(
            changes in prop::collection::vec((change(Just(false)), 0..10_i64), 1..30)
        ) {
            let mut attributes = VersionAttributes::default();
            let mut now = NOW;
            // The latest end that any accepted retention promised, by mode.
            let (mut governed, mut compliant) = (NOW, NOW);
            for (change, pause) in changes {
                now = now.plus_seconds(pause);
                if apply_change(&mut attributes, &change, now).is_ok()
                    && let AttributeChange::Retention { retention: Some(Retention { mode, until }), .. } = change
                {
                    let promised = if mode == Compliance { &mut compliant } else { &mut governed };
                    *promised = until.max(*promised);
                }
                if now < governed.max(compliant) {
                    assert!(judge_removal(&attributes, false, now).is_err());
                }
                if now < compliant {
                    assert!(judge_removal(&attributes, true, now).is_err());
                }
            }
        }

        #[test]
        fn no_changes_with_a_bypass_shorten_a_compliance_retention_or_open_a_hold(
            changes in prop::collection::vec((change(any::<bool>()), 0..10_i64), 1..30)
        ) {
            let mut attributes = VersionAttributes::default();
            let (mut now, mut compliant, mut is_held) = (NOW, NOW, false);
            for (change, pause) in changes {
                now = now.plus_seconds(pause);
                let is_done = apply_change(&mut attributes, &change, now).is_ok();
                match change {
                    AttributeChange::Retention { retention: Some(Retention { mode: Compliance, until }), .. } if is_done => {
                        compliant = until.max(compliant);
                    }
                    AttributeChange::LegalHold(on) => is_held = on,
                    _ => {}
                }
                if is_held || now < compliant {
                    assert!(judge_removal(&attributes, true, now).is_err());
                }
            }
        }

        #[test]
        fn a_change_that_is_refused_changes_nothing(
            before in any_attributes(), change in change(any::<bool>()), after in 0..120_i64
        ) {
            let mut attributes = before.clone();
            if apply_change(&mut attributes, &change, NOW.plus_seconds(after)).is_err() {
                assert_eq!(attributes, before);
            }
        }

        #[test]
        fn a_change_of_anything_else_leaves_the_lock_and_is_never_refused(
            before in any_attributes(), change in other_change()
        ) {
            let mut attributes = before.clone();
            assert_eq!(apply_change(&mut attributes, &change, NOW), Ok(()));
            assert_eq!((attributes.retention, attributes.legal_hold), (before.retention, before.legal_hold));
        }

        #[test]
        fn time_and_a_bypass_open_and_never_close(
            attributes in any_attributes(), new in prop::option::of(any_retention()), at in 0..120_i64, later in 0..120_i64
        ) {
            let (now, then) = (NOW.plus_seconds(at), NOW.plus_seconds(at + later));
            let removes = |bypass, at| judge_removal(&attributes, bypass, at).is_ok();
            let retains = |bypass, at| judge_retention(attributes.retention, new, bypass, at).is_ok();
            for bypass in [false, true] {
                assert!(removes(bypass, then) >= removes(bypass, now));
                assert!(retains(bypass, then) >= retains(bypass, now));
            }
            assert!(removes(true, now) >= removes(false, now) && retains(true, now) >= retains(false, now));
            // What may be removed may lose its retention, and the other way round, but for a hold.
            let unheld = VersionAttributes { legal_hold: None, ..attributes.clone() };
            let is_free = judge_retention(attributes.retention, None, false, now).is_ok();
            assert_eq!(judge_removal(&unheld, false, now).is_ok(), is_free);
        }

        #[test]
        fn a_default_lasts_as_long_as_it_says(at in 0..4_000_000_000_000_000_i64, days in 1..36_500_u32) {
            let made = Timestamp(at);
            for (period, days) in [(Period::Days(days), i64::from(days)), (Period::Years(days % 100), i64::from(days % 100) * 365)] {
                let until = DefaultRetention { mode: Governance, period }.retention(made).until;
                let least = made.plus_seconds(days * 86_400);
                assert!(until >= least && until.0 - least.0 < 1_000, "a millisecond at most is added");
            }
        }
    }
}
