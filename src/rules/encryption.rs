//! The default encryption of a bucket: how its new objects are encrypted unless a request says otherwise.

use serde::{Deserialize, Serialize};

/// How new objects are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// `AES256`: SSE-S3.
    Aes256,
    /// `aws:kms`: SSE-KMS.
    Kms,
}

impl Algorithm {
    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256 => "AES256",
            Self::Kms => "aws:kms",
        }
    }
}

/// The default encryption of a bucket, as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketEncryption {
    /// How; `None` if the rule only blocks.
    pub algorithm: Option<Algorithm>,
    /// The key of `aws:kms`; the default key if `None`.
    pub kms_key: Option<String>,
    /// Whether a bucket key was asked for.
    pub bucket_key: bool,
    /// Whether writes with SSE-C are refused.
    pub blocks_customer_keys: bool,
    /// What the rule says of blocked types; `None` if nothing.
    pub blocked: Option<String>,
}

impl BucketEncryption {
    /// As it was stored.
    pub fn from_document(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}
