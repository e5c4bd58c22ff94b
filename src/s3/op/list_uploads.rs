//! ListMultipartUploads. Source: Amazon S3 API Reference, ListMultipartUploads.

use http::HeaderMap;

use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::object_headers::{respond_xml, write_person};
use crate::s3::parameters::{self, KeyEncoding};
use crate::s3::query::Query;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::{ListedUpload, UploadId, UploadListQuery, UploadListing};

/// Answers a page of open uploads by key, then by start.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let encoding = parameters::key_encoding(&call.query)?;
    let page = page(&call.query)?;
    let listing = match page.max_uploads {
        0 => UploadListing::default(),
        1.. => gateway.engine.list_uploads(call.bucket(), &page).await?,
    };
    let mut xml = XmlWriter::document("ListMultipartUploadsResult");
    xml.text("Bucket", &call.bucket().name);
    write_page(&mut xml, &page, &listing, encoding);
    for upload in &listing.uploads {
        write_upload(&mut xml, gateway, call, upload, encoding);
    }
    for prefix in &listing.prefixes {
        xml.open("CommonPrefixes").text("Prefix", encoding.encode(prefix)).close();
    }
    Ok(respond_xml(HeaderMap::new(), xml.finish()))
}

fn page(query: &Query) -> Result<UploadListQuery, S3Error> {
    let text = |name| query.value(name).unwrap_or_default().to_owned();
    let key_marker = text("key-marker");
    // Without a key marker there is no key whose uploads the marker could divide: S3 ignores it.
    let upload_marker = match query.value("upload-id-marker").filter(|marker| !marker.is_empty()) {
        Some(marker) if !key_marker.is_empty() => Some(
            UploadId::parse(marker)
                .ok_or_else(|| S3Error::invalid_argument("upload-id-marker", marker, "Invalid uploadId marker"))?,
        ),
        Some(_) | None => None,
    };
    Ok(UploadListQuery {
        prefix: text("prefix"),
        delimiter: text("delimiter"),
        key_marker,
        upload_marker,
        max_uploads: parameters::page_size("max-uploads", query.value("max-uploads"))?,
    })
}

fn write_page(xml: &mut XmlWriter, page: &UploadListQuery, listing: &UploadListing, encoding: KeyEncoding) {
    let upload_marker = page.upload_marker.map(|marker| marker.to_string()).unwrap_or_default();
    xml.text("KeyMarker", encoding.encode(&page.key_marker)).text("UploadIdMarker", upload_marker);
    if let Some((key, upload)) = &listing.next {
        let upload = upload.map(|upload| upload.to_string()).unwrap_or_default();
        xml.text("NextKeyMarker", encoding.encode(key)).text("NextUploadIdMarker", upload);
    }
    let delimiter = (!page.delimiter.is_empty()).then(|| encoding.encode(&page.delimiter));
    xml.text("Prefix", encoding.encode(&page.prefix))
        .optional("Delimiter", delimiter)
        .optional("EncodingType", encoding.name())
        .text("MaxUploads", page.max_uploads)
        .text("IsTruncated", listing.next.is_some());
}

fn write_upload(
    xml: &mut XmlWriter,
    gateway: &Gateway,
    call: &Authorized,
    upload: &ListedUpload,
    encoding: KeyEncoding,
) {
    xml.open("Upload").text("Key", encoding.encode(upload.key.as_str())).text("UploadId", upload.upload);
    write_person(xml, "Initiator", gateway, &upload.initiator);
    write_person(xml, "Owner", gateway, call.owner_of(upload.owner.as_ref()));
    xml.text("StorageClass", upload.storage_class.name()).text("Initiated", upload.initiated.iso_millis());
    if let Some((algorithm, kind)) = upload.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name()).text("ChecksumType", kind.name());
    }
    xml.close();
}

#[cfg(test)]
mod tests {
    use super::{page, write_page};
    use crate::s3::Code;
    use crate::s3::parameters::KeyEncoding;
    use crate::s3::query::Query;
    use crate::s3::xml::XmlWriter;
    use crate::types::{UploadId, UploadListing};

    fn read(raw: &str) -> Result<crate::types::UploadListQuery, Code> {
        page(&Query::parse(raw).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn an_upload_marker_counts_only_beside_a_key_marker() {
        let marker = UploadId::new(1, 2);
        assert_eq!(read("upload-id-marker=nonsense").unwrap().upload_marker, None);
        assert_eq!(read(&format!("key-marker=k&upload-id-marker={marker}")).unwrap().upload_marker, Some(marker));
        assert_eq!(read("key-marker=k&upload-id-marker=nonsense"), Err(Code::InvalidArgument));
        assert_eq!(read("max-uploads=x"), Err(Code::InvalidArgument));
        assert_eq!(read("max-uploads=9999").unwrap().max_uploads, 1000);
    }

    #[test]
    fn a_page_shows_its_markers_encoded() {
        let listing = UploadListing { next: Some(("a b".into(), None)), ..UploadListing::default() };
        let mut xml = XmlWriter::plain("R");
        write_page(&mut xml, &read("delimiter=%2F&prefix=%2B&max-uploads=1").unwrap(), &listing, KeyEncoding::Url);
        let expected = "<R><KeyMarker></KeyMarker><UploadIdMarker></UploadIdMarker><NextKeyMarker>a%20b</NextKeyMarker>\
                        <NextUploadIdMarker></NextUploadIdMarker><Prefix>%2B</Prefix><Delimiter>/</Delimiter>\
                        <EncodingType>url</EncodingType><MaxUploads>1</MaxUploads><IsTruncated>true</IsTruncated></R>";
        assert!(xml.finish().ends_with(expected));
    }
}
