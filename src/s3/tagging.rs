//! Tags on the wire: the `x-amz-tagging` header and the `Tagging` document.
//!
//! Source: Amazon S3 API Reference, PutObject (`x-amz-tagging`) and PutObjectTagging.

use http::HeaderMap;

use crate::rules::TagRefusal;
use crate::rules::tag::{Tagged, judge_tags};
use crate::s3::metadata::header_text;
use crate::s3::query::Query;
use crate::s3::xml::XmlWriter;
use crate::s3::xml_tree::Element;
use crate::s3::{Code, S3Error};
use crate::types::Tags;

/// The header that tags a new version.
pub(crate) const TAGGING: &str = "x-amz-tagging";

/// The tags that a request gives its new version; none if it says nothing.
///
/// # Errors
/// `InvalidArgument` if the header is no query string or repeats a key, `InvalidTag`, `BadRequest`.
pub(crate) fn header_tags(headers: &HeaderMap) -> Result<Tags, S3Error> {
    let Some(text) = header_text(headers, TAGGING).filter(|text| !text.is_empty()) else {
        return Ok(Tags::default());
    };
    let Some(query) = Query::parse(&text) else { return Err(header_error(text)) };
    let pairs = query.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    judge_tags(pairs, Tagged::Object).map_err(|refusal| match refusal {
        TagRefusal::Duplicate(_) => header_error(text),
        other => tag_error(other),
    })
}

fn header_error(value: String) -> S3Error {
    let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without \
                   tag name duplicates.";
    S3Error::invalid_argument(TAGGING, value, message)
}

/// Reads a `Tagging` document.
///
/// # Errors
/// `MalformedXML`, `InvalidTag`, `BadRequest`.
pub(crate) fn read_tagging(document: &[u8], tagged: Tagged) -> Result<Tags, S3Error> {
    let tagging = Element::read(document, "Tagging")?;
    tagging.allow(&["TagSet"])?;
    let Some(set) = tagging.child("TagSet")? else { return Err(S3Error::new(Code::MalformedXML)) };
    set.allow(&["Tag"])?;
    let pairs = set.children.iter().map(|tag| {
        tag.allow(&["Key", "Value"])?;
        Ok((tag.required_text("Key")?.to_owned(), tag.required_text("Value")?.to_owned()))
    });
    let pairs = pairs.collect::<Result<Vec<_>, S3Error>>()?;
    judge_tags(pairs, tagged).map_err(tag_error)
}

/// The `Tagging` document of tags.
pub(crate) fn write_tagging(tags: &Tags) -> String {
    let mut xml = XmlWriter::document("Tagging");
    xml.open("TagSet");
    for (key, value) in &tags.0 {
        xml.open("Tag").text("Key", key).text("Value", value).close();
    }
    xml.finish()
}

fn tag_error(refusal: TagRefusal) -> S3Error {
    match refusal {
        TagRefusal::TooMany(Tagged::Object) => {
            S3Error::new(Code::BadRequest).message("Object tags cannot be greater than 10")
        }
        TagRefusal::TooMany(Tagged::Bucket) => {
            S3Error::new(Code::BadRequest).message("Bucket tag count cannot be greater than 50")
        }
        TagRefusal::Key(key) => {
            S3Error::new(Code::InvalidTag).message("The TagKey you have provided is invalid").detail("TagKey", key)
        }
        TagRefusal::Value { key, value } => S3Error::new(Code::InvalidTag)
            .message("The TagValue you have provided is invalid")
            .detail("TagKey", key)
            .detail("TagValue", value),
        TagRefusal::Reserved(key) => S3Error::new(Code::InvalidTag)
            .message("System tags cannot be added/updated by requester")
            .detail("TagKey", key),
        TagRefusal::Duplicate(key) => S3Error::new(Code::InvalidTag)
            .message("Cannot provide multiple Tags with the same key")
            .detail("TagKey", key),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{header_tags, read_tagging, write_tagging};
    use crate::rules::tag::Tagged;
    use crate::s3::Code;
    use crate::types::Tags;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        Tags(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_header_is_a_query_string() {
        let read = |text: &str| {
            let headers =
                HeaderMap::from_iter([("x-amz-tagging".parse().unwrap(), HeaderValue::try_from(text).unwrap())]);
            header_tags(&headers).map_err(|error| error.code)
        };
        assert_eq!(header_tags(&HeaderMap::new()).unwrap(), Tags::default());
        assert_eq!(read(""), Ok(Tags::default()));
        assert_eq!(read("foo=b%20a+r&bar"), Ok(tags(&[("bar", ""), ("foo", "b a r")])));
        assert_eq!(read("k=%C3%BC%3D"), Ok(tags(&[("k", "ü=")])));
        for (bad, code) in [
            ("a=1&a=2", Code::InvalidArgument),
            ("a=%zz", Code::InvalidArgument),
            ("a=%ff", Code::InvalidArgument),
            ("=v", Code::InvalidTag),
            ("aws:x=1", Code::InvalidTag),
            ("a=%21", Code::InvalidTag),
            ("0&1&2&3&4&5&6&7&8&9&10", Code::BadRequest),
        ] {
            assert_eq!(read(bad), Err(code), "{bad}");
        }
    }

    #[test]
    fn the_document_comes_back_as_it_was() {
        let given = tags(&[("a", "1"), ("b+c", "")]);
        assert_eq!(read_tagging(write_tagging(&given).as_bytes(), Tagged::Object).unwrap(), given);
        assert_eq!(read_tagging(b"<Tagging><TagSet/></Tagging>", Tagged::Bucket).unwrap(), Tags::default());
        let code = |inner: &str| {
            let document = format!("<Tagging>{inner}</Tagging>");
            read_tagging(document.as_bytes(), Tagged::Object).unwrap_err().code
        };
        for (bad, expected) in [
            ("", Code::MalformedXML),
            ("<TagSet/><TagSet/>", Code::MalformedXML),
            ("<TagSet><Tag><Key>a</Key></Tag></TagSet>", Code::MalformedXML),
            ("<TagSet><Tag><Value>a</Value></Tag></TagSet>", Code::MalformedXML),
            ("<TagSet><Other/></TagSet>", Code::MalformedXML),
            ("<TagSet><Tag><Key/><Value/></Tag></TagSet>", Code::InvalidTag),
            ("<TagSet><Tag><Key>a</Key><Value/></Tag><Tag><Key>a</Key><Value/></Tag></TagSet>", Code::InvalidTag),
        ] {
            assert_eq!(code(bad), expected, "{bad}");
        }
    }
}
