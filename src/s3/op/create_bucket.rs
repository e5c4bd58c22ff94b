//! CreateBucket. Source: Amazon S3 API Reference, CreateBucket.

use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::engine::{CreateBucket, EngineError};
use crate::identity::Principal;
use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::{ObjectLock, OwnershipControls, Versioning, acl};
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::bucket_facts::bucket_facts;
use crate::s3::metadata::header_text;
use crate::s3::op::acl::new_bucket_acl;
use crate::s3::op::ownership_controls::OWNERSHIP;
use crate::s3::respond::respond_empty;
use crate::s3::xml::{XmlEvent, XmlFeed};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{Acl, BucketName, DocumentKind, Documents, ObjectOwnership, OwnerId};

/// The region whose buckets have no location constraint.
const REGION_WITHOUT_CONSTRAINT: &str = "us-east-1";
/// Longest name of a region that is one.
const REGION_BYTES_MAX: usize = 32;

/// Creates a bucket that belongs to the caller.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let Principal::Identity { owner, .. } = &call.principal else {
        return Err(S3Error::new(Code::AccessDenied));
    };
    let name = call.bucket_name.clone().expect("route gives CreateBucket its bucket's name");
    let region = gateway.settings.auth.region.as_str();
    let document = read_document(call, body, XML_BYTES_MAX).await?;
    check_location(read_constraint(&document)?.as_deref(), region)?;
    let location = if region == REGION_WITHOUT_CONSTRAINT { String::new() } else { region.to_owned() };
    let mut create = CreateBucket { location, ..CreateBucket::new(name.clone(), owner.clone()) };
    let asked = own(gateway, call, owner, &mut create.documents)?;
    if asked.lock {
        create.versioning = Versioning::Enabled;
        create.documents.0.insert(DocumentKind::ObjectLock, Arc::from(ObjectLock::default().to_document()));
    }
    match gateway.engine.create_bucket(create).await {
        Ok(_) => {}
        // Only us-east-1 has always answered a repeated creation so, and clients count on it.
        Err(EngineError::BucketExists { owner: other }) if other == *owner => {
            if region != REGION_WITHOUT_CONSTRAINT || !is_so_already(gateway, &name, &asked).await? {
                return Err(S3Error::new(Code::BucketAlreadyOwnedByYou).detail("BucketName", name.as_str()));
            }
        }
        Err(error) => return Err(S3Error::from(error).detail("BucketName", name.as_str())),
    }
    let mut response = respond_empty(StatusCode::OK);
    let location = HeaderValue::try_from(format!("/{name}")).expect("a bucket name is plain ASCII");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// What the headers of a creation ask for; `None` where they are silent.
struct Asked {
    lock: bool,
    rule: Option<ObjectOwnership>,
    list: Option<Option<Acl>>,
}

/// Gives a new bucket the ownership and the ACL that its creator asks for; returns all that they ask for.
fn own(gateway: &Gateway, call: &Authorized, owner: &OwnerId, documents: &mut Documents) -> Result<Asked, S3Error> {
    let asked_rule = match header_text(&call.headers, OWNERSHIP) {
        None => None,
        Some(name) => Some(
            ObjectOwnership::parse(&name)
                .ok_or_else(|| S3Error::invalid_argument(OWNERSHIP, name, "Invalid x-amz-object-ownership header"))?,
        ),
    };
    let rule = asked_rule.unwrap_or(gateway.settings.default_ownership);
    // What nobody chose is not written down: a bucket without the document is the bucket owner's.
    if asked_rule.is_some() || rule != ObjectOwnership::BucketOwnerEnforced {
        documents.0.insert(DocumentKind::Ownership, OwnershipControls::Rule(rule).encode().into());
    }
    let list = new_bucket_acl(gateway, &call.headers, owner, rule)?;
    if let Some(Some(list)) = &list {
        documents.0.insert(DocumentKind::Acl, acl::encode(list).into());
    }
    Ok(Asked { lock: wants_lock(&call.headers)?, rule: asked_rule, list })
}

/// Whether a bucket that exists already is what a repeated creation asks for. Amazon S3 resets the ACL of such a
/// bucket; here nothing changes, so whoever asks for a change is told that the bucket exists.
async fn is_so_already(gateway: &Gateway, name: &BucketName, asked: &Asked) -> Result<bool, S3Error> {
    let bucket = gateway.engine.bucket(name).await?;
    let facts = bucket_facts(gateway, &bucket).await?;
    let is_ruled = asked.rule.is_none_or(|rule| facts.controls == Some(rule));
    let is_locked = !asked.lock || gateway.engine.object_lock(&bucket).await?.is_some();
    Ok(is_ruled && is_locked && asked.list.as_ref().is_none_or(|list| *list == facts.acl))
}

/// Whether the bucket is to have an object lock, which turns its versioning on.
fn wants_lock(headers: &HeaderMap) -> Result<bool, S3Error> {
    const ENABLED: &str = "x-amz-bucket-object-lock-enabled";
    match header_text(headers, ENABLED) {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Some(text) => Err(S3Error::invalid_argument(ENABLED, text, "It must be either 'true' or 'false'.")),
    }
}

/// The `LocationConstraint` of a CreateBucketConfiguration; an empty document has none.
pub(super) fn read_constraint(document: &[u8]) -> Result<Option<String>, S3Error> {
    if document.is_empty() {
        return Ok(None);
    }
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut constraint = None;
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path } => match path.split('/').nth(1) {
                None if path == "CreateBucketConfiguration" => {}
                None => return Err(S3Error::new(Code::MalformedXML).cause(format!("the root is {path}"))),
                Some("Tags") => return Err(S3Error::not_implemented("The Tags of a CreateBucketConfiguration")),
                Some("Location" | "Bucket") => return Err(S3Error::not_implemented("A directory bucket")),
                Some(_) => {}
            },
            XmlEvent::Close { path: "CreateBucketConfiguration/LocationConstraint", text } => {
                constraint = Some(text.trim().to_owned());
            }
            XmlEvent::Close { .. } => {}
        }
    }
    feed.finish()?;
    Ok(constraint.filter(|constraint| !constraint.is_empty()))
}

/// Every bucket is in the one region that this server is.
fn check_location(constraint: Option<&str>, region: &str) -> Result<(), S3Error> {
    let Some(constraint) = constraint.filter(|constraint| *constraint != region) else {
        return Ok(());
    };
    let legal_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let looks_like_region = constraint.len() <= REGION_BYTES_MAX && constraint.bytes().all(legal_byte);
    if looks_like_region || constraint == "EU" {
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was \
             sent to."
        );
        Err(S3Error::new(Code::IllegalLocationConstraintException).message(message))
    } else {
        Err(S3Error::new(Code::InvalidLocationConstraint).detail("LocationConstraint", constraint))
    }
}

#[cfg(test)]
mod tests {
    use super::{check_location, read_constraint};
    use crate::s3::Code;

    #[test]
    fn a_configuration_may_name_a_location() {
        let read = |text: &str| read_constraint(text.as_bytes()).map_err(|error| error.code);
        let with = |inner: &str| format!("<CreateBucketConfiguration xmlns='x'>{inner}</CreateBucketConfiguration>");
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("<CreateBucketConfiguration/>"), Ok(None));
        assert_eq!(read(&with("<LocationConstraint></LocationConstraint>")), Ok(None));
        assert_eq!(read(&with("<LocationConstraint> eu </LocationConstraint>")), Ok(Some("eu".to_owned())));
        assert_eq!(read(&with("<Unknown><LocationConstraint>x</LocationConstraint></Unknown>")), Ok(None));
        assert_eq!(read(&with("<Tags/>")), Err(Code::NotImplemented));
        assert_eq!(read(&with("<Bucket><Type>Directory</Type></Bucket>")), Err(Code::NotImplemented));
        assert_eq!(read("<Other/>"), Err(Code::MalformedXML));
        assert_eq!(read("<CreateBucketConfiguration>"), Err(Code::MalformedXML));
    }

    #[test]
    fn only_our_region_is_a_place() {
        let check = |constraint, region| check_location(constraint, region).map_err(|error| error.code);
        assert_eq!(check(None, "eu-west-1"), Ok(()));
        assert_eq!(check(Some("eu-west-1"), "eu-west-1"), Ok(()));
        assert_eq!(check(Some("us-east-1"), "us-east-1"), Ok(()));
        assert_eq!(check(Some("eu-west-1"), "us-east-1"), Err(Code::IllegalLocationConstraintException));
        assert_eq!(check(Some("EU"), "us-east-1"), Err(Code::IllegalLocationConstraintException));
        assert_eq!(check(Some("No where"), "us-east-1"), Err(Code::InvalidLocationConstraint));
    }
}
