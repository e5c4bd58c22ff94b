//! The second and third stage of a request: who asks, and whether they may.

use http::HeaderMap;

use crate::auth::PayloadKind;
use crate::identity::Principal;
use crate::s3::Operation;
use crate::s3::query::Query;
use crate::types::{Bucket, BucketName, ObjectKey};

/// A request that is allowed. Only this module makes one, so that an operation without authorization does not
/// compile.
#[derive(Debug)]
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
    /// False only for anonymous requests (`response-…` overrides need a signature).
    pub(crate) signed: bool,
    /// Path of the request as sent, for `Resource` and `Location`.
    pub(crate) path: String,
    pub(crate) request_id: String,
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
}
