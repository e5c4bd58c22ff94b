//! The public access block of a bucket, as it is stored. What each flag stops is said where it is enforced.
//!
//! Source: Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".

use serde::{Deserialize, Serialize};

/// The four flags. A bucket without a configuration has none of them.
#[allow(clippy::struct_excessive_bools, reason = "S3's own four flags")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicAccessBlock {
    /// New public ACLs are refused.
    pub block_public_acls: bool,
    /// What ACLs grant to the public does not count.
    pub ignore_public_acls: bool,
    /// New public bucket policies are refused.
    pub block_public_policy: bool,
    /// What a public bucket policy allows counts for the bucket's own account only.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// The stored form.
    ///
    /// # Panics
    /// Never: four flags always have a form.
    pub fn encode(self) -> Vec<u8> {
        serde_json::to_vec(&self).expect("flags have a JSON form")
    }

    /// Reads the stored form; `None` if it is none.
    pub fn decode(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::PublicAccessBlock;

    #[test]
    fn flags_read_back_each_by_itself() {
        let off = PublicAccessBlock::default();
        let table = [
            off,
            PublicAccessBlock { block_public_acls: true, ..off },
            PublicAccessBlock { ignore_public_acls: true, ..off },
            PublicAccessBlock { block_public_policy: true, ..off },
            PublicAccessBlock { restrict_public_buckets: true, ..off },
        ];
        for block in table {
            assert_eq!(PublicAccessBlock::decode(&block.encode()), Some(block));
        }
        assert_eq!(PublicAccessBlock::decode(b"{}"), None, "a flag that is missing is no answer");
    }
}
