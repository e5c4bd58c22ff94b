//! HeadBucket. Source: Amazon S3 API Reference, HeadBucket.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::respond::respond_empty;
use crate::s3::{Gateway, S3Error};

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// Says that the bucket exists, that the caller may use it, and where it is.
#[allow(clippy::unused_async, reason = "every operation has the same form")]
pub(crate) async fn run(gateway: &Gateway, _call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let mut response = respond_empty(StatusCode::OK);
    // A region that no header may carry was refused when the settings were read, or names nothing.
    if let Ok(region) = HeaderValue::from_str(&gateway.settings.auth.region) {
        response.headers_mut().insert(BUCKET_REGION, region);
    }
    Ok(response)
}
