//! The ownership controls of a bucket, as they are stored.

use crate::types::ObjectOwnership;

/// What a bucket says about the ownership of its objects. A bucket that was made without saying anything is
/// `BucketOwnerEnforced`, as on S3 since 2023.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipControls {
    /// This rule.
    Rule(ObjectOwnership),
    /// The controls were deleted: writers own what they write, as in the buckets from before controls existed.
    Deleted,
}

const DELETED: &[u8] = b"null";

impl OwnershipControls {
    /// The rule that counts.
    pub fn effective(self) -> ObjectOwnership {
        match self {
            Self::Rule(rule) => rule,
            Self::Deleted => ObjectOwnership::ObjectWriter,
        }
    }

    /// The stored form.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Rule(rule) => rule.name().as_bytes().to_vec(),
            Self::Deleted => DELETED.to_vec(),
        }
    }

    /// Reads the stored form; `None` if it is none.
    pub fn decode(document: Option<&[u8]>) -> Option<Self> {
        match document {
            None => Some(Self::Rule(ObjectOwnership::BucketOwnerEnforced)),
            Some(DELETED) => Some(Self::Deleted),
            Some(name) => std::str::from_utf8(name).ok().and_then(ObjectOwnership::parse).map(Self::Rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OwnershipControls;
    use crate::types::ObjectOwnership;

    #[test]
    fn controls_read_back_and_the_default_is_the_bucket_owners() {
        for rule in ObjectOwnership::ALL {
            let controls = OwnershipControls::Rule(rule);
            assert_eq!(OwnershipControls::decode(Some(&controls.encode())), Some(controls));
        }
        let deleted = OwnershipControls::Deleted;
        assert_eq!(OwnershipControls::decode(Some(&deleted.encode())), Some(deleted));
        assert_eq!(deleted.effective(), ObjectOwnership::ObjectWriter);
        let default = OwnershipControls::decode(None).unwrap();
        assert_eq!(default.effective(), ObjectOwnership::BucketOwnerEnforced);
        assert_eq!(OwnershipControls::decode(Some(b"Nobody")), None);
    }
}
