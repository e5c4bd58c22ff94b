//! What a bucket's documents say about access, parsed once for each state of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::limits::BUCKET_FACTS_CACHE_BYTES_MAX;
use crate::policy::{Document, Kind};
use crate::rules::{OwnershipControls, PublicAccessBlock, acl};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Acl, Bucket, BucketId, DocumentKind, Documents, ObjectOwnership};

/// Bytes that an entry of the cache takes beside its documents.
const ENTRY_BYTES: usize = 512;
/// How much larger a parsed document is than its text, at most, roughly.
const PARSED_FACTOR: usize = 8;

/// What decides about access to a bucket.
#[derive(Debug, Default)]
pub(crate) struct BucketFacts {
    /// Its policy.
    pub(crate) policy: Option<Document>,
    /// Whether the policy lets the public in.
    pub(crate) policy_is_public: bool,
    /// Its ACL; `None` is the default.
    pub(crate) acl: Option<Acl>,
    /// Who owns its objects; `None` if the controls were deleted.
    pub(crate) controls: Option<ObjectOwnership>,
    /// Whether somebody chose who owns them; else it is this gateway's default.
    pub(crate) chose_ownership: bool,
    /// Its public access block; `None` if there is no configuration.
    pub(crate) block: Option<PublicAccessBlock>,
}

impl BucketFacts {
    /// Parses a bucket's documents.
    fn parse(documents: &Documents) -> Option<Self> {
        let policy = match documents.get(DocumentKind::Policy) {
            Some(text) => Some(Document::parse(Kind::Bucket, text).ok()?),
            None => None,
        };
        let controls = match OwnershipControls::decode(documents.get(DocumentKind::Ownership))? {
            OwnershipControls::Rule(rule) => Some(rule),
            OwnershipControls::Deleted => None,
        };
        let acl = match documents.get(DocumentKind::Acl) {
            Some(document) => Some(acl::decode(document)?),
            None => None,
        };
        let block = match documents.get(DocumentKind::PublicAccessBlock) {
            Some(document) => Some(PublicAccessBlock::decode(document)?),
            None => None,
        };
        let chose_ownership = documents.get(DocumentKind::Ownership).is_some();
        let policy_is_public = policy.as_ref().is_some_and(Document::is_public);
        Some(Self { policy, policy_is_public, acl, controls, chose_ownership, block })
    }

    /// The ownership that counts.
    pub(crate) fn ownership(&self) -> ObjectOwnership {
        self.controls.unwrap_or(ObjectOwnership::ObjectWriter)
    }

    /// Whether a write may ask for the ACL `private` where ACLs are off. Amazon S3 refuses that; here only a bucket
    /// whose owner chose to be without ACLs does, since rclone sends it with every write to any bucket.
    pub(crate) fn tolerates_private(&self) -> bool {
        self.has_acls() || !self.chose_ownership
    }

    /// Whether ACLs count.
    pub(crate) fn has_acls(&self) -> bool {
        self.ownership() != ObjectOwnership::BucketOwnerEnforced
    }

    /// The public access block that counts.
    pub(crate) fn block(&self) -> PublicAccessBlock {
        self.block.unwrap_or_default()
    }
}

/// Facts of buckets that were used lately.
#[derive(Default)]
pub(crate) struct FactsCache {
    slot: Mutex<Slot>,
}

#[derive(Default)]
struct Slot {
    entries: HashMap<BucketId, (u64, Arc<BucketFacts>)>,
    bytes: usize,
}

impl FactsCache {
    fn find(&self, bucket: &Bucket) -> Option<Arc<BucketFacts>> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let (generation, facts) = slot.entries.get(&bucket.id)?;
        (*generation == bucket.generation).then(|| Arc::clone(facts))
    }

    fn keep(&self, bucket: &Bucket, facts: &Arc<BucketFacts>, bytes: usize) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded in the simplest way: what is in use comes back at once. An entry that is replaced is counted
        // until then, which only empties the cache sooner.
        if slot.bytes + bytes > BUCKET_FACTS_CACHE_BYTES_MAX {
            *slot = Slot::default();
        }
        slot.bytes += bytes;
        slot.entries.insert(bucket.id, (bucket.generation, Arc::clone(facts)));
    }
}

/// The facts of a bucket. Documents that cannot be read let nobody in.
///
/// # Errors
/// `NoSuchBucket` if it went meanwhile, `InternalError`.
pub(crate) async fn bucket_facts(gateway: &Gateway, bucket: &Bucket) -> Result<Arc<BucketFacts>, S3Error> {
    if let Some(found) = gateway.facts.find(bucket) {
        return Ok(found);
    }
    let documents = gateway.engine.documents(bucket).await?;
    let facts = BucketFacts::parse(&documents).ok_or_else(|| {
        S3Error::new(Code::InternalError).cause(format!("damaged data: a document of bucket {}", bucket.name))
    })?;
    let facts = Arc::new(facts);
    let kinds = [DocumentKind::Policy, DocumentKind::Acl];
    let bytes: usize = kinds.iter().filter_map(|kind| documents.get(*kind)).map(<[u8]>::len).sum();
    gateway.facts.keep(bucket, &facts, ENTRY_BYTES + bytes * PARSED_FACTOR);
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{BucketFacts, FactsCache};
    use crate::limits::BUCKET_FACTS_CACHE_BYTES_MAX;
    use crate::types::{Bucket, BucketId, BucketName, DocumentKind, Documents, ObjectOwnership, OwnerId, Timestamp};

    fn documents(kind: DocumentKind, text: &str) -> Documents {
        let mut documents = Documents::default();
        documents.0.insert(kind, text.as_bytes().into());
        documents
    }

    fn bucket(id: i64, generation: u64) -> Bucket {
        Bucket {
            id: BucketId(id),
            name: BucketName::parse("abc").unwrap(),
            owner: OwnerId("o".to_owned()),
            created: Timestamp(0),
            location: String::new(),
            is_versioned: false,
            generation,
        }
    }

    #[test]
    fn a_bucket_without_documents_is_its_owners() {
        let facts = BucketFacts::parse(&Documents::default()).unwrap();
        assert_eq!(facts.ownership(), ObjectOwnership::BucketOwnerEnforced);
        assert!(!facts.has_acls() && facts.policy.is_none() && facts.acl.is_none() && facts.block.is_none());
    }

    #[test]
    fn a_document_that_cannot_be_read_is_no_facts() {
        for kind in [DocumentKind::Acl, DocumentKind::Ownership, DocumentKind::Policy, DocumentKind::PublicAccessBlock]
        {
            assert!(BucketFacts::parse(&documents(kind, "{")).is_none(), "{kind:?}");
        }
        let deleted = BucketFacts::parse(&documents(DocumentKind::Ownership, "null")).unwrap();
        assert_eq!((deleted.controls, deleted.ownership()), (None, ObjectOwnership::ObjectWriter));
    }

    #[test]
    fn the_cache_knows_one_state_of_a_bucket_and_is_bounded() {
        let cache = FactsCache::default();
        let facts = Arc::new(BucketFacts::default());
        cache.keep(&bucket(1, 1), &facts, 100);
        assert!(cache.find(&bucket(1, 1)).is_some());
        assert!(cache.find(&bucket(1, 2)).is_none(), "another generation is another state");
        cache.keep(&bucket(2, 1), &facts, BUCKET_FACTS_CACHE_BYTES_MAX);
        assert!(cache.find(&bucket(1, 1)).is_none() && cache.find(&bucket(2, 1)).is_some());
    }
}
