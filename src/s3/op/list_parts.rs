//! ListParts. Source: Amazon S3 API Reference, ListParts.

use http::HeaderMap;

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::write_part_checksum;
use crate::s3::expiration::ExpirationHeader;
use crate::s3::object_headers::{respond_xml, upload_error, write_person};
use crate::s3::parameters;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::{ETag, ListedPart};

/// Answers a page of the parts of an open upload.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let upload = parameters::upload(&call.query)?;
    let max = parameters::page_size("max-parts", call.query.value("max-parts"))?;
    let after = parameters::part_marker("part-number-marker", call.query.value("part-number-marker"))?;
    let encoding = parameters::key_encoding(&call.query)?;
    // The engine's smallest page is one part; an empty one still needs the upload's own facts.
    let listing = gateway.engine.list_parts(call.bucket(), call.key(), upload, after, max.max(1)).await;
    let mut listing = listing.map_err(|error| upload_error(error, upload))?;
    if max == 0 {
        listing.parts.clear();
        listing.next_after = None;
    }
    let next = listing.parts.last().map_or(after, |part| part.number);
    let mut xml = XmlWriter::document("ListPartsResult");
    xml.text("Bucket", &call.bucket().name)
        .text("Key", encoding.encode(call.key().as_str()))
        .text("UploadId", upload)
        .text("PartNumberMarker", after)
        .text("NextPartNumberMarker", next)
        .text("MaxParts", max)
        .text("IsTruncated", listing.next_after.is_some())
        .optional("EncodingType", encoding.name());
    if let Some((algorithm, kind)) = listing.upload.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", kind.name());
    }
    for part in &listing.parts {
        write_part(&mut xml, part);
    }
    write_person(&mut xml, "Initiator", gateway, &listing.upload.initiator);
    write_person(&mut xml, "Owner", gateway, call.owner_of(listing.upload.owner.as_ref()));
    xml.text("StorageClass", listing.upload.storage_class.name());
    let mut headers = HeaderMap::new();
    ExpirationHeader::of(gateway, call).insert_abort(&mut headers, listing.upload.initiated).await;
    Ok(respond_xml(headers, xml.finish()))
}

fn write_part(xml: &mut XmlWriter, part: &ListedPart) {
    xml.open("Part")
        .text("PartNumber", part.number)
        .text("LastModified", part.modified.iso_millis())
        .text("ETag", ETag::single(part.md5).quoted())
        .text("Size", part.size);
    if let Some(checksum) = &part.checksum {
        write_part_checksum(xml, checksum);
    }
    xml.close();
}
