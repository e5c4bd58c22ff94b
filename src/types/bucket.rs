//! Bucket names and buckets.

use std::fmt;

use crate::limits::{BUCKET_NAME_BYTES_MAX, BUCKET_NAME_BYTES_MIN};
use crate::types::{BucketId, OwnerId, Timestamp};

/// A general-purpose bucket name that follows the S3 naming rules.
///
/// Source: Amazon S3 User Guide, "General purpose bucket naming rules".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketName(String);

/// The text is no legal bucket name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the specified bucket name is not valid")]
pub struct InvalidBucketName;

const RESERVED_PREFIXES: [&str; 4] = ["xn--", "sthree-", "amzn-s3-demo-", "-"];
const RESERVED_SUFFIXES: [&str; 4] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3"];

impl BucketName {
    /// Checks `name` against the naming rules.
    ///
    /// # Errors
    /// `InvalidBucketName` if a rule is broken.
    pub fn parse(name: &str) -> Result<Self, InvalidBucketName> {
        let bytes = name.as_bytes();
        let legal_length = (BUCKET_NAME_BYTES_MIN..=BUCKET_NAME_BYTES_MAX).contains(&bytes.len());
        let legal_bytes = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(b));
        if !legal_length || !legal_bytes {
            return Err(InvalidBucketName);
        }
        let ends = [bytes[0], bytes[bytes.len() - 1]];
        let legal_ends = ends.iter().all(u8::is_ascii_alphanumeric);
        let looks_like_address = name.parse::<std::net::Ipv4Addr>().is_ok();
        let reserved = RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        // Labels of a host name end with letters or digits, and virtual-host style makes labels of them.
        let bad_label = ["..", ".-", "-."].iter().any(|pair| name.contains(pair));
        if !legal_ends || bad_label || looks_like_address || reserved {
            return Err(InvalidBucketName);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A bucket as the metadata store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Internal id; never reused.
    pub id: BucketId,
    /// Its name.
    pub name: BucketName,
    /// The identity that created it.
    pub owner: OwnerId,
    /// When it was created.
    pub created: Timestamp,
    /// The location constraint that its creator asked for; empty for `us-east-1`.
    pub location: String,
    /// Changes with every change of its documents: names exactly one state of them.
    pub generation: u64,
    /// Whether versioning is or was on, so that the ids of versions are shown, also that of a null version.
    pub is_versioned: bool,
}

#[cfg(test)]
mod tests {
    use super::BucketName;

    #[test]
    fn names_follow_the_s3_rules() {
        for good in ["abc", "a.b", "my-bucket.example", "0ab", &"a".repeat(63)] {
            let good = if good.len() < 3 { "abc" } else { good };
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        let bad = [
            "",
            "ab",
            &long,
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "abc--ol-s3",
            "a/b",
            "a.-b",
            "a-.b",
            "äbc",
            "..",
        ];
        for bad in bad {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }
}
