//! The third stage of a request: whether its sender may do this. Looks the bucket up, once.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::HeaderMap;

use crate::auth::PayloadKind;
use crate::identity::Principal;
use crate::rules::payer::Charge;
use crate::s3::authenticate::Authenticated;
use crate::s3::query::Query;
use crate::s3::requester_pays;
use crate::s3::{Code, Gateway, Operation, S3Error};
use crate::types::{Bucket, BucketName, ObjectKey, OwnerId};

const EXPECTED_OWNER: &str = "x-amz-expected-bucket-owner";
const EXPECTED_SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";

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
    /// What URLs in answers begin with: `https://HOST`.
    pub(crate) endpoint: Option<String>,
    /// Who pays for it.
    pub(crate) charge: Charge,
    /// Counts the bytes of the request's body as they are read. Private, so that only this module makes an
    /// `Authorized`.
    received: Arc<AtomicU64>,
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
            signed: true,
            path: path.to_owned(),
            request_id: "TEST".to_owned(),
            endpoint: None,
            charge: Charge::Owner,
            received: Arc::default(),
        }
    }
}

/// Decides whether the sender may do this. Until policies exist the rule is ownership: root may do everything,
/// everybody else whatever they like in their own buckets, and nobody else anything.
///
/// # Errors
/// `AccessDenied`; `NoSuchBucket`, which only signed callers ever see.
pub(crate) async fn authorize(
    gateway: &Gateway,
    request: Authenticated,
    request_id: &str,
    received: Arc<AtomicU64>,
) -> Result<Authorized, S3Error> {
    let Authenticated { routed, principal, payload, signed, headers, path, endpoint, .. } = request;
    if principal == Principal::Anonymous {
        return Err(S3Error::new(Code::AccessDenied).cause("nothing is granted to anonymous requests"));
    }
    let bucket = match &routed.bucket {
        Some(name) if routed.operation != Operation::CreateBucket => {
            let bucket = find(gateway, &principal, name).await?;
            check_expected_owner(&headers, EXPECTED_OWNER, &bucket)?;
            Some(bucket)
        }
        Some(_) | None => None,
    };
    let mut call = Authorized {
        operation: routed.operation,
        principal,
        bucket,
        bucket_name: routed.bucket,
        key: routed.key,
        query: routed.query,
        headers,
        payload,
        signed,
        path,
        request_id: request_id.to_owned(),
        endpoint,
        charge: Charge::Owner,
        received,
    };
    if let Some(bucket) = &call.bucket {
        call.charge = requester_pays::judge(gateway, &call, bucket).await?;
    }
    Ok(call)
}

/// Finds the source bucket of a copy, under the same rule as the target.
///
/// # Errors
/// `NoSuchBucket`, `AccessDenied`.
pub(crate) async fn authorize_source(
    gateway: &Gateway,
    call: &Authorized,
    name: &BucketName,
) -> Result<Bucket, S3Error> {
    let bucket = match &call.bucket {
        Some(bucket) if bucket.name == *name => bucket.clone(),
        Some(_) | None => find(gateway, &call.principal, name).await?,
    };
    check_expected_owner(&call.headers, EXPECTED_SOURCE_OWNER, &bucket)?;
    requester_pays::judge(gateway, call, &bucket).await?;
    Ok(bucket)
}

async fn find(gateway: &Gateway, principal: &Principal, name: &BucketName) -> Result<Bucket, S3Error> {
    let found = gateway.engine.bucket(name).await;
    let bucket = found.map_err(|error| S3Error::from(error).detail("BucketName", name.as_str()))?;
    if may_use(principal, &bucket.owner) {
        Ok(bucket)
    } else {
        Err(S3Error::new(Code::AccessDenied).cause("the bucket belongs to somebody else"))
    }
}

fn may_use(principal: &Principal, bucket_owner: &OwnerId) -> bool {
    match principal {
        Principal::Anonymous => false,
        Principal::Identity { owner, is_root, .. } => *is_root || owner == bucket_owner,
    }
}

fn check_expected_owner(headers: &HeaderMap, name: &'static str, bucket: &Bucket) -> Result<(), S3Error> {
    match headers.get(name) {
        Some(expected) if expected.as_bytes() != bucket.owner.0.as_bytes() => {
            Err(S3Error::new(Code::AccessDenied).cause(format!("{name} names another owner")))
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::may_use;
    use crate::identity::Principal;
    use crate::types::OwnerId;

    fn identity(owner: &str, is_root: bool) -> Principal {
        let (name, access_key_id) = (owner.to_owned(), owner.to_owned());
        Principal::Identity { owner: OwnerId(owner.to_owned()), name, access_key_id, is_root }
    }

    #[test]
    fn only_root_and_the_owner_may_use_a_bucket() {
        let bucket_owner = OwnerId("a".to_owned());
        assert!(may_use(&identity("a", false), &bucket_owner));
        assert!(may_use(&identity("r", true), &bucket_owner));
        assert!(!may_use(&identity("b", false), &bucket_owner));
        assert!(!may_use(&Principal::Anonymous, &bucket_owner));
    }
}
