//! What ListObjects and ListObjectsV2 share: parameters in, entries out, and the tokens of pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;

use crate::s3::S3Error;
use crate::s3::parameters::{KeyEncoding, key_encoding, page_size};
use crate::s3::query::Query;
use crate::s3::respond::ShownOwners;
use crate::s3::xml::XmlWriter;
use crate::types::{KeyListing, ListedObject};

/// The form of our tokens. A token of another form is refused instead of misread.
const TOKEN_FORM: u8 = 1;

/// What both listings are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListParameters {
    pub(crate) prefix: String,
    pub(crate) delimiter: String,
    pub(crate) max_keys: u32,
    pub(crate) encoding: KeyEncoding,
}

impl ListParameters {
    /// Reads them.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn read(query: &Query, headers: &HeaderMap) -> Result<Self, S3Error> {
        check_attributes(headers)?;
        let text = |name| query.value(name).unwrap_or_default().to_owned();
        Ok(Self {
            prefix: text("prefix"),
            delimiter: text("delimiter"),
            max_keys: page_size("max-keys", query.value("max-keys"))?,
            encoding: key_encoding(query)?,
        })
    }

    /// A key, prefix or marker as it is written.
    pub(crate) fn encode<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        self.encoding.encode(text)
    }

    /// Writes the parameters that both listings echo behind their own.
    pub(crate) fn write(&self, xml: &mut XmlWriter) {
        xml.text("MaxKeys", self.max_keys);
        if !self.delimiter.is_empty() {
            xml.text("Delimiter", self.encode(&self.delimiter));
        }
        xml.optional("EncodingType", self.encoding.name());
    }

    /// Writes keys and common prefixes.
    pub(crate) fn write_entries(&self, xml: &mut XmlWriter, page: &KeyListing, owners: Option<&ShownOwners>) {
        for object in &page.objects {
            self.write_object(xml, object, owners);
        }
        for prefix in &page.prefixes {
            xml.open("CommonPrefixes").text("Prefix", self.encode(prefix)).close();
        }
    }

    fn write_object(&self, xml: &mut XmlWriter, object: &ListedObject, owners: Option<&ShownOwners>) {
        xml.open("Contents")
            .text("Key", self.encode(&object.key))
            .text("LastModified", object.modified.iso_millis())
            .text("ETag", object.etag.quoted());
        if let Some((algorithm, kind)) = object.checksum {
            xml.text("ChecksumAlgorithm", algorithm).text("ChecksumType", kind.name());
        }
        xml.text("Size", object.size);
        if let Some(owners) = owners {
            owners.find(object.owner.as_ref()).write(xml);
        }
        xml.text("StorageClass", object.storage_class.name()).close();
    }
}

/// `x-amz-optional-object-attributes`: `RestoreStatus` is S3's only one, and no object here was ever archived.
fn check_attributes(headers: &HeaderMap) -> Result<(), S3Error> {
    const NAME: &str = "x-amz-optional-object-attributes";
    let values = headers.get_all(NAME).iter().filter_map(|value| value.to_str().ok());
    let mut attributes = values.flat_map(|value| value.split(',')).map(str::trim);
    match attributes.find(|attribute| !attribute.is_empty() && *attribute != "RestoreStatus") {
        Some(unknown) => Err(S3Error::invalid_argument(NAME, unknown, "Invalid attribute name specified")),
        None => Ok(()),
    }
}

/// The opaque token of the page after `after`. It holds its whole state, so it survives a restart.
pub(crate) fn make_token(after: &str) -> String {
    let mut bytes = Vec::with_capacity(after.len() + 1);
    bytes.push(TOKEN_FORM);
    bytes.extend_from_slice(after.as_bytes());
    BASE64.encode(bytes)
}

/// Reads a token; `None` if it is no token that we ever made.
pub(crate) fn read_token(token: &str) -> Option<String> {
    let mut bytes = BASE64.decode(token).ok()?;
    if bytes.first() != Some(&TOKEN_FORM) {
        return None;
    }
    bytes.remove(0);
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{ListParameters, make_token, read_token};
    use crate::s3::Code;
    use crate::s3::query::Query;
    use crate::types::{ChecksumAlgorithm, ChecksumType, ETag, KeyListing, ListedObject, StorageClass, Timestamp};

    pub(crate) fn page(keys: &[&str], prefixes: &[&str], next_after: Option<&str>) -> KeyListing {
        let object = |key: &&str| ListedObject {
            key: (*key).to_owned(),
            size: 5,
            etag: ETag::single([0xab; 16]),
            modified: Timestamp(1_445_412_480_123_456),
            storage_class: StorageClass::Standard,
            checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject)),
            owner: None,
        };
        KeyListing {
            objects: keys.iter().map(object).collect(),
            prefixes: prefixes.iter().map(|prefix| (*prefix).to_owned()).collect(),
            next_after: next_after.map(str::to_owned),
        }
    }

    #[test]
    fn a_token_reads_back_and_nothing_else_does() {
        for after in ["", "a", "a/b c+\u{1}é"] {
            assert_eq!(read_token(&make_token(after)), Some(after.to_owned()));
        }
        for bad in ["", "x", "a/b", "AGE=", "Af8="] {
            assert_eq!(read_token(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters_are_bounded_and_checked() {
        let read = |raw: &str| ListParameters::read(&Query::parse(raw).unwrap(), &HeaderMap::new());
        let defaults = read("").unwrap();
        assert_eq!((defaults.max_keys, defaults.prefix.as_str(), defaults.delimiter.as_str()), (1000, "", ""));
        assert_eq!(read("max-keys=0").unwrap().max_keys, 0);
        assert_eq!(read("max-keys=2000").unwrap().max_keys, 1000);
        assert_eq!(read("allow-unordered=true&x-id=ListObjects").unwrap(), defaults);
        for bad in ["max-keys=-1", "max-keys=x", "max-keys=99999999999", "encoding-type=xml"] {
            assert_eq!(read(bad).unwrap_err().code, Code::InvalidArgument, "{bad}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-optional-object-attributes", HeaderValue::from_static("RestoreStatus"));
        assert!(ListParameters::read(&Query::default(), &headers).is_ok());
        headers.insert("x-amz-optional-object-attributes", HeaderValue::from_static("Colour"));
        assert!(ListParameters::read(&Query::default(), &headers).is_err());
    }
}
