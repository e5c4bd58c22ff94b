//! CopyObject. Source: Amazon S3 API Reference, CopyObject.

use http::HeaderMap;

use crate::engine::{CopyMetadata, CopyObject, CopySource, Written};
use crate::net::{RequestBody, Response};
use crate::rules::EtagCondition;
use crate::s3::attributes::new_attributes;
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::{requested_algorithm, write_checksum};
use crate::s3::conditions::{failed_write_condition, write_precondition};
use crate::s3::copy_source::{SourceNaming, copy_source, source_error};
use crate::s3::encryption_headers::{changes_encryption, customer_key, insert_new_encryption};
use crate::s3::expiration::ExpirationHeader;
use crate::s3::keep_alive::{self, ErrorContext, LongAnswer};
use crate::s3::metadata::{header_text, object_metadata, storage_class, website_redirect};
use crate::s3::object_headers::{VERSION_ID, insert_version, naming_condition};
use crate::s3::source_name::{SourceName, source_name};
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::VersionId;

const METADATA_DIRECTIVE: &str = "x-amz-metadata-directive";
const TAGGING_DIRECTIVE: &str = "x-amz-tagging-directive";

/// What a directive says about the source's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

/// Copies without moving bytes. A new checksum needs them read once, which may take long.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let headers = &call.headers;
    let name = source_name(headers)?;
    let metadata_directive = directive(headers, METADATA_DIRECTIVE, "Unknown metadata directive.")?;
    let tagging_directive = directive(headers, TAGGING_DIRECTIVE, "Unknown tagging directive.")?;
    let checksum = requested_algorithm(headers)?;
    let precondition = write_precondition(headers)?;
    let target_condition = failed_write_condition(&precondition);
    refuse_idle_copy(call, &name, metadata_directive)?;
    let mut source = copy_source(gateway, call, &name).await?;
    let naming = SourceNaming::new(&source, headers);
    let metadata = match metadata_directive {
        Directive::Replace => CopyMetadata::Replace(Box::new(object_metadata(headers)?)),
        Directive::Copy => copied_metadata(gateway, headers, &mut source, &naming).await?,
    };
    let attributes = new_attributes(gateway, call).await?;
    let customer_key = customer_key(headers)?;
    let mut answered = HeaderMap::new();
    insert_new_encryption(&mut answered, &attributes, customer_key.as_ref());
    let copy = CopyObject {
        source,
        bucket: call.bucket().clone(),
        key: call.key().clone(),
        metadata,
        storage_class: storage_class(headers)?,
        attributes,
        customer_key,
        keeps_tags: tagging_directive == Directive::Copy,
        checksum,
        precondition,
    };
    let engine = gateway.engine.clone();
    let expiration = ExpirationHeader::of(gateway, call);
    let work = keep_alive::start(&gateway.drain, async move {
        let copied = engine.copy_object(copy).await;
        let (written, source_version) = copied.map_err(|error| {
            let error = source_error(error, &naming);
            // The source's condition, if there is one, has been named already.
            if error.details.iter().any(|(element, _)| *element == "Condition") {
                return error;
            }
            naming_condition(error, target_condition)
        })?;
        let mut answer = answer(answered, &written, source_version);
        expiration.insert_for_written(&mut answer.headers, written.version).await;
        Ok(answer)
    });
    keep_alive::answer(work, ErrorContext::of(gateway, call)).await
}

fn answer(mut headers: HeaderMap, written: &Written, source_version: Option<VersionId>) -> LongAnswer {
    insert_version(&mut headers, VERSION_ID, written.version);
    insert_version(&mut headers, "x-amz-copy-source-version-id", source_version);
    let mut xml = XmlWriter::document("CopyObjectResult");
    xml.text("LastModified", written.modified.iso_millis()).text("ETag", written.etag.quoted());
    if let Some(checksum) = &written.checksum {
        write_checksum(&mut xml, checksum);
    }
    LongAnswer { headers, document: xml.finish() }
}

fn directive(headers: &HeaderMap, name: &'static str, message: &'static str) -> Result<Directive, S3Error> {
    match header_text(headers, name).as_deref() {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(S3Error::invalid_argument(name, other, message)),
    }
}

/// A copy of an object onto itself has to change something: without that it is a mistake of its sender.
/// Copying an old version onto its key restores it.
fn refuse_idle_copy(call: &Authorized, source: &SourceName, directive: Directive) -> Result<(), S3Error> {
    let is_itself = source.bucket == call.bucket().name && source.key == *call.key() && source.version.is_none();
    if is_itself && directive == Directive::Copy && !changes_something(&call.headers) {
        return Err(S3Error::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    Ok(())
}

fn changes_something(headers: &HeaderMap) -> bool {
    ["x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-checksum-algorithm"]
        .iter()
        .any(|name| headers.contains_key(*name))
        || changes_encryption(headers)
}

/// The source's metadata. A redirect belongs to one key: the request's is added to what the source has, which
/// has to be looked up for that, and the copy is bound to the version that was looked up.
async fn copied_metadata(
    gateway: &Gateway,
    headers: &HeaderMap,
    source: &mut CopySource,
    naming: &SourceNaming,
) -> Result<CopyMetadata, S3Error> {
    let Some(redirect) = website_redirect(headers)? else {
        return Ok(CopyMetadata::Copy);
    };
    let open = gateway.engine.open_object(&source.bucket, &source.key, source.version).await;
    let open = open.map_err(|error| source_error(error, naming))?;
    let facts = open.version();
    match facts.version {
        VersionId::Ordered { .. } => source.version = Some(facts.version),
        VersionId::Null => {
            source.precondition.if_match.get_or_insert(EtagCondition::List(vec![facts.etag.to_string()]));
        }
    }
    let mut metadata = facts.metadata.clone();
    metadata.content.website_redirect = Some(redirect);
    Ok(CopyMetadata::Replace(Box::new(metadata)))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Directive, METADATA_DIRECTIVE, answer, changes_something, directive};
    use crate::engine::Written;
    use crate::s3::Code;
    use crate::types::{ChecksumAlgorithm, ChecksumValue, ETag, ObjectChecksum, Timestamp, VersionId};

    fn one(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
    }

    #[test]
    fn directives_are_copy_or_replace() {
        let read = |value| directive(&one(METADATA_DIRECTIVE, value), METADATA_DIRECTIVE, "bad").map_err(|e| e.code);
        assert_eq!(read("COPY"), Ok(Directive::Copy));
        assert_eq!(read("REPLACE"), Ok(Directive::Replace));
        assert_eq!(read("replace"), Err(Code::InvalidArgument));
        assert_eq!(directive(&HeaderMap::new(), METADATA_DIRECTIVE, "bad").unwrap(), Directive::Copy);
    }

    #[test]
    fn a_class_a_redirect_or_a_checksum_is_a_change() {
        assert!(!changes_something(&one("x-amz-meta-a", "1")));
        assert!(changes_something(&one("x-amz-storage-class", "STANDARD")));
        assert!(changes_something(&one("x-amz-website-redirect-location", "/a")));
        assert!(changes_something(&one("x-amz-checksum-algorithm", "SHA256")));
    }

    #[test]
    fn the_answer_names_both_versions_and_the_checksum() {
        let value = ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]).unwrap();
        let written = Written {
            version: Some(VersionId::Ordered { order: 1, salt: 0 }),
            etag: ETag::single([0; 16]),
            checksum: Some(ObjectChecksum::full(value)),
            size: 1,
            modified: Timestamp::from_seconds(1_445_412_480),
        };
        let answer = answer(HeaderMap::new(), &written, Some(VersionId::Null));
        assert_eq!(answer.headers["x-amz-copy-source-version-id"], "null");
        assert_eq!(answer.headers["x-amz-version-id"], "00000000000000010000000000000000");
        let inner = "<LastModified>2015-10-21T07:28:00.000Z</LastModified><ETag>&quot;00000000000000000000000000000000\
                     &quot;</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>FULL_OBJECT</ChecksumType>";
        assert!(answer.document.contains(inner), "{}", answer.document);
    }
}
