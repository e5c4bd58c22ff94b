//! The checksums that S3 clients send and ask for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A checksum algorithm of the S3 API.
///
/// Source: Amazon S3 User Guide, "Checking object integrity".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes.
    Md5,
    /// XXH64, 8 bytes.
    XxHash64,
    /// XXH3 with 64 bits, 8 bytes.
    XxHash3,
    /// XXH3 with 128 bits, 16 bytes.
    XxHash128,
}

impl ChecksumAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Md5,
        Self::XxHash64,
        Self::XxHash3,
        Self::XxHash128,
    ];

    /// The API's name, as in `x-amz-checksum-algorithm`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
            Self::Md5 => "MD5",
            Self::XxHash64 => "XXHASH64",
            Self::XxHash3 => "XXHASH3",
            Self::XxHash128 => "XXHASH128",
        }
    }

    /// The header and trailer that carry a value of this algorithm.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
            Self::Sha512 => "x-amz-checksum-sha512",
            Self::Md5 => "x-amz-checksum-md5",
            Self::XxHash64 => "x-amz-checksum-xxhash64",
            Self::XxHash3 => "x-amz-checksum-xxhash3",
            Self::XxHash128 => "x-amz-checksum-xxhash128",
        }
    }

    /// The element that carries a value of this algorithm in XML documents.
    pub fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
            Self::Sha512 => "ChecksumSHA512",
            Self::Md5 => "ChecksumMD5",
            Self::XxHash64 => "ChecksumXXHASH64",
            Self::XxHash3 => "ChecksumXXHASH3",
            Self::XxHash128 => "ChecksumXXHASH128",
        }
    }

    /// Length of a value in bytes.
    pub fn value_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Whether the values of parts can be combined into the value of their concatenation.
    pub fn combines(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64Nvme)
    }

    /// The algorithm behind an API name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm behind a header or trailer name, in any case.
    pub fn from_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header))
    }

    /// The algorithm behind an XML element name.
    pub fn from_element(element: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.element() == element)
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A checksum: the algorithm and exactly as many bytes as it makes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChecksumValue {
    algorithm: ChecksumAlgorithm,
    bytes: Vec<u8>,
}

impl ChecksumValue {
    /// A value of `algorithm`; `None` if `bytes` has another length than the algorithm makes.
    pub fn new(algorithm: ChecksumAlgorithm, bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() == algorithm.value_bytes()).then_some(Self { algorithm, bytes })
    }

    /// Reads the base64 text of a header or element; `None` if it is malformed or of another length.
    pub fn parse(algorithm: ChecksumAlgorithm, base64: &str) -> Option<Self> {
        Self::new(algorithm, BASE64.decode(base64.trim()).ok()?)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value in base64.
    pub fn base64(&self) -> String {
        BASE64.encode(&self.bytes)
    }
}

impl fmt::Debug for ChecksumValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.base64())
    }
}

/// How the checksum of a multipart object is made (`x-amz-checksum-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumType {
    /// The checksum of the parts' checksums, with `-N`.
    Composite,
    /// The checksum of the whole body.
    FullObject,
}

impl ChecksumType {
    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    /// The type behind an API name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Composite, Self::FullObject].into_iter().find(|kind| kind.name() == name)
    }
}

/// The checksum that is stored with an object and returned on HEAD and GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Algorithm and bytes.
    pub value: ChecksumValue,
    /// How it was made.
    pub kind: ChecksumType,
    /// Number of parts, for `Composite`.
    pub parts: Option<u16>,
}

impl ObjectChecksum {
    /// The checksum of a whole body.
    pub fn full(value: ChecksumValue) -> Self {
        Self { value, kind: ChecksumType::FullObject, parts: None }
    }

    /// The text of headers and elements: base64, with `-N` if it is composite.
    pub fn text(&self) -> String {
        match self.parts {
            Some(parts) => format!("{}-{parts}", self.value.base64()),
            None => self.value.base64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ChecksumAlgorithm, ChecksumValue};

    #[test]
    fn every_algorithm_is_found_by_each_of_its_names() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(ChecksumAlgorithm::from_name(&algorithm.name().to_lowercase()), Some(algorithm));
            assert_eq!(ChecksumAlgorithm::from_header(algorithm.header()), Some(algorithm));
            assert_eq!(ChecksumAlgorithm::from_element(algorithm.element()), Some(algorithm));
        }
    }

    #[test]
    fn a_value_has_the_length_of_its_algorithm() {
        assert!(ChecksumValue::parse(ChecksumAlgorithm::Crc32, "AAAAAA==").is_some());
        assert!(ChecksumValue::parse(ChecksumAlgorithm::Crc32c, "AAAA").is_none());
        assert!(ChecksumValue::parse(ChecksumAlgorithm::Sha1, "not base64").is_none());
    }
}
