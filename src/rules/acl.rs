//! Access control lists: what the canned ones grant, whom a list lets do what, and their stored form.
//!
//! Source: Amazon S3 User Guide, "Access control list (ACL) overview".

use serde::{Deserialize, Serialize};

use crate::types::{Acl, AclPermission, Grant, Grantee, OwnerId};

/// The account behind `aws-exec-read`: EC2's, by the canonical id that S3 shows for it.
const EC2: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

/// What a list belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclSubject {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// A permission in the list of a bucket or in that of an object: what may stand for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclRight {
    /// In the bucket's.
    Bucket(AclPermission),
    /// In the object's.
    Object(AclPermission),
}

/// A canned ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannedAcl {
    /// `private`.
    Private,
    /// `public-read`.
    PublicRead,
    /// `public-read-write`.
    PublicReadWrite,
    /// `authenticated-read`.
    AuthenticatedRead,
    /// `aws-exec-read`.
    AwsExecRead,
    /// `bucket-owner-read`.
    BucketOwnerRead,
    /// `bucket-owner-full-control`.
    BucketOwnerFullControl,
    /// `log-delivery-write`.
    LogDeliveryWrite,
}

impl CannedAcl {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Private,
        Self::PublicRead,
        Self::PublicReadWrite,
        Self::AuthenticatedRead,
        Self::AwsExecRead,
        Self::BucketOwnerRead,
        Self::BucketOwnerFullControl,
        Self::LogDeliveryWrite,
    ];

    /// The API's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
            Self::AuthenticatedRead => "authenticated-read",
            Self::AwsExecRead => "aws-exec-read",
            Self::BucketOwnerRead => "bucket-owner-read",
            Self::BucketOwnerFullControl => "bucket-owner-full-control",
            Self::LogDeliveryWrite => "log-delivery-write",
        }
    }

    /// The canned ACL of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|canned| canned.name() == name)
    }

    /// Its grants for a thing of `owner` in a bucket of `bucket_owner`. The owner's own grant comes first.
    pub fn expand(self, subject: AclSubject, owner: &OwnerId, bucket_owner: &OwnerId) -> Acl {
        let mut acl = owner_only(owner);
        let mut grant = |grantee: Grantee, permission| acl.grants.push(Grant { grantee, permission });
        match self {
            Self::Private => {}
            Self::PublicRead => grant(Grantee::AllUsers, AclPermission::Read),
            Self::PublicReadWrite => {
                grant(Grantee::AllUsers, AclPermission::Read);
                grant(Grantee::AllUsers, AclPermission::Write);
            }
            Self::AuthenticatedRead => grant(Grantee::AuthenticatedUsers, AclPermission::Read),
            Self::AwsExecRead => grant(Grantee::Owner(OwnerId(EC2.to_owned())), AclPermission::Read),
            // S3 ignores both on buckets; for an object of the bucket's owner they say what is so anyway.
            Self::BucketOwnerRead | Self::BucketOwnerFullControl
                if subject == AclSubject::Bucket || owner == bucket_owner => {}
            Self::BucketOwnerRead => grant(Grantee::Owner(bucket_owner.clone()), AclPermission::Read),
            Self::BucketOwnerFullControl => grant(Grantee::Owner(bucket_owner.clone()), AclPermission::FullControl),
            // For buckets only; S3 takes it for objects and grants nothing by it.
            Self::LogDeliveryWrite if subject == AclSubject::Object => {}
            Self::LogDeliveryWrite => {
                grant(Grantee::LogDelivery, AclPermission::Write);
                grant(Grantee::LogDelivery, AclPermission::ReadAcp);
            }
        }
        acl
    }
}

/// The list of a thing that has none: everything to its owner.
pub fn owner_only(owner: &OwnerId) -> Acl {
    Acl { grants: vec![Grant { grantee: Grantee::Owner(owner.clone()), permission: AclPermission::FullControl }] }
}

/// Whether a list says no more than `owner_only`.
pub fn is_owner_only(acl: &Acl, owner: &OwnerId) -> bool {
    *acl == owner_only(owner)
}

/// Whether a canonical id that belongs to no key is one of S3's own.
pub fn is_service_id(id: &OwnerId) -> bool {
    id.0 == EC2
}

/// Whether a list grants anything to the public: to everybody, or to everybody with a key.
pub fn is_public(acl: &Acl) -> bool {
    acl.grants.iter().any(|grant| is_public_grantee(&grant.grantee))
}

fn is_public_grantee(grantee: &Grantee) -> bool {
    matches!(grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers)
}

/// Whom a grant that fits was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantedTo {
    /// The asker himself.
    Asker,
    /// A group that the asker is in.
    Group,
}

/// Whether a list grants `permission` to `asker` (`None` is anonymous), and to whom the most direct such grant was
/// made. With `ignore_public`, grants to the public do not count.
pub fn granted(
    acl: &Acl,
    permission: AclPermission,
    asker: Option<&OwnerId>,
    ignore_public: bool,
) -> Option<GrantedTo> {
    let fits = |grant: &&Grant| grant.permission == permission || grant.permission == AclPermission::FullControl;
    let to_whom = |grant: &Grant| match &grant.grantee {
        grantee if ignore_public && is_public_grantee(grantee) => None,
        Grantee::Owner(owner) => (Some(owner) == asker).then_some(GrantedTo::Asker),
        Grantee::AllUsers => Some(GrantedTo::Group),
        Grantee::AuthenticatedUsers => asker.map(|_| GrantedTo::Group),
        // The gateway delivers its logs itself; nobody who sends requests is in this group.
        Grantee::LogDelivery => None,
    };
    let mut found: Vec<GrantedTo> = acl.grants.iter().filter(fits).filter_map(to_whom).collect();
    found.sort_by_key(|granted| *granted == GrantedTo::Group);
    found.first().copied()
}

/// One grant as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGrant {
    to: String,
    permission: String,
}

const ALL_USERS: &str = "group:all";
const AUTHENTICATED_USERS: &str = "group:authenticated";
const LOG_DELIVERY: &str = "group:log-delivery";
const OWNER: &str = "id:";

/// The stored form of a bucket's list.
///
/// # Panics
/// Never: lists of texts always have a form.
pub fn encode(acl: &Acl) -> Vec<u8> {
    let stored = acl.grants.iter().map(|grant| StoredGrant {
        to: match &grant.grantee {
            Grantee::Owner(owner) => format!("{OWNER}{owner}"),
            Grantee::AllUsers => ALL_USERS.to_owned(),
            Grantee::AuthenticatedUsers => AUTHENTICATED_USERS.to_owned(),
            Grantee::LogDelivery => LOG_DELIVERY.to_owned(),
        },
        permission: grant.permission.name().to_owned(),
    });
    serde_json::to_vec(&stored.collect::<Vec<_>>()).expect("texts have a JSON form")
}

/// Reads the stored form; `None` if it is none.
pub fn decode(document: &[u8]) -> Option<Acl> {
    let stored: Vec<StoredGrant> = serde_json::from_slice(document).ok()?;
    let grants = stored.into_iter().map(|stored| {
        let grantee = match stored.to.as_str() {
            ALL_USERS => Grantee::AllUsers,
            AUTHENTICATED_USERS => Grantee::AuthenticatedUsers,
            LOG_DELIVERY => Grantee::LogDelivery,
            other => Grantee::Owner(OwnerId(other.strip_prefix(OWNER)?.to_owned())),
        };
        Some(Grant { grantee, permission: AclPermission::parse(&stored.permission)? })
    });
    Some(Acl { grants: grants.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    use super::{AclSubject, CannedAcl, GrantedTo, decode, encode, granted, is_owner_only, is_public, owner_only};
    use crate::types::{Acl, AclPermission, Grant, Grantee, OwnerId};

    fn owner(name: &str) -> OwnerId {
        OwnerId(name.to_owned())
    }

    #[test]
    fn canned_lists_let_in_whom_they_name() {
        use AclPermission::{Read, ReadAcp, Write, WriteAcp};
        // Of each list: what it grants to anonymous, to somebody with a key, and to the bucket's owner, if the
        // object is a third one's.
        type Permissions = &'static [AclPermission];
        let table: [(CannedAcl, Permissions, Permissions, Permissions); 8] = [
            (CannedAcl::Private, &[], &[], &[]),
            (CannedAcl::PublicRead, &[Read], &[Read], &[Read]),
            (CannedAcl::PublicReadWrite, &[Read, Write], &[Read, Write], &[Read, Write]),
            (CannedAcl::AuthenticatedRead, &[], &[Read], &[Read]),
            (CannedAcl::AwsExecRead, &[], &[], &[]),
            (CannedAcl::BucketOwnerRead, &[], &[], &[Read]),
            (CannedAcl::BucketOwnerFullControl, &[], &[], &[Read, Write, ReadAcp, WriteAcp]),
            (CannedAcl::LogDeliveryWrite, &[], &[], &[]),
        ];
        let (writer, bucket_owner, other) = (owner("w"), owner("b"), owner("o"));
        for (canned, anonymous, known, of_bucket) in table {
            let acl = canned.expand(AclSubject::Object, &writer, &bucket_owner);
            for permission in [Read, Write, ReadAcp, WriteAcp] {
                let may = |asker| granted(&acl, permission, asker, false).is_some();
                assert_eq!(may(None), anonymous.contains(&permission), "{canned:?} {permission:?}");
                assert_eq!(may(Some(&other)), known.contains(&permission), "{canned:?} {permission:?}");
                assert_eq!(may(Some(&bucket_owner)), of_bucket.contains(&permission), "{canned:?} {permission:?}");
                assert!(may(Some(&writer)), "{canned:?} {permission:?}");
            }
            let is_open = !anonymous.is_empty() || !known.is_empty();
            assert_eq!(is_public(&acl), is_open, "{canned:?}");
            let closed = granted(&acl, Read, Some(&other), true);
            assert_eq!(closed, None, "{canned:?}: ignored public grants let nobody in");
        }
    }

    #[test]
    fn lists_for_the_buckets_owner_add_nothing_to_what_is_his() {
        let mine = owner("b");
        for canned in [CannedAcl::Private, CannedAcl::BucketOwnerRead, CannedAcl::BucketOwnerFullControl] {
            assert!(is_owner_only(&canned.expand(AclSubject::Object, &mine, &mine), &mine), "{canned:?}");
            assert!(is_owner_only(&canned.expand(AclSubject::Bucket, &mine, &owner("x")), &mine), "{canned:?}");
        }
        assert!(!is_owner_only(&owner_only(&mine), &owner("x")));
    }

    #[test]
    fn the_most_direct_grant_is_told() {
        let mut acl = CannedAcl::PublicRead.expand(AclSubject::Object, &owner("w"), &owner("b"));
        let read = |acl: &Acl| granted(acl, AclPermission::Read, Some(&owner("o")), false);
        assert_eq!(read(&acl), Some(GrantedTo::Group));
        acl.grants.push(Grant { grantee: Grantee::Owner(owner("o")), permission: AclPermission::FullControl });
        assert_eq!(read(&acl), Some(GrantedTo::Asker));
    }

    #[test]
    fn names_read_back() {
        for canned in CannedAcl::ALL {
            assert_eq!(CannedAcl::parse(canned.name()), Some(canned));
        }
        assert_eq!(CannedAcl::parse("Private"), None);
    }

    fn any_acl() -> impl Strategy<Value = Acl> {
        let grantee = prop_oneof![
            any::<String>().prop_map(|id| Grantee::Owner(OwnerId(id))),
            Just(Grantee::AllUsers),
            Just(Grantee::AuthenticatedUsers),
            Just(Grantee::LogDelivery),
        ];
        let permission = proptest::sample::select(&AclPermission::ALL);
        let grant = (grantee, permission).prop_map(|(grantee, permission)| Grant { grantee, permission });
        proptest::collection::vec(grant, 0..5).prop_map(|grants| Acl { grants })
    }

    proptest! {
        #[test]
        fn a_list_reads_back(acl in any_acl()) {
            assert_eq!(decode(&encode(&acl)), Some(acl));
        }

        #[test]
        fn ignoring_the_public_never_lets_anybody_else_in(acl in any_acl(), known in any::<bool>()) {
            let asker = owner("somebody");
            let asker = known.then_some(&asker);
            for permission in AclPermission::ALL {
                let ignored = granted(&acl, permission, asker, true);
                if ignored.is_some() {
                    assert_eq!(granted(&acl, permission, asker, false), ignored);
                }
                if !is_public(&acl) {
                    assert_eq!(granted(&acl, permission, asker, false), ignored);
                }
            }
        }

        #[test]
        fn arbitrary_documents_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }
}
