//! HeadObject: the head of GetObject. Source: Amazon S3 API Reference, HeadObject.

use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::object_headers::respond;
use crate::s3::object_read::{Reading, prepare};
use crate::s3::{Gateway, S3Error};

/// Answers what GetObject would, `Content-Length` included, without a body.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let Reading { status, headers, body: _ } = prepare(gateway, call).await?;
    Ok(respond(status, headers, empty_body()))
}
