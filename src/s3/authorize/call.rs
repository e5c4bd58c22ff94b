//! A request that is allowed: what every operation works on.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use crate::auth::PayloadKind;
use crate::engine::{EngineError, OpenObject};
use crate::identity::Principal;
use crate::net::Peer;
use crate::policy::Relation;
use crate::rules::payer::Charge;
use crate::s3::authenticate::Signature;
use crate::s3::bucket_facts::BucketFacts;
use crate::s3::query::Query;
use crate::s3::relation::relation;
use crate::s3::{Gateway, Operation};
use crate::types::{Bucket, BucketName, ObjectKey, OwnerId, VersionId};

/// A request that is allowed. Only the stage of authorization makes one, so that an operation without it does not
/// compile.
pub struct Authorized {
    pub(crate) operation: Operation,
    pub(crate) principal: Principal,
    /// The bucket that the request names, if it exists and the principal may do this in it. `None` for
    /// ListBuckets and CreateBucket.
    pub(crate) bucket: Option<Bucket>,
    pub(crate) bucket_name: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: PayloadKind,
    /// How it is signed; `None` for anonymous requests (`response-…` overrides need a signature).
    pub(crate) signature: Option<Signature>,
    /// Path of the request as sent, for `Resource` and `Location`.
    pub(crate) path: String,
    pub(crate) request_id: String,
    /// The other end of the connection.
    pub(crate) peer: Option<Peer>,
    /// What URLs in answers begin with: `https://HOST`.
    pub(crate) endpoint: Option<String>,
    /// Who pays for it.
    pub(crate) charge: Charge,
    /// What decides about access to the bucket.
    pub(crate) facts: Arc<BucketFacts>,
    /// Allowed only as long as the key has no current version: the operation commits with a put-if-absent, and
    /// its refusal means that the permission is missing.
    pub(crate) requires_absent: bool,
    /// The version that was judged, for the operation to work on.
    pub(super) judged: Mutex<Option<Result<OpenObject, EngineError>>>,
    /// Counts the bytes of the request's body as they are read. Not for others, so that only `authorize` makes an
    /// `Authorized`.
    pub(super) received: Arc<AtomicU64>,
}

impl Authorized {
    /// The bucket of an operation on a bucket or object.
    ///
    /// # Panics
    /// If the operation names no bucket: `route` never makes such a request.
    pub fn bucket(&self) -> &Bucket {
        self.bucket.as_ref().expect("route gives every bucket operation its bucket")
    }

    /// The key of an operation on an object.
    ///
    /// # Panics
    /// If the operation names no key: `route` never makes such a request.
    pub fn key(&self) -> &ObjectKey {
        self.key.as_ref().expect("route gives every object operation its key")
    }

    /// Whose something is that `writer` wrote (`None` for the bucket's owner): where ACLs are off everything is the
    /// bucket owner's.
    pub(crate) fn owner_of<'a>(&'a self, writer: Option<&'a OwnerId>) -> &'a OwnerId {
        writer.filter(|_| self.facts.has_acls()).unwrap_or(&self.bucket().owner)
    }

    /// Opens the version that the request names: the very one that was judged, if it had to be.
    ///
    /// # Errors
    /// Those of the engine.
    pub(crate) async fn open(&self, gateway: &Gateway, version: Option<VersionId>) -> Result<OpenObject, EngineError> {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner).take();
        match judged {
            Some(judged) => judged,
            None => gateway.engine.open_object(self.bucket(), self.key(), version).await,
        }
    }

    /// Whether the principal is the bucket's owner, or root.
    pub(crate) fn is_by_owner(&self) -> bool {
        let relation = relation(&self.principal, Some(&self.bucket().owner));
        matches!(relation, Relation::Owner | Relation::OwnerRoot)
    }

    /// What counts the bytes of the request's body.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// A request that nobody authorized, for tests of operations.
    #[cfg(test)]
    pub(crate) fn for_test(operation: Operation, uri: &str, headers: HeaderMap, payload: PayloadKind) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let key = path.trim_start_matches('/').split_once('/').map(|(_, key)| key);
        Self {
            operation,
            principal: Principal::Anonymous,
            bucket: None,
            bucket_name: None,
            key: key.and_then(|key| ObjectKey::parse(key).ok()),
            query: Query::parse(query).expect("a test's query is legal"),
            headers,
            payload,
            signature: Some(Signature::for_test()),
            path: path.to_owned(),
            request_id: "TEST".to_owned(),
            peer: None,
            endpoint: None,
            charge: Charge::Owner,
            facts: Arc::default(),
            requires_absent: false,
            judged: Mutex::default(),
            received: Arc::default(),
        }
    }
}
