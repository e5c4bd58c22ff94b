//! Object lock: which versions must stay, and which changes of a lock are allowed.
//!
//! Source: Amazon S3 User Guide, "Locking objects with Object Lock".

use crate::types::{AttributeChange, Retention, RetentionMode, Timestamp, VersionAttributes};

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

/// Whether a version may be removed at `now`.
///
/// # Errors
/// What holds it.
pub fn judge_removal(
    attributes: &VersionAttributes,
    bypass_governance: bool,
    now: Timestamp,
) -> Result<(), LockRefusal> {
    if attributes.legal_hold {
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

/// Whether a retention may become `new` at `now`: it may always be lengthened in its mode or a stricter one; in
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
    let is_longer = new.is_some_and(|new| new.until >= current.until);
    let stays_compliant = new.is_some_and(|new| new.mode == RetentionMode::Compliance);
    match current.mode {
        RetentionMode::Compliance if is_longer && stays_compliant => Ok(()),
        RetentionMode::Compliance => Err(LockRefusal::Compliance),
        RetentionMode::Governance if is_longer || bypass_governance => Ok(()),
        RetentionMode::Governance => Err(LockRefusal::Governance),
    }
}

/// Applies a change to a version's attributes.
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
        AttributeChange::LegalHold(on) => attributes.legal_hold = *on,
        // An envelope that was made of another one would lock a body that was written meanwhile for ever. The change
        // then counts as made just before that.
        AttributeChange::Envelope { from, to } if attributes.encryption.as_ref() == Some(from) => {
            attributes.encryption = Some(to.clone());
        }
        AttributeChange::Envelope { .. } => {}
    }
    Ok(())
}
