//! Checksums in headers and XML: what requests without a hashed body claim or ask for, and what answers show.
//! The checksum of an upload's body itself is read in `body`.
//!
//! Source: Amazon S3 User Guide, "Checking object integrity".

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::S3Error;
use crate::s3::metadata::header_text;
use crate::s3::xml::XmlWriter;
use crate::types::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ObjectChecksum};

const PREFIX: &str = "x-amz-checksum-";
const ALGORITHM: &str = "x-amz-checksum-algorithm";
const TYPE: &str = "x-amz-checksum-type";
const MODE: &str = "x-amz-checksum-mode";

/// Whether the caller of a GET or HEAD asks for the stored checksum.
pub(crate) fn wants_checksum(headers: &HeaderMap) -> bool {
    header_text(headers, MODE).is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"))
}

/// `x-amz-checksum-algorithm` of a copy or a new upload.
///
/// # Errors
/// `InvalidRequest` for an algorithm that we do not know.
pub(crate) fn requested_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let Some(name) = header_text(headers, ALGORITHM) else {
        return Ok(None);
    };
    match ChecksumAlgorithm::from_name(&name) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(S3Error::invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, \
             CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH3, XXHASH64, XXHASH128]",
        )),
    }
}

/// Algorithm and type that a new upload asks for. A type that is not named is the one that S3 gives to the
/// algorithm: CRC-64/NVME is only known for whole objects, every other checksum is composite.
///
/// # Errors
/// `InvalidRequest` for unknown names, a type without an algorithm, or a pair that S3 does not have.
pub(crate) fn upload_checksum(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, S3Error> {
    let kind = requested_type(headers)?;
    let Some(algorithm) = requested_algorithm(headers)? else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let whole_only = algorithm == ChecksumAlgorithm::Crc64Nvme;
    let kind = kind.unwrap_or(if whole_only { ChecksumType::FullObject } else { ChecksumType::Composite });
    let legal = match kind {
        ChecksumType::Composite => !whole_only,
        ChecksumType::FullObject => algorithm.combines(),
    };
    if !legal {
        return Err(S3Error::invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name().to_ascii_lowercase()
        )));
    }
    Ok(Some((algorithm, kind)))
}

/// What a CompleteMultipartUpload claims about the whole object. A composite value may carry its `-N`.
///
/// # Errors
/// `InvalidRequest` for an unknown algorithm, several values, or a value that is none.
pub(crate) fn claimed_checksum(headers: &HeaderMap) -> Result<(Option<ChecksumValue>, Option<ChecksumType>), S3Error> {
    let mut claimed = None;
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(PREFIX) || [ALGORITHM, TYPE, MODE].contains(&name) {
            continue;
        }
        let value = value.to_str().unwrap_or_default();
        let text = match value.rsplit_once('-') {
            Some((text, parts)) if !parts.is_empty() && parts.bytes().all(|byte| byte.is_ascii_digit()) => text,
            Some(_) | None => value,
        };
        let algorithm = ChecksumAlgorithm::from_header(name).ok_or_else(|| {
            S3Error::invalid_request("The algorithm type you specified in x-amz-checksum- header is invalid.")
        })?;
        let checksum = ChecksumValue::parse(algorithm, text)
            .ok_or_else(|| S3Error::invalid_request(format!("Value for {name} header is invalid.")))?;
        if claimed.replace(checksum).is_some() {
            return Err(S3Error::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok((claimed, requested_type(headers)?))
}

fn requested_type(headers: &HeaderMap) -> Result<Option<ChecksumType>, S3Error> {
    let Some(name) = header_text(headers, TYPE) else {
        return Ok(None);
    };
    match ChecksumType::from_name(&name.to_ascii_uppercase()) {
        Some(kind) => Ok(Some(kind)),
        None => Err(S3Error::invalid_request("Value for x-amz-checksum-type header is invalid.")),
    }
}

/// Shows the checksum of an object, and how it was made.
pub(crate) fn insert_checksum(headers: &mut HeaderMap, checksum: &ObjectChecksum) {
    insert_value(headers, checksum.value.algorithm(), &checksum.text());
    insert_type(headers, checksum.kind);
}

/// Shows the checksum of a part.
pub(crate) fn insert_part_checksum(headers: &mut HeaderMap, checksum: &ChecksumValue) {
    insert_value(headers, checksum.algorithm(), &checksum.base64());
}

/// Shows how a checksum is made.
pub(crate) fn insert_type(headers: &mut HeaderMap, kind: ChecksumType) {
    headers.insert(HeaderName::from_static(TYPE), HeaderValue::from_static(kind.name()));
}

/// Echoes the algorithm of a new upload.
pub(crate) fn insert_algorithm(headers: &mut HeaderMap, algorithm: ChecksumAlgorithm) {
    headers.insert(HeaderName::from_static(ALGORITHM), HeaderValue::from_static(algorithm.name()));
}

fn insert_value(headers: &mut HeaderMap, algorithm: ChecksumAlgorithm, text: &str) {
    let value = HeaderValue::try_from(text).expect("base64 and digits are legal in headers");
    headers.insert(HeaderName::from_static(algorithm.header()), value);
}

/// Writes the checksum of an object as elements.
pub(crate) fn write_checksum(xml: &mut XmlWriter, checksum: &ObjectChecksum) {
    xml.text(checksum.value.algorithm().element(), checksum.text());
    xml.text("ChecksumType", checksum.kind.name());
}

/// Writes the checksum of a part as an element.
pub(crate) fn write_part_checksum(xml: &mut XmlWriter, checksum: &ChecksumValue) {
    xml.text(checksum.algorithm().element(), checksum.base64());
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use proptest::prelude::{any, proptest};

    use super::{claimed_checksum, insert_checksum, requested_algorithm, upload_checksum, wants_checksum};
    use crate::s3::Code;
    use crate::types::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ObjectChecksum};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_upload_gets_the_type_that_s3_gives_to_its_algorithm() {
        let read =
            |pairs: &[(&'static str, &'static str)]| upload_checksum(&headers(pairs)).map_err(|error| error.code);
        let (crc32, crc64, sha256) =
            (ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Sha256);
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-amz-checksum-algorithm", "crc32")]), Ok(Some((crc32, ChecksumType::Composite))));
        assert_eq!(read(&[("x-amz-checksum-algorithm", "CRC64NVME")]), Ok(Some((crc64, ChecksumType::FullObject))));
        assert_eq!(read(&[("x-amz-checksum-algorithm", "SHA256")]), Ok(Some((sha256, ChecksumType::Composite))));
        assert_eq!(
            read(&[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")]),
            Ok(Some((crc32, ChecksumType::FullObject)))
        );
        for bad in [
            &[("x-amz-checksum-type", "COMPOSITE")][..],
            &[("x-amz-checksum-algorithm", "CRC16")],
            &[("x-amz-checksum-algorithm", "SHA1"), ("x-amz-checksum-type", "FULL_OBJECT")],
            &[("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "COMPOSITE")],
            &[("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "HALF")],
        ] {
            assert_eq!(read(bad), Err(Code::InvalidRequest), "{bad:?}");
        }
    }

    #[test]
    fn a_completion_claims_one_checksum_of_a_known_algorithm() {
        let read =
            |pairs: &[(&'static str, &'static str)]| claimed_checksum(&headers(pairs)).map_err(|error| error.code);
        let zero = || ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]);
        assert_eq!(read(&[]), Ok((None, None)));
        assert_eq!(read(&[("x-amz-checksum-crc32", "AAAAAA==")]), Ok((zero(), None)));
        assert_eq!(
            read(&[("x-amz-checksum-crc32", "AAAAAA==-2"), ("x-amz-checksum-type", "COMPOSITE")]),
            Ok((zero(), Some(ChecksumType::Composite)))
        );
        assert_eq!(
            read(&[("x-amz-checksum-mode", "ENABLED"), ("x-amz-checksum-algorithm", "CRC32")]),
            Ok((None, None))
        );
        for bad in [
            &[("x-amz-checksum-crc32", "AAAA")][..],
            &[("x-amz-checksum-crc99", "AAAAAA==")],
            &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")],
        ] {
            assert_eq!(read(bad), Err(Code::InvalidRequest), "{bad:?}");
        }
    }

    #[test]
    fn answers_show_value_and_type() {
        let value = ChecksumValue::new(ChecksumAlgorithm::Crc32, [0; 4]).unwrap();
        let mut answer = HeaderMap::new();
        insert_checksum(&mut answer, &ObjectChecksum { value, kind: ChecksumType::Composite, parts: Some(3) });
        assert_eq!(answer["x-amz-checksum-crc32"], "AAAAAA==-3");
        assert_eq!(answer["x-amz-checksum-type"], "COMPOSITE");
        assert!(wants_checksum(&headers(&[("x-amz-checksum-mode", "enabled")])));
        assert!(!wants_checksum(&headers(&[("x-amz-checksum-mode", "")])));
    }

    proptest! {
        #[test]
        fn arbitrary_checksum_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in ["x-amz-checksum-crc32", "x-amz-checksum-type", "x-amz-checksum-algorithm", "x-amz-checksum-x"] {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, value.clone());
                    let _ = (claimed_checksum(&headers), upload_checksum(&headers), requested_algorithm(&headers));
                }
            }
        }
    }
}
