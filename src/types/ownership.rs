//! Who owns the objects of a bucket, and whether ACLs count in it.
//!
//! Source: Amazon S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".

/// The ownership rule of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// The bucket's owner owns every object; ACLs grant nothing and cannot be set.
    #[default]
    BucketOwnerEnforced,
    /// As `ObjectWriter`, but what comes with the canned ACL `bucket-owner-full-control` is the bucket owner's.
    BucketOwnerPreferred,
    /// Who writes an object owns it; ACLs count.
    ObjectWriter,
}

impl ObjectOwnership {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The rule of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}
