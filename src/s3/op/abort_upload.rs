//! AbortMultipartUpload. Source: Amazon S3 API Reference, AbortMultipartUpload.

use http::{HeaderMap, StatusCode};

use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::object_headers::{respond, upload_error};
use crate::s3::parameters;
use crate::s3::{Gateway, S3Error};

/// Ends an upload without an object.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let upload = parameters::upload(&call.query)?;
    let aborted = gateway.engine.abort_upload(call.bucket(), call.key(), upload).await;
    aborted.map_err(|error| upload_error(error, upload))?;
    Ok(respond(StatusCode::NO_CONTENT, HeaderMap::new(), empty_body()))
}
