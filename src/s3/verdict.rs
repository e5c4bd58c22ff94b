//! The one place where the rights of a request are decided: ownership, bucket policy, identity policies, ACLs and the
//! public access block, brought together for the evaluator of `policy`.
//!
//! Where ACLs count, a version that somebody else wrote is his: the bucket's policy cannot open it, the bucket's owner
//! may delete it but not read it, and its own ACL says who else may. A policy of the bucket may close it to anybody.
//! Root is the administrator of the whole server and stands in every bucket as its owner's account itself.
//!
//! Source: Amazon S3 User Guide, "How Amazon S3 authorizes a request".

use std::sync::Arc;

use crate::identity::{Principal, account_id};
use crate::policy::{
    AclGrant, BucketPolicy, Caller, Decision, Document, Identity, Principal as Asker, Relation, Request, Sources,
    Target, decide,
};
use crate::rules::AclRight;
use crate::rules::acl::{self, GrantedTo};
use crate::s3::Gateway;
use crate::s3::authorize::call::Authorized;
use crate::s3::bucket_facts::BucketFacts;
use crate::s3::condition_context::RequestContext;
use crate::s3::permission::{Need, On};
use crate::s3::relation::relation;
use crate::types::{Bucket, OwnerId, Tags, VersionAttributes};

/// One question: whether the sender of a request has a permission.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The permission.
    pub(crate) need: Need,
    /// In which bucket; `None` if there is none yet.
    pub(crate) bucket: Option<(&'a Bucket, &'a BucketFacts)>,
    /// Name of the bucket; empty for the service.
    pub(crate) bucket_name: &'a str,
    /// On which key.
    pub(crate) key: Option<&'a str>,
    /// On which version, as it was named.
    pub(crate) version: Option<&'a str>,
    /// A prefix that stands for the request's own.
    pub(crate) prefix: Option<&'a str>,
    /// What is known of the version that is stored.
    pub(crate) attributes: Option<&'a VersionAttributes>,
    /// Tags that the request brings in its body.
    pub(crate) new_tags: Option<&'a Tags>,
}

impl<'a> Question<'a> {
    /// A question about a bucket.
    pub(crate) fn about(need: Need, bucket: &'a Bucket, facts: &'a BucketFacts) -> Self {
        Self {
            need,
            bucket: Some((bucket, facts)),
            bucket_name: bucket.name.as_str(),
            key: None,
            version: None,
            prefix: None,
            attributes: None,
            new_tags: None,
        }
    }
}

/// The policies that are attached to a principal. `None` is no restriction; an empty list allows nothing.
#[derive(Clone, Copy, Debug)]
struct Attached<'a> {
    identity: Option<&'a [Arc<Document>]>,
    session: Option<&'a [Arc<Document>]>,
}

impl<'a> Attached<'a> {
    fn to(principal: &'a Principal) -> Self {
        match principal {
            Principal::Anonymous => Self { identity: None, session: None },
            Principal::Identity { policies, session, .. } => Self {
                identity: policies.as_deref(),
                session: session.as_ref().and_then(|session| session.policies.as_deref()),
            },
        }
    }
}

fn references(documents: &[Arc<Document>]) -> Vec<&Document> {
    documents.iter().map(Arc::as_ref).collect()
}

/// Whether policies that are attached to a principal limit it to less than what its account may.
pub(crate) fn is_limited(principal: &Principal) -> bool {
    let attached = Attached::to(principal);
    attached.identity.is_some() || attached.session.is_some()
}

/// Answers a question.
pub(crate) fn answer(gateway: &Gateway, call: &Authorized, question: &Question<'_>) -> Decision {
    let attached = Attached::to(&call.principal);
    let identity: Option<Vec<&Document>> = attached.identity.map(references);
    let session: Option<Vec<&Document>> = attached.session.map(references);
    let now = gateway.clock.now();
    let context = RequestContext {
        gateway,
        call,
        bucket_owner: question.bucket.map(|(bucket, _)| &bucket.owner),
        version: question.version,
        prefix: question.prefix,
        tags: question.attributes.map(|attributes| &attributes.tags),
        new_tags: question.new_tags,
        now,
    };
    let account = account_of(&call.principal);
    let request = Request {
        action: question.need.action,
        target: target(question),
        principal: asker(&call.principal, &account),
        now,
        context: &context,
    };
    let mut sources = sources(&call.principal, question);
    if let Some(documents) = &identity {
        sources.identity = Identity::Policies(documents);
    }
    sources.session = session.as_deref();
    let decision = decide(&request, &sources);
    tracing::debug!(
        request_id = %call.request_id,
        action = question.need.action,
        bucket = question.bucket_name,
        key = ?question.key,
        allowed = decision.allowed,
        requires_absent = decision.requires_absent,
        reason = %decision.reason,
        "access decided"
    );
    decision
}

/// Whether a question about a stored version can only be answered by looking at it: its owner and ACL count, its tags
/// are asked for, or whether it exists is nothing that just anybody may learn.
pub(crate) fn needs_version(principal: &Principal, question: &Question<'_>) -> bool {
    let Some((bucket, facts)) = question.bucket.filter(|_| question.need.on == On::Version) else { return false };
    let by_tags = mentions(principal, facts, question.need.action, "s3:ExistingObjectTag/");
    match relation(principal, Some(&bucket.owner)) {
        Relation::OwnerRoot => by_tags || is_limited(principal),
        Relation::Owner => by_tags || facts.has_acls() || is_limited(principal),
        Relation::Anonymous | Relation::Other => true,
    }
}

/// Whether anything that speaks of an action asks for condition keys that begin with `prefix`.
pub(crate) fn mentions(principal: &Principal, facts: &BucketFacts, action: &str, prefix: &str) -> bool {
    let attached = Attached::to(principal);
    let mut documents = [attached.identity, attached.session].into_iter().flatten().flatten();
    documents.any(|document| document.mentions(action, prefix))
        || facts.policy.as_ref().is_some_and(|policy| policy.mentions(action, prefix))
}

/// The canonical id of a known principal.
pub(crate) fn owner_id(principal: &Principal) -> Option<&OwnerId> {
    match principal {
        Principal::Anonymous => None,
        Principal::Identity { owner, .. } => Some(owner),
    }
}

fn account_of(principal: &Principal) -> String {
    owner_id(principal).map(account_id).unwrap_or_default()
}

fn asker<'a>(principal: &'a Principal, account: &'a str) -> Asker<'a> {
    match principal {
        Principal::Anonymous => Asker::Anonymous,
        Principal::Identity { owner, name, access_key_id, is_root, .. } => {
            let caller = if *is_root { Caller::Root } else { Caller::User { name, id: access_key_id } };
            Asker::Known { account, canonical_id: &owner.0, caller }
        }
    }
}

fn target<'a>(question: &Question<'a>) -> Target<'a> {
    match (question.need.on, question.key) {
        (On::Service, _) => Target::Service,
        (On::Key | On::Version, Some(key)) => Target::Object { bucket: question.bucket_name, key },
        (On::Bucket | On::Key | On::Version, _) => Target::Bucket(question.bucket_name),
    }
}

fn sources<'a>(principal: &Principal, question: &Question<'a>) -> Sources<'a> {
    let Some((bucket, facts)) = question.bucket else {
        let relation = relation(principal, None);
        return Sources { relation, identity: Identity::Unrestricted, session: None, bucket: None, acl: None };
    };
    let writer = question
        .attributes
        .filter(|_| question.need.on == On::Version && facts.has_acls())
        .and_then(|attributes| attributes.owner.as_ref())
        .filter(|owner| **owner != bucket.owner);
    let shuts_out_public = facts.block().restrict_public_buckets && facts.policy_is_public;
    Sources {
        relation: relation(principal, Some(writer.unwrap_or(&bucket.owner))),
        identity: Identity::Unrestricted,
        session: None,
        bucket: facts
            .policy
            .as_ref()
            .map(|document| BucketPolicy { document, restricted: shuts_out_public || writer.is_some() }),
        acl: acl_grant(owner_id(principal), question, facts),
    }
}

fn acl_grant(asker: Option<&OwnerId>, question: &Question<'_>, facts: &BucketFacts) -> Option<AclGrant> {
    let right = question.need.right.filter(|_| facts.has_acls())?;
    let (list, permission, source) = match right {
        AclRight::Bucket(permission) => (facts.acl.as_ref(), permission, "the bucket's ACL"),
        AclRight::Object(permission) => {
            let list = question.attributes.and_then(|attributes| attributes.acl.as_ref());
            (list, permission, "the object's ACL")
        }
    };
    let granted = acl::granted(list?, permission, asker, facts.block().ignore_public_acls)?;
    Some(AclGrant { to_group: granted == GrantedTo::Group, source })
}

#[cfg(test)]
mod tests {
    use super::{Question, Relation, acl_grant, relation, sources};
    use crate::identity::Principal;
    use crate::policy::{Document, Kind};
    use crate::rules::{AclSubject, CannedAcl, PublicAccessBlock};
    use crate::s3::bucket_facts::BucketFacts;
    use crate::s3::permission::Need;
    use crate::types::{
        Bucket, BucketId, BucketName, ObjectOwnership, OwnerId, SourceRates, Timestamp, VersionAttributes,
    };

    fn owner(name: &str) -> OwnerId {
        OwnerId(name.to_owned())
    }

    fn key(name: &str, is_root: bool) -> Principal {
        let (name, access_key_id) = (name.to_owned(), name.to_owned());
        Principal::Identity {
            owner: owner(&name),
            name,
            access_key_id,
            is_root,
            policies: None,
            rates: SourceRates::default(),
            session: None,
        }
    }

    fn bucket() -> Bucket {
        Bucket {
            id: BucketId(1),
            name: BucketName::parse("bucket").unwrap(),
            owner: owner("alice"),
            created: Timestamp(0),
            location: String::new(),
            is_versioned: false,
            generation: 0,
        }
    }

    fn facts(ownership: ObjectOwnership) -> BucketFacts {
        let policy = r#"{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bucket/*"}}"#;
        let policy = Document::parse(Kind::Bucket, policy.as_bytes()).unwrap();
        BucketFacts {
            policy: Some(policy),
            policy_is_public: true,
            controls: Some(ownership),
            ..BucketFacts::default()
        }
    }

    #[test]
    fn root_stands_in_every_bucket_as_its_owners_account() {
        let alice = owner("alice");
        assert_eq!(relation(&key("root", true), Some(&alice)), Relation::OwnerRoot);
        assert_eq!(relation(&key("alice", false), Some(&alice)), Relation::Owner);
        assert_eq!(relation(&key("bob", false), Some(&alice)), Relation::Other);
        assert_eq!(relation(&key("bob", false), None), Relation::Owner);
        assert_eq!(relation(&Principal::Anonymous, None), Relation::Anonymous);
    }

    #[test]
    fn what_somebody_else_wrote_is_his_where_acls_count() {
        let (bucket, attributes) =
            (bucket(), VersionAttributes { owner: Some(owner("bob")), ..VersionAttributes::default() });
        for (ownership, is_his) in [
            (ObjectOwnership::ObjectWriter, true),
            (ObjectOwnership::BucketOwnerPreferred, true),
            (ObjectOwnership::BucketOwnerEnforced, false),
        ] {
            let facts = facts(ownership);
            let question = Question {
                key: Some("k"),
                attributes: Some(&attributes),
                ..Question::about(Need::get(false), &bucket, &facts)
            };
            let of = |principal: &Principal| sources(principal, &question).relation;
            let (alice, bob) = (key("alice", false), key("bob", false));
            assert_eq!(of(&bob), if is_his { Relation::Owner } else { Relation::Other }, "{ownership:?}");
            assert_eq!(of(&alice), if is_his { Relation::Other } else { Relation::Owner }, "{ownership:?}");
            assert_eq!(sources(&alice, &question).bucket.unwrap().restricted, is_his, "{ownership:?}");
            let delete = Question { need: Need::delete(false), ..question };
            assert_eq!(sources(&alice, &delete).relation, Relation::Owner, "the bucket's owner may always delete");
        }
    }

    #[test]
    fn a_public_policy_is_shut_only_by_the_flag_for_it() {
        let bucket = bucket();
        let mut facts = facts(ObjectOwnership::BucketOwnerEnforced);
        for (restrict_public_buckets, public) in [(false, true), (true, true), (true, false)] {
            facts.block = Some(PublicAccessBlock { restrict_public_buckets, ..PublicAccessBlock::default() });
            facts.policy_is_public = public;
            let sources = sources(&Principal::Anonymous, &Question::about(Need::get(false), &bucket, &facts));
            assert_eq!(sources.bucket.unwrap().restricted, restrict_public_buckets && public);
        }
    }

    #[test]
    fn acls_count_only_where_they_are_on_and_not_ignored() {
        let bucket = bucket();
        let acl = CannedAcl::PublicRead.expand(AclSubject::Object, &owner("alice"), &owner("alice"));
        let attributes = VersionAttributes { acl: Some(acl), ..VersionAttributes::default() };
        let grants = |ownership, ignore_public_acls, need| {
            let block = Some(PublicAccessBlock { ignore_public_acls, ..PublicAccessBlock::default() });
            let facts = BucketFacts { block, ..facts(ownership) };
            let question = Question { attributes: Some(&attributes), ..Question::about(need, &bucket, &facts) };
            acl_grant(None, &question, &facts).is_some()
        };
        assert!(grants(ObjectOwnership::ObjectWriter, false, Need::get(false)));
        assert!(!grants(ObjectOwnership::ObjectWriter, true, Need::get(false)));
        assert!(!grants(ObjectOwnership::BucketOwnerEnforced, false, Need::get(false)));
        assert!(!grants(ObjectOwnership::ObjectWriter, false, Need::get_tagging(false)), "no ACL speaks of tags");
        assert!(!grants(ObjectOwnership::ObjectWriter, false, Need::LIST), "an object's ACL opens no bucket");
    }
}
