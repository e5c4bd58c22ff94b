//! The client's list of parts in a CompleteMultipartUpload, one part at a time.

use crate::engine::ClaimedPart;
use crate::s3::parameters::parse_part_number;
use crate::s3::xml::XmlEvent;
use crate::s3::{Code, S3Error};
use crate::types::{ChecksumAlgorithm, ChecksumValue, ETag};

const ROOT: &str = "CompleteMultipartUpload";
const PART: &str = "CompleteMultipartUpload/Part";

/// The list as it is read.
#[derive(Debug, Default)]
pub(crate) struct PartList {
    number: Option<u16>,
    etag: Option<String>,
    checksum: Option<ChecksumValue>,
    has_parts: bool,
}

fn malformed(cause: &'static str) -> S3Error {
    S3Error::new(Code::MalformedXML).cause(cause)
}

impl PartList {
    /// Takes an event; returns a part when it is complete.
    ///
    /// # Errors
    /// `MalformedXML`, `InvalidArgument` for a part number that none can have, `InvalidPart` for a tag or
    /// checksum that no part can have.
    pub(crate) fn take(&mut self, event: XmlEvent<'_>) -> Result<Option<ClaimedPart>, S3Error> {
        match event {
            XmlEvent::Open { path } => {
                let in_root = path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
                if !in_root {
                    return Err(malformed("the root is not CompleteMultipartUpload"));
                }
                if path == PART {
                    *self = Self { has_parts: true, ..Self::default() };
                }
                Ok(None)
            }
            XmlEvent::Close { path: PART, text: _ } => self.part().map(Some),
            XmlEvent::Close { path, text } => {
                if let Some(field) = path.strip_prefix(PART).and_then(|rest| rest.strip_prefix('/')) {
                    self.field(field, text.trim())?;
                }
                Ok(None)
            }
        }
    }

    /// Says that the list has ended.
    ///
    /// # Errors
    /// `MalformedXML` if it has no part.
    pub(crate) fn finish(self) -> Result<(), S3Error> {
        if self.has_parts { Ok(()) } else { Err(malformed("the list has no parts")) }
    }

    fn field(&mut self, field: &str, text: &str) -> Result<(), S3Error> {
        match field {
            "PartNumber" => {
                // What is no number at all is a fault of the document.
                text.parse::<i64>().map_err(|_| malformed("a PartNumber is no number"))?;
                self.number = Some(parse_part_number(text)?);
            }
            "ETag" => self.etag = Some(text.to_owned()),
            other => {
                if let Some(algorithm) = ChecksumAlgorithm::from_element(other) {
                    let value = ChecksumValue::parse(algorithm, text);
                    self.checksum = Some(value.ok_or_else(|| self.invalid(text))?);
                }
            }
        }
        Ok(())
    }

    fn part(&mut self) -> Result<ClaimedPart, S3Error> {
        let number = self.number.ok_or_else(|| malformed("a part has no PartNumber"))?;
        let text = self.etag.take().ok_or_else(|| malformed("a part has no ETag"))?;
        let etag = ETag::parse(&text).ok_or_else(|| self.invalid(&text))?;
        Ok(ClaimedPart { number, etag, checksum: self.checksum.take() })
    }

    fn invalid(&self, text: &str) -> S3Error {
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        S3Error::new(Code::InvalidPart).detail("PartNumber", number).detail("ETag", text.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::PartList;
    use crate::engine::ClaimedPart;
    use crate::s3::xml::XmlFeed;
    use crate::s3::{Code, S3Error};
    use crate::types::{ChecksumAlgorithm, ChecksumValue, ETag};

    fn read(xml: &str) -> Result<Vec<ClaimedPart>, S3Error> {
        let mut feed = XmlFeed::new();
        let mut list = PartList::default();
        let mut parts = Vec::new();
        for piece in xml.as_bytes().chunks(5) {
            feed.push(piece);
            while let Some(event) = feed.next_event()? {
                parts.extend(list.take(event)?);
            }
        }
        feed.finish()?;
        list.finish()?;
        Ok(parts)
    }

    #[test]
    fn parts_come_with_or_without_quotes_and_checksums() {
        let tag = "0".repeat(32);
        let parts = read(&format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n<Part><ETag>&quot;{tag}&quot;</ETag>\
             <PartNumber>1</PartNumber></Part><Part><PartNumber> 3 </PartNumber><ETag>\"{tag}\"</ETag>\
             <ChecksumCRC32>AAAAAA==</ChecksumCRC32><Unknown>x</Unknown></Part>\
             <Part><PartNumber>10000</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
        ))
        .unwrap();
        let etag = ETag::single([0; 16]);
        let part = |number, checksum| ClaimedPart { number, etag, checksum };
        let crc32 = ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]);
        assert_eq!(parts, [part(1, None), part(3, crc32), part(10_000, None)]);
    }

    #[test]
    fn every_fault_has_its_code() {
        let list = |parts: &str| format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let tag = "0".repeat(32);
        let table = [
            (String::new(), Code::MalformedXML),
            (list(""), Code::MalformedXML),
            ("<CompleteMultipartUploads></CompleteMultipartUploads>".to_owned(), Code::MalformedXML),
            (list("<Part></Part>"), Code::MalformedXML),
            (list("<Part><PartNumber>1</PartNumber></Part>"), Code::MalformedXML),
            (list(&format!("<Part><ETag>{tag}</ETag></Part>")), Code::MalformedXML),
            (list(&format!("<Part><PartNumber>x</PartNumber><ETag>{tag}</ETag></Part>")), Code::MalformedXML),
            (list(&format!("<Part><PartNumber>0</PartNumber><ETag>{tag}</ETag></Part>")), Code::InvalidArgument),
            (list(&format!("<Part><PartNumber>10001</PartNumber><ETag>{tag}</ETag></Part>")), Code::InvalidArgument),
            (list("<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"), Code::InvalidPart),
            (list("<Part><PartNumber>1</PartNumber><ChecksumCRC32>AA</ChecksumCRC32></Part>"), Code::InvalidPart),
        ];
        for (xml, code) in table {
            assert_eq!(read(&xml).unwrap_err().code, code, "{xml}");
        }
    }

    #[test]
    fn nothing_of_one_part_leaks_into_the_next() {
        let tag = "0".repeat(32);
        let xml = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>\
             <Part><ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
        );
        assert_eq!(read(&xml).unwrap_err().code, Code::MalformedXML);
    }

    proptest! {
        #[test]
        fn arbitrary_lists_never_panic(inside in "(<(/)?(Part|PartNumber|ETag|ChecksumSHA1)>|[0-9a\"<&;é]{0,4}){0,20}") {
            let _ = read(&format!("<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>"));
        }
    }
}
