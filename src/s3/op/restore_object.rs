//! RestoreObject. Source: Amazon S3 API Reference, RestoreObject.

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::object_headers::object_error;
use crate::s3::{Code, Gateway, S3Error, parameters};

/// Refuses: every object is of a class that is read at once, so none can be restored.
///
/// # Errors
/// `InvalidObjectState` if the object exists.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let found = gateway.engine.open_object(call.bucket(), call.key(), version).await;
    let object = found.map_err(|error| object_error(error, call.key(), version))?;
    Err(S3Error::new(Code::InvalidObjectState)
        .message("Restore is not allowed for the object's current storage class")
        .detail("StorageClass", object.version().metadata.storage_class.name()))
}
