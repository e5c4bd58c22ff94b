//! GetObjectAttributes. Source: Amazon S3 API Reference, GetObjectAttributes.

use http::{HeaderMap, HeaderName};

use crate::engine::OpenObject;
use crate::net::{RequestBody, Response};
use crate::s3::authorize::call::Authorized;
use crate::s3::checksum_headers::{write_checksum, write_part_checksum};
use crate::s3::encryption_headers::{customer_key, refuse_request_headers};
use crate::s3::metadata::{header_text, insert_text};
use crate::s3::object_headers::{VERSION_ID, insert_version, object_error, respond_xml, shown_version};
use crate::s3::parameters;
use crate::s3::xml::XmlWriter;
use crate::s3::{Gateway, S3Error};
use crate::types::ListedPart;

const ATTRIBUTES: &str = "x-amz-object-attributes";
const MAX_PARTS: &str = "x-amz-max-parts";
const MARKER: &str = "x-amz-part-number-marker";

/// Which attributes a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted(u8);

impl Wanted {
    const ETAG: Self = Self(1);
    const CHECKSUM: Self = Self(2);
    const PARTS: Self = Self(4);
    const CLASS: Self = Self(8);
    const SIZE: Self = Self(16);

    fn parse(headers: &HeaderMap) -> Result<Self, S3Error> {
        let text = header_text(headers, ATTRIBUTES).unwrap_or_default();
        let mut wanted = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            wanted.0 |= match name {
                "ETag" => Self::ETAG.0,
                "Checksum" => Self::CHECKSUM.0,
                "ObjectParts" => Self::PARTS.0,
                "StorageClass" => Self::CLASS.0,
                "ObjectSize" => Self::SIZE.0,
                other => {
                    return Err(S3Error::invalid_argument(ATTRIBUTES, other, "Invalid attribute name specified."));
                }
            };
        }
        if wanted == Self::default() {
            let message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either \
                           missing or empty";
            return Err(S3Error::invalid_argument(ATTRIBUTES, text, message));
        }
        Ok(wanted)
    }

    fn has(self, attribute: Self) -> bool {
        self.0 & attribute.0 != 0
    }
}

/// Answers the attributes that were asked for, and only those.
pub(crate) async fn run(gateway: &Gateway, call: &Authorized, _body: RequestBody) -> Result<Response, S3Error> {
    let version = parameters::version(&call.query)?;
    let wanted = Wanted::parse(&call.headers)?;
    let page = PartsPage::parse(&call.headers)?;
    refuse_request_headers(&call.headers)?;
    let customer_key = customer_key(&call.headers)?;
    let open = call.open(gateway, version).await;
    let mut open = open.map_err(|error| object_error(error, call.key(), version))?;
    open.unlock(customer_key.as_ref())?;
    let facts = open.version();
    let mut headers = HeaderMap::new();
    insert_text(&mut headers, http::header::LAST_MODIFIED, &facts.modified.truncated_to_seconds().http_date());
    insert_version(&mut headers, VERSION_ID, shown_version(call.bucket(), facts.version));
    let mut xml = XmlWriter::document("GetObjectAttributesResponse");
    if wanted.has(Wanted::ETAG) {
        xml.text("ETag", facts.etag);
    }
    if let Some(checksum) = facts.checksum.as_ref().filter(|_| wanted.has(Wanted::CHECKSUM)) {
        xml.open("Checksum");
        write_checksum(&mut xml, checksum);
        xml.close();
    }
    if let Some(count) = open.part_count().filter(|_| wanted.has(Wanted::PARTS)) {
        write_parts(&mut xml, &open, count, page).await?;
    }
    if wanted.has(Wanted::CLASS) {
        xml.text("StorageClass", facts.metadata.storage_class.name());
    }
    if wanted.has(Wanted::SIZE) {
        xml.text("ObjectSize", facts.size);
    }
    Ok(respond_xml(headers, xml.finish()))
}

#[derive(Clone, Copy, Debug)]
struct PartsPage {
    after: u16,
    max: u32,
}

impl PartsPage {
    fn parse(headers: &HeaderMap) -> Result<Self, S3Error> {
        let text = |name: &'static str| header_text(headers, HeaderName::from_static(name).as_str());
        Ok(Self {
            after: parameters::part_marker(MARKER, text(MARKER).as_deref())?,
            max: parameters::page_size(MAX_PARTS, text(MAX_PARTS).as_deref())?,
        })
    }
}

/// Writes the number of parts, and a page of them if they have checksums: without those S3 shows no list.
async fn write_parts(xml: &mut XmlWriter, open: &OpenObject, count: u16, page: PartsPage) -> Result<(), S3Error> {
    // The engine's smallest page is one part; an empty one still needs to know whether there is a list.
    let mut parts = open.parts(page.after, page.max.max(1)).await?;
    let has_more = match parts.last() {
        Some(_) if page.max == 0 => false,
        Some(last) => !open.parts(last.number, 1).await?.is_empty(),
        None => false,
    };
    let has_list = parts.iter().all(|part| part.checksum.is_some());
    if page.max == 0 {
        parts.clear();
    }
    xml.open("ObjectParts").text("PartsCount", count);
    if has_list {
        let next = parts.last().map_or(page.after, |part| part.number);
        xml.text("PartNumberMarker", page.after)
            .text("NextPartNumberMarker", next)
            .text("MaxParts", page.max)
            .text("IsTruncated", has_more);
        for part in &parts {
            write_part(xml, part);
        }
    }
    xml.close();
    Ok(())
}

fn write_part(xml: &mut XmlWriter, part: &ListedPart) {
    xml.open("Part").text("PartNumber", part.number).text("Size", part.size);
    if let Some(checksum) = &part.checksum {
        write_part_checksum(xml, checksum);
    }
    xml.close();
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{ATTRIBUTES, Wanted};
    use crate::s3::Code;

    fn read(lines: &[&'static str]) -> Result<Wanted, Code> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ATTRIBUTES, HeaderValue::from_static(line));
        }
        Wanted::parse(&headers).map_err(|error| error.code)
    }

    #[test]
    fn attributes_come_in_one_line_or_in_several() {
        let all = Wanted(31);
        assert_eq!(read(&["ETag,Checksum,ObjectParts,StorageClass,ObjectSize"]), Ok(all));
        assert_eq!(read(&["ETag, Checksum", "ObjectParts", "StorageClass", "ObjectSize"]), Ok(all));
        let size = read(&["ObjectSize"]).unwrap();
        assert!(size.has(Wanted::SIZE) && !size.has(Wanted::ETAG));
    }

    #[test]
    fn missing_and_unknown_attributes_are_refused() {
        for bad in [&[][..], &[""], &[","], &["etag"], &["ETag,Owner"]] {
            assert_eq!(read(bad), Err(Code::InvalidArgument), "{bad:?}");
        }
    }
}
