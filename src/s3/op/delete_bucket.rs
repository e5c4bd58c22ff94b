//! DeleteBucket. Source: Amazon S3 API Reference, DeleteBucket.

use http::StatusCode;

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::respond::respond_empty;
use crate::s3::{Gateway, S3Error};

/// Removes a bucket that is empty.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let bucket = call.bucket();
    let removed = gateway.engine.delete_bucket(bucket).await;
    removed.map_err(|error| S3Error::from(error).detail("BucketName", bucket.name.as_str()))?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}
