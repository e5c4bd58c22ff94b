//! PutObject. Source: Amazon S3 API Reference, PutObject.

use http::{HeaderMap, StatusCode};

use crate::engine::{ByteSource, EngineError, Expected, PutObject, Written};
use crate::net::{RequestBody, Response, empty_body};
use crate::s3::attributes::new_attributes;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::open_body;
use crate::s3::checksum_headers::insert_checksum;
use crate::s3::conditions::{failed_write_condition, write_precondition};
use crate::s3::encryption_headers::{customer_key, insert_new_encryption};
use crate::s3::expiration::ExpirationHeader;
use crate::s3::metadata::object_metadata;
use crate::s3::object_headers::{
    VERSION_ID, body_too_large, insert_etag, insert_version, naming_condition, object_error, respond,
};
use crate::s3::{Gateway, S3Error};

/// Stores the body.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let (_, headers) = store(gateway, call, || open_body(call, body)).await?;
    Ok(respond(StatusCode::OK, headers, empty_body()))
}

/// Stores a body, of a PutObject or of a POST form, and says what its answer's headers are. Everything that the
/// request's headers can be refused for is refused before a byte is read.
///
/// # Errors
/// Those of PutObject.
pub(crate) async fn store<O>(gateway: &Gateway, call: &Authorized, open: O) -> Result<(Written, HeaderMap), S3Error>
where
    O: FnOnce() -> Result<(Box<dyn ByteSource>, Expected), S3Error>,
{
    let mut metadata = object_metadata(&call.headers)?;
    metadata.attributes = new_attributes(gateway, call).await?;
    let precondition = write_precondition(&call.headers)?;
    let condition = failed_write_condition(&precondition);
    let customer_key = customer_key(&call.headers)?;
    let mut headers = HeaderMap::new();
    insert_new_encryption(&mut headers, &metadata.attributes, customer_key.as_ref());
    let (mut source, expected) = open()?;
    let (bucket, key) = (call.bucket().clone(), call.key().clone());
    let put = PutObject { bucket, key, metadata, customer_key, expected, precondition };
    let written = gateway.engine.put_object(put, source.as_mut()).await.map_err(|error| match error {
        EngineError::TooLarge => body_too_large(),
        error => naming_condition(object_error(error, call.key(), None), condition),
    })?;
    insert_etag(&mut headers, &written.etag);
    insert_version(&mut headers, VERSION_ID, written.version);
    if let Some(checksum) = &written.checksum {
        insert_checksum(&mut headers, checksum);
    }
    ExpirationHeader::of(gateway, call).insert_for_written(&mut headers, written.version).await;
    Ok((written, headers))
}
