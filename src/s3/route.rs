//! From method, host, path and query to an operation on a bucket and key: the first stage of a request.

use crate::s3::Operation;
use crate::s3::query::Query;
use crate::types::{BucketName, ObjectKey};

/// A request that was routed. Only `route` makes one.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) operation: Operation,
    pub(crate) bucket: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) query: Query,
}
