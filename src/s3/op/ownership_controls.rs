//! GetBucketOwnershipControls, PutBucketOwnershipControls, DeleteBucketOwnershipControls.
//!
//! Source: Amazon S3 API Reference, PutBucketOwnershipControls.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::OwnershipControls;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::{DocumentKind, ObjectOwnership};

/// The header of CreateBucket.
pub(crate) const OWNERSHIP: &str = "x-amz-object-ownership";

/// Shows the rule.
///
/// # Errors
/// `OwnershipControlsNotFoundError` if the controls were deleted.
pub(crate) fn show(call: &Authorized) -> Result<Response, S3Error> {
    let rule = call.facts.controls.ok_or_else(|| absent(call, Code::OwnershipControlsNotFoundError))?;
    let mut xml = XmlWriter::document("OwnershipControls");
    xml.open("Rule").text("ObjectOwnership", rule.name());
    Ok(respond_document(xml.finish()))
}

/// Replaces the rule. ACLs cannot be switched off while the bucket's own says something: it would silently stop to
/// count.
///
/// # Errors
/// `MalformedXML`, `InvalidBucketAclWithObjectOwnership`.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let rule = read_rule(&read_document(call, body, XML_BYTES_MAX).await?)?;
    if rule == ObjectOwnership::BucketOwnerEnforced && call.facts.acl.is_some() {
        return Err(S3Error::new(Code::InvalidBucketAclWithObjectOwnership));
    }
    store(gateway, call, OwnershipControls::Rule(rule)).await?;
    Ok(respond_empty(StatusCode::OK))
}

/// Deletes the controls: the bucket is then as those from before there were any, where writers own what they write.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    store(gateway, call, OwnershipControls::Deleted).await?;
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

async fn store(gateway: &Gateway, call: &Authorized, controls: OwnershipControls) -> Result<(), S3Error> {
    let document = Some(controls.encode().into());
    Ok(gateway.engine.set_document(call.bucket(), DocumentKind::Ownership, document).await?)
}

pub(super) fn read_rule(document: &[u8]) -> Result<ObjectOwnership, S3Error> {
    let malformed = |cause: &'static str| S3Error::new(Code::MalformedXML).cause(cause);
    let mut feed = XmlFeed::new();
    feed.push(document);
    let (mut rules, mut rule) = (0, None);
    while let Some(event) = feed.next_event()? {
        match event {
            XmlEvent::Open { path } if path == "OwnershipControls" || path.starts_with("OwnershipControls/") => {
                rules += usize::from(path == "OwnershipControls/Rule");
            }
            XmlEvent::Open { .. } => return Err(malformed("the root is not OwnershipControls")),
            XmlEvent::Close { path: "OwnershipControls/Rule/ObjectOwnership", text } => {
                rule = ObjectOwnership::parse(text.trim());
            }
            XmlEvent::Close { .. } => {}
        }
    }
    feed.finish()?;
    rule.filter(|_| rules == 1).ok_or_else(|| malformed("there is not exactly one rule that exists"))
}

#[cfg(test)]
mod tests {
    use super::read_rule;
    use crate::s3::Code;
    use crate::types::ObjectOwnership;

    #[test]
    fn there_is_exactly_one_rule() {
        let rule = |name: &str| format!("<Rule><ObjectOwnership>{name}</ObjectOwnership></Rule>");
        let read = |inner: &str| {
            let document = format!("<OwnershipControls>{inner}</OwnershipControls>");
            read_rule(document.as_bytes()).map_err(|error| error.code)
        };
        for known in ObjectOwnership::ALL {
            assert_eq!(read(&rule(known.name())), Ok(known));
        }
        for bad in [String::new(), rule("Nobody"), rule("ObjectWriter").repeat(2), "<Rule/>".to_owned()] {
            assert_eq!(read(&bad), Err(Code::MalformedXML), "{bad}");
        }
        assert_eq!(read_rule(b"<Other/>").unwrap_err().code, Code::MalformedXML);
        assert_eq!(read_rule(b"").unwrap_err().code, Code::MalformedXML);
    }
}
