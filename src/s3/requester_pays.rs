//! Buckets whose requesters pay. Nobody is charged money here; what clients rely on is that nobody is charged
//! unknowingly: a request that does not agree to pay is refused. Source: Amazon S3 User Guide, "Using Requester
//! Pays general purpose buckets".

use http::{HeaderName, HeaderValue};

use crate::identity::Principal;
use crate::net::Response;
use crate::rules::Payer;
use crate::rules::payer::{Charge, charge};
use crate::s3::authorize::call::Authorized;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Bucket, DocumentKind};

const PAYER: &str = "x-amz-request-payer";
const CHARGED: HeaderName = HeaderName::from_static("x-amz-request-charged");
const REQUESTER: &str = "requester";

/// Who pays for requests to a bucket.
///
/// # Errors
/// `NoSuchBucket`, `InternalError`.
pub(crate) async fn payer(gateway: &Gateway, bucket: &Bucket) -> Result<Payer, S3Error> {
    let documents = gateway.engine.documents(bucket).await?;
    Payer::from_document(documents.get(DocumentKind::RequestPayment))
        .ok_or_else(|| S3Error::new(Code::InternalError).cause("the payer of a bucket cannot be read"))
}

/// Who pays for this request to `bucket`.
///
/// # Errors
/// `AccessDenied` if its sender would have to, and has not agreed.
pub(crate) async fn judge(gateway: &Gateway, call: &Authorized, bucket: &Bucket) -> Result<Charge, S3Error> {
    let payer = payer(gateway, bucket).await?;
    let (is_owner, is_anonymous) = match &call.principal {
        Principal::Anonymous => (false, true),
        Principal::Identity { owner, is_root, .. } => (*is_root || *owner == bucket.owner, false),
    };
    let agrees =
        call.headers.get(PAYER).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(REQUESTER.as_bytes()));
    match charge(payer, is_owner, is_anonymous, agrees) {
        Charge::Refused => Err(S3Error::new(Code::AccessDenied).cause("the requester pays, and has not agreed to")),
        charge => Ok(charge),
    }
}

/// Tells the requester that the request was theirs to pay.
pub(crate) fn tell(charge: Charge, response: &mut Response) {
    if charge == Charge::Requester {
        response.headers_mut().insert(CHARGED, HeaderValue::from_static(REQUESTER));
    }
}
