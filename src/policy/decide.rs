//! All that speaks of a request, combined into one answer.
//!
//! In this order; `–` means that it is not asked:
//!
//! | who asks | any explicit deny | identity policies | session policies | bucket policy | ACL |
//! |---|---|---|---|---|---|
//! | nobody known | denied | – | – | one of the two must allow | |
//! | the owner's account itself | denied¹ | – (owns the bucket) | must allow, if there are any | – | – |
//! | a user of the owner, no policies attached | denied | – (may do what its account may) | must allow, if there are any | – | – |
//! | a user of the owner, policies attached | denied | one of them, a statement of the bucket policy that names more than the account, or an ACL grant to everybody must allow | must allow, if there are any² | (see left) | (see left) |
//! | a user of somebody else | denied | must allow, if any are attached | must allow, if there are any | one of the two must allow | |
//!
//! 1. Except that a bucket policy never takes `GetBucketPolicy`, `PutBucketPolicy` and `DeleteBucketPolicy` from the
//!    root of the bucket's owner: nobody locks himself out for good.
//! 2. Unless the bucket policy names the session itself by its ARN.
//!
//! A bucket policy that allows the owner's account, and an ACL that grants it something (as every ACL does), say
//! nothing new: the account leaves to its identity policies whom it trusts. Otherwise a read-only key could write to
//! every bucket of its own account.
//!
//! Source: IAM User Guide, "Policy evaluation logic", "Cross-account policy evaluation logic", "Session policies";
//! Amazon S3 User Guide, "How Amazon S3 authorizes a request".

use std::fmt;

use crate::policy::document::{Document, StatementName, Verdict, judge};
use crate::policy::principal::Naming;
use crate::policy::request::{Facts, OVERWRITES_OBJECT, Request};

/// How the principal stands to the owner of the bucket. Where there is no bucket yet, everybody known is an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Nobody known.
    Anonymous,
    /// The account that owns the bucket, itself.
    OwnerRoot,
    /// A user or session in the account that owns the bucket.
    Owner,
    /// Somebody in another account.
    Other,
}

/// The policies that are attached to the principal.
#[derive(Clone, Copy, Debug)]
pub enum Identity<'a> {
    /// None: it may do what its account may.
    Unrestricted,
    /// These; an empty list allows nothing.
    Policies(&'a [&'a Document]),
}

/// The policy of the bucket.
#[derive(Clone, Copy, Debug)]
pub struct BucketPolicy<'a> {
    /// The document.
    pub document: &'a Document,
    /// Whether what it allows counts for the owner's account only (RestrictPublicBuckets, and the policy is public).
    pub restricted: bool,
}

/// What an ACL grants for this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AclGrant {
    /// Whether it grants to a group (all users, authenticated users) and not to the principal's account.
    pub to_group: bool,
    /// Which ACL, for the log.
    pub source: &'static str,
}

/// All that speaks of a request.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// How the principal stands to the bucket's owner.
    pub relation: Relation,
    /// What is attached to the principal.
    pub identity: Identity<'a>,
    /// What its session was limited to; `None` if it was not.
    pub session: Option<&'a [&'a Document]>,
    /// The bucket's policy.
    pub bucket: Option<BucketPolicy<'a>>,
    /// The grant of the bucket's or object's ACL that fits, if one does.
    pub acl: Option<AclGrant>,
}

/// Why a request is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A statement says so.
    Statement(StatementName),
    /// Its account owns the bucket.
    Owner,
    /// An ACL grants it.
    Acl(&'static str),
    /// Nothing allows it.
    NothingAllows,
    /// The bucket's owner would let it, the principal's own policies do not.
    IdentitySilent,
    /// Something allows it, the session's policies do not.
    SessionSilent,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Statement(name) => write!(f, "{name}"),
            Self::Owner => f.write_str("ownership of the bucket"),
            Self::Acl(source) => f.write_str(source),
            Self::NothingAllows => f.write_str("nothing allows it"),
            Self::IdentitySilent => f.write_str("no identity policy allows it"),
            Self::SessionSilent => f.write_str("no session policy allows it"),
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Whether it is allowed only if the key has no current version when it is committed. The caller then commits with
    /// a put-if-absent and answers a refusal with `AccessDenied`, since it is the permission that is missing. A retry
    /// of an upload that did arrive may be answered with success where the current version has the same bytes. Of an
    /// upload in parts only the completion is a commit. A permission to overwrite that does not hold for an absent key
    /// is none.
    pub requires_absent: bool,
    /// Why.
    pub reason: Reason,
}

/// Decides.
pub fn decide(request: &Request<'_>, sources: &Sources<'_>) -> Decision {
    let creates = answer(&Facts::new(request, false), sources);
    let (allowed, reason) = match creates {
        Ok(reason) => (true, reason),
        Err(reason) => (false, reason),
    };
    let requires_absent =
        allowed && depends_on_overwriting(request, sources) && answer(&Facts::new(request, true), sources).is_err();
    Decision { allowed, requires_absent, reason }
}

fn depends_on_overwriting(request: &Request<'_>, sources: &Sources<'_>) -> bool {
    let identity = match sources.identity {
        Identity::Unrestricted => &[],
        Identity::Policies(documents) => documents,
    };
    let session = sources.session.unwrap_or_default();
    let bucket = sources.bucket.map(|bucket| bucket.document);
    let mut documents = identity.iter().chain(session).copied().chain(bucket);
    documents.any(|document| document.mentions(request.action, OVERWRITES_OBJECT))
}

/// What the bucket's owner says through policy and ACL: what allows, and how directly it names the principal.
type Granted = Option<(Reason, Naming)>;

fn answer(facts: &Facts<'_>, sources: &Sources<'_>) -> Result<Reason, Reason> {
    let identity = match sources.identity {
        Identity::Unrestricted => None,
        Identity::Policies(documents) => Some(judge(documents.iter().copied(), facts).0),
    };
    let session = sources.session.map(|documents| judge(documents.iter().copied(), facts).0);
    let bucket = sources.bucket.map(|bucket| judge([bucket.document], facts));
    for denied in [&identity, &session] {
        if let Some(Verdict::Deny(name)) = denied {
            return Err(Reason::Statement(name.clone()));
        }
    }
    if let Some((Verdict::Deny(name), _)) = &bucket
        && !never_locked_out(facts, sources.relation)
    {
        return Err(Reason::Statement(name.clone()));
    }
    let granted = granted(sources, bucket);
    if sources.relation == Relation::Anonymous {
        return granted.map(|(reason, _)| reason).ok_or(Reason::NothingAllows);
    }
    let (reason, naming) = match sources.relation {
        Relation::Anonymous | Relation::Other => {
            let granted = granted.ok_or(Reason::NothingAllows)?;
            if matches!(identity, Some(Verdict::NoMatch | Verdict::Deny(_))) {
                return Err(Reason::IdentitySilent);
            }
            // Across accounts the session's limits always count.
            (granted.0, Naming::Account)
        }
        Relation::OwnerRoot => (Reason::Owner, Naming::Account),
        Relation::Owner => of_the_house(identity, granted)?,
    };
    match session {
        Some(Verdict::NoMatch | Verdict::Deny(_)) if naming != Naming::Session => Err(Reason::SessionSilent),
        Some(_) | None => Ok(reason),
    }
}

/// A user of the account that owns the bucket.
fn of_the_house(identity: Option<Verdict>, granted: Granted) -> Result<(Reason, Naming), Reason> {
    let direct = granted.filter(|(_, naming)| *naming > Naming::Account);
    if let Some(granted @ (_, Naming::Session)) = direct {
        return Ok(granted);
    }
    match identity {
        None => Ok((Reason::Owner, Naming::Account)),
        Some(Verdict::Allow(name)) => Ok((Reason::Statement(name), Naming::Account)),
        Some(Verdict::NoMatch | Verdict::Deny(_)) => direct.ok_or(Reason::NothingAllows),
    }
}

fn granted(sources: &Sources<'_>, bucket: Option<(Verdict, Naming)>) -> Granted {
    let of_the_house = matches!(sources.relation, Relation::OwnerRoot | Relation::Owner);
    let counts = sources.bucket.is_some_and(|bucket| !bucket.restricted || of_the_house);
    let by_policy = match bucket {
        Some((Verdict::Allow(name), naming)) if counts => Some((Reason::Statement(name), naming)),
        Some(_) | None => None,
    };
    let by_acl =
        sources.acl.map(|acl| (Reason::Acl(acl.source), if acl.to_group { Naming::Everyone } else { Naming::Account }));
    match (by_policy, by_acl) {
        (Some(policy), Some(acl)) if acl.1 > policy.1 => Some(acl),
        (Some(policy), _) => Some(policy),
        (None, acl) => acl,
    }
}

fn never_locked_out(facts: &Facts<'_>, relation: Relation) -> bool {
    relation == Relation::OwnerRoot
        && matches!(facts.action.as_str(), "s3:getbucketpolicy" | "s3:putbucketpolicy" | "s3:deletebucketpolicy")
}
