//! DeleteObject. Source: Amazon S3 API Reference, DeleteObject.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::engine::DeleteObject;
use crate::net::{RequestBody, Response, empty_body};
use crate::s3::authorize::call::Authorized;
use crate::s3::authorize::may_bypass;
use crate::s3::conditions::{delete_precondition, failed_delete_condition};
use crate::s3::object_headers::{VERSION_ID, insert_version, naming_condition, object_error, respond, shown_version};
use crate::s3::parameters;
use crate::s3::{Gateway, S3Error};

/// Deletes a key or a version. Deleting what is not there is a success, too.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let precondition = delete_precondition(&call.headers)?;
    let condition = failed_delete_condition(&precondition);
    let delete = DeleteObject {
        bucket: call.bucket().clone(),
        key: call.key().clone(),
        version,
        precondition,
        bypass_governance: may_bypass(gateway, call, call.key().as_str()),
    };
    let deleted = gateway
        .engine
        .delete_object(delete)
        .await
        .map_err(|error| naming_condition(object_error(error, call.key(), version), condition))?;
    let mut headers = HeaderMap::new();
    // S3 repeats the version that was asked for, whether it was there or not.
    let named = version.and_then(|version| shown_version(call.bucket(), version));
    insert_version(&mut headers, VERSION_ID, deleted.version.or(named));
    if deleted.delete_marker {
        headers.insert(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("true"));
    }
    Ok(respond(StatusCode::NO_CONTENT, headers, empty_body()))
}
