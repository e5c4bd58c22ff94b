//! GetPublicAccessBlock, PutPublicAccessBlock, DeletePublicAccessBlock.
//!
//! Source: Amazon S3 API Reference, PutPublicAccessBlock. New buckets have no configuration here: nothing is public
//! before a policy or an ACL says so.

use http::StatusCode;

use crate::limits::XML_BYTES_MAX;
use crate::net::{RequestBody, Response};
use crate::rules::PublicAccessBlock;
use crate::s3::authorize::call::Authorized;
use crate::s3::body::read_document;
use crate::s3::op::probes::absent;
use crate::s3::respond::{respond_document, respond_empty};
use crate::s3::xml::{XmlEvent, XmlFeed, XmlWriter};
use crate::s3::{Code, Gateway, S3Error};
use crate::types::DocumentKind;

const ROOT: &str = "PublicAccessBlockConfiguration";

/// Shows the configuration.
///
/// # Errors
/// `NoSuchPublicAccessBlockConfiguration`.
pub(crate) fn show(call: &Authorized) -> Result<Response, S3Error> {
    let block = call.facts.block.ok_or_else(|| absent(call, Code::NoSuchPublicAccessBlockConfiguration))?;
    let mut xml = XmlWriter::document(ROOT);
    xml.text("BlockPublicAcls", block.block_public_acls)
        .text("IgnorePublicAcls", block.ignore_public_acls)
        .text("BlockPublicPolicy", block.block_public_policy)
        .text("RestrictPublicBuckets", block.restrict_public_buckets);
    Ok(respond_document(xml.finish()))
}

/// Replaces the configuration.
///
/// # Errors
/// `MalformedXML`.
pub(crate) async fn put(gateway: &Gateway, call: &Authorized, body: RequestBody) -> Result<Response, S3Error> {
    let block = read_block(&read_document(call, body, XML_BYTES_MAX).await?)?;
    let document = Some(block.encode().into());
    gateway.engine.set_document(call.bucket(), DocumentKind::PublicAccessBlock, document).await?;
    Ok(respond_empty(StatusCode::OK))
}

/// Deletes the configuration. Deleting none is a success, too.
pub(crate) async fn delete(gateway: &Gateway, call: &Authorized) -> Result<Response, S3Error> {
    if call.facts.block.is_some() {
        gateway.engine.set_document(call.bucket(), DocumentKind::PublicAccessBlock, None).await?;
    }
    Ok(respond_empty(StatusCode::NO_CONTENT))
}

/// A flag that is not there is off. A flag that does not exist is refused: it might have been meant to protect.
pub(super) fn read_block(document: &[u8]) -> Result<PublicAccessBlock, S3Error> {
    let malformed = |cause: String| S3Error::new(Code::MalformedXML).cause(cause);
    let mut feed = XmlFeed::new();
    feed.push(document);
    let mut block = PublicAccessBlock::default();
    while let Some(event) = feed.next_event()? {
        let XmlEvent::Close { path, text } = event else { continue };
        let flag = match path.split_once('/') {
            None if path == ROOT => continue,
            Some((ROOT, "BlockPublicAcls")) => &mut block.block_public_acls,
            Some((ROOT, "IgnorePublicAcls")) => &mut block.ignore_public_acls,
            Some((ROOT, "BlockPublicPolicy")) => &mut block.block_public_policy,
            Some((ROOT, "RestrictPublicBuckets")) => &mut block.restrict_public_buckets,
            _ => return Err(malformed(format!("{path} is no flag"))),
        };
        *flag = match text.trim() {
            text if text.eq_ignore_ascii_case("true") => true,
            text if text.eq_ignore_ascii_case("false") => false,
            _ => return Err(malformed("a flag is neither true nor false".to_owned())),
        };
    }
    feed.finish()?;
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::read_block;
    use crate::rules::PublicAccessBlock;
    use crate::s3::Code;

    #[test]
    fn flags_are_read_each_by_itself() {
        let read = |inner: &str| {
            let document =
                format!("<PublicAccessBlockConfiguration xmlns='x'>{inner}</PublicAccessBlockConfiguration>");
            read_block(document.as_bytes()).map_err(|error| error.code)
        };
        let off = PublicAccessBlock::default();
        assert_eq!(read(""), Ok(off));
        let table = [
            ("BlockPublicAcls", PublicAccessBlock { block_public_acls: true, ..off }),
            ("IgnorePublicAcls", PublicAccessBlock { ignore_public_acls: true, ..off }),
            ("BlockPublicPolicy", PublicAccessBlock { block_public_policy: true, ..off }),
            ("RestrictPublicBuckets", PublicAccessBlock { restrict_public_buckets: true, ..off }),
        ];
        for (name, expected) in table {
            assert_eq!(read(&format!("<{name}>true</{name}>")), Ok(expected));
            assert_eq!(read(&format!("<{name}>TRUE</{name}>")), Ok(expected));
            assert_eq!(read(&format!("<{name}>false</{name}>")), Ok(off));
            assert_eq!(read(&format!("<{name}>yes</{name}>")), Err(Code::MalformedXML));
        }
        assert_eq!(read("<BlockPublicAcl>true</BlockPublicAcl>"), Err(Code::MalformedXML));
        assert_eq!(read_block(b"<Other/>").unwrap_err().code, Code::MalformedXML);
        assert_eq!(read_block(b"").unwrap_err().code, Code::MalformedXML);
    }
}
