//! Attributes that a request gives its new version (PutObject, CopyObject, CreateMultipartUpload, POST forms):
//! owner, tags, ACL, lock, encryption. One line per feature; what each accepts is in its own file.

use crate::s3::authorize::call::Authorized;
use crate::s3::encryption_headers::new_envelope;
use crate::s3::op::acl;
use crate::s3::tagging::header_tags;
use crate::s3::{Gateway, S3Error, lock};
use crate::types::VersionAttributes;

/// What the headers of a request say about the attributes of the version that it makes.
///
/// # Errors
/// Those of the headers.
pub(crate) async fn new_attributes(gateway: &Gateway, call: &Authorized) -> Result<VersionAttributes, S3Error> {
    let (retention, legal_hold) = lock::requested_lock(gateway, call).await?;
    let tags = header_tags(&call.headers)?;
    let encryption = new_envelope(gateway, call).await?;
    let mut attributes = VersionAttributes { tags, retention, legal_hold, encryption, ..VersionAttributes::default() };
    acl::own(gateway, call, &mut attributes)?;
    Ok(attributes)
}
