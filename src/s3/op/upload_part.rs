//! UploadPart. Source: Amazon S3 API Reference, UploadPart.

use http::{HeaderMap, StatusCode};

use crate::engine::{EngineError, UploadPart};
use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::open_body;
use crate::s3::checksum_headers::insert_part_checksum;
use crate::s3::encryption_headers::{customer_key, insert_encryption, refuse_part_headers};
use crate::s3::object_headers::{body_too_large, insert_etag, respond, upload_error};
use crate::s3::parameters;
use crate::s3::{Gateway, S3Error};

/// Stores a part; a part of the same number that was there before is replaced.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let number = parameters::required_part_number(&call.query)?;
    let upload = parameters::upload(&call.query)?;
    let customer_key = customer_key(&call.headers)?;
    let attributes = gateway.engine.upload_attributes(call.bucket(), call.key(), upload).await;
    let attributes = attributes.map_err(|error| upload_error(error, upload))?;
    refuse_part_headers(&call.headers, &attributes)?;
    let mut headers = HeaderMap::new();
    insert_encryption(&mut headers, &attributes, customer_key.as_ref());
    let (mut source, expected) = open_body(call, body)?;
    let (bucket, key) = (call.bucket().clone(), call.key().clone());
    let part = UploadPart { bucket, key, upload, number, customer_key, expected };
    let written = gateway.engine.upload_part(part, source.as_mut()).await.map_err(|error| match error {
        EngineError::TooLarge => body_too_large(),
        error => upload_error(error, upload),
    })?;
    insert_etag(&mut headers, &written.etag);
    if let Some(checksum) = &written.checksum {
        insert_part_checksum(&mut headers, checksum);
    }
    Ok(respond(StatusCode::OK, headers, empty_body()))
}
