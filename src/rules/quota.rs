//! Quotas: whether a write may make a bucket or an identity larger.

use serde::{Deserialize, Serialize};

/// What is stored: of a bucket, or in the name of an identity.
///
/// `bytes` counts bodies as clients see them, so that a copy counts although it shares its chunks: versions,
/// current and noncurrent; parts of open uploads; deleted objects that can still be restored. `objects` counts
/// versions that are no delete markers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes.
    pub bytes: u64,
    /// Versions that are no delete markers.
    pub objects: u64,
}

/// A change of a usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes.
    pub bytes: i64,
    /// Versions that are no delete markers.
    pub objects: i64,
}

impl Growth {
    /// What a new version of `size` bytes adds.
    pub fn of_version(size: u64) -> Self {
        Self { bytes: signed(size), objects: 1 }
    }

    /// What `size` bytes add that are no version: a part, or a version that stays restorable.
    pub fn of_bytes(size: u64) -> Self {
        Self { bytes: signed(size), objects: 0 }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), objects: self.objects.saturating_add(other.objects) }
    }

    /// The opposite.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { bytes: -self.bytes, objects: -self.objects }
    }
}

fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl Usage {
    /// This usage after `growth`; `None` if it would be negative, which a sound store never asks.
    pub fn after(self, growth: Growth) -> Option<Self> {
        let bytes = self.bytes.checked_add_signed(growth.bytes)?;
        Some(Self { bytes, objects: self.objects.checked_add_signed(growth.objects)? })
    }
}

/// A limit; what is `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Most bytes.
    pub bytes: Option<u64>,
    /// Most versions that are no delete markers.
    pub objects: Option<u64>,
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Bytes.
    Bytes,
    /// Objects.
    Objects,
}

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaOf {
    /// The bucket's.
    Bucket,
    /// That of the identity in whose name the version is written.
    Identity,
}

/// That a write would exceed a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{used} of {limit} {} of the {} are used", self.unit(), self.whose())]
pub struct QuotaRefusal {
    /// Whose quota.
    pub of: QuotaOf,
    /// What it limits.
    pub limited: Limited,
    /// The limit.
    pub limit: u64,
    /// What was used before the write.
    pub used: u64,
}

impl QuotaRefusal {
    fn unit(&self) -> &'static str {
        match self.limited {
            Limited::Bytes => "bytes",
            Limited::Objects => "objects",
        }
    }

    fn whose(&self) -> &'static str {
        match self.of {
            QuotaOf::Bucket => "bucket's quota",
            QuotaOf::Identity => "identity's quota",
        }
    }
}

impl Quota {
    /// Whether anything is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether `usage` may grow so. What does not grow is never refused, also when a quota was set below what
    /// is there: deletes and smaller overwrites always work.
    ///
    /// # Errors
    /// Which limit forbids it.
    pub fn judge(&self, of: QuotaOf, usage: Usage, growth: Growth) -> Result<(), QuotaRefusal> {
        let check = |limited, limit: Option<u64>, used: u64, growth: i64| match limit {
            Some(limit) if growth > 0 && used.saturating_add(growth.unsigned_abs()) > limit => {
                Err(QuotaRefusal { of, limited, limit, used })
            }
            Some(_) | None => Ok(()),
        };
        check(Limited::Bytes, self.bytes, usage.bytes, growth.bytes)?;
        check(Limited::Objects, self.objects, usage.objects, growth.objects)
    }

    /// The document of this quota.
    pub fn to_document(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a quota is plain data")
    }

    /// The quota of a document; `None` if it is none.
    pub fn from_document(document: &[u8]) -> Option<Self> {
        serde_json::from_slice(document).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{Growth, Limited, Quota, QuotaOf, QuotaRefusal, Usage};

    #[test]
    fn a_quota_is_reached_but_not_exceeded() {
        let quota = Quota { bytes: Some(100), objects: Some(2) };
        let judge = |bytes, objects, growth| quota.judge(QuotaOf::Bucket, Usage { bytes, objects }, growth);
        assert_eq!(judge(90, 1, Growth::of_version(10)), Ok(()));
        let refusal = judge(91, 1, Growth::of_version(10)).unwrap_err();
        assert_eq!(refusal, QuotaRefusal { of: QuotaOf::Bucket, limited: Limited::Bytes, limit: 100, used: 91 });
        assert_eq!(refusal.to_string(), "91 of 100 bytes of the bucket's quota are used");
        assert_eq!(judge(0, 2, Growth::of_version(0)).unwrap_err().limited, Limited::Objects);
        assert_eq!(judge(95, 2, Growth::of_bytes(5)), Ok(()), "a part is no object");
        let overwrite = Growth::of_version(5).and(Growth::of_version(9).reversed());
        assert_eq!(judge(500, 9, overwrite), Ok(()), "shrinking is always allowed");
        assert_eq!(Quota::from_document(&quota.to_document()), Some(quota));
    }

    proptest! {
        #[test]
        fn what_is_admitted_never_exceeds_and_what_shrinks_is_admitted(
            bytes in option::of(0..1000_u64), objects in option::of(0..10_u64),
            used in 0..1000_u64, count in 0..10_u64, grown in -500..500_i64, more in -5..5_i64,
        ) {
            let quota = Quota { bytes, objects };
            let (usage, growth) = (Usage { bytes: used, objects: count }, Growth { bytes: grown, objects: more });
            let admitted = quota.judge(QuotaOf::Identity, usage, growth).is_ok();
            prop_assert!(admitted || grown > 0 || more > 0);
            if let Some(after) = usage.after(growth).filter(|_| admitted) {
                prop_assert!(bytes.is_none_or(|limit| after.bytes <= limit) || grown <= 0);
                prop_assert!(objects.is_none_or(|limit| after.objects <= limit) || more <= 0);
                prop_assert_eq!(after.after(growth.reversed()), Some(usage));
            }
        }
    }
}
