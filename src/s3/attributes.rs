//! Attributes that a request gives its new version (PutObject, CopyObject, CreateMultipartUpload, POST forms):
//! owner, tags, ACL, lock, encryption. One line per feature; what each accepts is in its own file.

use crate::s3::authorize::Authorized;
use crate::s3::tagging::header_tags;
use crate::s3::{Gateway, S3Error};
use crate::types::VersionAttributes;

/// What the headers of a request say about the attributes of the version that it makes.
///
/// # Errors
/// Those of the headers.
pub(crate) async fn new_attributes(_gateway: &Gateway, call: &Authorized) -> Result<VersionAttributes, S3Error> {
    Ok(VersionAttributes { tags: header_tags(&call.headers)?, ..VersionAttributes::default() })
}
