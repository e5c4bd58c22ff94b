//! Query parameters that several operations share: versions, uploads, part numbers, page sizes. Each is
//! refused in S3's own words.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use crate::limits::{PAGE_MAX, PART_NUMBER_MAX};
use crate::s3::query::Query;
use crate::s3::{Code, S3Error};
use crate::types::{URL_PATH, UploadId, VersionId};

/// The `versionId` of a request.
///
/// # Errors
/// `InvalidArgument` if it is empty or no version id.
pub(crate) fn version(query: &Query) -> Result<Option<VersionId>, S3Error> {
    query.value("versionId").map(parse_version).transpose()
}

/// Reads the text of a version id.
///
/// # Errors
/// `InvalidArgument` if it is empty or no version id.
pub(crate) fn parse_version(text: &str) -> Result<VersionId, S3Error> {
    if text.is_empty() {
        return Err(S3Error::invalid_argument("versionId", text, "Version id cannot be the empty string"));
    }
    VersionId::parse(text).ok_or_else(|| S3Error::invalid_argument("versionId", text, "Invalid version id specified"))
}

/// The `uploadId` of a request.
///
/// # Errors
/// `NoSuchUpload` if it is no id that we ever made: it names nothing, as an id that has ended does.
pub(crate) fn upload(query: &Query) -> Result<UploadId, S3Error> {
    let text = query.value("uploadId").unwrap_or_default();
    UploadId::parse(text).ok_or_else(|| S3Error::new(Code::NoSuchUpload).detail("UploadId", text))
}

/// The `partNumber` of a request, if it has one.
///
/// # Errors
/// `InvalidArgument` if it is no number of 1..=10,000.
pub(crate) fn part_number(query: &Query) -> Result<Option<u16>, S3Error> {
    query.value("partNumber").map(parse_part_number).transpose()
}

/// The `partNumber` of a request that must have one.
///
/// # Errors
/// `InvalidArgument` if there is none, or if it is no number of 1..=10,000.
pub(crate) fn required_part_number(query: &Query) -> Result<u16, S3Error> {
    parse_part_number(query.value("partNumber").unwrap_or_default())
}

/// Reads a part number.
///
/// # Errors
/// `InvalidArgument` if it is no number of 1..=10,000.
pub(crate) fn parse_part_number(text: &str) -> Result<u16, S3Error> {
    digits(text)
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| (1..=PART_NUMBER_MAX).contains(number))
        .ok_or_else(|| {
            S3Error::invalid_argument(
                "partNumber",
                text,
                "Part number must be an integer between 1 and 10000, inclusive",
            )
        })
}

/// How many entries a page may have: `PAGE_MAX` if nothing is said or if more is asked for.
///
/// # Errors
/// `InvalidArgument` if it is no number of 0..=2,147,483,647.
pub(crate) fn page_size(name: &'static str, text: Option<&str>) -> Result<u32, S3Error> {
    Ok(bounded(name, text)?.map_or(PAGE_MAX, |size| size.min(PAGE_MAX)))
}

/// The part number after which a page begins: 0 if nothing is said. Markers beyond the highest part number
/// are legal; nothing follows them.
///
/// # Errors
/// `InvalidArgument` if it is no number of 0..=2,147,483,647.
pub(crate) fn part_marker(name: &'static str, text: Option<&str>) -> Result<u16, S3Error> {
    let marker = bounded(name, text)?.unwrap_or(0);
    Ok(u16::try_from(marker).unwrap_or(PART_NUMBER_MAX).min(PART_NUMBER_MAX))
}

/// How keys are written into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyEncoding {
    /// As they are; what XML cannot carry becomes references.
    Raw,
    /// Percent-encoded.
    Url,
}

/// What stays as it is under `encoding-type=url`. A raw `+` would be read back as a space.
const URL_ENCODED: &AsciiSet = &URL_PATH.remove(b'*');

impl KeyEncoding {
    /// The text as it is written.
    pub(crate) fn encode(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Raw => Cow::Borrowed(text),
            Self::Url => utf8_percent_encode(text, URL_ENCODED).into(),
        }
    }

    /// What `EncodingType` says.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Raw => None,
            Self::Url => Some("url"),
        }
    }
}

/// `encoding-type`.
///
/// # Errors
/// `InvalidArgument` for anything but `url`.
pub(crate) fn key_encoding(query: &Query) -> Result<KeyEncoding, S3Error> {
    match query.value("encoding-type") {
        None | Some("") => Ok(KeyEncoding::Raw),
        Some("url") => Ok(KeyEncoding::Url),
        Some(other) => {
            Err(S3Error::invalid_argument("encoding-type", other, "Invalid Encoding Method specified in Request"))
        }
    }
}

fn bounded(name: &'static str, text: Option<&str>) -> Result<Option<u32>, S3Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match digits(text).filter(|number| *number <= i32::MAX.unsigned_abs()) {
        Some(number) => Ok(Some(number)),
        None => Err(S3Error::invalid_argument(
            name,
            text,
            format!("Provided {name} not an integer or within integer range"),
        )),
    }
}

/// A number in digits only: `parse` alone would take a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{page_size, part_marker, part_number, upload, version};
    use crate::s3::Code;
    use crate::s3::query::Query;
    use crate::types::VersionId;

    #[test]
    fn versions_are_ids_or_null() {
        let read = |raw: &str| version(&Query::parse(raw).unwrap()).map_err(|error| error.code);
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("versionId=null"), Ok(Some(VersionId::Null)));
        for bad in ["versionId=", "versionId", "versionId=x", "versionId=NULL"] {
            assert_eq!(read(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn an_upload_id_of_any_other_form_names_no_upload() {
        for bad in ["", "uploadId=", "uploadId=x"] {
            assert_eq!(upload(&Query::parse(bad).unwrap()).unwrap_err().code, Code::NoSuchUpload, "{bad}");
        }
        assert!(upload(&Query::parse(&format!("uploadId={}", "0".repeat(32))).unwrap()).is_ok());
    }

    #[test]
    fn part_numbers_are_1_to_10000() {
        let read = |raw: &str| part_number(&Query::parse(raw).unwrap()).map_err(|error| error.code);
        assert_eq!(read("x=1"), Ok(None));
        assert_eq!(read("partNumber=1"), Ok(Some(1)));
        assert_eq!(read("partNumber=10000"), Ok(Some(10_000)));
        for bad in ["0", "10001", "-1", "%2B1", "", "a", "65537", "99999999999999999999"] {
            assert_eq!(read(&format!("partNumber={bad}")), Err(Code::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn pages_are_clamped_and_nonsense_is_refused() {
        let size = |text| page_size("max-parts", text).map_err(|error| error.code);
        assert_eq!(size(None), Ok(1000));
        assert_eq!(size(Some("")), Ok(1000));
        assert_eq!(size(Some("0")), Ok(0));
        assert_eq!(size(Some("5000")), Ok(1000));
        for bad in ["-1", "x", "2147483648", "1.5"] {
            assert_eq!(size(Some(bad)), Err(Code::InvalidArgument), "{bad}");
        }
        assert_eq!(part_marker("part-number-marker", Some("70000")).unwrap(), 10_000);
        assert_eq!(part_marker("part-number-marker", None).unwrap(), 0);
    }
}
