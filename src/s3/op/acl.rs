//! GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl; and the owner and ACL of a new object.
//!
//! Source: Amazon S3 API Reference, GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl.

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::engine::EngineError;
use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::{AclSubject, CannedAcl, PublicAccessBlock, acl};
use crate::s3::acl_headers::{AskedAcl, asked_acl, judge_acl};
use crate::s3::acl_xml::{read_acl, write_acl};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond_xml, shown_version};
use crate::s3::parameters;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::verdict::owner_id;
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{
    Acl, AttributeChange, DocumentKind, ObjectOwnership, ObjectVersion, OwnerId, VersionAttributes, VersionId,
};

/// Shows the list of a bucket. Where ACLs are off, its owner has everything and nobody else anything.
pub(crate) fn show_bucket(gateway: &Gateway, call: &Authorized) -> Response {
    let owner = &call.bucket().owner;
    let stored = call.facts.acl.clone().filter(|_| call.facts.has_acls());
    respond_document(write_acl(gateway, owner, &stored.unwrap_or_else(|| acl::owner_only(owner))))
}

/// Replaces the list of a bucket.
///
/// # Errors
/// Those of headers and document, `AccessControlListNotSupported`, `AccessDenied` for a public list that is blocked.
pub(crate) async fn put_bucket(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let owner = &call.bucket().owner;
    let list = sent_acl(gateway, call, body, owner).await?;
    let list = list.judge(AclSubject::Bucket, owner, owner, &call.facts)?;
    if list != call.facts.acl && call.facts.has_acls() {
        let document = list.map(|list| acl::encode(&list).into());
        gateway.engine.set_document(call.bucket(), DocumentKind::Acl, document).await?;
    }
    Ok(respond_empty(StatusCode::OK))
}

/// Shows the list of a version.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker.
pub(crate) async fn show_object(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    let found = find(gateway, call).await?;
    let owner = call.owner_of(found.metadata.attributes.owner.as_ref());
    let stored = found.metadata.attributes.acl.clone().filter(|_| call.facts.has_acls());
    let mut headers = HeaderMap::new();
    insert_version(&mut headers, VERSION_ID, shown_version(call.bucket(), found.version));
    let document = write_acl(gateway, owner, &stored.unwrap_or_else(|| acl::owner_only(owner)));
    Ok(respond_xml(headers, document))
}

/// Replaces the list of a version.
///
/// # Errors
/// As of `put_bucket` and `show_object`.
pub(crate) async fn put_object(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let found = find(gateway, call).await?;
    let owner = call.owner_of(found.metadata.attributes.owner.as_ref());
    let list = sent_acl(gateway, call, body, owner).await?;
    let list = list.judge(AclSubject::Object, owner, &call.bucket().owner, &call.facts)?;
    if list != found.metadata.attributes.acl && call.facts.has_acls() {
        change(gateway, call, &found, list).await?;
    }
    let mut response = respond_empty(StatusCode::OK);
    insert_version(response.headers_mut(), VERSION_ID, shown_version(call.bucket(), found.version));
    Ok(response)
}

/// Changes the very version that was judged, as far as it has a name.
async fn change(gateway: &Gateway, call: &Authorized, found: &ObjectVersion, list: Option<Acl>) -> Result<(), S3Error> {
    let version = match found.version {
        ordered @ VersionId::Ordered { .. } => Some(ordered),
        VersionId::Null => parameters::version(&call.query)?,
    };
    let change = AttributeChange::Acl(list);
    let changed = gateway.engine.change_attributes(call.bucket(), call.key(), version, change).await;
    changed.map(|_| ()).map_err(|error| object_error(error, call.key(), version))
}

async fn find(gateway: &Gateway, call: &Authorized) -> Result<ObjectVersion, S3Error> {
    let version = parameters::version(&call.query)?;
    let open = call.open(gateway, version).await;
    let open = open.map_err(|error: EngineError| object_error(error, call.key(), version))?;
    Ok(open.version().clone())
}

/// The list that a request to replace one brings: in its headers or in its body, never in both.
async fn sent_acl(
    gateway: &Gateway,
    call: &Authorized,
    body: RequestBody,
    owner: &OwnerId,
) -> Result<AskedAcl, S3Error> {
    let asked = asked_acl(gateway, &call.headers)?;
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    match (asked, document.is_empty()) {
        (Some(asked), true) => Ok(asked),
        (Some(_), false) => Err(S3Error::new(Code::UnexpectedContent)),
        (None, true) => Err(S3Error::new(Code::MissingSecurityHeader).detail("MissingHeaderName", "x-amz-acl")),
        (None, false) => Ok(AskedAcl::Grants(read_acl(gateway, &document, owner)?)),
    }
}

/// Gives a new object its owner and its list.
///
/// # Errors
/// Those of the headers, `AccessControlListNotSupported`, `AccessDenied` for a public list that is blocked.
pub(crate) fn own(gateway: &Gateway, call: &Authorized, attributes: &mut VersionAttributes) -> Result<(), S3Error> {
    let asked = asked_acl(gateway, &call.headers)?;
    let (bucket_owner, ownership) = (&call.bucket().owner, call.facts.ownership());
    let hands_over = asked == Some(AskedAcl::Canned(CannedAcl::BucketOwnerFullControl));
    // What nobody in particular wrote is the bucket owner's.
    let owner = match owner_id(&call.principal) {
        Some(_) if ownership == ObjectOwnership::BucketOwnerEnforced => bucket_owner,
        Some(_) if ownership == ObjectOwnership::BucketOwnerPreferred && hands_over => bucket_owner,
        Some(writer) => writer,
        None => bucket_owner,
    };
    attributes.owner = (owner != bucket_owner).then(|| owner.clone());
    if let Some(asked) = asked {
        attributes.acl = asked.judge(AclSubject::Object, owner, bucket_owner, &call.facts)?;
    }
    Ok(())
}

/// The list that a bucket is being made with; `None` if its creator asks for none, `Some(None)` for the default.
///
/// # Errors
/// Those of the headers, `InvalidBucketAclWithObjectOwnership` where ACLs are off.
pub(crate) fn new_bucket_acl(
    gateway: &Gateway,
    headers: &http::HeaderMap<HeaderValue>,
    owner: &OwnerId,
    ownership: ObjectOwnership,
) -> Result<Option<Option<Acl>>, S3Error> {
    let Some(asked) = asked_acl(gateway, headers)? else { return Ok(None) };
    let list = asked.resolve(AclSubject::Bucket, owner, owner);
    let judged = judge_acl(list, owner, ownership, PublicAccessBlock::default());
    judged.map(Some).map_err(|error| match error.code {
        Code::AccessControlListNotSupported => S3Error::new(Code::InvalidBucketAclWithObjectOwnership),
        _ => error,
    })
}
